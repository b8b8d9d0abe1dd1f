package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/internal/connector"
	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/simulator"
)

const (
	// demoPeriod is the time between two polls, short so that there is something to see.
	demoPeriod = time.Second
	// demoInterval is the mean time between two new movements at the PSP.
	demoInterval = 200 * time.Millisecond
	// demoProgress is how often the demo says how far it is.
	demoProgress = time.Second
	// demoStopsLiving is when the PSP comes to rest in a demo that ends by itself,
	// and demoPace how many events of its past it plays a second until then.
	demoStopsLiving = 2 * time.Second
	demoPace        = 400
)

// demoTiers let rows that come late be found within seconds, as they are within
// minutes and days with the usual settings.
var demoTiers = connector.Tiers{
	NearWindow: 10 * time.Minute, NearEvery: 2 * time.Second, NearBudget: 200,
	DeepWindow: 365 * 24 * time.Hour, DeepEvery: 3 * time.Second, DeepBudget: 2000,
}

type demoOptions struct {
	// store is the address of a PostgreSQL server, or empty for a SQLite file.
	store        string
	once         bool
	faults       string
	seed         uint64
	transactions int
	listen       string
	timeout      time.Duration
}

func demoCommand() *cobra.Command {
	var options demoOptions
	c := &cobra.Command{
		Use:   "demo",
		Short: "Run a simulated PSP, its integration service and the payments core together",
		Long: `Run a simulated payment service provider, its integration service and the payments
core in one process, over real HTTP on loopback, and show how the core follows the
provider. Nothing is kept: the database is removed at the end.

With --once the provider comes to rest, and the command ends when everything it
knows is stored, and proves it: for each resource it shows the number of records
and a hash over their identifiers and contents on both sides. It exits with
status 1 where they differ.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return runDemo(c.Context(), c.OutOrStdout(), options)
		},
	}
	flags := c.Flags()
	flags.BoolVar(&options.once, "once", false, "end when all is stored, and prove it")
	flags.StringVar(&options.faults, "faults", "", `what goes wrong, by names and commas, or "all" for a mix drawn from the seed (see weir simulate --help)`)
	flags.Uint64Var(&options.seed, "seed", 1, "seed of the provider's life and faults")
	flags.IntVar(&options.transactions, "transactions", simulator.Defaults().Transactions, "movements that the provider begins with")
	flags.StringVar(&options.store, "store", "", "postgres://… to keep everything in a scratch database there (default: a SQLite file in the scratch folder)")
	flags.StringVar(&options.listen, "listen", "127.0.0.1:0", "address of the API")
	flags.DurationVar(&options.timeout, "timeout", 2*time.Minute, "how long --once may take")
	return c
}

// A demo is a PSP, its integration service and a core that reads it.
type demo struct {
	options   demoOptions
	out       io.Writer
	faults    simulator.Faults
	psp       *simulator.PSP
	server    *simulator.Server
	node      *node
	connector hub.ConnectorID
}

func runDemo(ctx context.Context, out io.Writer, options demoOptions) (err error) {
	folder, err := os.MkdirTemp("", "weir-demo-")
	if err != nil {
		return fmt.Errorf("make a folder for the demo: %w", err)
	}
	defer os.RemoveAll(folder) //nolint:errcheck // the system cleans up what we can't
	d := &demo{options: options, out: out}
	if d.faults, err = simulator.ParseFaults(options.faults, options.seed); err != nil {
		return fmt.Errorf("--faults: %w", err)
	}
	place, drop, err := scratchStore(ctx, folder, options.store)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, drop()) }()
	if err := d.start(ctx, place, folder); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.server.Close()) }()
	running, stop := context.WithCancel(ctx)
	stopped := make(chan error, 1)
	go func() { stopped <- d.node.run(running) }()
	defer func() {
		stop()
		err = errors.Join(err, <-stopped, d.node.close())
	}()
	if err := d.install(ctx); err != nil {
		return err
	}
	d.announce()
	if options.once {
		return d.prove(ctx)
	}
	return d.follow(ctx)
}

// start brings up the PSP with its service, and the core, not yet running.
func (d *demo) start(ctx context.Context, place, folder string) error {
	life := simulator.Defaults()
	life.Seed, life.Faults, life.Transactions = d.options.seed, d.faults, d.options.transactions
	life.Now = time.Now
	if !d.options.once { // else it plays its last weeks in seconds
		life.Interval = demoInterval
		life.Start = time.Now().Add(-demoInterval * time.Duration(life.Transactions))
	}
	var err error
	if d.psp, err = simulator.New(life); err != nil {
		return err
	}
	quiet := slog.New(slog.DiscardHandler)
	d.server, err = simulator.Start(ctx, d.psp, simulator.ServerOptions{
		Service: simulator.ServiceOptions{Faults: d.faults, Seed: d.options.seed, Logger: quiet},
	})
	if err != nil {
		return err
	}
	d.node, err = openNode(ctx, nodeOptions{
		Store: place, AutoMigrate: true, KeyFile: filepath.Join(folder, "weir.key"), Listen: d.options.listen,
		PollingPeriod: demoPeriod, PollingPeriodMin: demoPeriod, Logger: quiet, Tiers: demoTiers,
	})
	if err != nil {
		return errors.Join(err, d.server.Close())
	}
	return nil
}

func (d *demo) install(ctx context.Context) error {
	d.connector = hub.NewConnectorID(hub.Provider)
	return wakeful{d.node.store, d.node.engine}.InstallConnector(ctx, hub.Connector{
		ID: d.connector, Name: "demo",
		Config: hub.Config{Endpoint: d.server.Endpoint, APIKey: hub.NewSecret(d.server.APIKey), PollingPeriod: demoPeriod},
	})
}

func (d *demo) announce() {
	fmt.Fprintf(d.out, "PSP                  %s   (its own protocol, seed %d)\n", d.server.PSPURL, d.options.seed)
	fmt.Fprintf(d.out, "integration service  %s   (the generic connector contract)\n", d.server.Endpoint)
	fmt.Fprintf(d.out, "payments core        %s/v3/payments\n", d.node.url())
	if d.faults != 0 {
		fmt.Fprintf(d.out, "faults               %s\n", d.faults)
	}
	fmt.Fprintln(d.out)
}

// follow shows the core following a living PSP until the user has seen enough.
func (d *demo) follow(ctx context.Context) error {
	fmt.Fprintf(d.out, "Ctrl-C ends it. Meanwhile, in another terminal:\n  curl '%s/v3/payments?pageSize=3'\n\n", d.node.url())
	show := newProgress(d.out)
	defer show.end()
	tick := time.NewTicker(demoProgress)
	defer tick.Stop()
	for {
		d.psp.CatchUp()
		line, err := d.line(ctx)
		if err != nil && ctx.Err() == nil {
			return err
		}
		show.line(line)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// line says in one line how far the core is.
func (d *demo) line(ctx context.Context) (string, error) {
	streams, err := d.node.store.Streams(ctx, d.connector)
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf("PSP %d movements · core", d.psp.Len())
	var rejected, requests int64
	for i := range streams {
		s := &streams[i]
		text += fmt.Sprintf(" %d %s", s.Versions, s.ID.Resource)
		if s.LastError != nil {
			text += fmt.Sprintf(" (failing: %s)", s.LastError.Code)
		}
		rejected += s.OpenRejections
		requests += s.Requests
	}
	return text + fmt.Sprintf(" versions · %d in quarantine · %d requests", rejected, requests), nil
}

// prove lets the PSP come to rest, waits until the core has followed, and
// compares the two.
func (d *demo) prove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.options.timeout)
	defer cancel()
	began := time.Now()
	go d.psp.Live(ctx, demoPace)
	show := newProgress(d.out)
	tick := time.NewTicker(demoProgress / 4)
	defer tick.Stop()
	settled := false
	for {
		if !settled && time.Since(began) > demoStopsLiving {
			d.psp.Settle()
			settled = true
		}
		if line, err := d.line(ctx); err == nil {
			show.line(line)
		}
		if settled {
			proof, err := d.compare(ctx)
			if err == nil && proof.equal() {
				show.end()
				return d.report(proof, began)
			}
		}
		select {
		case <-ctx.Done():
			show.end()
			return d.giveUp(context.WithoutCancel(ctx), began)
		case <-tick.C:
		}
	}
}

// giveUp reports what is unequal when the time is up.
func (d *demo) giveUp(ctx context.Context, began time.Time) error {
	proof, err := d.compare(ctx)
	if err != nil {
		return err
	}
	return d.report(proof, began)
}
