package store

import (
	"context"

	"github.com/weirhq/weir/internal/hub"
)

// recordsChunk is how many records are read at once: enough to make the reading
// cheap, few enough to keep the memory small.
const recordsChunk = 500

// Records calls fn with the identifier and the bytes of the newest version of
// every record of a stream, in the byte order of the identifiers, until fn
// returns an error. It reads in small steps and is no snapshot: what is stored
// meanwhile may or may not be seen. For balances there is [Store.BalanceRecords].
func (s *Store) Records(ctx context.Context, stream hub.StreamID, fn func(id string, raw []byte) error) error {
	connector, err := s.connectorKey(ctx, stream.Connector)
	if err != nil {
		return err
	}
	list := func(read func(View, string) ([]RecordRow, error)) *recordList {
		return &recordList{read: func(after string) (rows []RecordRow, err error) {
			err = s.driver.ReadOne(ctx, func(v View) error {
				rows, err = read(v, after)
				return err
			})
			return rows, err
		}}
	}
	accounts := func(t hub.AccountType) *recordList {
		return list(func(v View, after string) ([]RecordRow, error) {
			return v.AccountRecords(ctx, connector, t, after, recordsChunk)
		})
	}
	switch stream.Resource {
	case hub.Accounts:
		return mergeRecords(accounts(hub.Internal), &recordList{}, fn)
	case hub.Beneficiaries:
		return mergeRecords(accounts(hub.External), &recordList{}, fn)
	case hub.Transactions:
		return mergeRecords(list(func(v View, after string) ([]RecordRow, error) {
			return v.LeadRecords(ctx, connector, after, recordsChunk)
		}), list(func(v View, after string) ([]RecordRow, error) {
			return v.RelatedRecords(ctx, connector, after, recordsChunk)
		}), fn)
	default:
		return hub.Errorf(hub.CodeInvalid, "%s are no list of records", stream)
	}
}

// A recordList reads records in their order, a chunk at a time.
type recordList struct {
	read  func(after string) ([]RecordRow, error)
	rows  []RecordRow
	after string
}

// peek returns the next record, nil at the end.
func (l *recordList) peek() (*RecordRow, error) {
	if len(l.rows) == 0 && l.read != nil {
		rows, err := l.read(l.after)
		if err != nil {
			return nil, err
		}
		if len(rows) == 0 {
			l.read = nil
		} else {
			l.after = rows[len(rows)-1].Reference
		}
		l.rows = rows
	}
	if len(l.rows) == 0 {
		return nil, nil
	}
	return &l.rows[0], nil
}

// mergeRecords walks two lists as one.
func mergeRecords(a, b *recordList, fn func(id string, raw []byte) error) error {
	for {
		x, err := a.peek()
		if err != nil {
			return err
		}
		y, err := b.peek()
		if err != nil {
			return err
		}
		from, next := a, x
		if x == nil || y != nil && y.Reference < x.Reference {
			from, next = b, y
		}
		if next == nil {
			return nil
		}
		from.rows = from.rows[1:]
		if next.Raw == nil {
			continue // a payment whose own record has not been shown
		}
		if err := fn(next.Reference, next.Raw); err != nil {
			return err
		}
	}
}

// CurrentBalance is the newest balance of one asset of one account.
type CurrentBalance struct {
	// Account is the account's reference, Type the one in its identifier, if any.
	Account string
	Type    hub.AccountType
	Asset   hub.Asset
	Amount  hub.Amount
}

// BalanceRecords calls fn with the newest balance of every asset of every
// account of a connector, in the byte order of account and asset, until fn
// returns an error. As [Store.Records] it is no snapshot.
func (s *Store) BalanceRecords(ctx context.Context, connector hub.ConnectorID, fn func(CurrentBalance) error) error {
	key, err := s.connectorKey(ctx, connector)
	if err != nil {
		return err
	}
	var after CurrentBalance
	for {
		var rows []CurrentBalance
		err := s.driver.ReadOne(ctx, func(v View) (err error) {
			rows, err = v.CurrentBalances(ctx, key, after, recordsChunk)
			return err
		})
		if err != nil || len(rows) == 0 {
			return err
		}
		for _, row := range rows {
			if err := fn(row); err != nil {
				return err
			}
		}
		after = rows[len(rows)-1]
	}
}

func (s *Store) connectorKey(ctx context.Context, id hub.ConnectorID) (int64, error) {
	var key int64
	err := s.driver.ReadOne(ctx, func(v View) error {
		row, err := findConnector(ctx, v, id)
		key = row.Key
		return err
	})
	return key, err
}
