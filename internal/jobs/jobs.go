// Package jobs runs the engines' work on River: one job for each poll that is
// due, in a queue for each connector, so that a slow service delays no other.
//
// When a stream is due stands in the store's own tables; a job is only what
// wakes a worker. So a job may be lost (the sweep finds its stream) or run twice
// (the stream's turn tells the stale one) without harm. What a poll does is in
// internal/poll.
//
// On SQLite one process works. On PostgreSQL any number does: a [Fleet] says who
// is alive and who reads which stream, and what a dead worker had in hand is
// given to the others. Start with [New] and [Engine.Enqueue].
package jobs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
)

const (
	// jobTimeout is far beyond what a poll takes: it gives up its place by itself,
	// at the latest after poll's own fifty minutes. It ends what has gone wild.
	jobTimeout = time.Hour
	// rescueAfter must be longer than jobTimeout, for River's rescue asks nobody
	// whether the worker lives. It is the last resort on both databases; lost jobs
	// are given back long before, by [Engine.giveBack].
	rescueAfter = 2 * time.Hour
	// sweepEvery is how often the sweep looks for streams without a job.
	sweepEvery = time.Minute
	// keepDone is how long finished jobs are kept for those who look. It is longer
	// than sweepEvery, or two workers would both sweep in one minute.
	keepDone = 10 * time.Minute
	// busyAgain is about when a job looks again whose stream is still being read.
	busyAgain = time.Second
	// retryMax bounds the pause before a job that failed is run again. What fails
	// here is the store itself, not a service, and it comes back at once or late.
	retryMax = 5 * time.Second
	// drainMax is how long a stop waits for the pages in hand; polls that still
	// run then wait for a service that does not answer, and are canceled.
	drainMax = 2500 * time.Millisecond
	// cancelMax is how long a stop waits for polls that were canceled.
	cancelMax = 4 * time.Second
	// startMax bounds the start. It takes tens of milliseconds.
	startMax = 30 * time.Second
	// leaveMax bounds how long a stop waits to leave the fleet.
	leaveMax = time.Second
	// TTLDefault is how long a worker counts as alive after its last sign.
	TTLDefault = 20 * time.Second
)

// Options are what an [Engine] works with. One of Pool and Postgres is needed,
// and all of Poll, Connectors and Sweep but for an engine that only inserts.
type Options struct {
	// Pool is a handle on the store's SQLite database for River alone. The engine
	// sets its size to one connection and does not close it.
	Pool *sql.DB
	// Postgres is a pool of the store's PostgreSQL database, which may be the
	// store's own. The engine does not close it.
	Postgres *pgxpool.Pool
	// PollOnly does without LISTEN, which PgBouncer in transaction mode does not
	// carry: a job is then found by asking, within a few seconds.
	PollOnly bool

	// InsertOnly makes an engine that gives work to others and does none.
	InsertOnly bool
	// Worker is the name of this process in the database; no other that is alive
	// may have it. Empty: one is made up. It must be the Fleet's where there is one.
	Worker string
	// Fleet knows the other workers on the database; nil: it is ours alone.
	Fleet Fleet
	// TTL is what the Fleet was made with; 0: TTLDefault.
	TTL time.Duration

	// Poll runs the poll of one turn of a stream.
	Poll func(ctx context.Context, stream hub.StreamID, turn int64) error
	// Connectors lists the connectors that are installed.
	Connectors func(ctx context.Context) ([]hub.ConnectorID, error)
	// Sweep gives a job to the streams that are overdue and have none.
	Sweep func(ctx context.Context) error
	// Logger receives what goes wrong; nil discards it.
	Logger *slog.Logger
}

