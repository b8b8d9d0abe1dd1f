package hub

import "time"

// Lists are read newest first, by when a row came into being and, where two
// rows share an instant, by the order of storing. They are read by keyset: a
// query names the row that it goes on from, so rows that arrive meanwhile
// neither shift a page nor repeat one.

// Position is the place of one row in a list. The zero Position lies before the
// newest row.
type Position struct {
	CreatedAt time.Time
	// Key is the row's short key in the store; it grows with the order of storing.
	Key int64
}

// IsZero reports whether the position is the beginning of a list.
func (p Position) IsZero() bool { return p.Key == 0 && p.CreatedAt.IsZero() }

// ListQuery asks for one page of a list.
type ListQuery struct {
	// Limit is the most rows that the page may hold.
	Limit int
	// At is the row that the page goes on from; that row itself is left out.
	At Position
	// Backward asks for the rows before At instead of those after it. The page
	// is in the order of the list all the same.
	Backward bool
	// Filter keeps the rows that it is true of; nil keeps all. A store that can't
	// compile a filter returns an [Error] with [CodeInvalid], and never leaves it out.
	Filter Filter
}

// Page is a part of a list, in the list's order.
type Page[T any] struct {
	Items []T
	// HasMore says that the list goes on beyond the page in the direction of the
	// query: towards older rows, or towards newer ones for a backward query.
	HasMore bool
	// First and Last are the positions of the first and the last item; both are
	// zero when there is none.
	First, Last Position
}

// BalanceQuery narrows the balances of an account.
type BalanceQuery struct {
	// Asset keeps the balances of one asset; empty keeps all.
	Asset Asset
	// From keeps the balances that still held at that instant: those last
	// confirmed at or after it, and the newest of each asset, which holds until
	// another is known. Zero keeps all.
	From time.Time
	// To keeps the balances that had begun by that instant. Zero keeps all.
	To time.Time
}
