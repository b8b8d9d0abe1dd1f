package hub

import "time"

// EventType names what an event announces. The names are the reference's.
type EventType string

// The events of a connector's data.
const (
	SavedAccount EventType = "SAVED_ACCOUNT"
	SavedBalance EventType = "SAVED_BALANCE"
	SavedPayment EventType = "SAVED_PAYMENT"
)

// Event is one entry of the log: something that was stored, in the order of
// storing. Exactly one of Account, Balance and Payment is set.
type Event struct {
	// Sequence is the place in the log. A reader that has seen n will never find
	// an event at or before n that it has not seen.
	Sequence  int64
	Type      EventType
	Connector ConnectorID
	At        time.Time
	// Key is the idempotency key: the same for ever, and different for every other event.
	Key     string
	Account *Account
	Balance *Balance
	// Payment is the payment as it was once the event's adjustment, the last of
	// its Adjustments, had been stored.
	Payment *Payment
}
