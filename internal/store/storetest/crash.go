package storetest

import (
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/weirhq/weir/internal/hub"
)

var seedFlag = flag.Uint64("storetest.seed", 0, "the seed of the random behaviours; 0 takes one from the clock")

// random returns a source whose seed is shown when the test fails.
func (w *world) random() *rand.Rand {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	w.Cleanup(func() {
		if w.Failed() {
			w.Logf("run again with -storetest.seed=%d", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}

// A fuse is a context that ends after it has been looked at so many times: in
// the middle of a transaction, between two of its statements.
type fuse struct {
	context.Context
	mu   sync.Mutex
	left int
	done chan struct{}
}

// Err burns the fuse down by one.
func (f *fuse) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left > 0 {
		f.left--
		return nil
	}
	select {
	case <-f.doneLocked():
	default:
		close(f.done)
	}
	return context.Canceled
}

// Done is closed once the fuse has burnt down.
func (f *fuse) Done() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.doneLocked()
}

func (f *fuse) doneLocked() chan struct{} {
	if f.done == nil {
		f.done = make(chan struct{})
	}
	return f.done
}

var crashes = map[string]func(*world){
	"ACrashInTheMiddleLeavesAllOrNothing": func(w *world) {
		random := w.random()
		cut, whole := 0, 0
		for round := range 30 {
			b := w.batch(hub.Transactions)
			b.SeenAt = at(2000)
			for range 1 + random.IntN(20) {
				b.Adjustments = append(b.Adjustments, randomTransaction(random))
			}
			b.Rejected = []hub.Rejection{rejection("bad", string(rune('a'+random.IntN(20))), 1)}
			before := w.dump(w.connector)
			// Short, middling and long, so that some are cut and some are not.
			left := random.IntN([]int{20, 200, 20_000}[round%3])
			applied, err := w.store.Apply(&fuse{Context: w.ctx, left: left}, b)
			after := w.dump(w.connector)
			switch {
			case err == nil:
				whole++
				if after == before || w.state(hub.Transactions).Cursor != applied.Cursor {
					w.Fatalf("round %d: a batch was applied and is not there", round)
				}
			case errors.Is(err, context.Canceled):
				cut++
				if after != before {
					w.Fatalf("round %d: a part of a batch is there:\n%s\nbefore:\n%s", round, after, before)
				}
				w.apply(b) // nothing stands in its way afterwards
			default:
				w.Fatalf("round %d: %v", round, err)
			}
		}
		if cut == 0 || whole == 0 {
			w.Errorf("%d batches were cut, %d were not; the test shows nothing", cut, whole)
		}
	},

	"AnEndedContextBeginsNothing": func(w *world) {
		ended, cancel := context.WithCancel(w.ctx)
		cancel()
		_, err := w.store.Apply(ended, hub.Batch{Stream: w.stream(hub.Transactions)})
		equal(w, "Apply", errors.Is(err, context.Canceled), true)
		_, err = w.store.Stream(ended, w.stream(hub.Transactions))
		equal(w, "Stream", errors.Is(err, context.Canceled), true)
		w.show(transaction("a", hub.Pending, 1, 1))
	},

	"ReadersAndWritersDoNotDisturbEachOther": func(w *world) {
		var wait sync.WaitGroup
		for _, resource := range []hub.Resource{hub.Transactions, hub.Accounts} {
			wait.Go(func() {
				for i := range 20 {
					s, err := w.store.Stream(w.ctx, w.stream(resource))
					if err != nil {
						w.Error(err)
						return
					}
					b := hub.Batch{Stream: s.ID, Read: s.Cursor, Next: s.Cursor, SeenAt: at(i)}
					if resource == hub.Accounts {
						b.Accounts = []hub.Account{account(hub.Internal, string(rune('a'+i)), "x", i)}
					} else {
						b.Adjustments = []hub.PaymentAdjustment{transaction(string(rune('a'+i)), hub.Pending, 1, i)}
					}
					if _, err := w.store.Apply(w.ctx, b); err != nil {
						w.Error(err)
					}
				}
			})
		}
		for range 4 {
			wait.Go(func() {
				for range 20 {
					events, err := w.store.Events(w.ctx, 0, 100)
					if err != nil {
						w.Error(err)
						return
					}
					for i, e := range events {
						if e.Sequence != int64(i+1) {
							w.Errorf("event %d has sequence %d", i, e.Sequence)
						}
					}
				}
			})
		}
		wait.Wait()
		equal(w, "events", len(w.events()), 40)
	},
}
