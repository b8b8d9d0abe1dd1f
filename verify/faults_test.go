package verify_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/simulator"
	"github.com/weirhq/weir/verify"
)

var update = flag.Bool("update", false, "write the tables of docs/verify.md")

// breaks are the checks that name a fault of the simulator, and those that it
// breaks besides. A fault without checks is one that the contract allows.
var breaks = map[simulator.Fault][]string{
	simulator.Ties:            {"E6"},
	simulator.DateOnly:        {"E6"},
	simulator.Late:            {"E5"},
	simulator.Moving:          {"C6"},
	simulator.Future:          {"E2", "E6"},
	simulator.FrozenStamps:    {"E4"},
	simulator.Poison:          {"B1", "B5", "E1", "G1", "G3", "H1"},
	simulator.Flawed:          {"B1", "B2", "B3", "B5"},
	simulator.ShortPages:      {"C4"},
	simulator.GappedPages:     {"C1", "C4"},
	simulator.PageSizeIgnored: {"C4"},
	simulator.PageIgnored:     {"C3"},
	simulator.RepeatedPages:   {"C2", "C3"},
	simulator.LastPageAgain:   {"C3", "C5"},
	simulator.Descending:      {"D1"},
	simulator.UnstableTies:    {"C2", "C6", "D2", "D7", "E6"},
	simulator.ExclusiveFilter: {"D3", "D8"},
	simulator.FilterIgnored:   {"D5", "D9"},
	simulator.RateLimit:       nil,
	simulator.ServerErrors:    {"J1", "J2"},
	simulator.Cut:             {"C2"},
	simulator.Slow:            {"L1"},
	simulator.Redirects:       {"A5"},
	simulator.Gzip:            nil,
}

// slowFor is longer than the patience of the verifier in these tests.
const (
	slowFor  = 500 * time.Millisecond
	patience = 250 * time.Millisecond
)

// faulty judges a simulator with faults. Some faults are seen only by who comes
// again: then it lives on between two runs, of which the second counts.
func faulty(t *testing.T, faults simulator.Faults, again bool) *verify.Report {
	t.Helper()
	options := simulator.Defaults()
	options.Seed, options.Faults, options.Transactions, options.Interval = 1, faults, 1000, time.Minute
	psp, err := simulator.New(options)
	if err != nil {
		t.Fatal(err)
	}
	server, err := simulator.Start(t.Context(), psp, simulator.ServerOptions{
		Service: simulator.ServiceOptions{Faults: faults, Seed: 1, SlowFor: slowFor}, Direct: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	o := verify.Options{Endpoint: server.Endpoint, Key: server.APIKey, Timeout: time.Minute}
	if faults.Has(simulator.Slow) {
		o.ClientTimeout = patience
	}
	if again {
		o.TakeSnapshot, o.Lag = true, time.Second
		before, err := verify.Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		o.Baseline = before.Snapshot
		psp.Step(400)
	}
	report, err := verify.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestTheChecksThatNameAFaultFailOnIt(t *testing.T) {
	reports := map[simulator.Fault]*verify.Report{}
	for _, info := range simulator.FaultTable() {
		t.Run(info.Name, func(t *testing.T) {
			faults := simulator.FaultsOf(info.Fault)
			if info.Fault == simulator.UnstableTies {
				faults |= simulator.FaultsOf(simulator.Ties)
			}
			report := faulty(t, faults, info.Fault == simulator.Late || info.Fault == simulator.FrozenStamps)
			reports[info.Fault] = report
			bad := wrong(report)
			if !slices.Equal(bad, slices.Clip(breaks[info.Fault])) && len(bad)+len(breaks[info.Fault]) > 0 {
				say(t, report, bad...)
				t.Errorf("%v did not pass, want %v", bad, breaks[info.Fault])
			}
		})
	}
	if !t.Failed() {
		writtenTable(t, "faults", faultTable(reports))
	}
}

func TestAnHonestSimulatorPassesTheSecondTimeToo(t *testing.T) {
	if bad := wrong(faulty(t, 0, true)); len(bad) > 0 {
		t.Errorf("%v did not pass", bad)
	}
}

// faultTable is the table of the document.
func faultTable(reports map[simulator.Fault]*verify.Report) string {
	var text strings.Builder
	text.WriteString("| `--faults` | fails | warns | the reference would lose, of 1,000 transactions |\n| --- | --- | --- | --- |\n")
	for _, info := range simulator.FaultTable() {
		report := reports[info.Fault]
		ids := func(status verify.Status) string {
			var names []string
			for _, result := range report.Of(status) {
				names = append(names, result.ID)
			}
			return strings.Join(names, ", ")
		}
		loss := "nothing"
		switch l := report.Losses[0]; {
		case l.Unknown != "":
			loss = "can't be said: " + l.Unknown
		case l.Stuck != "":
			loss = fmt.Sprintf("%d: %s", l.Lost, l.Stuck)
		case l.Lost > 0:
			loss = fmt.Sprint(l.Lost)
		case l.Polls > 1:
			loss = fmt.Sprintf("nothing, after %d polls", l.Polls)
		}
		fmt.Fprintf(&text, "| %s | %s | %s | %s |\n", info.Name, ids(verify.Failed), ids(verify.Warned), loss)
	}
	return text.String()
}

// catalogueTable is the catalogue as the document shows it.
func catalogueTable() string {
	var text strings.Builder
	text.WriteString("| check | | what holds | why |\n| --- | --- | --- | --- |\n")
	for _, c := range verify.Catalogue() {
		id := c.ID
		if c.Severity == verify.Must {
			id = "**" + id + "**"
		}
		fmt.Fprintf(&text, "| %s | %s | %s | %s |\n", id, c.Mode, c.Title, c.Reason)
	}
	return text.String()
}

func TestTheDocumentListsEveryCheck(t *testing.T) { writtenTable(t, "checks", catalogueTable()) }

// writtenTable compares a table with what stands between its marks in the
// document, or writes it there.
func writtenTable(t *testing.T, name, table string) {
	t.Helper()
	const path = "../docs/verify.md"
	begin, end := "<!-- "+name+": written by `go test ./verify -update` -->\n", "<!-- end of "+name+" -->"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, foundBegin := strings.Cut(string(text), begin)
	old, after, foundEnd := strings.Cut(rest, end)
	if !foundBegin || !foundEnd {
		t.Fatalf("%s lacks the marks of %s", path, name)
	}
	table = "\n" + table + "\n"
	if *update {
		if err := os.WriteFile(path, []byte(before+begin+table+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if old != table {
		t.Errorf("the table of %s in %s is not what is true: go test ./verify -update writes it", name, path)
	}
}
