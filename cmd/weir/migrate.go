package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/weirhq/weir/internal/jobs"
	"github.com/weirhq/weir/internal/store/postgres"
)

func migrateCommand() *cobra.Command {
	var address string
	c := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the tables of a PostgreSQL database up to date",
		Long: `Bring the tables of a PostgreSQL database up to date: the store's own, and those of
the job engine. Run it once before the processes of a new version start; those of
the version before may go on meanwhile. Run again it changes nothing, and of two
at once one waits for the other. Tables of a newer version are refused and stay.

A SQLite file needs no such step: the process that opens it brings it up to date.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if !postgres.IsDSN(address) {
				return errors.New("--store names no PostgreSQL database; a SQLite file is brought up to date by the process that opens it")
			}
			return migrateTables(c.Context(), c.OutOrStdout(), address)
		},
	}
	c.Flags().StringVar(&address, "store", "weir.db", storeFlag)
	return c
}

// migrateTables brings both sets of tables up to date and says what that was.
func migrateTables(ctx context.Context, out io.Writer, address string) error {
	from, to, err := postgres.Migrate(ctx, address)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "store        "+fromTo(from, to))
	pool, err := pgxpool.New(ctx, address)
	if err != nil {
		return fmt.Errorf("connect to the database: %w", err)
	}
	defer pool.Close()
	jobsFrom, jobsTo, err := jobs.Migrate(ctx, pool)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "job engine   "+fromTo(int64(jobsFrom), int64(jobsTo)))
	return nil
}

func fromTo(from, to int64) string {
	switch from {
	case to:
		return fmt.Sprintf("version %d, nothing to do", to)
	case 0:
		return fmt.Sprintf("version %d, made", to)
	default:
		return fmt.Sprintf("version %d, from %d", to, from)
	}
}
