package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
)

// loadCacheKiB is how much of the indexes is kept at hand while tables are
// filled. A row touches a leaf of each of its indexes; with SQLite's own 2 MB
// most of these would be written and read again for every few rows.
const loadCacheKiB = 64 << 10

// OpenForReading opens a database that is there, to read it only: it makes no
// file, changes no table and takes no lock, so that a hub may have the same file
// open and go on writing. What is read is one state of it all; while a read goes
// on, the hub's log beside the file (-wal) grows by what it writes meanwhile.
// A database whose tables are of another version than this program's is refused.
func OpenForReading(ctx context.Context, path string) (*DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, refused("can't tell where %s is: %w", path, err)
	}
	if _, err := os.Stat(path); err != nil {
		return nil, refused("there is no database %s to read: %w", path, err)
	}
	if err := prepareFile(path); err != nil {
		return nil, err
	}
	db := &DB{path: path, lock: &fileLock{}, writer: make(chan *session, 1), readers: make(chan *session, readersMax)}
	if err := db.openForReading(ctx); err != nil {
		return nil, errors.Join(explain(path, err), db.Close())
	}
	return db, nil
}

func (db *DB) openForReading(ctx context.Context) error {
	if err := checkOwner(ctx, db.path); err != nil {
		return err
	}
	// SQLite needs the right to write for the locks beside the file, not more.
	settings := url.Values{"mode": {"rw"}, "_pragma": {
		fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()), "temp_store(MEMORY)", "query_only(1)",
	}}
	pool, err := sql.Open("sqlite", (&url.URL{
		Scheme: "file", OmitHost: true, Path: filepath.ToSlash(db.path), RawQuery: settings.Encode(),
	}).String())
	if err != nil {
		return err
	}
	db.pool = pool
	provider, err := migrationsOf(pool)
	if err != nil {
		return err
	}
	current, newest, err := provider.GetVersions(ctx)
	switch {
	case err != nil || current == 0:
		return refused("the database %s has no tables of Weir's yet; there is nothing to read", db.path)
	case current < newest:
		return refused("the tables of %s are at version %d and this program's at %d; start it once on the database, which brings them up to date",
			db.path, current, newest)
	case current > newest:
		return newer(db.path, current, newest)
	}
	return db.addSession(ctx, db.readers)
}

// ReadTables runs f on one unchanging view of all tables.
func (db *DB) ReadTables(ctx context.Context, f func(store.TableView) error) error {
	return db.read(ctx, func(v view) error { return f(v) })
}

// LoadTables runs f in one transaction that fills an empty database, and commits
// when f returns nil; else the database is as empty as before. One that has rows
// already is refused. While it runs, the log beside the file holds all the rows
// too, so that twice their room is needed.
func (db *DB) LoadTables(ctx context.Context, f func(store.TableTx) error) error {
	return db.write(ctx, func(t *tx) (err error) {
		if err := t.checkEmpty(ctx); err != nil {
			return err
		}
		if _, err := t.exec(ctx, fmt.Sprintf("PRAGMA cache_size = -%d", loadCacheKiB)); err != nil {
			return err
		}
		defer func() {
			_, ended := t.exec(context.WithoutCancel(ctx), "PRAGMA cache_size = -2000")
			err = errors.Join(err, ended)
		}()
		return f(t)
	})
}

