package postgres

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/hub"
)

// beat asserts what a beat says.
func beat(t *testing.T, f *Fleet, want bool) {
	t.Helper()
	if alive, err := f.Beat(t.Context()); err != nil || alive != want {
		t.Errorf("the beat of %s: %v, %v", f.Name(), alive, err)
	}
}

// claim asserts what a claim says.
func claim(t *testing.T, f *Fleet, id hub.StreamID, want bool) {
	t.Helper()
	if ours, err := f.Claim(t.Context(), id); err != nil || ours != want {
		t.Errorf("the claim of %s: %v, %v", f.Name(), ours, err)
	}
}

func TestAStreamIsClaimedByOneWorkerAtATime(t *testing.T) {
	t.Parallel()
	db := openDB(t, nil)
	_, connectors := installed(t, db, "acme")
	stream := hub.StreamID{Connector: connectors[0].ID, Resource: hub.Transactions}
	a, b := db.Fleet("a", time.Minute), db.Fleet("b", time.Minute)
	claim(t, a, stream, false) // it has not said that it is alive
	beat(t, a, true)
	beat(t, b, true)
	claim(t, a, stream, true)
	claim(t, a, stream, true)
	claim(t, b, stream, false)
	if err := b.Release(t.Context(), stream); err != nil {
		t.Error(err)
	}
	claim(t, b, stream, false) // what was not b's it could not give back
	claim(t, b, hub.StreamID{Connector: stream.Connector, Resource: hub.Accounts}, true)
	if err := a.Release(t.Context(), stream); err != nil {
		t.Error(err)
	}
	claim(t, b, stream, true)
	beat(t, b, true)
	claim(t, a, stream, false)
	if names, err := a.Live(t.Context()); err != nil || !slices.Equal(names, []string{"a", "b"}) {
		t.Error(names, err)
	}
	for range 2 {
		if err := b.Leave(t.Context()); err != nil {
			t.Error(err)
		}
	}
	claim(t, a, stream, true)
	if names, err := a.Live(t.Context()); err != nil || !slices.Equal(names, []string{"a"}) {
		t.Error(names, err)
	}
	stream.Connector = hub.NewConnectorID(hub.Provider)
	if _, err := a.Claim(t.Context(), stream); hub.CodeOf(err) != hub.CodeNotFound {
		t.Errorf("a stream that does not exist: %v", err)
	}
}

func TestTheStreamsOfADeadWorkerAreFree(t *testing.T) {
	t.Parallel()
	db := openDB(t, nil)
	_, connectors := installed(t, db, "acme")
	stream := hub.StreamID{Connector: connectors[0].ID, Resource: hub.Transactions}
	const ttl = 300 * time.Millisecond
	dead, next := db.Fleet("dead", ttl), db.Fleet("next", time.Minute)
	beat(t, dead, true)
	beat(t, next, true)
	claim(t, dead, stream, true)
	claim(t, next, stream, false)
	time.Sleep(ttl + 50*time.Millisecond)
	if names, err := next.Live(t.Context()); err != nil || !slices.Equal(names, []string{"next"}) {
		t.Error(names, err)
	}
	claim(t, dead, stream, false)
	claim(t, next, stream, true)
	beat(t, dead, false) // it learns that it was taken for dead
	claim(t, dead, stream, false)
	beat(t, dead, true)
	if err := next.Release(t.Context(), stream); err != nil {
		t.Error(err)
	}
	claim(t, dead, stream, true)
}

func TestOfManyWorkersThatClaimAtOnceOneGetsTheStream(t *testing.T) {
	t.Parallel()
	db := openDB(t, nil)
	_, connectors := installed(t, db, "acme")
	for _, resource := range hub.Resources() {
		stream := hub.StreamID{Connector: connectors[0].ID, Resource: resource}
		var won atomic.Int32
		var wait sync.WaitGroup
		for _, name := range []string{"a", "b", "c", "d"} {
			wait.Go(func() {
				f := db.Fleet(name, time.Minute)
				if _, err := f.Beat(t.Context()); err != nil {
					t.Error(err)
				}
				ours, err := f.Claim(t.Context(), stream)
				if err != nil {
					t.Error(err)
				}
				if ours {
					won.Add(1)
				}
			})
		}
		wait.Wait()
		if won.Load() != 1 {
			t.Errorf("%d workers have %s", won.Load(), stream)
		}
	}
}
