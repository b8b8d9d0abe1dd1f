// Package sqlite keeps the store in one SQLite file, without cgo: the driver
// that package store has its SQL in, the migrations, and nothing else. It
// knows no rules, and it is not for other programs' databases.
//
// One connection writes, a few read, and none waits for the other: the file is
// in WAL mode. A commit is on the disk when it returns. One process at a time
// opens a file; a second is refused.
//
// Start with [Open]. session.go is how statements run, text.go how values are
// written; each other file holds the SQL of one chapter of the store.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"

	_ "modernc.org/sqlite" // registers the driver named "sqlite"
)

const (
	// readersMax is how many reads go on at once. SQLite without cgo does not get
	// faster with more.
	readersMax = 4
	// busyTimeout is how long a connection waits for the file while another one
	// of this process, such as the job engine's, writes.
	busyTimeout = 15 * time.Second
	// journalBytesMax is what is left of the journal after a transaction that
	// needed more, such as the removal of a large connector.
	journalBytesMax = 64 << 20
)

// Options are what a database can be told.
type Options struct {
	// Enqueue hands a job to the job engine inside the transaction that makes it
	// due; a job that waits already is not added again. nil: there is no engine.
	Enqueue func(ctx context.Context, tx *sql.Tx, job store.Job) error
}

// DB is an open database. It implements [store.Driver] and may be used from
// many goroutines.
type DB struct {
	path    string
	options Options
	lock    *fileLock
	pool    *sql.DB
	// writer and readers hold the sessions that nobody uses at the moment.
	writer  chan *session
	readers chan *session
	changes changes
	// joinMax is the constant of that name, more in tests.
	joinMax time.Duration
	// sessions counts them all.
	sessions int
}

var _ store.Driver = (*DB)(nil)

// Open opens the database at path, makes it when there is none, and brings its
// tables up to date. Its errors are sentences that say what to do: when another
// process has it open, when a newer Weir wrote it, when the path is a folder,
// can't be written, or holds something else.
func Open(ctx context.Context, path string, options Options) (*DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, refused("can't tell where %s is: %w", path, err)
	}
	if err := prepareFile(path); err != nil {
		return nil, err
	}
	// Two names of one file must come to one lock.
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return nil, refused("can't follow the links to the database: %w", err)
	}
	lock, err := lockFile(path)
	if err != nil {
		return nil, err
	}
	db := &DB{
		path: path, options: options, lock: lock, joinMax: joinMax,
		writer: make(chan *session, 1), readers: make(chan *session, readersMax),
	}
	if err := db.open(ctx); err != nil {
		return nil, errors.Join(explain(path, err), db.Close())
	}
	return db, nil
}

// open connects, migrates and fills the pools.
func (db *DB) open(ctx context.Context) error {
	pool, err := openPool(db.path)
	if err != nil {
		return err
	}
	db.pool = pool
	if err := migrate(ctx, pool, db.path); err != nil {
		return err
	}
	if err := db.addSession(ctx, db.writer); err != nil {
		return err
	}
	for range readersMax {
		if err := db.addSession(ctx, db.readers); err != nil {
			return err
		}
	}
	return nil
}

func (db *DB) addSession(ctx context.Context, to chan *session) error {
	s, err := newSession(ctx, db.pool, to == db.readers)
	if err != nil {
		return err
	}
	to <- s
	db.sessions++
	return nil
}

// Close waits for transactions that are under way and closes the database.
// Nothing may be started any more.
func (db *DB) Close() error {
	var errs []error
	for range db.sessions {
		select {
		case s := <-db.writer:
			errs = append(errs, s.close())
		case s := <-db.readers:
			errs = append(errs, s.close())
		}
	}
	if db.pool != nil {
		errs = append(errs, db.pool.Close())
	}
	return errors.Join(append(errs, db.lock.release())...)
}

// Path returns where the database is.
func (db *DB) Path() string { return db.path }

// OpenPool returns another handle on the same file with the same settings, for
// a job engine that brings its own tables. The caller closes it before the DB.
func (db *DB) OpenPool() (*sql.DB, error) {
	return openPool(db.path)
}

// dataSource is the file with its settings. FULL makes every commit durable;
// IMMEDIATE makes a transaction wait for the writer before it reads, so that
// what it has read stays true.
func dataSource(path string) string {
	settings := url.Values{
		"_txlock": {"immediate"},
		"_pragma": {
			fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()),
			"journal_mode(WAL)",
			"synchronous(FULL)",
			"temp_store(MEMORY)",
			fmt.Sprintf("journal_size_limit(%d)", journalBytesMax),
		},
	}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(path), RawQuery: settings.Encode()}).String()
}

// prepareFile makes the file when there is none, for its owner alone, and tells
// the ways in which a path can be wrong before SQLite says it in its own words.
func prepareFile(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return refused("can't create the database %s: %w; choose a folder that exists and can be written", path, err)
		}
		return file.Close()
	case err != nil:
		return refused("can't look at the database %s: %w", path, err)
	case info.IsDir():
		return refused("%s is a folder; name a file in it, such as %s", path, filepath.Join(path, "weir.db"))
	case !info.Mode().IsRegular():
		return refused("%s is not a file; name another place for the database", path)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return refused("can't write the database %s: %w; give this user the right to, or name another file", path, err)
	}
	// Nothing has opened the file through SQLite yet: closing a file drops every
	// lock that the process holds on it.
	return file.Close()
}

func refused(format string, args ...any) error {
	return hub.Errorf(hub.CodeInvalid, format, args...)
}
