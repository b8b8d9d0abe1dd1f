package postgres

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/pgtest"
	"github.com/weirhq/weir/internal/store"
)

// openOne opens a database through one connection, so that what a read has left
// on it is met by the next.
func openOne(t *testing.T, dsn string) *DB {
	t.Helper()
	db, err := Open(t.Context(), Options{DSN: dsn, MaxConns: 1, Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// settingsSeen are the settings that a statement runs with.
func settingsSeen(ctx context.Context, v view) (seen [3]string, err error) {
	err = v.query(ctx, `SELECT current_setting('statement_timeout'), current_setting('enable_sort'), current_setting('enable_seqscan')`,
		func(scan func(...any) error) error { return scan(&seen[0], &seen[1], &seen[2]) })
	return seen, err
}

// TestAReadOfOneStatementLeavesNothingOnItsConnection goes all the ways in which
// statements can be sent, the last of them behind a pooler.
func TestAReadOfOneStatementLeavesNothingOnItsConnection(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Open(t)
	bouncer, err := BehindPgBouncer(pgtest.Bouncer(t, dsn))
	if err != nil {
		t.Fatal(err)
	}
	for name, dsn := range map[string]string{
		"prepared": dsn, "described": dsn + "&default_query_exec_mode=cache_describe",
		"simple": dsn + "&default_query_exec_mode=simple_protocol", "PgBouncer": bouncer,
	} {
		t.Run(name, func(t *testing.T) {
			db := openOne(t, dsn)
			for range 3 {
				var during [3]string
				err := db.ReadOne(t.Context(), func(v store.View) (err error) {
					during, err = settingsSeen(t.Context(), v.(view))
					return err
				})
				if want := [3]string{"30s", "off", "off"}; err != nil || during != want {
					t.Errorf("it ran with %q, not %q: %v", during, want, err)
				}
				var after [3]string
				err = db.pool.QueryRow(t.Context(), `SELECT current_setting('statement_timeout'), current_setting('enable_sort'), current_setting('enable_seqscan')`).
					Scan(&after[0], &after[1], &after[2])
				if want := [3]string{"0", "on", "on"}; err != nil || after != want {
					t.Errorf("it left %q, not %q: %v", after, want, err)
				}
			}
		})
	}
}

// TestAReadOfOneStatementThatAsksForMoreSeesOneState has a writer between the
// first question and the second.
func TestAReadOfOneStatementThatAsksForMoreSeesOneState(t *testing.T) {
	t.Parallel()
	db := openDB(t, nil)
	s, connectors := installed(t, db, "acme")
	id := hub.StreamID{Connector: connectors[0].ID, Resource: hub.Transactions}
	var last, count int64
	runs := 0
	err := db.ReadOne(t.Context(), func(v store.View) (err error) {
		runs++
		if last, err = v.LastSequence(t.Context()); err != nil {
			return err
		}
		if _, err := s.Apply(t.Context(), batchOf(id, hub.Cursor{Version: int64(runs - 1)}, 10*runs, 10)); err != nil {
			return err
		}
		// An f that goes on after it was refused changes nothing about that.
		count, err = v.EventCount(t.Context())
		if err != nil && !errors.Is(err, errSeveral) {
			return err
		}
		return nil
	})
	if err != nil || runs != 2 || last != 10 || count != 10 {
		t.Errorf("after %d runs: %d events, the last of them %d; 10 were stored when the second began: %v", runs, count, last, err)
	}
}

func TestAReadOfOneStatementEndsWithItsContextAndOutlivesItsConnection(t *testing.T) {
	t.Parallel()
	db := openOne(t, pgtest.Open(t))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	err := db.ReadOne(ctx, func(v store.View) error {
		return v.(view).query(ctx, `SELECT pg_sleep(30)`, func(func(...any) error) error { return nil })
	})
	if err == nil || time.Since(began) > 10*time.Second {
		t.Errorf("a statement of 30 s ended after %s with %v", time.Since(began), err)
	}
	runs := 0
	err = db.ReadOne(t.Context(), func(v store.View) error {
		text := `SELECT 1`
		if runs++; runs == 1 {
			text = `SELECT pg_terminate_backend(pg_backend_pid())`
		}
		return v.(view).query(t.Context(), text, func(func(...any) error) error { return nil })
	})
	if err != nil || runs != 2 {
		t.Errorf("a read whose connection ends ran %d times: %v", runs, err)
	}
}
