package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/connector"
)

var (
	update   = flag.Bool("update", false, "rewrite the golden files")
	killings = flag.Int("kills", 6, "how often weir serve is killed during one ingest")
	killSeed = flag.Uint64("kill-seed", 0, "seed of the instants of killing; 0 takes one from the clock")
)

const (
	// commandTimeout bounds a command that asks or refuses, readTimeout a whole read;
	// both leave room for a machine that does other things as well.
	commandTimeout = time.Minute
	readTimeout    = 2 * time.Minute
)

// built is the program as it is shipped. It is built when the first test wants
// to run it, and removed after the last.
var built struct {
	folder string
	once   sync.Once
	path   string
	err    error
}

// atOnce is how many tests run at once where nobody says otherwise: most of
// them wait for processes, so there may be more than there are processors.
const atOnce = "5"

func TestMain(m *testing.M) {
	_ = flag.Set("test.parallel", atOnce)
	flag.Parse()
	status := m.Run()
	if built.folder != "" {
		_ = os.RemoveAll(built.folder)
	}
	os.Exit(status)
}

// program returns the path of the program. Tests that run it are left out of
// short runs.
func program(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("runs the program, which -short leaves out")
	}
	built.once.Do(func() {
		if built.folder, built.err = os.MkdirTemp("", "weir-program-"); built.err != nil { //nolint:usetesting // it outlives the first test that needs it
			return
		}
		built.path = filepath.Join(built.folder, "weir")
		build := exec.Command("go", "build", "-buildvcs=false", "-o", built.path, ".")
		if text, err := build.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("%w\n%s", err, text)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.path
}

// A command is one run of the program.
type command struct {
	args  []string
	dir   string
	stdin string
	env   []string
}

// An outcome is how a run ended.
type outcome struct {
	status         int
	stdout, stderr string
}

// run runs the program to its end.
func (c command) run(t *testing.T) outcome {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program(t), c.args...)
	cmd.Dir, cmd.Env, cmd.Stdin = c.dir, environment(c.env...), strings.NewReader(c.stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	late := time.AfterFunc(commandTimeout, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if cmd.ProcessState.ExitCode() < 0 {
		t.Fatalf("weir %s did not end\n%s%s", strings.Join(c.args, " "), &stdout, &stderr)
	}
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

func runWeir(t *testing.T, args ...string) outcome {
	t.Helper()
	return command{args: args}.run(t)
}

// environment is this process's without Weir's own variables, and more.
func environment(more ...string) []string {
	var env []string
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "WEIR_") {
			env = append(env, variable)
		}
	}
	return append(env, more...)
}

// wantRefusal checks that a run was refused with one sentence.
func (o outcome) wantRefusal(t *testing.T, parts ...string) {
	t.Helper()
	if o.status != 1 {
		t.Errorf("exit status %d, want 1\n%s%s", o.status, o.stdout, o.stderr)
	}
	said := o.stderr
	if !strings.HasPrefix(said, "weir: ") || strings.Contains(said, "goroutine ") {
		t.Errorf("it said %q, want one sentence after \"weir: \"", said)
	}
	for _, part := range parts {
		if !strings.Contains(said, part) {
			t.Errorf("it said %q, want something about %q", said, part)
		}
	}
}

// A core is a running weir serve.
type core struct {
	*client
	t       *testing.T
	dir     string
	cmd     *exec.Cmd
	exited  chan struct{}
	mu      sync.Mutex
	written strings.Builder
}

var servingAt = regexp.MustCompile(`msg=serving api=(\S+)`)

// startCore starts weir serve on the database weir.db in a folder, and waits until it serves.
func startCore(t *testing.T, dir string, args ...string) *core {
	t.Helper()
	c := launchCore(t, dir, args...)
	deadline := time.Now().Add(commandTimeout)
	for c.base == "" {
		select {
		case <-c.exited:
			t.Fatalf("weir serve ended instead of serving\n%s", c.log())
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("weir serve does not serve\n%s", c.log())
		}
		if found := servingAt.FindStringSubmatch(c.log()); found != nil {
			c.base = found[1]
		}
	}
	return c
}

// launchCore starts weir serve and does not wait.
func launchCore(t *testing.T, dir string, args ...string) *core {
	t.Helper()
	c := &core{client: newClient(""), t: t, dir: dir, exited: make(chan struct{})}
	args = append([]string{"serve", "--listen", "127.0.0.1:0", "--polling-period", "1s"}, args...)
	c.cmd = exec.Command(program(t), args...)
	c.cmd.Dir, c.cmd.Env = dir, environment()
	stderr, err := c.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go c.keepLog(stderr)
	t.Cleanup(c.kill)
	return c
}

func (c *core) keepLog(stderr io.Reader) {
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		c.mu.Lock()
		c.written.WriteString(lines.Text() + "\n")
		c.mu.Unlock()
	}
	_ = c.cmd.Wait()
	close(c.exited)
}

func (c *core) log() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.written.String()
}

// kill ends the process as kill -9 does, and waits until it is gone.
func (c *core) kill() {
	_ = c.cmd.Process.Kill()
	<-c.exited
}

// stop asks the process to end and returns its exit status and how long it took.
func (c *core) stop() (status int, took time.Duration) {
	c.t.Helper()
	began := time.Now()
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		c.t.Fatal(err)
	}
	select {
	case <-c.exited:
	case <-time.After(commandTimeout):
		c.t.Fatalf("weir serve does not stop\n%s", c.log())
	}
	return c.cmd.ProcessState.ExitCode(), time.Since(began)
}

// isUp reports whether the process runs.
func (c *core) isUp() bool {
	select {
	case <-c.exited:
		return false
	default:
		return true
	}
}

// weir runs a command against this core.
func (c *core) weir(args ...string) outcome {
	c.t.Helper()
	return command{args: args, dir: c.dir, env: []string{"WEIR_SERVER=" + c.base}}.run(c.t)
}

// database is where the core keeps everything.
func (c *core) database() string { return filepath.Join(c.dir, "weir.db") }

// startNode runs a core in this process, for what weir serve has no flag for.
func startNode(t *testing.T, tiers connector.Tiers) (*node, *client) {
	t.Helper()
	dir := t.TempDir()
	n, err := openNode(t.Context(), nodeOptions{
		Store: filepath.Join(dir, "weir.db"), KeyFile: filepath.Join(dir, "weir.key"), Listen: "127.0.0.1:0",
		PollingPeriod: time.Second, PollingPeriodMin: time.Second, Tiers: tiers, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- n.run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-stopped, n.close()); err != nil {
			t.Error(err)
		}
	})
	return n, newClient(n.url())
}

// eventually waits until something holds.
func eventually(t *testing.T, within time.Duration, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not after %s: %s", within, what)
		}
	}
}

// writeFile writes a file into the folder of the test and returns its path.
func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// golden compares a text with testdata/name, which -update rewrites.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; go test -update writes it", err)
	}
	if string(want) != got {
		t.Errorf("%s differs; go test -update rewrites it\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}
