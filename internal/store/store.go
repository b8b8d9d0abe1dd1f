// Package store keeps what the connectors read: every version of every record,
// what they fold into, the log of events, the records that can't be
// understood, and where each stream stands.
//
// It holds the transactions, written once for every database; SQL is in the
// drivers below it (internal/store/sqlite), which know no rules. The rules
// themselves are in package hub: when a record is new (hub.Admit), what a
// payment amounts to (hub.Fold), when a balance has moved (hub.CompareBalance).
// It asks no service and decides no schedule: it is told.
//
// Start with [Store.Apply], the one transaction through which everything that
// a service shows gets in.
package store

import (
	"time"

	"github.com/weirhq/weir/internal/hub"
)

// Store is the payments core's memory. Its methods may be called from many
// goroutines; each is one transaction but where it says otherwise, and its
// errors carry a hub.Code and a sentence for what a caller can act on.
type Store struct {
	driver Driver
	cipher Cipher
	now    func() time.Time
}

// Cipher encrypts the secrets that are stored.
type Cipher interface {
	// Seal encrypts text so that only Open with the same binding gets it back.
	Seal(text, binding []byte) ([]byte, error)
	Open(sealed, binding []byte) ([]byte, error)
}

// New returns a store on a database that is ready for use. The caller goes on
// to own the driver and closes it once the store is no longer used.
func New(driver Driver, cipher Cipher) *Store {
	return &Store{driver: driver, cipher: cipher, now: func() time.Time { return time.Now().UTC() }}
}

// Job asks the job engine for one poll of a stream.
type Job struct {
	Stream hub.StreamID
	// Turn is the stream's Turn; a job for another turn has nothing to do.
	Turn  int64
	DueAt time.Time
}

const (
	// pageDefault and pageMax bound the items of one page of a list; the API
	// clamps to less, so that these only guard the memory.
	pageDefault = 15
	pageMax     = 1000
)

// clamp bounds the limit of a query.
func clamp(q hub.ListQuery) hub.ListQuery {
	if q.Limit <= 0 {
		q.Limit = pageDefault
	}
	q.Limit = min(q.Limit, pageMax)
	return q
}

// more is q with room for the one row that shows whether there is more.
func more(q hub.ListQuery) hub.ListQuery {
	q.Limit++
	return q
}

// pageOf makes a page of what a driver returned for more(q): rows in the
// query's direction, one more than asked for where there is more.
func pageOf[R, T any](q hub.ListQuery, rows []R, place func(*R) hub.Position, item func(*R) (T, error)) (hub.Page[T], error) {
	hasMore := len(rows) > q.Limit
	rows = rows[:min(len(rows), q.Limit)]
	page := hub.Page[T]{Items: make([]T, 0, len(rows)), HasMore: hasMore}
	for i := range rows {
		at := i
		if q.Backward {
			at = len(rows) - 1 - i
		}
		row := &rows[at]
		converted, err := item(row)
		if err != nil {
			return hub.Page[T]{}, err
		}
		page.Items = append(page.Items, converted)
		if i == 0 {
			page.First = place(row)
		}
		page.Last = place(row)
	}
	return page, nil
}
