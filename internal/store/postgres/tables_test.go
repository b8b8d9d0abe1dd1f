package postgres

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/pgtest"
	"github.com/weirhq/weir/internal/store"
	"github.com/weirhq/weir/internal/store/storetest"
)

// openEmpty opens a database of its own for a test.
func openEmpty(t *testing.T) *DB {
	t.Helper()
	db, err := Open(t.Context(), Options{DSN: pgtest.Open(t), Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// What is not declared would stay behind when everything is carried elsewhere.
func TestEveryColumnOfTheMigrationsIsDeclaredForThoseWhoCarryTables(t *testing.T) {
	t.Parallel()
	db := openEmpty(t)
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
	rows, err := db.pool.Query(t.Context(), `SELECT table_name, column_name, is_nullable = 'YES' FROM information_schema.columns
		WHERE table_schema = current_schema() AND table_name NOT LIKE 'goose_%' AND table_name NOT IN ('worker', 'stream_reader')
		ORDER BY table_name, ordinal_position`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var table, name string
		var null bool
		if err := rows.Scan(&table, &name, &null); err != nil {
			t.Fatal(err)
		}
		if null {
			name += " or null"
		}
		made[table] = append(made[table], name)
	}
	if difference := cmp.Diff(made, declared); rows.Err() != nil || difference != "" {
		t.Errorf("the tables and their declarations differ, %v (-made +declared):\n%s", rows.Err(), difference)
	}
}

func TestFillingTablesIsAllOrNothingAndOnlyOfAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := openEmpty(t)
	setting := store.TableNamed("setting")
	put := func(then func() error) error {
		return db.LoadTables(ctx, func(tx store.TableTx) error {
			if err := tx.InsertRows(ctx, setting, [][]any{{"a\x00b", []byte{1}}}); err != nil {
				return err
			}
			return then()
		})
	}
	interrupted := errors.New("interrupted")
	if err := put(func() error { return interrupted }); !errors.Is(err, interrupted) {
		t.Errorf("an interruption came back as %v", err)
	}
	err := put(func() error {
		second := put(func() error { return nil })
		if hub.CodeOf(second) != hub.CodeConflict || !strings.Contains(second.Error(), "fills it already") {
			t.Errorf("a second one at once: %v", second)
		}
		return nil
	})
	if err != nil {
		t.Errorf("the second attempt: %v", err)
	}
	err = put(func() error { return nil })
	if hub.CodeOf(err) != hub.CodeConflict || !strings.Contains(err.Error(), "not empty: it has rows in setting") {
		t.Errorf("a database that has rows: %v", err)
	}
}

func TestWhatPostgreSQLCanNotKeepIsRefusedAndNotChanged(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := openEmpty(t)
	err := db.LoadTables(ctx, func(tx store.TableTx) error {
		return tx.InsertRows(ctx, store.TableNamed("setting"), [][]any{{"\xff", []byte{1}}})
	})
	if hub.CodeOf(err) != hub.CodeInvalid || !strings.Contains(err.Error(), "column name holds bytes that are no text") {
		t.Errorf("it said %v", err)
	}
}

func TestKeysGoOnAfterThoseThatWereLoaded(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := openEmpty(t)
	connector := []any{
		int64(7), "generic", "one", "one", "2024-01-01T00:00:00.000000000Z", "2024-01-01T00:00:00.000000000Z", nil, int64(0), "http://x",
		[]byte{1},
		int64(1), 1.5, int64(1), nil,
	}
	err := db.LoadTables(ctx, func(tx store.TableTx) error {
		counters := [][]any{{store.ConnectorCounter, int64(70)}, {store.EventCounter, int64(900)}, {store.RejectionCounter, int64(0)}}
		if err := tx.InsertRows(ctx, store.TableNamed(store.CounterTable), counters); err != nil {
			return err
		}
		return tx.InsertRows(ctx, store.TableNamed("connector"), [][]any{connector})
	})
	if err != nil {
		t.Fatal(err)
	}
	s := store.New(db, storetest.PlainCipher{})
	if err := s.InstallConnector(ctx, hub.Connector{ID: hub.NewConnectorID(hub.Provider), Name: "next"}); err != nil {
		t.Fatal(err)
	}
	var keys []any
	err = db.ReadTables(ctx, func(v store.TableView) error {
		return v.EachRow(ctx, store.TableNamed("connector"), func(row []any) error {
			keys = append(keys, row[0])
			return nil
		})
	})
	if difference := cmp.Diff([]any{int64(7), int64(71)}, keys); err != nil || difference != "" {
		t.Errorf("%v, keys (-want +got):\n%s", err, difference)
	}
	if last, err := s.LastSequence(ctx); err != nil || last != 900 {
		t.Errorf("the last event has the number %d, %v", last, err)
	}
}
