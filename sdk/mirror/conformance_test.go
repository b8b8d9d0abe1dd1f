package mirror_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir/sdk"
	"github.com/weirhq/weir/sdk/ledger"
	"github.com/weirhq/weir/sdk/mirror"
	"github.com/weirhq/weir/sdk/sdktest"
	"github.com/weirhq/weir/verify"
	"github.com/weirhq/weir/wire"
)

// bank is a provider in memory: lists without an order to rely on, and payouts.
type bank struct {
	mu     sync.Mutex
	rows   map[string]wire.Transaction
	orders map[string]wire.Payout
}

func (b *bank) list(context.Context, string) (sdk.Batch, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	opened := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	batch := sdk.Batch{
		Accounts:      []wire.Account{{ID: "acct", AccountName: "Operating", CreatedAt: opened}},
		Beneficiaries: []wire.Beneficiary{{ID: "ben", OwnerName: "Supplier", CreatedAt: opened}},
		Balances:      []wire.Balances{{AccountID: "acct", Balances: []wire.Balance{{Amount: "100000", Currency: "EUR/2"}}}},
	}
	for _, row := range b.rows {
		batch.Transactions = append(batch.Transactions, row)
	}
	return batch, nil
}

// paid lists the payouts alone.
func (b *bank) paid(context.Context, string) (sdk.Batch, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var batch sdk.Batch
	for _, order := range b.orders {
		batch.Transactions = append(batch.Transactions, b.rows[order.ID])
	}
	return batch, nil
}

func (b *bank) add(rows ...wire.Transaction) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, row := range rows {
		b.rows[row.ID] = row
	}
}

func (b *bank) row(id string) wire.Transaction {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rows[id]
}

func (b *bank) provider() ledger.Provider {
	return ledger.Provider{
		Send: func(_ context.Context, r wire.PayoutRequest) (wire.Payout, error) {
			if r.SourceAccountID != "acct" || r.DestinationAccountID != "ben" {
				return wire.Payout{}, sdk.Refused("There is no such account.")
			}
			if r.Currency != "EUR/2" {
				return wire.Payout{}, sdk.Refused("The account holds EUR/2.")
			}
			now := time.Now().UTC()
			id := sdk.ID("po", r.IdempotencyKey)
			b.add(wire.Transaction{
				ID: id, RelatedTransactionID: r.IdempotencyKey, CreatedAt: now, Currency: r.Currency, Amount: r.Amount,
				Type: wire.TypePayout, Status: wire.StatusSucceeded, SourceAccountID: r.SourceAccountID, DestinationAccountID: r.DestinationAccountID,
			})
			b.mu.Lock()
			defer b.mu.Unlock()
			b.orders[r.IdempotencyKey] = wire.Payout{ID: id, Status: wire.StatusSucceeded, CreatedAt: now}
			return b.orders[r.IdempotencyKey], nil
		},
		Find: func(_ context.Context, key string) (wire.Payout, bool, error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			payout, found := b.orders[key]
			return payout, found, nil
		},
	}
}

// service is a mirror and a ledger that can be started again on their files.
type service struct {
	t      *testing.T
	dir    string
	bank   *bank
	mu     sync.RWMutex
	m      *mirror.Mirror
	l      *ledger.Ledger
	served http.Handler
}

func (s *service) start() {
	quiet := slog.New(slog.DiscardHandler)
	var err error
	if s.m, err = mirror.Open(s.t.Context(), filepath.Join(s.dir, "mirror.db"), mirror.Options{Logger: quiet}); err != nil {
		s.t.Fatal(err)
	}
	if s.l, err = ledger.Open(s.t.Context(), filepath.Join(s.dir, "ledger.db"), ledger.Options{Logger: quiet}); err != nil {
		s.t.Fatal(err)
	}
	pay := s.l.Payouts(s.bank.provider())
	s.served, err = sdk.New(s.m.Service(sdk.Service{
		APIKeys: []string{"key"}, Logger: quiet,
		CreatePayout: func(ctx context.Context, r wire.PayoutRequest) (wire.Payout, error) {
			payout, err := pay(ctx, r)
			// What has just been paid is shown at once, without a walk over everything.
			if _, pullErr := s.m.CatchUp(ctx, mirror.Source{Name: "paid", Pull: s.bank.paid}); pullErr != nil {
				s.t.Error(pullErr)
			}
			return payout, err
		},
	}))
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *service) pull(ctx context.Context) error {
	_, err := s.m.CatchUp(ctx, mirror.Source{Name: "bank", Pull: mirror.FullScan(s.bank.list)})
	return err
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	s.served.ServeHTTP(w, r)
}

func (s *service) stop() {
	if err := s.m.Close(); err != nil {
		s.t.Error(err)
	}
	if err := s.l.Close(); err != nil {
		s.t.Error(err)
	}
}

func TestAMirrorWithALedgerKeepsTheContract(t *testing.T) {
	s := &service{t: t, dir: t.TempDir(), bank: &bank{rows: map[string]wire.Transaction{}, orders: map[string]wire.Payout{}}}
	const rows = 1100
	for i := range rows {
		s.bank.add(wire.Transaction{
			ID: "t" + strconv.Itoa(i), CreatedAt: time.Date(2026, 1, 1+i%3, 0, 0, 0, 0, time.UTC), Currency: "EUR/2",
			Type: wire.TypePayin, Status: wire.StatusSucceeded, Amount: wire.AmountOfInt(int64(101 + i)), DestinationAccountID: "acct",
		})
	}
	s.start()
	defer s.stop()
	if err := s.pull(t.Context()); err != nil {
		t.Fatal(err)
	}
	moves := 0
	options := sdktest.Options{
		Key: "key", Write: true,
		Seed: func(ctx context.Context, rows []wire.Transaction) error {
			s.bank.add(rows...)
			return s.pull(ctx)
		},
		Move: func(ctx context.Context) error {
			moves++
			row := s.bank.row("t" + strconv.Itoa(moves%rows))
			row.Metadata = map[string]string{"moved": strconv.Itoa(moves)}
			s.bank.add(row)
			row.ID = fmt.Sprintf("new%d", moves)
			s.bank.add(row)
			return s.pull(ctx)
		},
		Restart: func(context.Context) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.stop()
			s.start()
			return nil
		},
	}
	options.Sandbox = verify.Write{Source: "acct", Beneficiary: "ben", Asset: "EUR/2", Wait: 5 * time.Second}
	sdktest.Run(t, s, options)
}
