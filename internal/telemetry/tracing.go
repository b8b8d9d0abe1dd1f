package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	meternoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Tracing records spans and has them leave. Nil records nothing and costs
// nothing: its methods return what they are given.
type Tracing struct {
	provider   *sdktrace.TracerProvider
	tracer     trace.Tracer
	propagator propagation.TextMapPropagator
	options    []otelhttp.Option
}

// StartTracing sends spans in OTLP over HTTP to where OpenTelemetry's own
// variables say (OTEL_EXPORTER_OTLP_ENDPOINT and its kin, which the exporter
// reads by itself). A collector that does not answer costs spans, nothing else;
// logger hears of it once in a while.
func StartTracing(ctx context.Context, service, version string, logger *slog.Logger) (*Tracing, error) {
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("send traces: %w; see OTEL_EXPORTER_OTLP_ENDPOINT", err)
	}
	otel.SetErrorHandler(&complaints{logger: logger})
	return NewTracing(ctx, exporter, service, version)
}

// NewTracing hands spans to an exporter. The service's name stands in each of
// them, unless OTEL_SERVICE_NAME says otherwise.
func NewTracing(ctx context.Context, exporter sdktrace.SpanExporter, service, version string) (*Tracing, error) {
	about, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", service), attribute.String("service.version", version)),
		resource.WithFromEnv(), resource.WithTelemetrySDK())
	if err != nil {
		return nil, fmt.Errorf("describe this process in traces: %w; see OTEL_RESOURCE_ATTRIBUTES", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(discreet{exporter}), sdktrace.WithResource(about))
	t := &Tracing{
		provider: provider, tracer: provider.Tracer("github.com/weirhq/weir"),
		propagator: propagation.TraceContext{}, // what else travels as baggage is not ours to pass on
	}
	t.options = []otelhttp.Option{
		otelhttp.WithTracerProvider(provider), otelhttp.WithPropagators(t.propagator), otelhttp.WithMeterProvider(meternoop.NewMeterProvider()),
	}
	return t, nil
}

// Handler returns next with a span for each request, which goes on with the
// trace that the request came with.
func (t *Tracing) Handler(name string, next http.Handler) http.Handler {
	if t == nil {
		return next
	}
	return otelhttp.NewHandler(next, name, append(slices.Clone(t.options),
		otelhttp.WithSpanNameFormatter(func(operation string, r *http.Request) string { return methodOf(r) + " " + operation }))...)
}

// transport returns next with a span for each request, and the W3C traceparent on it.
func (t *Tracing) transport(next http.RoundTripper) http.RoundTripper {
	if t == nil {
		return next
	}
	return otelhttp.NewTransport(next, append(slices.Clone(t.options), otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string {
		if p := pollOf(r.Context()); p != nil {
			return methodOf(r) + " " + string(p.stream.Resource) // the path may hold an account's identifier
		}
		return methodOf(r) + " service"
	}))...)
}

// start begins a span; without a Tracing it is one that records nothing.
func (t *Tracing) start(ctx context.Context, name string, attributes ...attribute.KeyValue) (context.Context, trace.Span) {
	if t == nil {
		return ctx, noop.Span{}
	}
	return t.tracer.Start(ctx, name, trace.WithAttributes(attributes...))
}

// Flush has what was recorded leave now.
func (t *Tracing) Flush(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.provider.ForceFlush(ctx)
}

// Close has what was recorded leave, until ctx ends. A second call does nothing.
func (t *Tracing) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.provider.Shutdown(ctx)
}

// markFailed marks the span of what has failed. Why stands in its attributes, as
// a code; a sentence may quote a service.
func markFailed(span trace.Span, failed bool) {
	if failed {
		span.SetStatus(codes.Error, "")
	}
}

// discreet lets a span leave without what might hold somebody's data: all its
// attributes but those named below, its events, and the words of its status. A
// URL may have an account's identifier in its path and a key in its query.
type discreet struct{ sdktrace.SpanExporter }

// told are the attributes that leave.
var told = []attribute.Key{
	"weir.connector", "weir.resource", "weir.turn", "weir.pages", "weir.rows", "weir.stored", "weir.outcome",
	"http.request.method", "http.response.status_code", "http.route", "http.response.body.size",
	"network.protocol.version", "server.address", "server.port", "error.type",
}

// ExportSpans implements sdktrace.SpanExporter.
func (d discreet) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	bare := make([]sdktrace.ReadOnlySpan, len(spans))
	for i, span := range spans {
		bare[i] = discreetSpan{span}
	}
	return d.SpanExporter.ExportSpans(ctx, bare)
}

type discreetSpan struct{ sdktrace.ReadOnlySpan }

// Attributes returns those that may leave.
func (s discreetSpan) Attributes() []attribute.KeyValue {
	return slices.DeleteFunc(slices.Clone(s.ReadOnlySpan.Attributes()), func(a attribute.KeyValue) bool {
		return !slices.Contains(told, a.Key)
	})
}

// Events returns none: what a library notes down there are errors' texts.
func (s discreetSpan) Events() []sdktrace.Event { return nil }

// Status returns the status without its description.
func (s discreetSpan) Status() sdktrace.Status {
	return sdktrace.Status{Code: s.ReadOnlySpan.Status().Code}
}

// complaints logs what goes wrong with telemetry itself, at most once a minute:
// a collector that is down fails every few seconds.
type complaints struct {
	logger *slog.Logger
	mu     sync.Mutex
	last   time.Time
}

const complaintsEvery = time.Minute

// Handle implements otel.ErrorHandler.
func (c *complaints) Handle(err error) {
	c.mu.Lock()
	now := time.Now()
	due := now.Sub(c.last) >= complaintsEvery
	if due {
		c.last = now
	}
	c.mu.Unlock()
	if due && c.logger != nil {
		c.logger.Warn("traces could not be sent; nothing else suffers", "error", err)
	}
}
