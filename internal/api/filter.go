package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/weirhq/weir/internal/hub"
)

// The bounds of a filter. It travels in the cursor, so in a URL; and each of
// its terms becomes a term of an SQL statement, whose depth databases bound.
const (
	filterBytesMax = 128 << 10
	filterDepthMax = 20
	filterTermsMax = 500
)

// readFilter returns the filter of a list as it came: the body of the GET, as
// the official client sends it, or else the parameter query.
func readFilter(w http.ResponseWriter, r *http.Request, query string) (json.RawMessage, error) {
	text, err := readBody(w, r, filterBytesMax)
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(text)) == 0 {
		text = []byte(query)
	}
	if len(text) > filterBytesMax || !utf8.Valid(text) {
		return nil, invalid("the filter must be valid UTF-8 of at most %d bytes", filterBytesMax)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, nil
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		return nil, invalid("the filter is not JSON: %s", err)
	}
	return compact.Bytes(), nil
}

// fieldSet is what one list can be filtered by.
type fieldSet struct {
	// list names the list in messages.
	list   string
	fields map[string]filterField
}

// filterField makes the condition of one key. ordered says whether the key
// takes the operators that need an order, beside $match.
type filterField struct {
	ordered bool
	make    func(c comparison) (hub.Filter, error)
}

// comparison is one leaf of a filter: key, operator and value.
type comparison struct {
	key      string
	operator hub.Operator
	value    any // string, json.Number, bool or nil
}

// operators are the leaves of the grammar.
var operators = map[string]hub.Operator{
	"$match": hub.Equal, "$lt": hub.Less, "$lte": hub.LessOrEqual, "$gt": hub.Greater, "$gte": hub.GreaterOrEqual,
}

// never is a condition that no row meets.
var never = hub.Or{}

