package jobs

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/riverqueue/river/riverdriver"
)

const (
	// gatherShare and gatherMost say how long after a look at the database the next
	// one is, for each queue that waits and at most: jobs that come due meanwhile
	// are fetched together, in one transaction. So late a job may begin.
	gatherShare = 2500 * time.Microsecond
	gatherMost  = time.Second
	// restMost is how long the waker sleeps at most when no queue expects a job.
	restMost = time.Minute
	// hushFor is how long queues ask in vain after a note to them, so that they
	// come to read it.
	hushFor = 300 * time.Millisecond
)

// A waker knows when which queue has a job that is due: in a database that is
// ours alone every job is enqueued by this process. A queue that asks for jobs
// waits here until it has one, and the queues whose jobs are due look for them
// together. A look into the database each costs half a millisecond and a commit,
// and four hundred queues that look every second a quarter of a core.
//
// What it believes may be too much, as of a transaction that was rolled back,
// and then a queue looks in vain. It is told before the transaction commits: a
// queue that looks at once waits for the commit, since looking takes the lock
// that the transaction holds.
type waker struct {
	mu sync.Mutex
	// expected holds for each queue the times at which it will have a job, in order.
	expected map[string][]time.Time
	// waiting holds the queues that ask for jobs, closed those that may not wait.
	waiting map[string]*ask
	closed  map[string]bool
	stopped bool
	hushed  time.Time
	// looked is when the last look was, sleeps until when there is none; zero while
	// nobody sleeps. stir ends the sleep.
	looked, sleeps time.Time
	stir           chan struct{}
}

// An ask is a queue that waits for jobs.
type ask struct {
	params *riverdriver.JobGetAvailableParams
	answer chan answer
}

type answer struct {
	result *riverdriver.JobGetAvailableResult
	err    error
}

func newWaker() *waker {
	return &waker{
		expected: make(map[string][]time.Time), waiting: make(map[string]*ask), closed: make(map[string]bool),
		stir: make(chan struct{}, 1),
	}
}

// expect notes that a queue will have a job at a time. River rounds that time to
// the millisecond and SQLite's clock counts in whole ones, so a queue that looked
// at the very instant would find nothing, and not look again.
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
	w.wake(queue)
}

// ring has a queue look for jobs.
func (w *waker) ring(queue string) { w.expect(queue, time.Now()) }

// wake ends the sleep where it would be too long for a queue. It is called with
// the mutex held.
func (w *waker) wake(queue string) {
	times := w.expected[queue]
	if w.waiting[queue] == nil || len(times) == 0 || !w.notBefore(times[0]).Before(w.sleeps) {
		return
	}
	select {
	case w.stir <- struct{}{}:
	default:
	}
}

// notBefore is when the database is looked at for a job that is due at a time.
func (w *waker) notBefore(due time.Time) time.Time {
	if gathered := w.looked.Add(min(time.Duration(len(w.waiting))*gatherShare, gatherMost)); due.Before(gathered) {
		return gathered
	}
	return due
}

// await returns the jobs of a queue once there are any. It returns none when the
// queue is closed, the waker is stopped, or there is something else to heed.
func (w *waker) await(params *riverdriver.JobGetAvailableParams) (*riverdriver.JobGetAvailableResult, error) {
	w.mu.Lock()
	if w.stopped || w.closed[params.Queue] || time.Now().Before(w.hushed) {
		w.mu.Unlock()
		return &riverdriver.JobGetAvailableResult{}, nil
	}
	a := &ask{params: params, answer: make(chan answer, 1)}
	w.dismiss(params.Queue)
	w.waiting[params.Queue] = a
	w.wake(params.Queue)
	w.mu.Unlock()
	got := <-a.answer
	return got.result, got.err
}

// dismiss answers a queue that waits with nothing. It is called with the mutex held.
func (w *waker) dismiss(queue string) {
	if a := w.waiting[queue]; a != nil {
		delete(w.waiting, queue)
		a.answer <- answer{result: &riverdriver.JobGetAvailableResult{}}
	}
}

func (w *waker) dismissAll() {
	for queue := range w.waiting {
		w.dismiss(queue)
	}
}

// close keeps a queue from waiting until it is forgotten: River removes it once
// it does not.
func (w *waker) close(queue string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed[queue] = true
	w.dismiss(queue)
}

// hush has all queues return for a moment, because there is a note for them: they
// read none while they wait.
func (w *waker) hush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hushed = time.Now().Add(hushFor)
	w.dismissAll()
}

// stop ends all waiting for good. It is safe to call again.
func (w *waker) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	w.dismissAll()
}

// forget drops what is known of a queue that is gone.
func (w *waker) forget(queue string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dismiss(queue)
	delete(w.expected, queue)
	delete(w.closed, queue)
}

// run has look answer the queues whose jobs are due, until ctx ends. look gets
// one or more, and must answer each.
func (w *waker) run(ctx context.Context, look func(context.Context, []*ask)) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		asks, rest := w.due()
		if len(asks) > 0 {
			look(ctx, asks)
			continue
		}
		timer.Reset(rest)
		select {
		case <-ctx.Done():
		case <-w.stir:
		case <-timer.C:
		}
	}
	w.stop()
}

// due returns the queues that are to look for jobs now, and counts on it that
// they do; or, when there are none, how long to sleep.
func (w *waker) due() (asks []*ask, rest time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	first := now.Add(restMost)
	for queue := range w.waiting {
		if times := w.expected[queue]; len(times) > 0 && times[0].Before(first) {
			first = times[0]
		}
	}
	if first = w.notBefore(first); first.After(now) {
		w.sleeps = first
		return nil, first.Sub(now)
	}
	w.sleeps = time.Time{}
	w.looked = now
	for queue, a := range w.waiting {
		if w.take(queue, now) {
			delete(w.waiting, queue)
			asks = append(asks, a)
		}
	}
	return asks, 0
}

// take reports whether a queue has a job that is due, and strikes out the times
// that are over. It is called with the mutex held.
func (w *waker) take(queue string, now time.Time) bool {
	times := w.expected[queue]
	due := 0
	for due < len(times) && !times[due].After(now) {
		due++
	}
	if w.expected[queue] = slices.Delete(times, 0, due); due == len(times) {
		delete(w.expected, queue)
	}
	return due > 0
}

// reply hands a queue what was found. Where there may be more, it looks again.
func (w *waker) reply(a *ask, result *riverdriver.JobGetAvailableResult, err error) {
	if err != nil || len(result.Jobs) == a.params.MaxToLock {
		w.ring(a.params.Queue)
	}
	a.answer <- answer{result, err}
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
