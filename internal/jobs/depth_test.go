package jobs_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/jobs"
	"github.com/weirhq/weir/internal/pgtest"
	"github.com/weirhq/weir/internal/store"
	"github.com/weirhq/weir/internal/store/sqlite"
)

// waiting are a job that is due and two that are to come.
func waiting() []store.Job {
	id := hub.NewConnectorID(hub.Provider)
	at := func(resource hub.Resource, due time.Time) store.Job {
		return store.Job{Stream: hub.StreamID{Connector: id, Resource: resource}, Turn: 1, DueAt: due}
	}
	return []store.Job{
		at(hub.Accounts, time.Now().Add(-time.Minute)),
		at(hub.Balances, time.Now().Add(time.Hour)), at(hub.Transactions, time.Now().Add(time.Hour)),
	}
}

// wantDepth expects one job that has been due for a minute, and two to come.
func wantDepth(t *testing.T, engine *jobs.Engine) {
	t.Helper()
	depth, err := engine.Depth(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for state, want := range map[string]int64{"available": 1, "scheduled": 2, "running": 0, "retryable": 0, "pending": 0} {
		if got, there := depth.Jobs[state]; !there || got != want {
			t.Errorf("%d jobs are %s, want %d: %v", got, state, want, depth.Jobs)
		}
	}
	if waits := time.Since(depth.OldestDueAt); waits < 50*time.Second || waits > 90*time.Second {
		t.Errorf("the job that waits longest was due at %s, want a minute ago", depth.OldestDueAt)
	}
}

func TestTheDepthOfTheQueueOnSQLiteIsWhatHasNotEnded(t *testing.T) {
	ctx := t.Context()
	db, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "weir.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	pool, err := db.OpenPool()
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	engine, err := jobs.New(ctx, jobs.Options{Pool: pool, InsertOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if depth, err := engine.Depth(ctx); err != nil || depth.Jobs["available"] != 0 || !depth.OldestDueAt.IsZero() {
		t.Errorf("an empty queue has the depth %+v, %v", depth, err)
	}
	for _, job := range waiting() {
		inTransaction(t, pool, func(tx *sql.Tx) error { return engine.Enqueue(ctx, tx, job) })
	}
	statement := "UPDATE river_job SET scheduled_at = datetime('now', 'subsec', '-60 seconds') WHERE scheduled_at <= datetime('now', 'subsec')"
	if _, err := pool.ExecContext(ctx, statement); err != nil {
		t.Fatal(err)
	}
	wantDepth(t, engine)
}

func inTransaction(t *testing.T, pool *sql.DB, do func(*sql.Tx) error) {
	t.Helper()
	tx, err := pool.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := do(tx); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

func TestTheDepthOfTheQueueOnPostgreSQLIsWhatHasNotEnded(t *testing.T) {
	ctx := t.Context()
	pool, err := pgxpool.New(ctx, pgtest.Open(t))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if _, _, err := jobs.Migrate(ctx, pool); err != nil {
		t.Fatal(err)
	}
	engine, err := jobs.New(ctx, jobs.Options{Postgres: pool, InsertOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	err = pgx.BeginFunc(context.WithoutCancel(ctx), pool, func(tx pgx.Tx) error { return engine.EnqueueMany(ctx, tx, waiting()) })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(ctx, "UPDATE river_job SET scheduled_at = now() - interval '1 minute' WHERE scheduled_at <= now()"); err != nil {
		t.Fatal(err)
	}
	wantDepth(t, engine)
}
