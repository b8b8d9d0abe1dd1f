package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
	"github.com/weirhq/weir/internal/store/storetest"
)

// installed makes a store with connectors, and returns the keys of these.
func installed(t *testing.T, db *DB, names ...string) (*store.Store, []store.ConnectorRow) {
	t.Helper()
	s := store.New(db, storetest.PlainCipher{})
	var rows []store.ConnectorRow
	for _, name := range names {
		id := hub.NewConnectorID(hub.Provider)
		if err := s.InstallConnector(t.Context(), hub.Connector{ID: id, Name: name}); err != nil {
			t.Fatal(err)
		}
		err := db.Read(t.Context(), func(v store.View) error {
			row, _, err := v.ConnectorRow(t.Context(), id)
			rows = append(rows, row)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return s, rows
}

// follow reads the log by position until all events are there, and fails when a
// number is missing, comes twice, or appears below one that was read.
func follow(ctx context.Context, db *DB, all int64, limit func() int) error {
	last := int64(0)
	for last < all {
		var rows []store.EventRow
		err := db.Read(ctx, func(v store.View) (err error) {
			rows, err = v.EventRows(ctx, last, limit())
			return err
		})
		if err != nil {
			return err
		}
		for _, row := range rows {
			if row.Sequence != last+1 {
				return fmt.Errorf("event %d came after %d", row.Sequence, last)
			}
			last = row.Sequence
		}
	}
	return nil
}

// takeNumbers moves the counter, and so holds it until the transaction ends.
func takeNumbers(ctx context.Context, t store.Tx, n int) error {
	_, err := t.(*tx).exec(ctx, `UPDATE sequence SET value = value + $1 WHERE name = 'event'`, int64(n))
	return err
}

// appendNow does at once what waits for the commit otherwise.
func appendNow(ctx context.Context, t store.Tx, events []store.EventRow) error {
	args, err := eventValues(events)
	if err != nil {
		return err
	}
	_, err = t.(*tx).exec(ctx, appendEvents, args...)
	return err
}

// TestAReaderOfTheLogNeverPassesAnEventThatCommitsLater has writers that are held
// open at random before and after they append, so that they commit in another
// order than they began in, and readers that page by position meanwhile.
func TestAReaderOfTheLogNeverPassesAnEventThatCommitsLater(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	db := openDB(t, nil)
	_, connectors := installed(t, db, "acme")
	const writers, rounds = 6, 25
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var wait sync.WaitGroup
	var all int64
	plan := rand.New(rand.NewPCG(seed, 0))
	errUndone := errors.New("undone")
	for range writers {
		var sizes []int
		for range rounds {
			sizes = append(sizes, 1+plan.IntN(4))
		}
		random := rand.New(rand.NewPCG(seed, plan.Uint64()))
		for i, n := range sizes {
			if i%5 != 4 {
				all += int64(n)
			}
		}
		hold := func() { time.Sleep(time.Duration(random.IntN(4000)) * time.Microsecond) }
		wait.Go(func() {
			for i, n := range sizes {
				err := db.Write(ctx, func(tx store.Tx) error {
					hold()
					events := make([]store.EventRow, n)
					for k := range events {
						events[k] = store.EventRow{Type: hub.SavedPayment, ConnectorKey: connectors[0].Key, Subject: int64(k)}
					}
					if i%5 == 4 {
						// It takes numbers at once, holds them, and gives them back.
						if err := takeNumbers(ctx, tx, n); err != nil {
							return err
						}
						hold()
						return errUndone
					}
					if i%5 == 3 {
						// It appends by itself, and is held open before the commit.
						if err := appendNow(ctx, tx, events); err != nil {
							return err
						}
						hold()
						return nil
					}
					return tx.AppendEvents(ctx, events)
				})
				if err != nil && !errors.Is(err, errUndone) {
					t.Error(err)
				}
			}
		})
	}
	for range 3 {
		random := rand.New(rand.NewPCG(seed, plan.Uint64()))
		wait.Go(func() {
			if err := follow(ctx, db, all, func() int { return 1 + random.IntN(9) }); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
}

// TestAWriterThatIsSlowBeforeItAppendsHoldsNobodyUp is the order that decides:
// who takes numbers last is seen last, however early it began.
func TestAWriterThatIsSlowBeforeItAppendsHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	db := openDB(t, nil)
	_, connectors := installed(t, db, "acme")
	one := func() []store.EventRow {
		return []store.EventRow{{Type: hub.SavedPayment, ConnectorKey: connectors[0].Key}}
	}
	began, goOn := make(chan struct{}), make(chan struct{})
	slow := make(chan int64)
	go func() {
		rows := one()
		err := db.Write(context.Background(), func(tx store.Tx) error {
			if _, err := tx.EventCount(t.Context()); err != nil {
				return err
			}
			close(began)
			<-goOn
			return tx.AppendEvents(context.Background(), rows)
		})
		if err != nil {
			t.Error(err)
		}
		slow <- rows[0].Sequence
	}()
	<-began
	for want := int64(1); want <= 3; want++ {
		rows := one()
		if err := db.Write(t.Context(), func(tx store.Tx) error { return tx.AppendEvents(t.Context(), rows) }); err != nil {
			t.Fatal(err)
		}
		if rows[0].Sequence != want {
			t.Errorf("number %d, want %d", rows[0].Sequence, want)
		}
	}
	close(goOn)
	if number := <-slow; number != 4 {
		t.Errorf("the one that began first and appended last has number %d", number)
	}
}
