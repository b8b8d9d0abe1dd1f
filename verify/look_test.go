package verify_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir/verify"
)

func TestAQuickLookAsksLittle(t *testing.T) {
	s := newStall()
	report, bad := examine(t, s, func(o *verify.Options) { o.Quick = true })
	if len(bad) > 0 || !report.Passed || report.Requests > 60 {
		t.Errorf("%v, %s, %d requests", bad, report.Verdict, report.Requests)
	}
}

func TestAQuickLookTellsWhatAnEndpointIs(t *testing.T) {
	closed := newStall()
	closed.authorize = func(*http.Request) bool { return false }
	tests := map[string]struct {
		service http.Handler
		want    verify.LookState
	}{
		"an honest service":  {newStall(), verify.Sound},
		"a refused key":      {closed, verify.KeyRefused},
		"a page for people":  {http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html></html>") }), verify.Foreign},
		"another API":        {http.NotFoundHandler(), verify.Foreign},
		"a service in pains": {http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }), verify.Unreached},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(test.service)
			defer server.Close()
			began := time.Now()
			look, err := verify.QuickLook(t.Context(), verify.Options{Endpoint: server.URL, Key: key})
			if err != nil || look.State != test.want || look.Sentence == "" {
				t.Errorf("%s: %s, %v, want %s", look.State, look.Sentence, err, test.want)
			}
			if took := time.Since(began); took > 9*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
	if look, err := verify.QuickLook(t.Context(), verify.Options{Endpoint: silence(t), Key: key, Timeout: time.Second}); err != nil || look.State != verify.Unreached {
		t.Errorf("silence: %s, %v", look.State, err)
	}
}

func TestAQuickLookOnlyReads(t *testing.T) {
	s := newStall()
	var mu sync.Mutex
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		requests++
		mu.Unlock()
		if r.Method != http.MethodGet {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		s.ServeHTTP(w, r)
	}))
	defer server.Close()
	if look, err := verify.QuickLook(t.Context(), verify.Options{Endpoint: server.URL, Key: key}); err != nil || look.State != verify.Sound {
		t.Fatalf("%+v, %v", look, err)
	}
	if requests < 10 || requests > 60 {
		t.Errorf("%d requests", requests)
	}
}

func TestAQuickLookNamesTheListOfEachBreach(t *testing.T) {
	s := newStall()
	row70("amount", "1.5")(s)
	s.accounts[0]["createdAt"] = "2024-01-31 12:00:00"
	server := httptest.NewServer(s)
	defer server.Close()
	look, err := verify.QuickLook(t.Context(), verify.Options{Endpoint: server.URL, Key: key})
	if err != nil || look.State != verify.Sound {
		t.Fatalf("%+v, %v", look, err)
	}
	lists := map[string]string{}
	for _, b := range look.Breaches {
		lists[b.Check+" "+b.List] = b.Text
	}
	if text := lists["G1 transactions"]; !strings.Contains(text, `Expected an amount such as "1250", got "1.5" (1 row, the first transactions t0070)`) {
		t.Errorf("G1 says %q; %v", text, look.Breaches)
	}
	if text := lists["E1 accounts"]; text == "" || !strings.Contains(look.Sentence, "E1") {
		t.Errorf("%s: %v", look.Sentence, look.Breaches)
	}
}

func TestAQuickLookFollowsARedirectWithinItsHostOnly(t *testing.T) {
	service := httptest.NewServer(http.StripPrefix("/new", newStall()))
	defer service.Close()
	moved := func(to string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, to+r.URL.RequestURI(), http.StatusTemporaryRedirect)
		})
	}
	mux := http.NewServeMux()
	mux.Handle("/new/", http.StripPrefix("/new", newStall()))
	mux.Handle("/", moved("/new"))
	home := httptest.NewServer(mux)
	defer home.Close()
	away := httptest.NewServer(moved(service.URL + "/new"))
	defer away.Close()
	if look, err := verify.QuickLook(t.Context(), verify.Options{Endpoint: home.URL, Key: key}); err != nil || look.State != verify.Sound {
		t.Errorf("at home: %+v, %v", look, err)
	}
	look, err := verify.QuickLook(t.Context(), verify.Options{Endpoint: away.URL, Key: key})
	if err != nil || look.State != verify.Foreign || !strings.Contains(look.Sentence, "a redirect to "+service.URL) {
		t.Errorf("elsewhere: %+v, %v", look, err)
	}
}

func TestAnAnswerThatBreaksOffIsNoForeignService(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		fmt.Fprint(w, `[{"id":`)
	}))
	defer server.Close()
	look, err := verify.QuickLook(t.Context(), verify.Options{Endpoint: server.URL, Key: key})
	if err != nil || look.State != verify.Unreached {
		t.Errorf("%+v, %v", look, err)
	}
}
