package main

import (
	"database/sql"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAWrongCommandLineIsRefusedWithASentence(t *testing.T) {
	t.Parallel()
	key := writeFile(t, "key", "secret")
	tests := []struct {
		name string
		args []string
		want []string
	}{
		{"an unknown command", []string{"stats"}, []string{`unknown command "stats"`, "status"}},
		{"an unknown command that resembles none", []string{"frobnicate"}, []string{`unknown command "frobnicate"`, "weir --help"}},
		{"an unknown flag", []string{"serve", "--prot", "1"}, []string{"unknown flag: --prot", "weir serve --help"}},
		{"an argument too many", []string{"serve", "now"}, []string{"now"}},
		{"a period that is none", []string{"serve", "--polling-period", "abc"}, []string{`"abc"`, "--polling-period", "weir serve --help"}},
		{"a period of nothing", []string{"serve", "--polling-period", "0s"}, []string{"--polling-period is 0s", "above zero"}},
		{"a level of logging that is none", []string{"serve", "--log-level", "loud"}, []string{`"loud"`, "debug, info, warn, error"}},
		{"a form of logging that is none", []string{"serve", "--log-format", "xml"}, []string{`"xml"`, "text", "json"}},
		{"an address that others reach, without keys", []string{"serve", "--listen", "0.0.0.0:0"}, []string{"--listen 0.0.0.0:0", "--api-key-file", "127.0.0.1"}},
		{"an address that is none", []string{"serve", "--listen", "nowhere"}, []string{"nowhere"}},
		{"a file of keys without a key", []string{"serve", "--api-key-file", writeFile(t, "keys", "\n")}, []string{"holds no key", "write one key on each line"}},
		{"a file of keys that is missing", []string{"serve", "--api-key-file", "missing"}, []string{"missing"}},
		{"connect without a URL", []string{"connect", "acme", "psp.example.com", "--api-key-file", key}, []string{"the endpoint is not an absolute URL"}},
		{"connect without an endpoint", []string{"connect", "acme"}, []string{"NAME ENDPOINT", `only "acme" was given`}},
		{"connect without a key", []string{"connect", "acme", "http://127.0.0.1:1"}, []string{"--api-key-file FILE"}},
		{"connect with a period of nothing", []string{"connect", "acme", "http://127.0.0.1:1", "--api-key-file", key, "--polling-period", "0s"}, []string{"--polling-period is 0s", "above zero"}},
		{"connect with a period that is none", []string{"connect", "acme", "http://127.0.0.1:1", "--api-key-file", key, "--polling-period", "abc"}, []string{`"abc"`}},
		{"connect with an empty file of a key", []string{"connect", "acme", "http://127.0.0.1:1", "--api-key-file", writeFile(t, "key", "")}, []string{"holds no key"}},
		{"connect with a folder for a key", []string{"connect", "acme", "http://127.0.0.1:1", "--api-key-file", t.TempDir()}, []string{"is a folder"}},
		{"status for people and for programs", []string{"status", "--watch", "--json"}, []string{"choose one"}},
		{"settings that are missing", []string{"serve", "--config", "missing.yaml"}, []string{"missing.yaml"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			o := command{args: test.args, dir: dir}.run(t)
			o.wantRefusal(t, test.want...)
			wantEmpty(t, dir)
		})
	}
}

// wantEmpty checks that a refused command has left nothing in its folder.
func wantEmpty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) > 0 {
		t.Errorf("it has left %v, %v", entries, err)
	}
}

func TestAPortInUseIsRefusedBeforeAnythingIsMade(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	dir := t.TempDir()
	o := command{args: []string{"serve", "--listen", listener.Addr().String()}, dir: dir}.run(t)
	o.wantRefusal(t, listener.Addr().String(), "address already in use", "--listen")
	wantEmpty(t, dir)
}

func TestADatabaseThatCanNotBeUsedIsRefusedWithASentence(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		// database prepares the file and returns its path.
		database func(t *testing.T, dir string) string
		want     []string
	}{
		{"a folder", func(_ *testing.T, dir string) string { return dir }, []string{"is a folder", "weir.db"}},
		{"no file", func(*testing.T, string) string { return os.DevNull }, []string{"is not a file", "name another place"}},
		{"in no folder", func(_ *testing.T, dir string) string { return filepath.Join(dir, "missing", "weir.db") }, []string{"can't create the database", "choose a folder"}},
		{"a text", func(t *testing.T, dir string) string {
			path := filepath.Join(dir, "weir.db")
			if err := os.WriteFile(path, []byte(strings.Repeat("These are not the rows that you look for.\n", 100)), 0o600); err != nil {
				t.Fatal(err)
			}
			return path
		}, []string{"weir.db", "name another"}},
		{"of another program", func(t *testing.T, dir string) string {
			path := filepath.Join(dir, "other.db")
			change(t, path, `CREATE TABLE songs (title TEXT)`)
			return path
		}, []string{"the database of another program", "name another file"}},
		{"of a newer version", func(t *testing.T, dir string) string {
			c := startCore(t, dir)
			c.wantStop(stopMax)
			change(t, c.database(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)`)
			return c.database()
		}, []string{"written by a newer Weir", "run that version"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			program(t)
			path := test.database(t, t.TempDir())
			before := tablesOf(path)
			runWeir(t, "serve", "--listen", "127.0.0.1:0", "--store", path).wantRefusal(t, test.want...)
			if after := tablesOf(path); after != before {
				t.Errorf("it was changed from %s to %s", before, after)
			}
		})
	}
}

// tablesOf describes what a database holds, or why it can't be read.
func tablesOf(path string) string {
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	if err != nil {
		return err.Error()
	}
	defer func() { _ = db.Close() }()
	var tables sql.NullString
	err = db.QueryRow(`SELECT group_concat(sql, '; ') FROM sqlite_master`).Scan(&tables)
	return fmt.Sprint(tables.String, err)
}

func TestADatabaseOfSomebodyElseIsRefusedWithASentence(t *testing.T) {
	t.Parallel()
	program(t)
	if os.Getuid() == 0 {
		t.Skip("root may read and write everything")
	}
	path := writeFile(t, "weir.db", "")
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	runWeir(t, "serve", "--listen", "127.0.0.1:0", "--store", path).wantRefusal(t, "can't write the database", "give this user the right")
}

// change runs one statement on a database that nobody has open.
func change(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

func TestADatabaseHasOneProcessAndOneKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := startCore(t, dir)
	serve := func(args ...string) outcome {
		t.Helper()
		return runWeir(t, append([]string{"serve", "--listen", "127.0.0.1:0", "--store", c.database()}, args...)...)
	}
	serve().wantRefusal(t, "is in use by another process", "stop that one first")
	if !c.isUp() {
		t.Error("the first process has ended")
	}
	c.wantStop(stopMax)

	other := startCore(t, t.TempDir())
	other.wantStop(stopMax)
	serve("--encryption-key-file", filepath.Join(other.dir, "weir.key")).wantRefusal(t, "does not fit the database", "name the key file")
	serve("--encryption-key-file", filepath.Join(dir, "missing.key")).wantRefusal(t, "missing.key", "restore it")
	serve("--encryption-key-file", c.database()).wantRefusal(t, "is not a key file")
	if _, err := os.Stat(filepath.Join(dir, "missing.key")); err == nil {
		t.Error("a key was made for a database that has one")
	}
	startCore(t, dir).wantStop(stopMax)
}
