package wire

import (
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// SortKey is the field that a list is sorted and filtered by.
type SortKey string

// The sort keys of the contract. Transactions go by updatedAt, the other lists by createdAt.
const (
	SortCreatedAt SortKey = "createdAt"
	SortUpdatedAt SortKey = "updatedAt"
)

// ascending is the only order that the contract knows.
const ascending = ":asc"

// From is the name of the parameter that filters by the key.
func (k SortKey) From() string { return string(k) + "From" }

// ListQuery is the query string of a list.
type ListQuery struct {
	// Page counts from 1.
	Page int
	// PageSize is the number of rows asked for.
	PageSize int
	// Sort names the list's sort key; the order is always ascending.
	Sort SortKey
	// From, when not zero, asks for rows whose sort key is at or after it. A
	// client sends it in UTC and cut to the whole second, as the reference does;
	// a server takes fractions and offsets.
	From time.Time
}

// Values gives the query string as the reference sends it, for services that
// compare text.
func (q ListQuery) Values() url.Values {
	values := url.Values{
		"page":     {strconv.Itoa(q.Page)},
		"pageSize": {strconv.Itoa(q.PageSize)},
		"sort":     {string(q.Sort) + ascending},
	}
	if !q.From.IsZero() {
		values.Set(q.Sort.From(), q.From.UTC().Truncate(time.Second).Format(time.RFC3339))
	}
	return values
}

// Encode is the query string itself, its keys in alphabetical order.
func (q ListQuery) Encode() string { return q.Values().Encode() }

// Offset is the number of rows before the page. It does not overflow.
func (q ListQuery) Offset() int {
	if q.Page <= 1 || q.PageSize <= 0 {
		return 0
	}
	if q.Page-1 > math.MaxInt/q.PageSize {
		return math.MaxInt
	}
	return (q.Page - 1) * q.PageSize
}

// ParseListQuery reads the query of a list that is sorted by key. What is
// absent has its default: page 1, pageSize 100, sorted by key, no From. Its error
// is a sentence for the Detail of a 400.
func ParseListQuery(values url.Values, key SortKey) (ListQuery, error) {
	q := ListQuery{Page: 1, PageSize: DefaultPageSize, Sort: key}
	var err error
	if values.Has("page") {
		if q.Page, err = parseCount("page", values.Get("page")); err != nil {
			return ListQuery{}, err
		}
	}
	if values.Has("pageSize") {
		if q.PageSize, err = parseCount("pageSize", values.Get("pageSize")); err != nil {
			return ListQuery{}, err
		}
	}
	if sort := values.Get("sort"); values.Has("sort") && sort != string(key)+ascending {
		return ListQuery{}, fmt.Errorf("sort must be %s%s, not %.40q: this list has no other order", key, ascending, sort)
	}
	q.From, err = parseFrom(values, key)
	if err != nil {
		return ListQuery{}, err
	}
	return q, nil
}

func parseCount(name, text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || text[0] == '+' {
		return 0, fmt.Errorf("%s must be a whole number from 1, not %.40q", name, text)
	}
	return n, nil
}

// parseFrom also refuses the filter of the other sort key: an answer that
// ignored it would be the full list, taken for the filtered one.
func parseFrom(values url.Values, key SortKey) (time.Time, error) {
	for _, other := range []SortKey{SortCreatedAt, SortUpdatedAt} {
		if other != key && values.Has(other.From()) {
			return time.Time{}, fmt.Errorf("this list is filtered by %s, not by %s", key.From(), other.From())
		}
	}
	if !values.Has(key.From()) {
		return time.Time{}, nil
	}
	text := values.Get(key.From())
	var from time.Time
	if err := from.UnmarshalText([]byte(text)); err != nil {
		hint := ""
		if strings.Contains(text, " ") {
			hint = "; in a query a plus sign is written %2B"
		}
		return time.Time{}, fmt.Errorf("%s must be a date and time with an offset, such as 2026-01-31T12:30:00Z, not %.40q%s", key.From(), text, hint)
	}
	return from.UTC(), nil
}
