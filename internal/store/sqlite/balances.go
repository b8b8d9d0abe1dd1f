package sqlite

import (
	"context"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
)

const selectBalance = `SELECT b.balance_key, b.connector_key, c.provider, c.reference, b.account, b.id_type, b.asset, b.amount,
	b.created_at, b.last_updated_at, b.version, b.newest, b.raw
	FROM balance b JOIN connector c USING (connector_key)`

func readBalance(r row) (store.BalanceRow, error) {
	amount, err := amount(r.text(7))
	return store.BalanceRow{
		Key: r.int(0), ConnectorKey: r.int(1), Newest: r.int(11) != 0,
		Balance: hub.Balance{
			Account: hub.AccountID{
				Connector: hub.ConnectorID{Provider: r.text(2), Reference: r.text(3)},
				Reference: r.text(4), Type: hub.AccountType(r.text(5)),
			},
			Asset: hub.Asset(r.text(6)), Amount: amount, CreatedAt: r.instant(8), LastUpdatedAt: r.instant(9),
			Version: int(r.int(10)), Raw: r.bytes(12),
		},
	}, err
}

func (v view) balances(ctx context.Context, rows []store.BalanceRow, text string, args ...any) ([]store.BalanceRow, error) {
	err := v.query(ctx, text, func(r row) error {
		b, err := readBalance(r)
		rows = append(rows, b)
		return err
	}, args...)
	return rows, err
}

// NewestBalances implements [store.BalanceView].
func (v view) NewestBalances(ctx context.Context, connectorKey int64, references []string) ([]store.BalanceRow, error) {
	var rows []store.BalanceRow
	err := eachList(references, func(_ int, args []any) (err error) {
		rows, err = v.balances(ctx, rows, selectBalance+` WHERE b.account IN `+inList+` AND b.connector_key = ? AND b.newest = 1`, args...)
		return err
	}, connectorKey)
	return rows, err
}

// BalancesByKey implements [store.BalanceView].
func (v view) BalancesByKey(ctx context.Context, keys []int64) ([]store.BalanceRow, error) {
	var rows []store.BalanceRow
	err := eachList(keys, func(_ int, args []any) (err error) {
		rows, err = v.balances(ctx, rows, selectBalance+` WHERE b.balance_key IN `+inList, args...)
		return err
	})
	return rows, err
}

// BalancePage implements [store.BalanceView].
func (v view) BalancePage(ctx context.Context, connectorKey int64, id hub.AccountID, b hub.BalanceQuery, q hub.ListQuery) ([]store.BalanceRow, error) {
	l := list{
		query:     selectBalance + ` WHERE b.connector_key = ? AND b.account = ? AND b.id_type = ?`,
		createdAt: "b.created_at", key: "b.balance_key",
	}
	args := []any{connectorKey, id.Reference, string(id.Type)}
	if b.Asset != "" {
		l.query += ` AND b.asset = ?`
		args = append(args, string(b.Asset))
	}
	if !b.From.IsZero() {
		l.query += ` AND (b.last_updated_at >= ? OR b.newest = 1)`
		args = append(args, store.FormatInstant(b.From))
	}
	if !b.To.IsZero() {
		l.query += ` AND b.created_at <= ?`
		args = append(args, store.FormatInstant(b.To))
	}
	text, args, err := l.page(q, args...)
	if err != nil {
		return nil, err
	}
	return v.balances(ctx, nil, text, args...)
}

// CurrentBalances implements [store.BalanceView].
func (v view) CurrentBalances(ctx context.Context, connectorKey int64, after store.CurrentBalance, limit int) ([]store.CurrentBalance, error) {
	var rows []store.CurrentBalance
	err := v.query(ctx, `SELECT account, asset, id_type, amount FROM balance
		WHERE connector_key = ? AND newest = 1 AND (account, asset, id_type) > (?, ?, ?) ORDER BY account, asset, id_type LIMIT ?`, func(r row) error {
		amount, err := amount(r.text(3))
		rows = append(rows, store.CurrentBalance{Account: r.text(0), Asset: hub.Asset(r.text(1)), Type: hub.AccountType(r.text(2)), Amount: amount})
		return err
	}, connectorKey, after.Account, string(after.Asset), string(after.Type), int64(limit))
	return rows, err
}

// InsertBalances implements [store.BalanceTx].
func (t *tx) InsertBalances(ctx context.Context, rows []*store.BalanceRow) (err error) {
	for _, b := range rows {
		b.Key, err = t.insert(ctx, `INSERT INTO balance (connector_key, account, id_type, asset, amount, created_at, last_updated_at,
			version, newest, raw) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			b.ConnectorKey, b.Account.Reference, string(b.Account.Type), string(b.Asset), b.Amount.String(),
			store.FormatInstant(b.CreatedAt), store.FormatInstant(b.LastUpdatedAt), int64(b.Version), flag(b.Newest), blob(b.Raw))
		if err != nil {
			return err
		}
	}
	return nil
}

// UpdateBalances implements [store.BalanceTx].
func (t *tx) UpdateBalances(ctx context.Context, rows []*store.BalanceRow) error {
	for _, b := range rows {
		if b.Key == 0 {
			continue // not stored before; it is inserted as it stands
		}
		_, err := t.exec(ctx, `UPDATE balance SET last_updated_at = ?, newest = ? WHERE balance_key = ?`,
			store.FormatInstant(b.LastUpdatedAt), flag(b.Newest), b.Key)
		if err != nil {
			return err
		}
	}
	return nil
}
