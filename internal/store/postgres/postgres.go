// Package postgres keeps the store in a PostgreSQL database that many processes
// share: the driver that package store has its SQL in, the migrations, and what
// the processes know of each other ([Fleet]). It knows no rules of the store.
//
// Statements take whole batches as arrays, so an operation is one round trip
// however large its batch. Transactions are READ COMMITTED and lock what they
// rest on: a stream's row keeps two readers of one stream apart, and the counter
// of the event log is held from the moment numbers are taken until the commit,
// so that numbers become visible in their order. Nothing lives in a session
// between two transactions, so a pooler in transaction mode may stand before
// the server.
//
// Start with [Open]. session.go is how transactions run, migrate.go how tables
// change, text.go how values are written; each other file holds the SQL of one
// chapter of the store.
package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/weirhq/weir/internal/store"
)

const (
	// connectMax bounds the making of one connection, so that a host that does
	// not answer is found out in the time that a person waits.
	connectMax = 10 * time.Second
	// idleMax is how long a connection that nobody uses stays open.
	idleMax = 5 * time.Minute
	// lifeMax ends a connection in time, so that its server process does not
	// grow for ever and a change of the address is noticed.
	lifeMax = time.Hour
	// cancelMax is how long a statement may go on after its cancellation was
	// asked for, before the connection is given up.
	cancelMax = 5 * time.Second
)

// Options are what a database can be told.
type Options struct {
	// DSN is the address: a URL postgres://user:password@host:5432/database, or
	// the form of libpq.
	DSN string
	// MaxConns bounds the connections of this process; 0 leaves it to the DSN
	// (pool_max_conns), and else to pgxpool: four, or the number of processors.
	MaxConns int
	// Migrate brings the tables up to date. Without it tables that are behind are
	// refused.
	Migrate bool
	// Enqueue hands jobs to the job engine inside the transaction that makes them
	// due; one that waits already is not added again. nil: there is no engine.
	Enqueue func(ctx context.Context, tx pgx.Tx, jobs []store.Job) error
}

// DB is an open database. It implements [store.Driver] and may be used from
// many goroutines. When the server restarts its connections are made anew.
type DB struct {
	name    string
	pool    *pgxpool.Pool
	enqueue func(ctx context.Context, tx pgx.Tx, jobs []store.Job) error
}

var _ store.Driver = (*DB)(nil)

// Open connects to a database, and refuses one that can't serve. Its errors are
// sentences that say what to do, and hold no password: when the address is
// wrong, when nobody answers there, when the user has too few rights, when the
// server is too old, when the tables are behind or of a newer Weir.
func Open(ctx context.Context, o Options) (*DB, error) {
	config, err := configOf(o)
	if err != nil {
		return nil, err
	}
	db := &DB{name: describe(config.ConnConfig), enqueue: o.Enqueue}
	if db.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, explain(db.name, err)
	}
	if err := db.prepare(ctx, o.Migrate); err != nil {
		db.pool.Close()
		return nil, explain(db.name, err)
	}
	return db, nil
}

// prepare looks at the server and at its tables.
func (db *DB) prepare(ctx context.Context, change bool) (err error) {
	err = db.pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error { return checkServer(ctx, conn.Conn(), db.name) })
	if err != nil {
		return err
	}
	// A pool of its own: with one connection in ours, the lock would take it.
	pool := stdlib.OpenDB(*db.pool.Config().ConnConfig)
	_, _, err = migrate(ctx, pool, db.name, change)
	if closed := pool.Close(); err == nil {
		err = closed
	}
	return err
}

// configOf reads the DSN.
func configOf(o Options) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(o.DSN)
	if err != nil {
		// The error may repeat the address, and in it the password.
		return nil, refused("the address of the PostgreSQL database can't be read; write it as " +
			"postgres://user:password@host:5432/database, with %%XX for what a URL can't hold in the password")
	}
	if o.MaxConns > 0 {
		config.MaxConns = int32(min(o.MaxConns, 10_000))
	}
	config.MaxConnIdleTime, config.MaxConnLifetime, config.MaxConnLifetimeJitter = idleMax, lifeMax, lifeMax/10
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = connectMax
	}
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "weir"
	}
	// By default a context that ends takes its connection with it; asking the
	// server to cancel keeps it.
	config.ConnConfig.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: cancelMax}
	}
	return config, nil
}

// Close waits for transactions that are under way and closes the connections.
// Nothing may be started any more.
func (db *DB) Close() error {
	db.pool.Close()
	return nil
}

// String names the database for people and logs, without the password.
func (db *DB) String() string { return db.name }

// Pool is the pool of connections, for a job engine that brings its own tables.
// It ends with [DB.Close].
func (db *DB) Pool() *pgxpool.Pool { return db.pool }
