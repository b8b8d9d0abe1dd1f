// Package jobs runs the engines' work on River: one job for each poll that is
// due, in a queue for each connector, so that a slow service delays no other.
//
// When a stream is due stands in the store's own tables; a job is only what
// wakes a worker. So a job may be lost (the sweep finds its stream) or run twice
// (the stream's turn tells the stale one) without harm. What a poll does is in
// internal/poll. Start with [New] and [Engine.Enqueue].
package jobs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
)

const (
	// fetchFastest and fetchSlowest bound how often a queue asks the database for jobs,
	// and so how late a job begins that was scheduled for a time. The more queues
	// there are the less often each asks, fetchShare later for each.
	fetchFastest = 250 * time.Millisecond
	fetchSlowest = 5 * time.Second
	fetchShare   = 25 * time.Millisecond
	// workersPerConnector lets all streams of a connector be read at once.
	workersPerConnector = 8
	// jobTimeout is far beyond what a poll takes: it gives up its place by itself.
	jobTimeout = time.Hour
	// rescueAfter must be longer than jobTimeout.
	rescueAfter = 2 * time.Hour
	// sweepEvery is how often the sweep looks for streams without a job.
	sweepEvery = time.Minute
	// keepDone is how long finished jobs are kept for those who look.
	keepDone = 10 * time.Minute
	// syncEvery is how often queues are matched with the connectors there are.
	syncEvery = time.Second
	// busyAgain is when a job looks again whose stream is still being read.
	busyAgain = time.Second
)

// Options are what an [Engine] works with. All but Logger are needed.
type Options struct {
	// Pool is a handle on the store's database for River alone. The engine sets
	// its size to one connection and does not close it.
	Pool *sql.DB
	// Poll runs the poll of one turn of a stream.
	Poll func(ctx context.Context, stream hub.StreamID, turn int64) error
	// Connectors lists the connectors that are installed.
	Connectors func(ctx context.Context) ([]hub.ConnectorID, error)
	// Sweep gives a job to the streams that are overdue and have none.
	Sweep func(ctx context.Context) error
	// Logger receives what goes wrong; nil discards it.
	Logger *slog.Logger
}

// Engine runs jobs in one process that has its database to itself.
type Engine struct {
	options Options
	client  *river.Client[*sql.Tx]

	mu     sync.Mutex
	queues map[hub.ConnectorID]bool
	// polling holds the streams that are being read; a second job for one waits.
	polling map[hub.StreamID]bool

	stop context.CancelFunc
	done chan struct{}
}

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

// SweepArgs is the job that looks for streams without a job.
type SweepArgs struct{}

// Kind implements river.JobArgs.
func (SweepArgs) Kind() string { return "sweep" }

// New makes an engine and brings River's own tables up to date. It works
// nothing before [Engine.Start].
func New(ctx context.Context, options Options) (*Engine, error) {
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	options.Pool.SetMaxOpenConns(1) // River's own advice for SQLite
	e := &Engine{options: options, queues: make(map[hub.ConnectorID]bool), polling: make(map[hub.StreamID]bool)}
	driver := riversqlite.New(options.Pool)
	quiet := slog.New(atLeastWarn{options.Logger.Handler()})
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: quiet})
	if err != nil {
		return nil, fmt.Errorf("prepare the job engine's tables: %w", err)
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return nil, fmt.Errorf("prepare the job engine's tables: %w", err)
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, &pollWorker{engine: e})
	river.AddWorker(workers, &sweepWorker{engine: e})
	e.client, err = river.NewClient(driver, &river.Config{
		Queues:                      map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 1}},
		Workers:                     workers,
		Logger:                      quiet,
		FetchPollInterval:           fetchSlowest,
		JobTimeout:                  jobTimeout,
		RescueStuckJobsAfter:        rescueAfter,
		CompletedJobRetentionPeriod: keepDone,
		PeriodicJobs: []*river.PeriodicJob{river.NewPeriodicJob(
			river.PeriodicInterval(sweepEvery),
			func() (river.JobArgs, *river.InsertOpts) { return SweepArgs{}, nil },
			nil,
		)},
	})
	if err != nil {
		return nil, fmt.Errorf("make the job engine: %w", err)
	}
	return e, nil
}

// active are the states of a job that has not come to its end. They make a job
// unique: a turn has one job, however often it is asked for.
var active = []rivertype.JobState{
	rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable,
	rivertype.JobStateRunning, rivertype.JobStateScheduled,
}

