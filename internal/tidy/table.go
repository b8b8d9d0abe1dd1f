package tidy

import (
	"fmt"
	"path"
	"strconv"
	"strings"
)

// Rank orders the packages: a package imports lower ranks only. Packages of one
// rank never import each other, so each can be read, tested and replaced
// without its neighbours.
type Rank int

// The ranks, from what everyone may use to what nobody may use.
const (
	RankVocabulary Rank = iota // words and pure rules
	RankPart                   // one concern each, over the words
	RankAssembly               // drivers, and parts put together
	RankProgram                // flags, settings and wiring
	RankTest                   // tests of the whole, and of the code's form
)

// String is the rank as the table in ARCHITECTURE.md shows it.
func (r Rank) String() string {
	if r == RankTest {
		return "test"
	}
	return strconv.Itoa(int(r))
}

// Entry is the place of one package in the layout.
type Entry struct {
	Rank Rank
	// Package is the folder below the module's root. A last element "*" stands
	// for every folder directly inside.
	Package string
	// Purpose is one line for a reader who looks for the right place.
	Purpose string
	// Closed packages import the standard library and Allowed, nothing else.
	Closed bool
	// Allowed are import paths that a closed package may use, with what lies
	// below them. A path of this module is written from its root.
	Allowed []string
	// Never are packages of this module that not even the tests of this one
	// may import.
	Never []string
}

// Table is the layout of the module. ARCHITECTURE.md shows it, and
// `go test ./internal/tidy -update` writes it there. An entry may stand here
// before its package is written; a package without an entry is a finding.
var Table = []Entry{
	{
		Rank: RankVocabulary, Package: "wire",
		Purpose: "the generic connector contract: JSON types, paths, limits, errors, its OpenAPI document, examples",
		Closed:  true, Allowed: []string{"github.com/go-json-experiment/json"},
	},
	{
		Rank: RankVocabulary, Package: "internal/hub",
		Purpose: "the core's vocabulary and its pure rules",
		Closed:  true,
	},
	{
		Rank: RankPart, Package: "sdk",
		Purpose: "turns a customer's functions into an `http.Handler` that speaks `wire`",
		Closed:  true, Allowed: []string{"wire"},
	},
	{
		Rank: RankPart, Package: "verify",
		Purpose: "conformance checks as data, for services in any language",
		Never:   []string{"sdk"},
	},
	{Rank: RankPart, Package: "internal/connector", Purpose: "the generic connector: pages in, `hub` out; payouts out"},
	{Rank: RankPart, Package: "internal/poll", Purpose: "when a stream is read"},
	{Rank: RankPart, Package: "internal/initiation", Purpose: "how a payment initiation reaches its end"},
	{Rank: RankPart, Package: "internal/relay", Purpose: "how events leave"},
	{Rank: RankPart, Package: "internal/store", Purpose: "the core's transactions, written once over a small driver"},
	{Rank: RankPart, Package: "internal/keyring", Purpose: "secrets at rest: the key file, and each database's own key under it"},
	{Rank: RankPart, Package: "internal/pgtest", Purpose: "a throw-away PostgreSQL server for tests"},
	{Rank: RankPart, Package: "internal/telemetry", Purpose: "metrics and traces: what is measured, under which names"},
	{Rank: RankPart, Package: "internal/api", Purpose: "HTTP for applications"},
	{Rank: RankPart, Package: "internal/console", Purpose: "pages for people, over the API's own reads"},
	{Rank: RankAssembly, Package: "internal/store/sqlite", Purpose: "the SQLite driver: SQL and migrations, no rules"},
	{Rank: RankAssembly, Package: "internal/store/postgres", Purpose: "the PostgreSQL driver: SQL and migrations, no rules"},
	{Rank: RankAssembly, Package: "internal/store/storetest", Purpose: "`Run(t, open)`: the behaviour that every driver must have"},
	{Rank: RankPart, Package: "sdk/psphttp", Purpose: "an `http.Client` for a PSP: rate, retries, tokens, signatures, a log without secrets"},
	{Rank: RankPart, Package: "sdk/internal/sqlitefile", Purpose: "the SQLite files of the packages below `sdk`"},
	{Rank: RankAssembly, Package: "sdk/ledger", Purpose: "payouts and transfers that move money at most once"},
	{Rank: RankAssembly, Package: "sdk/mirror", Purpose: "a local store that turns any source into a perfect feed"},
	{Rank: RankAssembly, Package: "sdk/sdktest", Purpose: "`Run(t, handler)`: the verifier's checks as Go subtests"},
	{Rank: RankAssembly, Package: "simulator", Purpose: "a PSP with a seed, faults and injected time, served through `sdk`"},
	{Rank: RankAssembly, Package: "statements", Purpose: "bank statement files as a source for `sdk`"},
	{Rank: RankAssembly, Package: "internal/bench", Purpose: "what measurements have in common: loads, percentiles, reports"},
	{Rank: RankAssembly, Package: "internal/archive", Purpose: "everything in a store as lines of JSON, out of one database and into another"},
	{Rank: RankAssembly, Package: "internal/jobs", Purpose: "River workers that call the engines' `Once`"},
	{Rank: RankProgram, Package: "cmd/weir", Purpose: "the one binary: flags, settings and wiring, nothing else"},
	{Rank: RankProgram, Package: "examples/*", Purpose: "integration services to copy from"},
	{Rank: RankTest, Package: "internal/simtest", Purpose: "the whole hub under a seed"},
	{Rank: RankTest, Package: "internal/tidy", Purpose: "checks of the code's own form"},
}

// Lookup finds the entry of the package in dir.
func Lookup(table []Entry, dir string) (Entry, bool) {
	for _, entry := range table {
		if matched, _ := path.Match(entry.Package, dir); matched {
			return entry, true
		}
	}
	return Entry{}, false
}

// Markdown renders the table as ARCHITECTURE.md shows it.
func Markdown(table []Entry) string {
	var out strings.Builder
	out.WriteString("| rank | package | purpose | beyond the rank |\n| --- | --- | --- | --- |\n")
	for _, entry := range table {
		fmt.Fprintf(&out, "| %s | `%s` | %s | %s |\n", entry.Rank, entry.Package, entry.Purpose, entry.rule())
	}
	return out.String()
}

// rule says in words what the entry asks beyond its rank.
func (e Entry) rule() string {
	var rules []string
	switch {
	case e.Closed && len(e.Allowed) == 0:
		rules = append(rules, "standard library only")
	case e.Closed:
		rules = append(rules, "standard library and `"+strings.Join(e.Allowed, "`, `")+"` only")
	}
	if len(e.Never) > 0 {
		rules = append(rules, "never imports `"+strings.Join(e.Never, "`, `")+"`")
	}
	return strings.Join(rules, "; ")
}

// The lines of ARCHITECTURE.md between which the table stands.
const (
	tableBegin = "<!-- The table below is written by `go test ./internal/tidy -update`. -->"
	tableEnd   = "<!-- End of the written table. -->"
)

// WithTable returns the document with the text between the two marker lines
// replaced by the table. It fails when a marker is missing.
func WithTable(document string, table []Entry) (string, error) {
	before, rest, found := strings.Cut(document, tableBegin)
	if !found {
		return "", fmt.Errorf("the document lacks the line %q", tableBegin)
	}
	_, after, found := strings.Cut(rest, tableEnd)
	if !found {
		return "", fmt.Errorf("the document lacks the line %q", tableEnd)
	}
	return before + tableBegin + "\n\n" + Markdown(table) + "\n" + tableEnd + after, nil
}
