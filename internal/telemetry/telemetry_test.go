package telemetry_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/telemetry"
)

// noon is when it is in these tests.
var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func acme(number int) hub.Connector {
	return hub.Connector{
		ID:   hub.ConnectorID{Provider: hub.Provider, Reference: fmt.Sprintf("11111111-0000-4000-8000-%012d", number)},
		Name: fmt.Sprintf("acme-%04d", number), CreatedAt: noon.Add(-time.Hour),
	}
}

// newTelemetry makes one whose clock stands still.
func newTelemetry(t *testing.T, tracing *telemetry.Tracing) *telemetry.Telemetry {
	t.Helper()
	made, err := telemetry.New(telemetry.Options{Version: "1.2.3", Tracing: tracing, Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := made.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return made
}

// A scrape is what /metrics says: the value of each series, and the kind and
// labels of each metric.
type scrape struct {
	*testing.T
	values map[string]string
	kinds  map[string]string
	labels map[string][]string
}

func (s *scrape) want(series, value string) {
	s.Helper()
	if got := s.values[series]; got != value {
		s.Errorf("%s is %q, want %q", series, got, value)
	}
}

func read(t *testing.T, handler http.Handler) *scrape {
	t.Helper()
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	if w.Code != http.StatusOK {
		t.Fatalf("/metrics answers %d: %s", w.Code, w.Body)
	}
	s := &scrape{t, map[string]string{}, map[string]string{}, map[string][]string{}}
	for lines := bufio.NewScanner(w.Body); lines.Scan(); {
		line := lines.Text()
		if name, found := strings.CutPrefix(line, "# TYPE "); found {
			name, kind, _ := strings.Cut(name, " ")
			s.kinds[name] = kind
			continue
		}
		if strings.HasPrefix(line, "#") {
			continue
		}
		blank := strings.LastIndexByte(line, ' ')
		series, value := line[:blank], line[blank+1:]
		s.values[series] = value
		s.learn(series)
	}
	return s
}

// learn notes the labels of a series under the name of its metric.
func (s *scrape) learn(series string) {
	name, rest, _ := strings.Cut(series, "{")
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if short := strings.TrimSuffix(name, suffix); s.kinds[short] == "histogram" {
			name = short
		}
	}
	var labels []string
	for part := range strings.SplitSeq(strings.TrimSuffix(rest, "}"), ",") {
		if label, _, found := strings.Cut(part, "="); found && label != "le" {
			labels = append(labels, label)
		}
	}
	if len(labels) >= len(s.labels[name]) {
		s.labels[name] = labels
	}
}

// pollOnce has a poll of a stream store one batch and end as told.
func pollOnce(t *testing.T, m *telemetry.Telemetry, c hub.Connector, end func(ctx context.Context)) {
	t.Helper()
	id := hub.StreamID{Connector: c.ID, Resource: hub.Transactions}
	err := m.Poll(t.Context(), id, 1, func(ctx context.Context, id hub.StreamID, _ int64) error {
		m.Dialed(c)
		batch := hub.Batch{Stream: id, Adjustments: make([]hub.PaymentAdjustment, 5), Rejected: make([]hub.Rejection, 1)}
		_, err := m.Apply(ctx, batch, func(context.Context, hub.Batch) (hub.Applied, error) {
			return hub.Applied{Stored: 3, Late: 2, Rejected: 1}, nil
		})
		end(ctx)
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// doEverything moves every metric once.
func doEverything(t *testing.T, m *telemetry.Telemetry) {
	t.Helper()
	c := acme(1)
	pollOnce(t, m, c, func(ctx context.Context) { m.Completed(ctx, true) })
	m.Transaction(t.Context(), "write", noon.Add(-3*time.Millisecond), nil)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "[]") }))
	defer service.Close()
	ask(t, m.Transport(c, http.DefaultTransport), service.URL+"/transactions?createdAtFrom=2026")
	api := m.API(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		m.Routed(r.Context(), "GET /v3/payments/{paymentID}")
	}))
	api.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/v3/payments/eyJjb25u", http.NoBody))
	err := m.Observe(&database{connectors: 2}, func(context.Context) (telemetry.Queue, error) {
		return telemetry.Queue{Jobs: map[string]int64{"available": 4, "running": 1}, OldestDueAt: noon.Add(-7 * time.Second)}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func ask(t *testing.T, transport http.RoundTripper, url string) {
	t.Helper()
	response, err := (&http.Client{Transport: transport, Timeout: 5 * time.Second}).Get(url)
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
}

// A database with streams in several states.
type database struct {
	connectors int
	reads      int
	err        error
}

func (d *database) Connectors(_ context.Context, q hub.ListQuery) (hub.Page[hub.Connector], error) {
	d.reads++
	var page hub.Page[hub.Connector]
	for i := range d.connectors {
		page.Items = append(page.Items, acme(i+1))
	}
	return page, d.err
}

func (d *database) Streams(context.Context, hub.ConnectorID) ([]hub.Stream, error) {
	var streams []hub.Stream
	for i := range d.connectors {
		for _, resource := range hub.Resources() {
			stream := hub.Stream{
				ID: hub.StreamID{Connector: acme(i + 1).ID, Resource: resource}, Period: 30 * time.Second, CaughtUp: true,
				LastSuccessAt: noon.Add(-40 * time.Second), NextDueAt: noon.Add(-10 * time.Second),
			}
			switch resource {
			case hub.Beneficiaries:
				stream.PausedAt = noon
			case hub.Transactions:
				stream.FailingSince, stream.ConsecutiveFailures, stream.OpenRejections = noon.Add(-time.Minute), 3, 9
				stream.LastSuccessAt = time.Time{}
				stream.Findings = []hub.Finding{{Incomplete: true}}
			}
			streams = append(streams, stream)
		}
	}
	return streams, d.err
}

func (d *database) LastSequence(context.Context) (int64, error) { return 77, d.err }

func TestTheTableListsWhatIsReallyTold(t *testing.T) {
	m := newTelemetry(t, nil)
	doEverything(t, m)
	got := read(t, m.Metrics())
	told := map[string]bool{}
	for name := range got.kinds {
		if strings.HasPrefix(name, "weir_") {
			told[name] = true
		} else if !strings.HasPrefix(name, "go_") && !strings.HasPrefix(name, "process_") {
			t.Errorf("%s is told and nobody asked for it", name)
		}
	}
	for _, metric := range telemetry.Table {
		if !told[metric.Name] {
			t.Errorf("%s stands in the table and is not told", metric.Name)
		}
		delete(told, metric.Name)
		if got.kinds[metric.Name] != string(metric.Kind) {
			t.Errorf("%s is a %s, the table says %s", metric.Name, got.kinds[metric.Name], metric.Kind)
		}
		labels := slices.Sorted(slices.Values(got.labels[metric.Name]))
		if !slices.Equal(labels, slices.Sorted(slices.Values(metric.Labels))) {
			t.Errorf("%s has the labels %q, the table says %q", metric.Name, labels, metric.Labels)
		}
	}
	for name := range maps.Keys(told) {
		t.Errorf("%s is told and does not stand in the table", name)
	}
}

func TestAPollIsCountedWithWhatItStoredAndHowItEnded(t *testing.T) {
	m := newTelemetry(t, nil)
	c := acme(1)
	pollOnce(t, m, c, func(ctx context.Context) { m.Completed(ctx, true) })
	pollOnce(t, m, c, func(ctx context.Context) { m.Completed(ctx, false) })
	pollOnce(t, m, c, func(ctx context.Context) { m.Failed(ctx, hub.Errorf(hub.CodeKeyRefused, "no")) })
	id := hub.StreamID{Connector: c.ID, Resource: hub.Accounts}
	_ = m.Poll(t.Context(), id, 1, func(context.Context, hub.StreamID, int64) error { return nil })
	_ = m.Poll(t.Context(), id, 2, func(context.Context, hub.StreamID, int64) error { return errors.New("disk") })
	stopped, stop := context.WithCancel(t.Context())
	_ = m.Poll(stopped, id, 3, func(ctx context.Context, _ hub.StreamID, _ int64) error { stop(); return ctx.Err() })

	got := read(t, m.Metrics())
	for outcome, count := range map[string]string{"ok": "1", "more": "1", "KEY_REFUSED": "1", "stale": ""} {
		got.want(`weir_polls_total{connector="acme-0001",outcome="`+outcome+`",resource="transactions"}`, count)
	}
	for outcome, count := range map[string]string{"INTERNAL": "1", "stopped": "1", "stale": ""} {
		got.want(`weir_polls_total{connector="acme-0001",outcome="`+outcome+`",resource="accounts"}`, count)
	}
	of := `{connector="acme-0001",resource="transactions"}`
	got.want("weir_rows_read_total"+of, "18")
	got.want("weir_versions_stored_total"+of, "9")
	got.want("weir_late_rows_total"+of, "6")
	got.want("weir_rejections_total"+of, "3")
	got.want("weir_polls_running", "0")
}

func TestATransactionThatARuleRefusedIsNoFaultOfTheDatabase(t *testing.T) {
	m := newTelemetry(t, nil)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	m.Transaction(t.Context(), "read", noon, hub.Errorf(hub.CodeNotFound, "there is no such payment"))
	m.Transaction(t.Context(), "write", noon, errors.New("disk full"))
	m.Transaction(gone, "read", noon, context.Canceled)
	got := read(t, m.Metrics())
	for labels, count := range map[string]string{
		`{kind="read",outcome="refused"}`: "1", `{kind="write",outcome="failed"}`: "1", `{kind="read",outcome="canceled"}`: "1",
	} {
		got.want("weir_store_transaction_duration_seconds_count"+labels, count)
	}
}

func TestARequestToAServiceIsCountedByWhatBecameOfIt(t *testing.T) {
	m := newTelemetry(t, nil)
	c := acme(1)
	m.Dialed(c)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/cut":
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "half")
		case "/key":
			w.WriteHeader(http.StatusForbidden)
		case "/often":
			w.WriteHeader(http.StatusTooManyRequests)
		case "/broken":
			w.WriteHeader(http.StatusBadGateway)
		case "/wrong":
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer service.Close()
	transport := m.Transport(c, http.DefaultTransport)
	for _, path := range []string{"/ok", "/cut", "/key", "/often", "/broken", "/wrong"} {
		ask(t, transport, service.URL+path)
	}
	ask(t, transport, "http://127.0.0.1:1/")
	got := read(t, m.Metrics())
	for outcome, count := range map[string]string{
		"ok": "1", "KEY_REFUSED": "1", "RATE_LIMITED": "1", "SERVICE_FAILED": "2", "SERVICE_REFUSED": "1", "SERVICE_UNREACHABLE": "1",
	} {
		got.want(`weir_service_request_duration_seconds_count{connector="acme-0001",outcome="`+outcome+`"}`, count)
	}
}

func TestNoPathAndNoWordOfAClientBecomesALabel(t *testing.T) {
	m := newTelemetry(t, nil)
	api := m.API(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.Routed(r.Context(), "")
		w.WriteHeader(http.StatusNotFound)
	}))
	for i := range 50 {
		r := httptest.NewRequest(http.MethodGet, fmt.Sprintf("/made/up/%d", i), http.NoBody)
		r.Method = fmt.Sprintf("METHOD%d", i)
		api.ServeHTTP(httptest.NewRecorder(), r)
	}
	got := read(t, m.Metrics())
	got.want(`weir_api_request_duration_seconds_count{method="OTHER",route="other",status="404"}`, "50")
}
