package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// A crowd is transactions that wait for the writer, which the test holds.
type crowd struct {
	t       *testing.T
	db      *DB
	writer  *session
	callers sync.WaitGroup

	mu sync.Mutex
	// transactions holds the one of each setting that was put, in the order of putting.
	transactions []*sql.Tx
	names        []string
	errs         map[string]error
}

func newCrowd(t *testing.T) *crowd {
	db := reopen(t, filepath.Join(t.TempDir(), "weir.db"))
	t.Cleanup(func() { closeDB(t, db) })
	db.joinMax = time.Minute
	return &crowd{t: t, db: db, writer: <-db.writer, errs: make(map[string]error)}
}

// add has a setting put, and then also done, by a caller of its own.
func (c *crowd) add(ctx context.Context, name string, also func() error) {
	c.callers.Go(func() {
		err := c.db.write(ctx, func(t *tx) error {
			c.mu.Lock()
			c.transactions, c.names = append(c.transactions, t.sql), append(c.names, name)
			c.mu.Unlock()
			if _, err := t.exec(ctx, `INSERT INTO setting (name, value) VALUES (?, ?)`, name, []byte("x")); err != nil {
				return err
			}
			return also()
		})
		c.mu.Lock()
		defer c.mu.Unlock()
		c.errs[name] = err
	})
	for waiting := false; !waiting; time.Sleep(time.Millisecond) { // so that they wait in order
		c.db.changes.mu.Lock()
		waiting = len(c.db.changes.wait) > 0 && c.db.changes.wait[len(c.db.changes.wait)-1].ctx == ctx
		c.db.changes.mu.Unlock()
	}
}

// release gives the writer back and waits for all.
func (c *crowd) release() {
	c.db.writer <- c.writer
	c.callers.Wait()
}

func (c *crowd) stored(name string) bool {
	c.t.Helper()
	value, err := c.db.Setting(context.Background(), name)
	if err != nil {
		c.t.Fatal(err)
	}
	return value != nil
}

func nothing() error { return nil }

func own(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return ctx
}

func TestTransactionsThatWaitAreCommittedTogether(t *testing.T) {
	c := newCrowd(t)
	for _, name := range []string{"a", "b", "c"} {
		c.add(own(t), name, nothing)
	}
	c.release()
	for i, name := range c.names {
		if c.transactions[i] != c.transactions[0] || c.errs[name] != nil || !c.stored(name) {
			t.Errorf("%s: error %v, stored %t, with the first: %t", name, c.errs[name], c.stored(name), c.transactions[i] == c.transactions[0])
		}
	}
}

func TestOneThatFailsAmongOthersLeavesNothingAndTakesNobodyAlong(t *testing.T) {
	mistake := errors.New("a mistake")
	for _, failing := range []string{"a", "b", "c"} {
		c := newCrowd(t)
		for _, name := range []string{"a", "b", "c"} {
			also := nothing
			if name == failing {
				also = func() error { return mistake }
			}
			c.add(own(t), name, also)
		}
		c.release()
		for _, name := range []string{"a", "b", "c"} {
			if failed := errors.Is(c.errs[name], mistake); failed != (name == failing) || c.stored(name) == failed {
				t.Errorf("%s failing: %s has error %v, stored %t", failing, name, c.errs[name], c.stored(name))
			}
		}
	}
}

func TestOneWhoseCallerIsGoneIsNotMade(t *testing.T) {
	c := newCrowd(t)
	waiting, cancel := context.WithCancel(t.Context())
	within, cut := context.WithCancel(t.Context())
	c.add(own(t), "a", nothing)
	c.add(waiting, "gone while it waited", nothing)
	c.add(within, "gone within", func() error { cut(); return nil })
	c.add(own(t), "b", nothing)
	cancel()
	for !c.db.changes.wait[1].begun.Load() {
		time.Sleep(time.Millisecond)
	}
	c.release()
	for name, want := range map[string]error{"a": nil, "gone while it waited": context.Canceled, "gone within": context.Canceled, "b": nil} {
		if got := c.errs[name]; !errors.Is(got, want) || c.stored(name) != (want == nil) {
			t.Errorf("%s: error %v, stored %t", name, got, c.stored(name))
		}
	}
}

func TestNobodyJoinsATransactionThatHasTakenLong(t *testing.T) {
	c := newCrowd(t)
	c.db.joinMax = joinMax
	c.add(own(t), "a", func() error { time.Sleep(2 * joinMax); return nil })
	c.add(own(t), "b", nothing)
	c.release()
	if c.transactions[0] == c.transactions[1] || !c.stored("a") || !c.stored("b") {
		t.Errorf("stored: %t and %t", c.stored("a"), c.stored("b"))
	}
}

func TestAMistakeCutsOffTheOthersAndLeavesTheWriterFree(t *testing.T) {
	c := newCrowd(t)
	c.add(own(t), "a", nothing)
	c.add(own(t), "b", nothing)
	first := c.db.changes.wait[0]
	inner := first.f
	first.f = func(t *tx) error { _ = inner(t); panic("a mistake of ours") }
	func() {
		defer func() { _ = recover() }()
		c.db.makeChanges(c.writer)
	}()
	c.callers.Wait()
	if !errors.Is(c.errs["a"], errCutOff) || c.stored("a") || c.errs["b"] != nil || !c.stored("b") {
		t.Errorf("%v, stored %t and %t", c.errs, c.stored("a"), c.stored("b"))
	}
}
