package postgres

import (
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestEveryTextComesBackAndSortsAsItsBytesDo(t *testing.T) {
	texts := rapid.StringOf(rapid.RuneFrom([]rune{0, 1, 2, 3, 'a', 'ü', '\U0001F600', '"', ':', ' ', ',', '}', '\\'}))
	rapid.Check(t, func(t *rapid.T) {
		a, b := texts.Draw(t, "a"), texts.Draw(t, "b")
		if got := encode(a); strings.ContainsRune(got, 0) || !utf8.ValidString(got) || decode(got) != a {
			t.Fatalf("%q became %q and %q", a, got, decode(got))
		}
		if cmp.Compare(encode(a), encode(b)) != cmp.Compare(a, b) {
			t.Fatalf("%q and %q are in another order than %q and %q", encode(a), encode(b), a, b)
		}
		if got := encodeAll([]string{"x", a, b}); got[0] != "x" || got[1] != encode(a) || got[2] != encode(b) {
			t.Fatalf("%q", got)
		}
		m := map[string]string{a: b, b: a}
		text, err := metadata(m)
		if err != nil || strings.Contains(text, `\u0000`) {
			t.Fatal(text, err)
		}
		if got, err := parseMetadata(text); err != nil || !maps.Equal(got, m) {
			t.Fatalf("%q became %q: %v", m, got, err)
		}
		text = asPostgresWritesIt(t, m)
		if got, err := parseMetadata(text); err != nil || !maps.Equal(got, m) {
			t.Fatalf("%s became %q: %v", text, got, err)
		}
	})
	if got := encode("a\xffb"); got != "a\uFFFDb" {
		t.Errorf("bytes that are no text became %q", got)
	}
}

// asPostgresWritesIt is metadata as jsonb comes out again.
func asPostgresWritesIt(t *rapid.T, m map[string]string) string {
	var pairs []string
	for key, value := range m {
		k, keyErr := json.Marshal(encode(key))
		v, valueErr := json.Marshal(encode(value))
		if err := errors.Join(keyErr, valueErr); err != nil {
			t.Fatal(err)
		}
		pairs = append(pairs, string(k)+": "+string(v))
	}
	return "{" + strings.Join(pairs, ", ") + "}"
}
