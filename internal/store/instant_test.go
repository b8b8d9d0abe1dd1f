package store

import (
	"cmp"
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
		if got := FormatInstant(a); got != a.UTC().Format(instantForm) || !ParseInstant(got).Equal(a) {
			t.Fatalf("%s became %q and %s", a, got, ParseInstant(got))
		}
		if cmp.Compare(FormatInstant(a), FormatInstant(b)) != a.Compare(b) {
			t.Fatalf("%q and %q are in another order than %s and %s", FormatInstant(a), FormatInstant(b), a, b)
		}
	})
	if !ParseInstant("tomorrow").IsZero() {
		t.Error("something that is no instant was read as one")
	}
}
