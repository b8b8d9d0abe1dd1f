package main

import (
	"github.com/spf13/cobra"
)

func benchCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure this machine",
		Long: `Measure how fast Weir is on this machine, each time beside a ceiling or a
counterpart that is measured in the same run.

Every measurement makes its own database and removes it, talks over HTTP on
loopback only, and writes its report as text, as JSON and as an HTML page.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(benchIngestCommand(), benchBalancesCommand(), benchAPICommand(), benchIdleCommand(), benchWorkersCommand())
	return c
}
