package jobs

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
)

func (e *Engine) openSQLite(ctx context.Context) error {
	e.options.Pool.SetMaxOpenConns(1) // River's own advice for SQLite
	e.waker = newWaker()
	plain := riversqlite.New(e.options.Pool)
	driver := onTime[*sql.Tx]{plain, e.waker}
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: e.quiet()})
	if err != nil {
		return fmt.Errorf("prepare the job engine's tables: %w", err)
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("prepare the job engine's tables: %w", err)
	}
	client, err := river.NewClient(driver, e.config())
	if err != nil {
		return fmt.Errorf("make the job engine: %w", err)
	}
	e.client, e.sqlite, e.executor = client, client, plain.GetExecutor()
	e.database = &sqliteDatabase{pool: e.options.Pool, waker: e.waker}
	return nil
}

// lookEvery is how often jobs are looked for that nobody has told the waker of:
// those that an earlier process left behind, that failed, or that were handled
// in River's console.
const lookEvery = 30 * time.Second

func (e *Engine) keepLooking(ctx context.Context) {
	for {
		queues, err := (&sqliteDatabase{pool: e.options.Pool}).overdue(ctx)
		if err != nil && ctx.Err() == nil {
			e.options.Logger.Warn("can't look for jobs that are due", "error", err)
		}
		for _, queue := range queues {
			e.waker.ring(queue)
		}
		if !pause(ctx, lookEvery) {
			return
		}
	}
}

type sqliteDatabase struct {
	pool  *sql.DB
	waker *waker
}

// prepare removes who led before. The database is ours alone, so he is gone;
// without this a hub that was killed would wait for its own lease to run out.
func (d *sqliteDatabase) prepare(ctx context.Context) error {
	_, err := d.pool.ExecContext(ctx, "DELETE FROM river_leader")
	return err
}

// strangers needs no look: every job of the database goes through this process.
func (d *sqliteDatabase) strangers(_ context.Context, queues []string) (bool, error) {
	return d.waker.strangers(queues), nil
}

// overdue names the queues that have a job which is due.
func (d *sqliteDatabase) overdue(ctx context.Context) (queues []string, err error) {
	rows, err := d.pool.QueryContext(ctx, `-- name: Overdue :many
		SELECT DISTINCT queue FROM river_job WHERE state = 'available' AND scheduled_at <= datetime('now', 'subsec')`)
	if err != nil {
		return nil, err
	}
	return collect(rows)
}

func (d *sqliteDatabase) giveBack(ctx context.Context, l loss) (queues []string, err error) {
	live, err := json.Marshal(l.live)
	if err != nil {
		return nil, err
	}
	hand, err := json.Marshal(l.hand)
	if err != nil {
		return nil, err
	}
	rows, err := d.pool.QueryContext(ctx, `-- name: GiveBack :many
		UPDATE river_job SET state = 'available', scheduled_at = datetime('now', 'subsec'), attempt = max(attempt - 1, 0)
		WHERE state = 'running' AND kind = 'poll' AND attempted_at < datetime('now', 'subsec', ?)
			AND (json_extract(attempted_by, '$[#-1]') NOT IN (SELECT value FROM json_each(?))
				OR json_extract(attempted_by, '$[#-1]') = ? AND id NOT IN (SELECT value FROM json_each(?)))
		RETURNING queue`,
		fmt.Sprintf("-%f seconds", l.grace.Seconds()), string(live), l.worker, string(hand))
	if err != nil {
		return nil, err
	}
	return collect(rows)
}

func collect(rows *sql.Rows) (texts []string, err error) {
	defer func() {
		if closing := rows.Close(); err == nil {
			err = closing
		}
	}()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	return texts, rows.Err()
}
