package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/weirhq/weir/internal/hub"
)

// Events returns up to limit events after a sequence number, in the order of
// the log, at most 1,000. The payload is derived from what is stored: a payment
// as it was once the event's adjustment had been stored, an account in the
// event's version, a balance with the instant that it had then. Of a payment's
// adjustments only the event's own, the last, has its Raw.
func (s *Store) Events(ctx context.Context, after int64, limit int) ([]hub.Event, error) {
	limit = max(min(limit, pageMax), 0)
	var events []hub.Event
	err := s.driver.Read(ctx, func(v View) error {
		rows, err := v.EventRows(ctx, after, limit)
		if err != nil {
			return err
		}
		events = make([]hub.Event, len(rows))
		subjects := map[hub.EventType][]int64{}
		for i, row := range rows {
			events[i] = hub.Event{Sequence: row.Sequence, Type: row.Type, Connector: row.Connector, At: row.At}
			subjects[row.Type] = append(subjects[row.Type], row.Subject)
		}
		if err := fillAccounts(ctx, v, events, rows, subjects[hub.SavedAccount]); err != nil {
			return err
		}
		if err := fillBalances(ctx, v, events, rows, subjects[hub.SavedBalance]); err != nil {
			return err
		}
		return fillPayments(ctx, v, events, rows, subjects[hub.SavedPayment])
	})
	return events, err
}

func fillAccounts(ctx context.Context, v View, events []hub.Event, rows []EventRow, keys []int64) error {
	versions, err := v.AccountVersions(ctx, keys)
	if err != nil {
		return err
	}
	byKey := make(map[int64]*AccountRow, len(versions))
	for i := range versions {
		byKey[versions[i].VersionKey] = &versions[i]
	}
	for i, row := range rows {
		if row.Type != hub.SavedAccount {
			continue
		}
		version := byKey[row.Subject]
		if version == nil {
			return missingSubject(row)
		}
		events[i].Account, events[i].Key = &version.Account, version.EventKey()
	}
	return nil
}

func fillBalances(ctx context.Context, v View, events []hub.Event, rows []EventRow, keys []int64) error {
	balances, err := v.BalancesByKey(ctx, keys)
	if err != nil {
		return err
	}
	byKey := make(map[int64]*BalanceRow, len(balances))
	for i := range balances {
		byKey[balances[i].Key] = &balances[i]
	}
	for i, row := range rows {
		if row.Type != hub.SavedBalance {
			continue
		}
		stored := byKey[row.Subject]
		if stored == nil {
			return missingSubject(row)
		}
		balance := stored.Balance
		balance.LastUpdatedAt = row.LastUpdatedAt
		events[i].Balance, events[i].Key = &balance, balance.EventKey()
	}
	return nil
}

func fillPayments(ctx context.Context, v View, events []hub.Event, rows []EventRow, keys []int64) error {
	var paymentKeys []int64
	for _, row := range rows {
		if row.Type == hub.SavedPayment {
			paymentKeys = append(paymentKeys, row.PaymentKey)
		}
	}
	slices.Sort(paymentKeys)
	paymentKeys = slices.Compact(paymentKeys)
	payments, err := v.PaymentsByKey(ctx, paymentKeys)
	if err != nil {
		return err
	}
	adjustments, err := v.Adjustments(ctx, paymentKeys)
	if err != nil {
		return err
	}
	raws, err := v.RawAdjustments(ctx, keys)
	if err != nil {
		return err
	}
	ids := make(map[int64]hub.PaymentID, len(payments))
	for i := range payments {
		ids[payments[i].Key] = payments[i].ID
	}
	histories := make(map[int64][]AdjustmentRow, len(payments))
	for _, a := range adjustments {
		histories[a.PaymentKey] = append(histories[a.PaymentKey], a)
	}
	for i, row := range rows {
		if row.Type != hub.SavedPayment {
			continue
		}
		var until []hub.PaymentAdjustment
		for _, a := range histories[row.PaymentKey] {
			if a.Key <= row.Subject {
				until = append(until, a.PaymentAdjustment)
			}
		}
		if len(until) == 0 {
			return missingSubject(row)
		}
		last := &until[len(until)-1]
		last.Raw = raws[row.Subject]
		p := hub.Fold(ids[row.PaymentKey], until)
		events[i].Payment, events[i].Key = &p, last.EventKey(p.ID)
	}
	return nil
}

func missingSubject(row EventRow) error {
	return fmt.Errorf("event %d is about %s %d, which is not stored", row.Sequence, row.Type, row.Subject)
}

// EventCount returns how many events the log holds.
func (s *Store) EventCount(ctx context.Context) (int64, error) {
	var count int64
	err := s.driver.ReadOne(ctx, func(v View) (err error) {
		count, err = v.EventCount(ctx)
		return err
	})
	return count, err
}

// LastSequence returns the number that was given to an event last; 0 when there
// has been none. It is never given again, whatever is removed.
func (s *Store) LastSequence(ctx context.Context) (int64, error) {
	var last int64
	err := s.driver.ReadOne(ctx, func(v View) (err error) {
		last, err = v.LastSequence(ctx)
		return err
	})
	return last, err
}
