package postgres

import (
	"context"

	"github.com/weirhq/weir/internal/store"
)

// EventRows implements [store.EventView].
func (v view) EventRows(ctx context.Context, after int64, limit int) ([]store.EventRow, error) {
	var rows []store.EventRow
	err := v.query(ctx, `SELECT e.seq, e.kind, e.connector_key, c.provider, c.reference, e.subject, COALESCE(a.payment_key, 0),
		COALESCE(e.at, a.seen_at, v.seen_at, ''), COALESCE(e.last_updated_at, '')
		FROM event e `+connectorOfRow("e")+`
		LEFT JOIN adjustment a ON e.kind = 3 AND a.adjustment_key = e.subject
		LEFT JOIN account_version v ON e.kind = 1 AND v.version_key = e.subject
		WHERE e.seq > $1 ORDER BY e.seq LIMIT $2`, func(scan func(...any) error) error {
		var row store.EventRow
		var kind int16
		var provider, reference, at, updatedAt string
		err := scan(&row.Sequence, &kind, &row.ConnectorKey, &provider, &reference, &row.Subject, &row.PaymentKey, &at, &updatedAt)
		row.Type, row.Connector = store.EventKind(kind).Type(), connectorID(provider, reference)
		row.At, row.LastUpdatedAt = store.ParseInstant(at), store.ParseInstant(updatedAt)
		rows = append(rows, row)
		return err
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
	err := v.query(ctx, text, func(scan func(...any) error) error { return scan(&n) })
	return n, err
}

// AppendEvents implements [store.EventTx]. The numbers come from a counter whose
// row this transaction holds until it ends: whoever wants numbers next waits for
// that, and so gets higher ones and becomes visible later. A reader that has seen
// a number never finds one below it afterwards. The price is that transactions
// with events are one after the other from there to the end of their commit, so
// the events are kept until then and travel with it. The rows have their numbers
// once the transaction is committed.
func (t *tx) AppendEvents(ctx context.Context, rows []store.EventRow) error {
	if len(t.events) == 0 {
		t.events = rows
	} else {
		t.events = append(t.events, rows...)
	}
	return ctx.Err()
}

const appendEvents = `WITH taken AS (UPDATE sequence SET value = value + $1 WHERE name = 'event' RETURNING value),
	stored AS (
		INSERT INTO event (seq, kind, connector_key, subject, at, last_updated_at)
		SELECT taken.value - $1 + u.place, u.kind, u.connector_key, u.subject, NULLIF(u.at, ''), NULLIF(u.last_updated_at, '')
		FROM taken, unnest($2::smallint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[]) WITH ORDINALITY
			AS u (kind, connector_key, subject, at, last_updated_at, place)
	) SELECT value FROM taken`

// eventValues are the arguments of appendEvents.
func eventValues(rows []store.EventRow) ([]any, error) {
	n := len(rows)
	kinds, numbers, texts := make([]int16, n), arraysOf[int64](2, n), arraysOf[string](2, n)
	for i := range rows {
		e := &rows[i]
		kind, err := store.KindOf(e.Type)
		if err != nil {
			return nil, err
		}
		kinds[i] = int16(kind) //nolint:gosec // one of three
		setAll(numbers, i, e.ConnectorKey, e.Subject)
		setAll(texts, i, instantOrNone(e.At), instantOrNone(e.LastUpdatedAt))
	}
	return []any{int64(n), kinds, numbers[0], numbers[1], texts[0], texts[1]}, nil
}
