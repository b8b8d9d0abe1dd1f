package psphttp

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2/clientcredentials"
)

// provider answers without a network, so that time can be the test's own.
type provider func(attempt int, request *http.Request) (*http.Response, error)

type fakeTransport struct {
	mu       sync.Mutex
	attempts int
	answer   provider
}

func (f *fakeTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	f.mu.Lock()
	f.attempts++
	attempt := f.attempts
	f.mu.Unlock()
	return f.answer(attempt, request)
}

func answer(status int, body string, headers ...string) *http.Response {
	header := http.Header{}
	for i := 0; i < len(headers); i += 2 {
		header.Set(headers[i], headers[i+1])
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body))}
}

// send sends a request through a client of the options to the provider.
func send(t *testing.T, options Options, p provider, method, body string, headers ...string) (*http.Response, *fakeTransport, error) {
	t.Helper()
	fake := &fakeTransport{answer: p}
	options.Transport = fake
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	request, err := http.NewRequestWithContext(t.Context(), method, "https://psp.example/v1/things?api_key=hidden", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := New(options).Do(request)
	if err == nil {
		_ = response.Body.Close()
	}
	return response, fake, err
}

func TestOnlyWhatIsSafeIsSentAgain(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	reset := &net.OpError{Op: "read", Err: errors.New("connection reset")}
	for _, c := range []struct {
		name, method, key string
		status            int
		err               error
		attempts          int
		notSent           bool
	}{
		{"a read that failed", "GET", "", 503, nil, 4, false},
		{"a read that broke off", "GET", "", 0, reset, 4, false},
		{"a read that found nothing", "GET", "", 404, nil, 1, false},
		{"an order that failed", "POST", "", 503, nil, 1, false},
		{"an order that came too fast", "POST", "", 429, nil, 1, false},
		{"an order that broke off", "POST", "", 0, reset, 1, false},
		{"an order with a key that failed", "POST", "k", 500, nil, 4, false},
		{"an order with a key that broke off", "POST", "k", 0, reset, 4, false},
		{"an order that was refused", "POST", "k", 422, nil, 1, false},
		{"an order that did not leave", "POST", "", 0, refused, 4, true},
		{"a replacement", "PUT", "", 502, nil, 4, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			response, fake, err := send(t, Options{}, func(_ int, request *http.Request) (*http.Response, error) {
				if body, _ := io.ReadAll(request.Body); string(body) != "body" {
					t.Errorf("%s: the body is %q", c.name, body)
				}
				if c.err != nil {
					return nil, c.err
				}
				return answer(c.status, ""), nil
			}, c.method, "body", "Idempotency-Key", c.key)
			if fake.attempts != c.attempts || NotSent(err) != c.notSent || (err != nil) != (c.err != nil) || err == nil && response.StatusCode != c.status {
				t.Errorf("%s: %d attempts, %v", c.name, fake.attempts, err)
			}
		})
	}
}

func TestAnErrorAfterSomethingHasLeftIsNotNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, fake, err := send(t, Options{}, func(attempt int, _ *http.Request) (*http.Response, error) {
			if attempt == 1 {
				return nil, errors.New("connection reset")
			}
			return nil, &net.OpError{Op: "dial", Err: errors.New("connection refused")}
		}, http.MethodPost, "x", "Idempotency-Key", "k")
		if err == nil || NotSent(err) || fake.attempts != attemptsDefault {
			t.Error(err, fake.attempts)
		}
	})
}

func TestTheProviderSaysWhenToComeAgain(t *testing.T) {
	for form, header := range map[string]func() string{
		"seconds": func() string { return "7" },
		"date":    func() string { return time.Now().Add(7 * time.Second).UTC().Format(http.TimeFormat) },
	} {
		synctest.Test(t, func(t *testing.T) {
			begun := time.Now()
			response, fake, err := send(t, Options{}, func(attempt int, _ *http.Request) (*http.Response, error) {
				if attempt == 1 {
					return answer(429, "", "Retry-After", header()), nil
				}
				return answer(200, "ok"), nil
			}, http.MethodGet, "")
			if took := time.Since(begun); err != nil || response.StatusCode != http.StatusOK || fake.attempts != 2 || took < 6*time.Second || took > 9*time.Second {
				t.Errorf("%s: %v after %s", form, err, took)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		response, _, err := send(t, Options{}, func(int, *http.Request) (*http.Response, error) {
			return answer(503, "", "Retry-After", "3600"), nil
		}, http.MethodGet, "")
		if err != nil || response.StatusCode != http.StatusServiceUnavailable || time.Since(begun) > time.Second {
			t.Errorf("an hour is waited for: %v", err)
		}
	})
}

func TestTheRateIsKeptByAllTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &fakeTransport{answer: func(int, *http.Request) (*http.Response, error) { return answer(200, ""), nil }}
		client := New(Options{PerSecond: 10, Burst: 5, Transport: fake, Logger: slog.New(slog.DiscardHandler)})
		begun := time.Now()
		var callers sync.WaitGroup
		for range 25 {
			callers.Go(func() {
				request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://psp.example/", nil)
				response, err := client.Do(request)
				if err != nil || response.StatusCode != http.StatusOK {
					t.Error(err)
					return
				}
				_ = response.Body.Close()
			})
		}
		callers.Wait()
		if took := time.Since(begun); took < 1900*time.Millisecond || took > 2100*time.Millisecond {
			t.Errorf("25 requests took %s at 10 a second with 5 at once", took)
		}
	})
}

