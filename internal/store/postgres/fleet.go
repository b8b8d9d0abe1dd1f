package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirhq/weir/internal/hub"
)

// A Fleet is one worker's place among the processes that share a database: it
// says that it is alive, sees who else is, and claims the streams that it reads,
// so that each has one reader at a time. The clock is the database's.
//
// A claim saves work and keeps a service from being asked twice. It is not what
// keeps the data right: a stream's cursor moves by comparison, so of two readers
// that meet in spite of it one stores nothing. That matters at the edge, where a
// worker that was taken for dead goes on for a moment.
type Fleet struct {
	db   *DB
	name string
	ttl  time.Duration
	// known says that this worker has been registered before, so that a
	// registration which is gone was taken away.
	known bool
}

// Fleet makes a worker's place. The name must be one that no other process has,
// nor an earlier run of this one; a worker that has not beaten for ttl counts as
// dead. Nothing is written before the first [Fleet.Beat].
func (db *DB) Fleet(name string, ttl time.Duration) *Fleet {
	return &Fleet{db: db, name: name, ttl: ttl}
}

// Name returns the worker's name.
func (f *Fleet) Name() string { return f.name }

// Beat says that the worker is alive, for ttl from now on. It reports false when
// the worker had counted as dead in the meantime: then others may have taken its
// streams and its jobs, it holds none any more, and it has to end what it does.
// It is for one goroutine at a time.
func (f *Fleet) Beat(ctx context.Context) (alive bool, err error) {
	err = f.change(ctx, func(tx pgx.Tx) error {
		// The row is locked, so what it says stays true while it is renewed.
		err := tx.QueryRow(ctx, `SELECT beats_until >= clock_timestamp() FROM worker WHERE name = $1 FOR UPDATE`, f.name).Scan(&alive)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			alive = !f.known
		case err != nil:
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO worker (name, beats_until) VALUES ($1, clock_timestamp() + $2::bigint * interval '1 microsecond')
			ON CONFLICT (name) DO UPDATE SET beats_until = excluded.beats_until`, f.name, f.ttl.Microseconds())
		if err != nil || f.known && alive {
			return err
		}
		// At the beginning, and after a lapse: no claim is this worker's.
		if _, err := tx.Exec(ctx, `UPDATE stream_reader SET worker = '' WHERE worker = $1`, f.name); err != nil {
			return err
		}
		// Whoever has been dead for long is forgotten.
		_, err = tx.Exec(ctx, `DELETE FROM worker WHERE beats_until < clock_timestamp() - interval '1 hour'`)
		return err
	})
	if err != nil {
		return false, err
	}
	f.known = true
	return alive, nil
}

// Claim takes a stream for this worker when nobody has it, when it has it
// already, or when the one who has it is dead; and reports whether it is this
// worker's now. A worker that counts as dead itself claims nothing. A stream
// that does not exist is hub.CodeNotFound.
func (f *Fleet) Claim(ctx context.Context, id hub.StreamID) (bool, error) {
	var found, ours bool
	err := f.change(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `WITH wanted AS (
				SELECT s.stream_key FROM stream s JOIN connector c USING (connector_key)
				WHERE c.provider = $2 AND c.reference = $3 AND s.resource = $4 AND c.deleted_at IS NULL
			), claimed AS (
				INSERT INTO stream_reader (stream_key, worker)
				SELECT stream_key, $1 FROM wanted
				WHERE EXISTS (SELECT 1 FROM worker w WHERE w.name = $1 AND w.beats_until >= clock_timestamp())
				ON CONFLICT (stream_key) DO UPDATE SET worker = excluded.worker
				WHERE stream_reader.worker IN ('', excluded.worker)
					OR NOT EXISTS (SELECT 1 FROM worker w WHERE w.name = stream_reader.worker AND w.beats_until >= clock_timestamp())
				RETURNING stream_key
			) SELECT EXISTS (SELECT 1 FROM wanted), EXISTS (SELECT 1 FROM claimed)`,
			f.name, encode(id.Connector.Provider), encode(id.Connector.Reference), string(id.Resource)).Scan(&found, &ours)
	})
	if err == nil && !found {
		return false, hub.Errorf(hub.CodeNotFound, "there is no connector %s; list the connectors for those that are installed", id.Connector.Reference)
	}
	return ours, err
}

// Release gives a stream back. One that is not this worker's stays as it is.
func (f *Fleet) Release(ctx context.Context, id hub.StreamID) error {
	return f.change(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE stream_reader SET worker = '' WHERE worker = $1 AND stream_key IN (
				SELECT s.stream_key FROM stream s JOIN connector c USING (connector_key)
				WHERE c.provider = $2 AND c.reference = $3 AND s.resource = $4)`,
			f.name, encode(id.Connector.Provider), encode(id.Connector.Reference), string(id.Resource))
		return err
	})
}

// Leave gives everything back and signs the worker off, so that nobody waits for
// it. Called again it does nothing.
func (f *Fleet) Leave(ctx context.Context) error {
	err := f.change(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE stream_reader SET worker = '' WHERE worker = $1`, f.name); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `DELETE FROM worker WHERE name = $1`, f.name)
		return err
	})
	if err == nil {
		f.known = false
	}
	return err
}

// Live returns the names of the workers that are alive, in their order.
func (f *Fleet) Live(ctx context.Context) ([]string, error) {
	rows, err := f.db.pool.Query(ctx, `SELECT name FROM worker WHERE beats_until >= clock_timestamp()`)
	if err != nil {
		return nil, explain(f.db.name, err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, explain(f.db.name, fmt.Errorf("read the live workers: %w", err))
	}
	slices.Sort(names)
	return names, nil
}

// change runs a short transaction, and again where it met another one.
func (f *Fleet) change(ctx context.Context, do func(pgx.Tx) error) error {
	for attempt := 1; ; attempt++ {
		err := pgx.BeginTxFunc(ctx, f.db.pool, pgx.TxOptions{BeginQuery: beginWrite}, do)
		if err == nil || !mayRepeat(err) || ctx.Err() != nil || attempt == attemptsMax {
			return explain(f.db.name, err)
		}
		if ended := pause(ctx, attempt); ended != nil {
			return ended
		}
	}
}
