package verify

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/weirhq/weir/wire"
)

var errorChecks = []Check{
	{
		ID: "J1", Mode: Reads, Severity: Must,
		Title:  "Refusals carry Title and Detail as JSON",
		Reason: "Nobody can act on an HTML page in a log, and a proxy's page looks like the service's word.",
		Remedy: "Answer every error with {\"Title\":…,\"Detail\":…}, also those of the framework and the proxy.",
		Run:    checkErrorForm,
	},
	{
		ID: "J2", Mode: Seeds, Severity: Must,
		Title:  "Busy is 429 with Retry-After, and a provider that is down is 503",
		Reason: "An empty list in place of an error is read as: there is nothing; other statuses tell nothing about when to come back.",
		Remedy: "Answer 429 or 503 with Retry-After in seconds, and never 200 for what you could not read.",
		Run:    checkBusy,
	},
	{
		ID: "J3", Mode: Seeds, Severity: Must,
		Title:  "Trouble with the provider's credentials is not a 401 to the hub",
		Reason: "The hub's operator looks for a fault in the hub's key, which is right.",
		Remedy: "Answer 503 when the provider refuses you.",
		Run:    checkBlame,
	},
	{
		ID: "J4", Mode: Reads, Severity: Should,
		Title:  "Refusals hold no stack traces and no secrets",
		Reason: "They end in logs that more people read than should know these things.",
		Remedy: "Log the details yourself, with the request's id, and answer with a sentence.",
		Run:    checkTraces,
	},
}

func checkErrorForm(_ context.Context, e *Exam) Verdict {
	var findings []Finding
	judged := 0
	// One good answer of a kind shows that a bad one was spoilt on its way.
	kinds := map[string]bool{}
	for _, a := range e.client.refusals {
		if exactError(a.body) {
			kinds[fmt.Sprint(a.status, a.asked.path)] = true
		}
	}
	for _, a := range e.client.refusals {
		if a.status < 400 || a.asked.method == http.MethodPut || len(findings) == kindsMax {
			continue
		}
		judged++
		kind := fmt.Sprint(a.status, a.asked.path)
		if kinds[kind] {
			continue
		}
		kinds[kind] = true
		findings = append(findings, Finding{
			Expected: fmt.Sprintf("{\"Title\":…,\"Detail\":…} with the status %d", a.status), Got: body(a), Curl: e.client.curl(a.asked),
		})
	}
	return judgeSome(judged, findings, "nothing was refused")
}

// exactError reports whether both fields are there.
func exactError(text []byte) bool {
	e, _ := wire.DecodeError(text)
	return e.Title != "" && e.Detail != ""
}

// body describes the body of a refusal.
func body(a *answer) string {
	text := bytes.TrimSpace(a.body)
	if len(text) == 0 {
		return "no body"
	}
	if text[0] == '<' {
		return "an HTML page: " + clip(string(text), 60)
	}
	return clip(string(text), 80)
}

func checkBusy(ctx context.Context, e *Exam) Verdict {
	var findings []Finding
	judged := 0
	seen := map[string]bool{}
	object := func(a *answer, expected, got string) {
		if !seen[expected] {
			seen[expected] = true
			findings = append(findings, Finding{Expected: expected, Got: got, Curl: e.client.curl(a.asked)})
		}
	}
	for _, t := range e.client.troubles {
		switch {
		case t.kind == troubleBusy:
			judged++
			if t.answer.header.Get("Retry-After") == "" {
				object(t.answer, "429 with Retry-After", "429 without it")
			}
		case t.kind == troubleStatus && t.answer.status >= 500:
			judged++
			if t.passed && t.answer.status != http.StatusServiceUnavailable {
				object(t.answer, "503 for a failure that passes", t.answer.describe())
			}
		}
	}
	if down := e.options.Hooks.Down; down != nil {
		if err := down(ctx, true); err != nil {
			return unjudged("the provider could not be taken away: " + err.Error())
		}
		asked := transactions.ask(window{page: 1, size: wire.DefaultPageSize})
		a := e.client.do(ctx, asked)
		if err := down(ctx, false); err != nil {
			return unjudged("the provider could not be given back: " + err.Error())
		}
		if a.err == nil {
			judged++
			if a.status != http.StatusServiceUnavailable {
				object(a, "503 while the provider is down", a.describe())
			}
		}
	}
	return judgeSome(judged, findings, "the service was never busy and its provider never down")
}

func checkBlame(ctx context.Context, e *Exam) Verdict {
	for _, t := range e.client.troubles {
		if t.answer.status == http.StatusUnauthorized && e.reached() && t.answer.asked.auth == "" {
			return judge([]Finding{{
				Expected: "the key to be good for every list, and 503 when the provider refuses the service",
				Got:      t.answer.describe(), Curl: e.client.curl(t.answer.asked),
			}})
		}
	}
	refuse := e.options.Hooks.Refuse
	if refuse == nil {
		return unjudged("the provider never refused the service")
	}
	if err := refuse(ctx, true); err != nil {
		return unjudged("the provider could not be made to refuse: " + err.Error())
	}
	asked := transactions.ask(window{page: 1, size: wire.DefaultPageSize})
	a := e.client.do(ctx, asked)
	if err := refuse(ctx, false); err != nil {
		return unjudged("the provider could not be appeased: " + err.Error())
	}
	if a.err == nil && (a.ok() || a.status == http.StatusUnauthorized || a.status == http.StatusForbidden) {
		return judge([]Finding{{Expected: "503 while the provider refuses the service", Got: a.describe(), Curl: e.client.curl(asked)}})
	}
	return pass()
}

// traces are what gives the inside of a service away.
var traces = []string{
	"Traceback (most recent call last)", "goroutine ", "\tat java.", "at java.base/", "    at Object.", "node_modules/",
	".go:", "Exception in thread", "System.NullReferenceException", "vendor/bundle", "panic:",
}

func checkTraces(_ context.Context, e *Exam) Verdict {
	var findings []Finding
	for _, a := range e.client.refusals {
		got := ""
		for _, trace := range traces {
			if bytes.Contains(a.body, []byte(trace)) {
				got = fmt.Sprintf("a trace, with %q", strings.TrimSpace(trace))
			}
		}
		if len(e.options.Key) > 3 && a.asked.auth == "" && shows(a, e.options.Key) {
			got = "the key itself"
		}
		if got != "" {
			return judge([]Finding{{Expected: "a refusal that tells nothing of the inside", Got: got, Curl: e.client.curl(a.asked)}})
		}
	}
	return judgeSome(len(e.client.refusals), findings, "nothing was refused")
}
