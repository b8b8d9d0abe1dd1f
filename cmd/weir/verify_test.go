package main

import (
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/simulator"
	"github.com/weirhq/weir/verify"
)

// startSimulator serves a small provider, still, with faults.
func startSimulator(t *testing.T, faults simulator.Faults) *simulator.Server {
	t.Helper()
	options := simulator.Defaults()
	options.Seed, options.Faults, options.Transactions = 1, faults, 300
	psp, err := simulator.New(options)
	if err != nil {
		t.Fatal(err)
	}
	server, err := simulator.Start(t.Context(), psp, simulator.ServerOptions{
		Service: simulator.ServiceOptions{Faults: faults, Seed: 1}, Direct: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return server
}

// verifies runs weir verify with the simulator's key.
func verifies(t *testing.T, args ...string) outcome {
	t.Helper()
	return command{args: append([]string{"verify", "--rate", "0"}, args...), env: []string{"WEIR_KEY=" + simulator.DefaultAPIKey}}.run(t)
}

func TestVerifyTellsByItsStatusHowItEnded(t *testing.T) {
	honest, short, tied := startSimulator(t, 0), startSimulator(t, simulator.FaultsOf(simulator.ShortPages)), startSimulator(t, simulator.FaultsOf(simulator.Ties))
	tests := []struct {
		name   string
		args   []string
		status int
		want   string
	}{
		{"an honest service", []string{honest.Endpoint}, 0, "This service passes"},
		{"short pages", []string{short.Endpoint}, 1, "FAIL C4"},
		{"a failure that is skipped with a reason", []string{short.Endpoint, "--skip", "C4=the bank has fifty rows a page"}, 0, "the bank has fifty rows a page"},
		{"a warning", []string{tied.Endpoint}, 0, "warn E6"},
		{"a warning, strictly", []string{tied.Endpoint, "--strict"}, 1, "warn E6"},
		{"ties, for the reference", []string{tied.Endpoint, "--profile", "reference"}, 1, "would lose"},
		{"nobody there", []string{"http://127.0.0.1:1"}, 2, "Could not judge this service"},
		{"no URL", nil, 2, "name the URL"},
		{"a URL that is none", []string{"psp.example.com"}, 2, "not an absolute URL"},
		{"a check there is not", []string{honest.Endpoint, "--only", "Z1"}, 2, `no check and no area "Z1"`},
		{"a skip without a reason", []string{honest.Endpoint, "--skip", "C4"}, 2, "needs a reason"},
		{"a key file there is not", []string{honest.Endpoint, "--api-key-file", "missing"}, 2, "--api-key-file"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := verifies(t, test.args...)
			if said := o.stdout + o.stderr; o.status != test.status || !strings.Contains(said, test.want) {
				t.Errorf("status %d, want %d and something of %q\n%s", o.status, test.status, test.want, said)
			}
		})
	}
}

func TestVerifyRefusesAWrongKeyAsSomethingThatCouldNotBeJudged(t *testing.T) {
	server := startSimulator(t, 0)
	o := command{args: []string{"verify", server.Endpoint, "--api-key-file", writeFile(t, "key", "another-key\n")}}.run(t)
	if o.status != 2 || !strings.Contains(o.stdout, "the key was refused") || strings.Contains(o.stdout+o.stderr, "another-key") {
		t.Errorf("status %d\n%s%s", o.status, o.stdout, o.stderr)
	}
}

func TestVerifyWritesItsReportInEveryForm(t *testing.T) {
	server := startSimulator(t, simulator.FaultsOf(simulator.Descending))
	dir := t.TempDir()
	page, junit := filepath.Join(dir, "report.html"), filepath.Join(dir, "report.xml")
	o := verifies(t, server.Endpoint, "--json", "--html", page, "--junit", junit)
	var report verify.Report
	if err := json.Unmarshal([]byte(o.stdout), &report); err != nil || o.status != 1 {
		t.Fatalf("status %d, %v\n%s", o.status, err, o.stdout)
	}
	if d1 := report.Result("D1"); d1 == nil || d1.Status != verify.Failed || len(d1.Findings[0].Rows) == 0 {
		t.Errorf("D1: %+v", d1)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<!doctype html>", "Lists are sorted oldest first", "would lose", "mv_0000"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, never := range []string{"<script", "src=", "http-equiv", "@import", "<link"} {
		if strings.Contains(string(text), never) {
			t.Errorf("the page holds %q: it is to need nothing else", never)
		}
	}
	var suites struct {
		Failures int `xml:"failures,attr"`
		Tests    int `xml:"tests,attr"`
	}
	text, err = os.ReadFile(junit)
	if err != nil || xml.Unmarshal(text, &suites) != nil || suites.Failures != 1 || suites.Tests != len(verify.Catalogue()) {
		t.Errorf("%v, %+v\n%s", err, suites, text)
	}
}

func TestVerifyMovesMoneyOnlyWhenSomebodyAgrees(t *testing.T) {
	server := startSimulator(t, 0)
	args := []string{"verify", server.Endpoint, "--rate", "0", "--write", "--only", "K1", "--wait", "1s"}
	env := []string{"WEIR_KEY=" + simulator.DefaultAPIKey}
	o := command{args: args, env: env, stdin: "no\n"}.run(t)
	if o.status != 2 || !strings.Contains(o.stderr, "payouts of 1 ") || !strings.Contains(o.stderr, "nothing was done") {
		t.Errorf("status %d\n%s%s", o.status, o.stdout, o.stderr)
	}
	for _, said := range []command{{args: args, env: env, stdin: "yes\n"}, {args: append(args, "--yes"), env: env}} {
		if o := said.run(t); o.status != 0 || !strings.Contains(o.stdout, "ok   K1") {
			t.Errorf("status %d\n%s%s", o.status, o.stdout, o.stderr)
		}
	}
}

func TestVerifyComparesWithTheRunBefore(t *testing.T) {
	server := startSimulator(t, 0)
	file := filepath.Join(t.TempDir(), "run.json")
	if o := verifies(t, server.Endpoint, "--baseline", file, "--only", "E,F"); o.status != 0 || !strings.Contains(o.stdout, "earlier run") {
		t.Errorf("status %d\n%s", o.status, o.stdout)
	}
	if o := verifies(t, server.Endpoint, "--baseline", file, "--only", "E,F"); o.status != 0 || !strings.Contains(o.stdout, "ok   F2") {
		t.Errorf("status %d\n%s", o.status, o.stdout)
	}
	if o := verifies(t, server.Endpoint, "--baseline", writeFile(t, "other.json", "{}")); o.status != 2 {
		t.Errorf("status %d\n%s", o.status, o.stdout)
	}
}

// The service of examples/python-service has nothing of Weir in it.
func TestVerifyJudgesAServiceOfAnotherLanguage(t *testing.T) {
	for data, test := range map[string]struct{ want, unwanted string }{
		"ties":     {"would lose 80 of 250 transactions", "FAIL"},
		"dates":    {"warn E6", "FAIL"},
		"thousand": {"would lose none of 1,000 transactions", "warn"},
	} {
		t.Run(data, func(t *testing.T) {
			s := startPython(t, data)
			began := time.Now()
			o := command{args: []string{"verify", s.endpoint, "--rate", "0"}, env: []string{"WEIR_KEY=" + pythonKey}}.run(t)
			if o.status != 0 || !strings.Contains(o.stdout, test.want) || strings.Contains(o.stdout, test.unwanted) {
				t.Errorf("status %d after %s, want %q and no %q\n%s%s", o.status, time.Since(began), test.want, test.unwanted, o.stdout, o.stderr)
			}
		})
	}
}
