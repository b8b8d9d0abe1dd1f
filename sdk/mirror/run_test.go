package mirror

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirhq/weir/sdk"
	"github.com/weirhq/weir/wire"
)

// eventually waits for what other goroutines bring about.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 500 {
		if holds() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error(what)
}

func TestRunPullsSideBySideUntilItIsStopped(t *testing.T) {
	m := open(t, filepath.Join(t.TempDir(), "mirror.db"), time.Now)
	defer func() { _ = m.Close() }()
	var failures atomic.Int64
	inbox, deliveries := m.Inbox(Inbox{
		Name: "webhooks", Verify: func(http.Header, []byte) error { return nil },
		Read: func(_ context.Context, d Delivery) (sdk.Batch, error) {
			return sdk.Batch{Transactions: []wire.Transaction{movement(string(d.Body), nil)}}, nil
		},
	})
	sources := []Source{
		{Name: "good", Every: time.Hour, Pull: Offsets(func(_ context.Context, offset int) (sdk.Batch, int, error) {
			return sdk.Batch{Transactions: []wire.Transaction{movement("t"+string(rune('a'+offset)), nil)}, More: offset < 4}, 1, nil
		})},
		{Name: "mended", Pull: func(_ context.Context, position string) (sdk.Batch, error) {
			if failures.Add(1) == 1 {
				return sdk.Batch{}, &sdk.Error{Status: 503, RetryAfter: time.Millisecond}
			}
			return sdk.Batch{Next: "done", Accounts: []wire.Account{{ID: "a"}}}, nil
		}},
		{Name: "broken", Pull: func(context.Context, string) (sdk.Batch, error) { return sdk.Batch{}, errors.New("down") }},
		deliveries,
	}
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- m.Run(ctx, sources...) }()
	eventually(t, "the sources were not read", func() bool {
		rows, err := m.Transactions(t.Context(), everything())
		accounts, errAccounts := m.Accounts(t.Context(), everything())
		return err == nil && errAccounts == nil && len(rows) == 5 && len(accounts) == 1
	})
	begun := time.Now()
	inbox.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", strings.NewReader("delivered")))
	eventually(t, "the delivery was not read", func() bool { return len(listed(t, m)) == 6 })
	if took := time.Since(begun); took > inboxEvery/2 {
		t.Errorf("the delivery woke nobody: it took %s", took)
	}
	stop()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if !m.Health(t.Context()).Degraded {
		t.Error("nobody hears of the broken source")
	}
}

func TestRunRefusesSourcesThatShareAName(t *testing.T) {
	m, _ := fresh(t)
	pull := func(context.Context, string) (sdk.Batch, error) { return sdk.Batch{}, nil }
	for _, sources := range [][]Source{{{Name: "a", Pull: pull}, {Name: "a", Pull: pull}}, {{Pull: pull}}, {{Name: "a"}}} {
		if err := m.Run(t.Context(), sources...); err == nil {
			t.Errorf("%d sources are run", len(sources))
		}
	}
}
