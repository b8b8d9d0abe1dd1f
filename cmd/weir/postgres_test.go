package main

import (
	"net/url"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/weirhq/weir/internal/pgtest"
	"github.com/weirhq/weir/simulator"
)

// migrated is the DSN of a new database with tables.
func migrated(t *testing.T) string {
	t.Helper()
	program(t)
	dsn := pgtest.Open(t)
	if o := runWeir(t, "migrate", "--store", dsn); o.status != 0 {
		t.Fatalf("migrate: %+v", o)
	}
	return dsn
}

func TestTheDemoProvesOnPostgreSQLWhatItProvesOnSQLite(t *testing.T) {
	t.Parallel()
	program(t)
	o := runWeir(t, "demo", "--once", "--transactions", "800", "--faults", "all", "--seed", "7", "--store", pgtest.Shared(t).DSN(""))
	if o.status != 0 {
		t.Errorf("exit status %d\n%s%s", o.status, o.stdout, o.stderr)
	}
}

// A pooler in transaction mode gives each transaction the session of another:
// what was prepared, listened to or locked in one is not there in the next.
func TestACoreBehindPgBouncerReadsEverything(t *testing.T) {
	t.Parallel()
	dsn := migrated(t)
	bouncer := pgtest.Bouncer(t, dsn)
	psp, service := startService(t, simulator.Options{Seed: 3, Accounts: 5, Beneficiaries: 30, Transactions: 1500})
	dir := t.TempDir()
	c := startCore(t, dir, "--store", bouncer, "--pgbouncer")
	worker := launchCore(t, dir, "--store", bouncer, "--pgbouncer", "--role", roleWorker)
	o := c.weir("connect", "acme", service.Endpoint, "--api-key-file", writeFile(t, "key", service.APIKey))
	if o.status != 0 {
		t.Fatalf("connect: %+v", o)
	}
	if o := c.weir("status"); o.status != 0 {
		t.Errorf("status: %+v", o)
	}
	for _, process := range []*core{c, worker} {
		if status, took := process.stop(); status != 0 || took > stopMax {
			t.Errorf("it ended with %d after %s\n%s", status, took, process.log())
		}
	}
	proveDatabase(t, dsn, filepath.Join(dir, "weir.key"), psp)
}

func TestAPostgreSQLThatCanNotServeIsRefusedWithASentence(t *testing.T) {
	t.Parallel()
	program(t)
	dir := t.TempDir()
	serve := func(dsn string, args ...string) outcome {
		t.Helper()
		args = append([]string{"serve", "--listen", "127.0.0.1:0", "--store", dsn}, args...)
		return command{args: args, dir: dir}.run(t)
	}
	empty, full := pgtest.Open(t), migrated(t)
	serve(empty).wantRefusal(t, "run weir migrate first, or start with --auto-migrate")
	serve("postgres://nobody@127.0.0.1:1/weir").wantRefusal(t, "127.0.0.1:1")
	serve("postgres://%zz").wantRefusal(t, "postgres://user:password@host:5432/database")
	serve(withPath(t, full, "missing")).wantRefusal(t, "missing")
	runWeir(t, "migrate", "--store", filepath.Join(dir, "weir.db")).wantRefusal(t, "no PostgreSQL database")
	runWeir(t, "serve", "--role", "worker", "--store", filepath.Join(dir, "weir.db"), "--listen", "127.0.0.1:0").
		wantRefusal(t, "needs a database that processes can share")

	// The first that starts brings the key; the next needs the same.
	startCore(t, dir, "--store", full).wantStop(stopMax)
	other := startCore(t, t.TempDir())
	other.wantStop(stopMax)
	serve(full, "--encryption-key-file", filepath.Join(other.dir, "weir.key")).wantRefusal(t, "does not fit the database", "name the key file")
	serve(full, "--encryption-key-file", filepath.Join(dir, "missing.key")).wantRefusal(t, "missing.key", "restore it")

	fromTheFuture(t, full)
	serve(full).wantRefusal(t, "newer Weir", "run that version")
	runWeir(t, "migrate", "--store", full).wantRefusal(t, "newer Weir")
}

// withPath is the address of another database on the same server.
func withPath(t *testing.T, dsn, database string) string {
	t.Helper()
	address, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	address.Path = "/" + database
	return address.String()
}

// fromTheFuture makes tables look like those of a later version.
func fromTheFuture(t *testing.T, dsn string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	if _, err := conn.Exec(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)"); err != nil {
		t.Fatal(err)
	}
}
