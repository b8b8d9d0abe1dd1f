package bench_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/bench"
)

func TestAPercentileIsNeverBelowWhatHappened(t *testing.T) {
	var l bench.Latencies
	if got := l.Percentile(99); got != 0 {
		t.Errorf("of nothing it is %s", got)
	}
	for _, milliseconds := range []int{5, 1, 4, 2, 3} {
		l.Add(time.Duration(milliseconds) * time.Millisecond)
	}
	for percent, want := range map[int]int64{0: 1, 20: 1, 21: 2, 50: 3, 99: 5, 100: 5} {
		if got := l.Percentile(percent).Milliseconds(); got != want {
			t.Errorf("p%d of 1 to 5 ms is %d ms, want %d", percent, got, want)
		}
	}
}

func TestALoadCallsAsOftenAsItMayAndNoMore(t *testing.T) {
	var calls atomic.Int64
	load := bench.Load{Clients: 4, For: time.Minute, CallsMax: 100}
	loaded, err := load.Run(t.Context(), func(context.Context, int, int64) error {
		calls.Add(1)
		return nil
	})
	if err != nil || calls.Load() != 100 || loaded.Latencies.Count() != 100 {
		t.Errorf("%d calls were made and %d counted, want 100; %v", calls.Load(), loaded.Latencies.Count(), err)
	}
}

func TestTheFirstErrorEndsALoad(t *testing.T) {
	broken := errors.New("broken")
	_, err := bench.Load{Clients: 3, For: time.Minute}.Run(t.Context(), func(_ context.Context, _ int, number int64) error {
		if number >= 10 {
			return broken
		}
		return nil
	})
	if !errors.Is(err, broken) {
		t.Errorf("it ended with %v", err)
	}
}

func TestALoadWithoutCallsIsNoMeasurement(t *testing.T) {
	_, err := bench.Load{Clients: 1, For: 0}.Run(t.Context(), func(context.Context, int, int64) error { return nil })
	if err == nil {
		t.Error("nothing was called, and that was called a measurement")
	}
}

func sample() *bench.Report {
	row := bench.Row{Name: "page of 100 & more", Unit: "pages", PeakRSSBytes: 93e6}
	row.Rate(12_345, 5*time.Second)
	row.Used(2 * time.Second)
	row.Against("the store alone", 4000)
	row.Aim("at least 1,000 pages a second", true)
	row.Aim("p99 at most 15 ms", false)
	return &bench.Report{
		Name: "api", Title: "Reads at 1 million payments", Command: "weir bench api",
		At:      time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC),
		Machine: bench.Machine{Cores: 2, System: "linux/amd64", Go: "go1.26", Version: "develop", Load: "0.10"},
		Rows:    []bench.Row{row, {Name: "at rest", CorePercent: 3.2}},
		Plots: []bench.Plot{{Title: "Rate", X: "seconds", Y: "pages a second", Series: []bench.Series{
			{Name: "first", Points: []bench.Point{{X: 0, Y: 0}, {X: 1, Y: 2400}, {X: 2, Y: 2500}}}, {Name: "empty"},
		}}},
		Notes: []string{"the clients are not counted"},
	}
}

func TestAReportSaysTheSameInEveryForm(t *testing.T) {
	report := sample()
	var text, page, object bytes.Buffer
	for _, err := range []error{report.WriteText(&text), report.WriteHTML(&page), report.WriteJSON(&object)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, figure := range []string{"12,345 pages", "2,469", "4,000", "62 %", "162", "40 %", "93 MB", "3.2 %", "at least 1,000 pages a second", "the clients are not counted"} {
		for form, written := range map[string]string{"text": text.String(), "page": page.String()} {
			if !strings.Contains(written, figure) {
				t.Errorf("the %s lacks %q:\n%s", form, figure, written)
			}
		}
	}
	var back bench.Report
	if err := json.Unmarshal(object.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(report, &back); diff != "" {
		t.Errorf("the JSON is another report (-want +got):\n%s", diff)
	}
	if missed := report.Missed(); len(missed) != 1 || missed[0] != "page of 100 & more: p99 at most 15 ms" {
		t.Errorf("missed are %q", missed)
	}
}

// A page that a manager keeps must work without a network.
func TestThePageLoadsNothingAndItsPicturesAreWellFormed(t *testing.T) {
	var page bytes.Buffer
	if err := sample().WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	for _, loads := range []string{"<script", "<link", "src=", "url(", "@import", "http://", "https://"} {
		if strings.Contains(page.String(), loads) {
			t.Errorf("the page has %q", loads)
		}
	}
	_, rest, found := strings.Cut(page.String(), "<svg")
	picture, _, closed := strings.Cut(rest, "</svg>")
	if !found || !closed {
		t.Fatal("the page has no picture")
	}
	if err := xml.Unmarshal([]byte("<svg"+picture+"</svg>"), new(struct{})); err != nil {
		t.Error(err)
	}
	if !strings.Contains(picture, `points="64.0,244.0 404.0,`) || strings.Contains(picture, "NaN") {
		t.Errorf("the curve is not where its points are: %s", picture)
	}
}

func TestAConnectionReadsOneAnswerAfterTheOther(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := strings.Repeat(r.URL.Path, 3)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		if r.URL.Path == "/missing" {
			w.WriteHeader(http.StatusNotFound)
		}
		fmt.Fprint(w, body)
	}))
	defer server.Close()
	conn, err := bench.Dial(t.Context(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, path := range []string{"/first", "/2", "/the-third"} {
		if body, err := conn.Get(path); err != nil || string(body) != strings.Repeat(path, 3) {
			t.Errorf("%s answered %q, %v", path, body, err)
		}
	}
	if _, err := conn.Get("/missing"); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("what is missing answered %v", err)
	}
	if body, err := conn.Get("/again"); err != nil || string(body) != "/again/again/again" {
		t.Errorf("after an error it answered %q, %v", body, err)
	}
}
