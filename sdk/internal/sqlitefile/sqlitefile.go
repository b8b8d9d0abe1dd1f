// Package sqlitefile opens the SQLite files of the packages below sdk: one
// process at a time, one connection that writes, a few that read beside it, and
// every commit on the disk when it returns.
//
// It knows nothing of what is in the tables; who opens a file brings the
// statements that make them. It is not the hub's database: integration services
// are programs of their own and must not need the hub's packages.
//
// Start with [Open].
package sqlitefile

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

	_ "modernc.org/sqlite" // registers the driver named "sqlite"
)

const (
	// readersMax is how many reads go on at once; SQLite without cgo does not get
	// faster with more.
	readersMax = 4
	// lockTimeout lets a service that is being replaced finish.
	lockTimeout = 3 * time.Second
	// busyTimeout is how long a connection waits for another one of this process.
	busyTimeout = 15 * time.Second
)

// Kind is what sort of file it is.
type Kind struct {
	// ID stands in the header of such files, so that no file is taken for one of
	// another kind.
	ID int32
	// Name is what an error calls it, for example "mirror".
	Name string
	// Steps make the tables, one after the other. A step that was released is
	// frozen; changes are new steps at the end.
	Steps []string
}

// File is an open file.
type File struct {
	// Write has one connection, and its transactions begin by taking the writer's
	// place. Read can't write.
	Write, Read *sql.DB

	lock *sql.DB
}

// Open opens the file, and makes it when there is none. Its errors are sentences
// that say what to do: when another process has it open, when a newer program
// wrote it, when it holds something else.
func Open(ctx context.Context, path string, kind Kind) (*File, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open the %s: %w", kind.Name, err)
	}
	if err := prepare(path); err != nil {
		return nil, fmt.Errorf("open the %s: %w", kind.Name, err)
	}
	f := new(File)
	if err := f.open(ctx, path, kind); err != nil {
		return nil, errors.Join(fmt.Errorf("open the %s %s: %w", kind.Name, path, err), f.Close())
	}
	return f, nil
}

// prepare makes the file for its owner alone, and tells the ways in which a path
// can be wrong before SQLite says it in its own words.
func prepare(path string) error {
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		return fmt.Errorf("%s is a folder; name a file in it", path)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil {
		return nil
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("%w; choose a folder that exists and can be written", err)
	}
	return file.Close()
}

func (f *File) open(ctx context.Context, path string, kind Kind) (err error) {
	if err := f.takeLock(ctx, path); err != nil {
		return err
	}
	if f.Write, err = sql.Open("sqlite", source(path, "immediate", busyTimeout, "journal_mode(WAL)", "synchronous(FULL)")); err != nil {
		return err
	}
	f.Write.SetMaxOpenConns(1)
	if err := f.build(ctx, kind); err != nil {
		return err
	}
	f.Read, err = sql.Open("sqlite", source(path, "deferred", busyTimeout, "query_only(1)"))
	if err != nil {
		return err
	}
	f.Read.SetMaxOpenConns(readersMax)
	f.Read.SetMaxIdleConns(readersMax)
	return f.Read.PingContext(ctx)
}

// takeLock keeps other processes away. The lock is a transaction on a second
// SQLite file that never ends: SQLite locks on every system that it runs on,
// and the system lets go when the process ends, however it ends.
func (f *File) takeLock(ctx context.Context, path string) (err error) {
	f.lock, err = sql.Open("sqlite", source(path+"-lock", "exclusive", lockTimeout, "journal_mode(MEMORY)"))
	if err != nil {
		return err
	}
	f.lock.SetMaxOpenConns(1)
	f.lock.SetConnMaxLifetime(0)
	// The transaction is not ended: closing the pool does.
	if _, err := f.lock.ExecContext(ctx, `BEGIN EXCLUSIVE`); err != nil {
		return fmt.Errorf("it is in use by another process; stop that one first, or name another file (%w)", err)
	}
	return nil
}

// build makes the tables that are missing, in one transaction.
func (f *File) build(ctx context.Context, kind Kind) error {
	tx, err := f.Write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var id int32
	var version, tables int
	for pragma, into := range map[string]any{
		`PRAGMA application_id`: &id, `PRAGMA user_version`: &version, `SELECT count(*) FROM sqlite_master`: &tables,
	} {
		if err := tx.QueryRowContext(ctx, pragma).Scan(into); err != nil {
			return err
		}
	}
	switch {
	case tables > 0 && id != kind.ID:
		return fmt.Errorf("it is no %s; name another file", kind.Name)
	case version > len(kind.Steps):
		return fmt.Errorf("a newer program wrote it (version %d, this one knows %d); run that program", version, len(kind.Steps))
	}
	for _, step := range kind.Steps[version:] {
		if _, err := tx.ExecContext(ctx, step); err != nil {
			return fmt.Errorf("make its tables: %w", err)
		}
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf(`PRAGMA application_id = %d; PRAGMA user_version = %d`, kind.ID, len(kind.Steps))); err != nil {
		return err
	}
	return tx.Commit()
}

// Close closes the file and lets others have it.
func (f *File) Close() error {
	var errs []error
	for _, pool := range []*sql.DB{f.Read, f.Write, f.lock} {
		if pool != nil {
			errs = append(errs, pool.Close())
		}
	}
	return errors.Join(errs...)
}

// source is the file with its settings. FULL makes each commit durable, and an
// immediate transaction keeps true what it has read.
func source(path, txlock string, busy time.Duration, pragmas ...string) string {
	settings := url.Values{
		"_txlock": {txlock},
		"_pragma": append([]string{fmt.Sprintf("busy_timeout(%d)", busy.Milliseconds()), "temp_store(MEMORY)"}, pragmas...),
	}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(path), RawQuery: settings.Encode()}).String()
}
