package mirror

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"github.com/weirhq/weir/sdk"
)

const (
	// everyDefault is a source's period when it names none.
	everyDefault = time.Minute
	// timeoutDefault bounds one pull.
	timeoutDefault = 5 * time.Minute
	// A pull that failed is tried again after a time that doubles between these.
	backoffLeast, backoffMost = time.Second, 5 * time.Minute
)

// Source is something that is pulled.
type Source struct {
	// Name keeps the source's position; it is never changed. It is also what the
	// log and /healthz call the source.
	Name string
	// Pull reads on from a position.
	Pull sdk.Pull
	// Every is how long to wait where the source has nothing more; 0 means a
	// minute. Each wait is up to a tenth longer, so that sources drift apart.
	Every time.Duration
	// Timeout bounds one pull; 0 means five minutes.
	Timeout time.Duration

	// read stands in for Pull where more than rows is stored with the position.
	read func(ctx context.Context, position string) (pulled, error)
	// wake ends a wait.
	wake <-chan struct{}
}

// sourceState is what is known of a source since the mirror was opened.
type sourceState struct {
	mu sync.Mutex // held during a pull: one at a time

	// The rest is guarded by Mirror.mu.
	every        time.Duration
	totals       Progress
	pulls        int
	caughtUp     time.Time
	failingSince time.Time
	lastError    string
}

// Pull pulls the source once and stores what it gave, with the new position, in
// one transaction. An error leaves everything as it was.
func (m *Mirror) Pull(ctx context.Context, source Source) (Progress, error) {
	state := m.state(source)
	state.mu.Lock()
	defer state.mu.Unlock()
	progress, err := m.pull(ctx, source)
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if err != nil {
		if state.failingSince.IsZero() {
			state.failingSince = now
		}
		state.lastError = err.Error()
		return progress, fmt.Errorf("pull %s: %w", source.Name, err)
	}
	state.pulls++
	state.failingSince, state.lastError = time.Time{}, ""
	if !progress.More {
		state.caughtUp = now
	}
	state.totals.add(progress)
	return progress, nil
}

// add adds what another pull did.
func (p *Progress) add(q Progress) {
	p.Rows += q.Rows
	p.New += q.New
	p.Changed += q.Changed
	p.Vanished += q.Vanished
	p.Rejected += q.Rejected
	p.Stale += q.Stale
	p.More = q.More
}

// CatchUp pulls the source until it has nothing more for now. It returns what
// all the pulls did, up to an error.
func (m *Mirror) CatchUp(ctx context.Context, source Source) (Progress, error) {
	var all Progress
	for {
		progress, err := m.Pull(ctx, source)
		all.add(progress)
		if err != nil || !progress.More {
			return all, err
		}
	}
}

// state finds what is known of the source.
func (m *Mirror) state(source Source) *sourceState {
	m.mu.Lock()
	defer m.mu.Unlock()
	state := m.sources[source.Name]
	if state == nil {
		state = &sourceState{every: source.Every}
		m.sources[source.Name] = state
	}
	return state
}

// pull asks the source and stores its answer. A panic of the source is an error.
func (m *Mirror) pull(ctx context.Context, source Source) (progress Progress, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	if source.Name == "" || source.Pull == nil && source.read == nil {
		return Progress{}, errors.New("the source has no name or no function")
	}
	ctx, cancel := context.WithTimeout(ctx, orDefault(source.Timeout, timeoutDefault))
	defer cancel()
	position, err := positionOf(ctx, m.file.Read, source.Name)
	if err != nil {
		return Progress{}, err
	}
	var batch pulled
	if source.read != nil {
		batch, err = source.read(ctx, position)
	} else {
		batch.Batch, err = source.Pull(ctx, position)
	}
	if err != nil {
		return Progress{}, err
	}
	return m.apply(ctx, source.Name, position, batch)
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}

// Run pulls the sources side by side until ctx ends, each in its own period, and
// returns nil then. A source that fails is tried again after a second, then after
// longer and longer, up to five minutes, or when its [sdk.Error] says; the
// others go on. It returns at once, with an error, when a name is missing or
// used twice.
func (m *Mirror) Run(ctx context.Context, sources ...Source) error {
	seen := map[string]bool{}
	for _, source := range sources {
		if source.Name == "" || seen[source.Name] || source.Pull == nil && source.read == nil {
			return fmt.Errorf("mirror: each source needs a function and a name of its own: %q", source.Name)
		}
		seen[source.Name] = true
		m.state(source)
	}
	var running sync.WaitGroup
	for _, source := range sources {
		running.Go(func() { m.run(ctx, source) })
	}
	running.Wait()
	return nil
}

// run pulls one source until ctx ends.
func (m *Mirror) run(ctx context.Context, source Source) {
	failures := 0
	for ctx.Err() == nil {
		progress, err := m.Pull(ctx, source)
		var pause time.Duration
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			pause = backoff(failures, err)
			failures++
			m.log.ErrorContext(ctx, "a source could not be pulled", "source", source.Name, "error", err.Error(), "failures", failures, "again_in", pause.Round(time.Millisecond))
		default:
			if failures > 0 {
				m.log.InfoContext(ctx, "a source can be pulled again", "source", source.Name, "failures", failures)
			}
			failures = 0
			m.logProgress(ctx, source.Name, progress)
			if !progress.More {
				every := orDefault(source.Every, everyDefault)
				pause = every + rand.N(every/10+1) //nolint:gosec // spreads load, hides nothing
			}
		}
		wait(ctx, pause, source.wake)
	}
}

func (m *Mirror) logProgress(ctx context.Context, source string, p Progress) {
	level := slog.LevelDebug
	if p.New+p.Changed+p.Vanished+p.Rejected > 0 {
		level = slog.LevelInfo
	}
	m.log.LogAttrs(ctx, level, "pulled", slog.String("source", source), slog.Int("rows", p.Rows), slog.Int("new", p.New),
		slog.Int("changed", p.Changed), slog.Int("vanished", p.Vanished), slog.Int("rejected", p.Rejected), slog.Int("stale", p.Stale), slog.Bool("more", p.More))
}

// backoff is how long to wait after a failure that so many went before.
func backoff(failures int, err error) time.Duration {
	if e := new(sdk.Error); errors.As(err, &e) && e.RetryAfter > 0 {
		return e.RetryAfter
	}
	pause := min(backoffLeast<<min(failures, 10), backoffMost)
	return pause/2 + rand.N(pause/2) //nolint:gosec // spreads load, hides nothing
}

// wait waits, unless it is woken or there is nothing to wait for.
func wait(ctx context.Context, pause time.Duration, wake <-chan struct{}) {
	if pause <= 0 {
		return
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-ctx.Done():
	}
}