func (t *tx) checkEmpty(ctx context.Context) error {
	for _, table := range store.Tables {
		query := "SELECT 1 FROM " + table.Name + " LIMIT 1"
		if table.Name == store.CounterTable {
			query = "SELECT 1 FROM " + table.Name + " WHERE value > 0"
		}
		err := t.query(ctx, query, func(row) error {
			return hub.Errorf(hub.CodeConflict, "the database %s is not empty: it has rows in %s; name a file that does not exist yet", t.db.path, table.Name)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// counters are the rows of the table of counters, wherever SQLite counts.
const counters = `SELECT name, value FROM sequence UNION ALL
	SELECT n.column1, coalesce((SELECT s.seq FROM sqlite_sequence s WHERE s.name = n.column1), 0)
	FROM (VALUES ('` + store.ConnectorCounter + `'), ('` + store.RejectionCounter + `')) n`

// CountRows implements [store.TableView].
func (v view) CountRows(ctx context.Context, t *store.Table) (count int64, err error) {
	from := t.Name
	if t.Name == store.CounterTable {
		from = "(" + counters + ")"
	}
	err = v.query(ctx, "SELECT count(*) FROM "+from, func(r row) error {
		count = r.int(0)
		return nil
	})
	return count, err
}

// EachRow implements [store.TableView].
func (v view) EachRow(ctx context.Context, t *store.Table, each func([]any) error) error {
	values := make([]any, len(t.Columns))
	from := t.Name
	if t.Name == store.CounterTable {
		from = "(" + counters + ")"
	}
	return v.query(ctx, "SELECT "+columnNames(t)+" FROM "+from+" ORDER BY "+t.Columns[0].Name, func(r row) error {
		for i := range t.Columns {
			var err error
			if values[i], err = stored(&t.Columns[i], r[i]); err != nil {
				return hub.Errorf(hub.CodeInternal, "the row %v of table %s: column %s %w", r[0], t.Name, t.Columns[i].Name, err)
			}
		}
		return each(values)
	})
}

// stored is a value as the column's kind says that it is.
func stored(c *store.Column, value any) (any, error) {
	switch value := value.(type) {
	case nil:
		if c.Null {
			return nil, nil
		}
		if c.Kind == store.Raw || c.Kind == store.Binary {
			return []byte{}, nil // SQLite's driver has no bytes and nothing as one
		}
	case int64:
		switch c.Kind {
		case store.Integer:
			return value, nil
		case store.Number:
			return float64(value), nil
		case store.Flag:
			return value != 0, nil
		}
	case float64:
		if c.Kind == store.Number && !math.IsInf(value, 0) {
			return value, nil
		}
	case string:
		switch c.Kind {
		case store.Text, store.Instant, store.Digits, store.Document:
			return value, nil
		}
	case []byte:
		switch c.Kind {
		case store.Raw, store.Binary:
			return blob(value), nil
		}
	}
	return nil, fmt.Errorf("has a value that it can't have: %T", value)
}

// InsertRows implements [store.TableTx].
func (t *tx) InsertRows(ctx context.Context, table *store.Table, rows [][]any) error {
	text := "INSERT INTO " + table.Name + " (" + columnNames(table) + ") VALUES (?" + strings.Repeat(", ?", len(table.Columns)-1) + ")"
	args := make([]any, len(table.Columns))
	for _, r := range rows {
		for i, value := range r {
			if on, is := value.(bool); is {
				value = flag(on)
			}
			args[i] = value
		}
		var err error
		if table.Name == store.CounterTable {
			err = t.setCounter(ctx, args)
		} else {
			_, err = t.exec(ctx, text, args...)
		}
		if err != nil {
			return fmt.Errorf("the row %v of table %s: %w", r[0], table.Name, err)
		}
	}
	return nil
}

// setCounter sets a counter of our own, or the one that SQLite keeps for a table
// whose keys are never given twice.
func (t *tx) setCounter(ctx context.Context, args []any) error {
	if args[0] == store.EventCounter {
		_, err := t.exec(ctx, `INSERT INTO sequence (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, args...)
		return err
	}
	if _, err := t.exec(ctx, `DELETE FROM sqlite_sequence WHERE name = ?`, args[0]); err != nil {
		return err
	}
	_, err := t.exec(ctx, `INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)`, args...)
	return err
}

func columnNames(t *store.Table) string {
	names := make([]string, len(t.Columns))
	for i := range t.Columns {
		names[i] = t.Columns[i].Name
	}
	return strings.Join(names, ", ")
}
