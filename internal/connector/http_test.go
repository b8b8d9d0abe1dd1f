package connector

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/wire"
)

const emptyList = "[]"

func TestEveryCallCarriesTheKeyAndSaysWhoCalls(t *testing.T) {
	seen := make(chan http.Header, 10)
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Header
		fmt.Fprint(w, emptyList)
	})
	client := connect(server.URL, Options{Version: "1.2.3"})
	if err := client.Read(t.Context(), hub.Stream{ID: transactions}, newMemory(hub.Transactions)); err != nil {
		t.Fatal(err)
	}
	_, _ = client.get(t.Context(), balancesPath("a"))
	close(seen)
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	ids := make(map[string]bool)
	for h := range seen {
		if got := h.Get("Authorization"); got != "Bearer "+testKey {
			t.Errorf("Authorization: %q", got)
		}
		if got := h.Get("User-Agent"); got != "weir/1.2.3" {
			t.Errorf("User-Agent: %q", got)
		}
		if got := h.Get("X-Request-Id"); !uuid.MatchString(got) || ids[got] {
			t.Errorf("X-Request-Id: %q, want one of its own", got)
		}
		ids[h.Get("X-Request-Id")] = true
	}
	if len(ids) != 3 {
		t.Errorf("%d calls, want those of capabilities, transactions and balances", len(ids))
	}
}

func TestTheEndpointMayEndWithASlashAndHaveAPrefix(t *testing.T) {
	paths := make(chan string, 1)
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		paths <- r.URL.Path
		fmt.Fprint(w, emptyList)
	})
	for suffix, want := range map[string]string{
		"": "/transactions", "/": "/transactions", "/psp/v1": "/psp/v1/transactions", "/psp/v1//": "/psp/v1/transactions",
	} {
		if _, err := connect(server.URL+suffix, Options{}).fetch(t.Context(), transactions, wire.ListQuery{Page: 1, PageSize: 100}); err != nil {
			t.Fatal(err)
		}
		if got := <-paths; got != want {
			t.Errorf("endpoint %q: asked %s, want %s", suffix, got, want)
		}
	}
}

func TestIdentifiersStayOneSegmentOfThePath(t *testing.T) {
	paths := make(chan string, 1)
	server := serve(t, func(_ http.ResponseWriter, r *http.Request) { paths <- r.RequestURI })
	for id, want := range map[string]string{
		"plain": "plain", "a/b": "a%2Fb", "a?b=c": "a%3Fb=c", "a#b": "a%23b", "100%": "100%25", "%2F": "%252F",
		"..": "%2E%2E", ".": "%2E", "../../x": "..%2F..%2Fx", "konto ü": "konto%20%C3%BC", "a;b": "a%3Bb", "a\r\nX: y": "a%0D%0AX:%20y",
	} {
		if _, err := connect(server.URL, Options{}).get(t.Context(), balancesPath(id)); err != nil {
			t.Fatal(err)
		}
		if got := <-paths; got != "/accounts/"+want+"/balances" {
			t.Errorf("account %q: asked %s, want %s", id, got, want)
		}
	}
}

func TestARedirectWithinTheHostIsFollowedWithTheKey(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/transactions":
			http.Redirect(w, r, "/moved?"+r.URL.RawQuery, http.StatusTemporaryRedirect)
		case r.Header.Get("Authorization") != "Bearer "+testKey || r.URL.Query().Get("pageSize") != "7":
			t.Errorf("after the redirect: %s with %q", r.URL, r.Header.Get("Authorization"))
		default:
			fmt.Fprint(w, emptyList)
		}
	})
	if _, err := connect(server.URL, Options{}).fetch(t.Context(), transactions, wire.ListQuery{Page: 1, PageSize: 7}); err != nil {
		t.Error(err)
	}
}

