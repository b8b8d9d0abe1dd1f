package postgres

import (
	"context"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
)

const selectRejection = `SELECT r.rejection_key, r.stream_key, c.provider, c.reference, s.resource, r.reference, r.hash, COALESCE(r.stamped_at, ''),
	r.reason, r.first_seen_at, r.last_seen_at, COALESCE(r.resolved_at, ''), `

var joinRejection = ` CROSS JOIN LATERAL (SELECT resource, connector_key FROM stream WHERE stream_key = r.stream_key OFFSET 0) s ` + connectorOfRow("s") + ` `

func (v view) rejections(ctx context.Context, text string, args ...any) ([]store.RejectionRow, error) {
	var rows []store.RejectionRow
	err := v.query(ctx, text, func(scan func(...any) error) error {
		var row store.RejectionRow
		var provider, reference, resource, stampedAt, firstSeenAt, lastSeenAt, resolvedAt string
		var hash []byte
		r := &row.Rejection
		err := scan(&r.ID, &row.StreamKey, &provider, &reference, &resource, &r.Reference, &hash, &stampedAt,
			&r.Reason, &firstSeenAt, &lastSeenAt, &resolvedAt, &r.Raw)
		r.Stream = hub.StreamID{Connector: connectorID(provider, reference), Resource: hub.Resource(resource)}
		r.Reference, r.Reason, row.Hash = decode(r.Reference), decode(r.Reason), hashOf(hash)
		r.StampedAt, r.FirstSeenAt = store.ParseInstant(stampedAt), store.ParseInstant(firstSeenAt)
		r.LastSeenAt, r.ResolvedAt = store.ParseInstant(lastSeenAt), store.ParseInstant(resolvedAt)
		rows = append(rows, row)
		return err
	}, args...)
	return rows, err
}

// FindRejections implements [store.RejectionView].
func (v view) FindRejections(ctx context.Context, streamKey int64, samples []store.RejectionRow) ([]store.RejectionRow, error) {
	if len(samples) == 0 {
		return nil, nil
	}
	references, hashes := make([]string, len(samples)), make([][]byte, len(samples))
	for i := range samples {
		references[i], hashes[i] = encode(samples[i].Reference), samples[i].Hash[:]
	}
	return v.rejections(ctx, selectRejection+`NULL::bytea
		FROM (SELECT DISTINCT reference COLLATE "C" AS reference, hash FROM unnest($2::text[], $3::bytea[]) AS u (reference, hash)) n
		CROSS JOIN LATERAL (SELECT * FROM rejection
			WHERE stream_key = $1 AND left(reference, 600) = left(n.reference, 600) AND reference = n.reference AND hash = n.hash OFFSET 0) r`+
		joinRejection, streamKey, references, hashes)
}

// OpenRejections implements [store.RejectionView]. That they are open is asked in
// such a way that the index of the list of open ones is not taken for this.
func (v view) OpenRejections(ctx context.Context, streamKey int64, references []string, hashes []store.Hash) ([]store.RejectionRow, error) {
	if len(references)+len(hashes) == 0 {
		return nil, nil
	}
	return v.rejections(ctx, selectRejection+`NULL::bytea
		FROM (SELECT DISTINCT unnest($2::text[]) COLLATE "C" AS reference) n
		CROSS JOIN LATERAL (SELECT * FROM rejection WHERE stream_key = $1 AND left(reference, 600) = left(n.reference, 600)
			AND reference = n.reference AND COALESCE(resolved_at, '') = '' OFFSET 0) r`+joinRejection+`
		UNION ALL `+selectRejection+`NULL::bytea
		FROM (SELECT DISTINCT unnest($3::bytea[]) AS hash) n
		CROSS JOIN LATERAL (SELECT * FROM rejection WHERE stream_key = $1 AND left(reference, 600) = '' AND hash = n.hash
			AND reference = '' AND COALESCE(resolved_at, '') = '' OFFSET 0) r`+
		joinRejection, streamKey, encodeAll(references), hashBytes(hashes))
}

