package jobs

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
	"github.com/weirhq/weir/internal/store/sqlite"
)

func TestAQueueThatIsPausedInRiversConsoleRestsUntilItGoesOn(t *testing.T) {
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "weir.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	pool, err := db.OpenPool()
	if err != nil {
		t.Fatal(err)
	}
	connector := hub.ConnectorID{Provider: hub.Provider, Reference: "acme"}
	polled := make(chan int64, 10)
	e, err := New(t.Context(), Options{
		Pool:       pool,
		Poll:       func(_ context.Context, _ hub.StreamID, turn int64) error { polled <- turn; return nil },
		Connectors: func(context.Context) ([]hub.ConnectorID, error) { return []hub.ConnectorID{connector}, nil },
		Sweep:      func(context.Context) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(e.Stop(context.Background()), pool.Close(), db.Close()); err != nil {
			t.Error(err)
		}
	})
	enqueue := func(turn int64) {
		t.Helper()
		job := store.Job{Stream: hub.StreamID{Connector: connector, Resource: hub.Accounts}, Turn: turn}
		tx, err := pool.BeginTx(t.Context(), nil)
		if err == nil {
			err = errors.Join(e.Enqueue(t.Context(), tx, job), tx.Commit())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	enqueue(1)
	if turn := <-polled; turn != 1 {
		t.Fatalf("turn %d was polled", turn)
	}
	if err := e.sqlite.QueuePause(t.Context(), queueOf(connector), nil); err != nil {
		t.Fatal(err)
	}
	time.Sleep(listenEvery + hushFor + time.Second) // until the queue has heard of it
	enqueue(2)
	select {
	case turn := <-polled:
		t.Fatalf("turn %d was polled while the queue was paused", turn)
	case <-time.After(time.Second):
	}
	if err := e.sqlite.QueueResume(t.Context(), queueOf(connector), nil); err != nil {
		t.Fatal(err)
	}
	select {
	case turn := <-polled:
		if turn != 2 {
			t.Fatalf("turn %d was polled", turn)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the queue does not go on")
	}
}
