package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/weirhq/weir/sdk/ledger"
	"github.com/weirhq/weir/wire"
)

// A provider whose answer is lost pays once all the same.
func Example() {
	dir, err := os.MkdirTemp("", "ledger")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	l, err := ledger.Open(ctx, filepath.Join(dir, "ledger.db"), ledger.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()

	paid := map[string]wire.Payout{} // what the provider has
	payouts := l.Payouts(ledger.Provider{
		Send: func(_ context.Context, r wire.PayoutRequest) (wire.Payout, error) {
			paid[r.IdempotencyKey] = wire.Payout{
				ID: fmt.Sprintf("po_%d", len(paid)+1), Status: wire.StatusSucceeded,
				CreatedAt: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC),
			}
			return wire.Payout{}, errors.New("connection reset") // the answer is lost
		},
		Find: func(_ context.Context, key string) (wire.Payout, bool, error) {
			payout, found := paid[key]
			return payout, found, nil
		},
	})
	request := wire.PayoutRequest{
		IdempotencyKey: "invoice-17", Amount: "1250", Currency: "EUR/2",
		SourceAccountID: "acct_1", DestinationAccountID: "ben_1",
	}
	for range 2 {
		payout, err := payouts(ctx, request)
		fmt.Println(payout.ID, payout.Status, err, len(paid))
	}
	// Output:
	// po_1 SUCCEEDED <nil> 1
	// po_1 SUCCEEDED <nil> 1
}
