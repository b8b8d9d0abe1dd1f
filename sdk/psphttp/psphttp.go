// Package psphttp makes an [http.Client] for the API of a payment service
// provider: one that keeps to the provider's rate, comes again when it is told
// to and when that is safe, brings tokens, signatures and certificates, and
// writes a log without secrets in it.
//
// It is an ordinary [http.Client], so client libraries of providers take it:
//
//	client := psphttp.New(psphttp.Options{
//		PerSecond: 20, Burst: 5,
//		OAuth2: &clientcredentials.Config{ClientID: id, ClientSecret: secret, TokenURL: url},
//	})
//
// # What is sent again
//
// A request is sent again after a broken connection, or a status that says to
// come later (408, 425, 429, 500, 502, 503, 504), only when doing it twice is
// doing it once: its method is idempotent, or it carries an idempotency key. Any
// request is sent again that has not left: the connection could not be made.
// [NotSent] tells such an error from one after which nobody knows, which is what
// package sdk/ledger has to know of an order.
//
// It does not read answers, and it has no circuit breaker: a source that fails
// is paused by who runs it.
package psphttp

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"golang.org/x/oauth2/clientcredentials"
	"golang.org/x/time/rate"
)

// What holds where the options say nothing.
const (
	attemptsDefault = 4
	timeoutDefault  = time.Minute
	idempotencyName = "Idempotency-Key"
)

// Options are what a client can be told. The zero value is good.
type Options struct {
	// PerSecond is how many requests a second the provider allows, each attempt
	// counted; 0 means as many as come. Burst is how many of them may go at once;
	// 0 means one.
	PerSecond float64
	Burst     int
	// Attempts is how often a request is sent at most; 0 means four times.
	Attempts int
	// Timeout bounds a request with all its attempts and its answer; 0 means a
	// minute.
	Timeout time.Duration

	// OAuth2, when set, brings a token of the client credentials grant with each
	// request. One token is asked for at a time, a little before the last one
	// ends; a 401 makes the client ask for another one, once.
	OAuth2 *clientcredentials.Config
	// Sign, when set, signs each attempt: it may set headers, and has the body's
	// exact bytes. It comes last, so that it can sign what the others have set.
	Sign func(request *http.Request, body []byte) error
	// IdempotencyHeader is the header that makes any request safe to send again;
	// empty means Idempotency-Key.
	IdempotencyHeader string

	// Certificates are shown to a provider that asks for one (mTLS). RootCAs are
	// those that the provider's own certificate must come from; nil means the
	// system's.
	Certificates []tls.Certificate
	RootCAs      *x509.CertPool
	// Transport is what sends; nil means one of the client's own, with the
	// certificates above.
	Transport http.RoundTripper

	// Logger hears of each attempt at level Debug and of each that is repeated at
	// level Warn; nil means [slog.Default].
	Logger *slog.Logger
}

// New makes a client. It follows redirects of GET and HEAD requests on the same
// host, over TLS where the request was: a token is for one host.
func New(options Options) *http.Client {
	base := options.Transport
	if base == nil {
		base = newTransport(options)
	}
	t := &transport{
		base: base, log: options.Logger, sign: options.Sign,
		attempts: options.Attempts, idempotencyHeader: options.IdempotencyHeader,
		limit: rate.NewLimiter(rate.Inf, 1),
	}
	if t.log == nil {
		t.log = slog.Default()
	}
	if t.attempts <= 0 {
		t.attempts = attemptsDefault
	}
	if t.idempotencyHeader == "" {
		t.idempotencyHeader = idempotencyName
	}
	if options.PerSecond > 0 {
		t.limit = rate.NewLimiter(rate.Limit(options.PerSecond), max(options.Burst, 1))
	}
	if options.OAuth2 != nil {
		t.tokens = newTokens(options.OAuth2, base)
	}
	timeout := options.Timeout
	if timeout <= 0 {
		timeout = timeoutDefault
	}
	return &http.Client{Transport: t, Timeout: timeout, CheckRedirect: sameHost}
}

// newTransport is the standard library's, with the certificates.
func newTransport(options Options) http.RoundTripper {
	const idlePerHost = 10 // a provider is one host
	standard, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		standard = new(http.Transport)
	}
	own := standard.Clone()
	own.MaxIdleConnsPerHost = idlePerHost
	own.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: options.Certificates, RootCAs: options.RootCAs}
	return own
}

// sameHost refuses redirects that would carry a token away or change an order.
func sameHost(request *http.Request, via []*http.Request) error {
	const redirectsMax = 5
	first := via[0]
	switch {
	case len(via) > redirectsMax:
		return errors.New("too many redirects")
	case first.Method != http.MethodGet && first.Method != http.MethodHead,
		request.URL.Host != first.URL.Host,
		first.URL.Scheme == "https" && request.URL.Scheme != "https":
		return http.ErrUseLastResponse
	}
	return nil
}
