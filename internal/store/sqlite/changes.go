package sqlite

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirhq/weir/internal/store"
)

// joinMax is how old a transaction may be for another one to join it. The small
// ones that end a poll take less than a millisecond and their commit as long
// again, most of it spent waiting for the disk; a page of rows takes longer than
// this and shares its commit with nobody.
const joinMax = 5 * time.Millisecond

// A change is a transaction that waits for the writer. Those that wait together
// are committed together, so that they wait for the disk once: each is a
// savepoint of one transaction, from which it can be taken out alone.
type change struct {
	ctx context.Context //nolint:containedctx // the caller waits, whoever runs the change
	f   func(*tx) error
	// begun is set by who runs it, or by the caller who waits no longer.
	begun atomic.Bool
	done  chan error
}

// Write implements [store.Driver].
func (db *DB) Write(ctx context.Context, f func(store.Tx) error) error {
	return db.write(ctx, func(t *tx) error { return f(t) })
}

// write has a change made, and perhaps others with it, by whichever caller gets
// the writer.
func (db *DB) write(ctx context.Context, f func(*tx) error) error {
	c := &change{ctx: ctx, f: f, done: make(chan error, 1)}
	db.changes.put(c)
	for {
		select {
		case err := <-c.done:
			return err
		case s := <-db.writer:
			db.makeChanges(s)
		case <-ctx.Done():
			if c.begun.CompareAndSwap(false, true) {
				return ctx.Err()
			}
			return <-c.done
		}
	}
}

// errCutOff is what others hear whose change was in a transaction with one that panicked.
var errCutOff = errors.New("the transaction was cut off by a mistake in another one")

// makeChanges makes the first change that waits, and those that wait by the time
// that it is made. It gives the writer back.
func (db *DB) makeChanges(s *session) {
	var made []*change
	err := errCutOff
	defer func() {
		db.writer <- s
		for _, c := range made {
			c.done <- explain(db.path, err)
		}
	}()
	first := db.changes.next()
	if first == nil {
		return
	}
	made = append(made, first)
	// The transaction must not end by itself when ctx does: what runs after that
	// would be outside of it. So ctx is looked at before every statement, and
	// once more after the last.
	transaction, failed := s.conn.BeginTx(context.WithoutCancel(first.ctx), nil)
	if err = failed; err != nil {
		return
	}
	defer func() { _ = transaction.Rollback() }() // does nothing after the commit
	err = errCutOff
	begun, t := time.Now(), &tx{view: view{s}, db: db, sql: transaction}
	failed = first.run(t)
	for failed == nil && time.Since(begun) < db.joinMax {
		c := db.changes.next()
		if c == nil {
			break
		}
		made = append(made, c)
		var alone error
		if alone, failed = c.join(t); alone != nil && failed == nil {
			made = made[:len(made)-1]
			c.done <- explain(db.path, alone)
		}
	}
	if err = failed; err == nil {
		err = transaction.Commit()
	}
}

func (c *change) run(t *tx) error {
	if err := c.f(t); err != nil {
		return err
	}
	return c.ctx.Err()
}

// join makes a change within a transaction that others have begun. One that fails
// alone is taken out again; failed is an error of the whole transaction.
func (c *change) join(t *tx) (alone, failed error) {
	ctx := context.WithoutCancel(c.ctx)
	if _, failed = t.exec(ctx, "SAVEPOINT joined"); failed != nil {
		return nil, failed
	}
	if alone = c.run(t); alone != nil {
		if _, failed = t.exec(ctx, "ROLLBACK TO joined"); failed != nil {
			return nil, errors.Join(alone, failed) // the database has ended the transaction
		}
	}
	_, failed = t.exec(ctx, "RELEASE joined")
	return alone, failed
}

// changes are those that wait, in the order in which they came.
type changes struct {
	mu   sync.Mutex
	wait []*change
}

func (q *changes) put(c *change) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.wait = append(q.wait, c)
}

// next returns the first whose caller still waits, nil when there is none.
func (q *changes) next() *change {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.wait) > 0 {
		c := q.wait[0]
		q.wait[0] = nil
		q.wait = q.wait[1:]
		if c.begun.CompareAndSwap(false, true) {
			return c
		}
	}
	return nil
}