// Enqueue adds the job of a poll inside the transaction that makes it due. A job
// for the same turn that has not ended stays the only one.
func (e *Engine) Enqueue(ctx context.Context, tx *sql.Tx, job store.Job) error {
	id := job.Stream.Connector
	due := job.DueAt
	if !due.After(time.Now()) {
		due = time.Time{} // River lets every job with a time wait for its scheduler
	}
	_, err := e.client.InsertTx(ctx, tx, PollArgs{id.Provider, id.Reference, job.Stream.Resource, job.Turn}, &river.InsertOpts{
		Queue:       queueOf(id),
		ScheduledAt: due,
		UniqueOpts:  river.UniqueOpts{ByArgs: true, ByState: active},
	})
	if err != nil {
		return fmt.Errorf("schedule the next poll of %s: %w", job.Stream, err)
	}
	return nil
}

func queueOf(id hub.ConnectorID) string { return "connector-" + id.Reference }

// Start begins to work. It must be called once, and followed by [Engine.Stop].
func (e *Engine) Start(ctx context.Context) error {
	// The database is ours alone, so whoever led before is gone. Without this a
	// hub that was killed would wait for its own lease to run out.
	if _, err := e.options.Pool.ExecContext(ctx, "DELETE FROM river_leader"); err != nil {
		return fmt.Errorf("start the job engine: %w", err)
	}
	if err := e.client.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start the job engine: %w", err)
	}
	ctx, e.stop = context.WithCancel(context.WithoutCancel(ctx))
	e.done = make(chan struct{})
	e.Sync(ctx)
	go e.keepSync(ctx)
	return nil
}

// Stop lets the jobs under way come to their end until ctx ends, and then
// cancels them. A job that was cancelled runs again after the next start.
func (e *Engine) Stop(ctx context.Context) error {
	if e.stop == nil {
		return nil
	}
	e.stop()
	<-e.done
	if err := e.client.Stop(ctx); err != nil {
		hard, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return e.client.StopAndCancel(hard)
	}
	return nil
}

// keepSync keeps the queues in step with the connectors.
func (e *Engine) keepSync(ctx context.Context) {
	defer close(e.done)
	tick := time.NewTicker(syncEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			e.Sync(ctx)
		}
	}
}

// Sync adds a queue for each new connector and removes those of connectors that
// are gone. The engine does so every second by itself; who installs a connector
// may ask for it at once.
func (e *Engine) Sync(ctx context.Context) {
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
		if e.queues[id] {
			continue
		}
		queue := river.QueueConfig{
			MaxWorkers:        workersPerConnector,
			FetchPollInterval: min(max(fetchFastest, time.Duration(len(connectors))*fetchShare), fetchSlowest),
		}
		if err := e.client.Queues().Add(queueOf(id), queue); err != nil {
			e.options.Logger.Error("can't add a queue", "connector", id.Reference, "error", err)
			continue
		}
		e.queues[id] = true
	}
	for id := range e.queues {
		if !installed[id] {
			delete(e.queues, id)
			go e.dropQueue(ctx, id)
		}
	}
}

// dropQueue removes the queue of a connector that is gone, once its jobs have ended.
func (e *Engine) dropQueue(ctx context.Context, id hub.ConnectorID) {
	err := e.client.Queues().Remove(ctx, queueOf(id))
	if err == nil {
		_, err = e.client.JobDeleteMany(ctx, river.NewJobDeleteManyParams().Queues(queueOf(id)))
	}
	if err != nil && ctx.Err() == nil {
		e.options.Logger.Error("can't remove a queue", "connector", id.Reference, "error", err)
	}
}

// claim reserves a stream for one job.
func (e *Engine) claim(id hub.StreamID) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.polling[id] {
		return false
	}
	e.polling[id] = true
	return true
}

func (e *Engine) release(id hub.StreamID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.polling, id)
}

type pollWorker struct {
	river.WorkerDefaults[PollArgs]
	engine *Engine
}

// Work implements river.Worker.
func (w *pollWorker) Work(ctx context.Context, job *river.Job[PollArgs]) error {
	id := job.Args.stream()
	if !w.engine.claim(id) {
		return river.JobSnooze(busyAgain)
	}
	defer w.engine.release(id)
	err := w.engine.options.Poll(ctx, id, job.Args.Turn)
	if err != nil && !errors.Is(err, context.Canceled) {
		w.engine.options.Logger.Error("poll could not be run", "stream", id.String(), "error", err)
	}
	return err
}

type sweepWorker struct {
	river.WorkerDefaults[SweepArgs]
	engine *Engine
}

// Work implements river.Worker.
func (w *sweepWorker) Work(ctx context.Context, _ *river.Job[SweepArgs]) error {
	return w.engine.options.Sweep(ctx)
}

// atLeastWarn keeps River's notes about its own well-being out of the log.
type atLeastWarn struct{ slog.Handler }

// Enabled implements slog.Handler.
func (h atLeastWarn) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && h.Handler.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (h atLeastWarn) WithAttrs(attrs []slog.Attr) slog.Handler {
	return atLeastWarn{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h atLeastWarn) WithGroup(name string) slog.Handler {
	return atLeastWarn{h.Handler.WithGroup(name)}
}
