package store

import (
	"context"
	"time"

	"github.com/weirhq/weir/internal/hub"
)

// A holding is an asset of an account.
type holding struct {
	account hub.AccountID
	asset   hub.Asset
}

// applyBalances stores the balances of the batch. What one says of a holding is
// compared with the newest that is stored: an older one is dropped, an equal
// amount moves the instant up to which it is known to hold, another amount
// begins a new balance and ends the one before.
func (a *application) applyBalances(ctx context.Context) error {
	shown := a.batch.Balances
	if len(shown) == 0 {
		return nil
	}
	newest, ids, err := a.loadHoldings(ctx)
	if err != nil {
		return err
	}
	var inserted, updated []*BalanceRow
	var announced []*BalanceRow
	var instants []time.Time
	pending := map[*BalanceRow]bool{} // rows in either list
	for i := range shown {
		row := &BalanceRow{ConnectorKey: a.stream.ConnectorKey, Newest: true, Balance: shown[i]}
		row.Account = ids[row.Account.Reference]
		row.CreatedAt, row.Version = row.LastUpdatedAt, 1
		at := holding{row.Account, row.Asset}
		before := newest[at]
		change := hub.BalanceMoved
		if before != nil {
			change = hub.CompareBalance(&before.Balance, &row.Balance)
			if change == hub.BalanceStale || change == hub.BalanceSame && before.LastUpdatedAt.Equal(row.LastUpdatedAt) {
				continue
			}
			before.LastUpdatedAt = row.LastUpdatedAt
			if !pending[before] {
				pending[before] = true
				updated = append(updated, before)
			}
		}
		if change == hub.BalanceMoved {
			if before != nil {
				before.Newest = false
				if before.CreatedAt.Equal(row.CreatedAt) {
					row.Version = before.Version + 1
				}
			}
			newest[at], pending[row] = row, true
			inserted = append(inserted, row)
			a.applied.Stored++
		}
		announced = append(announced, newest[at])
		instants = append(instants, row.LastUpdatedAt)
	}
	if err := a.tx.UpdateBalances(ctx, updated); err != nil {
		return err
	}
	if err := a.tx.InsertBalances(ctx, inserted); err != nil {
		return err
	}
	for i, row := range announced {
		a.announce(hub.SavedBalance, row.Key)
		event := &a.events[len(a.events)-1]
		event.At, event.LastUpdatedAt = a.batch.SeenAt, instants[i]
	}
	return nil
}

// loadHoldings returns the newest balances of the batch's accounts, and the
// identifier of each account by its reference. A balance belongs to the
// connector's own account; where only a beneficiary carries the reference, or
// nobody, it has the identifier that needs no type.
func (a *application) loadHoldings(ctx context.Context) (map[holding]*BalanceRow, map[string]hub.AccountID, error) {
	ids := map[string]hub.AccountID{}
	var references []string
	for i := range a.batch.Balances {
		reference := a.batch.Balances[i].Account.Reference
		if _, found := ids[reference]; !found {
			references = append(references, reference)
			ids[reference] = hub.AccountID{Connector: a.stream.ID.Connector, Reference: reference}
		}
	}
	accounts, err := a.tx.AccountsByReference(ctx, a.stream.ConnectorKey, references)
	if err != nil {
		return nil, nil, err
	}
	for i := range accounts {
		if accounts[i].Type == hub.Internal {
			ids[accounts[i].Reference] = accounts[i].ID
		}
	}
	rows, err := a.tx.NewestBalances(ctx, a.stream.ConnectorKey, references)
	newest := make(map[holding]*BalanceRow, len(rows))
	for i := range rows {
		newest[holding{rows[i].Account, rows[i].Asset}] = &rows[i]
	}
	return newest, ids, err
}

// Balances lists what an account held, the newest first by CreatedAt. An
// account that is not known has no balances, which is no error.
func (s *Store) Balances(ctx context.Context, account hub.AccountID, b hub.BalanceQuery, q hub.ListQuery) (hub.Page[hub.Balance], error) {
	q = clamp(q)
	var page hub.Page[hub.Balance]
	err := s.driver.Read(ctx, func(v View) error {
		connector, err := findConnector(ctx, v, account.Connector)
		if err != nil {
			return err
		}
		rows, err := v.BalancePage(ctx, connector.Key, account, b, more(q))
		if err != nil {
			return err
		}
		page, err = pageOf(q, rows, func(r *BalanceRow) hub.Position {
			return hub.Position{CreatedAt: r.CreatedAt, Key: r.Key}
		}, func(r *BalanceRow) (hub.Balance, error) { return r.Balance, nil })
		return err
	})
	return page, err
}
