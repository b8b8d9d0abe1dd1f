package main

import (
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/pgtest"
	"github.com/weirhq/weir/simulator"
)

// wantFiles checks what a folder holds.
func wantFiles(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the folder holds %q, want %q", got, want)
	}
}

// contentOf is the name of the content that export and import have printed.
func contentOf(t *testing.T, o outcome) string {
	t.Helper()
	_, after, found := strings.Cut(o.stdout, "content     ")
	if o.status != 0 || !found {
		t.Fatalf("it ended so: %+v", o)
	}
	content, _, _ := strings.Cut(after, "\n")
	return content
}

// carry takes everything from one database to another, both of them named as
// --store has it, with the files in a folder.
func carry(t *testing.T, dir, from, to string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "weir.ndjson.gz")
	exported := contentOf(t, command{args: []string{"export", file, "--store", from}, dir: dir}.run(t))
	imported := contentOf(t, command{args: []string{"import", file, "--store", to}, dir: dir}.run(t))
	if imported != exported {
		t.Errorf("exported %s from %s, imported %s into %s", exported, from, imported, to)
	}
}

// A hub that was exported while it read, and killed, goes on in PostgreSQL to the
// end, and comes back: every record once, events without a gap or a repetition.
func TestAHubGoesOnInAnotherDatabaseWhereItStood(t *testing.T) {
	t.Parallel()
	program(t)
	dsn := pgtest.Open(t)
	psp, _ := startService(t, simulator.Options{Seed: 7, Accounts: 5, Beneficiaries: 100, Transactions: killRows})
	endpoint, pages := slowService(t, psp, 10*time.Second)
	dir := t.TempDir()
	hub := startCore(t, dir)
	o := hub.weir("connect", "acme", endpoint, "--api-key-file", writeFile(t, "key", simulator.DefaultAPIKey), "--no-watch")
	if o.status != 0 {
		t.Fatalf("connect: %+v", o)
	}
	eventually(t, readTimeout, "some pages are read", func() bool { return pages.Load() > 20 })
	carry(t, dir, "weir.db", dsn)
	if !hub.isUp() {
		t.Fatalf("weir serve did not survive the export\n%s", hub.log())
	}
	hub.kill()

	hub = startCore(t, dir, "--store", dsn, "--encryption-key-file", "weir.key")
	eventually(t, readTimeout, "the rest is read", func() bool {
		streams, err := hub.streams(t.Context(), "")
		return err == nil && allCaughtUp(streams)
	})
	if status, _ := hub.stop(); status != 0 {
		t.Errorf("weir serve ended with %d\n%s", status, hub.log())
	}
	carry(t, dir, dsn, "back.db")
	proveDatabase(t, filepath.Join(dir, "back.db"), filepath.Join(dir, "weir.key"), psp)
}

