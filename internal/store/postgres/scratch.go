package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// scratchDropMax bounds how long the removal of a scratch database waits for
// those who still use it.
const scratchDropMax = 30 * time.Second

// Scratch makes an empty database on the server of dsn, for a demonstration or a
// measurement that must not touch what is there. It returns the new database's
// DSN, and a function that removes it with everything in it and may be called
// once. The user of dsn needs the right to create databases.
func Scratch(ctx context.Context, dsn string) (scratch string, drop func() error, err error) {
	name := "weir_scratch_" + strings.ToLower(rand.Text()[:12])
	if scratch, err = withDatabase(dsn, name); err != nil {
		return "", nil, err
	}
	if err := administer(ctx, dsn, "CREATE DATABASE "+name); err != nil {
		return "", nil, fmt.Errorf("make a scratch database: %w", err)
	}
	return scratch, func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), scratchDropMax)
		defer cancel()
		if err := administer(ctx, dsn, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			return fmt.Errorf("remove the scratch database %s: %w", name, err)
		}
		return nil
	}, nil
}

// administer runs one statement that can't stand in a transaction.
func administer(ctx context.Context, dsn, statement string) (err error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	_, err = conn.Exec(ctx, statement)
	return err
}

// withDatabase is a DSN with another database in it.
func withDatabase(dsn, name string) (string, error) {
	address, err := parse(dsn)
	if err != nil {
		return "", err
	}
	address.Path = "/" + name
	return address.String(), nil
}

func parse(dsn string) (*url.URL, error) {
	address, err := url.Parse(dsn)
	if err != nil { // which would repeat the address, and in it the password
		return nil, refused("the PostgreSQL address is no URL; write it as postgres://user@host:5432/database")
	}
	return address, nil
}

// IsDSN reports whether a text names a PostgreSQL database, as a URL.
func IsDSN(text string) bool {
	return strings.HasPrefix(text, "postgres://") || strings.HasPrefix(text, "postgresql://")
}

// BehindPgBouncer is a DSN with what a connection through PgBouncer in
// transaction mode needs: statements are not prepared, for the next transaction
// may meet another server process, which does not know them. A mode that the
// DSN names itself stays.
func BehindPgBouncer(dsn string) (string, error) {
	address, err := parse(dsn)
	if err != nil {
		return "", err
	}
	query := address.Query()
	if !query.Has("default_query_exec_mode") {
		query.Set("default_query_exec_mode", "exec")
		address.RawQuery = query.Encode()
	}
	return address.String(), nil
}
