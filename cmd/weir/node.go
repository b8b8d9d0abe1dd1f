package main

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/connector"
	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/jobs"
	"github.com/weirhq/weir/internal/poll"
	"github.com/weirhq/weir/internal/store"
	"github.com/weirhq/weir/internal/telemetry"
)

const (
	// stopTimeout bounds a stop. A poll that is cut off goes on elsewhere, or after
	// the next start.
	stopTimeout = 8 * time.Second
	// sweepOverdue is how long a stream may be due before the sweep steps in.
	sweepOverdue = 2 * time.Minute
	// connectorsPage is how many connectors are listed at a time.
	connectorsPage = 100
	// consolePath is where the job engine's own console is.
	consolePath = "/admin/jobs"
)

// nodeOptions are the settings of one payments core.
type nodeOptions struct {
	// Store is where everything is kept: the path of a SQLite file, or the
	// address of a PostgreSQL database.
	Store string
	// Role is what of a core this process is; empty: all of it.
	Role string
	// AutoMigrate brings the tables of PostgreSQL up to date at the start.
	AutoMigrate bool
	// PgBouncer says that the address is that of a pooler in transaction mode.
	PgBouncer bool
	// Connections bounds those to PostgreSQL; 0: what fits the role.
	Connections int
	// KeyFile holds the encryption key; empty means a file beside the database.
	KeyFile string
	// Listen is the address of the API.
	Listen string
	// APIKeys open the API; none: whoever reaches it.
	APIKeys []hub.Secret
	// PollingPeriod stands where a connector names none, PollingPeriodMin is the
	// shortest that one may name.
	PollingPeriod, PollingPeriodMin time.Duration
	// Stack is part of the identifiers of tasks.
	Stack string
	// Tiers are the re-reads behind the watermark; zero: the usual ones.
	Tiers connector.Tiers
	// MetricsListen is a further address, where GET /metrics asks for no key; empty: none.
	MetricsListen string
	Logger        *slog.Logger
}

// A node is the payments core in one process: the store, the job engine that
// polls, and the API.
type node struct {
	options nodeOptions
	db      database
	// alone says that no other process uses the database. pool is the job
	// engine's handle on it where it needs one of its own.
	alone    bool
	pool     *sql.DB
	store    *store.Store
	clients  *connector.Clients
	engine   *jobs.Engine
	server   *http.Server
	listener net.Listener
	// pages are what operators look at beside the API.
	pages map[string]http.Handler
	// telemetry measures all of it, metrics answers for it at an address of its
	// own; nil without one.
	telemetry *telemetry.Telemetry
	metrics   *metricsServer
	// keyCreated is the path of a key file that did not exist before.
	keyCreated string
}

// openNode puts a core together. It polls and answers nothing before run.
func openNode(ctx context.Context, options nodeOptions) (n *node, err error) {
	options.Role = cmp.Or(options.Role, roleAll)
	n = &node{options: options}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.close())
		}
	}()
	if n.telemetry, err = startTelemetry(ctx, options.Logger); err != nil {
		return n, err
	}
	n.clients = connector.NewClients(connector.Options{Version: version, Tiers: options.Tiers, Wrap: n.telemetry.Transport})
	// The port first: it is what most often is not to be had.
	var listen net.ListenConfig
	if n.listener, err = listen.Listen(ctx, "tcp", options.Listen); err != nil {
		return n, fmt.Errorf("listen for the API at %s: %w. Choose another address with --listen", options.Listen, err)
	}
	engine, err := n.openDatabase(ctx)
	if err != nil {
		return n, err
	}
	if err := n.openStore(ctx); err != nil {
		return n, err
	}
	poller := &poll.Poller{
		Store:      measuredStore{n.store, n.telemetry},
		Dial:       n.dial,
		RetryAfter: connector.RetryAfter,
		Logger:     options.Logger,
	}
	engine.Poll, engine.Connectors, engine.Logger = measured(n.telemetry, poller.Once), n.connectors, options.Logger
	engine.Sweep = func(ctx context.Context) error { return n.sweep(ctx, sweepOverdue) }
	if n.engine, err = jobs.New(ctx, engine); err != nil {
		return n, err
	}
	poller.Stopping = n.engine.Stopping()
	if err := n.openMetrics(ctx); err != nil {
		return n, err
	}
	console, err := n.engine.Console(consolePath)
	if err != nil {
		return n, err
	}
	n.pages = map[string]http.Handler{
		"GET /metrics": n.telemetry.Metrics(), consolePath + "/": console,
		"GET " + consolePath: http.RedirectHandler(consolePath+"/", http.StatusPermanentRedirect),
	}
	n.server = &http.Server{Handler: n.api(), ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(options.Logger.Handler(), slog.LevelWarn)}
	return n, nil
}

