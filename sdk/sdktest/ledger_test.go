package sdktest_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir/sdk"
	"github.com/weirhq/weir/sdk/ledger"
	"github.com/weirhq/weir/sdk/sdktest"
	"github.com/weirhq/weir/verify"
	"github.com/weirhq/weir/wire"
)

// till is a ledger before a provider that pays each time it is asked.
type till struct {
	t    *testing.T
	shop *shop
	path string

	mu     sync.Mutex
	ledger *ledger.Ledger
	take   func(context.Context, wire.PayoutRequest) (wire.Payout, error)
}

// open begins on what the file holds.
func (l *till) open(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ledger != nil {
		if err := l.ledger.Close(); err != nil {
			return err
		}
	}
	opened, err := ledger.Open(ctx, l.path, ledger.Options{Logger: slog.New(slog.DiscardHandler), Patience: time.Second})
	if err != nil {
		return err
	}
	l.ledger, l.take = opened, opened.Payouts(ledger.Provider{Send: l.send, Find: l.find})
	return nil
}

func (l *till) send(_ context.Context, request wire.PayoutRequest) (wire.Payout, error) {
	l.shop.mu.Lock()
	defer l.shop.mu.Unlock()
	switch {
	case l.shop.down:
		return wire.Payout{}, errors.New("the provider does not answer")
	case request.SourceAccountID != "main":
		return wire.Payout{}, sdk.Refused("There is no such account.")
	}
	return l.shop.pay(request), nil
}

func (l *till) find(_ context.Context, key string) (wire.Payout, bool, error) {
	l.shop.mu.Lock()
	defer l.shop.mu.Unlock()
	if l.shop.down {
		return wire.Payout{}, false, errors.New("the provider does not answer")
	}
	at := slices.IndexFunc(l.shop.rows, func(t wire.Transaction) bool { return t.RelatedTransactionID == key })
	if at < 0 {
		return wire.Payout{}, false, nil
	}
	t := &l.shop.rows[at]
	return wire.Payout{ID: t.ID, Status: t.Status, CreatedAt: t.CreatedAt}, true, nil
}

func TestTheLedgerMovesMoneyOnceWhateverIsAskedOfIt(t *testing.T) {
	s := newShop()
	l := &till{t: t, shop: s, path: filepath.Join(t.TempDir(), "ledger.db")}
	if err := l.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.ledger.Close() })
	s.take = func(ctx context.Context, request wire.PayoutRequest) (wire.Payout, error) {
		l.mu.Lock()
		take := l.take
		l.mu.Unlock()
		return take(ctx, request)
	}
	report := sdktest.Run(t, s.service(t), sdktest.Options{
		Key: key, Only: []string{"K"}, Down: s.takeDown, Restart: l.open, Write: true, Sandbox: verify.Write{Wait: time.Second},
	})
	for i := range report.Results {
		if x := &report.Results[i]; x.Area == verify.Transfers.Title() && x.Status != verify.Passed {
			t.Errorf("%s %s: %s", x.ID, x.Status, x.Note)
		}
	}
}
