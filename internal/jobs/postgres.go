package jobs

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/weirhq/weir/internal/hub"
)

// Migrate brings River's tables in a PostgreSQL database up to date, and returns
// the versions before and after. A second call changes nothing. Each of its
// steps is safe while workers of the version before run.
func Migrate(ctx context.Context, pool *pgxpool.Pool) (from, to int, err error) {
	migrator, err := migratorOf(pool)
	if err != nil {
		return 0, 0, err
	}
	existing, err := migrator.ExistingVersions(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("look at the job engine's tables: %w", err)
	}
	for _, migration := range existing {
		from = max(from, migration.Version)
	}
	result, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	if err != nil {
		return from, from, fmt.Errorf("bring the job engine's tables up to date: %w", err)
	}
	to = from
	for _, migration := range result.Versions {
		to = max(to, migration.Version)
	}
	return from, to, nil
}

func migratorOf(pool *pgxpool.Pool) (*rivermigrate.Migrator[pgx.Tx], error) {
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, fmt.Errorf("look at the job engine's tables: %w", err)
	}
	return migrator, nil
}

// migrated is nil when River's tables are those of the River that is built in.
func migrated(ctx context.Context, pool *pgxpool.Pool) error {
	migrator, err := migratorOf(pool)
	if err != nil {
		return err
	}
	existing, err := migrator.ExistingVersions(ctx)
	if err != nil {
		return fmt.Errorf("look at the job engine's tables: %w", err)
	}
	found, wanted := 0, 0
	for _, migration := range existing {
		found = max(found, migration.Version)
	}
	for _, migration := range migrator.AllVersions() {
		wanted = max(wanted, migration.Version)
	}
	switch {
	case found < wanted:
		return hub.Errorf(hub.CodeInvalid,
			"the job engine's tables are at version %d and this Weir needs %d; run `weir migrate` first, or start with --auto-migrate", found, wanted)
	case found > wanted:
		return hub.Errorf(hub.CodeInvalid,
			"the job engine's tables are at version %d, and this Weir knows them up to %d: a newer Weir has been here; run that one", found, wanted)
	}
	return nil
}

func (e *Engine) openPostgres(ctx context.Context) error {
	if err := migrated(ctx, e.options.Postgres); err != nil {
		return err
	}
	var driver riverdriver.Driver[pgx.Tx] = riverpgxv5.New(e.options.Postgres)
	if !e.options.InsertOnly && !e.options.PollOnly {
		var err error
		if e.listener, err = listenerPool(ctx, e.options.Postgres); err != nil {
			return err
		}
		driver = listening{driver, e.listener}
	}
	client, err := river.NewClient(onTime[pgx.Tx]{Driver: driver}, e.config())
	if err != nil {
		return fmt.Errorf("make the job engine: %w", err)
	}
	e.client, e.postgres = client, client
	e.database = &postgresDatabase{pool: e.options.Postgres}
	return nil
}

type postgresDatabase struct {
	pool *pgxpool.Pool
	// seen is the highest job that was looked at for strangers.
	seen int64
}

func (d *postgresDatabase) prepare(context.Context) error { return nil }

// strangersBack is how many jobs a look for strangers begins before the last one
// that was seen: numbers become visible a little out of order. A stranger that
// is missed in spite of it waits for the next Sync.
const strangersBack = 1000

// strangers looks at the jobs that are new since it was asked last.
func (d *postgresDatabase) strangers(ctx context.Context, queues []string) (found bool, err error) {
	err = d.pool.QueryRow(ctx, `SELECT coalesce(max(id), $1), coalesce(bool_or(state = 'available' AND queue <> ALL($2)), false)
		FROM river_job WHERE id > $1 - $3`, d.seen, queues, strangersBack).Scan(&d.seen, &found)
	return found, err
}

func (d *postgresDatabase) giveBack(ctx context.Context, l loss) ([]string, error) {
	rows, err := d.pool.Query(ctx, `
		UPDATE river_job SET state = 'available', scheduled_at = now(), attempt = greatest(attempt - 1, 0)
		WHERE id IN (
			SELECT id FROM river_job
			WHERE state = 'running' AND kind = 'poll' AND attempted_at < now() - $1::interval
				AND (attempted_by[cardinality(attempted_by)] <> ALL($2)
					OR attempted_by[cardinality(attempted_by)] = $3 AND id <> ALL($4))
			LIMIT $5
			FOR UPDATE SKIP LOCKED)
		RETURNING queue`, l.grace, l.live, l.worker, l.hand, givenBackMax)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
