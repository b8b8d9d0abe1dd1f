package api

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/weirhq/weir/internal/hub"
)

// data is the envelope of an answer that holds one thing.
type data[T any] struct {
	Data T `json:"data"`
}

// writeData answers with one thing in its envelope.
func writeData[T any](w http.ResponseWriter, status int, thing T) error {
	return writeJSON(w, status, data[T]{thing})
}

// writeJSON answers with body. It writes nothing when body can't be encoded,
// so that the error can still be answered.
func writeJSON(w http.ResponseWriter, status int, body any) error {
	text, err := encodeJSON(body)
	if err != nil {
		return err
	}
	writeText(w, status, text)
	return nil
}

func writeText(w http.ResponseWriter, status int, text []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write(text) //nolint:gosec // it is JSON, declared as such with nosniff, and no page
}

// buffers are the memory of answers that have been written. A page of payments
// is a hundred kilobytes; made anew for each, it would be most of what the
// garbage collector has to do.
type buffers struct{ pool sync.Pool }

// answerBytesKept bounds a buffer that is kept: few answers are larger.
const answerBytesKept = 1 << 20

var answers buffers

func (a *buffers) take() []byte {
	if b, ok := a.pool.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return nil
}

func (a *buffers) give(b []byte) {
	if cap(b) <= answerBytesKept {
		a.pool.Put(&b)
	}
}

// appendForm appends a form as JSON. The forms of which a page has many write
// themselves: encoding/json needs several times as long for the same bytes.
func appendForm(b []byte, form any) ([]byte, error) {
	if f, ok := form.(interface {
		appendJSON(b []byte) ([]byte, error)
	}); ok {
		return f.appendJSON(b)
	}
	text, err := encodeJSON(form)
	return append(b, bytes.TrimSuffix(text, []byte("\n"))...), err
}

// appendText appends a text as encodeJSON writes it.
func appendText[T ~string](b []byte, text T) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			escaped, _ := encodeJSON(string(text)) // texts always encode
			return append(b, bytes.TrimSuffix(escaped, []byte("\n"))...)
		}
	}
	return append(append(append(b, '"'), text...), '"')
}

// appendID appends an identifier, whose alphabet needs no escapes; null for none.
func appendID[ID any, P interface {
	*ID
	encoding.TextAppender
}](b []byte, id P) []byte {
	if id == nil {
		return append(b, "null"...)
	}
	b, _ = id.AppendText(append(b, '"')) // identifiers always encode
	return append(b, '"')
}

// appendMetadata appends metadata with its keys in order, as encodeJSON does.
func appendMetadata(b []byte, metadata map[string]string) []byte {
	b = append(b, '{')
	for i, key := range slices.Sorted(maps.Keys(metadata)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(append(appendText(b, key), ':'), metadata[key])
	}
	return append(b, '}')
}

// encodeJSON leaves & < > as they are: nobody reads this as a page, and a
// record's bytes should look as they came.
func encodeJSON(body any) ([]byte, error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	err := enc.Encode(body)
	return text.Bytes(), err
}

// readBody returns the body of the request, which must not be longer than bound.
func readBody(w http.ResponseWriter, r *http.Request, bound int) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(bound)))
	var exceeded *http.MaxBytesError
	switch {
	case errors.As(err, &exceeded):
		return nil, tooLarge(bound)
	case err != nil:
		return nil, invalidBody("the body can't be read to its end")
	case !utf8.Valid(body):
		return nil, invalidBody("the body is not valid UTF-8")
	}
	return body, nil
}

// decodeBody reads a JSON object into a struct. Unknown fields are passed over
// and keys are matched whatever their case, as at the reference.
func decodeBody(body []byte, into any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return invalidBody("a body is needed: a JSON object")
	}
	var wrongType *json.UnmarshalTypeError
	err := json.Unmarshal(body, into)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrongType) && wrongType.Field != "":
		return invalid("%s can't be %s", wrongType.Field, article(wrongType.Value))
	case errors.As(err, &wrongType):
		return invalidBody("the body must be a JSON object, not %s", article(wrongType.Value))
	default:
		return invalidBody("the body is not JSON: %s", err)
	}
}

// article puts "a" or "an" before the name of a kind of JSON value.
func article(kind string) string {
	if kind == "array" || kind == "object" {
		return "an " + kind
	}
	return "a " + kind
}

// instant is a time in the API's form: UTC, cut to the microseconds.
type instant time.Time

// MarshalJSON writes the time.
func (t instant) MarshalJSON() ([]byte, error) {
	return t.appendJSON(nil), nil
}

func (t instant) appendJSON(b []byte) []byte {
	at := time.Time(t).UTC().Truncate(time.Microsecond)
	return at.AppendFormat(b, `"`+time.RFC3339Nano+`"`)
}

// optionalInstant is nil for the zero time.
func optionalInstant(t time.Time) *instant {
	if t.IsZero() {
		return nil
	}
	at := instant(t)
	return &at
}

// optionalText is nil for the empty text.
func optionalText(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// metadataOf is never null in an answer.
func metadataOf(metadata map[string]string) map[string]string {
	if metadata == nil {
		return map[string]string{}
	}
	return metadata
}

// rawObject returns a record's bytes as the JSON object that the API's clients
// need. Every record is one; should the store ever return other bytes, they are
// shown as a text, so that the answer around them stays readable.
func rawObject(raw []byte) json.RawMessage {
	trimmed := bytes.TrimSpace(raw)
	switch {
	case len(trimmed) == 0:
		return json.RawMessage(`{}`)
	case trimmed[0] == '{' && utf8.Valid(trimmed) && json.Valid(trimmed):
		return trimmed
	}
	text, _ := json.Marshal(map[string]string{"unreadable": string(raw)}) // strings always encode
	return text
}

// pathID parses the identifier in the path's place name.
func pathID[T any](r *http.Request, name string, parse func(string) (T, error)) (T, error) {
	id, err := parse(r.PathValue(name))
	if err != nil {
		return id, invalidID(name, err)
	}
	return id, nil
}

// accountIDOf names an account that is known by its reference only; nil for none.
func accountIDOf(connector hub.ConnectorID, reference string) *hub.AccountID {
	if reference == "" {
		return nil
	}
	return &hub.AccountID{Connector: connector, Reference: reference}
}
