package main

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/simulator"
)

// spoiled is a service behind a proxy that changes what it answers.
func spoiled(t *testing.T, endpoint string, spoil func(path string, body []byte) []byte) string {
	t.Helper()
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		(&httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(target)
			p.Out.Header.Set("Accept-Encoding", "identity")
		}}).ServeHTTP(answer, r)
		body := spoil(r.URL.Path, answer.Body.Bytes())
		w.Header().Set("Content-Type", answer.Header().Get("Content-Type"))
		w.WriteHeader(answer.Code)
		_, _ = w.Write(body)
	}))
	t.Cleanup(proxy.Close)
	return proxy.URL
}

func TestConnectTellsWhatALookFoundAndStatusGoesOnShowingIt(t *testing.T) {
	t.Parallel()
	c := startCore(t, t.TempDir())
	_, service := startService(t, simulator.Options{Accounts: 2, Transactions: 40, Seed: 3})
	endpoint := spoiled(t, service.Endpoint, func(path string, body []byte) []byte {
		if strings.HasSuffix(path, "/transactions") {
			return bytes.ReplaceAll(body, []byte(`"currency":"EUR/2"`), []byte(`"currency":"EUR"`))
		}
		return body
	})
	o := c.weir("connect", "acme", endpoint, "--api-key-file", writeFile(t, "key", service.APIKey))
	if o.status != 0 {
		t.Fatalf("%+v", o)
	}
	status := c.weir("status")
	for what, text := range map[string]string{"connect": o.stdout, "status": status.stdout} {
		flat := strings.Join(strings.Fields(text), " ")
		if !strings.Contains(flat, `does not hold: "Currencies have the decimals of ISO 4217" (G4)`) {
			t.Errorf("%s does not tell:\n%s", what, text)
		}
	}
	if flat := strings.Join(strings.Fields(o.stdout), " "); !strings.Contains(flat, "A first look at the service: it answers as an integration service, and does not keep") {
		t.Errorf("connect says:\n%s", o.stdout)
	}
}

func TestWhatIsForcedStaysWhateverTheServiceSays(t *testing.T) {
	t.Parallel()
	c := startCore(t, t.TempDir())
	_, service := startService(t, simulator.Options{Accounts: 1})
	wrong := writeFile(t, "key", "wrong")
	o := c.weir("connect", "acme", service.Endpoint, "--api-key-file", wrong, "--force")
	if o.status != 1 || !strings.Contains(o.stdout, "stays installed") || !strings.Contains(o.stdout, "refuses the key: status 401") {
		t.Errorf("connect: %+v", o)
	}
	right := writeFile(t, "right", service.APIKey)
	c.weir("configure", "acme", "--api-key-file", writeFile(t, "other", "wrong-too")).wantRefusal(t, "was not changed", "refuses the key", "--force")
	if o := c.weir("configure", "acme", "--api-key-file", right); o.status != 0 {
		t.Errorf("the right key: %+v", o)
	}
	if o := c.weir("configure", "acme", "--api-key-file", wrong, "--force"); o.status != 0 {
		t.Errorf("a wrong key by force: %+v", o)
	}
}

func TestALookAtATroubledServiceEndsSoonAndLetsItIn(t *testing.T) {
	t.Parallel()
	c := startCore(t, t.TempDir())
	release := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(silent.Close)
	t.Cleanup(func() { close(release) })
	unknown := httptest.NewUnstartedServer(http.NotFoundHandler())
	unknown.Config.ErrorLog = log.New(io.Discard, "", 0) // it says of each handshake that it failed
	unknown.StartTLS()
	t.Cleanup(unknown.Close)
	key := writeFile(t, "key", "k")
	for name, test := range map[string]struct{ endpoint, want string }{
		"silence":                            {silent.URL, "no answer came in time"},
		"a certificate of an unknown issuer": {unknown.URL, "the certificate of the service is from an issuer that this machine does not know"},
	} {
		began := time.Now()
		o := c.weir("connect", name, test.endpoint, "--api-key-file", key, "--no-watch")
		if flat := strings.Join(strings.Fields(o.stdout), " "); o.status != 0 || !strings.Contains(flat, "the service could not be reached: "+test.want) {
			t.Errorf("%s: %+v", name, o)
		}
		if took := time.Since(began); took > 15*time.Second {
			t.Errorf("%s: it took %s", name, took)
		}
	}
}
