package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"

	"github.com/pressly/goose/v3"
)

// migrations are frozen: one that was released is never edited, because
// databases exist that ran it as it was.
//
//go:embed migrations/*.sql
var migrations embed.FS

// applicationID stands in the header of Weir's databases: "Weir" in ASCII. The
// first migration writes it.
const applicationID = 0x57656972

// migrate brings the tables up to date, after making sure that the file is a
// database of Weir's, or empty, and not from a later version.
func migrate(ctx context.Context, pool *sql.DB, path string) error {
	if err := checkOwner(ctx, path); err != nil {
		return err
	}
	provider, err := migrationsOf(pool)
	if err != nil {
		return err
	}
	current, newest, err := provider.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read the version of the database: %w", err)
	}
	if current > newest {
		return newer(path, current, newest)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("bring the tables of %s from version %d to %d: %w", path, current, newest, err)
	}
	return nil
}

func migrationsOf(pool *sql.DB) (*goose.Provider, error) {
	folder, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, pool, folder, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	return provider, nil
}

func newer(path string, current, newest int64) error {
	return refused("the database %s was written by a newer Weir (its tables are at version %d, this program knows %d); "+
		"run that version, or name another file", path, current, newest)
}

// checkOwner refuses a database that has tables but is not Weir's. It looks
// through a handle without settings, for ours would already change the file.
func checkOwner(ctx context.Context, path string) (err error) {
	file, err := sql.Open("sqlite", (&url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(path)}).String())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	var id, tables int64
	if err := file.QueryRowContext(ctx, `PRAGMA application_id`).Scan(&id); err != nil {
		return err
	}
	const foreign = `SELECT count(*) FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' AND name NOT LIKE 'goose_%'`
	if err := file.QueryRowContext(ctx, foreign).Scan(&tables); err != nil {
		return err
	}
	if tables > 0 && id != applicationID {
		return refused("%s is the database of another program; name another file", path)
	}
	return nil
}
