package sqlite_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/weirhq/weir/internal/store"
	"github.com/weirhq/weir/internal/store/sqlite"
	"github.com/weirhq/weir/internal/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T, enqueue storetest.Enqueue) *store.Store {
		t.Helper()
		return store.New(openDB(t, enqueue), storetest.PlainCipher{})
	})
}

func openDB(tb testing.TB, enqueue storetest.Enqueue) *sqlite.DB {
	tb.Helper()
	var options sqlite.Options
	if enqueue != nil {
		options.Enqueue = func(ctx context.Context, _ *sql.Tx, job store.Job) error { return enqueue(ctx, job) }
	}
	db, err := sqlite.Open(context.Background(), filepath.Join(tb.TempDir(), "weir.db"), options)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Error(err)
		}
	})
	return db
}
