package main

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/connector"
	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/simulator"
	"github.com/weirhq/weir/wire"
)

const (
	// killRows are read in killPages pages, so that an ingest lasts long enough to
	// be killed in its middle every time.
	killRows     = 60_000
	killPageSize = 500
	// killApart is the mean time between two kills, the time that a start takes included.
	killApart = 600 * time.Millisecond
)

// slowService is the service of a PSP that lives no more. It takes its time for
// each page, so that reading all of it lasts as long as it is told to.
func slowService(t *testing.T, psp *simulator.PSP, lasting time.Duration) (endpoint string, pages *atomic.Int64) {
	t.Helper()
	service, err := simulator.NewService(psp, simulator.ServiceOptions{APIKey: simulator.DefaultAPIKey})
	if err != nil {
		t.Fatal(err)
	}
	pause := lasting / (killRows / killPageSize)
	pages = new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case wire.PathCapabilities:
			fmt.Fprintf(w, `{"pageSizeMax":%d}`, killPageSize)
			return
		case wire.PathTransactions:
			pages.Add(1)
			select {
			case <-time.After(pause):
			case <-r.Context().Done():
				return
			}
		}
		service.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, pages
}

// TestKillAtAnyInstantLosesAndRepeatsNothing kills weir serve without warning
// while it reads, again and again, and compares what is stored in the end with
// what the PSP has. More kills: go test ./cmd/weir -run Kill -kills 50.
func TestKillAtAnyInstantLosesAndRepeatsNothing(t *testing.T) {
	t.Parallel()
	program(t)
	seed := *killSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("the same instants again: go test ./cmd/weir -run Kill -kills %d -kill-seed %d", *killings, seed)
	chance := rand.New(rand.NewPCG(seed, 0))

	psp, _ := startService(t, simulator.Options{Seed: seed, Accounts: 5, Beneficiaries: 100, Transactions: killRows})
	endpoint, pages := slowService(t, psp, time.Duration(*killings+1)*killApart)
	dir := t.TempDir()
	c := startCore(t, dir)
	o := c.weir("connect", "acme", endpoint, "--api-key-file", writeFile(t, "key", simulator.DefaultAPIKey), "--no-watch")
	if o.status != 0 {
		t.Fatalf("connect: %+v", o)
	}
	during := 0
	for range *killings {
		read := pages.Load()
		time.Sleep(time.Duration(chance.Int64N(int64(2 * killApart))))
		c.kill()
		if pages.Load() > read {
			during++
		}
		c = launchCore(t, dir) // and perhaps killed before it serves
	}
	t.Logf("%d of %d kills came after pages had been read", during, *killings)
	c.kill()
	c = startCore(t, dir)
	eventually(t, 2*readTimeout, "everything is read", func() bool {
		streams, err := c.streams(t.Context(), "")
		return err == nil && allCaughtUp(streams)
	})
	if status, _ := c.stop(); status != 0 {
		t.Errorf("weir serve ended with %d\n%s", status, c.log())
	}
	proveDatabase(t, c.database(), filepath.Join(dir, "weir.key"), psp)
}

func allCaughtUp(streams []streamInfo) bool {
	for i := range streams {
		if !streams[i].CaughtUp {
			return false
		}
	}
	return len(streams) > 0
}

// proveDatabase compares what is stored with what the PSP has, record by record,
// and the log of events with what is stored.
func proveDatabase(t *testing.T, database, keyFile string, psp *simulator.PSP) {
	t.Helper()
	ctx := context.Background()
	n, err := openNode(ctx, nodeOptions{
		Store: database, KeyFile: keyFile, Listen: "127.0.0.1:0",
		PollingPeriod: time.Second, PollingPeriodMin: time.Second, Tiers: connector.Tiers{}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = n.close() }()
	ids, err := n.connectors(ctx)
	if err != nil || len(ids) != 1 {
		t.Fatalf("connectors %v, %v", ids, err)
	}
	d := &demo{psp: psp, node: n, connector: ids[0], out: t.Output()}
	p, err := d.compare(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if !p.equal() {
		_ = d.report(p, time.Now())
		t.Error("what is stored is not what the PSP has")
	}
	want := map[hub.EventType]int{}
	for _, c := range p.resources {
		// The PSP has lived no more, so each record has one version.
		want[eventOf(c.resource)] += c.psp.Count
	}
	proveEvents(t, n, want)
}

func eventOf(resource hub.Resource) hub.EventType {
	switch resource {
	case hub.Balances:
		return hub.SavedBalance
	case hub.Transactions:
		return hub.SavedPayment
	case hub.Accounts, hub.Beneficiaries:
		return hub.SavedAccount
	default:
		return hub.SavedAccount
	}
}

// proveEvents reads the whole log: without a gap, each key once, and as many of
// each type as there are versions.
func proveEvents(t *testing.T, n *node, want map[hub.EventType]int) {
	t.Helper()
	const many = 1000
	keys := make(map[string]bool)
	got := make(map[hub.EventType]int)
	after := int64(0)
	for {
		events, err := n.store.Events(context.Background(), after, many)
		if err != nil {
			t.Fatal(err)
		}
		for i := range events {
			e := &events[i]
			if e.Sequence != after+1 {
				t.Fatalf("event %d follows on %d", e.Sequence, after)
			}
			if keys[e.Key] {
				t.Errorf("event %d repeats the key %s", e.Sequence, e.Key)
			}
			after, keys[e.Key] = e.Sequence, true
			got[e.Type]++
		}
		if len(events) < many {
			break
		}
	}
	for kind, count := range want {
		if got[kind] != count {
			t.Errorf("%d events %s, want %d", got[kind], kind, count)
		}
	}
	if last, err := n.store.LastSequence(context.Background()); err != nil || last != after {
		t.Errorf("the log ends at %d, %v; it was read to %d", last, err, after)
	}
}
