// Package telemetry is what a running payments core tells those who operate it:
// metrics for Prometheus, and traces that go on into the integration services.
//
// It measures and decides nothing. Every metric stands in [Table], with labels
// that can't grow without bound; no identifier of a payment or an account, no
// URL, no text of an error and no secret leaves through a label or a span. The
// other packages don't know it: cmd/weir puts its observers between them. What
// is logged, and what an operator reads about one stream, is not its affair.
//
// Start with [New], and with [StartTracing] where spans are collected.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/attribute"
	promexporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"

	"github.com/weirhq/weir/internal/hub"
)

// Options are what a [Telemetry] is made of. The zero value works.
type Options struct {
	// Version is Weir's own; empty means "develop".
	Version string
	// Tracing receives the spans; nil: there are none, and nothing is spent on them.
	Tracing *Tracing
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Telemetry measures one process. Its methods may be called by many at once.
type Telemetry struct {
	registry *prometheus.Registry
	provider *sdkmetric.MeterProvider
	meter    metric.Meter
	tracing  *Tracing
	labels   labels
	now      func() time.Time
	closed   sync.Once

	polls        metric.Int64Counter
	pollDuration metric.Float64Histogram
	pollsRunning metric.Int64UpDownCounter
	rows         metric.Int64Counter
	versions     metric.Int64Counter
	lateRows     metric.Int64Counter
	rejections   metric.Int64Counter
	service      metric.Float64Histogram
	transaction  metric.Float64Histogram
	api          metric.Float64Histogram
}

// The buckets: fine where a promise of ours lies, coarse towards the bound at
// which the thing is given up. Each costs a line for every combination of
// labels, so there are no more than an answer needs.
var (
	pollBuckets        = []float64{.01, .05, .25, 1, 5, 30, 120, 600, 3000}  // a turn ends after ten minutes
	serviceBuckets     = []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 15, 60} // a call is cut after sixty seconds
	transactionBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .1, .5, 2.5, 10}
	apiBuckets         = []float64{.001, .0025, .005, .015, .05, .1, .5, 2.5, 10}
)

// New returns a telemetry whose metrics count from 0.
func New(options Options) (*Telemetry, error) {
	t := &Telemetry{
		registry: prometheus.NewRegistry(), tracing: options.Tracing, now: options.Now,
		labels: labels{names: make(map[hub.ConnectorID]string), used: make(map[string]bool)},
	}
	if t.now == nil {
		t.now = time.Now
	}
	exporter, err := promexporter.New(
		promexporter.WithRegisterer(t.registry), promexporter.WithoutTargetInfo(), promexporter.WithoutScopeInfo())
	if err != nil {
		return nil, fmt.Errorf("make the metrics: %w", err)
	}
	// The library's own bound is 2,000 series a metric, and it folds all beyond
	// into one. Ours is in the labels.
	// Without exemplars, which nothing here reads: their places would be a third of
	// what the metrics of four hundred connectors hold.
	t.provider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter), sdkmetric.WithCardinalityLimit(0),
		sdkmetric.WithExemplarFilter(exemplar.AlwaysOffFilter))
	t.meter = t.provider.Meter("github.com/weirhq/weir")
	err = errors.Join(
		t.registry.Register(collectors.NewGoCollector()),
		t.registry.Register(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})),
		t.makeInstruments(), t.tellBuild(options.Version))
	if err != nil {
		return nil, fmt.Errorf("make the metrics: %w", err)
	}
	return t, nil
}

func (t *Telemetry) makeInstruments() error {
	var errs []error
	counter := func(name string) metric.Int64Counter {
		c, err := t.meter.Int64Counter(name, metric.WithDescription(help(name)))
		errs = append(errs, err)
		return c
	}
	histogram := func(name string, buckets []float64) metric.Float64Histogram {
		h, err := t.meter.Float64Histogram(name, metric.WithDescription(help(name)), metric.WithExplicitBucketBoundaries(buckets...))
		errs = append(errs, err)
		return h
	}
	t.polls, t.pollDuration = counter(namePolls), histogram(namePollDuration, pollBuckets)
	t.rows, t.versions, t.lateRows, t.rejections = counter(nameRows), counter(nameVersions), counter(nameLateRows), counter(nameRejections)
	t.service = histogram(nameService, serviceBuckets)
	t.transaction = histogram(nameTransaction, transactionBuckets)
	t.api = histogram(nameAPI, apiBuckets)
	running, err := t.meter.Int64UpDownCounter(namePollsRunning, metric.WithDescription(help(namePollsRunning)))
	t.pollsRunning = running
	t.pollsRunning.Add(context.Background(), 0) // so that it shows before the first poll
	return errors.Join(append(errs, err)...)
}

// tellBuild says which program this is.
func (t *Telemetry) tellBuild(version string) error {
	if version == "" {
		version = "develop"
	}
	build, err := t.meter.Int64Gauge(nameBuild, metric.WithDescription(help(nameBuild)))
	if err == nil {
		build.Record(context.Background(), 1, metric.WithAttributes(
			attribute.String(labelVersion, version), attribute.String(labelGo, runtime.Version())))
	}
	return err
}

// Metrics answers GET /metrics in Prometheus' format. It asks for no key: who
// may reach it is the caller's affair.
func (t *Telemetry) Metrics() http.Handler {
	return promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{
		// What can be told is told, also where one part of it is broken.
		ErrorHandling: promhttp.ContinueOnError,
		// Scrapers take turns; more than these at once are somebody's mistake.
		MaxRequestsInFlight: scrapesMax,
	})
}

// scrapesMax bounds the scrapes that are answered at once; more are 503.
const scrapesMax = 4

// Close sends what spans are left, until ctx ends. Nothing is measured after it,
// and a second call does nothing.
func (t *Telemetry) Close(ctx context.Context) (err error) {
	t.closed.Do(func() { err = errors.Join(t.provider.Shutdown(ctx), t.tracing.Close(ctx)) })
	return err
}

// seconds is the time since began, as metrics count it.
func (t *Telemetry) seconds(began time.Time) float64 { return t.now().Sub(began).Seconds() }
