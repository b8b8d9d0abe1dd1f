package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
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
	// The size for which the speed of balances is promised, and how fast it is.
	balancesAccountsAim = 10_000
	balancesRateAim     = 1500.0
	// balancesGrowthAim is how much more memory a sweep of all accounts may take
	// than one of a tenth of them: as good as none.
	balancesGrowthAim   = 1.2
	balancesTenth       = 10
	balancesConcurrency = 32
	// balancesRequestsMost is the highest bound that a connector may have, and so
	// none here; the usual one is 500.
	balancesRequestsMost = 100_000
	balancesSweepMax     = 10 * time.Minute
	balancesLookEvery    = 50 * time.Millisecond
	balancesCeilingName  = "the same answers of the service, asked for and thrown away"
)

type balancesBench struct {
	accounts    int
	concurrency int
	store       benchStore
	output      benchOutput
}

func benchBalancesCommand() *cobra.Command {
	var b balancesBench
	c := &cobra.Command{
		Use:   "balances",
		Short: "Measure how fast the balances of many accounts are read",
		Long: `Let a payments core in a process of its own read the balances of a connector with
many accounts: one request for each account over HTTP on loopback, as many at once
as the connector allows, and every balance compared and stored.

The connector is one without a bound on requests; usually there are 500 a second
and 8 at once. The ceiling is the same requests with nothing done about the answers.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return b.run(c.Context(), c.OutOrStdout()) },
	}
	flags := c.Flags()
	flags.IntVar(&b.accounts, "accounts", balancesAccountsAim, "how many accounts")
	flags.IntVar(&b.concurrency, "concurrency", balancesConcurrency, "how many requests the connector allows at once")
	b.store.add(flags)
	b.output.add(flags)
	return c
}

func (b *balancesBench) run(ctx context.Context, out io.Writer) (err error) {
	if b.accounts < balancesTenth || b.concurrency < 1 {
		return fmt.Errorf("--accounts must be at least %d, --concurrency above zero", balancesTenth)
	}
	report := newReport("balances", fmt.Sprintf("weir bench balances --accounts %d --concurrency %d%s", b.accounts, b.concurrency, b.store.arguments()))
	report.Title = fmt.Sprintf("Balances of %d accounts, one request each, %d at once", b.accounts, b.concurrency)
	place, err := b.store.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, place.close()) }()
	core, err := startBenchHub(ctx, place.arguments()...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, core.stop()) }()
	show := newProgress(out)
	for _, accounts := range []int{b.accounts / balancesTenth, b.accounts} {
		if err := b.measure(ctx, place, core, accounts, show, report); err != nil {
			return err
		}
	}
	show.end()
	b.conclude(report)
	return b.output.write(out, report)
}

// conclude sets the targets.
func (b *balancesBench) conclude(report *bench.Report) {
	tenth, all := &report.Rows[0], &report.Rows[len(report.Rows)-2]
	if b.accounts == balancesAccountsAim {
		all.Aim("at least 1,500 accounts a second", all.PerSecond >= balancesRateAim)
		all.Aim(fmt.Sprintf("as much memory as for a tenth of the accounts, within %.0f %%", 100*(balancesGrowthAim-1)),
			float64(all.PeakRSSBytes) <= balancesGrowthAim*float64(tenth.PeakRSSBytes))
	}
	report.Notes = append(report.Notes,
		"the time is from the order to read the balances until all of them are stored",
		"the processor time and the memory are the core's; the service spends its own on the same processors",
	)
}

// measure installs a connector with so many accounts and reads its balances.
func (b *balancesBench) measure(ctx context.Context, place *benchPlace, core *benchHub, accounts int, show *progress, report *bench.Report) error {
	service := &balancesService{accounts: accounts}
	server, err := service.serve(ctx)
	if err != nil {
		return err
	}
	defer server.close() //nolint:errcheck // nothing is left to be lost
	var answer envelope[string]
	err = core.do(ctx, http.MethodPost, "/v3/connectors/install/"+hub.Provider, map[string]any{
		"name": fmt.Sprintf("bench-%d", accounts), "endpoint": server.url, "apiKey": benchKey, "pollingPeriod": "24h",
		"requestsPerSecond": balancesRequestsMost, "concurrency": b.concurrency,
	}, &answer)
	if err != nil {
		return err
	}
	c := connectorInfo{ID: answer.Data}
	sweep := balancesSweep{core: core, place: place, path: c.path(), accounts: accounts, show: show}
	if err := sweep.await(ctx, "the first sweep", func(s *streamInfo) bool { return s.CaughtUp && s.Versions == int64(accounts) }); err != nil {
		return err
	}
	ceiling, err := service.ceiling(ctx, server.url, b.concurrency)
	if err != nil {
		return err
	}
	for _, epoch := range []int64{1, 1} {
		row := bench.Row{Name: fmt.Sprintf("%d accounts, every balance has changed", accounts), Unit: "accounts"}
		if service.epoch.Swap(epoch) == epoch {
			row.Name = fmt.Sprintf("%d accounts, none has changed", accounts)
		}
		memory, err := sweep.run(ctx, &row)
		if err != nil {
			return err
		}
		row.Against(balancesCeilingName, ceiling)
		report.Rows = append(report.Rows, row)
		report.Plots = appendSeries(report.Plots, bench.Plot{Title: "Memory of the core's process", X: "seconds", Y: "MB"}, memory)
	}
	return nil
}

// appendSeries adds a curve to the first plot, which it makes when there is none.
func appendSeries(plots []bench.Plot, first bench.Plot, series bench.Series) []bench.Plot {
	if len(plots) == 0 {
		plots = append(plots, first)
	}
	plots[0].Series = append(plots[0].Series, series)
	return plots
}

// A balancesSweep has a core read the balances of one connector.
type balancesSweep struct {
	core     *benchHub
	place    *benchPlace
	path     string
	accounts int
	show     *progress
}

// run orders one reading and measures it.
func (s *balancesSweep) run(ctx context.Context, row *bench.Row) (memory bench.Series, err error) {
	var before envelope[streamInfo]
	stream := s.path + "/streams/" + string(hub.Balances)
	if err := s.core.get(ctx, stream, &before); err != nil {
		return memory, err
	}
	memory.Name = row.Name
	used, server, start := s.core.usage(), s.place.serverCPU(), time.Now()
	if err := s.core.do(ctx, http.MethodPost, stream+"/poll", nil, nil); err != nil {
		return memory, err
	}
	polled := func(now *streamInfo) bool {
		memory.Points = append(memory.Points, bench.Point{X: time.Since(start).Seconds(), Y: float64(s.core.usage().rss) / 1e6})
		return now.CaughtUp && now.LastSuccessAt != nil && now.LastSuccessAt.After(*before.Data.LastSuccessAt)
	}
	if err := s.await(ctx, row.Name, polled); err != nil {
		return memory, err
	}
	row.Rate(int64(s.accounts), time.Since(start))
	after := s.core.usage()
	row.Used(after.cpu - used.cpu)
	row.DatabaseUsed(s.place.serverCPU() - server)
	row.PeakRSSBytes = after.peakRSS
	return memory, nil
}

// await looks at the stream of balances until it is as it should be.
func (s *balancesSweep) await(ctx context.Context, doing string, done func(*streamInfo) bool) error {
	deadline := time.Now().Add(balancesSweepMax)
	for {
		var stream envelope[streamInfo]
		if err := s.core.get(ctx, s.path+"/streams/"+string(hub.Balances), &stream); err != nil {
			return err
		}
		if done(&stream.Data) {
			return nil
		}
		if failed := stream.Data.LastError; failed != nil {
			return fmt.Errorf("the stream of balances fails: %s", failed.Message)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s has not come to an end within %s", doing, balancesSweepMax)
		}
		s.show.line(fmt.Sprintf("%s: %d requests so far", doing, stream.Data.Requests))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(balancesLookEvery):
		}
	}
}

// A balancesService has many accounts, each with one balance that grows by one
// from epoch to epoch.
type balancesService struct {
	accounts int
	epoch    atomic.Int64
}

func (s *balancesService) serve(ctx context.Context) (*benchServer, error) {
	opened := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	accounts := make([]wire.Account, s.accounts)
	for i := range accounts {
		accounts[i] = wire.Account{ID: fmt.Sprintf("acc_%06d", i), AccountName: fmt.Sprintf("Account %d", i), CreatedAt: opened.Add(time.Duration(i) * time.Second)}
	}
	handler, err := sdk.New(sdk.Service{
		APIKeys: []string{benchKey}, Logger: slog.New(slog.DiscardHandler),
		Accounts: func(_ context.Context, q wire.ListQuery) ([]wire.Account, error) {
			return sdk.PageOfSorted(accounts, q, sdk.AccountKey), nil
		},
		Balances: func(_ context.Context, account string) (wire.Balances, error) {
			number, err := strconv.Atoi(strings.TrimPrefix(account, "acc_"))
			if err != nil {
				return wire.Balances{}, sdk.NotFound("There is no account of that name.")
			}
			epoch := s.epoch.Load()
			return wire.Balances{
				ID: account, AccountID: account, At: opened.Add(time.Duration(epoch) * time.Hour),
				Balances: []wire.Balance{{Amount: wire.AmountOfInt(int64(number) + epoch), Currency: "EUR/2"}},
			}, nil
		},
	})
	if err != nil {
		return nil, err
	}
	return serveBench(ctx, handler)
}

// ceiling asks for the balances of all accounts and does nothing about them.
func (s *balancesService) ceiling(ctx context.Context, url string, clients int) (perSecond float64, err error) {
	conns, hangUp, err := dialAll(ctx, url, clients)
	if err != nil {
		return 0, err
	}
	defer hangUp()
	for conn := range slices.Values(conns) {
		conn.Key = benchKey
	}
	load := bench.Load{Clients: clients, For: balancesSweepMax, CallsMax: int64(s.accounts)}
	loaded, err := load.Run(ctx, func(_ context.Context, client int, number int64) error {
		account := fmt.Sprintf("acc_%06d", number)
		_, err := conns[client].Get(strings.Replace(wire.PathBalances, "{accountId}", account, 1))
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("ask the service without a core: %w", err)
	}
	return float64(loaded.Latencies.Count()) / loaded.Elapsed.Seconds(), nil
}
