package postgres

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
)

const selectStream = `SELECT s.stream_key, s.connector_key, c.provider, c.reference, c.name, s.resource, s.period_ns, s.next_due_at, s.turn,
	COALESCE(s.paused_at, ''), s.cursor_version, s.cursor, s.caught_up, COALESCE(s.last_poll_at, ''), COALESCE(s.last_success_at, ''),
	COALESCE(s.failing_since, ''), s.consecutive_failures, COALESCE(s.error_code, ''), COALESCE(s.error_message, ''),
	s.versions, s.requests, s.open_rejections, s.late_max_ns, s.late_rows, s.findings
	FROM stream s JOIN connector c USING (connector_key) WHERE c.deleted_at IS NULL`

// A namedStream is a stream with the name of its connector, by which streams are
// ordered.
type namedStream struct {
	store.StreamRow
	name string
}

func readStream(scan func(...any) error) (namedStream, error) {
	var s namedStream
	var provider, reference, resource, dueAt, pausedAt, pollAt, successAt, failingSince, code, message, cursor, findings string
	var period, failures, lateMax, version int64
	err := scan(&s.Key, &s.ConnectorKey, &provider, &reference, &s.name, &resource, &period, &dueAt, &s.Turn,
		&pausedAt, &version, &cursor, &s.CaughtUp, &pollAt, &successAt, &failingSince, &failures, &code, &message,
		&s.Versions, &s.Requests, &s.OpenRejections, &lateMax, &s.LateRows, &findings)
	if err != nil {
		return s, err
	}
	s.ID = hub.StreamID{Connector: connectorID(provider, reference), Resource: hub.Resource(resource)}
	s.Period, s.LateMax, s.ConsecutiveFailures = time.Duration(period), time.Duration(lateMax), int(failures)
	s.NextDueAt, s.PausedAt, s.LastPollAt = store.ParseInstant(dueAt), store.ParseInstant(pausedAt), store.ParseInstant(pollAt)
	s.LastSuccessAt, s.FailingSince = store.ParseInstant(successAt), store.ParseInstant(failingSince)
	if code != "" {
		s.LastError = &hub.Error{Code: hub.Code(code), Message: decode(message)}
	}
	if err := json.Unmarshal([]byte(cursor), &s.Cursor); err != nil {
		return s, fmt.Errorf("stored cursor of %s: %w", s.ID, err)
	}
	s.Cursor.Version = version
	if err := json.Unmarshal([]byte(findings), &s.Findings); err != nil {
		return s, fmt.Errorf("stored findings of %s: %w", s.ID, err)
	}
	return s, nil
}

func (v view) streams(ctx context.Context, text string, args ...any) ([]store.StreamRow, error) {
	var named []namedStream
	err := v.query(ctx, text, func(scan func(...any) error) error {
		s, err := readStream(scan)
		named = append(named, s)
		return err
	}, args...)
	// The keys of a connector's streams are in the order in which they were made,
	// which is that of hub.Resources.
	slices.SortFunc(named, func(a, b namedStream) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.Key, b.Key))
	})
	rows := make([]store.StreamRow, len(named))
	for i := range named {
		rows[i] = named[i].StreamRow
	}
	return rows, err
}

const (
	oneStream = ` AND c.provider = $1 AND c.reference = $2 AND s.resource = $3`
	// lockStreams keeps the streams from everybody else until the transaction
	// ends. Who locks several does so in the order of their keys, so that two who
	// do never wait for each other.
	lockStreams = ` ORDER BY s.stream_key FOR NO KEY UPDATE OF s`
)

// StreamRow implements [store.StreamView].
func (v view) StreamRow(ctx context.Context, id hub.StreamID) (store.StreamRow, bool, error) {
	return v.stream(ctx, id, "")
}

// StreamRow implements [store.StreamView].
func (t *tx) StreamRow(ctx context.Context, id hub.StreamID) (store.StreamRow, bool, error) {
	return t.stream(ctx, id, lockStreams)
}

func (v view) stream(ctx context.Context, id hub.StreamID, end string) (store.StreamRow, bool, error) {
	rows, err := v.streams(ctx, selectStream+oneStream+end, encode(id.Connector.Provider), encode(id.Connector.Reference), string(id.Resource))
	if err != nil || len(rows) == 0 {
		return store.StreamRow{}, false, err
	}
	return rows[0], true, nil
}

// StreamRows implements [store.StreamView].
func (v view) StreamRows(ctx context.Context, connectorKey int64) ([]store.StreamRow, error) {
	return v.allStreams(ctx, connectorKey, "")
}

// StreamRows implements [store.StreamView].
func (t *tx) StreamRows(ctx context.Context, connectorKey int64) ([]store.StreamRow, error) {
	return t.allStreams(ctx, connectorKey, lockStreams)
}

func (v view) allStreams(ctx context.Context, connectorKey int64, end string) ([]store.StreamRow, error) {
	if connectorKey == 0 {
		return v.streams(ctx, selectStream+end)
	}
	return v.streams(ctx, selectStream+` AND s.connector_key = $1`+end, connectorKey)
}

