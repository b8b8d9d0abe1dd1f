package sqlite

import (
	"encoding/json"
	"maps"
	"testing"

	"pgregory.net/rapid"
)

func TestMetadataComeBackHoweverTheyWereWritten(t *testing.T) {
	text := rapid.OneOf(rapid.StringOf(rapid.SampledFrom([]rune(`ab:,{}"\ é`))), rapid.String())
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.MapOf(text, text).Draw(t, "metadata")
		written, err := metadata(want)
		if err != nil {
			t.Fatal(err)
		}
		indented, err := json.MarshalIndent(want, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		for _, value := range []any{written, string(indented)} {
			got, err := parseMetadata(row{value}, 0)
			if err != nil || !maps.Equal(got, want) {
				t.Fatalf("%s was read as %q, %v", value, got, err)
			}
		}
	})
	for _, broken := range []string{"", "{", `{"a"`, `{"a":"b"`, `{"a":"b",`, `{"a":"b","c"}`, `{"a":1}`, `["a"]`, `{"a":"b"}}`} {
		if got, err := parseMetadata(row{broken}, 0); err == nil {
			t.Errorf("%s was read as %q", broken, got)
		}
	}
}
