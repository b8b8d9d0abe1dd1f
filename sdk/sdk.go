// Package sdk turns a few functions of yours into an integration service: an
// [http.Handler] that speaks the generic connector contract, so that Weir, or
// anything else that speaks it, can read a payment service provider and send
// money through it.
//
// Write the functions that the provider has data for, put them into a
// [Service], and serve it:
//
//	handler, err := sdk.New(sdk.Service{
//		APIKeys:      []string{key},
//		Transactions: func(ctx context.Context, q wire.ListQuery) ([]wire.Transaction, error) { … },
//	})
//	…
//	err = sdk.ListenAndServe(ctx, "127.0.0.1:8080", handler)
//
// This is the pass-through mode: the provider itself can sort, filter and page,
// or the whole list fits in memory and [Page] does it. The package does what
// every such service needs and nobody wants to write twice: keys, paths, limits,
// the contract's errors, compression, request ids, and a check that what your
// functions return is what the contract allows.
//
// A provider that can't sort, filter and page is mirrored: package sdk/mirror
// keeps a copy of it and serves that. Money, times, ids and statuses are read by
// [Currencies], [Times], [ID] and [StatusTable].
//
// It does not store anything. A function that creates a payout must itself make
// sure that one idempotency key moves money once; package sdk/ledger does. Package
// sdk/psphttp makes the HTTP client for the provider.
package sdk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/weirhq/weir/wire"
)

// Service is what an integration service can do. A nil function is a capability
// that it does not have: its list is empty, its order is refused with 404, and
// GET /capabilities does not name it.
//
// Functions are called by many requests at once. Their context ends with the
// request, or after a minute. An error that is (or wraps) an [*Error] decides
// the answer; any other is logged and answered as a 500 that tells no details.
type Service struct {
	// APIKeys are the keys that callers may use, as "Authorization: Bearer KEY".
	// At least one is needed. Two are good while one replaces the other.
	APIKeys []string

	// Accounts, Beneficiaries and Transactions return one page of the list:
	// rows whose sort key (createdAt; for transactions updatedAt) is at or after
	// q.From, in ascending order of that key, where rows that share an instant
	// keep one order for ever (by id is good); of these the rows of page q.Page,
	// at most q.PageSize. Past the end the page is empty. [Page] does all this
	// for a slice.
	Accounts      func(ctx context.Context, q wire.ListQuery) ([]wire.Account, error)
	Beneficiaries func(ctx context.Context, q wire.ListQuery) ([]wire.Beneficiary, error)
	Transactions  func(ctx context.Context, q wire.ListQuery) ([]wire.Transaction, error)

	// Balances returns what an account holds, one entry for each asset, all
	// assets every time. An account that does not exist is [NotFound].
	Balances func(ctx context.Context, accountID string) (wire.Balances, error)

	// CreatePayout and CreateTransfer move money, once for each idempotency key:
	// a key that was used before gets the same answer again, or a [Conflict] when
	// the request differs. The request has been checked: its amount is above
	// zero, its asset is well formed, nothing required is missing. What the
	// answer leaves empty and the request has is filled in from the request.
	// Their context does not end when the caller hangs up: half a payment helps
	// nobody.
	CreatePayout   func(ctx context.Context, request wire.PayoutRequest) (wire.Payout, error)
	CreateTransfer func(ctx context.Context, request wire.TransferRequest) (wire.Transfer, error)

	// Health tells how the service fares, for GET /healthz. nil is a service that
	// is well whenever it answers.
	Health func(ctx context.Context) Health

	// PageSizeMax is the largest pageSize that the lists serve in full; a larger
	// one is refused. 0 means [wire.MaxPageSize]; less than
	// [wire.DefaultPageSize] is not allowed.
	PageSizeMax int

	// Logger receives one line for each request, and what went wrong in detail.
	// nil means [slog.Default].
	Logger *slog.Logger
}

// New makes the service's handler. It can be mounted below a prefix with
// [http.StripPrefix]. An error says what the service lacks.
func New(service Service) (http.Handler, error) {
	h := &handler{service: service, log: service.Logger, started: time.Now().UTC().Truncate(time.Second)}
	if h.log == nil {
		h.log = slog.Default()
	}
	if len(service.APIKeys) == 0 {
		return nil, errors.New("sdk: APIKeys must hold a key: without one anybody could read the service")
	}
	for i, key := range service.APIKeys {
		if key == "" || strings.TrimSpace(key) != key {
			return nil, fmt.Errorf("sdk: APIKeys[%d] must not be empty nor have spaces around it", i)
		}
		h.keys = append(h.keys, fingerprint(key))
	}
	if h.service.PageSizeMax == 0 {
		h.service.PageSizeMax = wire.MaxPageSize
	}
	if h.service.PageSizeMax < wire.DefaultPageSize {
		return nil, fmt.Errorf("sdk: PageSizeMax must be at least %d, which every caller may ask for, not %d", wire.DefaultPageSize, service.PageSizeMax)
	}
	h.routes = h.newRoutes()
	return h, nil
}

// resources names what the service can do, for GET /capabilities.
func (s *Service) resources() []string {
	var names []string
	for _, capability := range []struct {
		name string
		has  bool
	}{
		{"accounts", s.Accounts != nil},
		{"balances", s.Balances != nil},
		{"beneficiaries", s.Beneficiaries != nil},
		{"transactions", s.Transactions != nil},
		{"payouts", s.CreatePayout != nil},
		{"transfers", s.CreateTransfer != nil},
	} {
		if capability.has {
			names = append(names, capability.name)
		}
	}
	return names
}