func TestTheKeyNeverLeavesTheHostOfTheEndpoint(t *testing.T) {
	var caught atomic.Int32
	thief := serve(t, func(_ http.ResponseWriter, _ *http.Request) { caught.Add(1) })
	var status atomic.Int32
	var target atomic.Value
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, target.Load().(string), int(status.Load()))
	})
	secure := httptest.NewTLSServer(server.Config.Handler)
	defer secure.Close()
	places := []struct{ from, to string }{
		{server.URL, thief.URL + "/transactions"},
		{server.URL, thief.URL + "/?key=" + testKey},
		{server.URL, "//" + strings.TrimPrefix(thief.URL, "http://") + "/x"},
		{server.URL, strings.Replace(thief.URL, "127.0.0.1", "localhost", 1)},
		{secure.URL, strings.Replace(secure.URL, "https:", "http:", 1)},
	}
	for _, place := range places {
		for _, code := range []int{301, 302, 303, 307, 308} {
			target.Store(place.to)
			status.Store(int32(code))
			client := connect(place.from, Options{Transport: secure.Client().Transport})
			_, err := client.getOnce(t.Context(), wire.PathTransactions)
			mustBe(t, err, hub.CodeRedirected, "the API key is not sent there")
		}
	}
	if caught.Load() != 0 {
		t.Errorf("the other host was called %d times", caught.Load())
	}
}

func TestARedirectThatGoesRoundOrNowhereIsASentence(t *testing.T) {
	calls := 0
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if calls++; r.URL.Path == "/accounts" {
			w.WriteHeader(http.StatusFound)
			return
		}
		http.Redirect(w, r, r.URL.String(), http.StatusFound)
	})
	_, err := connect(server.URL, Options{}).getOnce(t.Context(), wire.PathTransactions)
	mustBe(t, err, hub.CodeRedirected, "times in a row")
	if want := redirectsMax + 1; calls != want {
		t.Errorf("%d calls, want %d", calls, want)
	}
	_, err = connect(server.URL, Options{}).get(t.Context(), wire.PathAccounts)
	mustBe(t, err, hub.CodeRedirected, "status 302")
}

func TestAStatusBecomesACodeWithTheServicesOwnWords(t *testing.T) {
	codes := map[int]hub.Code{
		302: hub.CodeRedirected, 304: hub.CodeRedirected, 400: hub.CodeServiceRefused, 401: hub.CodeKeyRefused, 403: hub.CodeKeyRefused,
		404: hub.CodeServiceRefused, 408: hub.CodeServiceFailed, 422: hub.CodeServiceRefused, 425: hub.CodeServiceFailed,
		429: hub.CodeRateLimited, 500: hub.CodeServiceFailed, 502: hub.CodeServiceFailed, 503: hub.CodeServiceFailed,
	}
	for status, code := range codes {
		synctest.Test(t, func(t *testing.T) {
			client := overPipes(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(status)
				fmt.Fprintf(w, `{"Title":"No luck","Detail":"ask \"Eve\", your key is %s"}`, testKey)
			})
			_, err := client.get(t.Context(), wire.PathTransactions)
			mustBe(t, err, code, fmt.Sprintf("status %d", status))
			if code != hub.CodeRedirected {
				mustBe(t, err, code, `No luck: ask \"Eve\", your key is ***`)
			}
		})
	}
}

func TestAnErrorBodyOfAnyKindIsASentence(t *testing.T) {
	for name, body := range map[string]string{
		"empty": "", "HTML": "<html><h1>502</h1></html>", "list": "[1]", "long": `{"Title":"` + strings.Repeat("ü", 5000) + `"}`,
		"large": `{"Title":"` + strings.Repeat("x", 1<<20), "control": `{"Title":"a\u0000\u001b[31m\nb"}`, "blank": `{"Title":" ","Detail":""}`,
	} {
		synctest.Test(t, func(t *testing.T) {
			client := overPipes(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusTeapot)
				fmt.Fprint(w, body)
			})
			_, err := client.get(t.Context(), wire.PathTransactions)
			mustBe(t, err, hub.CodeServiceRefused, "the service refused the request (status 418)")
			if text := err.Error(); len(text) > 2*detailBytesMax || strings.ContainsAny(text, "\x00\x1b\n") || strings.HasSuffix(text, `""`) {
				t.Errorf("%s: %s", name, text)
			}
		})
	}
}

