package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
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
		Long: `Run the payments core: poll the installed connectors, keep what they show, and
serve the API.

Everything is kept in one SQLite file, which one process at a time opens, or in a
PostgreSQL database, which any number of processes share: with --role worker one
that polls, with --role api one that answers. A worker answers for its health and
its metrics alone. See weir migrate for the tables of PostgreSQL.

Without --api-key-file the API listens on loopback only and asks for no key.
Secrets are encrypted in the database with the key in --encryption-key-file, which
is the same for all processes; when none is given, one is made on the first start,
beside the file or in the current folder.`,
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
			logger.Info("serving", "api", n.url(), "database", n.db.String(), "role", options.Role, "version", version)
			if err := n.run(c.Context()); err != nil {
				return err
			}
			logger.Info("stopped")
			return nil
		},
	}
	flags := c.Flags()
	flags.StringVar(&options.Store, "store", "weir.db", storeFlag)
	flags.StringVar(&options.Role, "role", roleAll, "with PostgreSQL: all, or only api or worker, of which there may be many")
	flags.BoolVar(&options.AutoMigrate, "auto-migrate", false, "with PostgreSQL: bring its tables up to date at the start, as weir migrate does")
	flags.BoolVar(&options.PgBouncer, "pgbouncer", false, "with PostgreSQL: the address is PgBouncer's, in transaction mode")
	flags.IntVar(&options.Connections, "connections", 0, "with PostgreSQL: connections at most (default: 20; 12 for a role)")
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
	if !slices.Contains([]string{roleAll, roleAPI, roleWorker}, options.Role) {
		return fmt.Errorf("--role %s is none of all, api and worker", options.Role)
	}
	if options.Connections < 0 || options.Connections == 1 {
		return errors.New("--connections must be two or more, or zero for what fits the role")
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