func (n *node) api() http.Handler {
	return n.telemetry.API(api.New(api.Options{
		Store:                wakeful{n.store, n.engine},
		Uninstall:            n.uninstall,
		Replay:               n.replay,
		Look:                 lookAt,
		Checks:               map[string]func(context.Context) error{"store": n.check},
		Version:              version,
		Stack:                n.options.Stack,
		PollingPeriodDefault: n.options.PollingPeriod,
		PollingPeriodMinimum: n.options.PollingPeriodMin,
		APIKeys:              n.options.APIKeys,
		LocalOnly:            len(n.options.APIKeys) == 0,
		Also:                 n.pages,
		OperatorsOnly:        n.options.Role == roleWorker,
		Routed:               n.telemetry.Routed,
		Logger:               n.options.Logger,
	}))
}

// url is where the API answers.
func (n *node) url() string { return "http://" + n.listener.Addr().String() }

// run polls and answers until ctx ends, and then stops within stopTimeout.
func (n *node) run(ctx context.Context) error {
	starting := context.WithoutCancel(ctx) // it is short, and a stop that comes meanwhile is no failure
	if err := n.schedule(starting); err != nil {
		return fmt.Errorf("schedule the streams: %w", err)
	}
	if err := n.engine.Start(starting); err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- n.server.Serve(n.listener) }()
	n.serveMetrics()
	go n.finishUninstalls(ctx)
	var err error
	select {
	case <-ctx.Done():
	case err = <-served:
		err = fmt.Errorf("serve the API: %w", err)
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- n.engine.Stop(stopping) }()
	return errors.Join(err, n.server.Shutdown(stopping), <-stopped)
}

// schedule sees to it that every stream has a job. Alone, no job of an earlier
// process can still be under way, and each stream gets a fresh one; where others
// work, only what is due and has none does.
func (n *node) schedule(ctx context.Context) error {
	if n.alone {
		return n.store.Reschedule(ctx, time.Now())
	}
	return n.sweep(ctx, 0)
}

// sweep gives a job to the streams that are overdue by so much and have none.
func (n *node) sweep(ctx context.Context, overdue time.Duration) error {
	_, err := n.store.SweepStreams(ctx, overdue)
	return err
}

// close gives back what openNode took. It may be called after a failed open.
func (n *node) close() error {
	var errs []error
	if n.listener != nil {
		if err := n.listener.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, n.closeMetrics(), n.closeDatabase())...)
}

// wakeful is the store for those who install connectors: they need not wait
// until the job engine notices.
type wakeful struct {
	*store.Store
	engine *jobs.Engine
}

// InstallConnector stores a connector and has its streams polled at once.
func (w wakeful) InstallConnector(ctx context.Context, c hub.Connector) error {
	err := w.Store.InstallConnector(ctx, c)
	if err == nil {
		w.engine.Sync(ctx)
	}
	return err
}

