package sqlite

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
)

// Ceiling writes adjustments, each with its payment and its event, into a fresh
// database at path: the rows that the store would write, by the same prepared
// statements, rowsPerTx in a transaction, and nothing else. No look-up, no
// comparison, no folding: each adjustment must be of a payment of its own. It
// returns the time that the transactions took, which is the least that storing
// these rows takes on this machine; the time of making the rows is not in it.
func Ceiling(ctx context.Context, path string, adjustments iter.Seq[hub.PaymentAdjustment], rowsPerTx int) (elapsed time.Duration, err error) {
	db, err := Open(ctx, path, Options{})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()

	connector := store.ConnectorRow{Connector: hub.Connector{ID: hub.NewConnectorID(hub.Provider), Name: "ceiling"}}
	if err := db.Write(ctx, func(t store.Tx) error { return t.InsertConnector(ctx, &connector) }); err != nil {
		return 0, err
	}
	rows := make([]hub.PaymentAdjustment, 0, rowsPerTx)
	flush := func() error {
		start := time.Now()
		err := db.Write(ctx, func(t store.Tx) error { return writeRows(ctx, t, connector.Key, rows) })
		elapsed += time.Since(start)
		rows = rows[:0]
		return err
	}
	for a := range adjustments {
		rows = append(rows, a)
		if len(rows) < rowsPerTx {
			continue
		}
		if err := flush(); err != nil {
			return 0, err
		}
	}
	return elapsed, flush()
}

func writeRows(ctx context.Context, t store.Tx, connectorKey int64, rows []hub.PaymentAdjustment) error {
	payments := make([]*store.PaymentRow, len(rows))
	for i := range rows {
		a := &rows[i]
		payments[i] = &store.PaymentRow{ConnectorKey: connectorKey, Payment: hub.Payment{
			ID: hub.PaymentID{Reference: a.Reference, Type: a.Type}, Reference: a.Reference, CreatedAt: a.CreatedAt,
			Type: a.Type, Status: a.Status, Scheme: a.Scheme, Asset: a.Asset, InitialAmount: a.Amount, Amount: a.Amount,
			SourceAccount: a.SourceAccount, DestinationAccount: a.DestinationAccount, Metadata: a.Metadata,
		}}
	}
	if err := t.InsertPayments(ctx, payments); err != nil {
		return err
	}
	adjustments := make([]*store.AdjustmentRow, len(rows))
	for i := range rows {
		adjustments[i] = &store.AdjustmentRow{
			PaymentKey: payments[i].Key, ConnectorKey: connectorKey, Hash: store.HashOf(rows[i].Raw), PaymentAdjustment: rows[i],
		}
	}
	if err := t.InsertAdjustments(ctx, adjustments); err != nil {
		return err
	}
	events := make([]store.EventRow, len(rows))
	for i, row := range adjustments {
		events[i] = store.EventRow{Type: hub.SavedPayment, ConnectorKey: connectorKey, Subject: row.Key}
	}
	return t.AppendEvents(ctx, events)
}
