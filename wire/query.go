package wire

import "time"

// SortKey is the field that a list is sorted and filtered by.
type SortKey string

// The sort keys of the contract. Transactions go by updatedAt, the other lists by createdAt.
const (
	SortCreatedAt SortKey = "createdAt"
	SortUpdatedAt SortKey = "updatedAt"
)

// ListQuery is the query string of a list.
type ListQuery struct {
	// Page counts from 1.
	Page int
	// PageSize is the number of rows asked for.
	PageSize int
	// Sort names the list's sort key; the order is always ascending.
	Sort SortKey
	// From, when not zero, asks for rows whose sort key is at or after it.
	From time.Time
}
