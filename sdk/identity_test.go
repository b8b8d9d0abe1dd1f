package sdk

import (
	"bytes"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/wire"
)

func TestDifferentPartsGiveDifferentIDs(t *testing.T) {
	part := rapid.SliceOfN(rapid.SampledFrom([]string{"", "a", ":", "*", "~", "/", "~3a", "é", ".", "2"}), 0, 4)
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) []string {
			var parts []string
			for i := range rapid.IntRange(1, 3).Draw(t, label) {
				parts = append(parts, strings.Join(part.Draw(t, label+string(rune('a'+i))), ""))
			}
			return parts
		}
		a, b := draw("a"), draw("b")
		if (ID(a...) == ID(b...)) != slices.Equal(a, b) {
			t.Fatalf("%q and %q: %s and %s", a, b, ID(a...), ID(b...))
		}
		if id := ID(a...); url.PathEscape(id) != id || id == "." || id == ".." {
			t.Fatalf("%q gives %q, which a path would change", a, id)
		}
	})
}

func TestIDsStayReadableAndShort(t *testing.T) {
	if id := ID("DE89370400440532013000", "EUR"); id != "DE89370400440532013000:EUR" {
		t.Error(id)
	}
	long := strings.Repeat("x", 3000)
	one, other := ID(long, "1"), ID(long, "2")
	if one == other || len(one) > wire.MaxIDBytes || one != ID(long, "1") {
		t.Error(one, other)
	}
}

func TestTwinsAreToldApartTheSameWayInEachReading(t *testing.T) {
	read := func(lines ...string) []string {
		var twins Occurrences
		var ids []string
		for _, line := range lines {
			ids = append(ids, twins.ID("2026-01-31", line))
		}
		return ids
	}
	first := read("coffee", "tea", "coffee", "coffee")
	if want := []string{"2026-01-31:coffee", "2026-01-31:tea", "2026-01-31:coffee*2", "2026-01-31:coffee*3"}; !slices.Equal(first, want) {
		t.Error(first)
	}
	second := read("coffee", "coffee", "coffee", "tea")
	slices.Sort(first)
	slices.Sort(second)
	if !slices.Equal(first, second) {
		t.Error(first, second)
	}
	if twins := read("coffee*2", "coffee", "coffee"); twins[0] == twins[2] {
		t.Error(twins)
	}
}

type pspStatus string

func TestAStatusThatTheTableLacksIsOtherAndLoggedOnce(t *testing.T) {
	var log bytes.Buffer
	table := NewStatusTable(slog.New(slog.NewTextHandler(&log, nil)), map[pspStatus]wire.TransactionStatus{
		"paid": wire.StatusSucceeded, "broken": "SUCCESS",
	})
	for range 3 {
		for word, want := range map[pspStatus]wire.TransactionStatus{
			"paid": wire.StatusSucceeded, "PAID": wire.StatusOther, "broken": wire.StatusOther, "": wire.StatusOther,
		} {
			if got := table.Status(word); got != want {
				t.Errorf("%q: %s", word, got)
			}
		}
	}
	if n := strings.Count(log.String(), "\n"); n != 3 {
		t.Errorf("%d lines: %s", n, log.String())
	}
	for i := range 1000 {
		table.Status(pspStatus(strings.Repeat("x", i+1)))
	}
	if n := strings.Count(log.String(), "\n"); n != wordsRememberedMax {
		t.Errorf("%d lines", n)
	}
}

func TestTheTableNamesWhatItLacks(t *testing.T) {
	table := NewStatusTable(nil, map[string]wire.TransactionStatus{"paid": wire.StatusSucceeded, "late": "LATE"})
	if err := table.Check("paid"); err != nil {
		t.Error(err)
	}
	err := table.Check("paid", "void", "late", "void")
	if want := `the status table is not complete: "late" is mapped to "LATE", which the contract does not know; "void" is not mapped`; err == nil || err.Error() != want {
		t.Error(err)
	}
}
