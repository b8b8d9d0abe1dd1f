package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/simulator"
)

func simulateCommand() *cobra.Command {
	var faults, pspListen, listen, apiKey string
	life := simulator.Defaults()
	c := &cobra.Command{
		Use:   "simulate",
		Short: "Run a simulated PSP and its integration service",
		Long: `Run a simulated payment service provider with a protocol of its own, and the
integration service between it and the generic connector contract. It lives until
Ctrl-C: money comes in, is refunded, disputed and paid out. The same seed lives
the same life.

What can go wrong (--faults NAME,NAME or "all" for a mix drawn from the seed):
` + faultsHelp(),
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			set, err := simulator.ParseFaults(faults, life.Seed)
			if err != nil {
				return fmt.Errorf("--faults: %w", err)
			}
			life.Faults, life.Now = set, time.Now
			life.Start = time.Now().Add(-life.Interval * time.Duration(life.Transactions))
			psp, err := simulator.New(life)
			if err != nil {
				return err
			}
			tracing, err := startTracing(c.Context(), "weir-simulate", slog.New(slog.NewTextHandler(c.ErrOrStderr(), nil)))
			if err != nil {
				return err
			}
			defer closeTracing(tracing)
			server, err := simulator.Start(c.Context(), psp, simulator.ServerOptions{
				Service: simulator.ServiceOptions{Faults: set, Seed: life.Seed, APIKey: apiKey},
				Address: listen, PSPAddress: pspListen,
				Wrap: func(next http.Handler) http.Handler { return tracing.Handler("integration service", next) },
			})
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "PSP                  %s\nintegration service  %s\nAPI key              %s\n", server.PSPURL, server.Endpoint, server.APIKey)
			live(c.Context(), psp)
			return server.Close()
		},
	}
	flags := c.Flags()
	flags.StringVar(&faults, "faults", "", "what goes wrong, by names and commas")
	flags.Uint64Var(&life.Seed, "seed", 1, "seed of the provider's life and faults")
	flags.IntVar(&life.Transactions, "transactions", life.Transactions, "movements that the provider begins with")
	flags.IntVar(&life.Accounts, "accounts", life.Accounts, "accounts that the provider begins with")
	flags.IntVar(&life.Beneficiaries, "beneficiaries", life.Beneficiaries, "beneficiaries that the provider begins with")
	flags.DurationVar(&life.Interval, "interval", time.Second, "mean time between two new movements")
	flags.StringVar(&listen, "listen", "127.0.0.1:8081", "address of the integration service")
	flags.StringVar(&pspListen, "psp-listen", "127.0.0.1:0", "address of the provider's own protocol")
	flags.StringVar(&apiKey, "service-key", simulator.DefaultAPIKey, "key that opens the integration service")
	return c
}

// live plays the PSP's life as time passes, until ctx ends.
func live(ctx context.Context, psp *simulator.PSP) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			psp.CatchUp()
		}
	}
}

func faultsHelp() string {
	var text strings.Builder
	for _, f := range simulator.FaultTable() {
		fmt.Fprintf(&text, "  %-18s %s\n", f.Name, f.Sentence)
	}
	return text.String()
}
