package jobs_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/jobs"
	"github.com/weirhq/weir/internal/pgtest"
	"github.com/weirhq/weir/internal/store"
	"github.com/weirhq/weir/internal/store/postgres"
	"github.com/weirhq/weir/internal/store/storetest"
)

var (
	killTTL = flag.Duration("kill-ttl", ttl, "how long a worker counts as alive in the test that kills some; the usual is 20s")
	seed    = flag.Uint64("seed", 0, "the seed of tests that draw at random; 0: a new one, which is printed")
)

// pollTakes is how long a poll of these tests reads, pollsEvery the period.
const (
	pollTakes  = 150 * time.Millisecond
	pollsEvery = 400 * time.Millisecond
)

// A crewed database is a real store on PostgreSQL with an engine: what a worker
// of the hub is made of, but for what a poll does.
type crewed struct {
	db     *postgres.DB
	store  *store.Store
	engine *jobs.Engine
}

func crew(ctx context.Context, dsn, name string, change func(*crewed, *jobs.Options)) (*crewed, error) {
	c := &crewed{}
	var err error
	c.db, err = postgres.Open(ctx, postgres.Options{DSN: dsn, Migrate: true, Enqueue: func(ctx context.Context, tx pgx.Tx, jobs []store.Job) error {
		return c.engine.EnqueueMany(ctx, tx, jobs)
	}})
	if err != nil {
		return nil, err
	}
	c.store = store.New(c.db, storetest.PlainCipher{})
	if _, _, err := jobs.Migrate(ctx, c.db.Pool()); err != nil {
		return nil, err
	}
	options := jobs.Options{
		Postgres: c.db.Pool(), Worker: name, Fleet: c.db.Fleet(name, *killTTL), TTL: *killTTL,
		Connectors: func(ctx context.Context) (ids []hub.ConnectorID, err error) {
			page, err := c.store.Connectors(ctx, hub.ListQuery{Limit: 100})
			for i := range page.Items {
				ids = append(ids, page.Items[i].ID)
			}
			return ids, err
		},
		Sweep: func(ctx context.Context) error {
			_, err := c.store.SweepStreams(ctx, time.Minute)
			return err
		},
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}
	change(c, &options)
	c.engine, err = jobs.New(ctx, options)
	return c, err
}

// TestKilledWorker is no test: it is the process that TestTheStreamsOfKilledWorkersAreReadByOthers
// kills. It writes down when each of its polls begins and ends.
func TestKilledWorker(t *testing.T) {
	name := os.Getenv("WEIR_TEST_WORKER")
	if name == "" {
		t.Skip("only runs to be killed")
	}
	c, err := crew(t.Context(), os.Getenv("WEIR_TEST_DSN"), name, func(c *crewed, o *jobs.Options) {
		o.Poll = func(ctx context.Context, id hub.StreamID, turn int64) error {
			return writtenDown(ctx, c, name, id, turn)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.engine.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(10 * time.Minute) // nobody waits that long to kill it
}

func writtenDown(ctx context.Context, c *crewed, worker string, id hub.StreamID, turn int64) error {
	stream, err := c.store.Stream(ctx, id)
	if err != nil || stream.Turn != turn {
		return err
	}
	pool := c.db.Pool()
	var key int64
	err = pool.QueryRow(ctx, `INSERT INTO reading (stream, worker, turn, begun) VALUES ($1, $2, $3, clock_timestamp()) RETURNING key`,
		id.String(), worker, turn).Scan(&key)
	if err != nil {
		return err
	}
	select {
	case <-time.After(pollTakes):
		now := time.Now()
		err = c.store.CompletePoll(ctx, id, turn, now, true, now.Add(pollsEvery))
	case <-ctx.Done():
		err = ctx.Err()
	}
	_, ending := pool.Exec(context.WithoutCancel(ctx), `UPDATE reading SET ended = clock_timestamp(), complete = $2 WHERE key = $1`, key, err == nil)
	return errors.Join(err, ending)
}

func TestTheStreamsOfKilledWorkersAreReadByOthers(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	random := newRandom(t)
	dsn := pgtest.Open(t)
	c, err := crew(t.Context(), dsn, "test", func(_ *crewed, o *jobs.Options) { o.InsertOnly, o.Fleet = true, nil })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.db.Close() })
	pool := c.db.Pool()
	_, err = pool.Exec(t.Context(), `CREATE TABLE reading (key bigserial PRIMARY KEY, stream text, worker text, turn bigint,
		begun timestamptz, ended timestamptz, complete boolean NOT NULL DEFAULT false)`)
	if err != nil {
		t.Fatal(err)
	}
	const connectors = 4
	for i := range connectors {
		id := hub.NewConnectorID(hub.Provider)
		if err := c.store.InstallConnector(t.Context(), hub.Connector{ID: id, Name: fmt.Sprint(i), Config: hub.Config{PollingPeriod: time.Hour}}); err != nil {
			t.Fatal(err)
		}
	}
	streams := connectors * len(hub.Resources())
	workers := make(map[string]*exec.Cmd)
	start := func(i int) {
		name := fmt.Sprintf("worker-%d", i)
		workers[name] = startWorker(t, dsn, name)
	}
	for i := range 3 {
		start(i)
	}
	awaitReads(t, pool, streams, time.Time{})
	for i := range 3 {
		time.Sleep(time.Duration(random.IntN(1000)) * time.Millisecond)
		victim, inHand := killReader(t, pool, workers)
		took := awaitReads(t, pool, streams, time.Now())
		t.Logf("with a TTL of %s every stream was read again %s after %s was killed with %d in hand", *killTTL, took.Round(time.Millisecond), victim, inHand)
		if took > 3**killTTL+2*time.Second {
			t.Error("that is too long: with the usual TTL it would be more than a minute")
		}
		start(3 + i)
	}
	for name, worker := range workers {
		killWorker(t, pool, name, worker)
	}
	noneTogether(t, pool)
}

func newRandom(t *testing.T) *rand.Rand {
	t.Helper()
	drawn := *seed
	if drawn == 0 {
		drawn = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", drawn)
	return rand.New(rand.NewPCG(drawn, 0))
}

func startWorker(t *testing.T, dsn, name string) *exec.Cmd {
	t.Helper()
	worker := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledWorker$", "-kill-ttl="+killTTL.String())
	worker.Env = append(os.Environ(), "WEIR_TEST_WORKER="+name, "WEIR_TEST_DSN="+dsn)
	worker.Stdout, worker.Stderr = os.Stderr, os.Stderr
	if err := worker.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = worker.Process.Kill() })
	return worker
}

