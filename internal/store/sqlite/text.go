package sqlite

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
)

// instantOrNull writes the zero instant as NULL.
func instantOrNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return store.FormatInstant(t)
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
