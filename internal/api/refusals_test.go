package api_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/hub"
)

func broken(context.Context) error { return errors.New("the disk is full") }

func TestIdentifiersThatAreNoneAreRefused(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	h.install(connectorX, "acme")
	unknown := hub.ConnectorID{Provider: "generic", Reference: "00000000-0000-4000-8000-000000000000"}.String()
	id := connectorX.String()
	padded := id + "%3D%3D"
	empty := "e30" // {}
	long := strings.Repeat("e", 10_000)
	for _, c := range []struct {
		method, target string
		status         int
		code, part     string
	}{
		{"GET", "/v3/connectors/nonsense/config", 400, "INVALID_ID", "connectorID"},
		{"GET", "/v3/connectors/" + padded + "/config", 400, "INVALID_ID", "connectorID"},
		{"GET", "/v3/connectors/" + empty + "/config", 404, "NOT_FOUND", ""},
		{"GET", "/v3/connectors/" + unknown + "/config", 404, "NOT_FOUND", ""},
		{"GET", "/v3/connectors/" + unknown + "/capabilities", 404, "NOT_FOUND", ""},
		{"GET", "/v3/connectors/" + unknown + "/streams", 404, "NOT_FOUND", ""},
		{"GET", "/v3/connectors/" + unknown + "/streams/accounts", 404, "NOT_FOUND", ""},
		{"GET", "/v3/connectors/" + unknown + "/streams/accounts/rejections", 404, "NOT_FOUND", ""},
		{"POST", "/v3/connectors/" + unknown + "/streams/accounts/poll", 404, "NOT_FOUND", ""},
		{"DELETE", "/v3/connectors/" + unknown, 404, "NOT_FOUND", ""},
		{"DELETE", "/v3/connectors/nonsense", 400, "INVALID_ID", "connectorID"},
		{"GET", "/v3/connectors/" + id + "/streams/payments", 404, "NOT_FOUND", "accounts, balances, beneficiaries and transactions"},
		{"GET", "/v3/connectors/" + id + "/streams/accounts/rejections/x", 400, "INVALID_ID", "rejection"},
		{"GET", "/v3/connectors/" + id + "/streams/accounts/rejections/1", 404, "NOT_FOUND", ""},
		{"GET", "/v3/connectors/" + id + "/streams/accounts/rejections?open=perhaps", 400, "VALIDATION", "invalid 'open' query param"},
		{"GET", "/v3/accounts/nonsense", 400, "INVALID_ID", "accountID"},
		{"GET", "/v3/accounts/" + long, 400, "INVALID_ID", "accountID"},
		{"GET", "/v3/accounts/" + empty, 404, "NOT_FOUND", ""},
		{"GET", "/v3/accounts/bnVsbA", 404, "NOT_FOUND", ""}, // null
		{"GET", "/v3/accounts/" + hub.AccountID{Connector: connectorX, Reference: "a\x00b"}.String(), 404, "NOT_FOUND", ""},
		{"GET", "/v3/accounts/" + hub.AccountID{Connector: connectorX, Reference: long}.String(), 404, "NOT_FOUND", ""},
		{"GET", "/v3/payments/nonsense", 400, "INVALID_ID", "paymentID"},
		{"GET", "/v3/payments/" + id, 404, "NOT_FOUND", ""},
	} {
		a := h.request(c.method, c.target, "")
		a.refused(c.status, c.code, c.part)
		if len(a.body) > 1000 {
			t.Errorf("%s %.40s: the refusal has %d bytes", c.method, c.target, len(a.body))
		}
	}
}

func TestRejectionOfAnotherStreamIsNotFound(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	furnish(h)
	h.get("/v3/connectors/"+connectorX.String()+"/streams/accounts/rejections/1").
		refused(http.StatusNotFound, "NOT_FOUND", "has no rejection 1")
}

func TestKeysOpenTheAPIAndNothingElseDoes(t *testing.T) {
	t.Parallel()
	h := open(t, func(o *api.Options) {
		o.APIKeys = []hub.Secret{hub.NewSecret("first"), hub.NewSecret("second")}
	})
	for _, public := range []string{"/_info", "/_healthcheck", "/openapi.yaml"} {
		h.get(public).want(http.StatusOK)
	}
	for _, header := range []string{"", "first", "Basic first", "Bearer", "Bearer ", "Bearer firs", "Bearer first second", "Bearer third"} {
		for _, target := range []string{"/v3/payments", "/v3/nothing", "/"} {
			a := h.request(http.MethodGet, target, "", "Authorization", header).want(http.StatusUnauthorized)
			if len(a.body) != 0 || a.header.Get("Content-Type") != "application/json" {
				t.Errorf("%q: answered with %q as %q", header, a.body, a.header.Get("Content-Type"))
			}
		}
	}
	for _, header := range []string{"Bearer first", "Bearer second", "bearer second"} {
		h.request(http.MethodGet, "/v3/payments", "", "Authorization", header).want(http.StatusOK)
	}
}

