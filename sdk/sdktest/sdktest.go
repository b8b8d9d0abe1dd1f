// Package sdktest puts the verifier's checks into `go test`, for people who write
// an integration service in Go. [Run] serves the handler on loopback, judges it
// as `weir verify` does, and makes each check a subtest.
//
//	func TestServiceKeepsTheContract(t *testing.T) {
//		sdktest.Run(t, newHandler(t), sdktest.Options{Key: "test-key"})
//	}
//
// A check that can't be judged is a skipped subtest that says why: most often
// the service shows no row to judge by, so give it some first. Hooks in the
// options reach behind the service, where a test can, and let more checks run.
//
// The package is no part of a program: it imports testing.
package sdktest

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/verify"
	"github.com/weirhq/weir/wire"
)

// Options say how to judge. Only Key is needed.
type Options struct {
	// Key opens the service.
	Key string
	// Seed puts transactions into what the service shows, as they are: with these
	// ids, amounts and stamps. Checks of large amounts and large groups need it.
	Seed func(context.Context, []wire.Transaction) error
	// Move lets something happen behind the service, as it does between two page
	// requests: a transaction changes, one is added.
	Move func(context.Context) error
	// Restart ends the service and starts it again on what it has stored.
	Restart func(context.Context) error
	// Down cuts the service off from its provider, or connects it again, and
	// Refuse lets the provider refuse its credentials.
	Down, Refuse func(ctx context.Context, yes bool) error
	// Write lets the checks of payouts and transfers move money. Sandbox names
	// what to move; what it leaves open is chosen.
	Write   bool
	Sandbox verify.Write
	// Only names the checks or areas to make, Skip those not to make, each with
	// the reason.
	Only []string
	Skip map[string]string
	// Profile is the hub to judge for; empty means Weir.
	Profile verify.Profile
	// Strict fails what only warns.
	Strict bool
}

// timeout bounds a run: a test that hangs tells nothing.
const timeout = 2 * time.Minute

// Run judges the service, with one subtest for each check. It returns the report
// for what a test wants to know beyond that. With a Move, the service is judged
// twice, before and after it, so that the checks that compare two runs are made too.
func Run(t *testing.T, service http.Handler, options Options) *verify.Report {
	t.Helper()
	server := httptest.NewServer(service)
	t.Cleanup(server.Close)
	o := verify.Options{
		Endpoint: server.URL, Key: options.Key, Profile: options.Profile, Only: options.Only, Skip: options.Skip, Timeout: timeout,
		Hooks: verify.Hooks{
			Seed: options.Seed, Move: options.Move, Restart: options.Restart, Down: options.Down, Refuse: options.Refuse,
		},
	}
	if options.Move != nil {
		before := o
		before.TakeSnapshot, before.Hooks.Move = true, nil
		o.Baseline = run(t, before).Snapshot
		if err := options.Move(t.Context()); err != nil {
			t.Fatalf("move the data: %v", err)
		}
	}
	if options.Write {
		sandbox := options.Sandbox
		o.Write = &sandbox
	}
	report := run(t, o)
	for i := range report.Results {
		subtest(t, &report.Results[i], options.Strict)
	}
	t.Log(report.Verdict)
	if !report.Passed && !t.Failed() {
		t.Error(report.Verdict)
	}
	return report
}

func run(t *testing.T, options verify.Options) *verify.Report {
	t.Helper()
	report, err := verify.Run(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func subtest(t *testing.T, result *verify.Result, strict bool) {
	t.Helper()
	t.Run(result.ID+" "+result.Title, func(t *testing.T) {
		switch result.Status {
		case verify.Failed:
			t.Error(explain(result))
		case verify.Warned:
			if strict {
				t.Fatal(explain(result))
			}
			t.Log(explain(result))
		case verify.Skipped, verify.Unjudged:
			t.Skipf("%s: %s", result.Status, result.Note)
		case verify.Passed:
		}
	})
}

// explain is a failure in full.
func explain(result *verify.Result) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s. %s\n", result.Title, result.Reason)
	for i := range result.Findings {
		f := &result.Findings[i]
		fmt.Fprintf(&text, "  expected %s\n  got      %s\n", f.Expected, f.Got)
		if len(f.Rows) > 0 {
			fmt.Fprintf(&text, "  rows     %s\n", strings.Join(f.Rows, ", "))
		}
		if f.Curl != "" {
			fmt.Fprintf(&text, "  again    %s\n", f.Curl)
		}
	}
	text.WriteString("  remedy   " + result.Remedy)
	return text.String()
}
