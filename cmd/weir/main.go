// Command weir is the whole system in one binary: the payments core that reads
// any integration service, a simulated PSP to try it on, and the tools around it.
//
// It holds flags, settings and wiring, and nothing else: node.go is where the
// parts of the core are put together, each other file is one command.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set when a release is built.
var version = "develop"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := advise(newCommand().ExecuteContext(ctx))
	stop()
	if err == nil {
		return
	}
	if !errors.Is(err, errSaid) {
		fmt.Fprintln(os.Stderr, "weir: "+err.Error())
	}
	os.Exit(exitStatus(err))
}

// errSaid ends a command with status 1 that has already said why.
var errSaid = errors.New("said")

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "weir",
		Short: "Connect any payment service provider to a payments stack",
		Long: `Weir reads everything that a payment service provider knows, through an
integration service that speaks the generic connector contract, keeps every
version of it, loses nothing, and serves it over an API.

Try "weir demo": it runs a simulated provider, its integration service and the
payments core in one process.`,
		Version:           version,
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: applySettings,
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return fmt.Errorf(`%w; see "%s --help"`, err, c.CommandPath())
	})
	root.PersistentFlags().String("config", "", "YAML file with settings; a key is the name of a flag")
	root.AddCommand(serveCommand(), migrateCommand(), demoCommand(), simulateCommand(), benchCommand(), versionCommand())
	root.AddCommand(connectCommand(), configureCommand(), disconnectCommand(), statusCommand(), healthCommand(), keygenCommand())
	root.AddCommand(pollCommand(), pauseCommand(), resumeCommand(), rewindCommand(), rejectionsCommand())
	root.AddCommand(statementsCommand(), initCommand(), verifyCommand(), exportCommand(), importCommand())
	return root
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(c.OutOrStdout(), "weir "+version)
			return err
		},
	}
}
