package postgres

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weirhq/weir/internal/pgtest"
	"github.com/weirhq/weir/internal/store"
	"github.com/weirhq/weir/internal/store/storetest"
)

// connsMax keeps the tests that run at once below what one server takes.
const connsMax = 8

// TestStore is the behaviour of every driver; what is peculiar to this one is
// looked at when each of its databases closes: that no row points nowhere, and
// that no statement walks through a whole table. Each behaviour has a schema of
// one database, which is made in a tenth of the time of a database.
func TestStore(t *testing.T) {
	dsn := pgtest.Open(t)
	plans := plans{seen: map[string]bool{}}
	var schemas atomic.Int64
	t.Run("Behaviour", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T, enqueue storetest.Enqueue) *store.Store {
			t.Helper()
			schema := fmt.Sprintf("s%d", schemas.Add(1))
			do(t, dsn, `CREATE SCHEMA `+schema)
			db := openAt(t, dsn+"&search_path="+schema, enqueue)
			t.Cleanup(func() { plans.check(t, db) })
			return store.New(db, storetest.PlainCipher{})
		})
	})
	if len(plans.seen) < 50 {
		t.Errorf("only %d statements were looked at", len(plans.seen))
	}
}

// openDB opens a database of the test's own.
func openDB(tb testing.TB, enqueue storetest.Enqueue) *DB {
	tb.Helper()
	return openAt(tb, pgtest.Open(tb), enqueue)
}

func openAt(tb testing.TB, dsn string, enqueue storetest.Enqueue) *DB {
	tb.Helper()
	options := Options{DSN: dsn, MaxConns: connsMax, Migrate: true}
	if enqueue != nil {
		options.Enqueue = func(ctx context.Context, _ pgx.Tx, jobs []store.Job) error {
			for _, job := range jobs {
				if err := enqueue(ctx, job); err != nil {
					return err
				}
			}
			return nil
		}
	}
	db, err := Open(context.Background(), options)
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

// checkIntegrity looks for rows that point nowhere, which the tables themselves
// are not asked to see to.
func checkIntegrity(tb testing.TB, db *DB) {
	tb.Helper()
	for _, link := range []struct{ child, key, parent, parentKey string }{
		{"account", "connector_key", "connector", "connector_key"},
		{"account_version", "account_key", "account", "account_key"},
		{"balance", "connector_key", "connector", "connector_key"},
		{"payment", "connector_key", "connector", "connector_key"},
		{"adjustment", "payment_key", "payment", "payment_key"},
		{"event", "connector_key", "connector", "connector_key"},
		{"rejection", "stream_key", "stream", "stream_key"},
		{"stream_reader", "stream_key", "stream", "stream_key"},
	} {
		var lost int
		err := db.pool.QueryRow(context.Background(), fmt.Sprintf(`SELECT count(*) FROM %s c WHERE NOT EXISTS (SELECT 1 FROM %s p WHERE p.%s = c.%s)`,
			link.child, link.parent, link.parentKey, link.key)).Scan(&lost)
		if err != nil || lost > 0 {
			tb.Errorf("%d rows of %s point nowhere, %v", lost, link.child, err)
		}
	}
}

// plans looks at how PostgreSQL runs the statements that the behaviours have used.
type plans struct {
	mu   sync.Mutex
	seen map[string]bool
}

// scansMeant are the statements that look at every row of a large table, with
// the reason why they may.
var scansMeant = map[string]string{
	"SELECT count(*) FROM event": "counts them",
}

// sortsMeant are parts of statements that put more in order than they return,
// with the reason why they may.
var sortsMeant = map[string]string{
	"AND a.record = r.record": "the versions of one record",
}

func (p *plans) check(t *testing.T, db *DB) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range db.pool.AcquireAllIdle(context.Background()) {
		p.checkConn(t, conn)
		conn.Release()
	}
}

// checkConn explains what one connection has prepared, as it is planned for any
// arguments.
func (p *plans) checkConn(t *testing.T, conn *pgxpool.Conn) {
	t.Helper()
	tx, err := conn.BeginTx(context.Background(), pgx.TxOptions{BeginQuery: beginRead + `; SET LOCAL plan_cache_mode = force_generic_plan`})
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	rows, err := tx.Query(context.Background(), `SELECT name, statement, cardinality(parameter_types) FROM pg_prepared_statements`)
	if err != nil {
		t.Error(err)
		return
	}
	type prepared struct {
		Name, Text string
		Parameters int
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[prepared])
	if err != nil {
		t.Error(err)
	}
	for _, s := range all {
		verb, _, _ := strings.Cut(s.Text, " ")
		if p.seen[s.Text] || !slices.Contains([]string{"SELECT", "UPDATE", "DELETE", "WITH"}, verb) || strings.Contains(s.Text, "pg_prepared_statements") {
			continue
		}
		p.seen[s.Text] = true
		arguments := strings.TrimSuffix("("+strings.Repeat("NULL,", s.Parameters), ",") + ")"
		if s.Parameters == 0 {
			arguments = ""
		}
		rows, err := tx.Query(context.Background(), `EXPLAIN EXECUTE `+s.Name+arguments, pgx.QueryExecModeSimpleProtocol)
		if err != nil {
			t.Error(err)
			return
		}
		steps, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Errorf("explain %s: %v", s.Text, err)
			return
		}
		if walks(s.Text, steps) {
			t.Errorf("%s\n  %s", s.Text, strings.Join(steps, "\n  "))
		}
	}
}

// largeScan finds a step of a plan that looks at a table which grows with what is
// read; an index that it uses comes before.
var largeScan = regexp.MustCompile(`Scan (?:Backward )?(?:using (\w+) )?on (account|account_version|balance|payment|adjustment|event|rejection)\b`)

// walks reports whether a plan looks at a large table without knowing where to
// begin. A walk along the index of a list is how a list is read.
func walks(text string, steps []string) bool {
	for start := range scansMeant {
		if strings.HasPrefix(text, start) {
			return false
		}
	}
	for i, step := range steps {
		if strings.Contains(step, "Sort ") && unboundedSort(text) {
			return true
		}
		found := largeScan.FindStringSubmatch(step)
		if len(found) == 0 || strings.HasSuffix(found[1], "_list") || strings.Contains(step, "Bitmap Heap") {
			continue
		}
		known := false
		for _, next := range steps[i+1:] {
			if strings.Contains(next, "->") {
				break
			}
			known = known || strings.Contains(next, "Index Cond:")
		}
		if !known {
			return true
		}
	}
	return false
}

// unboundedSort reports whether a statement that returns a few rows may put many
// in order for that: what is long is walked along an index.
func unboundedSort(text string) bool {
	for part := range sortsMeant {
		if strings.Contains(text, part) {
			return false
		}
	}
	return strings.Contains(text, " LIMIT $")
}
