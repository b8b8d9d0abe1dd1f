package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/connector"
	"github.com/weirhq/weir/internal/hub"
)

func serveCommand() *cobra.Command {
	options := nodeOptions{Tiers: connector.DefaultTiers()}
	var apiKeyFile, logFormat, logLevel string
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the payments core: poll the connectors and serve the API",
		Long: `Run the payments core: poll the installed connectors, keep what they show in one
SQLite file, and serve the API.

Without --api-key-file the API listens on loopback only and asks for no key.
Secrets are encrypted in the database with the key in --encryption-key-file;
when none is given, one is made beside the database on the first start.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			logger, err := newLogger(c.ErrOrStderr(), logFormat, logLevel)
			if err != nil {
				return err
			}
			options.Logger = logger
			if err := prepareServe(&options, apiKeyFile); err != nil {
				return err
			}
			n, err := openNode(c.Context(), options)
			if err != nil {
				return err
			}
			defer n.close() //nolint:errcheck // the process ends here
			if n.keyCreated != "" {
				logger.Warn("made an encryption key; keep a copy of it apart from the database, which is unreadable without it", "file", n.keyCreated)
			}
			if n.metrics != nil {
				logger.Info("serving metrics", "metrics", n.metrics.url())
			}
			logger.Info("serving", "api", n.url(), "database", options.Store, "version", version)
			if err := n.run(c.Context()); err != nil {
				return err
			}
			logger.Info("stopped")
			return nil
		},
	}
	flags := c.Flags()
	flags.StringVar(&options.Store, "store", "weir.db", "where everything is kept: a SQLite file, or postgres://…")
	flags.StringVar(&options.KeyFile, "encryption-key-file", "", "file with the key that encrypts secrets (default: the database's name with .key)")
	flags.StringVar(&options.Listen, "listen", "127.0.0.1:8080", "address of the API")
	flags.StringVar(&apiKeyFile, "api-key-file", "", "file with the keys that open the API, one a line")
	flags.DurationVar(&options.PollingPeriod, "polling-period", api.DefaultPollingPeriod, "time between two polls where a connector names none")
	flags.DurationVar(&options.PollingPeriodMin, "polling-period-min", api.DefaultPollingPeriodMinimum, "shortest time between two polls that a connector may name")
	tiers := &options.Tiers
	flags.DurationVar(&tiers.NearWindow, "near-window", tiers.NearWindow, "how far behind a stream's watermark the near re-read goes for late rows")
	flags.DurationVar(&tiers.NearEvery, "near-every", tiers.NearEvery, "time between two near re-reads")
	flags.DurationVar(&tiers.DeepWindow, "deep-window", tiers.DeepWindow, "how far behind a stream's watermark the deep re-read goes")
	flags.DurationVar(&tiers.DeepEvery, "deep-every", tiers.DeepEvery, "time between two deep re-reads")
	flags.StringVar(&options.MetricsListen, "metrics-listen", "", "further address where GET /metrics asks for no key (default: with the API alone, under its keys)")
	flags.StringVar(&options.Stack, "stack", "weir", "name of this installation, a part of the identifiers of tasks")
	flags.StringVar(&logFormat, "log-format", "text", "text or json")
	flags.StringVar(&logLevel, "log-level", "info", "debug, info, warn or error")
	return c
}

// prepareServe checks what flags alone can't.
func prepareServe(options *nodeOptions, apiKeyFile string) error {
	if options.PollingPeriodMin <= 0 || options.PollingPeriod < options.PollingPeriodMin {
		return fmt.Errorf("--polling-period is %s and --polling-period-min is %s; both must be above zero, and the first not below the second",
			options.PollingPeriod, options.PollingPeriodMin)
	}
	if t := options.Tiers; min(t.NearWindow, t.NearEvery, t.DeepWindow, t.DeepEvery) <= 0 || t.DeepWindow < t.NearWindow {
		return errors.New("--near-window, --near-every, --deep-window and --deep-every must be above zero, and the deep window not shorter than the near one")
	}
	if apiKeyFile == "" {
		if !isLoopback(options.Listen) {
			return fmt.Errorf("--listen %s lets others reach the API; name the keys that open it with --api-key-file, or listen on 127.0.0.1", options.Listen)
		}
		return nil
	}
	text, err := os.ReadFile(apiKeyFile)
	if err != nil {
		return fmt.Errorf("read the API's keys: %w", err)
	}
	for key := range strings.FieldsSeq(string(text)) {
		options.APIKeys = append(options.APIKeys, hub.NewSecret(key))
	}
	if len(options.APIKeys) == 0 {
		return fmt.Errorf("%s holds no key; write one key on each line", apiKeyFile)
	}
	return nil
}

// isLoopback reports whether only this machine reaches the address.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func newLogger(w interface{ Write([]byte) (int, error) }, format, level string) (*slog.Logger, error) {
	var least slog.Level
	if err := least.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("--log-level %q is none of debug, info, warn, error", level)
	}
	options := &slog.HandlerOptions{Level: least}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	default:
		return nil, fmt.Errorf("--log-format %q is neither text nor json", format)
	}
}

// short writes a duration for people: at most two units.
func short(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Hour:
		return d.Round(time.Second).String()
	default:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
}
