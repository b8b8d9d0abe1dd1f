package telemetry_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/telemetry"
)

func TestAStreamIsToldAsItStandsInTheDatabase(t *testing.T) {
	m := newTelemetry(t, nil)
	if err := m.Observe(&database{connectors: 2}, nil); err != nil {
		t.Fatal(err)
	}
	got := read(t, m.Metrics())
	failing, paused := `{connector="acme-0002",resource="transactions"}`, `{connector="acme-0002",resource="beneficiaries"}`
	got.want("weir_stream_failing_seconds"+failing, "60")
	got.want("weir_stream_last_success_age_seconds"+failing, "3600") // since it was installed
	got.want("weir_stream_open_rejections"+failing, "9")
	got.want("weir_stream_incomplete"+failing, "1")
	got.want("weir_stream_overdue_seconds"+failing, "10")
	got.want("weir_stream_period_seconds"+failing, "30")
	got.want("weir_stream_paused"+paused, "1")
	got.want("weir_stream_overdue_seconds"+paused, "0")
	got.want("weir_stream_lag_seconds"+paused, "40")
	got.want(`weir_streams{state="paused"}`, "2")
	got.want(`weir_streams{state="failing"}`, "2")
	got.want(`weir_streams{state="idle"}`, "4")
	got.want(`weir_streams{state="late"}`, "0")
	got.want("weir_connectors", "2")
	got.want("weir_event_last_sequence", "77")
	got.want("weir_database_up", "1")
	if _, told := got.values["weir_queue_oldest_due_seconds"]; told {
		t.Error("it tells of a queue that it was not given")
	}
}

func TestTooManyConnectorsCostNoMoreSeriesAndAreStillCounted(t *testing.T) {
	m := newTelemetry(t, nil)
	if err := m.Observe(&database{connectors: 1003}, nil); err != nil {
		t.Fatal(err)
	}
	for i := range 1003 {
		pollOnce(t, m, acme(i+1), func(ctx context.Context) { m.Completed(ctx, true) })
	}
	got := read(t, m.Metrics())
	lag, polls := 0, 0
	for series := range got.values {
		lag += strings.Count(series, "weir_stream_lag_seconds{")
		polls += strings.Count(series, "weir_polls_total{")
	}
	if lag != 4000 || polls != 1001 {
		t.Errorf("there are %d series of lag and %d of polls, want 4000 and 1001", lag, polls)
	}
	got.want("weir_connectors", "1003")
	got.want("weir_streams_unlisted", "12")
	got.want(`weir_streams{state="paused"}`, "1003")
	got.want(`weir_polls_total{connector="(others)",outcome="ok",resource="transactions"}`, "3")
}

func TestScrapersShareOneReadingOfTheDatabase(t *testing.T) {
	now := noon
	m, err := telemetry.New(telemetry.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	d := &database{connectors: 1}
	if err := m.Observe(d, nil); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		read(t, m.Metrics())
		now = now.Add(time.Second)
	}
	if d.reads != 4 {
		t.Errorf("20 scrapes in 20 seconds asked the database %d times, want 4", d.reads)
	}
}

func TestADatabaseThatDoesNotAnswerIsToldAndCostsNothingElse(t *testing.T) {
	m := newTelemetry(t, nil)
	if err := m.Observe(&database{connectors: 1, err: errors.New("it is gone")}, nil); err != nil {
		t.Fatal(err)
	}
	pollOnce(t, m, acme(1), func(ctx context.Context) { m.Completed(ctx, true) })
	got := read(t, m.Metrics())
	got.want("weir_database_up", "0")
	got.want(`weir_polls_total{connector="acme-0001",outcome="ok",resource="transactions"}`, "1")
	if _, told := got.values["weir_connectors"]; told {
		t.Error("it tells what it does not know")
	}
}

func TestAScrapeDoesNotWaitForAQueueThatHangs(t *testing.T) {
	m, err := telemetry.New(telemetry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = m.Observe(&database{}, func(ctx context.Context) (telemetry.Queue, error) {
		<-ctx.Done()
		return telemetry.Queue{}, ctx.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	read(t, m.Metrics()).want("weir_database_up", "0")
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("the scrape took %s, and Prometheus waits for 10 s", took)
	}
}

func BenchmarkScrape(b *testing.B) {
	for _, connectors := range []int{10, 400, 1000} {
		b.Run(strconv.Itoa(connectors), func(b *testing.B) {
			m, err := telemetry.New(telemetry.Options{})
			if err != nil {
				b.Fatal(err)
			}
			if err := m.Observe(&database{connectors: connectors}, nil); err != nil {
				b.Fatal(err)
			}
			scrapeFor(b, m)
		})
	}
}

func scrapeFor(b *testing.B, m *telemetry.Telemetry) {
	b.Helper()
	b.ReportAllocs()
	bytes := 0
	for b.Loop() {
		w := httptest.NewRecorder()
		m.Metrics().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
		bytes = w.Body.Len()
	}
	b.ReportMetric(float64(bytes), "bytes/scrape")
}
