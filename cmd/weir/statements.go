package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
	// The names of time zones, for machines that have no list of their own.
	_ "time/tzdata"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/sdk"
	"github.com/weirhq/weir/sdk/mirror"
	"github.com/weirhq/weir/statements"
)

const (
	// rememberedDir is where the service keeps what it knows, inside of the
	// folder of files unless told otherwise. Its name is hidden, so it is no
	// statement.
	rememberedDir = ".weir"
	// takeTimeout bounds one look at the folder. A file is taken whole, and one
	// of a million entries takes minutes.
	takeTimeout = time.Hour
)

// statementsOptions are the settings of the service over a folder of bank files.
type statementsOptions struct {
	dir, data           string
	listen, keyFile     string
	mappingFiles        []string
	zone                string
	settle              time.Duration
	logFormat, logLevel string
}

func statementsCommand() *cobra.Command {
	var options statementsOptions
	c := &cobra.Command{
		Use:   "statements --dir DIR --api-key-file FILE",
		Short: "Serve a folder of bank statement files as an integration service",
		Long: `Watch a folder of bank statement files and serve what they say over the generic
connector contract, so that a payments core can read it like any other provider:
accounts with their balances, entries as transactions, counterparties as
beneficiaries.

It takes camt.052, .053 and .054, MT940 and MT942 by their content, whatever the
files are called, and CSV files with the help of --mapping. A file is taken whole
or not at all, once it has not changed for --settle. One that can't be taken is
moved to rejected/ in the folder, with the reason beside it in a file that ends in
.reason. A statement that comes twice, or in two formats, gives its entries once.

/healthz tells, to those who have a key, what was taken and rejected, which
statements do not add up, and where statements of an account do not follow each
other. It is degraded while files lie in rejected/, while statements are missing,
and while the folder can't be read.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			logger, err := newLogger(c.ErrOrStderr(), options.logFormat, options.logLevel)
			if err != nil {
				return err
			}
			return runStatements(c.Context(), options, logger)
		},
	}
	flags := c.Flags()
	flags.StringVar(&options.dir, "dir", "", "folder that the bank's files arrive in")
	flags.StringVar(&options.listen, "listen", "127.0.0.1:8090", "address of the service")
	flags.StringVar(&options.keyFile, "api-key-file", "", "file with the keys that open the service, one a line")
	flags.StringArrayVar(&options.mappingFiles, "mapping", nil, "YAML file that explains CSV files; give it again for each further kind")
	flags.StringVar(&options.data, "data", "", "folder for what is remembered of the files (default: "+rememberedDir+" in the folder of files)")
	flags.StringVar(&options.zone, "zone", "UTC", "time zone in which the bank's days begin, such as Europe/Berlin")
	flags.DurationVar(&options.settle, "settle", statements.DefaultSettle, "how long a file must not have changed before it is taken")
	flags.StringVar(&options.logFormat, "log-format", "text", "text or json")
	flags.StringVar(&options.logLevel, "log-level", "info", "debug, info, warn or error")
	return c
}

// runStatements serves the folder until ctx ends. What can be wrong with the
// settings is found before anything is made.
func runStatements(ctx context.Context, options statementsOptions, logger *slog.Logger) (err error) {
	book, err := bookOptions(options)
	if err != nil {
		return err
	}
	keys, err := serviceKeys(options.keyFile)
	if err != nil {
		return err
	}
	if err := options.prepareFolders(); err != nil {
		return err
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", options.listen)
	if err != nil {
		return fmt.Errorf("listen at %s: %w; choose another address with --listen", options.listen, err)
	}
	defer listener.Close() //nolint:errcheck // it is closed already where the service has run
	m, err := mirror.Open(ctx, filepath.Join(options.data, "mirror.db"), mirror.Options{Logger: logger})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	source, err := statements.NewSource(ctx, options.dir, filepath.Join(options.data, "book.db"), book)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	source.Folder.Settle = options.settle
	desk := newDesk(source, m, logger)
	handler, err := sdk.New(m.Service(sdk.Service{APIKeys: keys, Health: desk.health, Logger: logger}))
	if err != nil {
		return err
	}
	logger.InfoContext(ctx, "serving", "service", "http://"+listener.Addr().String(), "folder", options.dir, "data", options.data, "version", version)
	tracing, err := startTracing(ctx, "weir-statements", logger)
	if err != nil {
		return err
	}
	defer closeTracing(tracing)
	err = serveMirror(ctx, listener, tracing.Handler("integration service", handler), m, mirror.Source{
		Name: "files", Pull: desk.pull, Every: options.settle, Timeout: takeTimeout,
	})
	logger.InfoContext(ctx, "stopped")
	return err
}

// bookOptions reads what explains the files.
func bookOptions(options statementsOptions) (statements.BookOptions, error) {
	var book statements.BookOptions
	if options.settle <= 0 {
		return book, fmt.Errorf("--settle is %s; it must be above zero, such as 5s", options.settle)
	}
	zone, err := time.LoadLocation(options.zone)
	if err != nil || options.zone == "" || options.zone == "Local" {
		return book, fmt.Errorf("--zone %q is not the name of a time zone; write one such as Europe/Berlin", options.zone)
	}
	book.Zone = zone
	for _, file := range options.mappingFiles {
		text, err := os.ReadFile(file)
		if err != nil {
			return book, fmt.Errorf("--mapping: can't read the file: %w", err)
		}
		mapping, err := statements.ParseMapping(file, text)
		if err != nil {
			return book, fmt.Errorf("--mapping: %s", strings.Join(strings.Fields(err.Error()), " "))
		}
		book.Mappings = append(book.Mappings, mapping)
	}
	return book, nil
}

// serviceKeys reads the keys of a service, one a line. Two are good while one
// replaces the other.
func serviceKeys(file string) ([]string, error) {
	if file == "" {
		return nil, errors.New("name the file with the keys that open the service: --api-key-file FILE")
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("--api-key-file: can't read the keys: %w", err)
	}
	keys := strings.Fields(string(text))
	if len(keys) == 0 {
		return nil, fmt.Errorf("--api-key-file: %s holds no key; write one key on each line", file)
	}
	return keys, nil
}

// prepareFolders makes the folder for what is remembered, and makes sure that
// bad files could be moved away in the other.
func (o *statementsOptions) prepareFolders() error {
	if o.dir == "" {
		return errors.New("name the folder that the files arrive in: --dir DIR")
	}
	info, err := os.Stat(o.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("--dir: there is no folder %s; make it, or name another", o.dir)
	case err != nil:
		return fmt.Errorf("--dir: can't look at the folder: %w", err)
	case !info.IsDir():
		return fmt.Errorf("--dir: %s is a file; name the folder that it lies in", o.dir)
	}
	if err := writable(o.dir); err != nil {
		return fmt.Errorf("--dir: bad files are moved to %s, and nothing can be written there: %w; give this user the right to",
			filepath.Join(o.dir, statements.RejectedDir), err)
	}
	if o.data == "" {
		o.data = filepath.Join(o.dir, rememberedDir)
	}
	if err := os.MkdirAll(o.data, 0o700); err != nil {
		return fmt.Errorf("--data: can't make the folder: %w; name another", err)
	}
	if err := writable(o.data); err != nil {
		return fmt.Errorf("--data: nothing can be written to %s: %w; name another folder", o.data, err)
	}
	return nil
}

// writable tries to write to a folder.
func writable(dir string) error {
	file, err := os.CreateTemp(dir, ".weir-*.tmp")
	if err != nil {
		return err
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}
