package poll

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirhq/weir/internal/hub"
)

// A recorder stores what a poll reads, beside the reading: while one page is
// being stored the next is on its way. It is the hub.Sink of one poll. At most
// three pages are in memory: one on its way, one waiting, one being stored. A
// small one is stored when the next comes, or with the end of the poll; to settle,
// it is stored if there is news in it.
type recorder struct {
	store  Store
	stream hub.StreamID
	begun  time.Time // the watermark at the beginning
	// first says that the stream was never read to its end. The first accounts
	// are stored before that counts, since their balances must be read as well.
	first    bool
	deadline time.Time
	now      func() time.Time
	stopping <-chan struct{}
	work     chan entry
	done     chan struct{}

	// Owned by the storing goroutine until done is closed.
	cursor hub.Cursor
	total  int
	err    error
	// held is a small batch that may be the last; nil: there is none.
	held *hub.Batch
	// failed is closed as soon as err is set.
	failed chan struct{}
}

// An entry is a batch to store or a question how many versions were new.
type entry struct {
	batch   hub.Batch
	settled chan<- int
}

// record begins to store. The caller must close the recorder.
func record(
	ctx context.Context, store Store, stream hub.Stream, deadline time.Time, now func() time.Time, stopping <-chan struct{},
) *recorder {
	r := &recorder{
		store: store, stream: stream.ID, begun: stream.Cursor.Watermark, first: stream.LastSuccessAt.IsZero(),
		deadline: deadline, now: now, stopping: stopping,
		work: make(chan entry, 1), done: make(chan struct{}), failed: make(chan struct{}),
		cursor: stream.Cursor,
	}
	go r.run(ctx)
	return r
}

// Put implements hub.Sink. It ends a poll that has had its time once the
// watermark has moved, for then the next turn goes on from there. One whose
// watermark does not move fails after a time that is beyond all use. When the
// process stops, the page is stored and the poll ends with it.
func (r *recorder) Put(ctx context.Context, batch hub.Batch) error {
	switch over := r.now().Sub(r.deadline); {
	case over > 0 && batch.Next.Watermark.After(r.begun):
		return errTurnOver
	case over > standstillMax:
		return hub.Errorf(hub.CodeIncomplete,
			"%s were read for %s without coming to an end or to a place to go on from; what came is stored, and the next poll begins again. The stream's findings may say why; a higher requestsPerSecond may help",
			r.stream.Resource, turnMax+standstillMax)
	}
	if err := r.send(ctx, entry{batch: batch}); err != nil {
		return err
	}
	select {
	case <-r.stopping:
		return errTurnOver
	default:
		return nil
	}
}

// Settle implements hub.Sink.
func (r *recorder) Settle(ctx context.Context) (int, error) {
	settled := make(chan int, 1)
	if err := r.send(ctx, entry{settled: settled}); err != nil {
		return 0, err
	}
	select {
	case stored := <-settled:
		return stored, nil
	case <-r.failed:
		return 0, errNotStored
	}
}

// errNotStored stands for the error that close returns.
var errNotStored = errors.New("an earlier page could not be stored")

func (r *recorder) send(ctx context.Context, e entry) error {
	select {
	case <-r.failed:
		return errNotStored // even where there is room for more
	default:
	}
	select {
	case r.work <- e:
		return nil
	case <-r.failed:
		return errNotStored
	case <-ctx.Done():
		return ctx.Err()
	}
}

// heldRowsMax bounds a batch that is held back. What comes from a stream that
// rests is fewer: the rows around its watermark.
const heldRowsMax = 20

// close waits until everything put is stored, and returns how many versions
// were new and what went wrong. With keep the last batch may be left, for the
// transaction that ends the poll; it is returned, and not among those stored.
func (r *recorder) close(ctx context.Context, keep bool) (stored int, last *hub.Batch, err error) {
	close(r.work)
	<-r.done
	if !keep && r.err == nil {
		_, r.err = r.flush(ctx)
	}
	if r.held != nil {
		r.held.Read = r.cursor
	}
	return r.total, r.held, r.err
}

func (r *recorder) run(ctx context.Context) {
	defer close(r.done)
	stored := 0
	for e := range r.work {
		if r.err != nil {
			continue
		}
		news, err := r.take(ctx, e)
		if err != nil {
			r.err = err
			close(r.failed)
			continue
		}
		stored += news
		if e.settled != nil {
			e.settled <- stored
			stored = 0
		}
	}
}

// take stores what was held back, and the entry's batch unless that is to be
// held back in turn. It returns how much news was stored.
func (r *recorder) take(ctx context.Context, e entry) (news int, err error) {
	if e.settled != nil {
		return r.settle(ctx)
	}
	if news, err = r.flush(ctx); err != nil {
		return news, err
	}
	r.held = &e.batch
	if e.batch.Rows() <= heldRowsMax && (len(e.batch.Accounts) == 0 || !r.first) {
		return news, nil
	}
	more, err := r.flush(ctx)
	return news + more, err
}

// flush stores what is held back.
func (r *recorder) flush(ctx context.Context) (news int, err error) {
	if r.held == nil {
		return 0, nil
	}
	r.held.Read = r.cursor
	applied, err := r.store.Apply(ctx, *r.held)
	return r.stored(applied, err)
}

// settle stores what is held back if there is news in it. What comes from a
// stream that rests holds none, and is left for the end of the poll.
func (r *recorder) settle(ctx context.Context) (news int, err error) {
	if r.held == nil {
		return 0, nil
	}
	r.held.Read = r.cursor
	applied, stored, err := r.store.ApplyNews(ctx, *r.held)
	if err == nil && !stored {
		return 0, nil
	}
	return r.stored(applied, err)
}

// stored notes what has become of the batch that was held back.
func (r *recorder) stored(applied hub.Applied, err error) (news int, _ error) {
	r.held = nil
	if err != nil {
		return 0, notStored(r.stream, err)
	}
	r.cursor = applied.Cursor
	r.total += applied.Stored
	return applied.Stored + applied.Rejected, nil // a record put aside is news as well
}

func notStored(stream hub.StreamID, err error) error {
	return fmt.Errorf("store a page of %s: %w", stream.Resource, err)
}
