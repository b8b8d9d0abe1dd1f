package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	stripe "github.com/stripe/stripe-go/v85"

	"github.com/weirhq/weir/sdk"
	"github.com/weirhq/weir/sdk/mirror"
)

const (
	// pageSize is Stripe's largest.
	pageSize = 100
	// accountsAtOnce bounds a pull of accounts: each costs two requests more, for
	// its balance and its bank accounts.
	accountsAtOnce = 20
	// allEvery is how often all balance transactions are read again.
	allEvery = 6 * time.Hour
)

// A source reads one Stripe account, and the accounts that are connected to it.
type source struct {
	stripe *stripe.Client

	// ownID is the account that the key belongs to, once it is known.
	mu    sync.Mutex
	ownID string
}

// newSource makes a source with a key of Stripe. It leaves retries to the
// mirror, which waits as long as Stripe says.
func newSource(key, url string) *source {
	backends := stripe.NewBackendsWithConfig(&stripe.BackendConfig{
		URL: stripe.String(url), MaxNetworkRetries: stripe.Int64(0), EnableTelemetry: stripe.Bool(false),
		HTTPClient: &http.Client{Timeout: time.Minute}, LeveledLogger: &stripe.LeveledLogger{Level: stripe.LevelNull},
	})
	return &source{stripe: stripe.NewClient(key, stripe.WithBackends(backends))}
}

// sources says how each list is read.
//
// Stripe lists the newest first and can't say what has changed. New balance
// transactions are found at the top; that an old one has become available, or
// that a bank account is gone, is found by reading all again.
func (s *source) sources() []mirror.Source {
	return []mirror.Source{
		{Name: "accounts", Pull: mirror.FullScan(s.pullAccounts), Every: 5 * time.Minute},
		{Name: "new balance transactions", Pull: mirror.NewestFirst(s.pullTransactions), Every: time.Minute},
		{Name: "all balance transactions", Pull: mirror.FullScan(s.pullTransactions), Every: allEvery},
	}
}

// pullAccounts reads the account that the key belongs to, and then page by page
// those connected to it: each with its balance and its bank accounts.
func (s *source) pullAccounts(ctx context.Context, after string) (sdk.Batch, error) {
	var batch sdk.Batch
	if after == "" {
		own, err := s.stripe.V1Accounts.Retrieve(ctx, nil)
		if err != nil {
			return batch, mend(err)
		}
		if err := s.addAccount(ctx, &batch, own, ""); err != nil {
			return batch, err
		}
	}
	page := s.stripe.V1Accounts.List(ctx, &stripe.AccountListParams{ListParams: pageAfter(after, accountsAtOnce)})
	if err := page.Err(); err != nil {
		return batch, mend(err)
	}
	for _, connected := range page.Data() {
		if err := s.addAccount(ctx, &batch, connected, connected.ID); err != nil {
			return batch, err
		}
		batch.Next = connected.ID
	}
	batch.More = page.Meta().HasMore
	return batch, nil
}

// addAccount adds an account with its balance and its bank accounts. as is whose
// balance is asked for: a connected account's, or empty for the key's own.
func (s *source) addAccount(ctx context.Context, batch *sdk.Batch, account *stripe.Account, as string) error {
	params := &stripe.BalanceRetrieveParams{}
	if as != "" {
		params.SetStripeAccount(as)
	}
	balance, err := s.stripe.V1Balance.Retrieve(ctx, params)
	if err != nil {
		return fmt.Errorf("balance of %s: %w", account.ID, mend(err))
	}
	balances, err := contractBalances(account.ID, balance)
	if err != nil {
		return err
	}
	batch.Accounts = append(batch.Accounts, contractAccount(account))
	batch.Balances = append(batch.Balances, balances)
	for bank, err := range s.stripe.V1BankAccounts.List(ctx, &stripe.BankAccountListParams{Account: &account.ID}).All(ctx) {
		if err != nil {
			return fmt.Errorf("bank accounts of %s: %w", account.ID, mend(err))
		}
		batch.Beneficiaries = append(batch.Beneficiaries, contractBeneficiary(bank, account.ID))
	}
	return nil
}

// pullTransactions reads the balance transactions of the key's own account, the
// newest first, from a cursor to older ones. What each is about comes with it.
func (s *source) pullTransactions(ctx context.Context, after string) (sdk.Batch, error) {
	var batch sdk.Batch
	ownID, err := s.own(ctx)
	if err != nil {
		return batch, err
	}
	page := s.stripe.V1BalanceTransactions.List(ctx, &stripe.BalanceTransactionListParams{
		ListParams: pageAfter(after, pageSize),
		Expand:     []*string{stripe.String("data.source"), stripe.String("data.source.charge")},
	})
	if err := page.Err(); err != nil {
		return batch, mend(err)
	}
	for _, moved := range page.Data() {
		batch.Transactions = append(batch.Transactions, contractTransaction(moved, ownID))
		batch.Next = moved.ID
	}
	batch.More = page.Meta().HasMore
	return batch, nil
}

// own is the id of the account that the key belongs to. It is asked for once.
func (s *source) own(ctx context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ownID == "" {
		account, err := s.stripe.V1Accounts.Retrieve(ctx, nil)
		if err != nil {
			return "", mend(err)
		}
		s.ownID = account.ID
	}
	return s.ownID, nil
}

// pageAfter asks for one page behind a cursor, which is the last id of the page before.
func pageAfter(cursor string, limit int64) stripe.ListParams {
	params := stripe.ListParams{Limit: &limit, Single: true}
	if cursor != "" {
		params.StartingAfter = &cursor
	}
	return params
}

// mend makes of an error of Stripe one that says what to do. Stripe's messages
// may quote a part of the key, so only its code is passed on.
func mend(err error) error {
	var said *stripe.Error
	if !errors.As(err, &said) {
		return fmt.Errorf("ask stripe: %w", err)
	}
	switch said.HTTPStatusCode {
	case http.StatusTooManyRequests:
		return sdk.Unavailable("Stripe asks for fewer requests.", 10*time.Second)
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("stripe refuses the key (status %d, request %s): it must be good, and may read accounts, balances and balance transactions",
			said.HTTPStatusCode, said.RequestID)
	}
	return fmt.Errorf("stripe answers with status %d, code %q (request %s)", said.HTTPStatusCode, said.Code, said.RequestID)
}
