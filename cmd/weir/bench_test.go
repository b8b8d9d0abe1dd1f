package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/weirhq/weir/internal/bench"
	"github.com/weirhq/weir/internal/pgtest"
)

// runBench runs a measurement at a tiny size and returns its report, which must
// be the same in the three forms.
func runBench(t *testing.T, args ...string) bench.Report {
	t.Helper()
	folder := t.TempDir()
	object, page := filepath.Join(folder, "report.json"), filepath.Join(folder, "report.html")
	args = append([]string{"bench"}, args...)
	o := runWeir(t, append(args, "--json", object, "--html", page, "--dir", folder)...)
	if o.status != 0 {
		t.Fatalf("weir %s ended with %d\n%s%s", strings.Join(args, " "), o.status, o.stdout, o.stderr)
	}
	text, err := os.ReadFile(object)
	if err != nil {
		t.Fatal(err)
	}
	var report bench.Report
	if err := json.Unmarshal(text, &report); err != nil {
		t.Fatalf("the JSON can't be read: %v\n%s", err, text)
	}
	shown, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Rows) == 0 || report.Title == "" || report.Machine.Cores == 0 {
		t.Errorf("the report is empty: %s", text)
	}
	for i := range report.Rows {
		for form, written := range map[string]string{"text": o.stdout, "page": string(shown)} {
			if !strings.Contains(written, report.Rows[i].Name) {
				t.Errorf("the %s lacks %q", form, report.Rows[i].Name)
			}
		}
	}
	left, err := filepath.Glob(filepath.Join(folder, "weir-bench-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("it left %v behind; %v", left, err)
	}
	return report
}

// rowOf finds a row of a report.
func rowOf(t *testing.T, report *bench.Report, name string) bench.Row {
	t.Helper()
	for i := range report.Rows {
		if report.Rows[i].Name == name {
			return report.Rows[i]
		}
	}
	t.Fatalf("there is no row %q in %+v", name, report.Rows)
	return bench.Row{}
}

func TestBenchIdleCountsThePollsAndTheProcessorTimeOfTheCore(t *testing.T) {
	t.Parallel()
	report := runBench(t, "idle", "--connectors", "3", "--period", "1s", "--for", "2s")
	row := rowOf(t, &report, "polled every 1s")
	if row.Items == 0 || row.Ceiling != 12 || row.PeakRSSBytes == 0 {
		t.Errorf("3 connectors of 4 streams, polled every second, came to %+v", row)
	}
	if rest := rowOf(t, &report, "the same, nothing due"); rest.Items > 0 {
		t.Errorf("%d polls came though nothing was due", rest.Items)
	}
}

func TestABenchRefusesASizeThatMeansNothing(t *testing.T) {
	t.Parallel()
	runWeir(t, "bench", "idle", "--connectors", "0").wantRefusal(t, "--connectors")
	runWeir(t, "bench", "workers").wantRefusal(t, "--store postgres://")
	runWeir(t, "bench", "ingest", "--transactions", "0").wantRefusal(t, "--transactions")
}

func TestBenchAPIAsksEveryQuestionOverHTTPAndOfTheStore(t *testing.T) {
	t.Parallel()
	report := runBench(t, "api", "--payments", "20000", "--depth", "150", "--clients", "2", "--for", "100ms")
	for _, name := range []string{
		"page of 100, the first", "page of 100, number 150", "payment by id", "filter: one reference", "filter: a common status",
		"filter: a rare status", "filter: metadata of one in ten", "filter: metadata of one payment",
	} {
		if row := rowOf(t, &report, name); row.Items == 0 || row.P99Milliseconds == 0 || row.Ceiling == 0 {
			t.Errorf("%s came to %+v", name, row)
		}
	}
	if len(report.Plots) != 1 || len(report.Plots[0].Series) != 2 || len(report.Plots[0].Series[0].Points) < 90 {
		t.Errorf("the walk to the deep page left %+v", report.Plots)
	}
}

func TestBenchBalancesReadsEveryAccountWhetherItsBalanceChangedOrNot(t *testing.T) {
	t.Parallel()
	report := runBench(t, "balances", "--accounts", "300")
	for _, name := range []string{"300 accounts, every balance has changed", "300 accounts, none has changed"} {
		if row := rowOf(t, &report, name); row.Items != 300 || row.Ceiling == 0 || row.PeakRSSBytes == 0 {
			t.Errorf("%s came to %+v", name, row)
		}
	}
}

func TestBenchIngestHoldsReadingAgainstWritingAlone(t *testing.T) {
	t.Parallel()
	report := runBench(t, "ingest", "--transactions", "5000", "--page-size", "500")
	if row := rowOf(t, &report, "ingest"); row.Items != 5000 || row.Ceiling == 0 || row.CPUMicroseconds == 0 || row.PeakRSSBytes == 0 {
		t.Errorf("it came to %+v", row)
	}
}

func TestEveryBenchRunsOnPostgreSQLAndLeavesNoDatabase(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, pgtest.Options{})
	dsn := server.Database(t)
	for _, args := range [][]string{
		{"ingest", "--transactions", "3000"},
		{"balances", "--accounts", "100"},
		{"api", "--payments", "2000", "--clients", "2", "--for", "50ms"},
		{"idle", "--connectors", "2", "--period", "1s", "--for", "1s"},
		{"workers", "--connectors", "2", "--transactions", "1500"},
	} {
		report := runBench(t, append(args, "--store", dsn)...)
		if row := &report.Rows[0]; row.Items == 0 {
			t.Errorf("bench %s came to %+v", args[0], row)
		}
	}
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var left int
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_database WHERE datname LIKE 'weir_scratch%'").Scan(&left); err != nil || left > 0 {
		t.Errorf("%d databases are left; %v", left, err)
	}
	runWeir(t, "bench", "ingest", "--store", "weir.db").wantRefusal(t, "--store", "sqlite", "postgres://")
}
