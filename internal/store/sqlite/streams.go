package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
)

const selectStream = `SELECT s.stream_key, s.connector_key, c.provider, c.reference, s.resource, s.period_ns, s.next_due_at, s.turn,
	s.paused_at, s.cursor_version, s.cursor, s.caught_up, s.last_poll_at, s.last_success_at, s.failing_since,
	s.consecutive_failures, s.error_code, s.error_message, s.versions, s.requests, s.open_rejections,
	s.late_max_ns, s.late_rows, s.findings
	FROM stream s JOIN connector c USING (connector_key) WHERE c.deleted_at IS NULL`

func readStream(r row) (store.StreamRow, error) {
	s := store.StreamRow{
		Key: r.int(0), ConnectorKey: r.int(1),
		Stream: hub.Stream{
			ID: hub.StreamID{
				Connector: hub.ConnectorID{Provider: r.text(2), Reference: r.text(3)},
				Resource:  hub.Resource(r.text(4)),
			},
			Period: time.Duration(r.int(5)), NextDueAt: r.instant(6), Turn: r.int(7), PausedAt: r.instant(8),
			CaughtUp: r.int(11) != 0, LastPollAt: r.instant(12), LastSuccessAt: r.instant(13), FailingSince: r.instant(14),
			ConsecutiveFailures: int(r.int(15)), Versions: r.int(18), Requests: r.int(19), OpenRejections: r.int(20),
			LateMax: time.Duration(r.int(21)), LateRows: r.int(22),
		},
	}
	if code := r.text(16); code != "" {
		s.LastError = &hub.Error{Code: hub.Code(code), Message: r.text(17)}
	}
	if err := json.Unmarshal([]byte(r.text(10)), &s.Cursor); err != nil {
		return s, fmt.Errorf("stored cursor of %s: %w", s.ID, err)
	}
	s.Cursor.Version = r.int(9)
	if err := json.Unmarshal([]byte(r.text(23)), &s.Findings); err != nil {
		return s, fmt.Errorf("stored findings of %s: %w", s.ID, err)
	}
	return s, nil
}

func (v view) streams(ctx context.Context, text string, args ...any) ([]store.StreamRow, error) {
	var rows []store.StreamRow
	err := v.query(ctx, text, func(r row) error {
		s, err := readStream(r)
		rows = append(rows, s)
		return err
	}, args...)
	return rows, err
}

// StreamRow implements [store.StreamView].
func (v view) StreamRow(ctx context.Context, id hub.StreamID) (store.StreamRow, bool, error) {
	rows, err := v.streams(ctx, selectStream+` AND c.provider = ? AND c.reference = ? AND s.resource = ?`,
		id.Connector.Provider, id.Connector.Reference, string(id.Resource))
	if err != nil || len(rows) == 0 {
		return store.StreamRow{}, false, err
	}
	return rows[0], true, nil
}

// StreamRows implements [store.StreamView]. The keys of a connector's streams
// are in the order in which they were made, which is that of hub.Resources.
func (v view) StreamRows(ctx context.Context, connectorKey int64) ([]store.StreamRow, error) {
	const order = ` ORDER BY c.name, s.stream_key`
	if connectorKey == 0 {
		return v.streams(ctx, selectStream+order)
	}
	return v.streams(ctx, selectStream+` AND s.connector_key = ?`+order, connectorKey)
}

// InsertStreams implements [store.StreamTx].
func (t *tx) InsertStreams(ctx context.Context, rows []*store.StreamRow) error {
	for _, s := range rows {
		values, err := streamValues(s)
		if err != nil {
			return err
		}
		s.Key, err = t.insert(ctx, `INSERT INTO stream (period_ns, next_due_at, turn, paused_at, cursor_version, cursor, caught_up,
			last_poll_at, last_success_at, failing_since, consecutive_failures, error_code, error_message, versions, requests,
			open_rejections, late_max_ns, late_rows, findings, connector_key, resource)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			append(values, s.ConnectorKey, string(s.ID.Resource))...)
		if err != nil {
			return err
		}
	}
	return nil
}

// UpdateStreams implements [store.StreamTx].
func (t *tx) UpdateStreams(ctx context.Context, rows []*store.StreamRow) error {
	for _, s := range rows {
		values, err := streamValues(s)
		if err != nil {
			return err
		}
		_, err = t.exec(ctx, `UPDATE stream SET period_ns = ?, next_due_at = ?, turn = ?, paused_at = ?, cursor_version = ?, cursor = ?,
			caught_up = ?, last_poll_at = ?, last_success_at = ?, failing_since = ?, consecutive_failures = ?, error_code = ?,
			error_message = ?, versions = ?, requests = ?, open_rejections = ?, late_max_ns = ?, late_rows = ?, findings = ?
			WHERE stream_key = ?`, append(values, s.Key)...)
		if err != nil {
			return err
		}
	}
	return nil
}

// streamValues are the columns that change, in the order of the statements above.
func streamValues(s *store.StreamRow) ([]any, error) {
	cursor, err := json.Marshal(s.Cursor)
	if err != nil {
		return nil, fmt.Errorf("cursor of %s: %w", s.ID, err)
	}
	findings, err := json.Marshal(s.Findings)
	if err != nil {
		return nil, fmt.Errorf("findings of %s: %w", s.ID, err)
	}
	var code, message any
	if s.LastError != nil {
		code, message = string(s.LastError.Code), s.LastError.Message
	}
	return []any{
		int64(s.Period), store.FormatInstant(s.NextDueAt), s.Turn, instantOrNull(s.PausedAt), s.Cursor.Version, string(cursor),
		flag(s.CaughtUp), instantOrNull(s.LastPollAt), instantOrNull(s.LastSuccessAt), instantOrNull(s.FailingSince),
		int64(s.ConsecutiveFailures), code, message, s.Versions, s.Requests,
		s.OpenRejections, int64(s.LateMax), s.LateRows, string(findings),
	}, nil
}

// Enqueue implements [store.StreamTx].
func (t *tx) Enqueue(ctx context.Context, jobs []store.Job) error {
	if t.db.options.Enqueue == nil {
		return nil
	}
	for _, job := range jobs {
		if err := t.db.options.Enqueue(ctx, t.sql, job); err != nil {
			return fmt.Errorf("enqueue the poll of %s: %w", job.Stream, err)
		}
	}
	return nil
}
