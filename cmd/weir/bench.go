package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/internal/connector"
	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store/sqlite"
	"github.com/weirhq/weir/sdk"
	"github.com/weirhq/weir/simulator"
	"github.com/weirhq/weir/wire"
)

func benchCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure this machine",
		Long:  "Measure how fast Weir is on this machine, each time beside a ceiling that is measured in the same run.",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(benchIngestCommand(), benchIdleCommand(), benchAPICommand())
	return c
}

type ingestBench struct {
	transactions int
	pageSize     int
	perSecond    int
	folder       string
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
statements in transactions of the same size, with nothing else going on.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return b.run(c.Context(), c.OutOrStdout()) },
	}
	flags := c.Flags()
	flags.IntVar(&b.transactions, "transactions", 200_000, "how many transactions the service has")
	flags.IntVar(&b.pageSize, "page-size", wire.MaxPageSize, "largest page that the service serves")
	flags.IntVar(&b.perSecond, "rows-per-second", 1000, "how many transactions share a second of their stamps")
	flags.StringVar(&b.folder, "dir", "", "folder for the database (default: a temporary one)")
	return c
}

func (b *ingestBench) run(ctx context.Context, out io.Writer) error {
	if b.transactions < 1 || b.pageSize < 1 || b.pageSize > wire.MaxPageSize || b.perSecond < 1 {
		return fmt.Errorf("--transactions and --rows-per-second must be above zero, --page-size between 1 and %d", wire.MaxPageSize)
	}
	folder, err := os.MkdirTemp(b.folder, "weir-bench-")
	if err != nil {
		return fmt.Errorf("make a folder for the database: %w", err)
	}
	defer os.RemoveAll(folder) //nolint:errcheck // the system cleans up what we can't

	ingest, err := b.ingest(ctx, out, folder)
	if err != nil {
		return err
	}
	perSecond := float64(b.transactions) / ingest.elapsed.Seconds()
	fmt.Fprintf(out, "transactions        %d in %s\n", b.transactions, ingest.elapsed.Round(time.Millisecond))
	fmt.Fprintf(out, "rate                %.0f transactions a second\n", perSecond)
	fmt.Fprintf(out, "CPU                 %.1f µs a transaction, service included\n", float64(ingest.cpu.Microseconds())/float64(b.transactions))
	fmt.Fprintf(out, "requests            %d, %.3f for each full page\n", ingest.requests, float64(ingest.requests)*float64(b.pageSize)/float64(b.transactions))
	fmt.Fprintf(out, "peak RSS            %.0f MB\n", float64(ingest.peakRSS)/1e6)

	ceiling, err := b.ceiling(ctx, folder)
	if err != nil {
		return err
	}
	ceilingPerSecond := float64(b.transactions) / ceiling.Seconds()
	fmt.Fprintf(out, "ceiling             %.0f transactions a second, the same rows by prepared statements alone\n", ceilingPerSecond)
	fmt.Fprintf(out, "ratio               %.0f %% of the ceiling\n", 100*perSecond/ceilingPerSecond)
	return nil
}

type ingestResult struct {
	elapsed  time.Duration
	cpu      time.Duration
	requests int64
	peakRSS  int64
}

// ingest reads everything into a fresh store and measures from the first
// request for transactions until the last of them is stored.
func (b *ingestBench) ingest(ctx context.Context, out io.Writer, folder string) (result ingestResult, err error) {
	service, err := b.serve(ctx)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, service.close()) }()
	n, err := openNode(ctx, nodeOptions{
		Store: filepath.Join(folder, "weir.db"), Listen: "127.0.0.1:0",
		PollingPeriod: time.Minute, PollingPeriodMin: time.Second, Logger: slog.New(slog.DiscardHandler),
	})
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
	if err := b.await(ctx, out, n, hub.StreamID{Connector: id, Resource: hub.Transactions}); err != nil {
		return result, err
	}
	result.elapsed = time.Since(service.began)
	usage := usage()
	result.cpu, result.peakRSS = usage.cpu-service.usage.cpu, usage.peakRSS
	result.requests = service.requests.Load()
	return result, nil
}

// await waits until everything is stored, and says how far it is.
func (b *ingestBench) await(ctx context.Context, out io.Writer, n *node, id hub.StreamID) error {
	show := newProgress(out)
	defer show.end()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		stream, err := n.store.Stream(ctx, id)
		if err != nil {
			return err
		}
		if stream.Versions >= int64(b.transactions) {
			return nil
		}
		if stream.LastError != nil {
			return fmt.Errorf("the stream fails: %w", stream.LastError)
		}
		show.line(fmt.Sprintf("%d of %d transactions (%d %%)", stream.Versions, b.transactions, 100*stream.Versions/int64(b.transactions)))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// ceiling writes the same rows with nothing else.
func (b *ingestBench) ceiling(ctx context.Context, folder string) (time.Duration, error) {
	client := connector.New(hub.Connector{}, connector.Options{})
	stream := hub.StreamID{Resource: hub.Transactions}
	var failed error
	elapsed, err := sqlite.Ceiling(ctx, filepath.Join(folder, "ceiling.db"), func(yield func(hub.PaymentAdjustment) bool) {
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
	}, b.pageSize)
	return elapsed, errors.Join(failed, err)
}

const benchKey = "bench-key"

// A benchService serves the transactions and measures from the first request for them.
type benchService struct {
	url      string
	server   *http.Server
	requests atomic.Int64
	once     sync.Once
	began    time.Time
	usage    resources
}

// dense is where the transactions come from.
func (b *ingestBench) dense() *simulator.Dense {
	return simulator.NewDense(simulator.DenseOptions{Rows: b.transactions, Interval: time.Second / time.Duration(b.perSecond)})
}

func (b *ingestBench) serve(ctx context.Context) (*benchService, error) {
	s := &benchService{}
	service := b.dense().Service(benchKey)
	service.PageSizeMax, service.Logger = b.pageSize, slog.New(slog.DiscardHandler)
	transactions := service.Transactions
	service.Transactions = func(ctx context.Context, q wire.ListQuery) ([]wire.Transaction, error) {
		s.once.Do(func() { s.began, s.usage = time.Now(), usage() })
		s.requests.Add(1)
		return transactions(ctx, q)
	}
	handler, err := sdk.New(service)
	if err != nil {
		return nil, err
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.url = "http://" + listener.Addr().String()
	s.server = &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	go s.server.Serve(listener) //nolint:errcheck // ends with close
	return s, nil
}

func (s *benchService) close() error { return s.server.Close() }
