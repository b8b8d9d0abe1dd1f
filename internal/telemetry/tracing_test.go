package telemetry_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/telemetry"
)

// kept is an exporter that keeps what it is given, also past its shutdown.
type kept struct{ *tracetest.InMemoryExporter }

func (kept) Shutdown(context.Context) error { return nil }

func newTracing(t *testing.T, service string, exporter kept) *telemetry.Tracing {
	t.Helper()
	tracing, err := telemetry.NewTracing(t.Context(), exporter, service, "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	return tracing
}

// pollWithCall polls a stream whose service is asked once.
func pollWithCall(tb testing.TB, m *telemetry.Telemetry, transport http.RoundTripper, url string) {
	tb.Helper()
	c := acme(1)
	m.Dialed(c)
	err := m.Poll(tb.Context(), hub.StreamID{Connector: c.ID, Resource: hub.Transactions}, 7, func(ctx context.Context, id hub.StreamID, _ int64) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return err
		}
		request.Header.Set("Authorization", "Bearer the-secret-key")
		response, err := transport.RoundTrip(request)
		if err != nil {
			m.Failed(ctx, hub.Errorf(hub.CodeUnreachable, "%w", err))
			return nil
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		_, err = m.Apply(ctx, hub.Batch{Stream: id, Adjustments: make([]hub.PaymentAdjustment, 5)}, func(context.Context, hub.Batch) (hub.Applied, error) {
			return hub.Applied{Stored: 3}, nil
		})
		m.Completed(ctx, true)
		return err
	})
	if err != nil {
		tb.Error(err)
	}
}

func TestOneTraceGoesThroughTheHubAndTheService(t *testing.T) {
	spans := kept{tracetest.NewInMemoryExporter()}
	hubSide, serviceSide := newTracing(t, "weir", spans), newTracing(t, "acme-service", spans)
	service := httptest.NewServer(serviceSide.Handler("transactions", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "[]")
	})))
	defer service.Close()
	m := newTelemetry(t, hubSide)
	pollWithCall(t, m, m.Transport(acme(1), http.DefaultTransport), service.URL+"/transactions")
	service.Close() // the service's span has ended
	for _, side := range []*telemetry.Tracing{hubSide, serviceSide} {
		if err := side.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	parents := map[string]string{}
	names := map[string]string{}
	for _, span := range spans.GetSpans() {
		names[span.SpanContext.SpanID().String()] = resourceName(span) + ": " + span.Name
		if span.SpanContext.TraceID() != spans.GetSpans()[0].SpanContext.TraceID() {
			t.Errorf("%s is in a trace of its own", span.Name)
		}
	}
	for _, span := range spans.GetSpans() {
		parents[resourceName(span)+": "+span.Name] = names[span.Parent.SpanID().String()]
	}
	want := map[string]string{
		"weir: poll transactions": "", "weir: GET transactions": "weir: poll transactions",
		"acme-service: GET transactions": "weir: GET transactions", "weir: apply transactions": "weir: poll transactions",
	}
	for name, parent := range want {
		if got, there := parents[name]; !there || got != parent {
			t.Errorf("%q has the parent %q, want %q; there are %v", name, got, parent, parents)
		}
	}
}

func resourceName(span tracetest.SpanStub) string {
	name, _ := span.Resource.Set().Value("service.name")
	return name.AsString()
}

func TestNothingThatIsSecretOrSomebodysLeavesInASpan(t *testing.T) {
	spans := kept{tracetest.NewInMemoryExporter()}
	tracing := newTracing(t, "weir", spans)
	m := newTelemetry(t, tracing)
	transport := m.Transport(acme(1), http.DefaultTransport)
	pollWithCall(t, m, transport, "http://user:hunter2@127.0.0.1:1/accounts/DE4711/balances?token=hunter3")
	api := m.API(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { m.Routed(r.Context(), "GET /v3/payments/{paymentID}") }))
	request := httptest.NewRequest(http.MethodGet, "/v3/payments/pay-4712?query=secret-4713", http.NoBody)
	request.Header.Set("Authorization", "Bearer the-secret-key")
	request.Header.Set("User-Agent", "agent-4714")
	api.ServeHTTP(httptest.NewRecorder(), request)
	if err := tracing.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	seen := ""
	for _, span := range spans.GetSpans() {
		seen += span.Name + " " + span.Status.Description + "\n"
		for _, a := range span.Attributes {
			seen += "  " + string(a.Key) + "=" + a.Value.String() + "\n"
		}
		for _, event := range span.Events {
			seen += "  event " + event.Name + "\n"
			for _, a := range event.Attributes {
				seen += "    " + string(a.Key) + "=" + a.Value.String() + "\n"
			}
		}
	}
	for _, hidden := range []string{"hunter2", "hunter3", "DE4711", "the-secret-key", "4712", "4713", "4714", "refused"} {
		if strings.Contains(seen, hidden) {
			t.Errorf("%q leaves in a span:\n%s", hidden, seen)
		}
	}
	for _, told := range []string{"poll transactions", "GET /v3/payments/{paymentID}", "weir.outcome=SERVICE_UNREACHABLE", "weir.connector=acme-0001", "http.response.status_code=200"} {
		if !strings.Contains(seen, told) {
			t.Errorf("%q is in no span:\n%s", told, seen)
		}
	}
}

func TestWithoutTracesAHandlerAndATransportStayTheSame(t *testing.T) {
	var none *telemetry.Tracing
	mux := http.NewServeMux()
	if none.Handler("x", mux) != http.Handler(mux) {
		t.Error("the handler is another")
	}
	if err := none.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := none.Flush(t.Context()); err != nil {
		t.Error(err)
	}
}

// BenchmarkPoll shows what a poll of one page is told for: without anything
// around it, with metrics, and with traces as well.
func BenchmarkPoll(b *testing.B) {
	answer := roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("[]")), Header: http.Header{}}, nil
	})
	metricsOnly, err := telemetry.New(telemetry.Options{})
	if err != nil {
		b.Fatal(err)
	}
	tracing, err := telemetry.NewTracing(b.Context(), tracetest.NewNoopExporter(), "weir", "1.2.3")
	if err != nil {
		b.Fatal(err)
	}
	both, err := telemetry.New(telemetry.Options{Tracing: tracing})
	if err != nil {
		b.Fatal(err)
	}
	for name, m := range map[string]*telemetry.Telemetry{"metrics": metricsOnly, "traces": both} {
		b.Run(name, func(b *testing.B) {
			transport := m.Transport(acme(1), answer)
			b.ReportAllocs()
			for b.Loop() {
				pollWithCall(b, m, transport, "http://127.0.0.1/transactions")
			}
		})
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
