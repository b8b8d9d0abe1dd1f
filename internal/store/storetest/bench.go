package storetest

import (
	"context"
	"testing"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
)

// ApplyFresh measures the storing of rows that were never seen. An operation is a
// batch; batch makes the one with so many rows that begins at the row from.
func ApplyFresh(b *testing.B, s *store.Store, rows int, batch func(read hub.Cursor, from int) hub.Batch) {
	b.Helper()
	var cursor hub.Cursor
	for i := 0; b.Loop(); i++ {
		cursor = measureApply(b, s, batch, cursor, i*rows, rows)
	}
	b.ReportMetric(float64(b.N*rows)/b.Elapsed().Seconds(), "rows/s")
}

// ApplyKnown measures the reading again of rows that are stored.
func ApplyKnown(b *testing.B, s *store.Store, rows int, batch func(read hub.Cursor, from int) hub.Batch) {
	b.Helper()
	var cursor hub.Cursor
	const batches = 20
	for i := range batches {
		applied, err := s.Apply(context.Background(), batch(cursor, i*rows))
		if err != nil {
			b.Fatal(err)
		}
		cursor = applied.Cursor
	}
	for i := 0; b.Loop(); i++ {
		cursor = measureApply(b, s, batch, cursor, i%batches*rows, 0)
	}
	b.ReportMetric(float64(b.N*rows)/b.Elapsed().Seconds(), "rows/s")
}

// measureApply applies one batch, whose making is not measured, and returns
// where the stream stands then.
func measureApply(
	b *testing.B, s *store.Store, batch func(read hub.Cursor, from int) hub.Batch, cursor hub.Cursor, from, stored int,
) hub.Cursor {
	b.Helper()
	b.StopTimer()
	made := batch(cursor, from)
	b.StartTimer()
	applied, err := s.Apply(context.Background(), made)
	if err != nil || applied.Stored != stored {
		b.Fatal(applied.Stored, err)
	}
	return applied.Cursor
}