// streamArrays are the columns of streams, in the order of the statements below.
const streamArrays = `unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::bigint[], $7::text[], $8::bigint[], $9::text[],
	$10::boolean[], $11::text[], $12::text[], $13::text[], $14::bigint[], $15::text[], $16::text[], $17::bigint[], $18::bigint[], $19::bigint[],
	$20::bigint[], $21::bigint[], $22::text[]) AS u (stream_key, connector_key, resource, period_ns, next_due_at, turn, paused_at, cursor_version,
	cursor, caught_up, last_poll_at, last_success_at, failing_since, consecutive_failures, error_code, error_message, versions, requests,
	open_rejections, late_max_ns, late_rows, findings)`

// InsertStreams implements [store.StreamTx].
func (t *tx) InsertStreams(ctx context.Context, rows []*store.StreamRow) error {
	if len(rows) == 0 {
		return nil
	}
	args, err := streamValues(rows)
	if err != nil {
		return err
	}
	// The keys of the arrays are not set yet.
	return t.insert(ctx, len(rows), func(i int, key int64) { rows[i].Key = key },
		`INSERT INTO stream (connector_key, resource, period_ns, next_due_at, turn, paused_at, cursor_version, cursor, caught_up, last_poll_at,
			last_success_at, failing_since, consecutive_failures, error_code, error_message, versions, requests, open_rejections, late_max_ns,
			late_rows, findings)
		SELECT connector_key, resource, period_ns, next_due_at, turn, NULLIF(paused_at, ''), cursor_version, cursor, caught_up,
			NULLIF(last_poll_at, ''), NULLIF(last_success_at, ''), NULLIF(failing_since, ''), consecutive_failures, NULLIF(error_code, ''),
			NULLIF(error_message, ''), versions, requests, open_rejections, late_max_ns, late_rows, findings
		FROM `+streamArrays+` RETURNING stream_key`, args...)
}

// UpdateStreams implements [store.StreamTx]. A cursor either stays or takes the
// next version: anything else would move it back, and is hub.CodeStale.
func (t *tx) UpdateStreams(ctx context.Context, rows []*store.StreamRow) error {
	if len(rows) == 0 {
		return nil
	}
	args, err := streamValues(rows)
	if err != nil {
		return err
	}
	changed, err := t.exec(ctx, `UPDATE stream s SET period_ns = u.period_ns, next_due_at = u.next_due_at, turn = u.turn,
			paused_at = NULLIF(u.paused_at, ''), cursor_version = u.cursor_version, cursor = u.cursor, caught_up = u.caught_up,
			last_poll_at = NULLIF(u.last_poll_at, ''), last_success_at = NULLIF(u.last_success_at, ''),
			failing_since = NULLIF(u.failing_since, ''), consecutive_failures = u.consecutive_failures,
			error_code = NULLIF(u.error_code, ''), error_message = CASE WHEN u.error_code <> '' THEN u.error_message END,
			versions = u.versions, requests = u.requests, open_rejections = u.open_rejections, late_max_ns = u.late_max_ns,
			late_rows = u.late_rows, findings = u.findings
		FROM `+streamArrays+`
		WHERE s.stream_key = u.stream_key AND u.cursor_version IN (s.cursor_version, s.cursor_version + 1)`, args...)
	if err == nil && changed != int64(len(rows)) {
		return hub.Errorf(hub.CodeStale, "of %d streams, beginning with %s, %d were read by somebody else in the meantime; nothing was changed",
			len(rows), rows[0].ID, int64(len(rows))-changed)
	}
	return err
}

func streamValues(rows []*store.StreamRow) ([]any, error) {
	n := len(rows)
	texts, numbers := arraysOf[string](10, n), arraysOf[int64](11, n)
	caughtUp := make([]bool, n)
	for i, s := range rows {
		cursor, err := json.Marshal(s.Cursor)
		if err != nil {
			return nil, fmt.Errorf("cursor of %s: %w", s.ID, err)
		}
		findings, err := json.Marshal(s.Findings)
		if err != nil {
			return nil, fmt.Errorf("findings of %s: %w", s.ID, err)
		}
		var code, message string
		if s.LastError != nil {
			code, message = string(s.LastError.Code), encode(s.LastError.Message)
		}
		caughtUp[i] = s.CaughtUp
		setAll(texts, i, string(s.ID.Resource), store.FormatInstant(s.NextDueAt), instantOrNone(s.PausedAt), string(cursor), instantOrNone(s.LastPollAt),
			instantOrNone(s.LastSuccessAt), instantOrNone(s.FailingSince), code, message, string(findings))
		setAll(numbers, i, s.Key, s.ConnectorKey, int64(s.Period), s.Turn, s.Cursor.Version, int64(s.ConsecutiveFailures),
			s.Versions, s.Requests, s.OpenRejections, int64(s.LateMax), s.LateRows)
	}
	return []any{
		numbers[0], numbers[1], texts[0], numbers[2], texts[1], numbers[3], texts[2], numbers[4], texts[3], caughtUp, texts[4], texts[5],
		texts[6], numbers[5], texts[7], texts[8], numbers[6], numbers[7], numbers[8], numbers[9], numbers[10], texts[9],
	}, nil
}

// Enqueue implements [store.StreamTx].
func (t *tx) Enqueue(ctx context.Context, jobs []store.Job) error {
	if t.db.enqueue == nil || len(jobs) == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := t.db.enqueue(t.during, t.tx, jobs); err != nil {
		return fmt.Errorf("enqueue the polls of %d streams, beginning with %s: %w", len(jobs), jobs[0].Stream, err)
	}
	return nil
}