func TestWhatMaySucceedAMomentLaterIsTriedAgain(t *testing.T) {
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				client := overPipes(t, func(w http.ResponseWriter, r *http.Request) {
					if calls++; calls < 3 {
						fault(w, r)
						return
					}
					fmt.Fprint(w, emptyList)
				})
				body, err := client.get(t.Context(), wire.PathTransactions)
				if err != nil || string(body) != emptyList || calls != 3 {
					t.Errorf("%d calls: %q, %v", calls, body, err)
				}
			})
		})
	}
}

func TestWhatGoesOnFailingIsASentenceAfterAFewTries(t *testing.T) {
	codes := map[string]hub.Code{"hangs up": hub.CodeUnreachable, "slow headers": hub.CodeTimeout, "slow body": hub.CodeTimeout}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var calls atomic.Int32
				client := overPipes(t, func(w http.ResponseWriter, r *http.Request) {
					calls.Add(1)
					fault(w, r)
				})
				begun := time.Now()
				_, err := client.get(t.Context(), wire.PathTransactions)
				code, ok := codes[name]
				if !ok {
					code = hub.CodeServiceFailed
				}
				mustBe(t, err, code, "the service")
				t.Log(err)
				if calls.Load() != attempts {
					t.Errorf("%d calls, want %d", calls.Load(), attempts)
				}
				if took := time.Since(begun); took > attempts*(callTimeout+time.Second) {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}

// faults are the ways of an answer to go wrong that may be gone a moment later.
var faults = map[string]http.HandlerFunc{
	"fails":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
	"hangs up": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	"cut after the headers": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	},
	"cut in the body": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "[")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	},
	"cut between chunks": func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "[")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	},
	"slow headers": func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-time.After(2 * headerTimeout):
		}
	},
	"slow body": func(w http.ResponseWriter, r *http.Request) {
		for range 2 * callTimeout / time.Second {
			if _, err := w.Write([]byte(" ")); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
				return
			case <-time.After(time.Second):
			}
		}
	},
}

func TestARefusedAndAResetConnectionAreTriedAgain(t *testing.T) {
	var calls atomic.Int32
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) == 1 {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_ = conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
			return
		}
		fmt.Fprint(w, emptyList)
	})
	if _, err := connect(server.URL, Options{}).get(t.Context(), wire.PathTransactions); err != nil || calls.Load() != 2 {
		t.Errorf("%d calls: %v", calls.Load(), err)
	}
	server.Close()
	_, err := connect(server.URL, Options{}).get(t.Context(), wire.PathTransactions)
	mustBe(t, err, hub.CodeUnreachable, server.URL, "refused")
}

func TestWhatCanNotSucceedIsNotTriedAgain(t *testing.T) {
	for _, status := range []int{400, 401, 403, 404} {
		calls := 0
		server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			calls++
			w.WriteHeader(status)
		})
		if _, err := connect(server.URL, Options{}).get(t.Context(), wire.PathTransactions); err == nil || calls != 1 {
			t.Errorf("status %d: %d calls, %v", status, calls, err)
		}
	}
}

