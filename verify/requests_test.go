package verify_test

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/weirhq/weir/verify"
	"github.com/weirhq/weir/wire"
)

// watcher validates each request against the contract's document before it goes on.
type watcher struct {
	document *openapi3.T
	mu       sync.Mutex
	valid    int
	broken   map[string]int
}

func (w *watcher) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	if why := w.objection(r, body); why != "" {
		w.mu.Lock()
		w.broken[why]++
		w.mu.Unlock()
	} else {
		w.mu.Lock()
		w.valid++
		w.mu.Unlock()
	}
	return http.DefaultTransport.RoundTrip(r)
}

func (w *watcher) objection(r *http.Request, body []byte) string {
	path, parameters := r.URL.Path, map[string]string{}
	if id, ok := strings.CutSuffix(strings.TrimPrefix(path, "/accounts/"), "/balances"); ok {
		path, parameters["accountId"] = wire.PathBalances, id
	}
	item := w.document.Paths.Value(path)
	if item == nil || item.GetOperation(r.Method) == nil {
		return r.Method + " " + path
	}
	copied := r.Clone(r.Context())
	copied.Body = io.NopCloser(bytes.NewReader(body))
	err := openapi3filter.ValidateRequest(r.Context(), &openapi3filter.RequestValidationInput{
		Request: copied, PathParams: parameters, QueryParams: r.URL.Query(),
		Route:   &routers.Route{Spec: w.document, Path: path, PathItem: item, Method: r.Method, Operation: item.GetOperation(r.Method)},
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
	})
	if err == nil {
		return ""
	}
	query, _ := url.QueryUnescape(r.URL.RawQuery)
	return r.Method + " " + path + "?" + query + " " + string(body)
}

// What is sent is as the contract's document says, but for what is wrong on
// purpose: nonsense in a query, and orders that are no orders.
func TestEveryRequestIsValidUnlessItIsToBeRefused(t *testing.T) {
	document, err := openapi3.NewLoader().LoadFromData(wire.OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	w := &watcher{document: document, broken: map[string]int{}}
	s := newStall()
	_, bad := examine(t, s, func(o *verify.Options) {
		o.Transport = w
		writes(s, o)
	})
	if len(bad) > 0 {
		t.Errorf("%v did not pass", bad)
	}
	meant := []string{
		"page=0", "page=-1", "page=abc", "pageSize=0", "pageSize=-1", "pageSize=abc", "From=yesterday", "no-such-path", "PUT ", "POST /payouts? {}", "POST /transfers? {}",
	}
	for request := range w.broken {
		found := false
		for _, part := range meant {
			found = found || strings.Contains(request, part)
		}
		if !found {
			t.Errorf("not valid: %s", request)
		}
	}
	if w.valid < 100 || len(w.broken) < len(meant) {
		t.Errorf("%d requests were valid, and %d kinds were not", w.valid, len(w.broken))
	}
}
