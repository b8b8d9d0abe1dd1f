package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/weirhq/weir/internal/telemetry"
)

// The lines of docs/operations.md between which the metrics stand.
const (
	metricsBegin = "<!-- The table below is written by `go test ./cmd/weir -run Operations -update`. -->\n"
	metricsEnd   = "<!-- End of the written table. -->"
)

func TestOperationsListsTheMetricsThatThereAre(t *testing.T) {
	const name = "docs/operations.md"
	before, rest, found := strings.Cut(repositoryFile(t, name), metricsBegin)
	listed, after, ended := strings.Cut(rest, metricsEnd)
	if !found || !ended {
		t.Fatalf("%s has no place for the metrics", name)
	}
	want := "\n" + telemetry.Markdown() + "\n"
	if *update {
		text := before + metricsBegin + want + metricsEnd + after
		if err := os.WriteFile(filepath.Join(repository, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if listed != want {
		t.Errorf("the table in %s is not that of package telemetry; run this test with -update", name)
	}
}

// An alert as the rules have it.
type alert struct {
	name, expression, runbook, severity string
}

func alerts(t *testing.T) []alert {
	t.Helper()
	var all []alert
	rules := documents(t, "alerts.yaml", repositoryFile(t, "deploy/prometheus/alerts.yaml"))[0]
	groups, _ := at(rules, "groups").([]any)
	for _, group := range groups {
		list, _ := at(group, "rules").([]any)
		for _, rule := range list {
			text := func(keys ...string) string { s, _ := at(rule, keys...).(string); return s }
			all = append(all, alert{text("alert"), text("expr"), text("annotations", "runbook_url"), text("labels", "severity")})
		}
	}
	return all
}

func TestEachAlertOfOperationsIsARuleAndEachRuleSaysWhatToDo(t *testing.T) {
	text := repositoryFile(t, "docs/operations.md")
	headings := map[string]string{}
	for _, heading := range regexp.MustCompile(`(?m)^### (Weir\w+)\n\n\*(\w+)\.\*`).FindAllStringSubmatch(text, -1) {
		headings[heading[1]] = strings.ToLower(heading[2])
	}
	for _, a := range alerts(t) {
		if headings[a.name] != a.severity {
			t.Errorf("%s is %q, operations.md says %q", a.name, a.severity, headings[a.name])
		}
		if !strings.HasSuffix(a.runbook, "/docs/operations.md#"+strings.ToLower(a.name)) {
			t.Errorf("%s leads to %q", a.name, a.runbook)
		}
		delete(headings, a.name)
	}
	for name := range headings {
		t.Errorf("operations.md tells what %s means, and there is no such rule", name)
	}
}

func TestTheAlertsFireWhenTheyShould(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("needs promtool, which comes with Prometheus and is not here")
	}
	check := exec.CommandContext(t.Context(), promtool, "test", "rules", "alerts.test.yaml")
	check.Dir = filepath.Join(repository, "deploy", "prometheus")
	if said, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, said)
	}
}

// Links of a document to its own headings, and to other files, lead somewhere.
func TestTheLinksOfOperationsLeadSomewhere(t *testing.T) {
	for _, name := range []string{"docs/operations.md", "deploy/README.md"} {
		for _, link := range regexp.MustCompile(`\]\(([^)]+)\)`).FindAllStringSubmatch(repositoryFile(t, name), -1) {
			file, anchor, _ := strings.Cut(link[1], "#")
			target := name
			if file != "" {
				target = filepath.Join(filepath.Dir(name), file)
			}
			if _, err := os.Stat(filepath.Join(repository, target)); err != nil {
				t.Errorf("%s leads to %s, which is not there", name, link[1])
				continue
			}
			if anchor != "" && !slices.Contains(anchors(repositoryFile(t, target)), anchor) {
				t.Errorf("%s leads to %s, and %s has no such heading", name, link[1], target)
			}
		}
	}
}

// anchors are the names under which a document's headings are reached.
func anchors(text string) []string {
	var names []string
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		name := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(heading[1]), "")
		names = append(names, strings.ReplaceAll(name, " ", "-"))
	}
	return names
}

// expressions finds the queries of the dashboard.
func expressions(t *testing.T) []string {
	t.Helper()
	var board any
	if err := json.Unmarshal([]byte(repositoryFile(t, "deploy/grafana/weir.json")), &board); err != nil {
		t.Fatal(err)
	}
	var found []string
	var walk func(node any)
	walk = func(node any) {
		switch node := node.(type) {
		case map[string]any:
			for key, value := range node {
				if text, ok := value.(string); ok && (key == "expr" || key == "definition") {
					found = append(found, text)
				}
				walk(value)
			}
		case []any:
			for _, value := range node {
				walk(value)
			}
		}
	}
	walk(board)
	return found
}

func TestTheDashboardAndTheAlertsAskForMetricsThatThereAre(t *testing.T) {
	queries := expressions(t)
	if len(queries) < 20 {
		t.Errorf("the dashboard has %d queries; does the search still find them?", len(queries))
	}
	for _, a := range alerts(t) {
		queries = append(queries, a.expression)
	}
	labels := []string{"job", "instance", "le", "connector", "resource"}
	for _, metric := range telemetry.Table {
		labels = append(labels, metric.Labels...)
	}
	asked := map[string]bool{}
	for _, query := range queries {
		for _, name := range regexp.MustCompile(`\bweir_[a-z_]+`).FindAllString(query, -1) {
			if asked[name] = true; !slices.Contains(telemetry.Series(), name) {
				t.Errorf("there is no metric %s, which is asked for by %s", name, query)
			}
		}
		for _, list := range regexp.MustCompile(`by \(([^)]*)\)|([a-z]+)(?:=~|!~|!=|=)"`).FindAllStringSubmatch(query, -1) {
			for _, label := range strings.Split(list[1]+list[2], ", ") {
				if label != "" && !slices.Contains(labels, label) {
					t.Errorf("no metric has the label %q, which is asked for by %s", label, query)
				}
			}
		}
	}
	for _, metric := range telemetry.Table {
		shown := asked[metric.Name] || asked[metric.Name+"_bucket"] || asked[metric.Name+"_count"]
		if !shown && metric.Name != "weir_rejections_total" && metric.Name != "weir_stream_period_seconds" {
			t.Errorf("%s is neither on the dashboard nor in a rule; who is to see it?", metric.Name)
		}
	}
}
