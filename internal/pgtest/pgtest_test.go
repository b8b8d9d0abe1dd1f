package pgtest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func TestEveryTestHasADatabaseOfItsOwn(t *testing.T) {
	for range 2 {
		if _, err := connect(t, Open(t)).Exec(t.Context(), `CREATE TABLE thing (id bigint)`); err != nil {
			t.Error(err)
		}
	}
}

func TestWhatWasCommittedIsThereAfterARestart(t *testing.T) {
	s := Start(t, Options{Password: "not ' easy"})
	dsn := s.Database(t)
	conn := connect(t, dsn)
	if _, err := conn.Exec(t.Context(), `CREATE TABLE thing AS SELECT 7 AS n`); err != nil {
		t.Fatal(err)
	}
	s.Restart(t)
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("a connection has outlived the server")
	}
	var n int
	if err := connect(t, dsn).QueryRow(t.Context(), `SELECT n FROM thing`).Scan(&n); err != nil || n != 7 {
		t.Error(n, err)
	}
	s.StopOrderly(t)
	s.Stop(t)
	if _, err := pgx.Connect(t.Context(), dsn); err == nil {
		t.Error("a server that was stopped answers")
	}
	s.Run(t)
}

// TestKilledTest is no test: it is the process that the next one kills.
func TestKilledTest(t *testing.T) {
	if os.Getenv("WEIR_TEST_KILLED") == "" {
		t.Skip("only runs to be killed")
	}
	s := Start(t, Options{})
	fmt.Printf("server %s %s\n", s.dir, s.DSN(""))
	time.Sleep(time.Minute)
}

func TestAServerDoesNotOutliveItsTests(t *testing.T) {
	Open(t) // skips where there is no server
	if Shared(t).dir == "" {
		t.Skip("the server is somebody else's")
	}
	command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledTest$")
	command.Env = append(os.Environ(), "WEIR_TEST_KILLED=yes")
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	var dir, dsn string
	for lines := bufio.NewScanner(out); dsn == "" && lines.Scan(); {
		if rest, found := strings.CutPrefix(lines.Text(), "server "); found {
			dir, dsn, _ = strings.Cut(rest, " ")
		}
	}
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = command.Wait() // it was killed
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		_, err := os.Stat(dir)
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the server's files are still there: %v", err)
		}
	}
	if _, err := pgx.Connect(t.Context(), dsn); err == nil {
		t.Error("the server of a killed test answers")
	}
}
