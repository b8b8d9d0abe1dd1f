package postgres

import (
	"context"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
)

const selectBalanceColumns = `SELECT b.balance_key, b.connector_key, c.provider, c.reference, b.account, b.id_type, b.asset, b.amount::text,
	b.created_at, b.last_updated_at, b.version, b.newest, b.raw `

const selectBalance = selectBalanceColumns + `FROM balance b JOIN connector c USING (connector_key)`

func readBalance(scan func(...any) error) (store.BalanceRow, error) {
	var row store.BalanceRow
	var provider, reference, account, idType, asset, digits, createdAt, updatedAt string
	var version int64
	err := scan(&row.Key, &row.ConnectorKey, &provider, &reference, &account, &idType, &asset, &digits,
		&createdAt, &updatedAt, &version, &row.Newest, &row.Raw)
	if err != nil {
		return row, err
	}
	row.Account = hub.AccountID{Connector: connectorID(provider, reference), Reference: decode(account), Type: hub.AccountType(decode(idType))}
	row.Asset, row.Version = hub.Asset(decode(asset)), int(version)
	row.CreatedAt, row.LastUpdatedAt = store.ParseInstant(createdAt), store.ParseInstant(updatedAt)
	row.Amount, err = amount(digits)
	return row, err
}

func (v view) balances(ctx context.Context, text string, args ...any) ([]store.BalanceRow, error) {
	var rows []store.BalanceRow
	err := v.query(ctx, text, func(scan func(...any) error) error {
		b, err := readBalance(scan)
		rows = append(rows, b)
		return err
	}, args...)
	return rows, err
}

// NewestBalances implements [store.BalanceView].
func (v view) NewestBalances(ctx context.Context, connectorKey int64, references []string) ([]store.BalanceRow, error) {
	if len(references) == 0 {
		return nil, nil
	}
	return v.balances(ctx, selectBalanceColumns+`FROM (SELECT DISTINCT unnest($2::text[]) COLLATE "C" AS reference) n
		CROSS JOIN LATERAL (SELECT * FROM balance WHERE connector_key = $1 AND account = n.reference AND newest OFFSET 0) b
		JOIN connector c ON c.connector_key = b.connector_key`, connectorKey, encodeAll(references))
}

// BalancesByKey implements [store.BalanceView].
func (v view) BalancesByKey(ctx context.Context, keys []int64) ([]store.BalanceRow, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	return v.balances(ctx, selectBalance+` WHERE b.balance_key = ANY ($1::bigint[])`, keys)
}

var balanceList = list{query: selectBalance + ` WHERE true`, createdAt: "b.created_at", key: "b.balance_key"}

// BalancePage implements [store.BalanceView].
func (v view) BalancePage(ctx context.Context, connectorKey int64, id hub.AccountID, b hub.BalanceQuery, q hub.ListQuery) ([]store.BalanceRow, error) {
	more := ` AND b.connector_key + 0 = ? AND b.account = ? AND b.id_type = ?`
	args := []any{connectorKey, encode(id.Reference), encode(string(id.Type))}
	if b.Asset != "" {
		more += ` AND b.asset = ?`
		args = append(args, encode(string(b.Asset)))
	}
	if !b.From.IsZero() {
		more += ` AND (b.last_updated_at >= ? OR b.newest)`
		args = append(args, store.FormatInstant(b.From))
	}
	if !b.To.IsZero() {
		more += ` AND b.created_at <= ?`
		args = append(args, store.FormatInstant(b.To))
	}
	s, err := balanceList.page(q, more, args...)
	if err != nil {
		return nil, err
	}
	return v.balances(ctx, s.String(), s.args...)
}

// CurrentBalances implements [store.BalanceView].
func (v view) CurrentBalances(ctx context.Context, connectorKey int64, after store.CurrentBalance, limit int) ([]store.CurrentBalance, error) {
	var rows []store.CurrentBalance
	err := v.query(ctx, `SELECT account, asset, id_type, amount::text FROM balance
		WHERE connector_key = $1 AND newest AND (account, asset, id_type) > ($2, $3, $4) ORDER BY account, asset, id_type LIMIT $5`,
		func(scan func(...any) error) error {
			var account, asset, idType, digits string
			if err := scan(&account, &asset, &idType, &digits); err != nil {
				return err
			}
			amount, err := amount(digits)
			rows = append(rows, store.CurrentBalance{
				Account: decode(account), Asset: hub.Asset(decode(asset)), Type: hub.AccountType(decode(idType)), Amount: amount,
			})
			return err
		}, connectorKey, encode(after.Account), encode(string(after.Asset)), encode(string(after.Type)), int64(limit))
	return rows, err
}

// InsertBalances implements [store.BalanceTx].
func (t *tx) InsertBalances(ctx context.Context, rows []*store.BalanceRow) error {
	if len(rows) == 0 {
		return nil
	}
	n := len(rows)
	texts, numbers, newest, raws := arraysOf[string](6, n), arraysOf[int64](2, n), make([]bool, n), make([][]byte, n)
	for i, b := range rows {
		setAll(texts, i, encode(b.Account.Reference), encode(string(b.Account.Type)), encode(string(b.Asset)), b.Amount.String(),
			store.FormatInstant(b.CreatedAt), store.FormatInstant(b.LastUpdatedAt))
		setAll(numbers, i, b.ConnectorKey, int64(b.Version))
		newest[i], raws[i] = b.Newest, blob(b.Raw)
	}
	return t.insert(ctx, n, func(i int, key int64) { rows[i].Key = key },
		`INSERT INTO balance (connector_key, version, account, id_type, asset, amount, created_at, last_updated_at, newest, raw)
		SELECT connector_key, version, account, id_type, asset, amount::numeric, created_at, last_updated_at, newest, raw
		FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::boolean[], $10::bytea[])
			AS u (connector_key, version, account, id_type, asset, amount, created_at, last_updated_at, newest, raw) RETURNING balance_key`,
		numbers[0], numbers[1], texts[0], texts[1], texts[2], texts[3], texts[4], texts[5], newest, raws)
}

// UpdateBalances implements [store.BalanceTx].
func (t *tx) UpdateBalances(ctx context.Context, rows []*store.BalanceRow) error {
	var keys []int64
	var updatedAt []string
	var newest []bool
	for _, b := range rows {
		if b.Key == 0 {
			continue // not stored before; it is inserted as it stands
		}
		keys, updatedAt, newest = append(keys, b.Key), append(updatedAt, store.FormatInstant(b.LastUpdatedAt)), append(newest, b.Newest)
	}
	if len(keys) == 0 {
		return nil
	}
	_, err := t.exec(ctx, `UPDATE balance b SET last_updated_at = u.last_updated_at, newest = u.newest
		FROM unnest($1::bigint[], $2::text[], $3::boolean[]) AS u (balance_key, last_updated_at, newest) WHERE b.balance_key = u.balance_key`,
		keys, updatedAt, newest)
	return err
}
