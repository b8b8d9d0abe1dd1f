package sdktest_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir/sdk"
	"github.com/weirhq/weir/sdk/sdktest"
	"github.com/weirhq/weir/verify"
	"github.com/weirhq/weir/wire"
)

const key = "a-key-of-the-tests"

// shop is a provider in memory, served by the SDK in pass-through mode.
type shop struct {
	mu     sync.Mutex
	rows   []wire.Transaction
	orders map[string]wire.Payout
	moves  int
	down   bool
	// take takes an order. It is replaced by tests of other ways to.
	take func(context.Context, wire.PayoutRequest) (wire.Payout, error)
}

func newShop() *shop {
	s := &shop{orders: map[string]wire.Payout{}}
	start := time.Now().UTC().Add(-2 * time.Hour)
	for i := range 250 {
		at := start.Add(time.Duration(i) * 1234567 * time.Microsecond)
		s.rows = append(s.rows, wire.Transaction{
			ID: fmt.Sprintf("t-%04d", i), CreatedAt: at, UpdatedAt: at, Currency: "EUR/2", Type: wire.TypePayin,
			Status: wire.StatusSucceeded, Amount: wire.AmountOfInt(int64(1000 + 7*i)), SourceAccountID: "customer", DestinationAccountID: "main",
		})
	}
	s.take = s.order
	return s
}

func (s *shop) service(t *testing.T) http.Handler {
	t.Helper()
	opened := time.Now().UTC().Add(-24 * time.Hour)
	handler, err := sdk.New(sdk.Service{
		APIKeys: []string{key},
		Accounts: func(_ context.Context, q wire.ListQuery) ([]wire.Account, error) {
			return sdk.Page([]wire.Account{{ID: "main", AccountName: "Main", CreatedAt: opened}, {ID: "other/1", AccountName: "Other", CreatedAt: opened.Add(time.Second / 3)}}, q, sdk.AccountKey), nil
		},
		Beneficiaries: func(_ context.Context, q wire.ListQuery) ([]wire.Beneficiary, error) {
			return sdk.Page([]wire.Beneficiary{{ID: "customer", OwnerName: "Customer", CreatedAt: opened}}, q, sdk.BeneficiaryKey), nil
		},
		Transactions: s.transactions,
		Balances: func(_ context.Context, id string) (wire.Balances, error) {
			if id != "main" && id != "other/1" {
				return wire.Balances{}, sdk.NotFound("There is no such account.")
			}
			return wire.Balances{AccountID: id, At: time.Now().UTC(), Balances: []wire.Balance{{Amount: "100000", Currency: "EUR/2"}}}, nil
		},
		CreatePayout: func(ctx context.Context, request wire.PayoutRequest) (wire.Payout, error) {
			return s.take(ctx, request)
		},
		CreateTransfer: func(ctx context.Context, request wire.TransferRequest) (wire.Transfer, error) {
			payout, err := s.take(ctx, wire.PayoutRequest(request))
			return wire.Transfer(payout), err
		},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

func (s *shop) transactions(_ context.Context, q wire.ListQuery) ([]wire.Transaction, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return nil, sdk.Unavailable("The provider is down.", time.Second)
	}
	return slices.Clone(sdk.Page(s.rows, q, sdk.TransactionKey)), nil
}

func (s *shop) order(_ context.Context, request wire.PayoutRequest) (payout wire.Payout, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return wire.Payout{}, sdk.Unavailable("The provider is down.", time.Second)
	}
	known, ok := s.orders[request.IdempotencyKey]
	switch {
	case ok && (known.Amount != request.Amount || known.DestinationAccountID != request.DestinationAccountID):
		return wire.Payout{}, sdk.Conflict("The key was used for another order.")
	case ok:
		return known, nil
	case request.SourceAccountID != "main":
		return wire.Payout{}, sdk.Refused("There is no such account.")
	}
	payout = s.pay(request)
	s.orders[request.IdempotencyKey] = payout
	return payout, nil
}

// pay moves the money, every time that it is asked.
func (s *shop) pay(request wire.PayoutRequest) wire.Payout {
	now := time.Now().UTC()
	payout := wire.Payout{
		ID: fmt.Sprintf("p-%04d", len(s.rows)), IdempotencyKey: request.IdempotencyKey, Amount: request.Amount, Currency: request.Currency,
		SourceAccountID: request.SourceAccountID, DestinationAccountID: request.DestinationAccountID, Status: wire.StatusPending, CreatedAt: now,
	}
	s.rows = append(s.rows, wire.Transaction{
		ID: payout.ID, RelatedTransactionID: request.IdempotencyKey, CreatedAt: now, UpdatedAt: now, Currency: request.Currency,
		Type: wire.TypePayout, Status: wire.StatusSucceeded, Amount: request.Amount,
		SourceAccountID: request.SourceAccountID, DestinationAccountID: request.DestinationAccountID,
	})
	return payout
}

func (s *shop) seed(_ context.Context, rows []wire.Transaction) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows = append(s.rows, rows...)
	return nil
}

func (s *shop) move(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moves++
	now := time.Now().UTC()
	changed := &s.rows[s.moves%50]
	changed.Status, changed.UpdatedAt = wire.StatusRefunded, now
	s.rows = append(s.rows, wire.Transaction{
		ID: fmt.Sprintf("new-%d", s.moves), CreatedAt: now, UpdatedAt: now.Add(time.Microsecond), Currency: "EUR/2", Type: wire.TypePayin,
		Status: wire.StatusPending, Amount: "4711",
	})
	return nil
}

func (s *shop) takeDown(_ context.Context, down bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
	return nil
}

func TestAServiceOfTheSDKKeepsThePromises(t *testing.T) {
	s := newShop()
	report := sdktest.Run(t, s.service(t), sdktest.Options{
		Key: key, Seed: s.seed, Move: s.move, Down: s.takeDown, Refuse: s.takeDown, Restart: func(context.Context) error { return nil },
		Write: true, Sandbox: verify.Write{Wait: time.Second}, Strict: true,
	})
	for _, result := range report.Of(verify.Unjudged) {
		switch result.ID {
		case "H2", "H3", "H4", "F5", "I4", "C8":
			// The shop has no refunds, no transfers and not enough pages.
		default:
			t.Errorf("%s could not be judged: %s", result.ID, result.Note)
		}
	}
}
