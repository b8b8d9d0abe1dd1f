package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/weirhq/weir/internal/store"
	"github.com/weirhq/weir/internal/store/storetest"
)

// TestStore is the behaviour of every driver; what is peculiar to this one is
// looked at when each of its databases closes: that no row points nowhere, and
// that no statement walks through a whole table.
func TestStore(t *testing.T) {
	plans := plans{seen: map[string]bool{}}
	t.Run("Behaviour", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T, enqueue storetest.Enqueue) *store.Store {
			t.Helper()
			db := openDB(t, enqueue)
			t.Cleanup(func() { plans.check(t, db) })
			return store.New(db, storetest.PlainCipher{})
		})
	})
	if len(plans.seen) < 50 {
		t.Errorf("only %d statements were looked at", len(plans.seen))
	}
}

func openDB(tb testing.TB, enqueue storetest.Enqueue) *DB {
	tb.Helper()
	var options Options
	if enqueue != nil {
		options.Enqueue = func(ctx context.Context, _ *sql.Tx, job store.Job) error { return enqueue(ctx, job) }
	}
	db, err := Open(context.Background(), filepath.Join(tb.TempDir(), "weir.db"), options)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		checkIntegrity(tb, db)
		if err := db.Close(); err != nil {
			tb.Error(err)
		}
	})
	return db
}

// checkIntegrity asks SQLite whether every row's references exist, which it is
// not asked to see to while it writes.
func checkIntegrity(tb testing.TB, db *DB) {
	tb.Helper()
	for _, pragma := range []string{"PRAGMA foreign_key_check", "PRAGMA integrity_check"} {
		err := db.read(context.Background(), func(v view) error {
			return v.query(context.Background(), pragma, func(r row) error {
				if r.text(0) != "ok" {
					tb.Errorf("%s: %v", pragma, r)
				}
				return nil
			})
		})
		if err != nil {
			tb.Errorf("%s: %v", pragma, err)
		}
	}
}

// eachSession calls f with every session of a database that nobody uses.
func (db *DB) eachSession(f func(*session)) {
	var sessions []*session
	for range readersMax {
		sessions = append(sessions, <-db.readers)
	}
	for _, s := range sessions {
		f(s)
		db.readers <- s
	}
	writer := <-db.writer
	f(writer)
	db.writer <- writer
}

// plans looks at how SQLite runs the statements that the behaviours have used.
type plans struct {
	mu   sync.Mutex
	seen map[string]bool
}

// largeTables are those that grow with what is read.
var largeTables = []string{"account", "account_version", "balance", "payment", "adjustment", "event", "rejection"}

// scansMeant are the statements that look at every row of a large table, with
// the reason why they may.
var scansMeant = map[string]string{
	"SELECT count(*) FROM event": "counts them",
}

// sortsMeant are parts of statements that sort more than they return.
var sortsMeant = map[string]string{
	"(SELECT a.raw FROM":                "the versions of one record",
	"FROM connector c CROSS JOIN":       "the rows of one reference, one of each connector",
	"FROM connector c WHERE c.deleted_": "the connectors",
}

func (p *plans) check(t *testing.T, db *DB) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	db.eachSession(func(s *session) {
		for _, text := range slices.Collect(maps.Keys(s.prepared)) {
			if !p.seen[text] {
				p.seen[text] = true
				p.explain(t, s, text)
			}
		}
	})
}

func (p *plans) explain(t *testing.T, s *session, text string) {
	t.Helper()
	verb, _, _ := strings.Cut(text, " ")
	if !slices.Contains([]string{"SELECT", "UPDATE", "DELETE", "WITH"}, verb) {
		return
	}
	for start := range scansMeant {
		if strings.HasPrefix(text, start) {
			return
		}
	}
	args := make([]any, strings.Count(text, "?"))
	var steps []string
	err := s.query(context.Background(), "EXPLAIN QUERY PLAN "+text, func(r row) error {
		steps = append(steps, r.text(3))
		return nil
	}, args...)
	if err != nil {
		t.Errorf("explain %s: %v", text, err)
	}
	for _, step := range steps {
		if walks(text, step) || strings.Contains(step, "TEMP B-TREE") && unboundedSort(text) {
			t.Errorf("%s\n  %s", text, strings.Join(steps, "\n  "))
			return
		}
	}
}

// walks reports whether a step of a plan looks at a large table without knowing
// where to begin. A walk along the index of a list is how a list is read.
func walks(text, step string) bool {
	table, found := strings.CutPrefix(step, "SCAN ")
	if !found || strings.Contains(step, "_list") {
		return false
	}
	alias, _, _ := strings.Cut(table, " ")
	for _, large := range largeTables {
		if alias == large || strings.Contains(text, fmt.Sprintf(" %s %s", large, alias)) {
			return true
		}
	}
	return false
}

// unboundedSort reports whether a statement that returns a few rows may sort
// many for that: what is long is walked along an index.
func unboundedSort(text string) bool {
	for part := range sortsMeant {
		if strings.Contains(text, part) {
			return false
		}
	}
	return strings.Contains(text, "LIMIT ?") && !strings.HasPrefix(text, "DELETE")
}
