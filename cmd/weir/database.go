package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/weirhq/weir/internal/jobs"
	"github.com/weirhq/weir/internal/keyring"
	"github.com/weirhq/weir/internal/store"
	"github.com/weirhq/weir/internal/store/postgres"
	"github.com/weirhq/weir/internal/store/sqlite"
)

// A database is where a core keeps everything.
type database interface {
	store.Driver
	keyring.Settings
	io.Closer
	// String names it for people, without a password.
	String() string
}

// sqliteDatabase is a file, which this process has for itself.
type sqliteDatabase struct {
	*sqlite.DB
	name string
}

func (d sqliteDatabase) String() string { return d.name }

// The parts of a core that a process can be. Those who run one process need not
// know of them.
const (
	roleAll    = "all"
	roleAPI    = "api"
	roleWorker = "worker"
)

// storeFlag is what the flag says that names a database.
const storeFlag = "where everything is kept: a SQLite file, or postgres://…"

// connectionsOf is how many connections to PostgreSQL a process of a role uses
// at most. A poll holds one only while a page is stored, and the answers of the
// API while they read; more than these make a server of a few cores no faster.
var connectionsOf = map[string]int{roleAll: 20, roleAPI: 12, roleWorker: 12}

// openDatabase opens where everything is kept, and what of the job engine's
// settings depends on it.
func (n *node) openDatabase(ctx context.Context) (jobs.Options, error) {
	if postgres.IsDSN(n.options.Store) {
		return n.openPostgres(ctx)
	}
	if n.options.Role != roleAll {
		return jobs.Options{}, fmt.Errorf("--role %s needs a database that processes can share; name one with --store postgres://…, or leave the role out", n.options.Role)
	}
	file, err := sqlite.Open(ctx, n.options.Store, sqlite.Options{Enqueue: func(ctx context.Context, tx *sql.Tx, job store.Job) error {
		return n.engine.Enqueue(ctx, tx, job)
	}})
	if err != nil {
		return jobs.Options{}, err
	}
	n.db, n.alone = sqliteDatabase{file, n.options.Store}, true
	n.pool, err = file.OpenPool()
	return jobs.Options{Pool: n.pool}, err
}

func (n *node) openPostgres(ctx context.Context) (jobs.Options, error) {
	dsn := n.options.Store
	if n.options.PgBouncer {
		var err error
		if dsn, err = postgres.BehindPgBouncer(dsn); err != nil {
			return jobs.Options{}, err
		}
	}
	connections := n.options.Connections
	if connections == 0 {
		connections = connectionsOf[n.options.Role]
	}
	db, err := postgres.Open(ctx, postgres.Options{
		DSN: dsn, MaxConns: connections, Migrate: n.options.AutoMigrate,
		Enqueue: func(ctx context.Context, tx pgx.Tx, due []store.Job) error { return n.engine.EnqueueMany(ctx, tx, due) },
	})
	if err != nil {
		return jobs.Options{}, err
	}
	n.db = db
	if n.options.AutoMigrate {
		if _, _, err := jobs.Migrate(ctx, db.Pool()); err != nil {
			return jobs.Options{}, err
		}
	}
	options := jobs.Options{
		Postgres: db.Pool(), PollOnly: n.options.PgBouncer, InsertOnly: n.options.Role == roleAPI, Worker: jobs.NewWorkerName(),
	}
	if !options.InsertOnly {
		options.Fleet = db.Fleet(options.Worker, jobs.TTLDefault)
	}
	return options, nil
}

// openStore opens the store with its encryption key. A new database whose key
// file is not there yet gets one.
func (n *node) openStore(ctx context.Context) error {
	path := n.options.keyFile()
	cipher, created, err := keyring.Open(ctx, path, n.db)
	if err != nil {
		return err
	}
	if created {
		n.keyCreated = path
	}
	n.store = store.New(measuredDriver{n.db, n.telemetry}, cipher)
	return nil
}

// keyFile is the file of the encryption key: beside a file that holds the
// database, and for one elsewhere in the folder where the program runs.
func (o *nodeOptions) keyFile() string {
	switch {
	case o.KeyFile != "":
		return o.KeyFile
	case postgres.IsDSN(o.Store):
		return "weir.key"
	default:
		return strings.TrimSuffix(o.Store, filepath.Ext(o.Store)) + ".key"
	}
}

// closeDatabase gives back what openDatabase took.
func (n *node) closeDatabase() error {
	var errs []error
	if n.pool != nil {
		errs = append(errs, n.pool.Close())
	}
	if n.db != nil {
		errs = append(errs, n.db.Close())
	}
	return errors.Join(errs...)
}

// scratchStore is the place of a database that is thrown away: a file in a
// folder that its caller removes, or a new database on the PostgreSQL server of
// an address. drop removes the second, once everybody has left it.
func scratchStore(ctx context.Context, folder, address string) (place string, drop func() error, err error) {
	switch {
	case address == "":
		return filepath.Join(folder, "weir.db"), func() error { return nil }, nil
	case postgres.IsDSN(address):
		return postgres.Scratch(ctx, address)
	default:
		return "", nil, errors.New("--store takes the address of a PostgreSQL server, postgres://…, on which this user may create databases; leave it out for a SQLite file")
	}
}
