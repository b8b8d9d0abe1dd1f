package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/internal/bench"
	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store/postgres"
	"github.com/weirhq/weir/sdk"
	"github.com/weirhq/weir/simulator"
	"github.com/weirhq/weir/wire"
)

const (
	workersConnectors   = 8
	workersTransactions = 25_000
	workersReadMax      = 15 * time.Minute
	workersCeilingName  = "one process in the same run"
	workersLookEvery    = 50 * time.Millisecond
	// workersConnections is enough for a look at the streams now and then.
	workersConnections = 4
)

// workersCounts are how many processes share the work, one run after the other.
var workersCounts = []int{1, 2, 4}

type workersBench struct {
	connectors   int
	transactions int
	store        benchStore
	output       benchOutput
}

func benchWorkersCommand() *cobra.Command {
	var b workersBench
	c := &cobra.Command{
		Use:   "workers",
		Short: "Measure how several processes share the work on one PostgreSQL",
		Long: `Read the transactions of several connectors into a fresh PostgreSQL database, by
one worker process, then by two, then by four, each time from the beginning. The
services run in the measuring process, over HTTP on loopback.

The counterpart of each run is the one with a single process. Workers, services
and a server on the same machine share its processors: there, more processes show
what sharing costs; they make reading faster where they have processors of their own.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return b.run(c.Context(), c.OutOrStdout()) },
	}
	flags := c.Flags()
	flags.IntVar(&b.connectors, "connectors", workersConnectors, "how many connectors")
	flags.IntVar(&b.transactions, "transactions", workersTransactions, "how many transactions each of them has")
	b.store.add(flags)
	b.output.add(flags)
	return c
}

func (b *workersBench) run(ctx context.Context, out io.Writer) error {
	if b.connectors < 1 || b.transactions < 1 {
		return errors.New("--connectors and --transactions must be above zero")
	}
	if !postgres.IsDSN(b.store.address) {
		return errors.New("several processes share a PostgreSQL database, not a SQLite file; name a server with --store postgres://…")
	}
	report := newReport("workers", fmt.Sprintf("weir bench workers --connectors %d --transactions %d%s", b.connectors, b.transactions, b.store.arguments()))
	report.Title = fmt.Sprintf("%d transactions of each of %d connectors, read by several processes into one PostgreSQL", b.transactions, b.connectors)
	for _, workers := range workersCounts {
		row, curve, err := b.measure(ctx, out, workers)
		if err != nil {
			return fmt.Errorf("%d workers: %w", workers, err)
		}
		one := row.PerSecond
		if len(report.Rows) > 0 {
			one = report.Rows[0].PerSecond
		}
		row.Against(workersCeilingName, one)
		report.Rows = append(report.Rows, row)
		report.Plots = appendSeries(report.Plots, bench.Plot{Title: "Transactions stored", X: "seconds", Y: "transactions a second"}, curve)
	}
	report.Notes = append(report.Notes,
		"the time is from the first request for transactions until the last of all is stored",
		"the processor time is that of all workers together, the memory that of the largest",
		"services, workers and the server, where it runs here, share the processors of this machine",
	)
	return b.output.write(out, report)
}

// measure has so many processes read everything.
func (b *workersBench) measure(ctx context.Context, out io.Writer, workers int) (row bench.Row, curve bench.Series, err error) {
	place, err := b.store.open(ctx)
	if err != nil {
		return row, curve, err
	}
	defer func() { err = errors.Join(err, place.close()) }()
	services, err := b.serve(ctx)
	if err != nil {
		return row, curve, err
	}
	defer services.close() //nolint:errcheck // nothing is left to be lost
	looking := place.options()
	looking.Role, looking.Connections = roleAPI, workersConnections
	n, err := openQuietNode(ctx, looking)
	if err != nil {
		return row, curve, err
	}
	defer func() { err = errors.Join(err, n.close()) }()
	fleet, err := startBenchFleet(ctx, place, workers)
	defer func() { err = errors.Join(err, fleet.stop()) }()
	if err != nil {
		return row, curve, err
	}
	cpu, server := fleet.usage().cpu, place.serverCPU()
	for i := range b.connectors {
		err := wakeful{n.store, n.engine}.InstallConnector(ctx, hub.Connector{
			ID: hub.NewConnectorID(hub.Provider), Name: fmt.Sprintf("bench-%d", i),
			Config: hub.Config{Endpoint: fmt.Sprintf("%s/%d", services.url, i), APIKey: hub.NewSecret(benchKey), PollingPeriod: time.Hour},
		})
		if err != nil {
			return row, curve, err
		}
	}
	row = bench.Row{Name: fmt.Sprintf("%d processes", workers), Unit: "transactions"}
	if workers == 1 {
		row.Name = "1 process"
	}
	curve, err = b.await(ctx, out, n, row.Name)
	if err != nil {
		return row, curve, err
	}
	row.Rate(int64(b.connectors)*int64(b.transactions), time.Since(*services.began.Load()))
	used := fleet.usage()
	row.Used(used.cpu - cpu)
	row.DatabaseUsed(place.serverCPU() - server)
	row.PeakRSSBytes = used.peakRSS
	return row, curve, nil
}

// await waits until all transactions are stored.
func (b *workersBench) await(ctx context.Context, out io.Writer, n *node, name string) (bench.Series, error) {
	show := newProgress(out)
	defer show.end()
	curve := bench.Series{Name: name}
	start := time.Now()
	last, lastAt := int64(0), start
	for {
		streams, err := n.store.Streams(ctx, hub.ConnectorID{})
		if err != nil {
			return curve, err
		}
		stored := int64(0)
		for i := range streams {
			if streams[i].ID.Resource == hub.Transactions {
				stored += streams[i].Versions
			}
			if streams[i].LastError != nil {
				return curve, fmt.Errorf("a stream fails: %w", streams[i].LastError)
			}
		}
		if now := time.Now(); now.Sub(lastAt) >= ingestSample {
			curve.Points = append(curve.Points, bench.Point{X: now.Sub(start).Seconds(), Y: float64(stored-last) / now.Sub(lastAt).Seconds()})
			last, lastAt = stored, now
		}
		all := int64(b.connectors) * int64(b.transactions)
		if stored >= all {
			return curve, nil
		}
		if time.Since(start) > workersReadMax {
			return curve, fmt.Errorf("only %d of %d transactions were read within %s", stored, all, workersReadMax)
		}
		show.line(fmt.Sprintf("%s: %d of %d transactions", name, stored, all))
		select {
		case <-ctx.Done():
			return curve, ctx.Err()
		case <-time.After(workersLookEvery):
		}
	}
}

// A benchFleet is several workers on one database.
type benchFleet []*benchHub

// startBenchFleet starts workers. The fleet holds those that were started, also when
// another could not be.
func startBenchFleet(ctx context.Context, place *benchPlace, workers int) (benchFleet, error) {
	var started benchFleet
	for range workers {
		worker, err := startBenchHub(ctx, append(place.arguments(), "--role", roleWorker)...)
		if err != nil {
			return started, err
		}
		started = append(started, worker)
	}
	return started, nil
}

// usage is the processor time of all and the memory of the largest.
func (f benchFleet) usage() resources {
	var all resources
	for _, worker := range f {
		used := worker.usage()
		all.cpu += used.cpu
		all.peakRSS = max(all.peakRSS, used.peakRSS)
	}
	return all
}

// stop stops all at once: one by one, each would hand its work to the next.
func (f benchFleet) stop() error {
	errs := make([]error, len(f))
	var stopping sync.WaitGroup
	for i, worker := range f {
		stopping.Go(func() { errs[i] = worker.stop() })
	}
	stopping.Wait()
	return errors.Join(errs...)
}

// workersServices are the services of all connectors on one port, each with the
// same transactions.
type workersServices struct {
	*benchServer
	// began is when transactions were first asked for.
	began atomic.Pointer[time.Time]
}

func (b *workersBench) serve(ctx context.Context) (*workersServices, error) {
	s := &workersServices{}
	service := simulator.NewDense(simulator.DenseOptions{Rows: b.transactions}).Service(benchKey)
	service.PageSizeMax, service.Logger = wire.MaxPageSize, slog.New(slog.DiscardHandler)
	handler, err := sdk.New(service)
	if err != nil {
		return nil, err
	}
	s.benchServer, err = serveBench(ctx, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, path, _ := strings.Cut(r.URL.Path[1:], "/")
		if r.URL.Path = "/" + path; r.URL.Path == wire.PathTransactions {
			now := time.Now()
			s.began.CompareAndSwap(nil, &now)
		}
		handler.ServeHTTP(w, r)
	}))
	return s, err
}
