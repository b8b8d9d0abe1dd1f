package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
)

// How transactions begin, in one round trip each. The settings end with the
// transaction. That a statement, a wait for a lock, and the silence of a client
// that has vanished are bounded keeps one of them from holding up the rest.
//
// All statements look rows up by keys and walk along indexes, for which nested
// loops over indexes are right whatever the statistics say. Plans are made while
// the tables are small and are kept while they grow, so the others are switched
// off, and for reading also to put in order what an index has in order. Where a
// batch is looked up, LATERAL with OFFSET 0 keeps the planner from reading all of
// a connector's rows instead, which it takes for few: on a new table that made a
// page of a thousand rows take more than a second. jit pays for no statement here.
const (
	planSettings = `SET LOCAL jit = off; SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_material = off; ` +
		`SET LOCAL enable_bitmapscan = off`
	beginWrite = `BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = '60s'; SET LOCAL lock_timeout = '20s'; ` +
		`SET LOCAL idle_in_transaction_session_timeout = '60s'; ` + planSettings
	beginRead = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = '30s'; ` +
		`SET LOCAL idle_in_transaction_session_timeout = '60s'; SET LOCAL enable_sort = off; ` + planSettings
	// settingsOfOne are those of beginRead for one statement that is sent together
	// with them. The server takes what comes together for one transaction, and so
	// they end with it; a statement sees one state of the database by itself. Its
	// plan is made once for all arguments: left to itself, the server makes it for
	// every page anew, since it takes a LIMIT that it does not know for a tenth of
	// the table, and that took as long as to read the page.
	settingsOfOne = `SELECT set_config('statement_timeout', '30s', true), set_config('plan_cache_mode', 'force_generic_plan', true),
		set_config('enable_sort', 'off', true),
		set_config('jit', 'off', true), set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
		set_config('enable_mergejoin', 'off', true), set_config('enable_material', 'off', true), set_config('enable_bitmapscan', 'off', true)`
	// planFilters lets a list with a filter be read by the index of what it asks
	// for, and put in order then: such a one is planned for its values.
	planFilters = `SET LOCAL enable_bitmapscan = on; SET LOCAL enable_sort = on`
)

const (
	// attemptsMax is how often a transaction is tried that met another one, or
	// lost its connection before the commit.
	attemptsMax = 6
	// pauseFirst is the pause after the first attempt; each further one doubles it.
	// In all they cover the two seconds that a restart of the server takes.
	pauseFirst = 30 * time.Millisecond
	// writeMax bounds a transaction that writes, whose statements are not cut
	// short: it is for a server that has vanished without a word.
	writeMax = 2 * time.Minute
)

// view reads within a transaction.
type view struct {
	tx pgx.Tx
	// during is the context of a transaction that writes. Its statements are not
	// cut short when their own context ends, for each is short: that is looked at
	// before every one of them, and once more before the commit. nil where the
	// transaction only reads, and may be cut short at any time.
	during context.Context
	// one is set, and tx is not, where a single statement is expected.
	one *one
}

// A one is what a read of one statement leaves of itself.
type one struct {
	conn *pgxpool.Conn
	// asked says that the statement was sent, several that another one was asked
	// for: the read needs a transaction.
	asked, several bool
}

// errSeveral ends a read of one statement that has asked for another one.
var errSeveral = errors.New("a read of one statement has asked for another one")

// tx reads and writes within a transaction.
type tx struct {
	view
	db *DB
	// events wait for the commit, with which they travel: see AppendEvents.
	events []store.EventRow
}

// Write implements [store.Driver]. f runs again where its transaction met
// another one, and where the connection was lost before the commit had begun:
// nothing of it remains in either case. Where the connection is lost during the
// commit nobody knows whether it was done; that is an error, and the caller's
// own comparison (a stream's cursor, its turn) tells it when it tries again.
func (db *DB) Write(ctx context.Context, f func(store.Tx) error) error {
	return db.write(ctx, func(t *tx) error { return f(t) })
}

func (db *DB) write(ctx context.Context, f func(*tx) error) error {
	for attempt := 1; ; attempt++ {
		again, err := db.writeOnce(ctx, f)
		if err == nil || !again || attempt == attemptsMax {
			return explain(db.name, err)
		}
		if ended := pause(ctx, attempt); ended != nil {
			return ended
		}
	}
}

// writeOnce runs one transaction and reports whether it may be run again.
func (db *DB) writeOnce(ctx context.Context, f func(*tx) error) (again bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return lost(err), err
	}
	defer conn.Release()
	during, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeMax)
	defer cancel()
	transaction, err := conn.BeginTx(during, pgx.TxOptions{BeginQuery: beginWrite})
	if err != nil {
		return lost(err), err
	}
	t := &tx{view: view{tx: transaction, during: during}, db: db}
	if err = f(t); err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = transaction.Rollback(during)
		return mayRepeat(err), err
	}
	err = t.commit(during)
	var said *pgconn.PgError
	if err != nil && !errors.As(err, &said) && !errors.Is(err, pgx.ErrTxCommitRollback) {
		return false, hub.Errorf(hub.CodeInternal,
			"the connection to %s was lost during a commit, which may have been done or not; trying again is safe: %w", db.name, &reason{err})
	}
	return mayRepeat(err), err
}

// commit ends the transaction. Its events, if it has any, are sent together with
// the commit: between the two there is then no way to the client and back, while
// which everybody else who has events would wait.
func (t *tx) commit(ctx context.Context) error {
	if len(t.events) == 0 {
		return t.tx.Commit(ctx)
	}
	args, err := eventValues(t.events)
	if err != nil {
		return errors.Join(err, t.tx.Rollback(ctx))
	}
	var batch pgx.Batch
	batch.Queue(appendEvents, args...)
	batch.Queue(`COMMIT`)
	results := t.tx.SendBatch(ctx, &batch)
	var last int64
	err = results.QueryRow().Scan(&last)
	var done pgconn.CommandTag
	if err == nil {
		done, err = results.Exec()
	}
	if closed := results.Close(); err == nil {
		err = closed
	}
	var said *pgconn.PgError
	switch {
	case errors.As(err, &said):
		_ = t.tx.Rollback(ctx)
		return fmt.Errorf("%s: %w", firstLine(appendEvents), err)
	case err == nil && done.String() != "COMMIT":
		return pgx.ErrTxCommitRollback
	}
	for i := range t.events {
		t.events[i].Sequence = last - int64(len(t.events)-i) + 1
	}
	return err
}

// metAnother are the uniqueness rules that two transactions can break although
// each has looked before: the one that came second looks again.
var metAnother = []string{"account_reference", "account_id", "connector_name", "connector_reference"}

// mayRepeat reports whether a transaction that failed so may succeed when it is
// run again.
func mayRepeat(err error) bool {
	var said *pgconn.PgError
	if errors.As(err, &said) {
		switch said.Code {
		case codeSerialization, codeDeadlock:
			return true
		case codeUnique:
			return slices.Contains(metAnother, said.ConstraintName)
		}
	}
	return lost(err)
}

// pause waits before another attempt, for so long that two that have met do not
// meet again.
func pause(ctx context.Context, attempt int) error {
	most := pauseFirst << (attempt - 1)
	select {
	case <-time.After(most/2 + rand.N(most/2)): //nolint:gosec // no secret
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Read implements [store.Driver]. A read that loses its connection runs again.
func (db *DB) Read(ctx context.Context, f func(store.View) error) error {
	return db.read(ctx, beginRead, func(v view) error { return f(v) })
}

// ReadOne implements [store.Driver]. An f that asks for one statement gets it in
// one round trip and without a transaction of its own; any other f runs again
// with one.
func (db *DB) ReadOne(ctx context.Context, f func(store.View) error) error {
	var several bool
	err := db.readAgain(ctx, func() (err error) {
		several, err = db.readAlone(ctx, f)
		return err
	})
	if several {
		return db.Read(ctx, f)
	}
	return err
}

func (db *DB) readAlone(ctx context.Context, f func(store.View) error) (several bool, err error) {
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return false, err
	}
	defer conn.Release()
	alone := one{conn: conn}
	err = f(view{one: &alone})
	return alone.several, err
}

func (db *DB) read(ctx context.Context, begin string, f func(view) error) error {
	return db.readAgain(ctx, func() error { return db.readOnce(ctx, begin, f) })
}

// readAgain reads, and does so again where the connection was lost.
func (db *DB) readAgain(ctx context.Context, once func() error) error {
	for attempt := 1; ; attempt++ {
		err := once()
		if err == nil || !lost(err) || ctx.Err() != nil || attempt == attemptsMax {
			return explain(db.name, err)
		}
		if ended := pause(ctx, attempt); ended != nil {
			return ended
		}
	}
}

func (db *DB) readOnce(ctx context.Context, begin string, f func(view) error) error {
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	transaction, err := conn.BeginTx(ctx, pgx.TxOptions{BeginQuery: begin})
	if err != nil {
		return err
	}
	// What was only read is committed as well as rolled back, and without the
	// warning in the server's log where the context has ended.
	defer func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelMax)
		defer cancel()
		_ = transaction.Rollback(ending)
	}()
	return f(view{tx: transaction})
}

// statement is the context of one statement.
func (v view) statement(ctx context.Context) (context.Context, error) {
	if v.during == nil {
		return ctx, nil
	}
	return v.during, ctx.Err()
}

// query calls each with every row of a result; scan reads the row's columns.
func (v view) query(ctx context.Context, text string, each func(scan func(into ...any) error) error, args ...any) error {
	if v.one != nil {
		return v.one.query(ctx, text, each, args)
	}
	during, err := v.statement(ctx)
	if err != nil {
		return err
	}
	rows, err := v.tx.Query(during, text, args...)
	if err != nil {
		return fmt.Errorf("%s: %w", firstLine(text), err)
	}
	return visit(rows, text, each)
}

// query sends the statement together with the settings that it is planned with.
func (o *one) query(ctx context.Context, text string, each func(scan func(into ...any) error) error, args []any) error {
	if o.asked {
		o.several = true
		return errSeveral
	}
	o.asked = true
	var batch pgx.Batch
	batch.Queue(settingsOfOne)
	batch.Queue(text, args...)
	results := o.conn.SendBatch(ctx, &batch)
	if _, err := results.Exec(); err != nil {
		_ = results.Close() // it says the same
		return fmt.Errorf("%s: %w", firstLine(text), err)
	}
	rows, err := results.Query()
	if err == nil {
		err = visit(rows, text, each)
	}
	if closed := results.Close(); err == nil {
		err = closed
	}
	return err
}

func visit(rows pgx.Rows, text string, each func(scan func(into ...any) error) error) error {
	defer rows.Close()
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("%s: %w", firstLine(text), err)
	}
	return nil
}

// exec runs a statement that returns nothing, and reports how many rows it
// has changed.
func (v view) exec(ctx context.Context, text string, args ...any) (int64, error) {
	if v.one != nil {
		v.one.several = true
		return 0, errSeveral
	}
	during, err := v.statement(ctx)
	if err != nil {
		return 0, err
	}
	done, err := v.tx.Exec(during, text, args...)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", firstLine(text), err)
	}
	return done.RowsAffected(), nil
}

// insert runs an INSERT that returns the keys of n rows in their order, and
// hands each to set.
func (t *tx) insert(ctx context.Context, n int, set func(i int, key int64), text string, args ...any) error {
	i := 0
	err := t.query(ctx, text, func(scan func(...any) error) error {
		var key int64
		if err := scan(&key); err != nil {
			return err
		}
		if i < n {
			set(i, key)
		}
		i++
		return nil
	}, args...)
	if err == nil && i != n {
		return fmt.Errorf("%s: %d rows were to be stored, and %d were", firstLine(text), n, i)
	}
	return err
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}
