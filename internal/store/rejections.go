package store

import (
	"context"
	"time"

	"github.com/weirhq/weir/internal/hub"
)

// A sighting is a record as it was shown: by its reference and its bytes.
type sighting struct {
	reference string
	hash      Hash
}

// applyRejections keeps the records that can't be understood, each state once,
// and resolves those whose records can be understood by now.
func (a *application) applyRejections(ctx context.Context) error {
	quarantined, err := a.quarantine(ctx)
	if err != nil || a.stream.OpenRejections == 0 {
		return err
	}
	return a.resolve(ctx, quarantined)
}

// quarantine stores the batch's rejections and returns them. One that is stored
// already has only been seen again; it is opened again if it was resolved.
func (a *application) quarantine(ctx context.Context) (map[sighting]*RejectionRow, error) {
	rejected := a.batch.Rejected
	if len(rejected) == 0 {
		return nil, nil
	}
	samples := make([]RejectionRow, len(rejected))
	for i := range rejected {
		samples[i] = RejectionRow{StreamKey: a.stream.Key, Hash: HashOf(rejected[i].Raw), Rejection: rejected[i]}
		samples[i].Stream = a.stream.ID
		samples[i].FirstSeenAt, samples[i].LastSeenAt, samples[i].ResolvedAt = a.batch.SeenAt, a.batch.SeenAt, time.Time{}
	}
	stored, err := a.tx.FindRejections(ctx, a.stream.Key, samples)
	if err != nil {
		return nil, err
	}
	known := make(map[sighting]*RejectionRow, len(samples))
	for i := range stored {
		known[sighting{stored[i].Reference, stored[i].Hash}] = &stored[i]
	}
	seen := make(map[sighting]*RejectionRow, len(samples))
	var fresh, again []*RejectionRow
	for i := range samples {
		sample := &samples[i]
		at := sighting{sample.Reference, sample.Hash}
		if seen[at] != nil {
			continue
		}
		before := known[at]
		if before == nil {
			seen[at] = sample
			fresh = append(fresh, sample)
			continue
		}
		if !before.ResolvedAt.IsZero() {
			before.ResolvedAt, before.Reason = time.Time{}, sample.Reason
			a.applied.Rejected++
		}
		before.LastSeenAt = a.batch.SeenAt
		seen[at] = before
		again = append(again, before)
	}
	a.applied.Rejected += len(fresh)
	a.stream.OpenRejections += int64(a.applied.Rejected)
	if err := a.tx.InsertRejections(ctx, fresh); err != nil {
		return nil, err
	}
	return seen, a.tx.UpdateRejections(ctx, again)
}

// resolve marks the open rejections of records that the batch shows in a state
// that can be understood. What was shown last decides; within one batch, which
// can show a record before and after a change, the later stamp.
func (a *application) resolve(ctx context.Context, quarantined map[sighting]*RejectionRow) error {
	readable, references, hashes := a.readable()
	if len(readable) == 0 {
		return nil
	}
	open, err := a.tx.OpenRejections(ctx, a.stream.Key, references, hashes)
	if err != nil {
		return err
	}
	var resolved []*RejectionRow
	for i := range open {
		row := &open[i]
		now := quarantined[sighting{row.Reference, row.Hash}] != nil
		if now && row.Reference != "" && row.StampedAt.After(readable[row.Reference]) {
			continue
		}
		row.ResolvedAt = a.batch.SeenAt
		resolved = append(resolved, row)
	}
	a.stream.OpenRejections -= int64(len(resolved))
	return a.tx.UpdateRejections(ctx, resolved)
}

