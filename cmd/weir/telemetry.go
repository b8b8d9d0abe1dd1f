package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/jobs"
	"github.com/weirhq/weir/internal/poll"
	"github.com/weirhq/weir/internal/store"
	"github.com/weirhq/weir/internal/telemetry"
)

// startTracing sends spans where OpenTelemetry's own variables say, under the
// name of a service. It returns nil, which records nothing, where none is set.
func startTracing(ctx context.Context, service string, logger *slog.Logger) (*telemetry.Tracing, error) {
	wanted := os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
	if !wanted || os.Getenv("OTEL_SDK_DISABLED") == "true" || os.Getenv("OTEL_TRACES_EXPORTER") == "none" {
		return nil, nil
	}
	return telemetry.StartTracing(ctx, service, version, logger)
}

// closeTracing sends the spans that are left. A collector that does not take
// them has been complained about before.
func closeTracing(tracing *telemetry.Tracing) {
	ctx, cancel := context.WithTimeout(context.Background(), spansTimeout)
	defer cancel()
	_ = tracing.Close(ctx)
}

// startTelemetry makes the metrics of this process, and its traces where they
// are wanted.
func startTelemetry(ctx context.Context, logger *slog.Logger) (*telemetry.Telemetry, error) {
	tracing, err := startTracing(ctx, "weir", logger)
	if err != nil {
		return nil, err
	}
	return telemetry.New(telemetry.Options{Version: version, Tracing: tracing})
}

// A measuredDriver tells how long each transaction of the database takes.
type measuredDriver struct {
	store.Driver
	telemetry *telemetry.Telemetry
}

// Write implements store.Driver.
func (d measuredDriver) Write(ctx context.Context, f func(store.Tx) error) error {
	began := time.Now()
	err := d.Driver.Write(ctx, f)
	d.telemetry.Transaction(ctx, "write", began, err)
	return err
}

// Read implements store.Driver.
func (d measuredDriver) Read(ctx context.Context, f func(store.View) error) error {
	began := time.Now()
	err := d.Driver.Read(ctx, f)
	d.telemetry.Transaction(ctx, "read", began, err)
	return err
}

// ReadOne implements store.Driver.
func (d measuredDriver) ReadOne(ctx context.Context, f func(store.View) error) error {
	began := time.Now()
	err := d.Driver.ReadOne(ctx, f)
	d.telemetry.Transaction(ctx, "read", began, err)
	return err
}

// A measuredStore is the store of the polls, which tells what each comes to.
type measuredStore struct {
	*store.Store
	telemetry *telemetry.Telemetry
}

// Apply implements poll.Store.
func (s measuredStore) Apply(ctx context.Context, batch hub.Batch) (hub.Applied, error) {
	return s.telemetry.Apply(ctx, batch, s.Store.Apply)
}

// ApplyNews implements poll.Store. A batch without news is counted once it is stored.
func (s measuredStore) ApplyNews(ctx context.Context, batch hub.Batch) (applied hub.Applied, stored bool, err error) {
	applied, stored, err = s.Store.ApplyNews(ctx, batch)
	if stored {
		_, err = s.telemetry.Apply(ctx, batch, func(context.Context, hub.Batch) (hub.Applied, error) { return applied, nil })
	}
	return applied, stored, err
}

// CompletePoll implements poll.Store.
func (s measuredStore) CompletePoll(ctx context.Context, id hub.StreamID, turn int64, at time.Time, caughtUp bool, nextDue time.Time) error {
	err := s.Store.CompletePoll(ctx, id, turn, at, caughtUp, nextDue)
	if err == nil {
		s.telemetry.Completed(ctx, caughtUp)
	}
	return err
}

// CompletePollWith implements poll.Store.
func (s measuredStore) CompletePollWith(
	ctx context.Context, batch hub.Batch, turn int64, at time.Time, caughtUp bool, nextDue time.Time,
) (hub.Applied, error) {
	applied, err := s.telemetry.Apply(ctx, batch, func(ctx context.Context, batch hub.Batch) (hub.Applied, error) {
		return s.Store.CompletePollWith(ctx, batch, turn, at, caughtUp, nextDue)
	})
	if err == nil {
		s.telemetry.Completed(ctx, caughtUp)
	}
	return applied, err
}