// connectors lists the identifiers of all connectors.
func (n *node) connectors(ctx context.Context) ([]hub.ConnectorID, error) {
	var ids []hub.ConnectorID
	query := hub.ListQuery{Limit: connectorsPage}
	for {
		page, err := n.store.Connectors(ctx, query)
		if err != nil {
			return nil, err
		}
		for i := range page.Items {
			ids = append(ids, page.Items[i].ID)
		}
		if !page.HasMore {
			return ids, nil
		}
		query.At = page.Last
	}
}

func (n *node) check(ctx context.Context) error {
	_, err := n.store.LastSequence(ctx)
	return err
}

// uninstallWait is how long an answer waits for the removal of the data.
const uninstallWait = 2 * time.Second

// uninstall makes a connector vanish at once. Its data is removed behind the
// answer where that takes long.
func (n *node) uninstall(ctx context.Context, id hub.ConnectorID) error {
	done := make(chan error, 1)
	go func() { done <- n.store.UninstallConnector(context.WithoutCancel(ctx), id) }()
	select {
	case err := <-done:
		return err
	case <-time.After(uninstallWait):
		go func() {
			if err := <-done; err != nil {
				n.options.Logger.Error("can't remove the data of an uninstalled connector", "connector", id.Reference, "error", err)
			}
		}()
		return nil
	}
}

// finishUninstalls removes what a stop kept an earlier process from removing.
func (n *node) finishUninstalls(ctx context.Context) {
	if err := n.store.FinishUninstalls(ctx); err != nil && ctx.Err() == nil {
		n.options.Logger.Error("can't remove the data of an uninstalled connector", "error", err)
	}
}

// replay reads a quarantined record again: first its bytes, which a newer Weir
// may understand, then the service, which may have mended it.
func (n *node) replay(ctx context.Context, rejection hub.Rejection) (api.ReplayResult, error) {
	c, err := n.store.Connector(ctx, rejection.Stream.Connector)
	if err != nil {
		return api.ReplayResult{}, err
	}
	stream, err := n.store.Stream(ctx, rejection.Stream)
	if err != nil {
		return api.ReplayResult{}, err
	}
	client := n.clients.For(c)
	batch, err := client.Translate(rejection.Stream, rejection.Raw)
	if err != nil {
		return api.ReplayResult{}, err
	}
	if len(batch.Rejected) == 0 {
		batch.Read, batch.Next = stream.Cursor, stream.Cursor
		if _, err := n.store.Apply(ctx, batch); err != nil {
			return api.ReplayResult{}, err
		}
		return n.resolved(ctx, rejection.ID, "")
	}
	if rejection.StampedAt.IsZero() {
		return n.resolved(ctx, rejection.ID, batch.Rejected[0].Reason)
	}
	if err := client.Reread(ctx, stream, rejection.StampedAt, &direct{store: n.store, cursor: stream.Cursor}); err != nil {
		return api.ReplayResult{}, err
	}
	return n.resolved(ctx, rejection.ID, batch.Rejected[0].Reason)
}

// resolved reports what has become of a rejection.
func (n *node) resolved(ctx context.Context, id int64, reason string) (api.ReplayResult, error) {
	rejection, err := n.store.Rejection(ctx, id)
	if err != nil || !rejection.ResolvedAt.IsZero() {
		return api.ReplayResult{Resolved: true}, err
	}
	return api.ReplayResult{Reason: reason}, nil
}

// direct is a sink that stores each batch at once and leaves the cursor where it is.
type direct struct {
	store  *store.Store
	cursor hub.Cursor
	stored int
}

// Put implements hub.Sink.
func (d *direct) Put(ctx context.Context, batch hub.Batch) error {
	batch.Read = d.cursor
	batch.Next = d.cursor
	applied, err := d.store.Apply(ctx, batch)
	if err == nil {
		d.cursor = applied.Cursor
		d.stored += applied.Stored
	}
	return err
}

// Settle implements hub.Sink.
func (d *direct) Settle(context.Context) (int, error) {
	stored := d.stored
	d.stored = 0
	return stored, nil
}
