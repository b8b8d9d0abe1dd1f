package jobs

import (
	"context"
	"fmt"
	"time"

	"github.com/riverqueue/river/rivertype"
)

// Depth is how much work waits, whoever will do it.
type Depth struct {
	// Jobs counts those that have not come to their end, by River's state. Every
	// such state is there, if with 0.
	Jobs map[string]int64
	// OldestDueAt is when the job was due that waits longest for a worker; zero
	// when none waits.
	OldestDueAt time.Time
}

// Depth counts the jobs that have not ended. It reads an index of theirs alone,
// so that it costs the same however many are kept that have.
func (e *Engine) Depth(ctx context.Context) (Depth, error) {
	counted, oldest, err := e.database.depth(ctx)
	if err != nil {
		return Depth{}, fmt.Errorf("count the jobs that wait: %w", err)
	}
	depth := Depth{Jobs: make(map[string]int64), OldestDueAt: oldest}
	for _, state := range active {
		depth.Jobs[string(state)] = counted[state]
	}
	return depth, nil
}

func (d *sqliteDatabase) depth(ctx context.Context) (map[rivertype.JobState]int64, time.Time, error) {
	rows, err := d.pool.QueryContext(ctx, `
		SELECT CASE WHEN state = 'available' AND scheduled_at > datetime('now', 'subsec') THEN 'scheduled' ELSE state END,
			count(*), coalesce(min(unixepoch(scheduled_at, 'subsec')) FILTER (
			WHERE state <> 'running' AND scheduled_at <= datetime('now', 'subsec')), 0)
		FROM river_job WHERE state IN ('available', 'pending', 'retryable', 'running', 'scheduled') GROUP BY 1`)
	if err != nil {
		return nil, time.Time{}, err
	}
	defer rows.Close()
	counted, oldest := make(map[rivertype.JobState]int64), time.Time{}
	for rows.Next() {
		var state rivertype.JobState
		var count int64
		var seconds float64
		if err := rows.Scan(&state, &count, &seconds); err != nil {
			return nil, time.Time{}, err
		}
		counted[state] = count
		if due := time.UnixMilli(int64(seconds * 1e3)).UTC(); seconds > 0 && (oldest.IsZero() || due.Before(oldest)) {
			oldest = due
		}
	}
	return counted, oldest, rows.Err()
}

func (d *postgresDatabase) depth(ctx context.Context) (map[rivertype.JobState]int64, time.Time, error) {
	rows, err := d.pool.Query(ctx, `
		SELECT CASE WHEN state = 'available' AND scheduled_at > now() THEN 'scheduled' ELSE state END,
			count(*), min(scheduled_at) FILTER (WHERE state <> 'running' AND scheduled_at <= now())
		FROM river_job WHERE state IN ('available', 'pending', 'retryable', 'running', 'scheduled') GROUP BY 1`)
	if err != nil {
		return nil, time.Time{}, err
	}
	defer rows.Close()
	counted, oldest := make(map[rivertype.JobState]int64), time.Time{}
	for rows.Next() {
		var state rivertype.JobState
		var count int64
		var due *time.Time
		if err := rows.Scan(&state, &count, &due); err != nil {
			return nil, time.Time{}, err
		}
		counted[state] = count
		if due != nil && (oldest.IsZero() || due.Before(oldest)) {
			oldest = due.UTC()
		}
	}
	return counted, oldest, rows.Err()
}
