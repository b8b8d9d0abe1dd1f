package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/internal/hub"
)

const (
	// lookEvery is the pause between two looks at a first read.
	lookEvery = 400 * time.Millisecond
	// triesMax is how often a stream may fail before connect stops waiting for it.
	// Twice is some seconds, with the tries inside of a poll: enough for a service
	// that is just starting, and not too long for a person who has mistyped.
	triesMax = 2
	// unansweredMax is how many looks in a row the core may leave unanswered.
	unansweredMax = 25
)

type connectOptions struct {
	server  serverFlags
	keyFile string
	period  time.Duration
	noWatch bool
	force   bool
}

func connectCommand() *cobra.Command {
	var options connectOptions
	c := &cobra.Command{
		Use:   "connect NAME ENDPOINT --api-key-file FILE",
		Short: "Install a connector and watch its first read",
		Long: `Install a connector in a running payments core and watch until each of its streams
has been read to its end once.

NAME is how the connector is called from then on. ENDPOINT is the URL of the
integration service. The first line of FILE is the key that the service expects;
connect sends it to the core, which keeps it encrypted.

The core looks at the service first: a few reads, within seconds. A service that
refuses the key, or an address where something else answers, is not installed, and
connect says why. What else the look finds is told, and shown on the streams.

It exits with 0 when everything was read. When nothing can be read at all, because
the service can't be reached or fails, connect says why, removes the connector again
and exits with 1: mend it, and run the same command again. When only a part can be
read, the connector stays, the core goes on trying, and connect exits with 1.

With --no-watch it installs the connector and leaves the rest to the core. With
--force the connector is installed and stays, whatever the service says: it may not
be set up yet.`,
		Args: arguments("NAME", "ENDPOINT"),
		RunE: func(c *cobra.Command, args []string) error {
			return runConnect(c.Context(), c.OutOrStdout(), args[0], args[1], options, c.Flags().Changed("polling-period"))
		},
	}
	flags := c.Flags()
	flags.StringVar(&options.keyFile, "api-key-file", "", "file with the key that the integration service expects")
	flags.DurationVar(&options.period, "polling-period", 0, "time between two polls of a stream (default: the core's)")
	flags.BoolVar(&options.noWatch, "no-watch", false, "install only")
	flags.BoolVar(&options.force, "force", false, "take the connector whatever the service says")
	options.server.add(flags)
	return c
}

// arguments demands exactly the named arguments.
func arguments(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		return fmt.Errorf("%s takes %s, and %s given; see %q", c.CommandPath(), strings.Join(names, " "), given(args), c.CommandPath()+" --help")
	}
}

func given(args []string) string {
	switch len(args) {
	case 0:
		return "nothing was"
	case 1:
		return fmt.Sprintf("only %q was", args[0])
	default:
		return fmt.Sprintf("%d arguments were", len(args))
	}
}

func runConnect(ctx context.Context, out io.Writer, name, endpoint string, options connectOptions, periodGiven bool) error {
	config := map[string]any{"name": name}
	if err := addEndpoint(config, endpoint); err != nil {
		return err
	}
	if options.keyFile == "" {
		return errors.New("name the file with the key that the service expects: --api-key-file FILE")
	}
	if err := addKey(config, options.keyFile); err != nil {
		return err
	}
	if err := addPeriod(config, options.period, periodGiven); err != nil {
		return err
	}
	if options.force {
		config["force"] = true
	}
	api, err := options.server.open()
	if err != nil {
		return err
	}
	c := connectorInfo{Name: name}
	var answer envelope[string]
	err = api.do(ctx, http.MethodPost, "/v3/connectors/install/"+hub.Provider, config, &answer)
	if err != nil {
		return fmt.Errorf("%s was not installed: %w", name, withForce(err))
	}
	c.ID = answer.Data
	look, err := api.look(ctx, c)
	if err != nil {
		return fmt.Errorf("%s is installed, but can't be watched: %w", name, err)
	}
	if options.noWatch {
		fmt.Fprintf(out, "%s is installed; \"weir status\" shows how it is read.\n%s", name, terminalOf(out).lookText(look, true))
		return nil
	}
	fmt.Fprintf(out, "%s is installed and is being read.\n%s", name, terminalOf(out).lookText(look, false))
	w := firstRead{api: api, out: out, connector: c, show: newProgress(out), stays: options.force}
	return w.watch(ctx)
}

// addEndpoint, addKey and addPeriod check one part of a configuration each.

func addEndpoint(config map[string]any, text string) error {
	endpoint, err := parseURL(text)
	if err != nil {
		return fmt.Errorf("the endpoint %w", err)
	}
	config["endpoint"] = endpoint
	return nil
}

func addKey(config map[string]any, file string) error {
	key, err := readKey(file)
	if err != nil {
		return fmt.Errorf("--api-key-file: %w", err)
	}
	config["apiKey"] = key
	return nil
}

func addPeriod(config map[string]any, period time.Duration, wasGiven bool) error {
	if wasGiven && period <= 0 {
		return fmt.Errorf("--polling-period is %s; it must be above zero, such as 30s or 5m", period)
	}
	if wasGiven {
		config["pollingPeriod"] = period.String()
	}
	return nil
}

// A firstRead watches how a new connector is read for the first time.
type firstRead struct {
	api       *client
	out       io.Writer
	connector connectorInfo
	show      *progress
	// stays says that the connector is to stay even where nothing can be read.
	stays bool
}

