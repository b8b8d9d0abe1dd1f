package mirror

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir/sdk"
	"github.com/weirhq/weir/wire"
)

// listBalances names the balances where lists are named.
const listBalances = "balance"

// putBalances stores what an account holds when it has changed. The instant
// that is served moves with every change and never goes back: it is the
// provider's where that is later, else the mirror's clock.
func (a *applying) putBalances(ctx context.Context, b wire.Balances) error {
	var at, version int64
	var body []byte
	err := a.tx.QueryRowContext(ctx, `SELECT at, version, body FROM balance WHERE account_id = ?`, b.AccountID).Scan(&at, &version, &body)
	found := err == nil
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	said := versionOf(b.At)
	if found && said != 0 && said < version {
		a.progress.Stale++
		return nil
	}
	given := shown(b)
	before, err := readBalances(body)
	if found && err != nil {
		return err
	}
	b.Balances = settleBalances(b.Balances, before)
	if b.ID == "" {
		b.ID = b.AccountID
	}
	served := at
	fresh := balancesBody(b.Balances)
	changed := !found || !bytes.Equal(fresh, body)
	switch {
	case said > at && !b.At.After(a.now):
		served = said
	case changed:
		served = stampNow(&at, a.now)
	}
	b.At = time.UnixMicro(served).UTC()
	if err := first(b.Validate(), oneOfEach(b.Balances)); err != nil {
		return a.reject(ctx, listBalances, b.AccountID, given, err)
	}
	switch {
	case !found:
		a.progress.New++
		a.counts.Balances++
	case changed:
		a.progress.Changed++
	case said <= version:
		return nil
	}
	a.wrote = true
	if _, err := a.tx.ExecContext(ctx, `INSERT INTO balance (account_id, at, version, body) VALUES (?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET at = excluded.at, version = excluded.version, body = excluded.body`, b.AccountID, served, max(said, version), fresh); err != nil {
		return err
	}
	return a.accept(ctx, listBalances, b.AccountID)
}

// settleBalances puts the entries in one order and adds a zero for each asset
// that the account has held and the provider no longer names: a hub keeps the
// last amount that it was told.
func settleBalances(entries, before []wire.Balance) []wire.Balance {
	entries = slices.Clone(entries)
	for _, old := range before {
		if !slices.ContainsFunc(entries, func(b wire.Balance) bool { return b.Currency == old.Currency }) {
			entries = append(entries, wire.Balance{Amount: "0", Currency: old.Currency})
		}
	}
	slices.SortStableFunc(entries, func(x, y wire.Balance) int { return strings.Compare(x.Currency, y.Currency) })
	return entries
}

// oneOfEach refuses two amounts of one asset. The entries are sorted.
func oneOfEach(entries []wire.Balance) error {
	for i := 1; i < len(entries); i++ {
		if entries[i].Currency == entries[i-1].Currency {
			return fmt.Errorf("%s has more than one entry", entries[i].Currency)
		}
	}
	return nil
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// balances serves the balances of an account. One that the mirror knows and has
// no balances of holds nothing; one that it does not know is not found.
func (m *Mirror) balances(ctx context.Context, accountID string) (wire.Balances, error) {
	b := wire.Balances{ID: accountID, AccountID: accountID}
	var at int64
	var body []byte
	err := m.file.Read.QueryRowContext(ctx, `SELECT at, body FROM balance WHERE account_id = ?`, accountID).Scan(&at, &body)
	if errors.Is(err, sql.ErrNoRows) {
		err = m.file.Read.QueryRowContext(ctx, `SELECT stamp, NULL FROM account WHERE id = ?`, accountID).Scan(&at, &body)
		if errors.Is(err, sql.ErrNoRows) {
			return b, sdk.NotFound(fmt.Sprintf("There is no account %.40q.", accountID))
		}
	} else if err == nil {
		b.Balances, err = readBalances(body)
	}
	b.At = time.UnixMicro(at).UTC()
	return b, err
}

// accountsAtOnce is for how many accounts balances are read before they are
// stored: a long round is kept as it goes.
const accountsAtOnce = 20

// BalancesOf makes a pull of a function that reads the balances of one account:
// it is asked for each account of the mirror in turn. An error of one account
// does not keep the others from being stored. Where none could be read, the
// pull fails, and when it fails once more the round goes on behind them.
func (m *Mirror) BalancesOf(fetch func(ctx context.Context, accountID string) (wire.Balances, error)) sdk.Pull {
	failedAt := ""
	failed := false
	return func(ctx context.Context, position string) (sdk.Batch, error) {
		ids, err := m.accountsAfter(ctx, position)
		if err != nil {
			return sdk.Batch{}, err
		}
		var batch sdk.Batch
		var failures []error
		for _, id := range ids {
			balances, err := fetch(ctx, id)
			if err != nil {
				failures = append(failures, fmt.Errorf("balances of %.40q: %w", id, err))
				continue
			}
			if balances.AccountID == "" {
				balances.AccountID = id
			}
			batch.Balances = append(batch.Balances, balances)
		}
		if len(failures) > 0 && len(batch.Balances) == 0 && (!failed || failedAt != position) {
			failed, failedAt = true, position
			return sdk.Batch{}, errors.Join(failures...)
		}
		failed = false
		for _, failure := range failures {
			m.log.WarnContext(ctx, "the balances of an account could not be read", "error", failure.Error())
		}
		if batch.More = len(ids) == accountsAtOnce; batch.More {
			batch.Next = ids[len(ids)-1]
		}
		return batch, nil
	}
}

// accountsAfter returns the next accounts in the order of their list.
func (m *Mirror) accountsAfter(ctx context.Context, id string) ([]string, error) {
	rows, err := m.file.Read.QueryContext(ctx, `SELECT id FROM account
		WHERE stamp > coalesce((SELECT stamp FROM account WHERE id = ?), ?) ORDER BY stamp LIMIT ?`, id, math.MinInt64, accountsAtOnce)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}
