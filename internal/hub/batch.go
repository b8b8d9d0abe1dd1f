package hub

import (
	"context"
	"time"
)

// Batch is what one answer of the service comes to: the rows that can be
// understood, those that can't, and where the stream stands once both are stored.
type Batch struct {
	Stream StreamID
	// Read is the cursor that the batch was read from, Next the one to set. The
	// store refuses the batch when the stream's cursor has moved on from Read.
	Read, Next Cursor
	// SeenAt is when the answer arrived.
	SeenAt time.Time
	// Accounts holds accounts or beneficiaries, by the stream's resource.
	Accounts    []Account
	Balances    []Balance
	Adjustments []PaymentAdjustment
	Rejected    []Rejection
	Findings    []Finding
	// Requests is how many calls it took.
	Requests int
}

// Rows is the number of records in the batch, readable or not.
func (b *Batch) Rows() int {
	return len(b.Accounts) + len(b.Balances) + len(b.Adjustments) + len(b.Rejected)
}

// A Sink stores batches in the order in which they are put.
type Sink interface {
	// Put hands over a batch. It may return before the batch is stored; an error
	// says that no more should be put.
	Put(ctx context.Context, batch Batch) error
	// Settle waits until everything put is stored and returns how many versions
	// were new since it was last called.
	Settle(ctx context.Context) (stored int, err error)
}

// Applied is what the store made of a batch.
type Applied struct {
	// Cursor is the stream's cursor now, with its new version.
	Cursor Cursor
	// Stored counts the versions that were not there before.
	Stored int
	// Late counts those whose stamp lies before the watermark that the batch was
	// read from; LateMax is the greatest distance.
	Late    int
	LateMax time.Duration
	// Rejected counts the rejections that were not there before.
	Rejected int
}

// Rejection is a record that can't be understood, kept with its bytes until it can.
type Rejection struct {
	// ID counts from 1 within a database.
	ID     int64
	Stream StreamID
	// Reference is the record's identifier where it could be read, else empty.
	Reference string
	// StampedAt is the record's sort stamp where it could be read, else zero.
	StampedAt time.Time
	// Reason says what is wrong with it, in a sentence.
	Reason string
	// Raw holds the record's bytes as they came.
	Raw []byte
	// FirstSeenAt and LastSeenAt bound the times at which the service showed it.
	FirstSeenAt time.Time
	LastSeenAt  time.Time
	// ResolvedAt is set when a readable version of the record was stored.
	ResolvedAt time.Time
}