// parseFilter reads a filter of the v3 grammar into conditions on the fields of
// a list:
//
//	{"$and": […]}  {"$or": […]}  {"$not": {…}}
//	{"$match": {key: value}}  and likewise $lt, $lte, $gt, $gte
//
// One operator an object, one key a leaf. Nothing, null and {} are no filter;
// an empty $or is true, as it is there. $like, $in and $exists are parsed by the
// reference and then fail; here they are refused with a sentence.
func parseFilter(text json.RawMessage, fields *fieldSet) (hub.Filter, error) {
	if len(text) == 0 {
		return nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var tree map[string]any
	if err := dec.Decode(&tree); err != nil {
		return nil, invalid("a filter must be a JSON object")
	}
	if len(tree) == 0 {
		return nil, nil
	}
	p := filterParser{fields: fields}
	return p.parse(tree, 1)
}

type filterParser struct {
	fields *fieldSet
	terms  int
}

func (p *filterParser) parse(node any, depth int) (hub.Filter, error) {
	p.terms++
	if depth > filterDepthMax || p.terms > filterTermsMax {
		return nil, invalid("the filter is too large: at most %d terms, nested at most %d deep", filterTermsMax, filterDepthMax)
	}
	object, ok := node.(map[string]any)
	if !ok || len(object) != 1 {
		return nil, invalid("each object of a filter holds exactly one operator, such as $match or $and")
	}
	operator, operand := onlyEntry(object)
	switch operator {
	case "$and", "$or":
		return p.parseSet(operator, operand, depth)
	case "$not":
		part, err := p.parse(operand, depth+1)
		return hub.Not{Filter: part}, err
	case "$like", "$in", "$exists":
		return nil, invalid("%s can't be used here; a filter takes $match, $lt, $lte, $gt, $gte, $and, $or and $not", operator)
	}
	compare, ok := operators[operator]
	if !ok {
		return nil, invalid("unknown operator %.40q; a filter takes $match, $lt, $lte, $gt, $gte, $and, $or and $not", operator)
	}
	return p.parseLeaf(operator, compare, operand)
}

func (p *filterParser) parseSet(operator string, operand any, depth int) (hub.Filter, error) {
	nodes, ok := operand.([]any)
	if !ok {
		return nil, invalid("%s takes an array of conditions", operator)
	}
	parts := make([]hub.Filter, 0, len(nodes))
	for _, node := range nodes {
		part, err := p.parse(node, depth+1)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
	}
	if operator == "$or" && len(parts) > 0 {
		return hub.Or(parts), nil
	}
	return hub.And(parts), nil
}

func (p *filterParser) parseLeaf(operator string, compare hub.Operator, operand any) (hub.Filter, error) {
	object, ok := operand.(map[string]any)
	if !ok || len(object) != 1 {
		return nil, invalid("%s takes an object with exactly one key", operator)
	}
	key, value := onlyEntry(object)
	name := key
	if strings.HasPrefix(key, "metadata[") && strings.HasSuffix(key, "]") {
		name = "metadata[]"
	}
	field, ok := p.fields.fields[name]
	if !ok {
		return nil, invalid("cannot list %s: unknown key %.40q in the filter; the keys are %s",
			p.fields.list, key, p.fields.keys())
	}
	if compare != hub.Equal && !field.ordered {
		return nil, invalid("'%.40s' can only be used with $match", key)
	}
	return field.make(comparison{key, compare, value})
}

func (s *fieldSet) keys() string {
	names := make([]string, 0, len(s.fields))
	for name := range s.fields {
		names = append(names, strings.Replace(name, "[]", "[key]", 1))
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func onlyEntry(object map[string]any) (string, any) {
	for key, value := range object {
		return key, value
	}
	return "", nil
}

// text returns the value of a comparison that needs a text.
func (c comparison) text() (string, error) {
	s, ok := c.value.(string)
	if !ok {
		return "", invalid("'%.40s' must be held against a text", c.key)
	}
	return s, nil
}

// textField compares a text as it stands.
func textField(field hub.TextField, ordered bool) filterField {
	return filterField{ordered, func(c comparison) (hub.Filter, error) {
		text, err := c.text()
		return hub.CompareText{Field: field, Operator: c.operator, Text: text}, err
	}}
}

// lowerField compares a text whose case does not matter and which is stored in
// lower case.
func lowerField(field hub.TextField) filterField {
	return filterField{true, func(c comparison) (hub.Filter, error) {
		text, err := c.text()
		return hub.CompareText{Field: field, Operator: c.operator, Text: strings.ToLower(text)}, err
	}}
}

// amountField compares an amount, given as an integer or as its digits.
func amountField(field hub.AmountField) filterField {
	return filterField{true, func(c comparison) (hub.Filter, error) {
		var digits string
		switch value := c.value.(type) {
		case json.Number:
			digits = value.String()
		case string:
			digits = value
		}
		amount, err := hub.ParseAmount(digits)
		if err != nil {
			return nil, invalid("'%s' must be held against an integer", c.key)
		}
		return hub.CompareAmount{Field: field, Operator: c.operator, Amount: amount}, nil
	}}
}

// identifierField matches an identifier. Identifiers are not stored, so they
// have no order to compare by. One that can't be parsed names nothing.
func identifierField[ID any](parse func(string) (ID, error), match func(ID) hub.Filter) filterField {
	return filterField{false, func(c comparison) (hub.Filter, error) {
		text, err := c.text()
		if err != nil {
			return nil, err
		}
		if id, err := parse(text); err == nil {
			return match(id), nil
		}
		return never, nil
	}}
}

// connectorField matches the rows of a connector.
var connectorField = identifierField(hub.ParseConnectorID, func(id hub.ConnectorID) hub.Filter {
	return hub.OfConnector{ID: id}
})

// counterpartField matches the payments from or to an account.
func counterpartField(field hub.TextField) filterField {
	return identifierField(hub.ParseAccountID, func(id hub.AccountID) hub.Filter {
		return hub.And{
			hub.OfConnector{ID: id.Connector},
			hub.CompareText{Field: field, Operator: hub.Equal, Text: id.Reference},
		}
	})
}

// absentField is known to the v3 form, but Weir has nothing that carries it.
func absentField(ordered bool) filterField {
	return filterField{ordered, func(c comparison) (hub.Filter, error) {
		_, err := c.text()
		return never, err
	}}
}

// metadataField matches one key of the metadata, named in brackets.
var metadataField = filterField{false, func(c comparison) (hub.Filter, error) {
	text, err := c.text()
	key := strings.TrimSuffix(strings.TrimPrefix(c.key, "metadata["), "]")
	return hub.HasMetadata{Key: key, Value: text}, err
}}
