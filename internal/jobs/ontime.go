package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"
)

// onTime is a driver of River with two differences.
//
// A job that is due later is stored as free from the beginning, with its time;
// River's fetch leaves it alone until then. River itself stores it as scheduled,
// and its leader frees it when its time comes. That leader may have been killed,
// which stops every schedule for twenty seconds, and freeing is one more write
// for each poll.
//
// And where there is a waker, a queue that asks for jobs gets its answer when it
// has one, and notes of River's other parts are looked for less often. Only SQLite
// has one.
type onTime[TTx any] struct {
	riverdriver.Driver[TTx]
	waker *waker
}

// UnwrapExecutor implements riverdriver.Driver.
func (d onTime[TTx]) UnwrapExecutor(tx TTx) riverdriver.ExecutorTx {
	return punctualTx{d.Driver.UnwrapExecutor(tx)}
}

// UnwrapTx implements riverdriver.Driver.
func (d onTime[TTx]) UnwrapTx(execTx riverdriver.ExecutorTx) TTx {
	if punctual, ok := execTx.(punctualTx); ok {
		execTx = punctual.ExecutorTx
	}
	return d.Driver.UnwrapTx(execTx)
}

// GetExecutor implements riverdriver.Driver.
func (d onTime[TTx]) GetExecutor() riverdriver.Executor {
	executor := d.Driver.GetExecutor()
	if d.waker == nil {
		return executor
	}
	return wakefulExecutor{executor, d.waker}
}

// GetListener implements riverdriver.Driver.
func (d onTime[TTx]) GetListener(params *riverdriver.GetListenenerParams) riverdriver.Listener {
	listener := d.Driver.GetListener(params)
	if d.waker == nil {
		return listener
	}
	return &calmListener{Listener: listener, waker: d.waker}
}

const (
	// listenEvery is how often notes are looked for: so late a job begins that was
	// due when it was inserted. River does so twenty times a second.
	listenEvery = 300 * time.Millisecond
	// listenFor ends a look after the first question: River waits 50 ms for the next.
	listenFor = 45 * time.Millisecond
	// controlTopic is that of River's notes to queues: that one is paused or goes
	// on, or a job is canceled.
	controlTopic = "river_control"
)

// A calmListener looks for notes now and then.
type calmListener struct {
	riverdriver.Listener
	waker *waker
	// more is set when the last look found something, and there may be more.
	more bool
}

// WaitForNotification implements riverdriver.Listener.
func (l *calmListener) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	for {
		if !l.more {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(listenEvery):
			}
		}
		look, cancel := context.WithTimeout(ctx, listenFor)
		notification, err := l.Listener.WaitForNotification(look)
		ended := look.Err() != nil
		cancel()
		if err == nil && notification.Topic == controlTopic {
			l.waker.hush()
		}
		if l.more = err == nil; l.more || ctx.Err() != nil || !ended {
			return notification, err
		}
	}
}

// punctualTx inserts jobs as free.
type punctualTx struct{ riverdriver.ExecutorTx }

// JobInsertFastMany implements riverdriver.Executor.
func (t punctualTx) JobInsertFastMany(
	ctx context.Context, params *riverdriver.JobInsertFastManyParams,
) ([]*riverdriver.JobInsertFastResult, error) {
	return t.ExecutorTx.JobInsertFastMany(ctx, punctual(params))
}

// JobInsertFastManyNoReturning implements riverdriver.Executor.
func (t punctualTx) JobInsertFastManyNoReturning(ctx context.Context, params *riverdriver.JobInsertFastManyParams) (int, error) {
	return t.ExecutorTx.JobInsertFastManyNoReturning(ctx, punctual(params))
}

// punctual copies the parameters with all jobs free: River tells queues of the
// jobs whose own say that they are free, and these are not due.
func punctual(params *riverdriver.JobInsertFastManyParams) *riverdriver.JobInsertFastManyParams {
	punctual := &riverdriver.JobInsertFastManyParams{Schema: params.Schema, Jobs: make([]*riverdriver.JobInsertFastParams, 0, len(params.Jobs))}
	for _, job := range params.Jobs {
		if job.State == rivertype.JobStateScheduled {
			free := *job
			free.State = rivertype.JobStateAvailable
			job = &free
		}
		punctual.Jobs = append(punctual.Jobs, job)
	}
	return punctual
}

// wakefulExecutor asks for jobs only when there are any.
type wakefulExecutor struct {
	riverdriver.Executor
	waker *waker
}

// JobGetAvailable implements riverdriver.Executor. It waits until there is a job:
// a queue of River heeds what ends meanwhile, but reads no notes, see calmListener.
func (e wakefulExecutor) JobGetAvailable(
	_ context.Context, params *riverdriver.JobGetAvailableParams,
) (*riverdriver.JobGetAvailableResult, error) {
	return e.waker.await(params)
}

// lookTogether fetches the jobs of some queues in one transaction, since each of
// its own would wait for the disk.
func (w *waker) lookTogether(executor riverdriver.Executor) func(context.Context, []*ask) {
	return func(ctx context.Context, asks []*ask) {
		ctx = context.WithoutCancel(ctx) // as River does: what was fetched must be known to be
		results, err := fetchTogether(ctx, executor, asks)
		for i, a := range asks {
			if err != nil {
				w.reply(a, nil, err)
				continue
			}
			w.reply(a, results[i], nil)
		}
	}
}

func fetchTogether(ctx context.Context, executor riverdriver.Executor, asks []*ask) (results []*riverdriver.JobGetAvailableResult, err error) {
	tx, err := executor.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback(ctx) }() // does nothing after the commit
	for _, a := range asks {
		result, err := tx.JobGetAvailable(ctx, a.params)
		if err != nil {
			return nil, err
		}
		results = append(results, result)
	}
	return results, tx.Commit(ctx)
}
