package bench

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Latencies are how long each of many calls took. The zero value is empty; one
// goroutine at a time may use it.
type Latencies struct {
	taken  []time.Duration
	sorted bool
}

// Add adds one call.
func (l *Latencies) Add(d time.Duration) {
	l.taken = append(l.taken, d)
	l.sorted = false
}

// Merge adds the calls of another.
func (l *Latencies) Merge(other *Latencies) {
	l.taken = append(l.taken, other.taken...)
	l.sorted = false
}

// Count is how many calls there are.
func (l *Latencies) Count() int64 { return int64(len(l.taken)) }

// Percentile is the time within which that share of the calls was done, by the
// nearest rank: never less than what really happened. 100 is the slowest call; it
// is 0 when there is none.
func (l *Latencies) Percentile(percent int) time.Duration {
	if len(l.taken) == 0 {
		return 0
	}
	if !l.sorted {
		slices.Sort(l.taken)
		l.sorted = true
	}
	rank := (len(l.taken)*percent + 99) / 100
	return l.taken[max(rank, 1)-1]
}

// A Load is a number of clients that call the same thing over and over.
type Load struct {
	// Clients call side by side, each the next time as soon as it has its answer.
	Clients int
	// For is how long new calls begin; those under way are waited for. CallsMax
	// bounds their number; 0 does not.
	For      time.Duration
	CallsMax int64
}

// A Loaded is what a [Load] came to.
type Loaded struct {
	Latencies Latencies
	// Elapsed is from the first call to the end of the last.
	Elapsed time.Duration
}

// Run calls call until the load is over, with the client's number and that of
// the call among all, from 0. The first error ends it.
func (l Load) Run(ctx context.Context, call func(ctx context.Context, client int, number int64) error) (*Loaded, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var numbers atomic.Int64
	var clients sync.WaitGroup
	each := make([]Latencies, l.Clients)
	start := time.Now()
	for client := range l.Clients {
		clients.Go(func() {
			for ctx.Err() == nil && time.Since(start) < l.For {
				number := numbers.Add(1) - 1
				if l.CallsMax > 0 && number >= l.CallsMax {
					return
				}
				began := time.Now()
				if err := call(ctx, client, number); err != nil {
					cancel(err)
					return
				}
				each[client].Add(time.Since(began))
			}
		})
	}
	clients.Wait()
	loaded := &Loaded{Elapsed: time.Since(start)}
	for i := range each {
		loaded.Latencies.Merge(&each[i])
	}
	if err := context.Cause(ctx); err != nil {
		return loaded, err
	}
	if loaded.Latencies.Count() == 0 {
		return loaded, errors.New("no call was made in the time for them")
	}
	return loaded, nil
}
