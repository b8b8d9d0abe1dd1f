package sqlite

import (
	"path/filepath"
	"testing"
)

func TestStatementsOfTheJobEngineAreKeptAndStayRight(t *testing.T) {
	db, err := Open(t.Context(), filepath.Join(t.TempDir(), "weir.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	pool, err := db.OpenPool()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pool.Close() })
	pool.SetMaxOpenConns(1)
	exec := func(text string, args ...any) {
		t.Helper()
		if _, err := pool.ExecContext(t.Context(), text, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec("CREATE TABLE probe (n INTEGER UNIQUE); CREATE INDEX probe_n ON probe (n)") // two statements in one text
	for n := range 3 {
		exec("-- name: Insert :exec\nINSERT INTO probe (n) VALUES (?)", n)
		if _, err := pool.ExecContext(t.Context(), "-- name: Insert :exec\nINSERT INTO probe (n) VALUES (?)", n); err == nil {
			t.Fatal("a row that is there already was inserted again")
		}
		if n == 1 {
			exec("ALTER TABLE probe ADD COLUMN m TEXT") // what was prepared before must notice
		}
		// The first row of several is taken, the rest left unread, as QueryRow does.
		var least, count int
		err := pool.QueryRowContext(t.Context(), "-- name: Count :one\nSELECT n, count(*) OVER () FROM probe WHERE n <= ? ORDER BY n", n).Scan(&least, &count)
		if err != nil || least != 0 || count != n+1 {
			t.Errorf("after %d rows: first %d of %d, %v", n+1, least, count, err)
		}
	}
	if _, err := pool.ExecContext(t.Context(), "-- name: Wrong :exec\nINSERT INTO nowhere VALUES (1)"); err == nil {
		t.Error("a statement that can't be prepared was run")
	}
	tx, err := pool.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(t.Context(), "-- name: Insert :exec\nINSERT INTO probe (n) VALUES (?)", 99); err != nil {
		t.Fatal(err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	var count int
	if err := pool.QueryRowContext(t.Context(), "SELECT count(*) FROM probe").Scan(&count); err != nil || count != 3 {
		t.Errorf("%d rows after a rollback, %v", count, err)
	}
}