// killReader kills a worker that is reading, and returns its name and how many
// streams it read.
func killReader(t *testing.T, pool *pgxpool.Pool, workers map[string]*exec.Cmd) (name string, inHand int64) {
	t.Helper()
	living := slices.Collect(maps.Keys(workers))
	await(t, "a worker to read", func() bool {
		err := pool.QueryRow(t.Context(), `SELECT worker FROM reading WHERE ended IS NULL AND worker = ANY ($1) ORDER BY random() LIMIT 1`, living).Scan(&name)
		return err == nil
	})
	inHand = killWorker(t, pool, name, workers[name])
	delete(workers, name)
	return name, inHand
}

// killWorker kills without a chance to tidy up. What it read it reads no more.
func killWorker(t *testing.T, pool *pgxpool.Pool, name string, worker *exec.Cmd) (inHand int64) {
	t.Helper()
	if err := worker.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := worker.Wait(); err == nil {
		t.Error("the worker ended by itself")
	}
	tag, err := pool.Exec(t.Context(), `UPDATE reading SET ended = clock_timestamp() WHERE worker = $1 AND ended IS NULL`, name)
	if err != nil {
		t.Fatal(err)
	}
	return tag.RowsAffected()
}

// awaitReads waits until so many streams have been read from their beginning to
// their end since an instant.
func awaitReads(t *testing.T, pool *pgxpool.Pool, streams int, since time.Time) time.Duration {
	t.Helper()
	begun := time.Now()
	for {
		var read int
		err := pool.QueryRow(t.Context(), `SELECT count(DISTINCT stream) FROM reading WHERE complete AND begun > $1`, since).Scan(&read)
		if err != nil {
			t.Fatal(err)
		}
		if read == streams {
			return time.Since(begun)
		}
		if time.Since(begun) > patience+3**killTTL {
			t.Fatalf("only %d of %d streams were read", read, streams)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// noneTogether looks for two readings of a stream at one time, and for two that
// ended one turn. A reading that has no end is the last word of a worker that was
// killed, which the server heard only after its death: it read nothing.
func noneTogether(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	var all, together, twice int
	err := pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM reading WHERE complete),
		(SELECT count(*) FROM reading a JOIN reading b USING (stream) WHERE a.key < b.key AND b.begun < coalesce(a.ended, a.begun) AND a.begun < coalesce(b.ended, b.begun)),
		(SELECT count(*) FROM (SELECT FROM reading WHERE complete GROUP BY stream, turn HAVING count(*) > 1) AS again)`).Scan(&all, &together, &twice)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d polls were complete", all)
	if together > 0 || twice > 0 {
		t.Errorf("%d pairs of polls read one stream at one time, %d turns ended twice", together, twice)
	}
}
