package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/internal/hub"
)

// pollCommand, pauseCommand and resumeCommand do one thing to one stream, or to
// all streams of a connector.

func pollCommand() *cobra.Command {
	return streamCommand("poll", "Read a stream now", `Make the next poll of a stream due at once. Without STREAM: of every stream of the
connector. The command does not wait for the poll.`)
}

func pauseCommand() *cobra.Command {
	return streamCommand("pause", "Keep a stream at rest", `Keep a stream at rest until it is resumed; a poll that is under way is finished.
Without STREAM: every stream of the connector.`)
}

func resumeCommand() *cobra.Command {
	return streamCommand("resume", "Read a stream again after a pause", `Have a stream read again that was paused. Without STREAM: every stream of the
connector.`)
}

func streamCommand(verb, summary, description string) *cobra.Command {
	var server serverFlags
	c := &cobra.Command{
		Use:               verb + " CONNECTOR [STREAM]",
		Short:             summary,
		Long:              description + "\n\n" + streamsAre,
		Args:              oneOrTwo("CONNECTOR", "STREAM"),
		ValidArgsFunction: completeStream,
		RunE: func(c *cobra.Command, args []string) error {
			resources, err := resourcesOf(args[1:])
			if err != nil {
				return err
			}
			api, connector, err := server.openFor(c.Context(), args[0])
			if err != nil {
				return err
			}
			for _, resource := range resources {
				if err := operate(c.Context(), api, c.OutOrStdout(), connector, resource, verb, nil); err != nil {
					return err
				}
			}
			return nil
		},
	}
	server.add(c.Flags())
	return c
}

const streamsAre = "A connector has the streams accounts, balances, beneficiaries and transactions."

// oneOrTwo demands the first argument and takes the second.
func oneOrTwo(first, second string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == 1 || len(args) == 2 {
			return nil
		}
		return fmt.Errorf("%s takes %s [%s], and %s given; see %q", c.CommandPath(), first, second, given(args), c.CommandPath()+" --help")
	}
}

// resourcesOf returns the streams that an optional argument names.
func resourcesOf(args []string) ([]hub.Resource, error) {
	if len(args) == 0 {
		return hub.Resources(), nil
	}
	resource, err := hub.ParseResource(args[0])
	return []hub.Resource{resource}, err
}

