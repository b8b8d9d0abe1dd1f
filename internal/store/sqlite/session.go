package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/store"
)

// statementsMax bounds the statements that one session keeps. There are fewer
// than this in the program, but filters make texts of their own.
const statementsMax = 200

// A session is one connection with the statements that were prepared on it. It
// speaks to the driver below database/sql: what database/sql adds to each
// statement (locks, conversions, and a goroutine that waits for the context)
// costs more than the insertion of a row.
type session struct {
	conn     *sql.Conn
	raw      driver.ConnPrepareContext
	prepared map[string]*statement
	// reads says that a statement may be cut short when its context ends. One
	// that writes is not: each is short, and watching the context costs more.
	reads bool
}

// A statement is prepared once and used many times, with the same arguments'
// and results' memory.
type statement struct {
	text  string
	stmt  driver.Stmt
	exec  driver.StmtExecContext
	query driver.StmtQueryContext
	args  []driver.NamedValue
	row   row
}

func newSession(ctx context.Context, pool *sql.DB, reads bool) (*session, error) {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	s := &session{conn: conn, prepared: map[string]*statement{}, reads: reads}
	err = conn.Raw(func(raw any) error {
		// The connection is this session's until it closes, so it may be kept.
		var ok bool
		if s.raw, ok = raw.(driver.ConnPrepareContext); !ok {
			return fmt.Errorf("the driver prepares no statements: %T", raw)
		}
		return nil
	})
	return s, err
}

func (s *session) close() error {
	return errors.Join(s.forget(), s.conn.Close())
}

// forget closes the prepared statements.
func (s *session) forget() error {
	var errs []error
	for _, st := range s.prepared {
		errs = append(errs, st.stmt.Close())
	}
	clear(s.prepared)
	return errors.Join(errs...)
}

func (s *session) statement(ctx context.Context, text string) (*statement, error) {
	if st := s.prepared[text]; st != nil {
		return st, ctx.Err()
	}
	if len(s.prepared) >= statementsMax {
		if err := s.forget(); err != nil {
			return nil, err
		}
	}
	stmt, err := s.raw.PrepareContext(context.WithoutCancel(ctx), text)
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", firstLine(text), err)
	}
	st := &statement{text: text, stmt: stmt}
	st.exec, _ = stmt.(driver.StmtExecContext)
	st.query, _ = stmt.(driver.StmtQueryContext)
	if st.exec == nil || st.query == nil {
		return nil, fmt.Errorf("the driver's statements take no context: %T", stmt)
	}
	s.prepared[text] = st
	return st, ctx.Err()
}

// bind puts the arguments into the statement's memory.
func (st *statement) bind(args []any) {
	for len(st.args) < len(args) {
		st.args = append(st.args, driver.NamedValue{Ordinal: len(st.args) + 1})
	}
	st.args = st.args[:len(args)]
	for i, arg := range args {
		st.args[i].Value = arg
	}
}

// during is the context for the length of one statement.
func (s *session) during(ctx context.Context) context.Context {
	if s.reads {
		return ctx
	}
	return context.WithoutCancel(ctx)
}

// exec runs a statement that returns nothing. Arguments are int64, float64,
// string, []byte or nil. A context that has ended stops it before it begins.
func (s *session) exec(ctx context.Context, text string, args ...any) (driver.Result, error) {
	st, err := s.statement(ctx, text)
	if err != nil {
		return nil, err
	}
	st.bind(args)
	result, err := st.exec.ExecContext(s.during(ctx), st.args)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", firstLine(text), err)
	}
	return result, nil
}

// insert runs an INSERT of one row and returns its key.
func (s *session) insert(ctx context.Context, text string, args ...any) (int64, error) {
	result, err := s.exec(ctx, text, args...)
	if err != nil {
		return 0, err
	}
	return result.LastInsertId()
}

// query calls each with every row of a result. The row is good until each returns.
func (s *session) query(ctx context.Context, text string, each func(row) error, args ...any) error {
	st, err := s.statement(ctx, text)
	if err != nil {
		return err
	}
	st.bind(args)
	rows, err := st.query.QueryContext(s.during(ctx), st.args)
	if err != nil {
		return fmt.Errorf("%s: %w", firstLine(text), err)
	}
	err = st.visit(ctx, rows, each)
	if closed := rows.Close(); err == nil && closed != nil {
		err = fmt.Errorf("%s: %w", firstLine(text), closed)
	}
	return err
}

func (st *statement) visit(ctx context.Context, rows driver.Rows, each func(row) error) error {
	if st.row == nil {
		st.row = make(row, len(rows.Columns()))
	}
	for {
		err := rows.Next(st.row)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", firstLine(st.text), err)
		}
		if err := each(st.row); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// A row is what one step of a query returned.
type row []driver.Value

func (r row) int(i int) int64 {
	n, _ := r[i].(int64)
	return n
}

func (r row) float(i int) float64 {
	switch n := r[i].(type) {
	case float64:
		return n
	case int64:
		return float64(n)
	}
	return 0
}

func (r row) text(i int) string {
	s, _ := r[i].(string)
	return s
}

func (r row) bytes(i int) []byte {
	b, _ := r[i].([]byte)
	return b
}

func (r row) hash(i int) store.Hash {
	var h store.Hash
	copy(h[:], r.bytes(i))
	return h
}

// instant reads an instant; NULL is the zero instant.
func (r row) instant(i int) time.Time {
	if r[i] == nil {
		return time.Time{}
	}
	return store.ParseInstant(r.text(i))
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}

// Transactions.

// view reads within a transaction.
type view struct{ *session }

// tx reads and writes within a transaction.
type tx struct {
	view
	db  *DB
	sql *sql.Tx
}

// Read implements [store.Driver].
func (db *DB) Read(ctx context.Context, f func(store.View) error) error {
	return db.read(ctx, func(v view) error { return f(v) })
}

// ReadOne implements [store.Driver]. Here a transaction costs next to nothing.
func (db *DB) ReadOne(ctx context.Context, f func(store.View) error) error {
	return db.Read(ctx, f)
}

func (db *DB) read(ctx context.Context, f func(view) error) error {
	s, err := take(ctx, db.readers)
	if err != nil {
		return err
	}
	defer func() { db.readers <- s }()
	if _, err := s.exec(ctx, "BEGIN DEFERRED"); err != nil {
		return explain(db.path, err)
	}
	err = f(view{s})
	if _, ended := s.exec(context.WithoutCancel(ctx), "ROLLBACK"); err == nil {
		err = ended
	}
	return explain(db.path, err)
}

func take(ctx context.Context, sessions chan *session) (*session, error) {
	select {
	case s := <-sessions:
		return s, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
