package archive

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/weirhq/weir/internal/store"
)

// A layout is a table as one archive has it: a later program may know more
// columns of it.
type layout struct {
	table *store.Table
	// places are those of the archive's columns among the table's.
	places []int
	// open begins the line of a row, names are what stands before each value.
	open  string
	names []string
}

func newLayout(t *store.Table, columns []int) *layout {
	l := &layout{table: t, places: columns, open: `{"` + t.Name + `":{`}
	for _, place := range columns {
		l.names = append(l.names, `"`+t.Columns[place].Name+`":`)
	}
	return l
}

// appendRow writes a row as a line, without its end.
func (l *layout) appendRow(dst []byte, row []any) ([]byte, error) {
	dst = append(dst, l.open...)
	first := true
	for i, place := range l.places {
		if row[place] == nil {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, l.names[i]...)
		var err error
		if dst, err = appendValue(dst, l.table.Columns[place].Kind, row[place]); err != nil {
			return dst, fmt.Errorf("the row %v of table %s: column %s: %w", row[0], l.table.Name, l.table.Columns[place].Name, err)
		}
	}
	return append(dst, "}}"...), nil
}

func appendValue(dst []byte, kind store.Kind, value any) ([]byte, error) {
	switch value := value.(type) {
	case int64:
		return strconv.AppendInt(dst, value, 10), nil
	case float64:
		return strconv.AppendFloat(dst, value, 'g', -1, 64), nil
	case bool:
		return strconv.AppendBool(dst, value), nil
	case string:
		if kind == store.Document {
			return appendDocument(dst, value)
		}
		return appendText(dst, []byte(value))
	case []byte:
		if kind == store.Binary {
			return appendBase64(dst, value), nil
		}
		return appendText(dst, value)
	default:
		return dst, fmt.Errorf("a %T can't be written", value)
	}
}

// appendText writes text as text, and what is none as {"base64":"…"}: bytes
// come back as they were, and stay readable where they are.
func appendText(dst, text []byte) ([]byte, error) {
	if utf8.Valid(text) {
		return jsontext.AppendQuote(dst, text)
	}
	dst = append(dst, `{"base64":`...)
	return append(appendBase64(dst, text), '}'), nil
}

func appendBase64(dst, b []byte) []byte {
	return append(base64.StdEncoding.AppendEncode(append(dst, '"'), b), '"')
}

// appendDocument writes JSON in the one form that it has on every database:
// names in their order, no space, the shortest escapes, numbers as they are.
func appendDocument(dst []byte, document string) ([]byte, error) {
	value := jsontext.Value(document)
	if document != "{}" && document != "null" {
		value = bytes.Clone(value)
		err := value.Canonicalize(jsontext.CanonicalizeRawInts(false), jsontext.CanonicalizeRawFloats(false))
		if err != nil {
			return dst, fmt.Errorf("it holds no JSON: %w", err)
		}
	}
	return append(dst, value...), nil
}

// A rowReader takes the lines of rows apart.
type rowReader struct {
	buffer  bytes.Reader
	decoder *jsontext.Decoder
}

func newRowReader() *rowReader {
	r := &rowReader{}
	r.decoder = jsontext.NewDecoder(&r.buffer)
	return r
}

// read returns the row that a line holds, with all columns of the table.
func (r *rowReader) read(l *layout, text []byte) ([]any, error) {
	rest, found := bytes.CutPrefix(text, []byte(l.open))
	if !found {
		return nil, fmt.Errorf("it is no row of table %s", l.table.Name)
	}
	// What is left is the inside of an object and the two ends.
	r.buffer.Reset(text[len(text)-len(rest)-1:])
	r.decoder.Reset(&r.buffer)
	if _, err := r.decoder.ReadToken(); err != nil {
		return nil, err
	}
	row := make([]any, len(l.table.Columns))
	at := 0
	for r.decoder.PeekKind() != '}' {
		name, err := r.decoder.ReadToken()
		if err != nil {
			return nil, err
		}
		place, err := l.find(&at, name.String())
		if err != nil {
			return nil, err
		}
		if row[place], err = r.value(l.table.Columns[place].Kind); err != nil {
			return nil, fmt.Errorf("column %s: %w", l.table.Columns[place].Name, err)
		}
	}
	if _, err := r.decoder.ReadToken(); err != nil {
		return nil, err
	}
	if string(text[r.inside(text, rest):]) != "}" {
		return nil, fmt.Errorf("something follows the row")
	}
	return row, l.complete(row)
}

// inside is where in the line the decoder stands.
func (r *rowReader) inside(text, rest []byte) int {
	return len(text) - len(rest) - 1 + int(r.decoder.InputOffset())
}

// find returns the place of a column that comes at or after a position in the
// archive's order, and moves the position on.
func (l *layout) find(at *int, name string) (int, error) {
	for i := *at; i < len(l.places); i++ {
		if l.table.Columns[l.places[i]].Name == name {
			*at = i + 1
			return l.places[i], nil
		}
	}
	return 0, fmt.Errorf("column %q is unknown, or not in its place", name)
}

// complete makes sure that every column that must have a value has one.
func (l *layout) complete(row []any) error {
	for i := range row {
		if row[i] == nil && !l.table.Columns[i].Null {
			return fmt.Errorf("column %s is missing", l.table.Columns[i].Name)
		}
	}
	return nil
}

// value reads a value of a kind. A null is none of any kind: a column without a
// value is left out.
func (r *rowReader) value(kind store.Kind) (any, error) {
	switch kind {
	case store.Document:
		value, err := r.decoder.ReadValue()
		return string(value), err
	case store.Integer, store.Number, store.Flag:
		return r.scalar(kind)
	case store.Binary:
		return r.base64()
	case store.Raw:
		return r.text()
	default:
		text, err := r.text()
		return string(text), err
	}
}

func (r *rowReader) scalar(kind store.Kind) (any, error) {
	value, err := r.decoder.ReadValue()
	if err != nil {
		return nil, err
	}
	switch kind {
	case store.Integer:
		return strconv.ParseInt(string(value), 10, 64)
	case store.Number:
		return strconv.ParseFloat(string(value), 64)
	default:
		return strconv.ParseBool(string(value))
	}
}

// text reads what appendText wrote.
func (r *rowReader) text() ([]byte, error) {
	if r.decoder.PeekKind() == '"' {
		value, err := r.decoder.ReadValue()
		if err != nil {
			return nil, err
		}
		return jsontext.AppendUnquote([]byte{}, value)
	}
	for _, want := range []string{"{", "base64"} {
		token, err := r.decoder.ReadToken()
		if err != nil {
			return nil, err
		}
		if token.String() != want {
			return nil, fmt.Errorf(`it is neither text nor {"base64":"…"}`)
		}
	}
	b, err := r.base64()
	if err != nil {
		return nil, err
	}
	if r.decoder.PeekKind() != '}' {
		return nil, fmt.Errorf(`it is neither text nor {"base64":"…"}`)
	}
	_, err = r.decoder.ReadToken()
	return b, err
}

func (r *rowReader) base64() ([]byte, error) {
	token, err := r.decoder.ReadToken()
	if err != nil {
		return nil, err
	}
	if token.Kind() != '"' {
		return nil, fmt.Errorf("it is no base64")
	}
	return base64.StdEncoding.Strict().DecodeString(token.String())
}
