package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// bouncerSettings let two server connections carry everybody, so that a
// transaction hardly ever meets the one that the last one had.
const bouncerSettings = `[databases]
* = host=127.0.0.1 port=%s

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = trust
auth_file = users.txt
pool_mode = transaction
default_pool_size = 2
max_client_conn = 100
logfile =
pidfile =
`

// Bouncer starts PgBouncer in transaction mode before the server of a DSN, and
// returns the DSN that leads through it. It ends with the test, and sooner when
// the test binary dies. Where PgBouncer is not installed the test is skipped, as
// by [Open].
func Bouncer(tb testing.TB, dsn string) string {
	tb.Helper()
	program, err := findBouncer()
	if err != nil {
		missing(tb, err)
	}
	server, err := url.Parse(dsn)
	if err != nil {
		tb.Fatal(err)
	}
	// Not a folder of the test's: the program's user has to reach it.
	dir, err := os.MkdirTemp("", "weir-bouncer-") //nolint:usetesting // see above
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	port, err := freePort()
	if err != nil {
		tb.Fatal(err)
	}
	files := map[string]string{
		"pgbouncer.ini": fmt.Sprintf(bouncerSettings, server.Port(), port),
		"users.txt":     fmt.Sprintf("%q \"\"\n", server.User.Username()),
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), giveAway(path), giveAway(dir)); err != nil {
			tb.Fatal(err)
		}
	}
	log := filepath.Join(dir, "log")
	process, err := startGuarded(dir, log, program, []string{"-q", filepath.Join(dir, "pgbouncer.ini")})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = process.stop("KILL") })
	server.Host = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	awaitBouncer(tb, process, server.String(), log)
	return server.String()
}

func findBouncer() (string, error) {
	if program, err := exec.LookPath("pgbouncer"); err == nil {
		return program, nil
	}
	const program = "/usr/sbin/pgbouncer" // which is not on everybody's path
	if _, err := os.Stat(program); err != nil {
		return "", errors.New("PgBouncer is not installed")
	}
	return program, nil
}

// awaitBouncer waits until it lets somebody through.
func awaitBouncer(tb testing.TB, process *process, dsn, log string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		tb.Fatal(err)
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	for {
		conn, err := pgx.ConnectConfig(ctx, config)
		if err == nil {
			_ = conn.Close(ctx)
			return
		}
		select {
		case <-process.ended:
			tb.Fatalf("PgBouncer did not start:\n%s", lastLines(log))
		case <-ctx.Done():
			tb.Fatalf("PgBouncer lets nobody through: %v\n%s", err, lastLines(log))
		case <-time.After(20 * time.Millisecond):
		}
	}
}
