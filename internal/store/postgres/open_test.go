package postgres

import (
	"context"
	"fmt"
	"io/fs"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/pgtest"
	"github.com/weirhq/weir/internal/store"
	"github.com/weirhq/weir/internal/store/storetest"
)

// refusedToOpen asserts that a database is refused with a sentence, and without
// the password.
func refusedToOpen(t *testing.T, o Options, words string) {
	t.Helper()
	db, err := Open(t.Context(), o)
	if err == nil {
		_ = db.Close()
		t.Fatalf("it was opened; want %q", words)
	}
	if !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%s: %v\nwant %q", hub.CodeOf(err), err, words)
	}
}

// changed is a DSN with something else in it.
func changed(t *testing.T, dsn string, change func(*url.URL)) string {
	t.Helper()
	address, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	change(address)
	return address.String()
}

// do runs statements in a database.
func do(t *testing.T, dsn string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	for _, statement := range statements {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

func TestAnAddressThatLeadsNowhereIsASentence(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, pgtest.Options{Password: "hunter2", Settings: []string{"max_connections=8", "superuser_reserved_connections=0"}})
	dsn := server.Database(t)
	at := func(change func(*url.URL)) Options { return Options{DSN: changed(t, dsn, change), Migrate: true} }
	refusedToOpen(t, Options{DSN: "postgres://me:hunter2@[::1/x"}, "write it as postgres://user:password@host:5432/database")
	refusedToOpen(t, Options{DSN: "postgres://me:hunter2@127.0.0.1:99999/x"}, "write it as postgres://")
	refusedToOpen(t, at(func(u *url.URL) { u.Host = "no-such-host.invalid:5432" }), "the host of the PostgreSQL database")
	refusedToOpen(t, at(func(u *url.URL) { u.Host = "127.0.0.1:1" }), "can't be reached; look whether the server runs and listens there")
	refusedToOpen(t, at(func(u *url.URL) { u.User = url.UserPassword("weir", "hunter2 ") }), "refuses the user or the password")
	refusedToOpen(t, at(func(u *url.URL) { u.Path = "/nothing" }), "does not exist; create it (CREATE DATABASE)")
	var conns []*pgx.Conn
	for {
		conn, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			break
		}
		conns = append(conns, conn)
	}
	refusedToOpen(t, at(func(*url.URL) {}), "takes no more connections; raise max_connections")
	for _, conn := range conns {
		_ = conn.Close(context.Background())
	}
}

func TestADatabaseThatCanNotServeIsRefused(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Open(t)
	name := strings.ReplaceAll(t.Name(), "/", "_")
	do(t, dsn, `CREATE ROLE `+name+` LOGIN PASSWORD 'hunter2'`, `REVOKE CREATE ON SCHEMA public FROM PUBLIC`)
	t.Cleanup(func() { dropRole(t, dsn, name) })
	other := changed(t, dsn, func(u *url.URL) { u.User = url.UserPassword(strings.ToLower(name), "hunter2") })
	refusedToOpen(t, Options{DSN: other, Migrate: true}, "this user may not create tables")
	if _, _, err := Migrate(t.Context(), other); err == nil || !strings.Contains(err.Error(), "this user may not create tables") {
		t.Errorf("Migrate: %v", err)
	}
	refusedToOpen(t, Options{DSN: dsn}, "are at version 0 and this program needs 1; run weir migrate first, or start with --auto-migrate")
	do(t, dsn, `CREATE TABLE payment (id int)`)
	refusedToOpen(t, Options{DSN: dsn, Migrate: true}, "holds tables of another program")
	do(t, dsn, `DROP TABLE payment`)
	if from, to, err := Migrate(t.Context(), dsn); from != 0 || to != 1 || err != nil {
		t.Error(from, to, err)
	}
	if from, to, err := Migrate(t.Context(), dsn); from != 1 || to != 1 || err != nil {
		t.Error(from, to, err)
	}
	refusedToOpen(t, Options{DSN: other}, "too few rights")
	do(t, dsn, `GRANT SELECT ON ALL TABLES IN SCHEMA public TO `+name)
	db, err := Open(t.Context(), Options{DSN: other})
	if err != nil {
		t.Fatal(err)
	}
	err = store.New(db, storetest.PlainCipher{}).InstallConnector(t.Context(), hub.Connector{ID: hub.NewConnectorID(hub.Provider), Name: "x"})
	if err == nil || !strings.Contains(err.Error(), "too few rights") {
		t.Errorf("a user that may only read: %v", err)
	}
	_ = db.Close()
	do(t, dsn, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, true)`)
	for _, migrate := range []bool{false, true} {
		refusedToOpen(t, Options{DSN: dsn, Migrate: migrate}, "written by a newer Weir (its tables are at version 99, this program knows 1); run that version")
	}
}

// dropRole removes a role with its rights in a test's database.
func dropRole(t *testing.T, dsn, name string) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), dsn)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if _, err := conn.Exec(context.Background(), `DROP OWNED BY `+name+`; DROP ROLE `+name); err != nil {
		t.Error(err)
	}
}

func TestADatabaseWithAnotherEncodingIsRefused(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Open(t)
	do(t, dsn, `CREATE DATABASE weir_latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'`)
	t.Cleanup(func() {
		conn, err := pgx.Connect(context.Background(), dsn)
		if err == nil {
			_, err = conn.Exec(context.Background(), `DROP DATABASE weir_latin WITH (FORCE)`)
			_ = conn.Close(context.Background())
		}
		if err != nil {
			t.Error(err)
		}
	})
	refusedToOpen(t, Options{DSN: changed(t, dsn, func(u *url.URL) { u.Path = "/weir_latin" }), Migrate: true}, "has the encoding LATIN1, and Weir needs UTF8")
}

