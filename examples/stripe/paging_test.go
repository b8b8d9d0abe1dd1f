package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/weirhq/weir/sdk/sdktest"
	"github.com/weirhq/weir/verify"
	"github.com/weirhq/weir/wire"
)

// growingStripe pages through balance transactions as Stripe does, the newest
// first behind starting_after, and gets new ones while it is read. Stripe's mock
// has one row in each list, so it can't show this.
type growingStripe struct {
	mu    sync.Mutex
	count int
	limit int
}

func (g *growingStripe) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/v1/account":
		fmt.Fprint(w, `{"id":"acct_own","object":"account"}`)
	case "/v1/balance":
		g.mu.Lock()
		defer g.mu.Unlock()
		fmt.Fprintf(w, `{"object":"balance","available":[{"amount":%d,"currency":"eur"}],"pending":[]}`, g.count*(g.count+1)/2)
	case "/v1/balance_transactions":
		g.servePage(w, r)
	default:
		fmt.Fprint(w, `{"object":"list","data":[],"has_more":false}`)
	}
}

func (g *growingStripe) servePage(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	newest := g.count
	if after := r.URL.Query().Get("starting_after"); after != "" {
		if _, err := fmt.Sscanf(after, "txn_%d", &newest); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		newest--
	}
	var rows []map[string]any
	for n := newest; n > max(0, newest-pageSize); n-- {
		rows = append(rows, map[string]any{
			"id": fmt.Sprintf("txn_%d", n), "object": "balance_transaction", "type": "charge", "status": "available",
			"amount": n, "currency": "eur", "created": 1_700_000_000 + n/10, // ten share a second
		})
	}
	g.count = min(g.count+7, g.limit) // while the caller reads
	_ = json.NewEncoder(w).Encode(map[string]any{"object": "list", "data": rows, "has_more": newest > pageSize})
}

func TestNothingIsLostWhileStripesListGrows(t *testing.T) {
	const limit = 640
	stripe := &growingStripe{count: 550, limit: limit}
	server := httptest.NewServer(stripe)
	defer server.Close()
	handler := mirrored(t, server.URL)
	seen := map[string]bool{}
	for page := 1; ; page++ {
		rows := ask(t, handler, fmt.Sprintf("/transactions?page=%d&pageSize=100", page), wire.DecodeTransactions)
		for _, row := range rows {
			seen[row.Value.ID] = true
		}
		if len(rows) < 100 {
			break
		}
	}
	stripe.mu.Lock()
	defer stripe.mu.Unlock()
	for n := 1; n <= 550; n++ {
		if !seen[fmt.Sprintf("txn_%d", n)] {
			t.Errorf("txn_%d was there from the beginning and is missing", n)
		}
	}
	if len(seen) < 550 {
		t.Errorf("%d transactions, want at least 550", len(seen))
	}
}

func TestTheServiceKeepsTheContract(t *testing.T) {
	stripe := &growingStripe{count: 1250, limit: 1250}
	server := httptest.NewServer(stripe)
	defer server.Close()
	service, again := mirroredAgain(t, server.URL)
	report := sdktest.Run(t, service, sdktest.Options{Key: "key", Strict: true, Move: func(ctx context.Context) error {
		stripe.mu.Lock()
		stripe.count, stripe.limit = stripe.count+30, stripe.limit+30
		stripe.mu.Unlock()
		return again(ctx)
	}})
	// Of what moves between two runs, and of a list of many pages.
	for _, id := range []string{"C6", "C8", "E5", "F2", "F4"} {
		if result := report.Result(id); result.Status != verify.Passed {
			t.Errorf("%s: %s %s", id, result.Status, result.Note)
		}
	}
}
