package api_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/hub"
)

func TestWhatStandsBesideTheAPIAsksForItsKeyAndHasItsOwnForm(t *testing.T) {
	h := open(t, func(o *api.Options) {
		o.APIKeys = []hub.Secret{hub.NewSecret("open-sesame")}
		o.Also = map[string]http.Handler{"GET /beside/": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "<!doctype html><title>pages</title>")
		})}
	})
	ask := func(key string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, "/beside/page", http.NoBody)
		r.Header.Set("Authorization", "Bearer "+key)
		w := httptest.NewRecorder()
		h.handler.ServeHTTP(w, r)
		return w
	}
	if w := ask("wrong"); w.Code != http.StatusUnauthorized || w.Body.Len() != 0 {
		t.Errorf("without the key it answers %d, %q", w.Code, w.Body)
	}
	if w := ask("open-sesame"); w.Code != http.StatusOK || w.Result().Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("with the key it answers %d as %q", w.Code, w.Result().Header.Get("Content-Type"))
	}
}

func TestARequestTellsThePatternOfItsRouteAndNeverItsPath(t *testing.T) {
	var told []string
	h := open(t, func(o *api.Options) {
		o.Routed = func(_ context.Context, pattern string) { told = append(told, pattern) }
	})
	for _, target := range []string{"/v3/payments", "/v3/payments/abc", "/v3/payments/?cursor=x", "/nowhere/4111"} {
		h.handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "http://localhost"+target, http.NoBody))
	}
	want := []string{"GET /v3/payments", "GET /v3/payments/{paymentID}", "GET /v3/payments/{$}", ""}
	if !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}

func TestABrowserGivesTheKeyAsAPasswordBesideTheAPIAndNowhereElse(t *testing.T) {
	h := open(t, func(o *api.Options) {
		o.APIKeys = []hub.Secret{hub.NewSecret("open-sesame")}
		o.Also = map[string]http.Handler{"/beside/": http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	})
	tests := []struct {
		path, password string
		status         int
		challenge      string
	}{
		{"/beside/page", "open-sesame", http.StatusOK, ""},
		{"/beside/page", "wrong", http.StatusUnauthorized, "Basic"},
		{"/v3/payments", "open-sesame", http.StatusUnauthorized, "Bearer"},
	}
	for _, test := range tests {
		r := httptest.NewRequest(http.MethodGet, test.path, http.NoBody)
		r.SetBasicAuth("anybody", test.password)
		w := httptest.NewRecorder()
		h.handler.ServeHTTP(w, r)
		scheme, _, _ := strings.Cut(w.Result().Header.Get("WWW-Authenticate"), " ")
		if w.Code != test.status || scheme != test.challenge {
			t.Errorf("%s with %q: %d and %q, want %d and %q", test.path, test.password, w.Code, scheme, test.status, test.challenge)
		}
	}
}

func TestAProcessForOperatorsAloneHasNoData(t *testing.T) {
	h := open(t, func(o *api.Options) { o.OperatorsOnly = true })
	for path, want := range map[string]int{"/_healthcheck": http.StatusOK, "/_info": http.StatusOK, "/v3/payments": http.StatusNotFound, "/v3/connectors": http.StatusNotFound} {
		w := httptest.NewRecorder()
		h.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost"+path, http.NoBody))
		if w.Code != want {
			t.Errorf("%s answers %d, want %d", path, w.Code, want)
		}
	}
}