// RejectionRow implements [store.RejectionView].
func (v view) RejectionRow(ctx context.Context, id int64) (store.RejectionRow, bool, error) {
	rows, err := v.rejections(ctx, selectRejection+`r.raw FROM rejection r`+joinRejection+`WHERE r.rejection_key = $1`, id)
	if err != nil || len(rows) == 0 {
		return store.RejectionRow{}, false, err
	}
	return rows[0], true, nil
}

// RejectionPage implements [store.RejectionView]. Rejections are listed by their
// keys alone, which grow with the instant at which they were first seen.
func (v view) RejectionPage(ctx context.Context, streamKey int64, q hub.ListQuery, open bool) ([]store.RejectionRow, error) {
	if q.Filter != nil {
		return nil, hub.Errorf(hub.CodeInvalid, "rejections can't be filtered")
	}
	var s statement
	s.add(selectRejection+`r.raw FROM rejection r`+joinRejection+`WHERE r.stream_key + 0 = ?`, streamKey)
	if open {
		s.add(` AND r.resolved_at IS NULL`)
	}
	order, beyond := "DESC", "<"
	if q.Backward {
		order, beyond = "ASC", ">"
	}
	if !q.At.IsZero() {
		s.add(` AND r.rejection_key `+beyond+` ?`, q.At.Key)
	}
	s.add(` ORDER BY r.rejection_key `+order+` LIMIT ?`, int64(q.Limit))
	return v.rejections(ctx, s.String(), s.args...)
}

// InsertRejections implements [store.RejectionTx].
func (t *tx) InsertRejections(ctx context.Context, rows []*store.RejectionRow) error {
	if len(rows) == 0 {
		return nil
	}
	n := len(rows)
	keys, texts, hashes, raws := make([]int64, n), arraysOf[string](6, n), make([][]byte, n), make([][]byte, n)
	for i, r := range rows {
		keys[i], hashes[i], raws[i] = r.StreamKey, r.Hash[:], blob(r.Raw)
		setAll(texts, i, encode(r.Reference), instantOrNone(r.StampedAt), encode(r.Reason), store.FormatInstant(r.FirstSeenAt), store.FormatInstant(r.LastSeenAt),
			instantOrNone(r.ResolvedAt))
	}
	return t.insert(ctx, n, func(i int, key int64) { rows[i].ID = key },
		`INSERT INTO rejection (stream_key, reference, stamped_at, reason, first_seen_at, last_seen_at, resolved_at, hash, raw)
		SELECT stream_key, reference, NULLIF(stamped_at, ''), reason, first_seen_at, last_seen_at, NULLIF(resolved_at, ''), hash, raw
		FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bytea[], $9::bytea[])
			AS u (stream_key, reference, stamped_at, reason, first_seen_at, last_seen_at, resolved_at, hash, raw) RETURNING rejection_key`,
		keys, texts[0], texts[1], texts[2], texts[3], texts[4], texts[5], hashes, raws)
}

// UpdateRejections implements [store.RejectionTx].
func (t *tx) UpdateRejections(ctx context.Context, rows []*store.RejectionRow) error {
	if len(rows) == 0 {
		return nil
	}
	keys, texts := make([]int64, len(rows)), arraysOf[string](3, len(rows))
	for i, r := range rows {
		keys[i] = r.ID
		setAll(texts, i, encode(r.Reason), store.FormatInstant(r.LastSeenAt), instantOrNone(r.ResolvedAt))
	}
	_, err := t.exec(ctx, `UPDATE rejection r SET reason = u.reason, last_seen_at = u.last_seen_at, resolved_at = NULLIF(u.resolved_at, '')
		FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) AS u (rejection_key, reason, last_seen_at, resolved_at)
		WHERE r.rejection_key = u.rejection_key`, keys, texts[0], texts[1], texts[2])
	return err
}
