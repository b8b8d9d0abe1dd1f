package verify

import (
	"context"
	"fmt"
	"time"

	"github.com/weirhq/weir/wire"
)

const (
	// seededGroup is more than a page of a hub.
	seededGroup = 130
	// seededBefore is how old the rows are that are put into a service: old
	// enough to be no late ones.
	seededBefore = time.Hour
)

func seedID(kind string, number int) string { return fmt.Sprintf("weir-verify-%s-%03d", kind, number) }

// seedAt is the instant of the first row that is put into the service, or was
// by the run that this one is compared with; zero where there is none.
func (e *Exam) seedAt() time.Time {
	switch {
	case e.options.Baseline != nil && !e.options.Baseline.SeededAt.IsZero():
		return e.options.Baseline.SeededAt
	case e.options.Hooks.Seed == nil:
		return time.Time{}
	}
	return e.begun.UTC().Add(-seededBefore).Truncate(time.Second)
}

// seed puts in what checks need and a service rarely has by itself: a large
// group of one instant, large amounts, and twins.
func (e *Exam) seed(ctx context.Context) {
	at := e.seedAt()
	if e.snapshot != nil {
		e.snapshot.SeededAt = at
	}
	if e.options.Hooks.Seed == nil || e.options.Baseline != nil && at.Equal(e.options.Baseline.SeededAt) {
		return
	}
	row := func(kind string, number int, amount wire.Amount, after time.Duration) wire.Transaction {
		stamp := at.Add(after)
		return wire.Transaction{
			ID: seedID(kind, number), CreatedAt: stamp, UpdatedAt: stamp, Currency: "EUR/2",
			Type: wire.TypePayin, Status: wire.StatusSucceeded, Amount: amount,
		}
	}
	var rows []wire.Transaction
	for i := range seededGroup {
		rows = append(rows, row("group", i, wire.AmountOfInt(int64(1001+i)), 0))
	}
	for i, amount := range largeAmounts {
		rows = append(rows, row("large", i, amount, time.Duration(i+1)*time.Millisecond))
	}
	for i := range 2 {
		rows = append(rows, row("twin", i, "4711", time.Duration(i+11)*time.Millisecond))
	}
	if err := e.options.Hooks.Seed(ctx, rows); err != nil {
		e.seedings["G2"] = err
	}
}