func TestPagesOfOtherOriginsChangeNothing(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	h.install(connectorX, "acme")
	target := "/v3/connectors/" + connectorX.String() + "/streams/accounts/pause"
	h.request(http.MethodPost, target, "", "Origin", "https://evil.example.com").
		refused(http.StatusForbidden, "VALIDATION", "another origin")
	h.request(http.MethodPost, target, "", "Sec-Fetch-Site", "cross-site").
		refused(http.StatusForbidden, "VALIDATION", "another origin")
	h.request(http.MethodPost, target, "", "Sec-Fetch-Site", "same-origin").want(http.StatusOK)
	h.request(http.MethodGet, "/v3/payments", "", "Sec-Fetch-Site", "cross-site").want(http.StatusOK)
}

func TestLocalHubAnswersToItsOwnNamesOnly(t *testing.T) {
	t.Parallel()
	h := open(t, func(o *api.Options) { o.LocalOnly = true })
	for host, want := range map[string]int{
		"localhost:8080": 200, "LOCALHOST": 200, "weir.localhost:80": 200, "127.0.0.1:8080": 200, "127.9.9.9": 200, "[::1]:8080": 200, "[::1]": 200,
		"evil.example.com:8080": 403, "localhost.example.com": 403, "192.168.1.1:8080": 403, "": 403,
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v3/payments", http.NoBody)
		r.Host = host
		w := httptest.NewRecorder()
		h.handler.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%q: status %d, want %d", host, w.Code, want)
		}
	}
}

// brittle is a store whose lists break in one way or another.
type brittle struct {
	api.Store
	fail func()
}

func (b brittle) Payments(context.Context, hub.ListQuery) (hub.Page[hub.Payment], error) {
	b.fail()
	return hub.Page[hub.Payment]{}, errors.New("the disk is full, and the key is s3cret")
}

func TestFaultOfOursIsLoggedOnceAndNotExplained(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(){
		"an error": func() {},
		"a panic":  func() { panic("s3cret") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log strings.Builder
			h := open(t, func(o *api.Options) {
				o.Store = brittle{o.Store, fail}
				o.Logger = slog.New(slog.NewJSONHandler(&log, nil))
			})
			a := h.request(http.MethodGet, "/v3/payments", "", "X-Request-Id", "r-1")
			a.refused(http.StatusInternalServerError, "INTERNAL", "under request r-1")
			if strings.Contains(string(a.body), "s3cret") {
				t.Errorf("the answer explains itself: %s", a.body)
			}
			if a.header.Get("X-Request-Id") != "r-1" {
				t.Errorf("the request is named %q", a.header.Get("X-Request-Id"))
			}
			if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), `"request":"r-1"`) {
				t.Errorf("the log is %s", log.String())
			}
		})
	}
}

func TestClientThatLeftIsNoFault(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	h := open(t, func(o *api.Options) { o.Logger = slog.New(slog.NewJSONHandler(&log, nil)) })
	ctx, leave := context.WithCancel(t.Context())
	leave()
	h.handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/v3/payments", http.NoBody))
	if log.Len() != 0 {
		t.Errorf("the log is %s", log.String())
	}
}

func TestRequestIsNamedAnew(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	for _, given := range []string{"", "a b", strings.Repeat("x", 200), "naïve"} {
		if got := h.request(http.MethodGet, "/_info", "", "X-Request-Id", given).header.Get("X-Request-Id"); len(got) != 36 {
			t.Errorf("%q: the request is named %q", given, got)
		}
	}
}

func TestZeroOptionsHaveDefaults(t *testing.T) {
	t.Parallel()
	handler := api.New(api.Options{})
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/_info", http.NoBody))
	if want := `{"version":"develop","debug":false}` + "\n"; w.Body.String() != want {
		t.Errorf("got %s, want %s", w.Body, want)
	}
	if api.DefaultPollingPeriod != 30*time.Second {
		t.Errorf("the default period is %s", api.DefaultPollingPeriod)
	}
}
