package sqlite

import (
	"cmp"
	"encoding/json"
	"maps"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestInstantsComeBackAndSortAsTimeDoes(t *testing.T) {
	first := time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	last := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC).Unix()
	instants := rapid.Custom(func(t *rapid.T) time.Time {
		zone := time.FixedZone("", rapid.IntRange(-12*3600, 12*3600).Draw(t, "zone"))
		return time.Unix(rapid.Int64Range(first, last).Draw(t, "seconds"), rapid.Int64Range(0, 999999999).Draw(t, "nanos")).In(zone)
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := instants.Draw(t, "a"), instants.Draw(t, "b")
		if got := instant(a); got != a.UTC().Format(instantForm) || !parseInstant(got).Equal(a) {
			t.Fatalf("%s became %q and %s", a, got, parseInstant(got))
		}
		if cmp.Compare(instant(a), instant(b)) != a.Compare(b) {
			t.Fatalf("%q and %q are in another order than %s and %s", instant(a), instant(b), a, b)
		}
	})
	if !parseInstant("tomorrow").IsZero() {
		t.Error("something that is no instant was read as one")
	}
}

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
