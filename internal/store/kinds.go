package store

import (
	"fmt"

	"github.com/weirhq/weir/internal/hub"
)

// EventKind is the type of an event as a row of the log has it: a number,
// the same in every database, so that a log can be carried from one to another.
type EventKind int64

// The kinds.
const (
	KindAccount EventKind = 1
	KindBalance EventKind = 2
	KindPayment EventKind = 3
)

// KindOf returns the kind of a type of event; one that the log does not know is
// an error.
func KindOf(t hub.EventType) (EventKind, error) {
	switch t {
	case hub.SavedAccount:
		return KindAccount, nil
	case hub.SavedBalance:
		return KindBalance, nil
	case hub.SavedPayment:
		return KindPayment, nil
	}
	return 0, fmt.Errorf("the log has no kind for %s", t)
}

// Type returns the type of event that a row of this kind is.
func (k EventKind) Type() hub.EventType {
	switch k {
	case KindAccount:
		return hub.SavedAccount
	case KindBalance:
		return hub.SavedBalance
	default:
		return hub.SavedPayment
	}
}
