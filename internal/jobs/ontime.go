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
// And where a waker knows that a queue has no job that is due, the database is
// not asked, and notes of River's other parts are looked for less often. Only
// SQLite has one.
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
	return &calmListener{Listener: listener}
}

const (
	// listenEvery is how often notes are looked for: so late a job begins that was
	// due when it was inserted. River does so twenty times a second.
	listenEvery = 300 * time.Millisecond
	// listenFor ends a look after the first question: River waits 50 ms for the next.
	listenFor = 45 * time.Millisecond
)

// A calmListener looks for notes now and then.
type calmListener struct {
	riverdriver.Listener
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
		if l.more = err == nil; l.more || ctx.Err() != nil || !ended {
			return notification, err
		}
	}
}

// punctualTx inserts jobs as free.
type punctualTx struct{ riverdriver.ExecutorTx }

// JobInsertFastMany implements riverdriver.Executor. The parameters are copied:
// River tells queues of the jobs whose own say that they are free, and these are
// not due.
func (t punctualTx) JobInsertFastMany(
	ctx context.Context, params *riverdriver.JobInsertFastManyParams,
) ([]*riverdriver.JobInsertFastResult, error) {
	punctual := &riverdriver.JobInsertFastManyParams{Schema: params.Schema, Jobs: make([]*riverdriver.JobInsertFastParams, 0, len(params.Jobs))}
	for _, job := range params.Jobs {
		if job.State == rivertype.JobStateScheduled {
			free := *job
			free.State = rivertype.JobStateAvailable
			job = &free
		}
		punctual.Jobs = append(punctual.Jobs, job)
	}
	return t.ExecutorTx.JobInsertFastMany(ctx, punctual)
}

// wakefulExecutor asks for jobs only when there may be one.
type wakefulExecutor struct {
	riverdriver.Executor
	waker *waker
}

// JobGetAvailable implements riverdriver.Executor.
func (e wakefulExecutor) JobGetAvailable(
	ctx context.Context, params *riverdriver.JobGetAvailableParams,
) (*riverdriver.JobGetAvailableResult, error) {
	if !e.waker.wakes(params.Queue) {
		return &riverdriver.JobGetAvailableResult{}, nil
	}
	result, err := e.Executor.JobGetAvailable(ctx, params)
	if err != nil || len(result.Jobs) == params.MaxToLock {
		e.waker.ring(params.Queue) // there may be more
	}
	return result, err
}
