package postgres

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
)

// Ceiling writes adjustments, each with its payment and its event, into the
// tables of the database at dsn: the rows that the store would write, by plain
// COPY, rowsPerTx in a transaction, with keys chosen beforehand, and nothing
// else. No look-up, no comparison, no folding: each adjustment must be of a
// payment of its own. It returns the time that the transactions took, which is
// the least that storing these rows takes on this machine and this server; the
// time of making the rows is not in it.
//
// The database must hold no payments; the tables are made. [Scratch] gives one.
func Ceiling(ctx context.Context, dsn string, adjustments iter.Seq[hub.PaymentAdjustment], rowsPerTx int) (elapsed time.Duration, err error) {
	db, err := Open(ctx, Options{DSN: dsn, Migrate: true})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()

	connector := store.ConnectorRow{Connector: hub.Connector{ID: hub.NewConnectorID(hub.Provider), Name: "ceiling"}}
	if err := db.Write(ctx, func(t store.Tx) error { return t.InsertConnector(ctx, &connector) }); err != nil {
		return 0, err
	}
	c := copier{connectorKey: connector.Key}
	flush := func() error {
		start := time.Now()
		err := pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error { return c.write(ctx, tx) })
		elapsed += time.Since(start)
		c.payments, c.adjustments, c.events = c.payments[:0], c.adjustments[:0], c.events[:0]
		return err
	}
	for a := range adjustments {
		if err := c.add(&a); err != nil {
			return 0, err
		}
		if len(c.payments) < rowsPerTx {
			continue
		}
		if err := flush(); err != nil {
			return 0, explain(db.name, err)
		}
	}
	return elapsed, explain(db.name, flush())
}

// A copier holds the rows of one transaction as COPY takes them.
type copier struct {
	connectorKey, key             int64
	payments, adjustments, events [][]any
}

func (c *copier) add(a *hub.PaymentAdjustment) error {
	meta, err := metadata(a.Metadata)
	if err != nil {
		return err
	}
	c.key++
	hash := store.HashOf(a.Raw)
	digits := pgtype.Numeric{Int: a.Amount.Int(), Valid: true}
	c.payments = append(c.payments, []any{
		c.key, c.connectorKey, encode(a.Reference), string(a.Type), store.FormatInstant(a.CreatedAt), string(a.Type), string(a.Status), string(a.Scheme),
		string(a.Asset), digits, digits, orNull(encode(a.SourceAccount)), orNull(encode(a.DestinationAccount)), orNull(meta),
	})
	c.adjustments = append(c.adjustments, []any{
		c.key, c.key, c.connectorKey, nil, int64(a.Version), store.FormatInstant(a.CreatedAt), store.FormatInstant(a.UpdatedAt), string(a.Type), string(a.Status),
		string(a.Scheme), string(a.Asset), digits, orNull(encode(a.SourceAccount)), orNull(encode(a.DestinationAccount)), orNull(meta),
		store.FormatInstant(a.SeenAt), hash[:], a.Raw,
	})
	c.events = append(c.events, []any{c.key, int16(store.KindPayment), c.connectorKey, c.key})
	return nil
}

func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func (c *copier) write(ctx context.Context, tx pgx.Tx) error {
	for _, table := range []struct {
		name    string
		columns []string
		rows    [][]any
	}{
		{"payment", []string{
			"payment_key", "connector_key", "reference", "id_type", "created_at", "type", "status", "scheme", "asset",
			"initial_amount", "amount", "source", "destination", "metadata",
		}, c.payments},
		{"adjustment", []string{
			"adjustment_key", "payment_key", "connector_key", "record", "version", "created_at", "updated_at", "type", "status",
			"scheme", "asset", "amount", "source", "destination", "metadata", "seen_at", "hash", "raw",
		}, c.adjustments},
		{"event", []string{"seq", "kind", "connector_key", "subject"}, c.events},
	} {
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{table.name}, table.columns, pgx.CopyFromRows(table.rows)); err != nil {
			return fmt.Errorf("copy into %s: %w", table.name, err)
		}
	}
	return nil
}
