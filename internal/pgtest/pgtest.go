// Package pgtest gives tests a PostgreSQL of their own: the programs that are
// installed, started over a folder that is thrown away afterwards. It is for
// tests only, and neither starts containers nor fetches anything.
//
// Start with [Open], which gives a test a fresh database on one server that the
// whole test binary shares. A test of faults starts a [Server] for itself, for
// it stops and restarts it.
//
// Where there is no PostgreSQL a test is skipped and says so; with CI=true it
// fails instead, so that a run that should have tested this can't look green.
// WEIR_TEST_POSTGRES names a server to use instead of a throw-away one: a DSN
// whose user may create databases.
package pgtest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// patience is how long anything here may take before it counts as stuck: a
// loaded machine with one slow disk needs some seconds for a new server.
const patience = time.Minute

var (
	once      sync.Once
	shared    *Server
	errShared error
)

// Open returns the DSN of a database that is new and empty, on the server that
// all tests of the binary share. The database is dropped when the test ends.
func Open(tb testing.TB) string {
	tb.Helper()
	return Shared(tb).Database(tb)
}

// Shared returns the server of [Open]. It ends with the test binary, however
// that ends. Nobody stops it: other tests use it at the same time.
func Shared(tb testing.TB) *Server {
	tb.Helper()
	once.Do(func() {
		if dsn := os.Getenv("WEIR_TEST_POSTGRES"); dsn != "" { //nolint:forbidigo // a setting of the tests
			shared, errShared = serverAt(dsn)
			return
		}
		shared, errShared = start(Options{})
	})
	if errShared != nil {
		missing(tb, errShared)
	}
	return shared
}

// missing ends a test for which there is no server.
func missing(tb testing.TB, err error) {
	tb.Helper()
	if os.Getenv("CI") == "true" { //nolint:forbidigo // as every tool of a CI reads it
		tb.Fatalf("there is no PostgreSQL to test with: %v", err)
	}
	tb.Skipf("there is no PostgreSQL to test with: %v", err)
}

// databases counts the databases that this process has made.
var databases atomic.Int64

// Database makes a new and empty database on the server and returns its DSN.
// The database is dropped when the test ends, with whoever is still in it.
func (s *Server) Database(tb testing.TB) string {
	tb.Helper()
	name := fmt.Sprintf("weir_test_%d_%d", os.Getpid(), databases.Add(1))
	s.admin(tb, `CREATE DATABASE `+name+` TEMPLATE template0 ENCODING 'UTF8'`)
	tb.Cleanup(func() {
		if s.running() {
			s.admin(tb, `DROP DATABASE IF EXISTS `+name+` WITH (FORCE)`)
		}
	})
	return s.DSN(name)
}

// admin runs a statement in the database that every server has.
func (s *Server) admin(tb testing.TB, statement string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s.creating.Lock() // two at once make the server wait for itself
	defer s.creating.Unlock()
	conn, err := pgx.Connect(ctx, s.DSN(""))
	if err != nil {
		tb.Fatalf("connect to PostgreSQL: %v", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, statement); err != nil {
		tb.Fatalf("%s: %v", statement, err)
	}
}

// DSN returns the address of a database on the server, as a URL; "" is the one
// that every server has. A DSN stays right over a restart.
func (s *Server) DSN(database string) string {
	address := s.address
	if database != "" {
		address.Path = "/" + database
	}
	return address.String()
}

// serverAt is somebody else's server.
func serverAt(dsn string) (*Server, error) {
	address, err := url.Parse(dsn)
	if err != nil || address.Scheme != "postgres" && address.Scheme != "postgresql" {
		return nil, fmt.Errorf("WEIR_TEST_POSTGRES is not a URL of the form postgres://user@host/database")
	}
	return &Server{address: *address}, nil
}
