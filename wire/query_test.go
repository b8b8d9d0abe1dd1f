package wire

import (
	"math"
	"net/url"
	"testing"
	"time"
)

func TestTheQueryIsTheReferencesToTheByte(t *testing.T) {
	cursor := time.Date(2026, 11, 22, 15, 50, 49, 987654000, time.FixedZone("", 2*3600))
	for want, q := range map[string]ListQuery{
		"page=1&pageSize=100&sort=updatedAt%3Aasc":                                        {Page: 1, PageSize: 100, Sort: SortUpdatedAt},
		"page=1&pageSize=100&sort=updatedAt%3Aasc&updatedAtFrom=2026-11-22T13%3A50%3A49Z": {Page: 1, PageSize: 100, Sort: SortUpdatedAt, From: cursor},
		"createdAtFrom=2026-11-22T13%3A50%3A49Z&page=2&pageSize=100&sort=createdAt%3Aasc": {Page: 2, PageSize: 100, Sort: SortCreatedAt, From: cursor},
	} {
		if got := q.Encode(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		parsed, err := ParseListQuery(q.Values(), q.Sort)
		q.From = q.From.Truncate(time.Second)
		if err != nil || !parsed.From.Equal(q.From) || parsed.Page != q.Page || parsed.PageSize != q.PageSize || parsed.Sort != q.Sort {
			t.Errorf("%s is read as %+v, %v", want, parsed, err)
		}
	}
}

func TestAnAbsentQueryHasItsDefaults(t *testing.T) {
	q, err := ParseListQuery(url.Values{"unknown": {"x"}}, SortCreatedAt)
	if want := (ListQuery{Page: 1, PageSize: 100, Sort: SortCreatedAt}); err != nil || q != want {
		t.Error(q, err)
	}
}

func TestTheFilterTakesFractionsAndOffsets(t *testing.T) {
	q, err := ParseListQuery(url.Values{"updatedAtFrom": {"2026-01-31T12:30:00.123456789+02:00"}}, SortUpdatedAt)
	if want := time.Date(2026, 1, 31, 10, 30, 0, 123456789, time.UTC); err != nil || !q.From.Equal(want) {
		t.Error(q, err)
	}
}

func TestEachWrongQueryHasItsSentence(t *testing.T) {
	for query, want := range map[string]string{
		"page=0":                             `page must be a whole number from 1, not "0"`,
		"page=-1":                            `page must be a whole number from 1, not "-1"`,
		"page=abc":                           `page must be a whole number from 1, not "abc"`,
		"page=":                              `page must be a whole number from 1, not ""`,
		"page=%2B1":                          `page must be a whole number from 1, not "+1"`,
		"page=1.5":                           `page must be a whole number from 1, not "1.5"`,
		"page=99999999999999999999":          `page must be a whole number from 1, not "99999999999999999999"`,
		"pageSize=0":                         `pageSize must be a whole number from 1, not "0"`,
		"pageSize=1e3":                       `pageSize must be a whole number from 1, not "1e3"`,
		"sort=createdAt:asc":                 `sort must be updatedAt:asc, not "createdAt:asc": this list has no other order`,
		"sort=updatedAt:desc":                `sort must be updatedAt:asc, not "updatedAt:desc": this list has no other order`,
		"sort=":                              `sort must be updatedAt:asc, not "": this list has no other order`,
		"createdAtFrom=2026-01-31T12:30:00Z": `this list is filtered by updatedAtFrom, not by createdAtFrom`,
		"updatedAtFrom=2026-01-31":           `updatedAtFrom must be a date and time with an offset, such as 2026-01-31T12:30:00Z, not "2026-01-31"`,
		"updatedAtFrom=":                     `updatedAtFrom must be a date and time with an offset, such as 2026-01-31T12:30:00Z, not ""`,
		"updatedAtFrom=2026-02-30T00:00:00Z": `updatedAtFrom must be a date and time with an offset, such as 2026-01-31T12:30:00Z, not "2026-02-30T00:00:00Z"`,
		"updatedAtFrom=2026-01-31T12:30:00+02:00": `updatedAtFrom must be a date and time with an offset, such as 2026-01-31T12:30:00Z, not "2026-01-31T12:30:00 02:00"; in a query a plus sign is written %2B`,
	} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseListQuery(values, SortUpdatedAt); err == nil || err.Error() != want {
			t.Errorf("%s:\n got %v\nwant %s", query, err, want)
		}
	}
}

func TestOffsetDoesNotOverflow(t *testing.T) {
	for q, want := range map[ListQuery]int{
		{Page: 1, PageSize: 100}:           0,
		{Page: 3, PageSize: 100}:           200,
		{}:                                 0,
		{Page: math.MaxInt, PageSize: 100}: math.MaxInt,
		{Page: math.MaxInt, PageSize: 1}:   math.MaxInt - 1,
		{Page: math.MaxInt / 2, PageSize: 1_000_000}: math.MaxInt,
	} {
		if got := q.Offset(); got != want {
			t.Errorf("%+v: %d, want %d", q, got, want)
		}
	}
}
