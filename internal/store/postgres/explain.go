package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirhq/weir/internal/hub"
)

func refused(format string, args ...any) error {
	return hub.Errorf(hub.CodeInvalid, format, args...)
}

// describe names a database for people and logs: who, where and which, and
// never the password.
func describe(c *pgx.ConnConfig) string {
	host := c.Host
	if !strings.HasPrefix(host, "/") {
		host = net.JoinHostPort(host, fmt.Sprint(c.Port))
	}
	return fmt.Sprintf("the PostgreSQL database %s at %s (as %s)", c.Database, host, c.User)
}

// explain turns what PostgreSQL, or the way to it, says about the database as a
// whole into a sentence. Errors that are sentences already pass as they are,
// and so do contexts that have ended.
func explain(database string, err error) error {
	var sentence *hub.Error
	if err == nil || errors.As(err, &sentence) || errors.Is(err, context.Canceled) {
		return err
	}
	var said *pgconn.PgError
	if errors.As(err, &said) {
		return explainCode(database, said, err)
	}
	var dns *net.DNSError
	var connect *pgconn.ConnectError
	switch {
	case errors.As(err, &dns):
		return refused("the host of %s is not known: %s; correct the host in the address", database, dns.Err)
	case errors.As(err, &connect):
		return hub.Errorf(hub.CodeInternal, "%s can't be reached; look whether the server runs and listens there: %w", database, &reason{err})
	case lost(err):
		return hub.Errorf(hub.CodeInternal, "the connection to %s was lost; it is made anew by itself: %w", database, &reason{err})
	default:
		return err
	}
}

// explainCode explains what the server answered.
func explainCode(database string, said *pgconn.PgError, err error) error {
	text := said.Message
	switch said.Code {
	case codeWrongPassword, codeNotAuthorised:
		return refused("%s refuses the user or the password; correct them in the address: %s", database, text)
	case codeNoDatabase:
		return refused("%s does not exist; create it (CREATE DATABASE), or correct the name in the address", database)
	case codeNoRights:
		return refused("this user has too few rights in %s; grant them, or use the tables' owner: %s", database, text)
	case codeReadOnly:
		return refused("%s can only be read at the moment; name the primary server: %s", database, text)
	case codeDiskFull:
		return hub.Errorf(hub.CodeInternal, "there is no room left on the disk of %s; free some: %w", database, err)
	case codeTooManyConnections:
		return hub.Errorf(hub.CodeInternal, "%s takes no more connections; raise max_connections, start fewer processes, or put PgBouncer before it: %w", database, err)
	case codeStatementTimeout:
		return hub.Errorf(hub.CodeInternal, "%s took too long over a statement, which was cancelled: %w", database, err)
	case codeLockTimeout:
		return hub.Errorf(hub.CodeInternal, "another transaction in %s held a row for too long; trying again is safe: %w", database, err)
	case codeNoTable, codeNoColumn:
		return refused("the tables in %s are not those of this program; run weir migrate: %s", database, text)
	case codeCorrupt, codeIndexCorrupt:
		return hub.Errorf(hub.CodeInternal, "%s is damaged; restore it from a backup: %w", database, err)
	}
	if lost(err) {
		return hub.Errorf(hub.CodeInternal, "%s is stopping or starting; it is tried again by itself: %w", database, err)
	}
	return err
}

// The codes of PostgreSQL that are looked at: appendix A of its manual.
const (
	codeWrongPassword      = "28P01"
	codeNotAuthorised      = "28000"
	codeNoDatabase         = "3D000"
	codeNoRights           = "42501"
	codeReadOnly           = "25006"
	codeDiskFull           = "53100"
	codeTooManyConnections = "53300"
	codeStatementTimeout   = "57014"
	codeLockTimeout        = "55P03"
	codeNoTable            = "42P01"
	codeNoColumn           = "42703"
	codeCorrupt            = "XX001"
	codeIndexCorrupt       = "XX002"
	codeUnique             = "23505"
	codeSerialization      = "40001"
	codeDeadlock           = "40P01"
	codeIdleTransaction    = "25P03"
	codeAdminShutdown      = "57P01"
	codeCrashShutdown      = "57P02"
	codeCannotConnectNow   = "57P03"
	classConnection        = "08"
)

// lost reports whether an error means that the connection is gone or the server
// is not there for the moment, and so says nothing about what was asked.
func lost(err error) bool {
	var said *pgconn.PgError
	if errors.As(err, &said) {
		switch said.Code {
		case codeAdminShutdown, codeCrashShutdown, codeCannotConnectNow, codeTooManyConnections, codeIdleTransaction:
			return true
		}
		return strings.HasPrefix(said.Code, classConnection)
	}
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) || pgconn.SafeToRetry(err) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// A reason is the cause of an error with a shorter text: what pgx says names the
// address again.
type reason struct{ err error }

func (r *reason) Unwrap() error { return r.err }

// Error is what the innermost error says.
func (r *reason) Error() string {
	err := r.err
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err.Error()
		}
		err = next
	}
}