func TestProcessesThatStartAtOnceMigrateOnce(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Open(t)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			db, err := Open(t.Context(), Options{DSN: dsn, Migrate: true, MaxConns: 1})
			if err != nil {
				t.Error(err)
				return
			}
			_ = db.Close()
		})
	}
	wait.Wait()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	var times int
	if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM goose_db_version WHERE version_id = 1`).Scan(&times); err != nil || times != 1 {
		t.Errorf("migrated %d times, %v", times, err)
	}
}

func TestADatabaseIsNamedWithoutItsPassword(t *testing.T) {
	t.Parallel()
	db := openDB(t, nil)
	if name := db.String(); !strings.HasPrefix(name, "the PostgreSQL database weir_test_") || strings.Contains(name, "sslmode") {
		t.Error(name)
	}
}

func TestSettingsAreReplacedOnlyWhenTheyAreWhatTheyWere(t *testing.T) {
	t.Parallel()
	storetest.Settings(t, openDB(t, nil))
}

// TestEveryModeOfSendingStatementsWorks is for poolers, before which statements
// are not to be prepared.
func TestEveryModeOfSendingStatementsWorks(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"exec", "cache_describe", "describe_exec", "simple_protocol"} {
		t.Run(mode, func(t *testing.T) {
			dsn := changed(t, pgtest.Open(t), func(u *url.URL) {
				u.RawQuery += "&default_query_exec_mode=" + mode
			})
			db, err := Open(t.Context(), Options{DSN: dsn, Migrate: true})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = db.Close() }()
			s, connectors := installed(t, db, "acme\x00")
			stream := hub.StreamID{Connector: connectors[0].ID, Resource: hub.Transactions}
			if applied, err := s.Apply(t.Context(), batchOf(stream, hub.Cursor{}, 0, 20)); err != nil || applied.Stored != 20 {
				t.Fatal(applied, err)
			}
			page, err := s.Payments(t.Context(), hub.ListQuery{Filter: hub.HasMetadata{Key: "order", Value: "7"}})
			if err != nil || len(page.Items) != 1 {
				t.Error(page, err)
			}
			if c, err := s.Connector(t.Context(), stream.Connector); err != nil || c.Name != "acme\x00" {
				t.Error(c, err)
			}
		})
	}
}

func TestMigrationsAreFrozen(t *testing.T) {
	// A migration that was released is never edited. A new one is added with its
	// sum here.
	want := map[string]string{
		"migrations/00001_begin.sql": "3da18ea1035e80e241b42c654bb21f16",
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

// TestARestartOfTheServerLosesAndRepeatsNothing stores batches while the server
// crashes and comes back, several times, with nothing else than trying again.
func TestARestartOfTheServerLosesAndRepeatsNothing(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, pgtest.Options{})
	db, err := Open(t.Context(), Options{DSN: server.Database(t), MaxConns: connsMax, Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	s, connectors := installed(t, db, "acme")
	stream := hub.StreamID{Connector: connectors[0].ID, Resource: hub.Transactions}
	const batches, rows = 150, 20
	done := make(chan struct{})
	failures := 0
	go func() {
		defer close(done)
		for at := int64(0); at < batches; {
			state, err := s.Stream(t.Context(), stream)
			if err == nil {
				at = state.Cursor.Version
				_, err = s.Apply(t.Context(), batchOf(stream, state.Cursor, int(at)*rows, rows))
			}
			switch {
			case t.Context().Err() != nil:
				return
			case err != nil:
				failures++
				time.Sleep(20 * time.Millisecond)
			default:
				at++
			}
		}
	}()
	for range 3 {
		select {
		case <-done:
		case <-time.After(150 * time.Millisecond):
		}
		server.Restart(t)
	}
	<-done
	state, err := s.Stream(t.Context(), stream)
	if err != nil || state.Versions != state.Cursor.Version*rows {
		t.Errorf("%d versions at cursor version %d, %v", state.Versions, state.Cursor.Version, err)
	}
	if err := follow(t.Context(), db, state.Versions, func() int { return 1000 }); err != nil {
		t.Error(err)
	}
	if last, err := s.LastSequence(t.Context()); err != nil || last != state.Versions {
		t.Errorf("%d events for %d versions, %v", last, state.Versions, err)
	}
	t.Logf("%d batches failed and were tried again", failures)
}