// Engine runs jobs. Its methods may be called from many goroutines.
type Engine struct {
	options  Options
	client   client
	database database
	sqlite   *river.Client[*sql.Tx] // nil on PostgreSQL
	postgres *river.Client[pgx.Tx]  // nil on SQLite
	waker    *waker                 // nil on PostgreSQL
	executor riverdriver.Executor   // where the waker looks
	listener *pgxpool.Pool          // nil where nothing is listened to
	consoles []*console

	mu     sync.Mutex
	queues map[hub.ConnectorID]bool
	// polling holds the streams that are being read here, and how to end that; a
	// second job for one waits.
	polling map[hub.StreamID]context.CancelCauseFunc
	// hand holds the jobs that are run here, and those that have ended lately
	// with the time, until the database must have heard of it.
	hand map[int64]time.Time
	// owed holds the streams whose release failed.
	owed map[hub.StreamID]bool
	// fenced is set while the others may take us for dead, and closed when that is over.
	fenced chan struct{}
	// started is set by Start.
	started bool

	// stopping is closed by the first Stop.
	stopping chan struct{}
	halt     sync.Once
	cancel   context.CancelFunc
	loops    sync.WaitGroup
}

// client is what the engine asks of a River client, whatever its transactions.
type client interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
	StopAndCancel(ctx context.Context) error
	Queues() *river.QueueBundle
	Insert(ctx context.Context, args river.JobArgs, opts *river.InsertOpts) (*rivertype.JobInsertResult, error)
	JobDeleteMany(ctx context.Context, params *river.JobDeleteManyParams) (*river.JobDeleteManyResult, error)
}

// New makes an engine. On SQLite it brings River's own tables up to date; on
// PostgreSQL, where others may be at work on them, it is an error that says what
// to do when they are not: see [Migrate]. It works nothing before [Engine.Start].
func New(ctx context.Context, options Options) (*Engine, error) {
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	if options.Worker == "" {
		options.Worker = NewWorkerName()
	}
	if options.TTL == 0 {
		options.TTL = TTLDefault
	}
	e := &Engine{
		options: options, queues: make(map[hub.ConnectorID]bool),
		polling: make(map[hub.StreamID]context.CancelCauseFunc), hand: make(map[int64]time.Time),
		owed: make(map[hub.StreamID]bool), stopping: make(chan struct{}),
	}
	var err error
	switch {
	case options.Postgres != nil && options.Pool == nil:
		err = e.openPostgres(ctx)
	case options.Pool != nil && options.Postgres == nil:
		err = e.openSQLite(ctx)
	default:
		err = errors.New("an engine needs a pool of SQLite or one of PostgreSQL")
	}
	if err != nil {
		return nil, err
	}
	return e, nil
}

// config is how River runs, the same on both databases. What is not here is
// River's default; its leader only keeps its tables clean and schedules retries.
func (e *Engine) config() *river.Config {
	workers := river.NewWorkers()
	river.AddWorker(workers, &pollWorker{engine: e})
	river.AddWorker(workers, &sweepWorker{engine: e})
	config := &river.Config{
		ID:                          e.options.Worker,
		Workers:                     workers,
		Logger:                      e.quiet(),
		PollOnly:                    e.options.PollOnly,
		FetchPollInterval:           fetchSlowest,
		JobTimeout:                  jobTimeout,
		RescueStuckJobsAfter:        rescueAfter,
		CompletedJobRetentionPeriod: keepDone,
	}
	if !e.options.InsertOnly {
		config.Queues = map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 1}}
	}
	return config
}

// quiet is the log without River's notes about its own well-being.
func (e *Engine) quiet() *slog.Logger { return slog.New(atLeastWarn{e.options.Logger.Handler()}) }

// active are the states of a job that has not come to its end. They make a job
// unique: a turn has one job, however often it is asked for.
var active = []rivertype.JobState{
	rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable,
	rivertype.JobStateRunning, rivertype.JobStateScheduled,
}

// Enqueue adds the job of a poll inside the SQLite transaction that makes it due.
// A job for the same turn that has not ended stays the only one.
func (e *Engine) Enqueue(ctx context.Context, tx *sql.Tx, job store.Job) error {
	// The fast insert reads nothing back. On SQLite it leaves out a job that is there.
	params := []river.InsertManyParams{{Args: argsOf(job), InsertOpts: insertOpts(job)}}
	if _, err := e.sqlite.InsertManyFastTx(ctx, tx, params); err != nil {
		return fmt.Errorf("schedule the next poll of %s: %w", job.Stream, err)
	}
	e.waker.expect(queueOf(job.Stream.Connector), job.DueAt)
	return nil
}

