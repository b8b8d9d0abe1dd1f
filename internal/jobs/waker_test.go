package jobs

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestAQueueIsWokenOnceForEachTimeThatItsJobsAreDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, begun := newWaker(), time.Now()
		wakes := func(queue string, want bool) {
			t.Helper()
			if got := w.wakes(queue); got != want {
				t.Errorf("after %s: wakes %s: %t, want %t", time.Since(begun), queue, got, want)
			}
		}
		wakes("a", true) // nobody has asked yet
		for _, due := range []time.Duration{10 * time.Second, time.Second, time.Second + time.Millisecond} {
			w.expect("a", begun.Add(due))
		}
		wakes("a", false)
		time.Sleep(time.Second)
		wakes("a", false) // what the database rounds up is not due yet
		time.Sleep(time.Second)
		wakes("a", true)
		wakes("a", false)
		w.ring("a")
		wakes("a", true)
		time.Sleep(9 * time.Second)
		wakes("a", true)
		time.Sleep(fetchUnasked)
		wakes("a", true) // for what was done behind our back
		wakes("a", false)
	})
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
