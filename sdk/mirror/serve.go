package mirror

import (
	"context"
	"database/sql"
	"math"
	"net/http"
	"time"

	"github.com/weirhq/weir/sdk"
	"github.com/weirhq/weir/wire"
)

// Service returns the service with its lists, its balances and its health served
// from the mirror. What the service has already stays: payouts pass through.
func (m *Mirror) Service(service sdk.Service) sdk.Service {
	if service.Accounts == nil {
		service.Accounts = m.Accounts
	}
	if service.Beneficiaries == nil {
		service.Beneficiaries = m.Beneficiaries
	}
	if service.Transactions == nil {
		service.Transactions = m.Transactions
	}
	if service.Balances == nil {
		service.Balances = m.Balances
	}
	if service.Health == nil {
		service.Health = m.Health
	}
	return service
}

// Accounts returns a page of the accounts, by createdAt.
func (m *Mirror) Accounts(ctx context.Context, q wire.ListQuery) ([]wire.Account, error) {
	return page(ctx, m, &accountKind, q)
}

// Beneficiaries returns a page of the beneficiaries, by createdAt.
func (m *Mirror) Beneficiaries(ctx context.Context, q wire.ListQuery) ([]wire.Beneficiary, error) {
	return page(ctx, m, &beneficiaryKind, q)
}

// Transactions returns a page of the transactions, by updatedAt. Between two
// pages of a walk nothing is lost while rows change; where several callers walk
// the list at once, a row may then be shown on both. For a minute after a start a page that the mirror can't place is refused
// as unavailable, and a walk from page 1 succeeds.
func (m *Mirror) Transactions(ctx context.Context, q wire.ListQuery) ([]wire.Transaction, error) {
	return page(ctx, m, &transactionKind, q)
}

// Balances returns what the account holds; one that the mirror has never heard
// of is [sdk.NotFound].
func (m *Mirror) Balances(ctx context.Context, accountID string) (wire.Balances, error) {
	return m.balances(ctx, accountID)
}

// page reads a page of a list by its key.
func page[T any](ctx context.Context, m *Mirror, k *kind[T], q wire.ListQuery) ([]T, error) {
	key := walkKey{table: k.table, from: fromMicro(q.From), size: q.PageSize}
	caller := sdk.Connection(ctx)
	after, skip, sure := m.walks.start(key, q.Page, caller, m.now())
	if !sure && k.moves {
		return nil, &sdk.Error{
			Status: http.StatusServiceUnavailable, Title: "Walk again",
			Detail:     "The service has just been started and can't tell where this page begins. Begin again at page 1.",
			RetryAfter: time.Second,
		}
	}
	offset := math.MaxInt
	if skip <= math.MaxInt/max(q.PageSize, 1) {
		offset = skip * q.PageSize
	}
	rows, err := m.stmts.page[k.table].QueryContext(ctx, after, q.PageSize, offset)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var stamp int64
	var body sql.RawBytes
	list := make([]T, 0, min(q.PageSize, wire.MaxPageSize))
	for rows.Next() {
		if err := rows.Scan(&stamp, &body); err != nil {
			return nil, err
		}
		row, err := k.read(time.UnixMicro(stamp).UTC(), body)
		if err != nil {
			return nil, err
		}
		list = append(list, row)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if len(list) == q.PageSize {
		m.walks.ended(key, q.Page, end{stamp, m.now(), caller})
	}
	return list, nil
}

// fromMicro is the first microsecond at or after the instant.
func fromMicro(from time.Time) int64 {
	switch {
	case from.IsZero():
		return math.MinInt64 + 1
	case from.Nanosecond()%1000 != 0:
		return from.UnixMicro() + 1
	}
	return from.UnixMicro()
}
