package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/spf13/cobra"
)

const (
	// healthTimeout is shorter than what a container's health check is left.
	healthTimeout = 5 * time.Second
	// healthBytesMax is far beyond what a health check says.
	healthBytesMax = 64 << 10
)

func healthCommand() *cobra.Command {
	var server string
	c := &cobra.Command{
		Use:   "health",
		Short: "Ask a running core whether it is healthy",
		Long: `Ask a running payments core, or one of its workers, whether it does its work and
reaches its database. No key is needed. It is made for the health check of a
container, where there is no shell; whether the streams are well is told by
"weir status".`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			base, err := parseURL(server)
			if err != nil {
				return fmt.Errorf("--server %w", err)
			}
			return health(c.Context(), base, c.OutOrStdout())
		},
	}
	c.Flags().StringVar(&server, "server", "http://127.0.0.1:8080", "URL of the API of a running payments core")
	return c
}

// health prints what each check says, and is an error where one of them fails.
func health(ctx context.Context, base string, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/_healthcheck", http.NoBody)
	if err != nil {
		return err
	}
	c := newClient(base)
	response, err := c.http.Do(request)
	if err != nil {
		return c.unanswered(err)
	}
	defer response.Body.Close()
	checks := map[string]string{}
	if err := json.NewDecoder(io.LimitReader(response.Body, healthBytesMax)).Decode(&checks); err != nil {
		return fmt.Errorf("what answers at %s with status %d is no payments core; name the right one with --server", base, response.StatusCode)
	}
	for _, name := range slices.Sorted(maps.Keys(checks)) {
		fmt.Fprintf(out, "%s: %s\n", name, checks[name])
	}
	if response.StatusCode != http.StatusOK {
		return errors.New("the payments core is not healthy; its log says more")
	}
	return nil
}
