package verify

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/weirhq/weir/wire"
)

var authChecks = []Check{
	{
		ID: "A1", Mode: Reads, Severity: Must,
		Title:  "Without the right key every route answers 401",
		Reason: "A route that answers without the key shows a customer's money to anybody.",
		Remedy: "Compare the whole key before anything else, on every route, and answer 401.",
		Run:    checkKeys,
	},
	{
		ID: "A2", Mode: Reads, Severity: Should,
		Title:  "The 401 tells nothing",
		Reason: "A refusal that repeats a key or shows data gives away what it protects.",
		Remedy: "Answer 401 with the same few words whatever was wrong.",
		Run:    checkRefusal,
	},
	{
		ID: "A4", Mode: Reads, Severity: Must,
		Title:  "\"Authorization: Bearer KEY\" opens the service",
		Reason: "It is the only way in which a hub sends its key.",
		Remedy: "Read the key from the Authorization header, after the word Bearer.",
		Run:    checkBearer,
	},
	{
		ID: "A5", Mode: Reads, Severity: Should,
		Title:  "The key stays with the service",
		Reason: "A redirect takes the key to another host, and plain HTTP shows it on the way.",
		Remedy: "Serve over TLS, answer where you are asked, and never redirect.",
		Run:    checkKeyStays,
	},
	{
		ID: "A6", Mode: Reads, Severity: Should,
		Title:  "What the service does not have is refused",
		Reason: "A success in answer to a mistyped path looks like an empty list.",
		Remedy: "Answer 404 to paths that you do not know and 405 to wrong methods.",
		Run:    checkUnknown,
	},
	{
		ID: "A7", Mode: Reads, Severity: Should,
		Title:  "Answers are JSON, compressed only where asked, and carry the request's id",
		Reason: "An answer of another type can't be read, and without its id a request is not found in your log.",
		Remedy: "Set Content-Type to application/json, follow Accept-Encoding, and send X-Request-Id back.",
		Run:    checkTransport,
	},
}

// emptyKey names a key that is one more way of having none, which orders are not
// asked with again.
const emptyKey = "an empty key"

// wrongKeys are the Authorization headers that must not open anything.
func (e *Exam) wrongKeys() []struct{ what, header string } {
	key := e.options.Key
	list := []struct{ what, header string }{
		{"no key", "-"}, {"a wrong key", "Bearer weir-verify-wrong-key"}, {emptyKey, "Bearer "},
	}
	if len(key) > 1 {
		list = append(list, struct{ what, header string }{"a key that was cut", "Bearer " + key[:len(key)-1]})
	}
	return list
}

// guarded are the routes that need the key. The orders are empty: a service that
// took one would refuse it for its form.
func guarded() []request {
	return []request{
		{path: wire.PathTransactions},
		{path: wire.PathAccounts},
		{path: wire.PathBeneficiaries},
		{path: balancesPath("weir-verify-no-account")},
		{method: http.MethodPost, path: wire.PathPayouts, body: []byte("{}")},
		{method: http.MethodPost, path: wire.PathTransfers, body: []byte("{}")},
	}
}

func balancesPath(account string) string {
	return strings.Replace(wire.PathBalances, "{accountId}", url.PathEscape(account), 1)
}

// absent are answers of a route that the service does not have.
func absent(status int) bool {
	return status == http.StatusNotFound || status == http.StatusMethodNotAllowed || status == http.StatusNotImplemented
}

func checkKeys(ctx context.Context, e *Exam) Verdict {
	var findings []Finding
	answered := 0
	for _, wrong := range e.wrongKeys() {
		for _, asked := range guarded() {
			if asked.method != "" && (e.options.Quick || wrong.what == emptyKey) {
				continue // A look never sends what could be taken for an order.
			}
			asked.auth = wrong.header
			a := e.client.do(ctx, asked)
			if a.err != nil || !e.reached() && !a.ok() && a.status != http.StatusUnauthorized {
				continue // What answers nobody shows nothing to anybody.
			}
			answered++
			isList := asked.method == "" && !strings.HasSuffix(asked.path, "/balances")
			if a.status == http.StatusUnauthorized || !isList && absent(a.status) {
				continue
			}
			findings = append(findings, Finding{
				Expected: "401 for " + wrong.what + " at " + asked.path, Got: a.describe(), Curl: e.client.curl(asked),
			})
		}
	}
	return judgeSome(answered, findings, "the service did not answer: "+e.unreached())
}

func checkRefusal(_ context.Context, e *Exam) Verdict {
	var findings []Finding
	judged := 0
	for _, a := range e.client.refusals {
		if a.status != http.StatusUnauthorized {
			continue
		}
		judged++
		leaked := ""
		for _, given := range append(e.wrongKeys(), struct{ what, header string }{"the key", "Bearer " + e.options.Key}) {
			if key := strings.TrimSpace(strings.TrimPrefix(given.header, "Bearer")); len(key) > 3 && shows(a, key) {
				leaked = "it repeats " + given.what
			}
		}
		if rows, err := wire.DecodeTransactions(a.body); err == nil && len(rows) > 0 {
			leaked = fmt.Sprintf("it shows %s", plural(len(rows), "row", "rows"))
		}
		if leaked != "" {
			findings = append(findings, Finding{Expected: "a 401 that tells nothing", Got: leaked, Curl: e.client.curl(a.asked)})
			break
		}
	}
	return judgeSome(judged, findings, "no request was answered with 401")
}

