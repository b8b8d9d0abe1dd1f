package jobs_test

import (
	"context"
	"database/sql"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/jobs"
	"github.com/weirhq/weir/internal/store"
	"github.com/weirhq/weir/internal/store/sqlite"
	"github.com/weirhq/weir/internal/store/storetest"
)

// patience is how long a test waits for what should come within a second.
const patience = 20 * time.Second

// A rig is an engine on a real store, with polls that a test decides.
type rig struct {
	store  *store.Store
	engine *jobs.Engine

	mu    sync.Mutex
	polls []call
	poll  func(ctx context.Context, id hub.StreamID, turn int64) error
}

type call struct {
	stream hub.StreamID
	turn   int64
}

func newRig(t *testing.T, poll func(ctx context.Context, id hub.StreamID, turn int64) error) *rig {
	t.Helper()
	r := &rig{poll: poll}
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "weir.db"), sqlite.Options{
		Enqueue: func(ctx context.Context, tx *sql.Tx, job store.Job) error { return r.engine.Enqueue(ctx, tx, job) },
	})
	if err != nil {
		t.Fatal(err)
	}
	r.store = store.New(db, storetest.PlainCipher{})
	pool, err := db.OpenPool()
	if err != nil {
		t.Fatal(err)
	}
	r.engine, err = jobs.New(t.Context(), jobs.Options{
		Pool: pool,
		Poll: func(ctx context.Context, id hub.StreamID, turn int64) error {
			r.mu.Lock()
			r.polls = append(r.polls, call{id, turn})
			r.mu.Unlock()
			return r.poll(ctx, id, turn)
		},
		Connectors: func(ctx context.Context) (ids []hub.ConnectorID, err error) {
			page, err := r.store.Connectors(ctx, hub.ListQuery{Limit: 100})
			for i := range page.Items {
				ids = append(ids, page.Items[i].ID)
			}
			return ids, err
		},
		Sweep: func(ctx context.Context) error {
			_, err := r.store.SweepStreams(ctx, 0)
			return err
		},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.engine.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := r.engine.Stop(ctx); err != nil {
			t.Error(err)
		}
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *rig) install(t *testing.T, name string) hub.ConnectorID {
	t.Helper()
	id := hub.NewConnectorID(hub.Provider)
	if err := r.store.InstallConnector(t.Context(), hub.Connector{ID: id, Name: name, Config: hub.Config{PollingPeriod: time.Hour}}); err != nil {
		t.Fatal(err)
	}
	r.engine.Sync(t.Context())
	return id
}

// complete ends a poll and schedules the next after pause.
func (r *rig) complete(ctx context.Context, id hub.StreamID, turn int64, pause time.Duration) error {
	now := time.Now()
	return r.store.CompletePoll(ctx, id, turn, now, true, now.Add(pause))
}

func (r *rig) count(match func(call) bool) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, c := range r.polls {
		if match(c) {
			n++
		}
	}
	return n
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s for %s", patience, what)
		}
	}
}

func TestEveryStreamOfANewConnectorIsPolledAndThenAgain(t *testing.T) {
	var r *rig
	r = newRig(t, func(ctx context.Context, id hub.StreamID, turn int64) error {
		return r.complete(ctx, id, turn, 100*time.Millisecond)
	})
	connector := r.install(t, "acme")
	for _, resource := range hub.Resources() {
		id := hub.StreamID{Connector: connector, Resource: resource}
		await(t, "three polls of "+string(resource), func() bool {
			return r.count(func(c call) bool { return c.stream == id }) >= 3
		})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := map[call]bool{}
	for _, c := range r.polls {
		if seen[c] {
			t.Errorf("turn %d of %s was polled twice", c.turn, c.stream)
		}
		seen[c] = true
	}
}

func TestAServiceThatHangsDelaysNoOtherConnector(t *testing.T) {
	var r *rig
	var slow hub.ConnectorID
	r = newRig(t, func(ctx context.Context, id hub.StreamID, turn int64) error {
		if id.Connector == slow {
			<-ctx.Done()
			return ctx.Err()
		}
		return r.complete(ctx, id, turn, time.Hour)
	})
	slow = hub.NewConnectorID(hub.Provider)
	if err := r.store.InstallConnector(t.Context(), hub.Connector{ID: slow, Name: "slow", Config: hub.Config{PollingPeriod: time.Hour}}); err != nil {
		t.Fatal(err)
	}
	r.engine.Sync(t.Context())
	await(t, "the slow polls to begin", func() bool { return r.count(func(c call) bool { return c.stream.Connector == slow }) == 4 })
	quick := r.install(t, "quick")
	await(t, "the polls of the other connector", func() bool { return r.count(func(c call) bool { return c.stream.Connector == quick }) == 4 })
	// The cleanup ends the hanging polls by cancelling them.
}

func TestAStreamIsNotPolledTwiceAtOnce(t *testing.T) {
	var r *rig
	var mu sync.Mutex
	reading := map[hub.StreamID]bool{}
	begun := make(chan struct{}, 100)
	r = newRig(t, func(ctx context.Context, id hub.StreamID, turn int64) error {
		mu.Lock()
		if reading[id] {
			t.Errorf("%s is polled twice at once", id)
		}
		reading[id] = true
		mu.Unlock()
		begun <- struct{}{}
		time.Sleep(300 * time.Millisecond)
		mu.Lock()
		reading[id] = false
		mu.Unlock()
		err := r.complete(ctx, id, turn, time.Hour)
		if hub.CodeOf(err) == hub.CodeStale {
			return nil
		}
		return err
	})
	id := hub.StreamID{Connector: r.install(t, "acme"), Resource: hub.Transactions}
	<-begun
	for range 3 {
		if err := r.store.PollNow(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "the poll that was asked for", func() bool {
		return r.count(func(c call) bool { return c.stream == id && c.turn >= 4 }) > 0
	})
}

func TestAStreamThatLostItsJobIsFoundBySweeping(t *testing.T) {
	r := newRig(t, func(context.Context, hub.StreamID, int64) error { return nil }) // ends without a successor
	id := hub.StreamID{Connector: r.install(t, "acme"), Resource: hub.Accounts}
	await(t, "the first poll", func() bool { return r.count(func(c call) bool { return c.stream == id }) == 1 })
	await(t, "the poll that the sweep asked for", func() bool {
		if _, err := r.store.SweepStreams(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		return r.count(func(c call) bool { return c.stream == id }) >= 2
	})
}

func TestAConnectorThatIsGoneLeavesNoQueueBehind(t *testing.T) {
	var r *rig
	r = newRig(t, func(ctx context.Context, id hub.StreamID, turn int64) error {
		return r.complete(ctx, id, turn, time.Hour)
	})
	id := r.install(t, "acme")
	await(t, "the first polls", func() bool { return r.count(func(call) bool { return true }) == 4 })
	if err := r.store.UninstallConnector(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	r.engine.Sync(t.Context())
	again := r.install(t, "acme")
	await(t, "the polls of the connector that took its name", func() bool {
		return r.count(func(c call) bool { return c.stream.Connector == again }) == 4
	})
}