// exported makes a database with something in it, and its archive.
func exported(t *testing.T) (dir string, archive string) {
	t.Helper()
	dir = t.TempDir()
	n, err := openNode(t.Context(), nodeOptions{Store: filepath.Join(dir, "weir.db"), Listen: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.close(); err != nil {
		t.Fatal(err)
	}
	o := command{args: []string{"export", "weir.ndjson"}, dir: dir}.run(t)
	contentOf(t, o)
	text, err := os.ReadFile(filepath.Join(dir, "weir.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	return dir, string(text)
}

func TestAnExportReplacesAFileOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	dir, text := exported(t)
	if info, err := os.Stat(filepath.Join(dir, "weir.ndjson")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the archive has the rights %v, %v; others can read it", info.Mode(), err)
	}
	o := command{args: []string{"export", "weir.ndjson"}, dir: dir}.run(t)
	o.wantRefusal(t, "there is a file weir.ndjson already", "--overwrite")
	if after, err := os.ReadFile(filepath.Join(dir, "weir.ndjson")); err != nil || string(after) != text {
		t.Errorf("the file was changed all the same, %v", err)
	}
	before := contentOf(t, command{args: []string{"export", "weir.ndjson", "--overwrite"}, dir: dir}.run(t))
	wantFiles(t, dir, "weir.db", "weir.db.lock", "weir.key", "weir.ndjson")

	o = command{args: []string{"export", "-"}, dir: dir}.run(t)
	if o.status != 0 || !strings.Contains(o.stdout, before) || !strings.HasPrefix(o.stdout, `{"weir_archive":`) {
		t.Errorf("to standard output: %d %.200s", o.status, o.stdout)
	}
	again := t.TempDir()
	if got := contentOf(t, command{args: []string{"import", "-"}, dir: again, stdin: o.stdout}.run(t)); got != before {
		t.Errorf("from standard input: %s, want %s", got, before)
	}
	wantFiles(t, again, "weir.db", "weir.db.lock")
}

func TestAnExportThatIsRefusedLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := command{args: []string{"export", "weir.ndjson"}, dir: dir}.run(t)
	o.wantRefusal(t, "there is no database", "weir.db")
	wantEmpty(t, dir)
	o = command{args: []string{"export", dir}, dir: dir}.run(t)
	o.wantRefusal(t, "is a folder")
	o = command{args: []string{"export", "/dev/null"}, dir: dir}.run(t)
	o.wantRefusal(t, `standard output with "-"`)
	o = command{args: []string{"export", "nowhere/weir.ndjson"}, dir: dir}.run(t)
	o.wantRefusal(t, "choose a folder that exists")
	wantEmpty(t, dir)
}

func TestAnImportThatIsRefusedLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	full, text := exported(t)
	dir := t.TempDir()
	for name, test := range map[string]struct{ text, want string }{
		"no archive":  {"hello\n", "no archive of Weir's"},
		"cut":         {text[:len(text)-10], "it was cut short"},
		"changed":     {strings.Replace(text, `"rows":3`, `"rows":4`, 1), "first line announces 4"},
		"of tomorrow": {strings.Replace(text, `"format":1`, `"format":9`, 1), "newer Weir"},
	} {
		o := command{args: []string{"import", "-"}, dir: dir, stdin: test.text}.run(t)
		o.wantRefusal(t, test.want)
		if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
			t.Errorf("%s: it has left %v, %v", name, entries, err)
		}
	}
	o := command{args: []string{"import", "weir.ndjson"}, dir: full}.run(t)
	o.wantRefusal(t, "is not empty: it has rows in setting", "name a file that does not exist yet")
	wantFiles(t, full, "weir.db", "weir.db.lock", "weir.key", "weir.ndjson")
}

func TestOneOfTwoImportsAtOnceIsRefused(t *testing.T) {
	t.Parallel()
	_, text := exported(t)
	dir := t.TempDir()
	outcomes := make([]outcome, 2)
	var both sync.WaitGroup
	for i := range outcomes {
		both.Go(func() { outcomes[i] = command{args: []string{"import", "-"}, dir: dir, stdin: text}.run(t) })
	}
	both.Wait()
	slices.SortFunc(outcomes, func(a, b outcome) int { return a.status - b.status })
	contentOf(t, outcomes[0])
	if said := outcomes[1].stderr; !strings.Contains(said, "in use by another process") && !strings.Contains(said, "is not empty") {
		t.Errorf("the other one: %+v", outcomes[1])
	}
}

func TestAnImportThatIsKilledLeavesTheDatabaseEmpty(t *testing.T) {
	t.Parallel()
	full, text := exported(t)
	dir := t.TempDir()
	killed := exec.Command(program(t), "import", "-")
	killed.Dir, killed.Env = dir, environment()
	in, err := killed.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := killed.Start(); err != nil {
		t.Fatal(err)
	}
	// The counters are read, and so some rows are in the transaction.
	begin, _, _ := strings.Cut(text, `{"end":{"table":"connector"`)
	if _, err := io.WriteString(in, begin); err != nil {
		t.Fatal(err)
	}
	eventually(t, commandTimeout, "the import has begun", func() bool {
		info, err := os.Stat(filepath.Join(dir, "weir.db"))
		return err == nil && info.Size() > 0
	})
	time.Sleep(200 * time.Millisecond) // for the transaction, which nobody can see
	_ = killed.Process.Kill()
	_ = killed.Wait()
	want := contentOf(t, command{args: []string{"export", "again.ndjson"}, dir: full}.run(t))
	if got := contentOf(t, command{args: []string{"import", "-"}, dir: dir, stdin: text}.run(t)); got != want {
		t.Errorf("the next import holds %s, want %s", got, want)
	}
}
