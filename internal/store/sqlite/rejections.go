package sqlite

import (
	"context"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
)

const selectRejection = `SELECT r.rejection_key, r.stream_key, c.provider, c.reference, s.resource, r.reference, r.hash, r.stamped_at,
	r.reason, r.first_seen_at, r.last_seen_at, r.resolved_at, `

const fromRejection = ` FROM rejection r JOIN stream s USING (stream_key) JOIN connector c USING (connector_key) WHERE c.deleted_at IS NULL`

func (v view) rejections(ctx context.Context, rows []store.RejectionRow, text string, args ...any) ([]store.RejectionRow, error) {
	err := v.query(ctx, text, func(r row) error {
		rows = append(rows, store.RejectionRow{
			StreamKey: r.int(1), Hash: r.hash(6),
			Rejection: hub.Rejection{
				ID: r.int(0),
				Stream: hub.StreamID{
					Connector: hub.ConnectorID{Provider: r.text(2), Reference: r.text(3)},
					Resource:  hub.Resource(r.text(4)),
				},
				Reference: r.text(5), StampedAt: r.instant(7), Reason: r.text(8),
				FirstSeenAt: r.instant(9), LastSeenAt: r.instant(10), ResolvedAt: r.instant(11), Raw: r.bytes(12),
			},
		})
		return nil
	}, args...)
	return rows, err
}

// FindRejections implements [store.RejectionView].
func (v view) FindRejections(ctx context.Context, streamKey int64, samples []store.RejectionRow) ([]store.RejectionRow, error) {
	var rows []store.RejectionRow
	for i := range samples {
		var err error
		rows, err = v.rejections(ctx, rows, selectRejection+`NULL`+fromRejection+` AND r.stream_key = ? AND r.reference = ? AND r.hash = ?`,
			streamKey, samples[i].Reference, samples[i].Hash[:])
		if err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// OpenRejections implements [store.RejectionView].
func (v view) OpenRejections(ctx context.Context, streamKey int64, references []string, hashes []store.Hash) ([]store.RejectionRow, error) {
	const open = ` AND r.stream_key = ? AND r.resolved_at IS NULL`
	var rows []store.RejectionRow
	err := eachList(references, func(_ int, args []any) (err error) {
		rows, err = v.rejections(ctx, rows, selectRejection+`NULL`+fromRejection+` AND r.reference IN `+inList+open, args...)
		return err
	}, streamKey)
	if err != nil {
		return nil, err
	}
	bytes := make([][]byte, len(hashes))
	for i := range hashes {
		bytes[i] = hashes[i][:]
	}
	err = eachList(bytes, func(_ int, args []any) (err error) {
		rows, err = v.rejections(ctx, rows, selectRejection+`NULL`+fromRejection+` AND r.reference = '' AND r.hash IN `+inList+open, args...)
		return err
	}, streamKey)
	return rows, err
}

// RejectionRow implements [store.RejectionView].
func (v view) RejectionRow(ctx context.Context, id int64) (store.RejectionRow, bool, error) {
	rows, err := v.rejections(ctx, nil, selectRejection+`r.raw`+fromRejection+` AND r.rejection_key = ?`, id)
	if err != nil || len(rows) == 0 {
		return store.RejectionRow{}, false, err
	}
	return rows[0], true, nil
}

// RejectionPage implements [store.RejectionView]. Rejections are listed by their
// keys alone, which grow with the instant at which they were first seen.
func (v view) RejectionPage(ctx context.Context, streamKey int64, q hub.ListQuery, open bool) ([]store.RejectionRow, error) {
	text := selectRejection + `r.raw` + fromRejection + ` AND r.stream_key = ?`
	args := []any{streamKey}
	if open {
		text += ` AND r.resolved_at IS NULL`
	}
	order, beyond := "DESC", "<"
	if q.Backward {
		order, beyond = "ASC", ">"
	}
	if !q.At.IsZero() {
		text += ` AND r.rejection_key ` + beyond + ` ?`
		args = append(args, q.At.Key)
	}
	if q.Filter != nil {
		return nil, hub.Errorf(hub.CodeInvalid, "rejections can't be filtered")
	}
	return v.rejections(ctx, nil, text+` ORDER BY r.rejection_key `+order+` LIMIT ?`, append(args, int64(q.Limit))...)
}

// InsertRejections implements [store.RejectionTx].
func (t *tx) InsertRejections(ctx context.Context, rows []*store.RejectionRow) (err error) {
	for _, r := range rows {
		r.ID, err = t.insert(ctx, `INSERT INTO rejection (stream_key, reference, hash, stamped_at, reason, raw, first_seen_at,
			last_seen_at, resolved_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			r.StreamKey, r.Reference, r.Hash[:], instantOrNull(r.StampedAt), r.Reason, blob(r.Raw),
			store.FormatInstant(r.FirstSeenAt), store.FormatInstant(r.LastSeenAt), instantOrNull(r.ResolvedAt))
		if err != nil {
			return err
		}
	}
	return nil
}

// UpdateRejections implements [store.RejectionTx].
func (t *tx) UpdateRejections(ctx context.Context, rows []*store.RejectionRow) error {
	for _, r := range rows {
		_, err := t.exec(ctx, `UPDATE rejection SET reason = ?, last_seen_at = ?, resolved_at = ? WHERE rejection_key = ?`,
			r.Reason, store.FormatInstant(r.LastSeenAt), instantOrNull(r.ResolvedAt), r.ID)
		if err != nil {
			return err
		}
	}
	return nil
}
