package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/internal/archive"
	"github.com/weirhq/weir/internal/jobs"
	"github.com/weirhq/weir/internal/store/postgres"
	"github.com/weirhq/weir/internal/store/sqlite"
)

type importOptions struct {
	store  string
	file   string
	verify bool
}

func importCommand() *cobra.Command {
	var o importOptions
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Fill an empty database from a file that export has written",
		Long: `Fill an empty database from a file that "weir export" has written, compressed or
not; "-" reads standard input. A SQLite file, or the tables in a PostgreSQL
database, are made where there are none.

All of it gets in, or nothing: a file that was cut short or changed is refused, and
an import that is interrupted leaves the database as empty as it was. At the end
everything is read back out of the database and compared with the file.

The hub then goes on where the old one stood. Do not let both run: each would
think of the streams as its own. It needs the encryption key file of the old one.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.file = args[0]
			return o.run(c.Context(), c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	flags := c.Flags()
	flags.StringVar(&o.store, "store", "weir.db", storeFlag)
	flags.BoolVar(&o.verify, "verify", true, "read everything back before it counts")
	return c
}

func (o *importOptions) run(ctx context.Context, in io.Reader, out, messages io.Writer) (err error) {
	if o.file != standardStream {
		file, err := os.Open(o.file)
		if err != nil {
			return fmt.Errorf("read the archive: %w", err)
		}
		defer file.Close() //nolint:errcheck // it was only read
		in = file
	}
	// The archive first: a database is made only for what is one.
	reader, err := archive.Open(in)
	if err != nil {
		return fmt.Errorf("import %s: %w", o.file, err)
	}
	into, err := openForImport(ctx, o.store)
	if err != nil {
		return err
	}
	began := time.Now()
	show := newMeter(messages, "imported")
	summary, err := reader.Import(ctx, into, archive.ImportOptions{
		Verify: o.verify, Progress: show.report,
		Verifying: func(done, total int64) { show.next("compared"); show.report(done, total) },
	})
	show.end()
	if err = errors.Join(err, into.Close()); err != nil {
		return errors.Join(fmt.Errorf("import %s: %w", o.file, err), into.discard())
	}
	showSummary(out, "imported", into.name, summary, time.Since(began))
	if o.verify {
		fmt.Fprintln(out, "compared    what the database holds is what the file holds")
	}
	fmt.Fprintf(out, "\nStart the hub on it with the encryption key file of the old one:\n  weir serve --store %s --encryption-key-file FILE\n", into.address)
	return nil
}

// A carrier is a database whose tables are carried, with what people call it.
type carrier struct {
	archive.Source
	archive.Target
	io.Closer
	// kind is sqlite or postgres, name says which database it is, address what
	// to name it by with --store; neither holds a password.
	kind, name, address string
	// made are the files that were not there before.
	made []string
}

// discard removes what was made for an import that failed.
func (c *carrier) discard() error {
	var errs []error
	for _, path := range c.made {
		if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// carrierConns are the connections that carrying takes: one, and one beside it
// that cancels a statement.
const carrierConns = 2

func openForExport(ctx context.Context, address string) (*carrier, error) {
	if postgres.IsDSN(address) {
		db, err := postgres.Open(ctx, postgres.Options{DSN: address, MaxConns: carrierConns})
		if err != nil {
			return nil, err
		}
		return &carrier{Source: db, Closer: db, kind: "postgres", name: db.String()}, nil
	}
	db, err := sqlite.OpenForReading(ctx, address)
	if err != nil {
		return nil, err
	}
	return &carrier{Source: db, Closer: db, kind: "sqlite", name: address}, nil
}

func openForImport(ctx context.Context, address string) (*carrier, error) {
	if postgres.IsDSN(address) {
		return openPostgresForImport(ctx, address)
	}
	var made []string
	if _, err := os.Stat(address); errors.Is(err, fs.ErrNotExist) {
		made = []string{address, address + ".lock", address + "-wal", address + "-shm"}
	}
	db, err := sqlite.Open(ctx, address, sqlite.Options{})
	if err != nil {
		return nil, err
	}
	return &carrier{Target: db, Closer: db, kind: "sqlite", name: address, address: address, made: made}, nil
}

// openPostgresForImport makes the tables where there are none, those of the job
// engine too, so that a hub can start on what was imported.
func openPostgresForImport(ctx context.Context, address string) (*carrier, error) {
	db, err := postgres.Open(ctx, postgres.Options{DSN: address, MaxConns: carrierConns, Migrate: true})
	if err != nil {
		return nil, err
	}
	if _, _, err := jobs.Migrate(ctx, db.Pool()); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &carrier{Target: db, Closer: db, kind: "postgres", name: db.String(), address: "postgres://…"}, nil
}
