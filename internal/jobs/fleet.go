package jobs

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/hub"
)

// Fleet is what the workers on one database know of each other. Its clock is
// the database's. A worker whose sign is older than the TTL counts as dead, and
// what it has claimed is free.
type Fleet interface {
	// Beat gives a sign of life, and reports whether the last one was still good:
	// false when it had lapsed, so that others may have taken what was ours.
	Beat(ctx context.Context) (alive bool, err error)
	// Claim takes a stream for this worker; true as well when it has it already.
	Claim(ctx context.Context, stream hub.StreamID) (bool, error)
	// Release gives a stream back. Where it is not ours any more it does nothing.
	Release(ctx context.Context, stream hub.StreamID) error
	// Leave gives back everything and is the last sign.
	Leave(ctx context.Context) error
	// Live names the workers that are alive.
	Live(ctx context.Context) ([]string, error)
}

// errFenced ends the polls of a worker that the others may take for dead.
var errFenced = errors.New("this worker could not give a sign of life in time; another may read the stream by now")

// NewWorkerName makes a name that no other process has, and in which a person
// recognises the machine.
func NewWorkerName() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "worker"
	}
	const hostMax = 60 // River allows a hundred characters in all
	return fmt.Sprintf("%.*s-%s", hostMax, host, strings.ToLower(rand.Text()[:10]))
}

// beatEvery leaves room for several signs within a TTL, trusted is how long we
// count ourselves alive after one, by our own clock: less than the others do,
// by enough for polls to end.
func (e *Engine) beatEvery() time.Duration { return e.options.TTL / 5 }
func (e *Engine) trusted() time.Duration   { return e.options.TTL * 7 / 10 }

// join gives the first sign of life; without it nobody would leave us our streams.
func (e *Engine) join(ctx context.Context) error {
	if e.options.Fleet == nil {
		return nil
	}
	if _, err := e.options.Fleet.Beat(ctx); err != nil {
		return fmt.Errorf("join the other workers: %w", err)
	}
	return nil
}

// leave gives everything back. A worker that can't is dead after the TTL.
func (e *Engine) leave(ctx context.Context) error {
	if e.options.Fleet == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, leaveMax)
	defer cancel()
	if err := e.options.Fleet.Leave(ctx); err != nil {
		return fmt.Errorf("leave the other workers: %w", err)
	}
	return nil
}

// keepBeating gives signs of life until ctx ends. When none has come through in
// time it fences: every poll is canceled and none begins, before the others may
// think us dead, for then they read our streams.
func (e *Engine) keepBeating(ctx context.Context) {
	if e.options.Fleet == nil {
		return
	}
	last := time.Now() // join has just given one
	for pause(ctx, e.beatEvery()) {
		sent := time.Now()
		alive, err := e.beat(ctx, last.Add(e.trusted()))
		switch {
		case ctx.Err() != nil:
			return
		case err == nil && alive:
			last = sent
			e.unfence()
			e.payBack(ctx)
		case err == nil:
			e.fence("the last sign of life had lapsed when this one came")
			last = sent
			e.unfence()
		case time.Since(last) >= e.trusted():
			e.fence("no sign of life came through for " + e.trusted().String())
		default:
			e.options.Logger.Warn("a sign of life did not come through", "error", err)
		}
	}
}

// beat gives one sign. It ends when our own trust does, so that a database that
// hangs can't keep us from fencing; once fenced it waits as long as between signs.
func (e *Engine) beat(ctx context.Context, deadline time.Time) (bool, error) {
	wait := max(time.Until(deadline), 0)
	if wait == 0 || wait > e.beatEvery() {
		wait = e.beatEvery()
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	return e.options.Fleet.Beat(ctx)
}

// fence cancels every poll and lets none begin. Jobs that are fetched meanwhile
// wait; the others take them, as running with a dead worker.
func (e *Engine) fence(why string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fenced != nil {
		return
	}
	e.fenced = make(chan struct{})
	e.options.Logger.Error("polls are ended, for another worker may read their streams", "why", why, "worker", e.options.Worker, "polls", len(e.polling))
	for _, cancel := range e.polling {
		cancel(errFenced)
	}
}

func (e *Engine) unfence() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fenced != nil {
		close(e.fenced)
		e.fenced = nil
	}
}

// payBack releases the streams whose release had failed. Each is reserved here
// meanwhile, so that no poll of our own begins under the claim.
func (e *Engine) payBack(ctx context.Context) {
	e.mu.Lock()
	owed := slices.Collect(maps.Keys(e.owed))
	clear(e.owed)
	e.mu.Unlock()
	for _, id := range owed {
		if _, ok := e.claimHere(ctx, id); ok {
			e.release(ctx, id)
		} // else it is being read again, and released after
	}
}

const (
	// givenBackMax bounds how many jobs are given back at once.
	givenBackMax = 1000
	// handKept is how long a job that has ended counts as in hand: so long the
	// database may take to hear of it.
	handKept = 30 * time.Second
)

// A loss says which jobs that River counts as running nobody runs.
type loss struct {
	// live are the workers that live; a job at any other is lost.
	live []string
	// worker is this one, and hand the jobs that it really runs: one that it was
	// given in an answer that never arrived is lost as well.
	worker string
	hand   []int64
	// grace is how long a job must have been running to count.
	grace time.Duration
}

// keepGivingBack frees the jobs of workers that are gone. River would wait for
// rescueAfter, as it knows of no sign of life.
func (e *Engine) keepGivingBack(ctx context.Context) {
	every := e.options.TTL / 6
	if e.options.Fleet == nil {
		every = e.options.TTL // nobody else can die; only answers get lost
	}
	for pause(ctx, every) {
		if err := e.giveBack(ctx); err != nil && ctx.Err() == nil {
			e.options.Logger.Warn("can't look for the jobs of workers that are gone", "error", err)
		}
	}
}

func (e *Engine) giveBack(ctx context.Context) error {
	l := loss{live: []string{e.options.Worker}, worker: e.options.Worker, grace: e.options.TTL / 4}
	if e.options.Fleet != nil {
		live, err := e.options.Fleet.Live(ctx)
		if err != nil {
			return err
		}
		l.live = live
	}
	l.hand = e.inHand()
	queues, err := e.database.giveBack(ctx, l)
	if err != nil || len(queues) == 0 {
		return err
	}
	e.options.Logger.Warn("polls whose worker is gone are given to others", "polls", len(queues))
	if e.waker != nil {
		for _, queue := range queues {
			e.waker.ring(queue)
		}
	}
	return nil
}

// inHand lists the jobs that are run here, and forgets those that ended long ago.
func (e *Engine) inHand() []int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	ids := make([]int64, 0, len(e.hand))
	for id, ended := range e.hand {
		if !ended.IsZero() && time.Since(ended) > handKept {
			delete(e.hand, id)
			continue
		}
		ids = append(ids, id)
	}
	return ids
}
