package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Options are what a server can be told.
type Options struct {
	// Durable makes commits wait for the disk, as they do where money is kept.
	// Else they are the operating system's to keep: they outlive a crash of the
	// server, but not one of the machine, and are faster.
	Durable bool
	// Password is asked of the user; "" lets everybody on this machine in.
	Password string
	// Settings are further lines of the configuration, such as
	// "max_connections=5"; they come after the package's own and replace them.
	Settings []string
}

// owner is who may do everything on the server.
const owner = "weir"

// Server is a PostgreSQL server. Its methods are for one goroutine at a time,
// but for [Server.DSN] and [Server.Database].
type Server struct {
	address  url.URL
	creating sync.Mutex
	// What follows is empty for a server that is not ours.
	bin, dir  string
	arguments []string
	process   *process
}

// Start starts a server for one test, which ends with the test, and sooner when
// the test binary dies. It skips the test where PostgreSQL is not installed,
// also when WEIR_TEST_POSTGRES is set: somebody else's server is not for
// stopping.
func Start(tb testing.TB, o Options) *Server {
	tb.Helper()
	s, err := start(o)
	if err != nil {
		missing(tb, err)
	}
	tb.Cleanup(func() {
		if err := s.end(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

func start(o Options) (*Server, error) {
	bin, err := findPrograms()
	if err != nil {
		return nil, err
	}
	// Not a folder of the test's: the server's user has to reach it.
	dir, err := os.MkdirTemp("", "weir-postgres-")
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin, dir: dir}
	if err := s.begin(o); err != nil {
		return nil, errors.Join(err, s.end())
	}
	return s, nil
}

// begin makes the server's files and starts it for the first time.
func (s *Server) begin(o Options) error {
	if err := giveAway(s.dir); err != nil {
		return err
	}
	if err := s.initialise(o); err != nil {
		return err
	}
	// Between the choice of a port and its use somebody else may take it.
	var err error
	for range 5 {
		var port int
		if port, err = freePort(); err != nil {
			return err
		}
		s.address = url.URL{
			Scheme: "postgres", User: url.User(owner), Path: "/postgres",
			Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), RawQuery: "sslmode=disable",
		}
		if o.Password != "" {
			s.address.User = url.UserPassword(owner, o.Password)
		}
		s.arguments = arguments(s.data(), port, o)
		if err = s.run(); err == nil {
			return nil
		}
	}
	return err
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// initialise makes the files of an empty server.
func (s *Server) initialise(o Options) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	arguments := []string{"-D", s.data(), "-U", owner, "-E", "UTF8", "--locale=C", "--no-sync", "-A", "trust"}
	if o.Password != "" {
		file := filepath.Join(s.dir, "password")
		if err := os.WriteFile(file, []byte(o.Password), 0o600); err != nil {
			return err
		}
		if err := giveAway(file); err != nil {
			return err
		}
		arguments = append(arguments[:len(arguments)-1], "scram-sha-256", "--pwfile", file)
	}
	command := exec.CommandContext(ctx, filepath.Join(s.bin, "initdb"), arguments...) //nolint:gosec // the installed program
	command.Dir, command.SysProcAttr = s.dir, unprivileged()
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

// arguments configures the server: small, for many tests at once, and within
// reach of this machine alone.
func arguments(data string, port int, o Options) []string {
	durable := "off"
	if o.Durable {
		durable = "on"
	}
	settings := []string{
		"listen_addresses=127.0.0.1", "port=" + strconv.Itoa(port), "unix_socket_directories=",
		"max_connections=100", "shared_buffers=64MB", "max_wal_size=512MB", "autovacuum_naptime=5min",
		"fsync=" + durable, "full_page_writes=" + durable,
	}
	arguments := []string{"-D", data}
	for _, setting := range slices.Concat(settings, o.Settings) {
		arguments = append(arguments, "-c", setting)
	}
	return arguments
}

// run starts the server and waits until it answers.
func (s *Server) run() (err error) {
	log := filepath.Join(s.dir, "log")
	if s.process, err = startGuarded(s.dir, log, filepath.Join(s.bin, "postgres"), s.arguments); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, s.DSN(""))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-s.process.ended:
			return fmt.Errorf("PostgreSQL did not start:\n%s", lastLines(log))
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("PostgreSQL does not answer: %w\n%s", err, lastLines(log)), s.process.stop("KILL"))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (s *Server) running() bool {
	if s.dir == "" {
		return true
	}
	if s.process == nil {
		return false
	}
	select {
	case <-s.process.ended:
		return false
	default:
		return true
	}
}

// Stop stops the server as a crash would: sessions are cut, and the next start
// recovers from the log. What was committed is there then. A server that does
// not run stays as it is.
func (s *Server) Stop(tb testing.TB) {
	tb.Helper()
	s.stop(tb, "QUIT")
}

// StopOrderly stops the server as an operator would: transactions are rolled
// back, and everything is written.
func (s *Server) StopOrderly(tb testing.TB) {
	tb.Helper()
	s.stop(tb, "INT")
}

func (s *Server) stop(tb testing.TB, signal string) {
	tb.Helper()
	if s.dir == "" {
		tb.Fatal("the server of WEIR_TEST_POSTGRES is not for stopping; use Start")
	}
	if !s.running() {
		return
	}
	if err := s.process.stop(signal); err != nil {
		tb.Fatalf("stop PostgreSQL: %v", err)
	}
}

// Run starts a server again that was stopped, on the same files and port.
func (s *Server) Run(tb testing.TB) {
	tb.Helper()
	if s.running() {
		tb.Fatal("PostgreSQL runs already")
	}
	if err := s.run(); err != nil {
		tb.Fatal(err)
	}
}

// Restart stops the server as a crash would and starts it again.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	s.Stop(tb)
	s.Run(tb)
}

// Log returns what the server has said last.
func (s *Server) Log() string { return lastLines(filepath.Join(s.dir, "log")) }

// end stops the server for good and removes its files.
func (s *Server) end() error {
	var err error
	if s.running() {
		err = s.process.stop("QUIT")
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// findPrograms returns the folder of PostgreSQL's programs: what the shell would
// run, or the newest version where distributions put it beside the path.
func findPrograms() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			return filepath.Dir(path), nil
		}
	}
	var found []string
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin/initdb", "/usr/pgsql-*/bin/initdb", "/usr/local/pgsql/bin/initdb", "/opt/homebrew/opt/postgresql*/bin/initdb"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			return "", err
		}
		found = append(found, names...)
	}
	if len(found) == 0 {
		return "", errors.New("its programs are not installed (the Debian package is postgresql); or set WEIR_TEST_POSTGRES to the DSN of a server")
	}
	return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })), nil
}

// version reads the first number in a path; no number is none.
func version(path string) int {
	n, err := strconv.Atoi(strings.FieldsFunc(path+"0", func(r rune) bool { return r < '0' || r > '9' })[0])
	if err != nil {
		return 0
	}
	return n
}

func freePort() (int, error) {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return 0, errors.Join(err, listener.Close())
	}
	n, err := strconv.Atoi(port)
	return n, errors.Join(err, listener.Close())
}

// lastLines is the end of a file, for a message.
func lastLines(name string) string {
	const bytesMax = 4096
	file, err := os.Open(name)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = file.Close() }()
	if info, err := file.Stat(); err == nil && info.Size() > bytesMax {
		_, _ = file.Seek(-bytesMax, io.SeekEnd) // or the whole file
	}
	text, err := io.ReadAll(file)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
