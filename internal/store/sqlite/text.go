package sqlite

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/hub"
)

// instantForm is how instants are written: in UTC and of one length, so that
// their order as texts is their order in time.
const instantForm = "2006-01-02T15:04:05.000000000Z"

// instant writes an instant. The years are those from 0 to 9999, as the
// contract has it.
func instant(t time.Time) string {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	var b [len(instantForm)]byte
	copy(b[:], instantForm)
	digits(b[0:4], year)
	digits(b[5:7], int(month))
	digits(b[8:10], day)
	digits(b[11:13], hour)
	digits(b[14:16], minute)
	digits(b[17:19], second)
	digits(b[20:29], t.Nanosecond())
	return string(b[:])
}

func digits(b []byte, n int) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
}

// instantOrNull writes the zero instant as NULL.
func instantOrNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return instant(t)
}

// parseInstant reads what instant writes. Anything else is not of this
// package's making and comes out as the zero instant.
func parseInstant(s string) time.Time {
	if len(s) != len(instantForm) {
		return time.Time{}
	}
	return time.Date(number(s[0:4]), time.Month(number(s[5:7])), number(s[8:10]),
		number(s[11:13]), number(s[14:16]), number(s[17:19]), number(s[20:29]), time.UTC)
}

func number(s string) int {
	n := 0
	for i := range len(s) {
		n = n*10 + int(s[i]-'0')
	}
	return n
}

// amount reads the digits that an amount is stored as.
func amount(s string) (hub.Amount, error) {
	a, err := hub.ParseAmount(s)
	if err != nil {
		return a, fmt.Errorf("stored amount: %w", err)
	}
	return a, nil
}

// textOrNull writes the empty text as NULL.
func textOrNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// metadata writes absent metadata as NULL, and keeps them apart from empty ones.
func metadata(m map[string]string) (any, error) {
	if m == nil {
		return nil, nil
	}
	b, err := json.Marshal(m)
	return string(b), err
}

func parseMetadata(r row, i int) (map[string]string, error) {
	if r[i] == nil {
		return nil, nil
	}
	if m, plain := parsePairs(r.text(i)); plain {
		return m, nil
	}
	var m map[string]string
	if err := json.Unmarshal([]byte(r.text(i)), &m); err != nil {
		return nil, fmt.Errorf("stored metadata: %w", err)
	}
	return m, nil
}

// parsePairs reads an object of texts as metadata writes it, if nothing in it is
// escaped: most are of that kind, and a page has a hundred of them. Of all
// others it says that they are not plain.
func parsePairs(object string) (pairs map[string]string, plain bool) {
	rest, found := strings.CutPrefix(object, `{"`)
	if !found || strings.Contains(object, `\`) {
		return nil, false
	}
	pairs = make(map[string]string, 1)
	for {
		key, value, separated := strings.Cut(rest, `":"`)
		if !separated || strings.Contains(key, `"`) {
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
		if rest, found = strings.CutPrefix(rest, `,"`); !found {
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

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
