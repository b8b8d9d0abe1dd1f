package sqlite

import (
	"context"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
)

// EventRows implements [store.EventView].
func (v view) EventRows(ctx context.Context, after int64, limit int) ([]store.EventRow, error) {
	var rows []store.EventRow
	err := v.query(ctx, `SELECT e.seq, e.kind, e.connector_key, c.provider, c.reference, e.subject, a.payment_key,
		COALESCE(e.at, a.seen_at, v.seen_at), e.last_updated_at
		FROM event e CROSS JOIN connector c USING (connector_key)
		LEFT JOIN adjustment a ON e.kind = 3 AND a.adjustment_key = e.subject
		LEFT JOIN account_version v ON e.kind = 1 AND v.version_key = e.subject
		WHERE e.seq > ? AND c.deleted_at IS NULL ORDER BY e.seq LIMIT ?`, func(r row) error {
		rows = append(rows, store.EventRow{
			Sequence: r.int(0), Type: store.EventKind(r.int(1)).Type(), ConnectorKey: r.int(2),
			Connector: hub.ConnectorID{Provider: r.text(3), Reference: r.text(4)},
			Subject:   r.int(5), PaymentKey: r.int(6), At: r.instant(7), LastUpdatedAt: r.instant(8),
		})
		return nil
	}, after, int64(limit))
	return rows, err
}

// EventCount implements [store.EventView].
func (v view) EventCount(ctx context.Context) (int64, error) {
	return v.number(ctx, `SELECT count(*) FROM event WHERE connector_key IN (SELECT connector_key FROM connector WHERE deleted_at IS NULL)`)
}

// LastSequence implements [store.EventView].
func (v view) LastSequence(ctx context.Context) (int64, error) {
	return v.number(ctx, `SELECT value FROM sequence WHERE name = 'event'`)
}

func (v view) number(ctx context.Context, text string) (int64, error) {
	var n int64
	err := v.query(ctx, text, func(r row) error {
		n = r.int(0)
		return nil
	})
	return n, err
}

// AppendEvents implements [store.EventTx]. The numbers come from a counter that
// nobody else can move before this transaction ends, so a reader never finds a
// number below one that it has seen.
func (t *tx) AppendEvents(ctx context.Context, rows []store.EventRow) error {
	if len(rows) == 0 {
		return nil
	}
	last, err := t.LastSequence(ctx)
	if err != nil {
		return err
	}
	for i := range rows {
		e := &rows[i]
		last++
		e.Sequence = last
		kind, err := store.KindOf(e.Type)
		if err != nil {
			return err
		}
		_, err = t.exec(ctx, `INSERT INTO event (seq, kind, connector_key, subject, at, last_updated_at) VALUES (?, ?, ?, ?, ?, ?)`,
			e.Sequence, int64(kind), e.ConnectorKey, e.Subject, instantOrNull(e.At), instantOrNull(e.LastUpdatedAt))
		if err != nil {
			return err
		}
	}
	_, err = t.exec(ctx, `UPDATE sequence SET value = ? WHERE name = 'event'`, last)
	return err
}
