package jobs

import (
	"slices"
	"sync"
	"time"
)

// fetchUnasked is how often a queue on SQLite asks for jobs although none is
// expected: for what was done to them in River's console.
const fetchUnasked = 30 * time.Second

// A waker knows when which queue has a job that is due: in a database that is
// ours alone every job is enqueued by this process. A look into the database
// costs half a millisecond and four hundred queues that look every second a
// quarter of a core; to ask the waker costs next to nothing.
//
// What it believes may be too much, as of a transaction that was rolled back,
// and then a queue is asked in vain. It is told before the transaction commits:
// a queue that asks at once waits for the commit, since asking takes the lock
// that the transaction holds.
type waker struct {
	mu sync.Mutex
	// expected holds for each queue the times at which it will have a job, in order.
	expected map[string][]time.Time
	asked    map[string]time.Time
}

func newWaker() *waker {
	return &waker{expected: make(map[string][]time.Time), asked: make(map[string]time.Time)}
}

// expect notes that a queue will have a job at a time. River rounds that time to
// the millisecond and SQLite's clock counts in whole ones, so a queue that asked
// at the very instant would find nothing, and not ask again.
func (w *waker) expect(queue string, at time.Time) {
	const grain = 5 * time.Millisecond
	if at.After(time.Now()) {
		at = at.Add(grain)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	times := w.expected[queue]
	place, _ := slices.BinarySearchFunc(times, at, time.Time.Compare)
	w.expected[queue] = slices.Insert(times, place, at)
}

// ring has a queue look for jobs.
func (w *waker) ring(queue string) { w.expect(queue, time.Now()) }

// wakes reports whether it is worth while for a queue to look for jobs, and
// counts on it that it does.
func (w *waker) wakes(queue string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	times := w.expected[queue]
	due := 0
	for due < len(times) && !times[due].After(now) {
		due++
	}
	if due == 0 && now.Sub(w.asked[queue]) < fetchUnasked {
		return false
	}
	w.asked[queue] = now
	if w.expected[queue] = slices.Delete(times, 0, due); due == len(times) {
		delete(w.expected, queue)
	}
	return true
}

// forget drops what is known of a queue that is gone.
func (w *waker) forget(queue string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.expected, queue)
	delete(w.asked, queue)
}

// strangers reports whether a job is expected in a queue that is none of these.
func (w *waker) strangers(queues []string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	known := 0
	for _, queue := range queues {
		if _, ok := w.expected[queue]; ok {
			known++
		}
	}
	return len(w.expected) > known
}