// EnqueueMany is [Engine.Enqueue] for a transaction of PostgreSQL and as many
// jobs as it makes due, in one round trip.
func (e *Engine) EnqueueMany(ctx context.Context, tx pgx.Tx, jobs []store.Job) error {
	if len(jobs) == 0 {
		return nil
	}
	params := make([]river.InsertManyParams, 0, len(jobs))
	for _, job := range jobs {
		params = append(params, river.InsertManyParams{Args: argsOf(job), InsertOpts: insertOpts(job)})
	}
	if _, err := e.postgres.InsertManyTx(ctx, tx, params); err != nil {
		return fmt.Errorf("schedule the next poll of %s: %w", jobs[0].Stream, err)
	}
	return nil
}

func argsOf(job store.Job) PollArgs {
	id := job.Stream.Connector
	return PollArgs{id.Provider, id.Reference, job.Stream.Resource, job.Turn}
}

func insertOpts(job store.Job) *river.InsertOpts {
	due := job.DueAt
	if !due.After(time.Now()) {
		due = time.Time{} // the queue is told of a job without a time
	}
	return &river.InsertOpts{
		Queue:       queueOf(job.Stream.Connector),
		ScheduledAt: due,
		UniqueOpts:  river.UniqueOpts{ByArgs: true, ByState: active},
	}
}

// Start begins to work. It must be called once, and followed by [Engine.Stop].
// An engine that only inserts has nothing to begin but its consoles.
func (e *Engine) Start(ctx context.Context) error {
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	if err := e.start(ctx, running); err != nil {
		cancel()
		return fmt.Errorf("start the job engine: %w", err)
	}
	e.cancel = cancel
	return nil
}

// start begins what goes on until running ends.
func (e *Engine) start(ctx, running context.Context) error {
	e.mu.Lock()
	e.started = true
	consoles := e.consoles
	e.mu.Unlock()
	for _, console := range consoles {
		console.run(running)
	}
	if e.options.InsertOnly {
		return nil
	}
	if err := e.join(ctx); err != nil {
		return err
	}
	e.loops.Go(func() { e.keepBeating(running) })
	if err := e.database.prepare(ctx); err != nil {
		return err
	}
	if e.waker != nil {
		e.loops.Go(func() { e.waker.run(running, e.waker.lookTogether(e.executor)) })
		e.loops.Go(func() { e.keepLooking(running) })
	}
	if err := e.startClient(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	e.Sync(running)
	for _, loop := range []func(context.Context){e.keepSync, e.keepSweeping, e.keepGivingBack} {
		e.loops.Go(func() { loop(running) })
	}
	return nil
}

// startClient bounds River's start, which can hang when it has failed.
func (e *Engine) startClient(ctx context.Context) error {
	started := make(chan error, 1)
	go func() { started <- e.client.Start(ctx) }()
	select {
	case err := <-started:
		return err
	case <-time.After(startMax):
		return fmt.Errorf("the database did not answer within %s; see that it can be reached and is not overloaded", startMax)
	}
}

// Stopping is closed when the engine begins to stop: a poll should end after the
// page that it has in hand.
func (e *Engine) Stopping() <-chan struct{} { return e.stopping }

// Stop lets the polls under way end after the page that they have in hand, for
// drainMax or until ctx ends, then cancels those that wait for an answer, and
// leaves the fleet. Within seconds every job is done or free for another worker,
// or for the next start. It is safe to call again, and without a Start.
func (e *Engine) Stop(ctx context.Context) error {
	e.halt.Do(func() { close(e.stopping) })
	if e.waker != nil {
		e.waker.stop() // else River would wait for its queues
	}
	if e.listener != nil {
		defer e.listener.Close()
	}
	if e.cancel == nil {
		return nil
	}
	if e.options.InsertOnly {
		e.cancel()
		return nil
	}
	soft, cancel := context.WithTimeout(ctx, drainMax)
	defer cancel()
	err := e.client.Stop(soft)
	if err != nil {
		hard, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelMax)
		defer cancel()
		err = e.client.StopAndCancel(hard)
	}
	e.cancel()
	e.loops.Wait()
	return errors.Join(err, e.leave(context.WithoutCancel(ctx)))
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
