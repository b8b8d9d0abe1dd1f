package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
	"github.com/weirhq/weir/internal/store/storetest"
)

// refusedToOpen asserts that a path is refused with a sentence.
func refusedToOpen(t *testing.T, path, words string) {
	t.Helper()
	db, err := Open(t.Context(), path, Options{})
	if err == nil {
		_ = db.Close()
		t.Fatalf("%s was opened; want %q", path, words)
	}
	if !strings.Contains(err.Error(), words) || hub.CodeOf(err) != hub.CodeInvalid {
		t.Errorf("%s: %s: %v\nwant %q", path, hub.CodeOf(err), err, words)
	}
}

func reopen(t *testing.T, path string) *DB {
	t.Helper()
	db, err := Open(t.Context(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func closeDB(t *testing.T, db *DB) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAPathThatIsNoDatabaseIsASentence(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(text, bytes.Repeat([]byte("these are my notes\n"), 100), 0o600); err != nil {
		t.Fatal(err)
	}
	refusedToOpen(t, dir, "is a folder; name a file in it, such as "+filepath.Join(dir, "weir.db"))
	refusedToOpen(t, text, "is not a SQLite database; name another file")
	refusedToOpen(t, filepath.Join(dir, "missing", "weir.db"), "choose a folder that exists")
	refusedToOpen(t, filepath.Join(text, "weir.db"), "can't look at the database")
	if after, err := os.ReadFile(text); err != nil || !bytes.HasPrefix(after, []byte("these are my notes")) || len(after) != 1900 {
		t.Errorf("the file was changed: %d bytes, %v", len(after), err)
	}
}

func TestTheDatabaseOfAnotherProgramIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "other.db")
	other, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Exec(`CREATE TABLE album (title TEXT)`); err != nil {
		t.Fatal(err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	refusedToOpen(t, path, "is the database of another program; name another file")
}

func TestADatabaseOfANewerVersionIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weir.db")
	db := reopen(t, path)
	if _, err := db.pool.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)`); err != nil {
		t.Fatal(err)
	}
	closeDB(t, db)
	refusedToOpen(t, path, "was written by a newer Weir (its tables are at version 99, this program knows 1); run that version")
}

func TestADamagedDatabaseIsASentence(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weir.db")
	closeDB(t, reopen(t, path))
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	const header = 100 // what tells a database of SQLite's
	if _, err := file.WriteAt(make([]byte, info.Size()-header), header); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), path, Options{})
	if err == nil || !strings.Contains(err.Error(), "is damaged; restore it from a backup") {
		t.Errorf("Open: %v", err)
	}
}

func TestADatabaseThatCanNotBeWrittenIsASentence(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write everything")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "weir.db")
	closeDB(t, reopen(t, path))
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	refusedToOpen(t, path, "can't write the database")
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(dir, 0o700) })
	refusedToOpen(t, path, "give this user the right to")
}

func TestASecondProcessIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weir.db")
	db := reopen(t, path)
	// flock counts openings, not processes: a second one here is as good.
	refusedToOpen(t, path, "is in use by another process; stop that one first")
	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(path, link); err == nil {
		refusedToOpen(t, link, "is in use by another process")
	}
	closeDB(t, db)
	closeDB(t, reopen(t, path))
}

func TestADatabaseIsForItsOwnerAlone(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("rights are not in the mode there")
	}
	path := filepath.Join(t.TempDir(), "weir.db")
	db := reopen(t, path)
	defer closeDB(t, db)
	names, err := filepath.Glob(path + "*")
	if err != nil || len(names) < 3 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

func TestAnyNameOfAFileWillDo(t *testing.T) {
	for _, name := range []string{"a b.db", "100%.db", "what?.db", "a#b&c=d.db", "ü日.db", "q'\".db", "%41.db"} {
		dir, err := filepath.EvalSymlinks(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		db := reopen(t, path)
		if db.Path() != path {
			t.Errorf("path %q, want %q", db.Path(), path)
		}
		closeDB(t, db)
		if info, err := os.Stat(path); err != nil || info.Size() == 0 {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestWhatIsStoredIsThereAfterARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weir.db")
	connector := hub.Connector{ID: hub.NewConnectorID(hub.Provider), Name: "acme"}
	stream := hub.StreamID{Connector: connector.ID, Resource: hub.Transactions}
	for i := range 3 {
		db := reopen(t, path)
		s := store.New(db, storetest.PlainCipher{})
		if i == 0 {
			if err := s.InstallConnector(t.Context(), connector); err != nil {
				t.Fatal(err)
			}
		}
		state, err := s.Stream(t.Context(), stream)
		if err != nil || state.Versions != int64(10*i) {
			t.Fatalf("start %d: %d versions, %v", i, state.Versions, err)
		}
		if _, err := s.Apply(t.Context(), batchOf(stream, state.Cursor, 10*i, 10)); err != nil {
			t.Fatal(err)
		}
		closeDB(t, db)
	}
	if _, err := os.Stat(path + "-wal"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the journal was left behind: %v", err)
	}
}

func TestSettingsAreReplacedOnlyWhenTheyAreWhatTheyWere(t *testing.T) {
	storetest.Settings(t, openDB(t, nil))
}

// TestAnotherPoolMayWriteTheSameFile is what the job engine does: it has tables
// and connections of its own, and adds jobs inside the store's transactions.
func TestAnotherPoolMayWriteTheSameFile(t *testing.T) {
	var db *DB
	enqueued := 0
	var err error
	db, err = Open(t.Context(), filepath.Join(t.TempDir(), "weir.db"), Options{
		Enqueue: func(ctx context.Context, tx *sql.Tx, job store.Job) error {
			enqueued++
			_, err := tx.ExecContext(ctx, `INSERT INTO job (stream, turn) VALUES (?, ?)`, job.Stream.String(), job.Turn)
			return err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer closeDB(t, db)
	pool, err := db.OpenPool()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pool.Close() }()
	if _, err := pool.Exec(`CREATE TABLE job (stream TEXT, turn INTEGER)`); err != nil {
		t.Fatal(err)
	}
	s := store.New(db, storetest.PlainCipher{})
	connector := hub.Connector{ID: hub.NewConnectorID(hub.Provider), Name: "acme"}
	if err := s.InstallConnector(t.Context(), connector); err != nil {
		t.Fatal(err)
	}
	stream := hub.StreamID{Connector: connector.ID, Resource: hub.Transactions}
	var wait sync.WaitGroup
	wait.Go(func() {
		var cursor hub.Cursor
		for i := range 20 {
			applied, err := s.Apply(t.Context(), batchOf(stream, cursor, 100*i, 100))
			if err != nil {
				t.Error(err)
				return
			}
			cursor = applied.Cursor
			if err := s.PollNow(t.Context(), stream); err != nil {
				t.Error(err)
			}
		}
	})
	wait.Go(func() {
		for range 50 {
			if _, err := pool.Exec(`UPDATE job SET turn = turn WHERE stream = 'x'`); err != nil {
				t.Error(err)
			}
		}
	})
	wait.Wait()
	var jobs int
	if err := pool.QueryRow(`SELECT count(*) FROM job`).Scan(&jobs); err != nil || jobs != 24 || enqueued != 24 {
		t.Errorf("%d jobs, %d enqueued, %v", jobs, enqueued, err)
	}
}

func TestStatementsOfManyFiltersAreForgotten(t *testing.T) {
	db := openDB(t, nil)
	s := store.New(db, storetest.PlainCipher{})
	for i := range 3 * statementsMax {
		filter := hub.And{}
		for n := i; n > 0; n /= 2 {
			filter = append(filter, hub.Filter(hub.Or{}), hub.Filter(hub.And{}))
			if n%2 == 0 {
				filter = append(filter, hub.Not{Filter: hub.Or{}})
			}
		}
		if _, err := s.Payments(t.Context(), hub.ListQuery{Filter: filter}); err != nil {
			t.Fatal(err)
		}
	}
	db.eachSession(func(s *session) {
		if len(s.prepared) > statementsMax {
			t.Errorf("a session keeps %d statements", len(s.prepared))
		}
	})
}

func TestMigrationsAreFrozen(t *testing.T) {
	// A migration that was released is never edited. A new one is added with its
	// sum here.
	want := map[string]string{
		"migrations/00001_begin.sql": "5f4bfcf2c7f5ad88ed8c5246af42c95a",
	}
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := migrations.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if sum := fmt.Sprintf("%x", store.HashOf(text)); want[name] != sum {
			t.Errorf("%s has the sum %s, not %s", name, sum, want[name])
		}
	}
}
