package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/internal/keyring"
)

func keygenCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "keygen FILE",
		Short: "Make a file with a new encryption key",
		Long: `Make a file with a new key for --encryption-key-file of "weir serve". It never
overwrites. "-" writes the key to standard output, for a store of secrets.

A file may hold several keys, one a line: the first encrypts, every one decrypts.
To change the key, put the line of a new one above the old, restart every
process, and remove the old line.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if args[0] == "-" {
				_, err := fmt.Fprint(c.OutOrStdout(), keyring.Draw())
				return err
			}
			if _, err := keyring.Create(args[0]); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s holds a new key. Keep a copy of it apart from the database: without it the secrets in there are lost.\n", args[0])
			return nil
		},
	}
}
