package store

import (
	"context"
	"errors"
	"time"

	"github.com/weirhq/weir/internal/hub"
)

// CompletePollWith is [Store.Apply] of a poll's last batch and [Store.CompletePoll]
// in one transaction: most polls find nothing new in one batch, and a commit is
// the largest part of what they cost. It is hub.CodeStale, and changes nothing,
// when either is.
func (s *Store) CompletePollWith(
	ctx context.Context, batch hub.Batch, turn int64, at time.Time, caughtUp bool, nextDue time.Time,
) (hub.Applied, error) {
	var applied hub.Applied
	err := s.driver.Write(ctx, func(tx Tx) error {
		row, err := findStream(ctx, tx, batch.Stream)
		if err != nil {
			return err
		}
		if err := ofTurn(&row.Stream, turn); err != nil {
			return err
		}
		a, err := admit(tx, &batch, &row)
		if err != nil {
			return err
		}
		a.ending = func(stream *hub.Stream) { completePoll(stream, at, caughtUp, nextDue) }
		if err := a.run(ctx); err != nil {
			return err
		}
		applied = a.applied
		return nil
	})
	if err != nil {
		return hub.Applied{}, err
	}
	return applied, nil
}

// ApplyNews is [Store.Apply] of a batch that may well hold nothing new. Then it
// changes nothing, not even the cursor, and costs no commit; stored says whether
// it did. It counts a record put aside as news.
func (s *Store) ApplyNews(ctx context.Context, batch hub.Batch) (applied hub.Applied, stored bool, err error) {
	err = s.driver.Write(ctx, func(tx Tx) error {
		row, err := findStream(ctx, tx, batch.Stream)
		if err != nil {
			return err
		}
		a, err := admit(tx, &batch, &row)
		if err != nil {
			return err
		}
		a.onlyNews = true
		if err := a.run(ctx); err != nil {
			return err
		}
		applied = a.applied
		return nil
	})
	if errors.Is(err, errUnchanged) {
		return hub.Applied{}, false, nil
	}
	if err != nil {
		return hub.Applied{}, false, err
	}
	return applied, true, nil
}
