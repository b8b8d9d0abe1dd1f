package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/pgtest"
	"github.com/weirhq/weir/simulator"
)

// The size of the test of a fleet. As issued: -fleet-workers 4 -fleet-connectors 40 -fleet-for 2m.
var (
	fleetWorkers    = flag.Int("fleet-workers", 3, "workers on one PostgreSQL in the test of a fleet")
	fleetConnectors = flag.Int("fleet-connectors", 6, "connectors that they read")
	fleetFor        = flag.Duration("fleet-for", 12*time.Second, "how long workers are killed and PostgreSQL is restarted")
	fleetSeed       = flag.Uint64("fleet-seed", 0, "seed of the providers, their faults and the instants; 0 takes one from the clock")
)

const (
	// fleetRestarts is how often PostgreSQL is restarted, at even distances.
	fleetRestarts = 2
	// fleetApart is the mean time between two kills.
	fleetApart = 3 * time.Second
	// fleetPeriod is the time between two polls: forty connectors and their
	// providers have two processors together.
	fleetPeriod = 3 * time.Second
	// fleetPace is how many events of its past each provider plays a second.
	fleetPace = 5
	// fleetPatience is how long everything may take to be stored after the last
	// fault. A worker that is dead counts as alive for twenty seconds.
	fleetPatience = 4 * time.Minute
)

// fleetWatch is put into the database and notes what must never be: a cursor
// that moves back, and a stream that is claimed while its reader lives.
const fleetWatch = `
CREATE TABLE violation (what text NOT NULL);

CREATE FUNCTION watch_cursor() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.cursor_version < OLD.cursor_version OR NEW.turn < OLD.turn THEN
		INSERT INTO violation VALUES (format('stream %s went from version %s to %s, from turn %s to %s',
			OLD.stream_key, OLD.cursor_version, NEW.cursor_version, OLD.turn, NEW.turn));
	END IF;
	IF (NEW.cursor::json ->> 'watermark')::timestamptz < (OLD.cursor::json ->> 'watermark')::timestamptz THEN
		INSERT INTO violation VALUES (format('the watermark of stream %s went from %s to %s',
			OLD.stream_key, OLD.cursor::json ->> 'watermark', NEW.cursor::json ->> 'watermark'));
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER watch_cursor BEFORE UPDATE ON stream FOR EACH ROW EXECUTE FUNCTION watch_cursor();

CREATE FUNCTION watch_reader() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.worker NOT IN ('', OLD.worker) AND EXISTS (
		SELECT FROM worker w WHERE w.name = OLD.worker AND w.beats_until >= clock_timestamp()) THEN
		INSERT INTO violation VALUES (format('%s took stream %s from %s, who lives', NEW.worker, OLD.stream_key, OLD.worker));
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER watch_reader BEFORE UPDATE ON stream_reader FOR EACH ROW EXECUTE FUNCTION watch_reader();
`

// A fleet is several workers on one database, and what they read.
type fleet struct {
	t       *testing.T
	server  *pgtest.Server
	dsn     string
	dir     string
	chance  *rand.Rand
	node    *node // reads and installs; it polls nothing
	demos   []*demo
	workers []*core
	kills   int
}

// TestAFleetWhoseWorkersAreKilledLosesAndRepeatsNothing runs workers on one database,
// kills one after the other without warning, restarts the database under them,
// and compares what is stored in the end with what the providers have.
func TestAFleetWhoseWorkersAreKilledLosesAndRepeatsNothing(t *testing.T) {
	t.Parallel()
	program(t)
	seed := *fleetSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("the same again: go test ./cmd/weir -run Fleet -fleet-workers %d -fleet-connectors %d -fleet-for %s -fleet-seed %d",
		*fleetWorkers, *fleetConnectors, *fleetFor, seed)
	server := pgtest.Start(t, pgtest.Options{})
	f := &fleet{t: t, server: server, dsn: server.Database(t), dir: t.TempDir(), chance: rand.New(rand.NewPCG(seed, 0))}
	f.prepare()
	for i := range *fleetConnectors {
		f.connect(seed+uint64(i), i)
	}
	for range *fleetWorkers {
		f.workers = append(f.workers, f.launch())
	}
	f.trouble()
	for _, d := range f.demos {
		d.psp.Settle()
	}
	f.replace()
	f.await()
	for _, worker := range f.workers {
		if status, took := worker.stop(); status != 0 || took > stopMax {
			t.Errorf("a worker ended with %d after %s\n%s", status, took, worker.log())
		}
	}
	f.prove()
}

// prepare makes the tables and the watch, and opens the store for the test itself.
func (f *fleet) prepare() {
	f.t.Helper()
	if o := runWeir(f.t, "migrate", "--store", f.dsn); o.status != 0 {
		f.t.Fatalf("migrate: %+v", o)
	}
	f.inDatabase(func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, fleetWatch)
		return err
	})
	var err error
	f.node, err = openNode(f.t.Context(), nodeOptions{
		Store: f.dsn, Role: roleAPI, KeyFile: filepath.Join(f.dir, "weir.key"), Listen: "127.0.0.1:0",
		PollingPeriod: time.Second, PollingPeriodMin: time.Second, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = f.node.close() })
}