// readable returns the newest stamps of the records in the batch that could be
// understood, their references, and the hashes of their bytes.
func (a *application) readable() (map[string]time.Time, []string, []Hash) {
	rows := len(a.batch.Accounts) + len(a.batch.Adjustments)
	stamps := make(map[string]time.Time, rows)
	references := make([]string, 0, rows)
	hashes := make([]Hash, 0, rows)
	add := func(reference string, stamp time.Time, raw []byte) {
		before, found := stamps[reference]
		if !found {
			references = append(references, reference)
		}
		stamps[reference] = later(before, stamp)
		hashes = append(hashes, HashOf(raw))
	}
	for i := range a.batch.Accounts {
		add(a.batch.Accounts[i].Reference, a.batch.Accounts[i].CreatedAt, a.batch.Accounts[i].Raw)
	}
	for i := range a.batch.Adjustments {
		add(a.batch.Adjustments[i].Reference, a.batch.Adjustments[i].UpdatedAt, a.batch.Adjustments[i].Raw)
	}
	for i := range a.batch.Balances {
		add(a.batch.Balances[i].Account.Reference, a.batch.Balances[i].LastUpdatedAt, a.batch.Balances[i].Raw)
	}
	return stamps, references, hashes
}

// Rejections lists what a stream could not understand, the newest first: only
// what is still open, or all of it.
func (s *Store) Rejections(ctx context.Context, stream hub.StreamID, q hub.ListQuery, open bool) (hub.Page[hub.Rejection], error) {
	q = clamp(q)
	var page hub.Page[hub.Rejection]
	err := s.driver.Read(ctx, func(v View) error {
		row, err := findStream(ctx, v, stream)
		if err != nil {
			return err
		}
		rows, err := v.RejectionPage(ctx, row.Key, more(q), open)
		if err != nil {
			return err
		}
		page, err = pageOf(q, rows, func(r *RejectionRow) hub.Position {
			return hub.Position{CreatedAt: r.FirstSeenAt, Key: r.ID}
		}, func(r *RejectionRow) (hub.Rejection, error) { return r.Rejection, nil })
		return err
	})
	return page, err
}

// Rejection returns a rejection with its bytes, or hub.CodeNotFound.
func (s *Store) Rejection(ctx context.Context, id int64) (hub.Rejection, error) {
	var rejection hub.Rejection
	err := s.driver.Read(ctx, func(v View) error {
		row, err := findRejection(ctx, v, id)
		rejection = row.Rejection
		return err
	})
	return rejection, err
}

// TouchRejection replaces the reason of a rejection, after it was tried again
// and something else stood in the way.
func (s *Store) TouchRejection(ctx context.Context, id int64, reason string) error {
	return s.driver.Write(ctx, func(tx Tx) error {
		row, _, err := lockRejection(ctx, tx, id)
		if err != nil {
			return err
		}
		row.Reason = reason
		return tx.UpdateRejections(ctx, []*RejectionRow{&row})
	})
}

// ResolveRejection marks a rejection as resolved at an instant. One that is
// resolved already keeps its instant. Where a readable version of the record is
// applied, Apply has done so by itself.
func (s *Store) ResolveRejection(ctx context.Context, id int64, at time.Time) error {
	return s.driver.Write(ctx, func(tx Tx) error {
		row, stream, err := lockRejection(ctx, tx, id)
		if err != nil || !row.ResolvedAt.IsZero() {
			return err
		}
		row.ResolvedAt = at
		if err := tx.UpdateRejections(ctx, []*RejectionRow{&row}); err != nil {
			return err
		}
		stream.OpenRejections--
		return tx.UpdateStreams(ctx, []*StreamRow{&stream})
	})
}

// lockRejection finds a rejection and keeps everybody else from it, as Apply
// does: by its stream. What it says is read again then, for it may have changed
// while the stream was somebody else's.
func lockRejection(ctx context.Context, tx Tx, id int64) (RejectionRow, StreamRow, error) {
	row, err := findRejection(ctx, tx, id)
	if err != nil {
		return row, StreamRow{}, err
	}
	stream, err := findStream(ctx, tx, row.Stream)
	if err != nil {
		return row, stream, err
	}
	row, err = findRejection(ctx, tx, id)
	return row, stream, err
}

func findRejection(ctx context.Context, v View, id int64) (RejectionRow, error) {
	row, found, err := v.RejectionRow(ctx, id)
	if err == nil && !found {
		return row, hub.Errorf(hub.CodeNotFound, "there is no rejection %d; list the rejections of a stream for those there are", id)
	}
	return row, err
}
