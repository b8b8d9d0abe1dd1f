package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

// migrations change the tables. They run while processes of the version before
// go on writing, so each only adds: a table, an index, or a column that may be
// NULL or has a default. What a version no longer needs is dropped by a later
// one, after the last process that used it is gone. Each begins with a lock_timeout
// where it touches a table that is in use, for whoever waits for a lock makes
// everybody behind wait too. A large index is made CONCURRENTLY, outside of a
// transaction (-- +goose NO TRANSACTION).
//
//go:embed migrations/*.sql
var migrations embed.FS

const (
	// migrationLock is the advisory lock under which one process migrates a schema.
	// The number is "Weir" in ASCII, which tells it from other programs' locks.
	migrationLock = 0x57656972
	// migrationPatience is how long a process waits for another one's migration.
	migrationPatience = 10 * time.Minute
	migrationPause    = 200 * time.Millisecond
)

// Migrate brings the tables of a database up to date and returns the version
// that they had, 0 for an empty database, and the one that they have now. Two
// processes that migrate at once do it once. Tables of a newer version are
// refused and stay as they are.
func Migrate(ctx context.Context, dsn string) (from, to int64, err error) {
	config, err := configOf(Options{DSN: dsn})
	if err != nil {
		return 0, 0, err
	}
	name := describe(config.ConnConfig)
	conn, err := pgx.ConnectConfig(ctx, config.ConnConfig)
	if err != nil {
		return 0, 0, explain(name, err)
	}
	if err := errors.Join(checkServer(ctx, conn, name), conn.Close(ctx)); err != nil {
		return 0, 0, explain(name, err)
	}
	pool := stdlib.OpenDB(*config.ConnConfig)
	defer func() { err = errors.Join(err, pool.Close()) }()
	from, to, err = migrate(ctx, pool, name, true)
	return from, to, explain(name, err)
}

// migrate brings the tables up to date, or looks whether they are.
func migrate(ctx context.Context, pool *sql.DB, database string, change bool) (from, to int64, err error) {
	folder, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return 0, 0, err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, pool, folder, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return 0, 0, fmt.Errorf("read the migrations: %w", err)
	}
	sources := provider.ListSources()
	newest := sources[len(sources)-1].Version
	if change {
		release, err := lockMigration(ctx, pool)
		if err != nil {
			return 0, 0, err
		}
		defer func() { err = errors.Join(err, release()) }()
	}
	if from, err = versionOf(ctx, pool); err != nil {
		return 0, 0, fmt.Errorf("read the version of the tables: %w", err)
	}
	switch {
	case from > newest:
		return from, from, refused("%s was written by a newer Weir (its tables are at version %d, this program knows %d); "+
			"run that version, or name another database", database, from, newest)
	case from == newest:
		return from, newest, nil
	case !change:
		return from, from, refused("the tables in %s are at version %d and this program needs %d; "+
			"run weir migrate first, or start with --auto-migrate", database, from, newest)
	}
	if err := checkEmpty(ctx, pool, database, from); err != nil {
		return from, from, err
	}
	if _, err := provider.Up(ctx); err != nil {
		return from, from, fmt.Errorf("bring the tables from version %d to %d: %w", from, newest, err)
	}
	return from, newest, nil
}

// versionOf returns the version of the tables, 0 where there are none. It only
// looks: a process that may not migrate must not make goose's own table either.
func versionOf(ctx context.Context, pool *sql.DB) (int64, error) {
	var there bool
	if err := pool.QueryRowContext(ctx, `SELECT to_regclass('goose_db_version') IS NOT NULL`).Scan(&there); err != nil || !there {
		return 0, err
	}
	var version int64
	err := pool.QueryRowContext(ctx, `SELECT COALESCE(max(version_id), 0) FROM goose_db_version WHERE is_applied`).Scan(&version)
	return version, err
}

// checkEmpty refuses to begin in a schema where other tables have our names.
func checkEmpty(ctx context.Context, pool *sql.DB, database string, version int64) error {
	if version > 0 {
		return nil
	}
	var there bool
	err := pool.QueryRowContext(ctx, `SELECT to_regclass('payment') IS NOT NULL OR to_regclass('connector') IS NOT NULL`).Scan(&there)
	if err == nil && there {
		return refused("%s holds tables of another program that have the names of Weir's; name another database", database)
	}
	return err
}

// lockMigration waits until nobody else migrates and keeps others from it until
// release. The lock is a transaction's, for a pooler between us and the server
// gives a session to somebody else between two transactions. It is asked for
// again and again instead of waited for: a statement that waits looks like a
// transaction that an index made CONCURRENTLY has to wait for.
func lockMigration(ctx context.Context, pool *sql.DB) (release func() error, err error) {
	ctx, cancel := context.WithTimeout(ctx, migrationPatience)
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		cancel()
		return nil, err
	}
	release = func() error {
		err := tx.Rollback()
		cancel()
		if errors.Is(err, sql.ErrTxDone) {
			return nil
		}
		return err
	}
	if _, err := tx.ExecContext(ctx, `SET LOCAL idle_in_transaction_session_timeout = 0`); err != nil {
		return nil, errors.Join(err, release())
	}
	for {
		var ours bool
		if err := tx.QueryRowContext(ctx, `SELECT pg_try_advisory_xact_lock($1, hashtext(current_schema()))`, int32(migrationLock)).Scan(&ours); err != nil {
			return nil, errors.Join(err, release())
		}
		if ours {
			return release, nil
		}
		select {
		case <-time.After(migrationPause):
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("wait for another process that changes the tables: %w", ctx.Err()), release())
		}
	}
}

// requirements are what a server must be.
type requirements struct {
	version                  int
	versionText, encoding    string
	standby, create, present bool
}

// versionMin is the oldest PostgreSQL that is supported, as server_version_num
// has it.
const versionMin = 130000

// checkServer refuses a server that can't hold the store, before anything is
// made in it.
func checkServer(ctx context.Context, conn *pgx.Conn, database string) error {
	var r requirements
	err := conn.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, current_setting('server_version'),
		current_setting('server_encoding'), pg_is_in_recovery(),
		COALESCE(has_schema_privilege(current_schema(), 'CREATE'), false), to_regclass('goose_db_version') IS NOT NULL`).
		Scan(&r.version, &r.versionText, &r.encoding, &r.standby, &r.create, &r.present)
	switch {
	case err != nil:
		return err
	case r.version < versionMin:
		return refused("%s is PostgreSQL %s, and Weir needs 13 or newer; upgrade the server, or name another", database, r.versionText)
	case r.encoding != "UTF8":
		return refused("%s has the encoding %s, and Weir needs UTF8; create the database with ENCODING 'UTF8' TEMPLATE template0", database, r.encoding)
	case r.standby:
		return refused("%s is a standby, which can only be read; name the primary server", database)
	case !r.create && !r.present:
		return refused("this user may not create tables in %s; grant it CREATE on the schema, or let its owner run weir migrate", database)
	}
	return nil
}
