package store

import (
	"context"
	"fmt"
	"time"

	"github.com/weirhq/weir/internal/hub"
)

// Apply stores what one answer of a service comes to, in one transaction: new
// versions of records, what they fold into, events, rejections, findings and
// the stream's cursor. Rows that are known already are dropped, so a batch may
// hold what an earlier one held, and the rows of a batch may come in any order.
//
// It is hub.CodeStale, and stores nothing, when the stream's cursor has moved on
// from batch.Read: two readers never undo each other, and the same batch given
// twice is stored once. On any error nothing is stored.
func (s *Store) Apply(ctx context.Context, batch hub.Batch) (hub.Applied, error) {
	var applied hub.Applied
	err := s.driver.Write(ctx, func(tx Tx) error {
		row, err := findStream(ctx, tx, batch.Stream)
		if err != nil {
			return err
		}
		a, err := admit(tx, &batch, &row)
		if err != nil {
			return err
		}
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

// An application is one batch on its way into the database.
type application struct {
	tx      Tx
	batch   *hub.Batch
	stream  *StreamRow
	applied hub.Applied
	events  []EventRow
	// conflicts and moved describe what the service did that it should not:
	// changed a record without moving its stamp, gave it another parent.
	conflicts, moved oddity
	// ending changes the stream at the end of its poll and has the next one
	// scheduled; nil where the poll goes on.
	ending func(stream *hub.Stream)
	// onlyNews ends a batch without news with errUnchanged.
	onlyNews bool
}

// admit begins the application of a batch, unless the stream's cursor has moved on.
func admit(tx Tx, batch *hub.Batch, row *StreamRow) (*application, error) {
	if row.Cursor.Version != batch.Read.Version {
		return nil, hub.Errorf(hub.CodeStale, "%s have been read by somebody else in the meantime: the cursor is at version %d, the batch comes from %d",
			batch.Stream, row.Cursor.Version, batch.Read.Version)
	}
	return &application{tx: tx, batch: batch, stream: row}, nil
}

// An oddity counts records that have something in common, and names the first.
type oddity struct {
	count int
	first string
}

func (o *oddity) add(reference string) {
	if o.count == 0 {
		o.first = reference
	}
	o.count++
}

func (a *application) run(ctx context.Context) error {
	if err := a.applyAccounts(ctx); err != nil {
		return fmt.Errorf("store accounts: %w", err)
	}
	if err := a.applyBalances(ctx); err != nil {
		return fmt.Errorf("store balances: %w", err)
	}
	if err := a.applyAdjustments(ctx); err != nil {
		return fmt.Errorf("store adjustments: %w", err)
	}
	if err := a.applyRejections(ctx); err != nil {
		return fmt.Errorf("store rejections: %w", err)
	}
	if a.onlyNews && a.applied.Stored == 0 && a.applied.Rejected == 0 {
		return errUnchanged
	}
	a.finishStream()
	if err := a.updateStream(ctx); err != nil {
		return err
	}
	// Last, because from here to the commit nobody else can append.
	if err := a.tx.AppendEvents(ctx, a.events); err != nil {
		return fmt.Errorf("store events: %w", err)
	}
	return nil
}

// updateStream stores the stream, with the end of its poll where this is the last batch.
func (a *application) updateStream(ctx context.Context) error {
	if a.ending == nil {
		return a.tx.UpdateStreams(ctx, []*StreamRow{a.stream})
	}
	a.ending(&a.stream.Stream)
	return advance(ctx, a.tx, a.stream)
}

// announce adds an event about a subject to those of the batch.
func (a *application) announce(t hub.EventType, subject int64) {
	a.events = append(a.events, EventRow{Type: t, ConnectorKey: a.stream.ConnectorKey, Subject: subject})
}

// noteStored counts a stored version. Where it could have moved the watermark,
// as the first or newest version of its record, but lies before it, it is late.
func (a *application) noteStored(stamp time.Time, leading bool) {
	a.applied.Stored++
	mark := a.batch.Read.Watermark
	if !leading || mark.IsZero() || !stamp.Before(mark) {
		return
	}
	a.applied.Late++
	a.applied.LateMax = max(a.applied.LateMax, mark.Sub(stamp))
}

// finishStream moves the cursor, the counters and the findings of the stream.
func (a *application) finishStream() {
	stream := &a.stream.Stream
	version := stream.Cursor.Version + 1
	stream.Cursor = a.batch.Next
	stream.Cursor.Version = version
	a.applied.Cursor = stream.Cursor

	stream.Versions += int64(a.applied.Stored)
	stream.Requests += int64(a.batch.Requests)
	stream.LateRows += int64(a.applied.Late)
	stream.LateMax = max(stream.LateMax, a.applied.LateMax)
	stream.Findings = hub.MergeFindings(stream.Findings, a.batch.Findings)
	stream.Findings = hub.MergeFindings(stream.Findings, a.findings())
}

// findings says in words what the store alone can notice.
func (a *application) findings() []hub.Finding {
	var found []hub.Finding
	add := func(code hub.FindingCode, format string, args ...any) {
		found = append(found, hub.Finding{Code: code, Text: fmt.Sprintf(format, args...), SeenAt: a.batch.SeenAt})
	}
	if a.conflicts.count > 0 {
		add(hub.FindingStampReused,
			"the service changes records without moving their updatedAt (at the last sight %s, first %q); "+
				"the state that was read last stands, and a change that is not re-read in time can be missed",
			countRecords(a.conflicts.count), shorten(a.conflicts.first))
	}
	if a.moved.count > 0 {
		add(hub.FindingParentChanged,
			"the service moves records from one related transaction to another (at the last sight %s, first %q); "+
				"they stay with the payment under which they were first stored",
			countRecords(a.moved.count), shorten(a.moved.first))
	}
	if a.applied.Late > 0 {
		add(hub.FindingLateRows,
			"records appear after later ones have been read: %d so far, at most %s behind; "+
				"they are found by reading again behind the watermark",
			a.stream.LateRows, a.stream.LateMax.Round(time.Millisecond))
	}
	return found
}

func countRecords(n int) string {
	if n == 1 {
		return "1 record"
	}
	return fmt.Sprintf("%d records", n)
}

// shorten keeps a finding readable whatever a service uses as an identifier.
func shorten(reference string) string {
	const most = 80
	if len(reference) <= most {
		return reference
	}
	return reference[:most] + "…"
}
