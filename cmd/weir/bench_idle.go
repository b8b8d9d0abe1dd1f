package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/internal/bench"
	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/sdk"
	"github.com/weirhq/weir/wire"
)

const (
	// idleCoreMax is the share of a core, in percent, that connectors at rest may
	// take at the size for which it is promised.
	idleCoreMax        = 10
	idleConnectorsAim  = 400
	idlePeriodAim      = 30 * time.Second
	idleRestPeriod     = 24 * time.Hour
	idleTransactions   = 10
	idleFirstReadMax   = 5 * time.Minute
	idleStreamsOfEach  = 4
	idleLookEvery      = time.Second
	idleSampleEvery    = time.Second
	idleConnectorsMost = 10_000
)

type idleBench struct {
	connectors int
	period     time.Duration
	lasting    time.Duration
	store      benchStore
	output     benchOutput
}

func benchIdleCommand() *cobra.Command {
	var b idleBench
	c := &cobra.Command{
		Use:   "idle",
		Short: "Measure what connectors cost that have nothing new",
		Long: `Install many connectors whose services have nothing new, let a payments core in
a process of its own poll them for a while, and measure what that process uses.

Each connector has four streams: accounts, balances (of one account),
beneficiaries and transactions, each polled once in a period over HTTP on
loopback. The services run in the measuring process and are not counted.

The counterpart is the same core with the same connectors and nothing due.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return b.run(c.Context(), c.OutOrStdout()) },
	}
	flags := c.Flags()
	flags.IntVar(&b.connectors, "connectors", idleConnectorsAim, "how many connectors")
	flags.DurationVar(&b.period, "period", idlePeriodAim, "time between two polls of a stream")
	flags.DurationVar(&b.lasting, "for", time.Minute, "how long to measure")
	b.store.add(flags)
	b.output.add(flags)
	return c
}

func (b *idleBench) run(ctx context.Context, out io.Writer) error {
	if b.connectors < 1 || b.connectors > idleConnectorsMost || b.period < time.Second || b.lasting < time.Second {
		return fmt.Errorf("--connectors must be between 1 and %d, --period and --for at least a second", idleConnectorsMost)
	}
	report := newReport("idle", fmt.Sprintf("weir bench idle --connectors %d --period %s --for %s%s", b.connectors, b.period, b.lasting, b.store.arguments()))
	report.Title = fmt.Sprintf("%d connectors with %d streams that have nothing new, each polled every %s", b.connectors, b.connectors*idleStreamsOfEach, b.period)
	services, err := serveIdle(ctx)
	if err != nil {
		return err
	}
	defer services.close() //nolint:errcheck // the process ends here
	cases := []struct {
		name       string
		connectors int
		period     time.Duration
	}{
		{"polled every " + short(b.period), b.connectors, b.period},
		{"the same, nothing due", b.connectors, idleRestPeriod},
		{"one connector", 1, b.period},
	}
	for _, c := range cases {
		row, cpu, err := b.measure(ctx, out, services, c.name, c.connectors, c.period)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		report.Rows = append(report.Rows, row)
		report.Plots = append(report.Plots, cpu)
	}
	b.conclude(report)
	return b.output.write(out, report)
}

// conclude sets targets and joins the curves of all cases into one plot.
func (b *idleBench) conclude(report *bench.Report) {
	first := &report.Rows[0]
	if b.connectors == idleConnectorsAim && b.period == idlePeriodAim {
		first.Aim(fmt.Sprintf("at most %d %% of one core", idleCoreMax), first.CorePercent <= idleCoreMax)
	}
	joined := bench.Plot{Title: "Processor time of the core's process", X: "seconds", Y: "% of one core"}
	for _, plot := range report.Plots {
		joined.Series = append(joined.Series, plot.Series...)
	}
	report.Plots = []bench.Plot{joined}
	report.Notes = append(report.Notes,
		"the processor time is that of the core's process alone, by the system's own count; the services run in another",
		"an item is one request to a service, which is one poll; the ceiling is how many are due in whole periods",
	)
}

// measure runs one core for a while.
func (b *idleBench) measure(
	ctx context.Context, out io.Writer, services *idleServices, name string, connectors int, period time.Duration,
) (row bench.Row, plot bench.Plot, err error) {
	place, err := b.store.open(ctx)
	if err != nil {
		return row, plot, err
	}
	defer func() { err = errors.Join(err, place.close()) }()
	core, err := startBenchHub(ctx, append(place.arguments(), "--polling-period", period.String())...)
	if err != nil {
		return row, plot, err
	}
	defer func() { err = errors.Join(err, core.stop()) }()
	show := newProgress(out)
	defer show.end()
	if err := services.install(ctx, core, connectors, show); err != nil {
		return row, plot, err
	}

	before, server, asked, start := core.usage(), place.serverCPU(), services.requests.Load(), time.Now()
	series := bench.Series{Name: name}
	tick := time.NewTicker(idleSampleEvery)
	defer tick.Stop()
	last, lastAt := before, start
	for time.Since(start) < wholePeriods(b.lasting, period) {
		select {
		case <-ctx.Done():
			return row, plot, ctx.Err()
		case <-tick.C:
		}
		now, at := core.usage(), time.Now()
		series.Points = append(series.Points, bench.Point{
			X: at.Sub(start).Seconds(), Y: 100 * (now.cpu - last.cpu).Seconds() / at.Sub(lastAt).Seconds(),
		})
		last, lastAt = now, at
		show.line(fmt.Sprintf("%s: %s of %s measured", name, short(time.Since(start)), short(wholePeriods(b.lasting, period))))
	}
	used := core.usage()
	row = bench.Row{Name: name, Unit: "polls", PeakRSSBytes: used.peakRSS}
	row.Rate(services.requests.Load()-asked, time.Since(start))
	row.Used(used.cpu - before.cpu)
	row.DatabaseUsed(place.serverCPU() - server)
	if period < idleRestPeriod {
		row.Against("the polls that are due", float64(connectors*idleStreamsOfEach)/period.Seconds())
	} else {
		row.CPUMicroseconds = 0 // there is nothing to share it among
	}
	return row, bench.Plot{Series: []bench.Series{series}}, nil
}

// wholePeriods is how long to measure: connectors that were installed together are
// polled together, and a part of a period may hold all of its polls, or none. One
// longer than what was asked for is not waited for.
func wholePeriods(lasting, period time.Duration) time.Duration {
	if period > lasting {
		return lasting
	}
	return (lasting + period - 1).Truncate(period)
}

// idleServices are the services of all connectors, on one port: the first part
// of the path says whose it is. None of them ever has anything new.
type idleServices struct {
	*benchServer
	requests atomic.Int64
}

func serveIdle(ctx context.Context) (*idleServices, error) {
	opened := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	accounts := []wire.Account{{ID: "acc_1", AccountName: "Main", CreatedAt: opened}}
	beneficiaries := []wire.Beneficiary{{ID: "ben_1", OwnerName: "Somebody", CreatedAt: opened}}
	transactions := make([]wire.Transaction, idleTransactions)
	for i := range transactions {
		at := opened.Add(time.Duration(i) * time.Hour)
		transactions[i] = wire.Transaction{
			ID: fmt.Sprintf("tx_%d", i), CreatedAt: at, UpdatedAt: at, Currency: "EUR/2", Type: wire.TypePayin,
			Status: wire.StatusSucceeded, Amount: wire.AmountOfInt(100), DestinationAccountID: accounts[0].ID,
		}
	}
	handler, err := sdk.New(sdk.Service{
		APIKeys: []string{benchKey}, Logger: slog.New(slog.DiscardHandler),
		Accounts: func(_ context.Context, q wire.ListQuery) ([]wire.Account, error) {
			return sdk.Page(accounts, q, sdk.AccountKey), nil
		},
		Beneficiaries: func(_ context.Context, q wire.ListQuery) ([]wire.Beneficiary, error) {
			return sdk.Page(beneficiaries, q, sdk.BeneficiaryKey), nil
		},
		Transactions: func(_ context.Context, q wire.ListQuery) ([]wire.Transaction, error) {
			return sdk.Page(transactions, q, sdk.TransactionKey), nil
		},
		Balances: func(context.Context, string) (wire.Balances, error) {
			return wire.Balances{ID: accounts[0].ID, AccountID: accounts[0].ID, At: opened, Balances: []wire.Balance{{
				Amount: wire.AmountOfInt(100), Currency: "EUR/2",
			}}}, nil
		},
	})
	if err != nil {
		return nil, err
	}
	s := &idleServices{}
	s.benchServer, err = serveBench(ctx, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, path, _ := strings.Cut(r.URL.Path[1:], "/")
		r.URL.Path = "/" + path
		if r.URL.Path != wire.PathCapabilities {
			s.requests.Add(1)
		}
		handler.ServeHTTP(w, r)
	}))
	return s, err
}

// install installs the connectors and waits until each has been read once.
func (s *idleServices) install(ctx context.Context, core *benchHub, connectors int, show *progress) error {
	for i := range connectors {
		config := map[string]string{"name": fmt.Sprintf("c%05d", i), "endpoint": fmt.Sprintf("%s/%d", s.url, i), "apiKey": benchKey}
		if err := core.do(ctx, http.MethodPost, "/v3/connectors/install/"+hub.Provider, config, nil); err != nil {
			return fmt.Errorf("install connector %d: %w", i, err)
		}
		show.line(fmt.Sprintf("%d of %d connectors are installed", i+1, connectors))
	}
	deadline := time.Now().Add(idleFirstReadMax)
	for {
		streams, err := core.streams(ctx, "")
		if err != nil {
			return err
		}
		read := 0
		for i := range streams {
			if streams[i].CaughtUp {
				read++
			}
		}
		if read == connectors*idleStreamsOfEach {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("only %d of %d streams were read within %s", read, connectors*idleStreamsOfEach, idleFirstReadMax)
		}
		show.line(fmt.Sprintf("%d of %d streams have been read once", read, connectors*idleStreamsOfEach))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(idleLookEvery):
		}
	}
}