func completeStream(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names := make([]string, 0, len(hub.Resources()))
	for _, resource := range hub.Resources() {
		names = append(names, string(resource))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// operate does something to a stream and says how it stands then.
func operate(ctx context.Context, api *client, out io.Writer, c connectorInfo, resource hub.Resource, verb string, body any) error {
	var answer envelope[streamInfo]
	err := api.do(ctx, http.MethodPost, streamPath(c, resource)+"/"+verb, body, &answer)
	if err != nil {
		return fmt.Errorf("%s %s %s: %w", verb, c.Name, resource, err)
	}
	_, err = fmt.Fprintf(out, "%s %s: %s\n", printable(c.Name), resource, printable(answer.Data.Summary))
	return err
}

func streamPath(c connectorInfo, resource hub.Resource) string {
	return c.path() + "/streams/" + string(resource)
}

func rewindCommand() *cobra.Command {
	var server serverFlags
	c := &cobra.Command{
		Use:   "rewind CONNECTOR STREAM INSTANT",
		Short: "Read a stream again from an instant on",
		Long: `Set the watermark of a stream back to INSTANT, so that everything since is read
again. It is always safe: what is stored already keeps its identifiers and is not
stored twice, and what had been missed is found. It also takes records out of
quarantine that the service has mended.

INSTANT is a date (2024-05-01, at midnight UTC), a time (2024-05-01T10:20:30Z), or
how long ago it is (90m, 24h).`,
		Args:              arguments("CONNECTOR", "STREAM", "INSTANT"),
		ValidArgsFunction: completeStream,
		RunE: func(c *cobra.Command, args []string) error {
			resource, err := hub.ParseResource(args[1])
			if err != nil {
				return err
			}
			to, err := parseInstant(args[2], time.Now())
			if err != nil {
				return err
			}
			api, connector, err := server.openFor(c.Context(), args[0])
			if err != nil {
				return err
			}
			body := map[string]string{"to": to.UTC().Format(time.RFC3339Nano)}
			return operate(c.Context(), api, c.OutOrStdout(), connector, resource, "rewind", body)
		},
	}
	server.add(c.Flags())
	return c
}

func parseInstant(text string, now time.Time) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return at, nil
	}
	if at, err := time.Parse(time.DateOnly, text); err == nil {
		return at, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago > 0 {
		return now.Add(-ago), nil
	}
	return time.Time{}, fmt.Errorf("%q is no instant; write a date such as 2024-05-01, a time such as 2024-05-01T10:20:30Z, or how long ago it is, such as 24h", text)
}

func configureCommand() *cobra.Command {
	var server serverFlags
	var keyFile, endpoint, name string
	var period time.Duration
	var force bool
	c := &cobra.Command{
		Use:   "configure CONNECTOR",
		Short: "Change a connector's key, endpoint, period or name",
		Long: `Change what is named and keep the rest. Streams that fail are tried again at once.
A new endpoint on another host needs the key as well, since a key stays with the
host that it was given for.

The core looks at the service when the endpoint or the key is new, and refuses what
can't work, as on connect; --force takes it all the same. What the last look found
is looked at again whatever is changed.`,
		Args: arguments("CONNECTOR"),
		RunE: func(c *cobra.Command, args []string) error {
			changes := make(map[string]any)
			if c.Flags().Changed("name") {
				changes["name"] = name
			}
			if c.Flags().Changed("endpoint") {
				if err := addEndpoint(changes, endpoint); err != nil {
					return err
				}
			}
			if c.Flags().Changed("api-key-file") {
				if err := addKey(changes, keyFile); err != nil {
					return err
				}
			}
			if err := addPeriod(changes, period, c.Flags().Changed("polling-period")); err != nil {
				return err
			}
			if len(changes) == 0 {
				return fmt.Errorf("nothing is to be changed; see %q", c.CommandPath()+" --help")
			}
			if force {
				changes["force"] = true
			}
			api, err := server.open()
			if err != nil {
				return err
			}
			return configure(c.Context(), api, c.OutOrStdout(), args[0], changes)
		},
	}
	c.Flags().StringVar(&keyFile, "api-key-file", "", "file with the key that the integration service expects")
	c.Flags().StringVar(&endpoint, "endpoint", "", "URL of the integration service")
	c.Flags().StringVar(&name, "name", "", "name of the connector")
	c.Flags().DurationVar(&period, "polling-period", 0, "time between two polls of a stream")
	c.Flags().BoolVar(&force, "force", false, "take the change whatever the service says")
	server.add(c.Flags())
	return c
}

// configure sends the whole configuration, since the API takes no part of one:
// what it has, the key as the stars that stand for it, and the changes.
func configure(ctx context.Context, api *client, out io.Writer, name string, changes map[string]any) error {
	c, err := api.connector(ctx, name)
	if err != nil {
		return err
	}
	var has envelope[map[string]json.RawMessage]
	if err := api.get(ctx, c.path()+"/config", &has); err != nil {
		return err
	}
	config := make(map[string]any)
	for key, value := range has.Data {
		config[key] = value
	}
	for key, value := range changes {
		config[key] = value
	}
	if err := api.do(ctx, http.MethodPatch, c.path()+"/config", config, nil); err != nil {
		return fmt.Errorf("%s was not changed: %w", c.Name, withForce(err))
	}
	_, err = fmt.Fprintf(out, "%s is changed; \"weir status\" shows how it is read.\n", printable(c.Name))
	return err
}

func disconnectCommand() *cobra.Command {
	var server serverFlags
	var yes bool
	c := &cobra.Command{
		Use:   "disconnect CONNECTOR",
		Short: "Remove a connector and everything that was read from it",
		Long: `Remove a connector with everything that was read from it: accounts, balances,
payments, versions and what is in quarantine. It asks before it does so; --yes
answers. What the service shows can be read again by connecting it again.`,
		Args: arguments("CONNECTOR"),
		RunE: func(c *cobra.Command, args []string) error {
			api, connector, err := server.openFor(c.Context(), args[0])
			if err != nil {
				return err
			}
			if !yes {
				if err := confirm(c.Context(), api, c.InOrStdin(), c.OutOrStdout(), connector); err != nil {
					return err
				}
			}
			if err := api.do(c.Context(), http.MethodDelete, connector.path(), nil, nil); err != nil {
				return fmt.Errorf("remove %s: %w; the same command goes on where this one stopped", connector.Name, err)
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s is removed.\n", printable(connector.Name))
			return err
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	server.add(c.Flags())
	return c
}

// confirm asks a person to type the connector's name.
func confirm(ctx context.Context, api *client, in io.Reader, out io.Writer, c connectorInfo) error {
	streams, err := api.streams(ctx, c.path())
	if err != nil {
		return err
	}
	versions := int64(0)
	for i := range streams {
		versions += streams[i].Versions
	}
	fmt.Fprintf(out, "This removes %s and the %s versions of records that were read from it.\nType its name to go on: ", printable(c.Name), grouped(versions))
	answer, err := bufio.NewReader(in).ReadString('\n')
	if strings.TrimSpace(answer) == c.Name {
		return nil
	}
	fmt.Fprintln(out)
	if err != nil && answer == "" {
		return errors.New("nobody answered, so nothing was removed; without a terminal, answer with --yes")
	}
	return errors.New("that is not its name, so nothing was removed")
}
