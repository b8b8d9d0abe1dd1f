package jobs

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/riverqueue/river"

	"github.com/weirhq/weir/internal/hub"
)

const (
	// fetchFastest and fetchSlowest bound how often a queue asks the database for jobs,
	// and so how late a job begins that was scheduled for a time. The more queues
	// there are the less often each asks, fetchShare later for each.
	fetchFastest = 250 * time.Millisecond
	fetchSlowest = 5 * time.Second
	fetchShare   = 25 * time.Millisecond
	// askShare and askSlowest are the same where a queue waits for its answer. It
	// asks again at the next of these moments, which as a rule has passed while it
	// waited; so late begins what is due within one of them after the last answer.
	// To be woken costs little, but a hundred times a second one percent of a core.
	askShare   = 25 * time.Millisecond
	askSlowest = 10 * time.Second
	// workersPerConnector lets all streams of a connector be read at once.
	workersPerConnector = 8
	// syncEvery is how often the queues are matched with the connectors there are,
	// whatever was heard in the meantime.
	syncEvery = 30 * time.Second
	// strangersEvery is how often PostgreSQL is asked for jobs of connectors that
	// another process has installed.
	strangersEvery = time.Second
)

func queueOf(id hub.ConnectorID) string { return "connector-" + id.Reference }

// Sync adds a queue for each new connector and removes those of connectors that
// are gone. The engine does so by itself within about a second of a new
// connector's first job; who installs one may ask for it at once.
func (e *Engine) Sync(ctx context.Context) {
	if !e.works() {
		return
	}
	connectors, err := e.options.Connectors(ctx)
	if err != nil {
		if ctx.Err() == nil {
			e.options.Logger.Error("can't list connectors", "error", err)
		}
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	installed := make(map[hub.ConnectorID]bool, len(connectors))
	for _, id := range connectors {
		installed[id] = true
		if !e.queues[id] {
			e.addQueue(id, len(connectors))
		}
	}
	for id := range e.queues {
		if !installed[id] {
			delete(e.queues, id)
			go e.dropQueue(ctx, id)
		}
	}
}

// works reports whether there are queues to keep.
func (e *Engine) works() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.started && !e.options.InsertOnly
}

// addQueue is called with the mutex held.
func (e *Engine) addQueue(id hub.ConnectorID, connectors int) {
	queue := river.QueueConfig{MaxWorkers: workersPerConnector, FetchPollInterval: e.fetchInterval(connectors)}
	switch err := e.client.Queues().Add(queueOf(id), queue); {
	case err == nil:
		e.queues[id] = true
	case !errors.Is(err, &river.QueueAlreadyAddedError{}): // its removal is still under way
		e.options.Logger.Error("can't add a queue", "connector", id.Reference, "error", err)
	}
}

// fetchInterval is how often a queue asks for jobs although nobody has told it to.
func (e *Engine) fetchInterval(connectors int) time.Duration {
	if e.waker != nil {
		return min(max(fetchFastest, time.Duration(connectors)*askShare), askSlowest)
	}
	return min(max(fetchFastest, time.Duration(connectors)*fetchShare), fetchSlowest)
}

// dropQueue removes the queue of a connector that is gone, once its jobs have ended.
func (e *Engine) dropQueue(ctx context.Context, id hub.ConnectorID) {
	if e.waker != nil {
		e.waker.close(queueOf(id))
	}
	err := e.client.Queues().Remove(ctx, queueOf(id))
	if e.waker != nil {
		e.waker.forget(queueOf(id))
	}
	if err == nil {
		_, err = e.client.JobDeleteMany(ctx, river.NewJobDeleteManyParams().Queues(queueOf(id)))
	}
	if err != nil && ctx.Err() == nil {
		e.options.Logger.Error("can't remove a queue", "connector", id.Reference, "error", err)
	}
}

// keepSync keeps the queues in step with the connectors, those of other
// processes too.
func (e *Engine) keepSync(ctx context.Context) {
	synced := time.Now()
	for pause(ctx, strangersEvery) {
		strangers, err := e.database.strangers(ctx, e.queueNames())
		if err != nil && ctx.Err() == nil {
			e.options.Logger.Warn("can't look for new connectors", "error", err)
		}
		if strangers || time.Since(synced) > syncEvery {
			e.Sync(ctx)
			synced = time.Now()
		}
	}
}

func (e *Engine) queueNames() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	names := []string{river.QueueDefault}
	for id := range e.queues {
		names = append(names, queueOf(id))
	}
	return names
}

// keepSweeping asks for a sweep every minute. River's own periodic jobs live in
// its leader's memory, which a kill takes along for twenty seconds and more.
// However many workers ask, the job of a minute is unique.
func (e *Engine) keepSweeping(ctx context.Context) {
	for pause(ctx, sweepEvery) {
		_, err := e.client.Insert(ctx, SweepArgs{}, &river.InsertOpts{UniqueOpts: river.UniqueOpts{ByPeriod: sweepEvery}})
		if err != nil && ctx.Err() == nil {
			e.options.Logger.Warn("can't ask for a sweep", "error", err)
		}
		if e.waker != nil {
			e.waker.ring(river.QueueDefault)
		}
	}
}

// pause waits for about a duration, a little more or less so that processes
// which began together don't ask together, and reports whether to go on.
func pause(ctx context.Context, about time.Duration) bool {
	timer := time.NewTimer(about*3/4 + rand.N(about/2+1)) //nolint:gosec // jitter, not a secret
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
