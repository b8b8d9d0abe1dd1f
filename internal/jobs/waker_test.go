package jobs

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"
)

// asks has a queue ask for up to two jobs and returns after how long, since
// begun, it was answered, and with how many.
func asks(w *waker, begun time.Time, queue string) (after time.Duration, jobs int) {
	result, err := w.await(&riverdriver.JobGetAvailableParams{Queue: queue, MaxToLock: 2})
	if err != nil {
		jobs = -1
	} else {
		jobs = len(result.Jobs)
	}
	return time.Since(begun), jobs
}

// found answers with so many jobs each and keeps the names of who looked together.
func found(w *waker, jobs int, looks *[][]string) func(context.Context, []*ask) {
	return func(_ context.Context, asks []*ask) {
		var queues []string
		for _, a := range asks {
			queues = append(queues, a.params.Queue)
			w.reply(a, &riverdriver.JobGetAvailableResult{Jobs: make([]*rivertype.JobRow, jobs)}, nil)
		}
		slices.Sort(queues)
		*looks = append(*looks, queues)
	}
}

func TestAQueueIsAnsweredWhenItsJobsAreDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, begun := newWaker(), time.Now()
		var looks [][]string
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go w.run(ctx, found(w, 1, &looks))
		for _, due := range []time.Duration{10 * time.Second, time.Second} {
			w.expect("a", begun.Add(due))
		}
		go func() {
			time.Sleep(time.Minute)
			w.ring("a")
		}()
		for _, want := range []time.Duration{time.Second, 10 * time.Second, time.Minute} {
			after, jobs := asks(w, begun, "a")
			if late := after - want; late < 0 || late > 10*time.Millisecond || jobs != 1 {
				t.Errorf("answered after %s with %d jobs, want it after %s", after, jobs, want)
			}
		}
	})
}

func TestQueuesWhoseJobsAreDueTogetherLookTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, begun := newWaker(), time.Now()
		const queues = 100
		var looks [][]string
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go w.run(ctx, found(w, 1, &looks))
		for i := range queues {
			queue := string(rune('A' + i))
			w.expect(queue, begun.Add(time.Second+time.Duration(i)*time.Millisecond))
			go asks(w, begun, queue)
		}
		time.Sleep(time.Second + 2*queues*gatherShare)
		synctest.Wait()
		if len(looks) != 2 || len(looks[0])+len(looks[1]) != queues {
			t.Errorf("%d queues looked in groups of %v", queues, looks)
		}
	})
}

func TestAQueueThatGotAllItAskedForLooksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, begun := newWaker(), time.Now()
		var looks [][]string
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go w.run(ctx, found(w, 2, &looks))
		w.ring("a")
		for range 3 {
			if after, jobs := asks(w, begun, "a"); after > 10*time.Millisecond || jobs != 2 {
				t.Errorf("answered after %s with %d jobs", after, jobs)
			}
		}
	})
}

func TestAQueueDoesNotWaitWhenThereIsSomethingElseToHeed(t *testing.T) {
	for name, heed := range map[string]func(w *waker){
		"it is to be removed": func(w *waker) { w.close("a") },
		"there is a note":     func(w *waker) { w.hush() },
		"the engine stops":    func(w *waker) { w.stop() },
	} {
		synctest.Test(t, func(t *testing.T) {
			w, begun := newWaker(), time.Now()
			w.expect("a", begun.Add(time.Hour))
			go func() {
				time.Sleep(time.Second)
				heed(w)
			}()
			for range 2 { // and does not wait again
				if after, jobs := asks(w, begun, "a"); after != time.Second || jobs != 0 {
					t.Errorf("%s: answered after %s with %d jobs", name, after, jobs)
				}
			}
		})
	}
}

func TestAStrangerIsAQueueWithJobsThatNobodyAsksFor(t *testing.T) {
	w := newWaker()
	w.expect("a", time.Now().Add(time.Hour))
	if w.strangers([]string{"a", "b"}) {
		t.Error("a is known")
	}
	if !w.strangers([]string{"b"}) {
		t.Error("a is not known")
	}
	w.forget("a")
	if w.strangers([]string{"b"}) {
		t.Error("a is gone")
	}
}
