package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"

	"modernc.org/sqlite"
)

// openPool opens a pool whose connections keep the statements that the job
// engine prepares, as sessions keep ours.
func openPool(path string) (*sql.DB, error) {
	connector, err := sqlite.NewConnector(dataSource(path))
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(preparing{connector}), nil
}

// preparing makes connections that prepare a statement once.
type preparing struct{ driver.Connector }

// Connect implements driver.Connector.
func (p preparing) Connect(ctx context.Context) (driver.Conn, error) {
	base, err := p.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	conn, ok := base.(plainConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("the driver's connections lack what ours need: %T", base), base.Close())
	}
	return &preparedConn{plainConn: conn, prepared: make(map[string]preparedStmt)}, nil
}

// plainConn is what database/sql asks of a connection.
type plainConn interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ConnBeginTx
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// preparedStmt is what is asked of a statement.
type preparedStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// A preparedConn keeps statements. The job engine hands over text each time, and
// reading it took longer than running it: a third of all that an idle hub used.
// database/sql gives a connection to one goroutine at a time.
type preparedConn struct {
	plainConn
	prepared map[string]preparedStmt
}

// engineStatement is how the texts begin that the job engine's generator made.
// There are few, each is one statement, and no two of a text are open at once.
const engineStatement = "-- name: "

// statement returns the prepared statement of a text, or nil where the text is
// not one that is worth keeping.
func (c *preparedConn) statement(ctx context.Context, text string) (preparedStmt, error) {
	if known, ok := c.prepared[text]; ok || !strings.HasPrefix(text, engineStatement) || len(c.prepared) >= statementsMax {
		return known, nil
	}
	base, err := c.PrepareContext(context.WithoutCancel(ctx), text)
	if err != nil {
		return nil, err
	}
	stmt, ok := base.(preparedStmt)
	if !ok {
		return nil, errors.Join(fmt.Errorf("the driver's statements take no context: %T", base), base.Close())
	}
	c.prepared[text] = stmt
	return stmt, nil
}

// QueryContext implements driver.QueryerContext.
func (c *preparedConn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	stmt, err := c.statement(ctx, text)
	if err != nil {
		return nil, err
	}
	if stmt == nil {
		return c.plainConn.QueryContext(ctx, text, args)
	}
	return stmt.QueryContext(ctx, args)
}

// ExecContext implements driver.ExecerContext.
func (c *preparedConn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	stmt, err := c.statement(ctx, text)
	if err != nil {
		return nil, err
	}
	if stmt == nil {
		return c.plainConn.ExecContext(ctx, text, args)
	}
	return stmt.ExecContext(ctx, args)
}

// Close implements driver.Conn.
func (c *preparedConn) Close() error {
	var errs []error
	for _, stmt := range c.prepared {
		errs = append(errs, stmt.Close())
	}
	clear(c.prepared)
	return errors.Join(append(errs, c.plainConn.Close())...)
}
