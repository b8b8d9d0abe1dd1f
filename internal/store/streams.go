package store

import (
	"context"
	"errors"
	"time"

	"github.com/weirhq/weir/internal/hub"
)

// A stream's Turn is the number of its next poll. Every change of when that poll
// is due takes the next number and hands the job engine a job for it in the
// same transaction. A job, and a poll that is still under way, for an earlier
// number find that they are stale and end; so a stream has one successor
// whatever happens, and never none.

// Stream returns a stream, or hub.CodeNotFound.
func (s *Store) Stream(ctx context.Context, id hub.StreamID) (hub.Stream, error) {
	var stream hub.Stream
	err := s.driver.ReadOne(ctx, func(v View) error {
		row, err := findStream(ctx, v, id)
		stream = row.Stream
		return err
	})
	return stream, err
}

// Streams returns the streams of a connector, or of all connectors when it is
// zero, in the order of the connectors' names and of hub.Resources.
func (s *Store) Streams(ctx context.Context, connector hub.ConnectorID) ([]hub.Stream, error) {
	var streams []hub.Stream
	err := s.driver.Read(ctx, func(v View) error {
		streams = nil
		var key int64
		if !connector.IsZero() {
			row, err := findConnector(ctx, v, connector)
			if err != nil {
				return err
			}
			key = row.Key
		}
		rows, err := v.StreamRows(ctx, key)
		for i := range rows {
			streams = append(streams, rows[i].Stream)
		}
		return err
	})
	return streams, err
}

// CompletePoll ends the poll of a turn with success and schedules the next for
// nextDue. It is hub.CodeStale, and changes nothing, when turn is not the
// stream's: somebody else has scheduled a poll in the meantime.
func (s *Store) CompletePoll(ctx context.Context, id hub.StreamID, turn int64, at time.Time, caughtUp bool, nextDue time.Time) error {
	return s.reschedule(ctx, id, func(stream *hub.Stream) error {
		if err := ofTurn(stream, turn); err != nil {
			return err
		}
		completePoll(stream, at, caughtUp, nextDue)
		return nil
	})
}

func completePoll(stream *hub.Stream, at time.Time, caughtUp bool, nextDue time.Time) {
	stream.CaughtUp = caughtUp
	stream.LastPollAt, stream.LastSuccessAt, stream.NextDueAt = at, at, nextDue
	stream.FailingSince, stream.ConsecutiveFailures, stream.LastError = time.Time{}, 0, nil
}

// FailPoll ends the poll of a turn with an error and schedules the next for
// nextDue. As [Store.CompletePoll] it is hub.CodeStale for another turn.
func (s *Store) FailPoll(ctx context.Context, id hub.StreamID, turn int64, at time.Time, cause *hub.Error, nextDue time.Time) error {
	return s.reschedule(ctx, id, func(stream *hub.Stream) error {
		if err := ofTurn(stream, turn); err != nil {
			return err
		}
		if stream.FailingSince.IsZero() {
			stream.FailingSince = at
		}
		stream.LastPollAt, stream.NextDueAt, stream.LastError = at, nextDue, cause
		stream.ConsecutiveFailures++
		return nil
	})
}

// PollNow makes a stream due at once. Called again before the poll, it changes
// nothing that shows. A stream at rest is hub.CodeInvalid.
func (s *Store) PollNow(ctx context.Context, id hub.StreamID) error {
	return s.reschedule(ctx, id, func(stream *hub.Stream) error {
		if !stream.PausedAt.IsZero() {
			return hub.Errorf(hub.CodeInvalid, "%s is paused; resume the stream to have it polled", id)
		}
		stream.NextDueAt = s.now()
		return nil
	})
}

// Pause puts a stream to rest from at on. A poll that is under way comes to its
// end; no other follows. Pausing twice keeps the first instant.
func (s *Store) Pause(ctx context.Context, id hub.StreamID, at time.Time) error {
	return s.driver.Write(ctx, func(tx Tx) error {
		row, err := findStream(ctx, tx, id)
		if err != nil || !row.PausedAt.IsZero() {
			return err
		}
		row.PausedAt = at
		return tx.UpdateStreams(ctx, []*StreamRow{&row})
	})
}

// Resume wakes a stream that rests; it is due when it was due before, or at
// once when that is over. A stream that does not rest stays as it is.
func (s *Store) Resume(ctx context.Context, id hub.StreamID, at time.Time) error {
	return s.reschedule(ctx, id, func(stream *hub.Stream) error {
		if stream.PausedAt.IsZero() {
			return errUnchanged
		}
		stream.PausedAt = time.Time{}
		stream.NextDueAt = later(stream.NextDueAt, at)
		return nil
	})
}

