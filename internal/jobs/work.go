package jobs

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/riverqueue/river"

	"github.com/weirhq/weir/internal/hub"
)

// releaseMax bounds how long a claim's release may take; one that fails lapses
// with its worker, or is taken over by the next poll of this one.
const releaseMax = 2 * time.Second

// PollArgs is the job of one poll.
type PollArgs struct {
	Provider  string       `json:"provider"`
	Connector string       `json:"connector"`
	Resource  hub.Resource `json:"resource"`
	Turn      int64        `json:"turn"`
}

// Kind implements river.JobArgs.
func (PollArgs) Kind() string { return "poll" }

func (a PollArgs) stream() hub.StreamID {
	return hub.StreamID{Connector: hub.ConnectorID{Provider: a.Provider, Reference: a.Connector}, Resource: a.Resource}
}

type pollWorker struct {
	river.WorkerDefaults[PollArgs]
	engine *Engine
}

// Work implements river.Worker.
func (w *pollWorker) Work(ctx context.Context, job *river.Job[PollArgs]) error {
	e := w.engine
	e.take(job.ID)
	defer e.drop(job.ID)
	if err := e.mayBegin(ctx); err != nil {
		return err
	}
	id := job.Args.stream()
	polling, claimed, err := e.claim(ctx, id)
	switch {
	case hub.CodeOf(err) == hub.CodeNotFound:
		return nil // the connector was uninstalled
	case err != nil:
		return err
	case !claimed:
		return e.putOff(id)
	}
	defer e.release(ctx, id)
	err = e.options.Poll(polling, id, job.Args.Turn)
	switch {
	case err == nil:
		return nil
	case errors.Is(context.Cause(polling), errFenced):
		return e.putOff(id)
	case !errors.Is(err, context.Canceled):
		e.options.Logger.Error("poll could not be run", "stream", id.String(), "error", err)
	}
	return err
}

// mayBegin waits while the others may take us for dead. What we fetch while we
// stop is given back at once.
func (e *Engine) mayBegin(ctx context.Context) error {
	for {
		e.mu.Lock()
		fenced := e.fenced
		e.mu.Unlock()
		select {
		case <-e.stopping:
			return river.JobSnooze(0)
		default:
		}
		if fenced == nil {
			return nil
		}
		select {
		case <-fenced:
		case <-e.stopping:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// putOff has a job run again when its stream may be free. The pause varies, so
// that of workers who look in turns not always the same one finds the job.
func (e *Engine) putOff(id hub.StreamID) error {
	again := busyAgain/2 + rand.N(busyAgain) //nolint:gosec // jitter, not a secret
	if e.waker != nil {
		e.waker.expect(queueOf(id.Connector), time.Now().Add(again))
	}
	return river.JobSnooze(again)
}

// NextRetry implements river.Worker. Without it the pause would grow to hours,
// and a stream rest long after the store has come back.
func (*pollWorker) NextRetry(job *river.Job[PollArgs]) time.Time {
	return time.Now().Add(min(time.Duration(job.Attempt)*time.Second, retryMax))
}

// claim reserves a stream for one job: in this process, and then among the
// workers. The context that it returns ends when the stream may be another's.
func (e *Engine) claim(ctx context.Context, id hub.StreamID) (context.Context, bool, error) {
	polling, ok := e.claimHere(ctx, id)
	if !ok || e.options.Fleet == nil {
		return polling, ok, nil
	}
	claimed, err := e.options.Fleet.Claim(polling, id)
	if err == nil && claimed && polling.Err() == nil {
		return polling, true, nil
	}
	e.releaseHere(id)
	if errors.Is(context.Cause(polling), errFenced) {
		err = nil // it is for another worker to read
	}
	return polling, false, err
}

func (e *Engine) claimHere(ctx context.Context, id hub.StreamID) (context.Context, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, busy := e.polling[id]; busy || e.fenced != nil {
		return ctx, false
	}
	polling, cancel := context.WithCancelCause(ctx)
	e.polling[id] = cancel
	return polling, true
}

func (e *Engine) releaseHere(id hub.StreamID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.polling[id](nil)
	delete(e.polling, id)
}

// release gives a stream back: first to the other workers, then to our own jobs,
// one of which could otherwise begin under a claim that is being released.
func (e *Engine) release(ctx context.Context, id hub.StreamID) {
	defer e.releaseHere(id)
	if e.options.Fleet == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseMax)
	defer cancel()
	if err := e.options.Fleet.Release(ctx, id); err != nil {
		e.options.Logger.Warn("can't release a stream yet", "stream", id.String(), "error", err)
		e.mu.Lock()
		e.owed[id] = true
		e.mu.Unlock()
	}
}

// take and drop keep the list of the jobs in hand.
func (e *Engine) take(job int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.hand[job] = time.Time{}
}

func (e *Engine) drop(job int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.hand[job] = time.Now()
}

// SweepArgs is the job that looks for streams without a job.
type SweepArgs struct{}

// Kind implements river.JobArgs.
func (SweepArgs) Kind() string { return "sweep" }

type sweepWorker struct {
	river.WorkerDefaults[SweepArgs]
	engine *Engine
}

// Work implements river.Worker.
func (w *sweepWorker) Work(ctx context.Context, _ *river.Job[SweepArgs]) error {
	return w.engine.options.Sweep(ctx)
}
