package jobs

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
)

// listening is a driver that listens on a connection of its own instead of one
// of the pool's. River ends its waiting whenever it listens to something more,
// and a pool that asks the server to cancel what waits for too long waits here
// for seconds: a server has nothing to cancel while a client only listens.
type listening struct {
	riverdriver.Driver[pgx.Tx]
	pool *pgxpool.Pool
}

// GetListener implements riverdriver.Driver.
func (d listening) GetListener(params *riverdriver.GetListenenerParams) riverdriver.Listener {
	return riverpgxv5.New(d.pool).GetListener(params)
}

// listenerPool opens a pool of one connection to where another pool goes.
func listenerPool(ctx context.Context, pool *pgxpool.Pool) (*pgxpool.Pool, error) {
	config := pool.Config()
	config.MaxConns, config.MinConns, config.MinIdleConns = 1, 0, 0
	config.ConnConfig.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.DeadlineContextWatcherHandler{Conn: conn.Conn()}
	}
	listener, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open a connection that listens for jobs: %w", err)
	}
	return listener, nil
}
