package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// tolerant reads whatever the reference client reads: repeated keys, and text
// that is not UTF-8. The grammar of JSON itself still holds.
var tolerant = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// span is where an element stands in its page.
type span struct{ start, end int }

// elements finds the elements of a list without looking into them. Its error
// says what makes the page as a whole unreadable.
func elements(page []byte) ([]span, error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(page), tolerant...)
	switch dec.PeekKind() {
	case '[':
		_, _ = dec.ReadToken()
	case 'n':
		_, err := dec.ReadToken()
		return nil, end(dec, page, err)
	default:
		return nil, fmt.Errorf("the body is %s, not a JSON list", describe(page))
	}
	var spans []span
	for dec.PeekKind() != ']' {
		if len(spans) == MaxPageRecords {
			return nil, fmt.Errorf("the list has more than %d records: no page is that long", MaxPageRecords)
		}
		value, err := dec.ReadValue()
		if err != nil {
			return nil, broken(err, len(page), fmt.Sprintf("record %d of the list", len(spans)+1))
		}
		stop := int(dec.InputOffset())
		spans = append(spans, span{stop - len(value), stop})
	}
	_, err := dec.ReadToken()
	return spans, end(dec, page, err)
}

// body finds the object in an answer that is one object.
func body(answer []byte) ([]byte, error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(answer), tolerant...)
	if dec.PeekKind() != '{' {
		return nil, fmt.Errorf("the body is %s, not a JSON object", describe(answer))
	}
	value, err := dec.ReadValue()
	if err != nil {
		return nil, broken(err, len(answer), "the object")
	}
	stop := int(dec.InputOffset())
	return answer[stop-len(value) : stop : stop], end(dec, answer, nil)
}

// end checks that nothing follows what was read.
func end(dec *jsontext.Decoder, page []byte, err error) error {
	if err != nil {
		return broken(err, len(page), "the list")
	}
	at := int(dec.InputOffset())
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("the body goes on after its end, at byte %d: %.40q", at, bytes.TrimSpace(page[at:]))
	}
	return nil
}

// broken says where a page stops being JSON.
func broken(err error, size int, where string) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the body is cut off after %d bytes, in %s", size, where)
	}
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		return fmt.Errorf("%s is not readable JSON at byte %d: %w", where, syntax.ByteOffset, syntax.Err)
	}
	return fmt.Errorf("%s is not readable JSON: %w", where, err)
}

// describe names what came in place of what was expected, for a sentence.
func describe(value []byte) string {
	value = bytes.TrimSpace(value)
	if len(value) == 0 {
		return "empty"
	}
	switch jsontext.Kind(value[0]) {
	case '{':
		return "a JSON object" + describeKeys(value)
	case '[':
		return "a JSON list"
	case '"':
		return fmt.Sprintf("the string %.40s", value)
	case '<':
		if start := bytes.ToLower(value[:min(len(value), 200)]); bytes.Contains(start, []byte("<?xml")) && !bytes.Contains(start, []byte("<html")) {
			return "an XML document"
		}
		return "an HTML page"
	}
	switch {
	case string(value) == "null", string(value) == "true", string(value) == "false":
		return string(value)
	case isDigit(value[0]), value[0] == '-':
		return fmt.Sprintf("the number %.40s", value)
	}
	return fmt.Sprintf("no JSON: %.40q", value)
}

// describeKeys names the first keys of an object: a list that is wrapped in
// one is a common mistake, and its keys tell which.
func describeKeys(object []byte) string {
	const keysMax = 5
	dec := jsontext.NewDecoder(bytes.NewBuffer(object), tolerant...)
	_, _ = dec.ReadToken()
	var keys []string
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			break
		}
		if len(keys) == keysMax {
			keys = append(keys, "…")
			break
		}
		keys = append(keys, fmt.Sprintf("%.40s", name.String()))
		if dec.SkipValue() != nil {
			break
		}
	}
	if len(keys) == 0 {
		return ""
	}
	return " with the keys " + strings.Join(keys, ", ")
}
