package tidy

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Dependency is another module that this one leans on, and why. The longer
// story of a choice, with what was rejected, is in docs/decisions.md.
type Dependency struct {
	Module string
	Why    string
}

// Dependencies are the modules that the module's own files import. Each costs
// a reader's trust and an upgrade now and then, so each has its reason here.
// What those modules need themselves is their affair.
var Dependencies = []Dependency{
	{"github.com/chromedp/chromedp", "tests look at the pages for people in a real browser"},
	{"github.com/getkin/kin-openapi", "tests hold every answer against our OpenAPI documents, and the verifier those of others against the contract"},
	{"github.com/go-json-experiment/json", "rejects duplicate keys and invalid UTF-8, and gives each record's raw bytes"},
	{"github.com/google/go-cmp", "tests show what differs, not that something does"},
	{"github.com/jackc/pgx/v5", "PostgreSQL: whole pages as arrays in one round trip, and what the server says by its code"},
	{"github.com/pressly/goose/v3", "frozen SQL migrations for SQLite and PostgreSQL, run by the program itself"},
	{"github.com/riverqueue/river", "the job engine: durable, one API on SQLite and PostgreSQL"},
	{"github.com/riverqueue/river/riverdriver", "the form of River's drivers, around which ours wake a queue in time"},
	{"github.com/riverqueue/river/riverdriver/riverpgxv5", "River on PostgreSQL"},
	{"github.com/riverqueue/river/riverdriver/riversqlite", "River on SQLite"},
	{"github.com/riverqueue/river/rivertype", "River's job states, for jobs that are unique while active"},
	{"github.com/spf13/cobra", "commands, flags, help and shell completion"},
	{"github.com/spf13/pflag", "cobra's flags, where a setting comes from the environment or a file"},
	{"github.com/tink-crypto/tink-go/v2", "encrypts secrets at rest, bound to their row, under a key that rotates"},
	{"github.com/prometheus/client_golang", "serves the metrics in Prometheus' own format"},
	{"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp", "spans of HTTP requests, and the traceparent that goes with them"},
	{"go.opentelemetry.io/otel", "the vocabulary of metrics and traces"},
	{"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp", "traces leave in OTLP"},
	{"go.opentelemetry.io/otel/exporters/prometheus", "the same instruments, read by Prometheus"},
	{"go.opentelemetry.io/otel/metric", "the instruments"},
	{"go.opentelemetry.io/otel/sdk", "what collects spans"},
	{"go.opentelemetry.io/otel/sdk/metric", "what collects measurements"},
	{"go.opentelemetry.io/otel/trace", "the spans"},
	{"golang.org/x/sys", "the width of a terminal, and the lock on a database file under Windows"},
	{"golang.org/x/oauth2", "tokens of the client credentials grant, for PSPs"},
	{"golang.org/x/time", "the rate limit of each connector"},
	{"gopkg.in/yaml.v3", "the settings file"},
	{"modernc.org/sqlite", "SQLite without cgo, so that one `go build` is enough"},
	{"pgregory.net/rapid", "property tests of the pure rules"},
	{"riverqueue.com/riverui", "River's own console, for operators"},
}

// Tools are the commands that tools/go.mod provides. They are run with
// `go tool -modfile=tools/go.mod`, and their own needs never mix with ours.
var Tools = []Dependency{
	{"github.com/golangci/golangci-lint/v2/cmd/golangci-lint", "the linters of .golangci.yml in one run"},
	{"golang.org/x/perf/cmd/benchstat", "says whether two benchmark runs really differ"},
	{"golang.org/x/vuln/cmd/govulncheck", "known vulnerabilities in code that we reach"},
	{"mvdan.cc/gofumpt", "one form for every file"},
}

// Manifest is what a go.mod says, in the form of `go mod edit -json`.
type Manifest struct {
	Require []Requirement `json:"Require"`
	Tool    []Tool        `json:"Tool"`
}

// Requirement is one line of a require block.
type Requirement struct {
	Path string `json:"Path"`
	// Indirect says that go.mod marks the module as needed by others only.
	Indirect bool `json:"Indirect"`
}

// Tool is one line of a tool block.
type Tool struct {
	Path string `json:"Path"`
}

// ParseManifest reads the output of `go mod edit -json`.
func ParseManifest(output []byte) (Manifest, error) {
	var manifest Manifest
	if err := json.Unmarshal(output, &manifest); err != nil {
		return Manifest{}, fmt.Errorf("read the manifest: %w", err)
	}
	return manifest, nil
}

// CheckDependencies compares the modules that the module's files import with
// the reasons: an import without a reason is a finding, and so is a reason
// without an import. A module that `go get` added stands in go.mod as indirect
// until a file imports it; its reason may wait there as long.
func CheckDependencies(m *Module, manifest Manifest, reasons []Dependency) []string {
	var findings []string
	importedBy := map[string]string{}
	for _, pkg := range m.Packages {
		for _, file := range pkg.Files {
			for _, importPath := range file.Imports() {
				if _, inside := m.within(importPath); inside || isStandard(importPath) {
					continue
				}
				module, ok := owner(manifest, importPath)
				if !ok {
					findings = append(findings, fmt.Sprintf("%s imports %s, which go.mod does not require", file.Path, importPath))
					continue
				}
				if importedBy[module] == "" {
					importedBy[module] = file.Path
				}
			}
		}
	}
	for _, required := range manifest.Require {
		file, imported := importedBy[required.Path]
		if imported && !hasReason(reasons, required.Path) {
			findings = append(findings, fmt.Sprintf(
				"%s imports %s without a reason: give it one in internal/tidy/dependencies.go and in docs/decisions.md, or do without",
				file, required.Path))
		}
	}
	for _, reason := range reasons {
		if importedBy[reason.Module] == "" && !awaitsCode(manifest, reason.Module) {
			findings = append(findings, fmt.Sprintf(
				"%s has a reason and no file that imports it: take it out of internal/tidy/dependencies.go", reason.Module))
		}
	}
	return findings
}

// CheckTools compares the tools of a manifest with the reasons.
func CheckTools(manifest Manifest, reasons []Dependency) []string {
	var findings []string
	for _, tool := range manifest.Tool {
		if !hasReason(reasons, tool.Path) {
			findings = append(findings, fmt.Sprintf(
				"tools/go.mod has %s without a reason: give it one in internal/tidy/dependencies.go", tool.Path))
		}
	}
	for _, reason := range reasons {
		if !slices.Contains(manifest.Tool, Tool{Path: reason.Module}) {
			findings = append(findings, fmt.Sprintf("%s has a reason but tools/go.mod does not provide it", reason.Module))
		}
	}
	return findings
}

// owner finds the module that provides a package: the longest required path
// that the import path begins with.
func owner(manifest Manifest, importPath string) (module string, ok bool) {
	for _, required := range manifest.Require {
		under := importPath == required.Path || strings.HasPrefix(importPath, required.Path+"/")
		if under && len(required.Path) > len(module) {
			module = required.Path
		}
	}
	return module, module != ""
}

// awaitsCode says whether go.mod holds the module for others, or for code to come.
func awaitsCode(manifest Manifest, module string) bool {
	return slices.ContainsFunc(manifest.Require, func(required Requirement) bool {
		return required.Path == module && required.Indirect
	})
}

func hasReason(reasons []Dependency, module string) bool {
	return slices.ContainsFunc(reasons, func(reason Dependency) bool {
		return reason.Module == module && reason.Why != ""
	})
}