// FailPoll implements poll.Store.
func (s measuredStore) FailPoll(ctx context.Context, id hub.StreamID, turn int64, at time.Time, cause *hub.Error, nextDue time.Time) error {
	err := s.Store.FailPoll(ctx, id, turn, at, cause, nextDue)
	if err == nil {
		s.telemetry.Failed(ctx, cause)
	}
	return err
}

// dial is how a poll reaches a connector's service.
func (n *node) dial(c hub.Connector) poll.Service {
	n.telemetry.Dialed(c)
	return n.clients.For(c)
}

// openMetrics adds what the database tells, and takes the address of the metrics.
// Workers leave the database to those who serve the API: however many there are,
// each would tell the same.
func (n *node) openMetrics(ctx context.Context) (err error) {
	if n.options.Role != roleWorker {
		err = n.telemetry.Observe(n.store, queueOf(n.engine))
	}
	if err != nil {
		return err
	}
	if n.options.MetricsListen != "" {
		n.metrics, err = listenForMetrics(ctx, n.options.MetricsListen, n.telemetry)
	}
	return err
}

func (n *node) serveMetrics() {
	if n.metrics != nil {
		go n.metrics.serve(n.options.Logger)
	}
}

// closeMetrics ends them and sends the spans that are left. A collector that
// does not take them holds nobody up.
func (n *node) closeMetrics() error {
	var errs []error
	if n.metrics != nil {
		errs = append(errs, n.metrics.close())
	}
	if n.telemetry != nil {
		ctx, cancel := context.WithTimeout(context.Background(), spansTimeout)
		defer cancel()
		if err := n.telemetry.Close(ctx); err != nil {
			n.options.Logger.Warn("some spans were not sent", "error", err)
		}
	}
	return errors.Join(errs...)
}

// spansTimeout is how long an end waits for the last spans to be taken.
const spansTimeout = 2 * time.Second

// measured is a poll that tells how it went.
func measured(t *telemetry.Telemetry, once func(ctx context.Context, id hub.StreamID, turn int64) error) func(context.Context, hub.StreamID, int64) error {
	return func(ctx context.Context, id hub.StreamID, turn int64) error { return t.Poll(ctx, id, turn, once) }
}

// queueOf tells of the jobs that wait.
func queueOf(engine *jobs.Engine) func(context.Context) (telemetry.Queue, error) {
	return func(ctx context.Context) (telemetry.Queue, error) {
		depth, err := engine.Depth(ctx)
		return telemetry.Queue{Jobs: depth.Jobs, OldestDueAt: depth.OldestDueAt}, err
	}
}

// A metricsServer answers GET /metrics at an address of its own, without a key:
// scrapers inside of a cluster have none.
type metricsServer struct {
	listener net.Listener
	server   *http.Server
}

// listenForMetrics takes the address; it answers nothing before serve.
func listenForMetrics(ctx context.Context, address string, t *telemetry.Telemetry) (*metricsServer, error) {
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for the metrics at %s: %w. Choose another address with --metrics-listen", address, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", t.Metrics())
	return &metricsServer{listener, &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, WriteTimeout: time.Minute}}, nil
}

// url is where the metrics are.
func (m *metricsServer) url() string { return "http://" + m.listener.Addr().String() + "/metrics" }

// serve answers until close.
func (m *metricsServer) serve(logger *slog.Logger) {
	if err := m.server.Serve(m.listener); !errors.Is(err, http.ErrServerClosed) {
		logger.Error("the metrics are served no more", "error", err)
	}
}

// close ends it at once: nobody loses a scrape.
func (m *metricsServer) close() error {
	err := m.server.Close()
	if closing := m.listener.Close(); !errors.Is(closing, net.ErrClosed) { // one that never served is still open
		err = errors.Join(err, closing)
	}
	return err
}