// Rewind sets a stream's watermark back, so that everything since is read
// again: nothing is stored twice, identifiers stay, and what had been missed is
// found. The zero instant rewinds to the beginning. The stream becomes due at
// once unless it rests. An instant after the watermark is hub.CodeInvalid, and
// so are balances, which are always read whole.
func (s *Store) Rewind(ctx context.Context, id hub.StreamID, to time.Time) error {
	return s.reschedule(ctx, id, func(stream *hub.Stream) error {
		if id.Resource == hub.Balances {
			return hub.Errorf(hub.CodeInvalid, "%s have no place to go back to: every poll reads all of them", id)
		}
		if mark := stream.Cursor.Watermark; to.After(mark) {
			if mark.IsZero() {
				return hub.Errorf(hub.CodeInvalid, "%s have not been read yet; there is nothing to go back over", id)
			}
			return hub.Errorf(hub.CodeInvalid, "%s stand at %s; rewind to an earlier instant than that",
				id, mark.UTC().Format(time.RFC3339Nano))
		}
		stream.Cursor = hub.Cursor{Version: stream.Cursor.Version + 1, Watermark: to.UTC(), Manners: stream.Cursor.Manners}
		stream.CaughtUp = false
		stream.NextDueAt = s.now()
		return nil
	})
}

// Reschedule gives every stream that does not rest a fresh turn and job, due
// when it was due or at once when that is over. It is for the start of a hub
// that runs alone: no job of an earlier process can still be under way.
func (s *Store) Reschedule(ctx context.Context, now time.Time) error {
	return s.driver.Write(ctx, func(tx Tx) error {
		rows, err := tx.StreamRows(ctx, 0)
		if err != nil {
			return err
		}
		var changed []*StreamRow
		for i := range rows {
			if row := &rows[i]; row.PausedAt.IsZero() {
				row.NextDueAt = later(row.NextDueAt, now)
				row.Turn++
				changed = append(changed, row)
			}
		}
		if err := tx.UpdateStreams(ctx, changed); err != nil {
			return err
		}
		return tx.Enqueue(ctx, jobsOf(changed))
	})
}

// SweepStreams hands the job engine the jobs of streams that are overdue by more
// than overdueBy, in case it has lost them, and returns how many there are. A
// job that it still has is not added again. It locks no stream, so that polls go
// on meanwhile; a job whose turn has passed in between has nothing to do.
func (s *Store) SweepStreams(ctx context.Context, overdueBy time.Duration) (int, error) {
	var overdue []*StreamRow
	err := s.driver.ReadOne(ctx, func(v View) error {
		rows, err := v.StreamRows(ctx, 0)
		overdue = nil
		limit := s.now().Add(-overdueBy)
		for i := range rows {
			if row := &rows[i]; row.PausedAt.IsZero() && row.NextDueAt.Before(limit) {
				overdue = append(overdue, row)
			}
		}
		return err
	})
	if err != nil || len(overdue) == 0 {
		return 0, err
	}
	err = s.driver.Write(ctx, func(tx Tx) error { return tx.Enqueue(ctx, jobsOf(overdue)) })
	return len(overdue), err
}

// errUnchanged ends a transaction that is to leave everything as it is.
var errUnchanged = errors.New("nothing has changed")

// reschedule changes a stream, gives it its next turn, and hands the job engine
// the job for it unless the stream rests.
func (s *Store) reschedule(ctx context.Context, id hub.StreamID, change func(*hub.Stream) error) error {
	err := s.driver.Write(ctx, func(tx Tx) error {
		row, err := findStream(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := change(&row.Stream); err != nil {
			return err
		}
		return advance(ctx, tx, &row)
	})
	if errors.Is(err, errUnchanged) {
		return nil
	}
	return err
}

// advance stores a stream with its next turn, and hands the job engine the job
// for it unless the stream rests.
func advance(ctx context.Context, tx Tx, row *StreamRow) error {
	row.Turn++
	rows := []*StreamRow{row}
	if err := tx.UpdateStreams(ctx, rows); err != nil || !row.PausedAt.IsZero() {
		return err
	}
	return tx.Enqueue(ctx, jobsOf(rows))
}

func findStream(ctx context.Context, v View, id hub.StreamID) (StreamRow, error) {
	row, found, err := v.StreamRow(ctx, id)
	if err == nil && !found {
		return row, noConnector(id.Connector)
	}
	return row, err
}

func ofTurn(stream *hub.Stream, turn int64) error {
	if stream.Turn == turn {
		return nil
	}
	return hub.Errorf(hub.CodeStale, "%s are at turn %d, turn %d is over", stream.ID, stream.Turn, turn)
}

func jobsOf(rows []*StreamRow) []Job {
	jobs := make([]Job, 0, len(rows))
	for _, row := range rows {
		jobs = append(jobs, Job{Stream: row.ID, Turn: row.Turn, DueAt: row.NextDueAt})
	}
	return jobs
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