// watch looks until the first read has come to an end, a good one or a bad one.
func (w *firstRead) watch(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	defer w.show.end()
	unanswered := 0
	for {
		streams, err := w.api.streams(ctx, w.connector.path())
		switch {
		case ctx.Err() != nil:
			w.show.end()
			fmt.Fprintf(w.out, "%s stays installed, and the core reads on. \"weir status\" shows it, \"weir disconnect %s\" removes it.\n",
				w.connector.Name, shellWord(w.connector.Name))
			return errSaid
		case isStatus(err, http.StatusNotFound):
			return fmt.Errorf("%s was removed meanwhile", w.connector.Name)
		case err != nil:
			if unanswered++; unanswered > unansweredMax {
				return fmt.Errorf("%s is installed, but can't be watched: %w", w.connector.Name, err)
			}
		default:
			unanswered = 0
			w.show.line(terminalOf(w.out).cut(readingLine(streams)))
			switch verdict := verdictOf(streams); {
			case verdict == verdictRefused && !w.stays:
				return w.undo(ctx, streams)
			case verdict != verdictOpen:
				return w.report(streams)
			}
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// readingLine says in one line how far a first read is.
func readingLine(streams []streamInfo) string {
	parts := make([]string, 0, len(streams))
	for i := range streams {
		s := &streams[i]
		part := fmt.Sprintf("%s %s", grouped(s.Versions), s.Resource)
		switch {
		case s.State == hub.StreamFailing:
			part = fmt.Sprintf("%s failing", s.Resource)
		case s.CaughtUp:
			part += " ✓"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " · ")
}

// A verdict is how a first read stands.
type verdict int

const (
	// verdictOpen: it goes on.
	verdictOpen verdict = iota
	// verdictGood: every stream was read to its end.
	verdictGood
	// verdictPartly: what can be read was read, and the rest keeps failing.
	verdictPartly
	// verdictRefused: nothing could be read at all.
	verdictRefused
)

// verdictOf judges a first read. The balances have nothing to ask for before
// there are accounts, so they say nothing about the service.
func verdictOf(streams []streamInfo) verdict {
	good, stuck, refused, lists := 0, 0, 0, 0
	for i := range streams {
		s := &streams[i]
		list := s.Resource != hub.Balances
		if list {
			lists++
		}
		switch {
		case s.CaughtUp:
			good++
		case s.isStuck():
			stuck++
			if list && s.LastSuccessAt == nil && s.Versions == 0 {
				refused++
			}
		}
	}
	switch {
	case lists > 0 && refused == lists:
		return verdictRefused
	case lists > 0 && good == len(streams):
		return verdictGood
	case lists > 0 && good+stuck == len(streams):
		return verdictPartly
	default:
		return verdictOpen
	}
}

// isStuck reports whether waiting for the stream makes no sense: at once for
// what a second try won't change, after a few tries for the rest.
func (s *streamInfo) isStuck() bool {
	if s.LastError == nil || s.ConsecutiveFailures == 0 {
		return false
	}
	switch s.LastError.Code {
	case hub.CodeKeyRefused, hub.CodeServiceRefused, hub.CodeRedirected, hub.CodeUnreadable, hub.CodeTooLarge:
		return true
	default:
		return s.ConsecutiveFailures >= triesMax
	}
}

// report shows what was read, and what was not.
func (w *firstRead) report(streams []streamInfo) error {
	w.show.end()
	t := terminalOf(w.out)
	now := w.api.now()
	byUrgency(streams, now)
	fmt.Fprint(w.out, "\n"+t.streamTable(streams, now)+t.details(streams, now))
	if i := slices.IndexFunc(streams, func(s streamInfo) bool { return !s.CaughtUp }); i >= 0 {
		fmt.Fprintf(w.out, "\n%s stays installed, and the core goes on trying. \"weir status\" shows it, \"weir disconnect %s\" removes it.\n",
			w.connector.Name, shellWord(w.connector.Name))
		return errSaid
	}
	apart := ""
	if slices.ContainsFunc(streams, func(s streamInfo) bool { return s.OpenRejections > 0 }) {
		apart = ", but for the records in quarantine"
	}
	fmt.Fprintf(w.out, "\nEverything that %s shows is stored%s. New records are read as they come.\n", w.connector.Name, apart)
	return nil
}

// undo removes a connector whose service let nothing be read. Nothing was
// stored, so nothing is lost, and the name is free for the next attempt.
func (w *firstRead) undo(ctx context.Context, streams []streamInfo) error {
	w.show.end()
	why := ""
	for i := range streams {
		if s := &streams[i]; s.LastError != nil && s.Resource != hub.Balances {
			why = strings.TrimSuffix(printable(s.LastError.reason()), ".")
			break
		}
	}
	if err := w.api.do(ctx, http.MethodDelete, w.connector.path(), nil, nil); err != nil {
		return fmt.Errorf("nothing of %s could be read: %s. It is still installed, for it could not be removed (%w); remove it with: weir disconnect %s",
			w.connector.Name, why, err, shellWord(w.connector.Name))
	}
	return fmt.Errorf("nothing of %s could be read: %s. The connector was removed again; mend this and run the same command, or install it all the same with --force",
		w.connector.Name, why)
}