func TestOneTokenIsAskedForAtATimeAndAnotherOneWhenItIsRefused(t *testing.T) {
	var given, refused atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			time.Sleep(10 * time.Millisecond)
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"access_token":"t%d","token_type":"Bearer","expires_in":3600}`, given.Add(1))
			return
		}
		if r.Header.Get("Authorization") == "Bearer t1" && refused.Load() > 0 {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer server.Close()
	client := New(Options{
		OAuth2: &clientcredentials.Config{ClientID: "id", ClientSecret: "secret", TokenURL: server.URL + "/token"},
		Logger: slog.New(slog.DiscardHandler),
	})
	call := func() {
		request, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/pay", strings.NewReader("x"))
		response, err := client.Do(request)
		if err != nil || response.StatusCode != http.StatusOK {
			t.Error(err)
			return
		}
		_ = response.Body.Close()
	}
	var callers sync.WaitGroup
	for range 20 {
		callers.Go(call)
	}
	callers.Wait()
	if given.Load() != 1 {
		t.Errorf("%d tokens for 20 requests", given.Load())
	}
	refused.Store(1)
	for range 20 {
		callers.Go(call)
	}
	callers.Wait()
	if given.Load() != 2 {
		t.Errorf("%d tokens after one was refused", given.Load())
	}
}

func TestEachAttemptIsSignedOverItsExactBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signatures := map[string]bool{}
		_, _, err := send(t, Options{Sign: SignHMAC("X-Signature", "X-Time", []byte("secret"))}, func(attempt int, r *http.Request) (*http.Response, error) {
			signatures[r.Header.Get("X-Signature")] = true
			if attempt < 3 {
				time.Sleep(time.Second)
				return answer(503, ""), nil
			}
			return answer(200, ""), nil
		}, http.MethodPut, "body")
		if err != nil || len(signatures) != 3 || signatures[""] {
			t.Error(signatures, err)
		}
	})
}

func TestTheLogHoldsNoSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: Redact}))
		_, _, err := send(t, Options{Logger: logger}, func(attempt int, _ *http.Request) (*http.Response, error) {
			if attempt == 1 {
				return answer(503, ""), nil
			}
			return answer(200, ""), nil
		}, http.MethodGet, "", "Authorization", "Bearer hidden")
		if err != nil {
			t.Fatal(err)
		}
		logger.Info("own", "headers", http.Header{"X-Api-Key": {"hidden"}, "Accept": {"seen"}}, "access_token", "hidden",
			"url", &url.URL{Scheme: "https", User: url.UserPassword("me", "hidden"), Host: "psp.example", RawQuery: "sig=hidden&page=2"})
		text := log.String()
		if strings.Contains(text, "hidden") || !strings.Contains(text, "page=2") || !strings.Contains(text, "seen") || strings.Count(text, "msg=provider") != 2 {
			t.Error(text)
		}
	})
}

func TestATokenIsNotTakenToAnotherHost(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("another host was asked, with %q", r.Header.Get("Authorization"))
	}))
	defer other.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	}))
	defer server.Close()
	client := New(Options{Logger: slog.New(slog.DiscardHandler)})
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		request, _ := http.NewRequestWithContext(t.Context(), method, server.URL, strings.NewReader("x"))
		request.Header.Set("Authorization", "Bearer secret")
		response, err := client.Do(request)
		if err != nil || response.StatusCode != http.StatusTemporaryRedirect {
			t.Error(err)
			continue
		}
		_ = response.Body.Close()
	}
}

func TestTheClientShowsItsCertificate(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) != 1 {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	for _, certificates := range [][]tls.Certificate{nil, server.TLS.Certificates} {
		client := New(Options{RootCAs: roots, Certificates: certificates, Attempts: 1, Logger: slog.New(slog.DiscardHandler)})
		request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		response, err := client.Do(request)
		if (err == nil) != (certificates != nil) {
			t.Errorf("%d certificates: %v", len(certificates), err)
		}
		if err == nil {
			_ = response.Body.Close()
		}
	}
}
