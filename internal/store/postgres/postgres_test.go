package postgres

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/weirhq/weir/internal/pgtest"
	"github.com/weirhq/weir/internal/store"
	"github.com/weirhq/weir/internal/store/storetest"
)

// connsMax keeps the tests that run at once below what one server takes.
const connsMax = 8

// TestStore is the behaviour of every driver.
func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T, enqueue storetest.Enqueue) *store.Store {
		t.Helper()
		return store.New(openDB(t, enqueue), storetest.PlainCipher{})
	})
}

func openDB(tb testing.TB, enqueue storetest.Enqueue) *DB {
	tb.Helper()
	options := Options{DSN: pgtest.Open(tb), MaxConns: connsMax, Migrate: true}
	if enqueue != nil {
		options.Enqueue = func(ctx context.Context, _ pgx.Tx, jobs []store.Job) error {
			for _, job := range jobs {
				if err := enqueue(ctx, job); err != nil {
					return err
				}
			}
			return nil
		}
	}
	db, err := Open(context.Background(), options)
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
