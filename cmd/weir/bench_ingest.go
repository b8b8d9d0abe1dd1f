package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/internal/bench"
	"github.com/weirhq/weir/internal/connector"
	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store/postgres"
	"github.com/weirhq/weir/internal/store/sqlite"
	"github.com/weirhq/weir/sdk"
	"github.com/weirhq/weir/simulator"
	"github.com/weirhq/weir/wire"
)

const (
	// ingestPeakAim is the most memory, in bytes, that reading may take, however
	// much is read.
	ingestPeakAim = 200e6
	// What PostgreSQL shall do at least, once there are enough rows to tell.
	ingestTransactionsAim = 100_000
	ingestRateAim         = 10_000.0
	ingestRatioAim        = 0.25
	// ingestLook is how often it is looked how far a reading is, ingestSample how
	// long a point of its curve lasts at least.
	ingestLook, ingestSample = 20 * time.Millisecond, 250 * time.Millisecond
)

type ingestBench struct {
	transactions int
	pageSize     int
	perSecond    int
	store        benchStore
	output       benchOutput
}

func benchIngestCommand() *cobra.Command {
	var b ingestBench
	c := &cobra.Command{
		Use:   "ingest",
		Short: "Read transactions from a service into a fresh store",
		Long: `Read transactions from an integration service in this process, over HTTP on
loopback, into a fresh store: fetching, decoding, comparing, folding, storing, and
an event for each.

The ceiling is the time for the same rows, written to the same tables by prepared
statements (on PostgreSQL by COPY) in transactions of the same size, with nothing
else going on.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return b.run(c.Context(), c.OutOrStdout()) },
	}
	flags := c.Flags()
	flags.IntVar(&b.transactions, "transactions", 200_000, "how many transactions the service has")
	flags.IntVar(&b.pageSize, "page-size", wire.MaxPageSize, "largest page that the service serves")
	flags.IntVar(&b.perSecond, "rows-per-second", 1000, "how many transactions share a second of their stamps")
	b.store.add(flags)
	b.output.add(flags)
	return c
}

func (b *ingestBench) run(ctx context.Context, out io.Writer) (err error) {
	if b.transactions < 1 || b.pageSize < 1 || b.pageSize > wire.MaxPageSize || b.perSecond < 1 {
		return fmt.Errorf("--transactions and --rows-per-second must be above zero, --page-size between 1 and %d", wire.MaxPageSize)
	}
	place, err := b.store.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, place.close()) }()
	report := newReport("ingest", fmt.Sprintf("weir bench ingest --transactions %d --page-size %d --rows-per-second %d%s",
		b.transactions, b.pageSize, b.perSecond, b.store.arguments()))
	report.Title = fmt.Sprintf("%d transactions from a service into a fresh store", b.transactions)
	result, err := b.ingest(ctx, out, place, report)
	if err != nil {
		return err
	}
	row := bench.Row{Name: "ingest", Unit: "transactions", PeakRSSBytes: result.peakRSS}
	row.Rate(int64(b.transactions), result.elapsed)
	row.Used(result.cpu)
	name, ceiling, err := b.ceiling(ctx)
	if err != nil {
		return err
	}
	row.DatabaseUsed(result.server)
	row.Against(name, float64(b.transactions)/ceiling.Seconds())
	row.Aim("peak RSS below 200 MB", row.PeakRSSBytes < ingestPeakAim)
	if !place.isFile() && b.transactions >= ingestTransactionsAim {
		row.Aim("at least 10,000 transactions a second", row.PerSecond >= ingestRateAim)
		row.Aim("at least 25 % of plain COPY", row.Ratio >= ingestRatioAim)
	}
	report.Rows = append(report.Rows, row)
	report.Notes = append(report.Notes,
		fmt.Sprintf("%d requests, %.3f for each full page", result.requests, float64(result.requests)*float64(b.pageSize)/float64(b.transactions)),
		"the service runs in the same process: its processor time and its memory are counted as well",
	)
	return b.output.write(out, report)
}

type ingestResult struct {
	elapsed  time.Duration
	cpu      time.Duration
	requests int64
	// server is the processor time of the database server.
	server  time.Duration
	peakRSS int64
}

// ingest reads everything into a fresh store and measures from the first
// request for transactions until the last of them is stored.
func (b *ingestBench) ingest(ctx context.Context, out io.Writer, place *benchPlace, report *bench.Report) (result ingestResult, err error) {
	service, err := b.serve(ctx, place)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, service.close()) }()
	n, err := openQuietNode(ctx, place.options())
	if err != nil {
		return result, err
	}
	running, stop := context.WithCancel(ctx)
	stopped := make(chan error, 1)
	go func() { stopped <- n.run(running) }()
	defer func() {
		stop()
		err = errors.Join(err, <-stopped, n.close())
	}()
	id := hub.NewConnectorID(hub.Provider)
	err = wakeful{n.store, n.engine}.InstallConnector(ctx, hub.Connector{ID: id, Name: "bench", Config: hub.Config{
		Endpoint: service.url, APIKey: hub.NewSecret(benchKey), PollingPeriod: time.Minute,
	}})
	if err != nil {
		return result, err
	}
	curve, err := b.await(ctx, out, n, hub.StreamID{Connector: id, Resource: hub.Transactions})
	if err != nil {
		return result, err
	}
	report.Plots = append(report.Plots, bench.Plot{Title: "Transactions stored", X: "seconds", Y: "transactions a second", Series: []bench.Series{curve}})
	result.elapsed = time.Since(service.began)
	result.server = place.serverCPU() - service.server
	usage := usage()
	result.cpu, result.peakRSS = usage.cpu-service.usage.cpu, usage.peakRSS
	result.requests = service.requests.Load()
	return result, nil
}

// await waits until everything is stored, says how far it is, and returns how
// fast it went at each time.
func (b *ingestBench) await(ctx context.Context, out io.Writer, n *node, id hub.StreamID) (bench.Series, error) {
	show := newProgress(out)
	defer show.end()
	tick := time.NewTicker(ingestLook)
	defer tick.Stop()
	curve := bench.Series{Name: "stored"}
	start := time.Now()
	last, lastAt := int64(0), start
	for {
		stream, err := n.store.Stream(ctx, id)
		if err != nil {
			return curve, err
		}
		if now := time.Now(); now.Sub(lastAt) >= ingestSample {
			curve.Points = append(curve.Points, bench.Point{
				X: now.Sub(start).Seconds(), Y: float64(stream.Versions-last) / now.Sub(lastAt).Seconds(),
			})
			last, lastAt = stream.Versions, now
		}
		if stream.Versions >= int64(b.transactions) {
			return curve, nil
		}
		if stream.LastError != nil {
			return curve, fmt.Errorf("the stream fails: %w", stream.LastError)
		}
		show.line(fmt.Sprintf("%d of %d transactions (%d %%)", stream.Versions, b.transactions, 100*stream.Versions/int64(b.transactions)))
		select {
		case <-ctx.Done():
			return curve, ctx.Err()
		case <-tick.C:
		}
	}
}

// The names of the ceilings.
const (
	ingestCeilingSQLite   = "the same rows by prepared statements alone, in transactions of the same size"
	ingestCeilingPostgres = "the same rows by plain COPY into the same indexed tables, in transactions of the same size"
)

// ceiling writes the same rows into another fresh database with nothing else.
func (b *ingestBench) ceiling(ctx context.Context) (name string, elapsed time.Duration, err error) {
	place, err := b.store.open(ctx)
	if err != nil {
		return "", 0, err
	}
	defer func() { err = errors.Join(err, place.close()) }()
	client := connector.New(hub.Connector{}, connector.Options{})
	stream := hub.StreamID{Resource: hub.Transactions}
	var failed error
	rows := func(yield func(hub.PaymentAdjustment) bool) {
		for _, raw := range b.dense().Records(simulator.Transactions) {
			batch, err := client.Translate(stream, slices.Clone(raw))
			if err != nil || len(batch.Adjustments) != 1 {
				failed = fmt.Errorf("translate %s: %w", raw, err)
				return
			}
			if !yield(batch.Adjustments[0]) {
				return
			}
		}
	}
	name, write := ingestCeilingSQLite, sqlite.Ceiling
	if !place.isFile() {
		name, write = ingestCeilingPostgres, postgres.Ceiling
	}
	elapsed, err = write(ctx, place.store, rows, b.pageSize)
	return name, elapsed, errors.Join(failed, err)
}

// A benchService serves the transactions and measures from the first request for them.
type benchService struct {
	*benchServer
	requests atomic.Int64
	once     sync.Once
	began    time.Time
	usage    resources
	server   time.Duration
}

// dense is where the transactions come from.
func (b *ingestBench) dense() *simulator.Dense {
	return simulator.NewDense(simulator.DenseOptions{Rows: b.transactions, Interval: time.Second / time.Duration(b.perSecond)})
}

func (b *ingestBench) serve(ctx context.Context, place *benchPlace) (*benchService, error) {
	s := &benchService{}
	service := b.dense().Service(benchKey)
	service.PageSizeMax, service.Logger = b.pageSize, slog.New(slog.DiscardHandler)
	transactions := service.Transactions
	service.Transactions = func(ctx context.Context, q wire.ListQuery) ([]wire.Transaction, error) {
		s.once.Do(func() { s.began, s.usage, s.server = time.Now(), usage(), place.serverCPU() })
		s.requests.Add(1)
		return transactions(ctx, q)
	}
	handler, err := sdk.New(service)
	if err != nil {
		return nil, err
	}
	s.benchServer, err = serveBench(ctx, handler)
	return s, err
}
