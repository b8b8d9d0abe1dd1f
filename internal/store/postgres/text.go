package postgres

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
)

// PostgreSQL's text holds every character but U+0000, and services show even
// that. So on the way in, U+0000 becomes U+0001 U+0001 and U+0001 becomes U+0001
// U+0002. Every text has one form, comes back as it was, and the order of the
// forms is that of the texts. Bytes that are no UTF-8 do not get as far as here
// from a service; from elsewhere, such as a message, they become U+FFFD.

// encode makes a text one that PostgreSQL takes.
func encode(s string) string {
	if isPlain(s) {
		return s
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	var b strings.Builder
	for i := range len(s) {
		if s[i] < 2 {
			b.WriteByte(1)
			b.WriteByte(s[i] + 1)
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// isPlain says of a text without control characters, and of ASCII at once, that
// it stays as it is.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < 2 {
			return false
		}
		if s[i] >= 0x80 {
			return !strings.ContainsAny(s[i:], "\x00\x01") && strings.ToValidUTF8(s[i:], "") == s[i:]
		}
	}
	return true
}

// decode is the way back.
func decode(s string) string {
	at := strings.IndexByte(s, 1)
	if at < 0 {
		return s
	}
	var b strings.Builder
	for at >= 0 && at+1 < len(s) {
		b.WriteString(s[:at])
		b.WriteByte(s[at+1] - 1)
		s = s[at+2:]
		at = strings.IndexByte(s, 1)
	}
	b.WriteString(s)
	return b.String()
}

// A repeated is a column that most rows of a result have the same text in, such
// as a status: that text is made once, and not for every row.
type repeated string

var _ pgtype.BytesScanner = (*repeated)(nil)

// ScanBytes implements [pgtype.BytesScanner].
func (r *repeated) ScanBytes(text []byte) error {
	if string(text) != string(*r) {
		*r = repeated(text)
	}
	return nil
}

func (r repeated) decode() string { return decode(string(r)) }

// instantOrNone writes the zero instant as the empty text, which the statements
// make NULL: an array of texts is simpler than one with gaps.
func instantOrNone(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return store.FormatInstant(t)
}

// amount reads the digits of an amount.
func amount(s string) (hub.Amount, error) {
	a, err := hub.ParseAmount(s)
	if err != nil {
		return a, fmt.Errorf("stored amount: %w", err)
	}
	return a, nil
}

// metadata writes absent metadata as the empty text, which the statements make
// NULL, and keeps them apart from empty ones.
func metadata(m map[string]string) (string, error) {
	if m == nil {
		return "", nil
	}
	for key, value := range m {
		if !isPlain(key) || !isPlain(value) {
			return encodedMetadata(m)
		}
	}
	b, err := json.Marshal(m)
	return string(b), err
}

func encodedMetadata(m map[string]string) (string, error) {
	encoded := make(map[string]string, len(m))
	for key, value := range m {
		encoded[encode(key)] = encode(value)
	}
	b, err := json.Marshal(encoded)
	return string(b), err
}

func parseMetadata(s string) (map[string]string, error) {
	if s == "" {
		return nil, nil
	}
	if m, plain := parsePairs(s); plain {
		return m, nil
	}
	var m map[string]string
	if err := json.Unmarshal([]byte(s), &m); err != nil {
		return nil, fmt.Errorf("stored metadata: %w", err)
	}
	if !strings.Contains(s, `\u0001`) {
		return m, nil
	}
	decoded := make(map[string]string, len(m))
	for key, value := range m {
		decoded[decode(key)] = decode(value)
	}
	return decoded, nil
}

// parsePairs reads an object of texts as PostgreSQL writes it, if nothing in it
// is escaped: most are of that kind, and a page has a hundred of them. Of all
// others it says that they are not plain.
func parsePairs(object string) (pairs map[string]string, plain bool) {
	rest, found := strings.CutPrefix(object, `{"`)
	if !found || strings.IndexByte(object, '\\') >= 0 {
		return nil, false
	}
	pairs = make(map[string]string, 1)
	for {
		key, value, separated := strings.Cut(rest, `": "`)
		if !separated || strings.IndexByte(key, '"') >= 0 {
			return nil, false
		}
		value, rest, found = strings.Cut(value, `"`)
		if !found {
			return nil, false
		}
		pairs[key] = value
		if rest == "}" {
			return pairs, true
		}
		if rest, found = strings.CutPrefix(rest, `, "`); !found {
			return nil, false
		}
	}
}

// blob makes sure that no bytes are stored as no bytes, and not as NULL.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
