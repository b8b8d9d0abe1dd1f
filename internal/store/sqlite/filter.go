package sqlite

import (
	"strings"

	"github.com/weirhq/weir/internal/hub"
)

// columns are what the filter of a list may use, by the names of its fields. An
// empty name means that the list has no such field. Every list joins connector as c.
type columns struct {
	account  string // the alias of the table account
	payment  string // the alias of the table payment
	metadata string
	text     map[hub.TextField]string
	amount   map[hub.AmountField]string
	// common are the texts that most rows have in a field. The other texts of the
	// field have an index, which is used where the statement says that the row
	// has not the common one.
	common map[hub.TextField]string
}

// compile makes a condition out of a filter. What the list has no column for is
// an error, and never left out.
func (c columns) compile(filter hub.Filter) (string, []any, error) {
	switch f := filter.(type) {
	case hub.And:
		return c.join(f, " AND ", "1")
	case hub.Or:
		return c.join(f, " OR ", "0")
	case hub.Not:
		part, args, err := c.compile(f.Filter)
		return "NOT " + part, args, err
	case hub.OfConnector:
		return "(c.provider = ? AND c.reference = ?)", []any{f.ID.Provider, f.ID.Reference}, nil
	case hub.IsAccount:
		if c.account == "" {
			break
		}
		return c.ofConnector(f.ID.Connector, c.account+".reference = ? AND "+c.account+".id_type = ?", f.ID.Reference, string(f.ID.Type))
	case hub.IsPayment:
		if c.payment == "" {
			break
		}
		return c.ofConnector(f.ID.Connector, c.payment+".reference = ? AND ? IN ("+c.payment+".id_type, "+c.payment+".type)",
			f.ID.Reference, string(f.ID.Type))
	case hub.CompareText:
		if column := c.text[f.Field]; column != "" {
			if common := c.common[f.Field]; common != "" && common != f.Text && f.Operator == hub.Equal {
				return "(" + column + " <> '" + common + "' AND " + column + " = ?)", []any{f.Text}, nil
			}
			return "(" + column + " " + string(f.Operator) + " ?)", []any{f.Text}, f.Operator.Check()
		}
	case hub.CompareAmount:
		if column := c.amount[f.Field]; column != "" {
			return compareAmount(column, f.Operator, f.Amount)
		}
	case hub.HasMetadata:
		if c.metadata != "" {
			return hasMetadata(c.metadata, f)
		}
	}
	return "", nil, hub.NotFilterable(filter)
}

// hasMetadata looks for one pair. Taking JSON apart costs many times what
// looking for a text in it does, so where the value is written in JSON as it is,
// only the rows are taken apart in which it occurs.
func hasMetadata(column string, f hub.HasMetadata) (string, []any, error) {
	condition := "EXISTS (SELECT 1 FROM json_each(" + column + ") AS m WHERE m.key = ? AND m.value = ?)"
	if strings.ContainsFunc(f.Value, isEscaped) {
		return condition, []any{f.Key, f.Value}, nil
	}
	return "(instr(" + column + ", ?) > 0 AND " + condition + ")", []any{`"` + f.Value + `"`, f.Key, f.Value}, nil
}

// isEscaped reports whether a writer of JSON may write the character in another
// way than as itself. Metadata come from more than one writer.
func isEscaped(r rune) bool {
	return r < ' ' || r > '~' || strings.ContainsRune(`"\/<>&'`, r)
}

func (c columns) join(parts []hub.Filter, with, empty string) (string, []any, error) {
	if len(parts) == 0 {
		return empty, nil, nil
	}
	var texts []string
	var all []any
	for _, part := range parts {
		text, args, err := c.compile(part)
		if err != nil {
			return "", nil, err
		}
		texts = append(texts, text)
		all = append(all, args...)
	}
	return "(" + strings.Join(texts, with) + ")", all, nil
}

func (c columns) ofConnector(id hub.ConnectorID, condition string, args ...any) (string, []any, error) {
	return "(c.provider = ? AND c.reference = ? AND " + condition + ")", append([]any{id.Provider, id.Reference}, args...), nil
}

// compareAmount compares amounts that are texts of any length: of two numbers
// of one sign, the longer text is further from zero, and of equal length the
// order is that of the digits.
func compareAmount(column string, op hub.Operator, amount hub.Amount) (string, []any, error) {
	text := amount.String()
	if op == hub.Equal {
		return "(" + column + " = ?)", []any{text}, nil
	}
	negative := "substr(" + column + ", 1, 1) = '-'"
	shorter := "(length(" + column + ") < ? OR length(" + column + ") = ? AND " + column + " < ?)"
	length := int64(len(text))
	less, args := "("+negative+" OR "+shorter+")", []any{length, length, text}
	if amount.Int().Sign() < 0 {
		longer := "(length(" + column + ") > ? OR length(" + column + ") = ? AND " + column + " > ?)"
		less = "(" + negative + " AND " + longer + ")"
	}
	equal := column + " = ?"
	switch op {
	case hub.Less:
		return less, args, nil
	case hub.LessOrEqual:
		return "(" + less + " OR " + equal + ")", append(args, text), nil
	case hub.Greater:
		return "NOT (" + less + " OR " + equal + ")", append(args, text), nil
	case hub.GreaterOrEqual:
		return "NOT " + less, args, nil
	default:
		return "", nil, op.Check()
	}
}