// shows reports whether a text stands anywhere in an answer.
func shows(a *answer, text string) bool {
	if bytes.Contains(a.body, []byte(text)) {
		return true
	}
	for _, values := range a.header {
		if slices.ContainsFunc(values, func(value string) bool { return strings.Contains(value, text) }) {
			return true
		}
	}
	return false
}

func checkBearer(ctx context.Context, e *Exam) Verdict {
	if e.reached() {
		return pass()
	}
	refused := e.crawls[transactions].failed
	if refused == nil || refused.err != nil || refused.status != http.StatusUnauthorized && refused.status != http.StatusForbidden {
		return unjudged("no list could be read: " + e.unreached())
	}
	// The key may be wrong, or it may be wanted in another place.
	for _, other := range []request{
		{auth: "-", header: http.Header{"X-Api-Key": {e.options.Key}}},
		{auth: e.options.Key},
		{auth: "Token " + e.options.Key},
		{auth: "ApiKey " + e.options.Key},
	} {
		other.path = wire.PathTransactions
		if e.client.do(ctx, other).ok() {
			return judge([]Finding{{
				Expected: "the key to be taken from \"Authorization: Bearer KEY\"",
				Got:      refused.describe() + "; the key is taken elsewhere", Curl: e.client.curl(other),
			}})
		}
	}
	return unjudged("the key was refused (" + refused.describe() + "): is it the right one, and may it read?")
}

func checkKeyStays(_ context.Context, e *Exam) Verdict {
	var findings []Finding
	u, err := url.Parse(e.options.Endpoint)
	if err == nil && u.Scheme == "http" && !isLoopback(u.Hostname()) && e.options.Transport == nil {
		findings = append(findings, Finding{Expected: "an endpoint with https", Got: "plain HTTP to " + u.Hostname() + ": the key travels in the clear"})
	}
	seen := 0
	for _, t := range e.client.troubles {
		if t.kind == troubleRedirect {
			if seen++; seen == 1 {
				findings = append(findings, Finding{
					Expected: "an answer", Got: t.answer.describe(), Curl: e.client.curl(t.answer.asked),
				})
			}
		}
	}
	if !e.reached() && len(findings) == 0 {
		return unjudged("no list could be read: " + e.unreached())
	}
	return judge(findings)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func checkUnknown(ctx context.Context, e *Exam) Verdict {
	if !e.reached() {
		return unjudged("no list could be read: " + e.unreached())
	}
	var findings []Finding
	judged := 0
	for _, asked := range []request{
		{path: "/weir-verify-no-such-path"},
		{path: wire.PathTransactions, method: http.MethodPut, body: []byte("{}")},
	} {
		a := e.client.probe(ctx, asked)
		if a.err != nil {
			continue
		}
		judged++
		if !absent(a.status) {
			what := "404 for a path that there is not"
			if asked.method != "" {
				what = "405 for a method that there is not"
			}
			findings = append(findings, Finding{Expected: what, Got: a.describe(), Curl: e.client.curl(asked)})
		}
	}
	return judgeSome(judged, findings, "the service did not answer")
}

func checkTransport(ctx context.Context, e *Exam) Verdict {
	c := e.lists()
	if len(c) == 0 {
		return unjudged(noRows)
	}
	const id = "weir-verify-4f2a"
	var findings []Finding
	asked := c[0].list.ask(window{page: 1, size: c[0].size})
	object := func(expected, got string) {
		findings = append(findings, Finding{Expected: expected, Got: got, Curl: e.client.curl(asked)})
	}
	asked.header = http.Header{"X-Request-Id": {id}, "Accept-Encoding": {"identity"}}
	plain := e.client.read(ctx, asked, nil)
	if !plain.ok() {
		return unjudged(plain.describe())
	}
	if kind := plain.header.Get("Content-Type"); !isJSON(kind) {
		object("Content-Type: application/json", fmt.Sprintf("Content-Type: %q", clip(kind, 80)))
	}
	if coding := plain.header.Get("Content-Encoding"); coding != "" && coding != "identity" {
		object("an answer without compression, as was asked", "Content-Encoding: "+clip(coding, 40))
	}
	if plain.header.Get("X-Request-Id") != id {
		object("X-Request-Id: "+id+", as it was sent", fmt.Sprintf("X-Request-Id: %q", clip(plain.header.Get("X-Request-Id"), 80)))
	}
	asked.header = http.Header{"Accept-Encoding": {"gzip"}}
	packed := e.client.read(ctx, asked, nil)
	if packed.ok() && packed.header.Get("Content-Encoding") == "gzip" {
		if _, err := unpack(packed.body); err != nil {
			object("an answer that is compressed as it says", "it can't be unpacked: "+err.Error())
		}
	}
	return judge(findings)
}

func isJSON(kind string) bool {
	kind, _, _ = strings.Cut(strings.ToLower(kind), ";")
	kind = strings.TrimSpace(kind)
	return kind == "application/json" || strings.HasSuffix(kind, "+json")
}

func unpack(body []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, wire.MaxBodyBytes))
}
