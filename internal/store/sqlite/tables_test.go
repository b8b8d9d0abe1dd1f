package sqlite

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
	"github.com/weirhq/weir/internal/store/storetest"
)

// What is not declared would stay behind when everything is carried elsewhere.
func TestEveryColumnOfTheMigrationsIsDeclaredForThoseWhoCarryTables(t *testing.T) {
	db := openDB(t, nil)
	declared := map[string][]string{}
	for _, table := range store.Tables {
		for _, c := range table.Columns {
			name := c.Name
			if c.Null {
				name += " or null"
			}
			declared[table.Name] = append(declared[table.Name], name)
		}
	}
	made := map[string][]string{}
	err := db.read(t.Context(), func(v view) error {
		return v.query(t.Context(), `SELECT t.name, c.name, c."notnull" OR c.pk FROM sqlite_master t JOIN pragma_table_info(t.name) c
			WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name NOT LIKE 'goose_%' ORDER BY t.name, c.cid`, func(r row) error {
			name := r.text(1)
			if r.int(2) == 0 {
				name += " or null"
			}
			made[r.text(0)] = append(made[r.text(0)], name)
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	if difference := cmp.Diff(made, declared); difference != "" {
		t.Errorf("the tables and their declarations differ (-made +declared):\n%s", difference)
	}
}

func TestADatabaseIsReadBesideTheProcessThatWritesIt(t *testing.T) {
	db := openDB(t, nil)
	reader, err := OpenForReading(t.Context(), db.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	settings := func(v store.TableView) int64 {
		n, err := v.CountRows(t.Context(), store.TableNamed("setting"))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	err = reader.ReadTables(t.Context(), func(v store.TableView) error {
		if n := settings(v); n != 0 {
			t.Errorf("%d settings before any was put", n)
		}
		if _, err := db.PutSetting(t.Context(), "a", nil, []byte("b")); err != nil {
			t.Fatal(err)
		}
		if n := settings(v); n != 0 {
			t.Errorf("a view that had begun shows %d settings that were put later", n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := reader.ReadTables(t.Context(), func(v store.TableView) error {
		if n := settings(v); n != 1 {
			t.Errorf("a new view shows %d settings of 1", n)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestOneWhoReadsChangesNothing(t *testing.T) {
	db := openDB(t, nil)
	reader, err := OpenForReading(t.Context(), db.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	err = reader.read(t.Context(), func(v view) error {
		_, err := v.exec(t.Context(), `INSERT INTO setting (name, value) VALUES ('a', x'00')`)
		return err
	})
	if err == nil {
		t.Error("a database that was opened for reading took a row")
	}
}

func TestOpeningForReadingMakesNothingAndSaysWhatIsWrong(t *testing.T) {
	folder := t.TempDir()
	empty := filepath.Join(folder, "empty.db")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(folder, "missing.db"): "there is no database",
		folder:                              "is a folder",
		empty:                               "has no tables of Weir's yet",
	} {
		db, err := OpenForReading(t.Context(), path)
		if err == nil {
			_ = db.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", path, err, want)
		}
	}
	if info, err := os.Stat(empty); err != nil || info.Size() != 0 {
		t.Errorf("the empty file is now %v, %v", info, err)
	}
	if _, err := os.Stat(filepath.Join(folder, "missing.db")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing database: %v", err)
	}
}

func TestFillingTablesIsAllOrNothingAndOnlyOfAnEmptyDatabase(t *testing.T) {
	ctx := context.Background()
	db := openDB(t, nil)
	setting := store.TableNamed("setting")
	put := func(then error) error {
		return db.LoadTables(ctx, func(tx store.TableTx) error {
			if err := tx.InsertRows(ctx, setting, [][]any{{"a", []byte{1}}}); err != nil {
				return err
			}
			return then
		})
	}
	interrupted := errors.New("interrupted")
	if err := put(interrupted); !errors.Is(err, interrupted) {
		t.Errorf("an interruption came back as %v", err)
	}
	if err := put(nil); err != nil {
		t.Errorf("the second attempt: %v", err)
	}
	if err := put(nil); hub.CodeOf(err) != hub.CodeConflict || !strings.Contains(err.Error(), "not empty: it has rows in setting") {
		t.Errorf("a database that has rows: %v", err)
	}
}

func TestKeysThatAreNeverGivenTwiceAreNotGivenAgainAfterALoad(t *testing.T) {
	ctx := context.Background()
	db := openDB(t, nil)
	counters := store.TableNamed(store.CounterTable)
	err := db.LoadTables(ctx, func(tx store.TableTx) error {
		return tx.InsertRows(ctx, counters, [][]any{{store.ConnectorCounter, int64(70)}, {store.EventCounter, int64(900)}, {store.RejectionCounter, int64(80)}})
	})
	if err != nil {
		t.Fatal(err)
	}
	s := store.New(db, storetest.PlainCipher{})
	if err := s.InstallConnector(ctx, hub.Connector{ID: hub.NewConnectorID(hub.Provider), Name: "next"}); err != nil {
		t.Fatal(err)
	}
	err = db.ReadTables(ctx, func(v store.TableView) error {
		return v.EachRow(ctx, store.TableNamed("connector"), func(row []any) error {
			if row[0] != int64(71) {
				t.Errorf("the next connector has the key %v", row[0])
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	if last, err := s.LastSequence(ctx); err != nil || last != 900 {
		t.Errorf("the last event has the number %d, %v", last, err)
	}
}

func TestAFullDiskLeavesADatabaseThatIsBeingFilledEmpty(t *testing.T) {
	ctx := context.Background()
	db := openDB(t, nil)
	room := func(pages string) {
		db.eachSession(func(s *session) {
			if err := s.query(ctx, "PRAGMA max_page_count = "+pages, func(row) error { return nil }); err != nil {
				t.Fatal(err)
			}
		})
	}
	fill := func() error {
		return db.LoadTables(ctx, func(tx store.TableTx) error {
			return tx.InsertRows(ctx, store.TableNamed("setting"), [][]any{{"a", make([]byte, 1<<20)}})
		})
	}
	room("60")
	if err := fill(); err == nil || !strings.Contains(err.Error(), "there is no room left for the database") {
		t.Errorf("it said %v", err)
	}
	room("100000")
	if err := fill(); err != nil {
		t.Errorf("with room: %v", err)
	}
}