func TestAShortRetryAfterIsWaitedForAndALongOneEndsTheRead(t *testing.T) {
	for name, test := range map[string]struct {
		header func(now time.Time) string
		waits  time.Duration // in place; 0: the read ends
		after  time.Duration // what RetryAfter tells then
	}{
		"seconds":       {func(time.Time) string { return "3" }, 3 * time.Second, 0},
		"date":          {func(now time.Time) string { return now.Add(4 * time.Second).UTC().Format(http.TimeFormat) }, 4 * time.Second, 0},
		"long":          {func(time.Time) string { return "120" }, 0, 2 * time.Minute},
		"long date":     {func(now time.Time) string { return now.Add(time.Hour).UTC().Format(http.TimeFormat) }, 0, time.Hour},
		"for ever":      {func(time.Time) string { return "99999999999999" }, 0, 24 * time.Hour},
		"far away":      {func(time.Time) string { return "Fri, 31 Dec 9999 23:59:59 GMT" }, 0, 24 * time.Hour},
		"past":          {func(time.Time) string { return "Sun, 06 Nov 1994 08:49:37 GMT" }, retryDelay / 2, 0},
		"nonsense":      {func(time.Time) string { return "soon" }, retryDelay / 2, 0},
		"below nothing": {func(time.Time) string { return "-5" }, retryDelay / 2, 0},
	} {
		for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
			t.Run(fmt.Sprintf("%s, %d", name, status), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					calls := 0
					client := overPipes(t, func(w http.ResponseWriter, _ *http.Request) {
						if calls++; calls == 1 {
							w.Header().Set("Retry-After", test.header(time.Now()))
							w.WriteHeader(status)
							return
						}
						fmt.Fprint(w, emptyList)
					})
					begun := time.Now()
					err := client.Read(t.Context(), hub.Stream{ID: transactions}, newMemory(hub.Transactions))
					if waited := time.Since(begun); waited < test.waits || waited > test.waits+retryDelay*3/2 {
						t.Errorf("waited %s, want %s", waited, test.waits)
					}
					if got := RetryAfter(err); got != test.after || (err != nil) != (test.after > 0) {
						t.Errorf("retry after %s, want %s: %v", got, test.after, err)
					}
				})
			})
		}
	}
}

func TestAServiceThatEchoesTheKeyDoesNotGetItIntoAnError(t *testing.T) {
	long := strings.Repeat("long-", 20)
	for _, key := range []string{testKey, "with/slash+and=more&such", testKey + long} {
		for name, answer := range map[string]string{
			"an answer that is not HTTP": key + "\r\n\r\n",
			"a status that is none":      "HTTP/1.1 " + key + "\r\n\r\n",
			"a header that is none":      "HTTP/1.1 200 OK\r\n" + key + "\r\n\r\n",
			"a redirect to nowhere":      "HTTP/1.1 302 Found\r\nLocation: ://" + key + "\r\n\r\n",
			"a redirect elsewhere":       "HTTP/1.1 302 Found\r\nLocation: https://x.example/" + url.PathEscape(key) + "?k=" + url.QueryEscape(key) + "\r\n\r\n",
			"an error body":              "HTTP/1.1 400 Bad\r\nConnection: close\r\n\r\n{\"Title\":\"" + key + "\"}",
			"a string":                   "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n\"" + key + "\"",
			"no JSON":                    "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + key,
			"an object":                  "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"" + key + "\":1}",
			"more than a list":           "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n[]" + key,
		} {
			synctest.Test(t, func(t *testing.T) {
				client := overPipes(t, func(w http.ResponseWriter, _ *http.Request) {
					conn, _, err := w.(http.Hijacker).Hijack()
					if err != nil {
						t.Error(err)
						return
					}
					fmt.Fprint(conn, answer)
					conn.Close()
				})
				client.config.APIKey = hub.NewSecret(key)
				_, err := client.fetch(t.Context(), transactions, wire.ListQuery{Page: 1, PageSize: 100})
				if err == nil {
					t.Fatalf("%s: no error", name)
				}
				for _, form := range []string{key[:keyPartMin], url.QueryEscape(key)[:keyPartMin], url.PathEscape(key)[:keyPartMin]} {
					if strings.Contains(err.Error(), form) {
						t.Errorf("%s: %v", name, err)
					}
				}
			})
		}
	}
}
