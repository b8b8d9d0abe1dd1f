package jobs

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/weirhq/weir/internal/hub"
)

const (
	// fetchUnasked is how often a queue on SQLite asks for jobs although nobody has
	// woken it. A look costs half a millisecond, and four hundred queues that look
	// every second a quarter of a core; the waker knows when a look is worth it.
	fetchUnasked = 30 * time.Second
	// wakeEvery is how often the waker rings: so late a poll may begin. Streams of
	// one connector that are due together are fetched together.
	wakeEvery = 250 * time.Millisecond
	// promotedMax bounds how many jobs are freed at once.
	promotedMax = 1000
)

// A waker knows when which queue will have a job that is due: in a database that
// is ours alone every job was enqueued by this process. What it believes may be
// too much, as of a transaction that was rolled back, and then a queue is asked
// in vain; a queue that it missed asks by itself after fetchUnasked.
type waker struct {
	mu sync.Mutex
	// expected holds for each queue the times at which it will have a job, in order.
	expected map[string][]time.Time
}

func newWaker() *waker { return &waker{expected: make(map[string][]time.Time)} }

// expect notes a job of a connector.
func (w *waker) expect(connector hub.ConnectorID, due time.Time) { w.ring(queueOf(connector), due) }

// ring has a queue look for jobs at a time.
func (w *waker) ring(queue string, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	times := w.expected[queue]
	place, _ := slices.BinarySearchFunc(times, at, time.Time.Compare)
	w.expected[queue] = slices.Insert(times, place, at)
}

// due takes the queues whose time has come.
func (w *waker) due() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	var queues []string
	for queue, times := range w.expected {
		over := 0
		for over < len(times) && !times[over].After(now) {
			over++
		}
		switch over {
		case 0:
			continue
		case len(times):
			delete(w.expected, queue)
		default:
			w.expected[queue] = slices.Delete(times, 0, over)
		}
		queues = append(queues, queue)
	}
	return queues
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

// keepWaking frees the jobs whose time has come.
func (e *Engine) keepWaking(ctx context.Context) {
	every := promoteEvery
	if e.waker != nil {
		every = wakeEvery
	}
	for pause(ctx, every) {
		if err := e.database.promote(ctx); err != nil && ctx.Err() == nil {
			e.options.Logger.Warn("can't look for polls that are due", "error", err)
		}
	}
}