func (f *fleet) inDatabase(do func(ctx context.Context, conn *pgx.Conn) error) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, f.dsn)
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if err := do(ctx, conn); err != nil {
		f.t.Fatal(err)
	}
}

// connect starts a provider with faults and a life of its own, and installs it.
func (f *fleet) connect(seed uint64, number int) {
	f.t.Helper()
	life := simulator.Options{
		Seed: seed, Faults: simulator.Mix(seed), Accounts: 4, Beneficiaries: 10, Transactions: 150, Now: time.Now,
	}
	psp, err := simulator.New(life)
	if err != nil {
		f.t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	server, err := simulator.Start(f.t.Context(), psp, simulator.ServerOptions{
		Service: simulator.ServiceOptions{Faults: life.Faults, Seed: seed, Logger: quiet},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = server.Close() })
	go psp.Live(f.t.Context(), fleetPace)
	d := &demo{psp: psp, node: f.node, connector: hub.NewConnectorID(hub.Provider), out: f.t.Output(), options: demoOptions{seed: seed}}
	err = f.node.store.InstallConnector(f.t.Context(), hub.Connector{
		ID: d.connector, Name: fmt.Sprintf("psp-%02d", number),
		Config: hub.Config{Endpoint: server.Endpoint, APIKey: hub.NewSecret(server.APIKey), PollingPeriod: fleetPeriod},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	f.demos = append(f.demos, d)
}

// launch starts a worker. Late rows are looked for every few seconds.
func (f *fleet) launch() *core {
	return launchCore(f.t, f.dir, "--store", f.dsn, "--role", roleWorker, "--near-window", "10m", "--near-every", "5s",
		"--deep-window", "8760h", "--deep-every", "10s")
}

// trouble kills workers at random instants, each of which is replaced by a new
// one, and restarts the database.
func (f *fleet) trouble() {
	f.t.Helper()
	end := time.Now().Add(*fleetFor)
	restart, restarts := time.Now().Add(*fleetFor/(fleetRestarts+1)), 0
	for time.Now().Before(end) {
		time.Sleep(fleetApart/2 + time.Duration(f.chance.Int64N(int64(fleetApart))))
		victim := f.chance.IntN(len(f.workers))
		f.workers[victim].kill()
		f.kills++
		f.workers[victim] = f.launch()
		f.replace()
		if restarts < fleetRestarts && time.Now().After(restart) {
			restarts++
			restart = restart.Add(*fleetFor / (fleetRestarts + 1))
			f.server.Stop(f.t)
			time.Sleep(time.Duration(f.chance.Int64N(int64(2 * time.Second))))
			f.server.Run(f.t)
		}
	}
	f.t.Logf("%d workers were killed, PostgreSQL was restarted %d times", f.kills, restarts)
}

// replace starts the workers again that found no database when they started, as
// whoever supervises them does. One that had begun to work must not end.
func (f *fleet) replace() {
	f.t.Helper()
	for i, worker := range f.workers {
		if worker.isUp() {
			continue
		}
		if strings.Contains(worker.log(), "msg=serving") {
			f.t.Errorf("a worker ended by itself:\n%s", worker.log())
		}
		f.workers[i] = f.launch()
	}
}

// await waits until every provider's records are stored.
func (f *fleet) await() {
	f.t.Helper()
	began := time.Now()
	for _, d := range f.demos {
		var last *proof
		for deadline := began.Add(fleetPatience); ; time.Sleep(200 * time.Millisecond) {
			p, err := d.compare(f.t.Context())
			if err == nil && p.equal() {
				break
			}
			if last = p; time.Now().After(deadline) {
				if last != nil {
					_ = d.report(last, began)
				}
				f.t.Fatalf("what is stored of the provider with the seed %d is not what it has: %v", d.options.seed, err)
			}
		}
	}
	f.t.Logf("everything is stored %s after the last kill", time.Since(began).Round(time.Millisecond))
}

// prove looks at what must never be, and reads the whole log of events.
func (f *fleet) prove() {
	f.t.Helper()
	f.inDatabase(func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, "SELECT what FROM violation")
		if err != nil {
			return err
		}
		violations, err := pgx.CollectRows(rows, pgx.RowTo[string])
		for _, violation := range violations {
			f.t.Error(violation)
		}
		return err
	})
	want := map[hub.EventType]int{}
	streams, err := f.node.store.Streams(context.Background(), hub.ConnectorID{})
	if err != nil {
		f.t.Fatal(err)
	}
	for i := range streams {
		if streams[i].ID.Resource != hub.Balances { // one that is shown again unmoved is an event and no version
			want[eventOf(streams[i].ID.Resource)] += int(streams[i].Versions)
		}
	}
	proveEvents(f.t, f.node, want)
}
