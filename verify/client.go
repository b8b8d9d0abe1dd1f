package verify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/weirhq/weir/wire"
)

const (
	// clientTimeout is how long a hub waits for an answer, body included.
	clientTimeout = 10 * time.Second
	// triesMax is how often a read is tried. A hub tries for ever; a verifier
	// only wants to know whether the failure passes.
	triesMax = 4
	// retryPauseMax bounds how long a Retry-After is obeyed.
	retryPauseMax = 2 * time.Second
	// silentMax is how many requests in a row may go without an answer before the
	// service counts as gone, and nothing more is asked of it.
	silentMax = 5
	// troublesMax bounds the bad answers that are kept; all are counted.
	troublesMax = 60
	// errorBodyMax is how much of a refusal is looked at.
	errorBodyMax = 64 << 10
)

// A request is what is asked. The zero method is GET.
type request struct {
	method string
	path   string
	query  url.Values
	header http.Header
	body   []byte
	// auth replaces the Authorization header where it is set; "-" leaves it out.
	auth string
	// hangUp drops the connection once the request is written.
	hangUp time.Duration
}

// An answer is what came, or why nothing came.
type answer struct {
	asked  request
	status int
	header http.Header
	body   []byte
	took   time.Duration
	at     time.Time
	err    error
	// misshapen says that the answer came whole and was not what was asked for.
	misshapen bool
}

func (a *answer) ok() bool { return a.err == nil && a.status >= 200 && a.status < 300 }

// describe says in a few words what came.
func (a *answer) describe() string {
	if a.err != nil {
		return explain(a.err)
	}
	kind := a.header.Get("Content-Type")
	if a.ok() {
		return fmt.Sprintf("status %d", a.status)
	}
	if e, ok := wire.DecodeError(a.body); ok {
		return fmt.Sprintf("status %d: %s", a.status, clip(strings.TrimSpace(e.Title+". "+e.Detail), 160))
	}
	if location := a.header.Get("Location"); location != "" {
		return fmt.Sprintf("status %d, a redirect to %s", a.status, clip(location, 120))
	}
	if strings.Contains(kind, "html") {
		return fmt.Sprintf("status %d, with an HTML page", a.status)
	}
	return fmt.Sprintf("status %d", a.status)
}

// A trouble is a bad answer to a request that should have had a good one.
type trouble struct {
	answer *answer
	kind   troubleKind
	// passed says that the same request was answered well afterwards.
	passed bool
}

type troubleKind int

const (
	troubleStatus troubleKind = iota
	troubleBusy
	troubleRedirect
	troubleCut
	troubleTimeout
	troubleSilence
	troubleForm
	troubleKinds
)

// client asks the service, no faster and no more often than it may.
type client struct {
	base    string
	key     string
	http    *http.Client
	timeout time.Duration
	// own says that the connections are ours to close.
	own bool
	// pause is the least time between two requests.
	pause  time.Duration
	budget int

	mu       sync.Mutex
	next     time.Time
	requests int
	silent   int
	troubles []trouble
	counts   [troubleKinds]int
	// refusals are answers that are no success, for the checks of area J.
	refusals []*answer
	times    []time.Duration
}

// Reasons why nothing more is asked.
var (
	errBudget = errors.New("the budget of requests is used up")
	errGone   = errors.New("the service has stopped answering, so nothing more was asked of it")
)

func newClient(o *Options) *client {
	c := &client{base: strings.TrimRight(o.Endpoint, "/"), key: o.Key, timeout: o.ClientTimeout, budget: o.RequestsMax}
	if c.timeout <= 0 {
		c.timeout = clientTimeout
	}
	if o.Rate > 0 {
		c.pause = time.Duration(float64(time.Second) / o.Rate)
	}
	transport := o.Transport
	if c.own = transport == nil; c.own {
		own := http.DefaultTransport.(*http.Transport).Clone() //nolint:errcheck // it is one
		own.MaxIdleConnsPerHost = parallelOrders
		transport = own
	}
	c.http = &http.Client{
		Transport: transport,
		// A key belongs to the host that it was given for.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if o.followHome {
		c.http.CheckRedirect = stayHome
	}
	return c
}

// close gives the connections back, where they are our own.
func (c *client) close() {
	if c.own {
		c.http.CloseIdleConnections()
	}
}

// admit waits for the request's turn, or says why there is none.
func (c *client) admit(ctx context.Context) error {
	c.mu.Lock()
	now := time.Now()
	wait := c.next.Sub(now)
	switch {
	case c.silent >= silentMax:
		c.mu.Unlock()
		return errGone
	case c.budget > 0 && c.requests >= c.budget:
		c.mu.Unlock()
		return errBudget
	}
	c.requests++
	c.next = now.Add(max(wait, 0) + c.pause)
	c.mu.Unlock()
	return sleep(ctx, wait)
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// do asks once. The answer is never nil.
func (c *client) do(ctx context.Context, asked request) *answer {
	a := &answer{asked: asked}
	if a.err = c.admit(ctx); a.err != nil {
		return a
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	begun := time.Now()
	a.at = begun
	response, err := c.send(ctx, cancel, asked)
	if err == nil {
		a.status, a.header = response.StatusCode, response.Header
		limit := int64(wire.MaxBodyBytes) + 1
		a.body, err = io.ReadAll(io.LimitReader(response.Body, limit))
		_ = response.Body.Close()
		if err == nil && int64(len(a.body)) == limit {
			err = fmt.Errorf("the answer has more than %d bytes", wire.MaxBodyBytes)
		}
	}
	a.err, a.took = err, time.Since(begun)
	c.count(a)
	return a
}

func (c *client) send(ctx context.Context, cancel func(), asked request) (*http.Response, error) {
	method := asked.method
	if method == "" {
		method = http.MethodGet
	}
	target := c.base + asked.path
	if len(asked.query) > 0 {
		target += "?" + asked.query.Encode()
	}
	var body io.Reader
	if asked.body != nil {
		body = strings.NewReader(string(asked.body))
	}
	r, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, err
	}
	for name, values := range asked.header {
		r.Header[name] = values
	}
	r.Header.Set("User-Agent", "weir-verify")
	if asked.body != nil {
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json")
	}
	switch asked.auth {
	case "":
		r.Header.Set("Authorization", "Bearer "+c.key)
	case "-":
	default:
		r.Header.Set("Authorization", asked.auth)
	}
	if asked.hangUp > 0 {
		timer := time.AfterFunc(asked.hangUp, cancel)
		defer timer.Stop()
	}
	return c.http.Do(r)
}

// count keeps the books of what came.
func (c *client) count(a *answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case a.status == 0 && a.asked.hangUp == 0 && !errors.Is(a.err, context.Canceled):
		c.silent++
	case a.status != 0:
		c.silent = 0
	}
	if a.err == nil && a.status >= 300 && len(c.refusals) < troublesMax {
		if len(a.body) > errorBodyMax {
			a.body = a.body[:errorBodyMax]
		}
		c.refusals = append(c.refusals, a)
	}
	if a.asked.hangUp == 0 && a.status != 0 {
		c.times = append(c.times, a.took)
	}
}

// kindOf says what is wrong with the answer to a request that should succeed.
func kindOf(a *answer) (kind troubleKind, wrong bool) {
	var timeout net.Error
	switch {
	case a.err == nil && a.ok():
		return 0, false
	case a.err == nil && a.status == http.StatusTooManyRequests:
		return troubleBusy, true
	case a.err == nil && a.status >= 300 && a.status < 400:
		return troubleRedirect, true
	case a.err == nil:
		return troubleStatus, true
	case errors.Is(a.err, context.DeadlineExceeded), errors.As(a.err, &timeout) && timeout.Timeout():
		return troubleTimeout, true
	case a.status != 0:
		return troubleCut, true
	}
	return troubleSilence, true
}

// passing reports whether a hub would ask again.
func (a *answer) passing(kind troubleKind) bool {
	switch {
	case errors.Is(a.err, errBudget), errors.Is(a.err, errGone), errors.Is(a.err, context.Canceled):
		return false
	case kind != troubleStatus:
		return true
	}
	return a.status >= 500 || a.status == http.StatusRequestTimeout || a.status == http.StatusTooEarly || a.status == http.StatusLocked
}

// read asks until there is a good answer, the failure is one that does not
// pass, or it has been tried often enough. readable says whether the body is
// what it should be; nil takes everything.
func (c *client) read(ctx context.Context, asked request, readable func([]byte) error) *answer {
	var failed []int
	for try := 1; ; try++ {
		a := c.do(ctx, asked)
		kind, wrong := kindOf(a)
		if !wrong && readable != nil {
			if err := readable(a.body); err != nil {
				// A body that breaks off is a failure of the transport even where the
				// transport did not notice.
				a.err, kind, wrong = err, troubleForm, true
				if strings.Contains(err.Error(), "cut off") {
					kind = troubleCut
				} else {
					a.misshapen = true
				}
			}
		}
		if !wrong {
			c.forgive(failed)
			return a
		}
		failed = append(failed, c.note(a, kind))
		if try == triesMax || !a.passing(kind) || ctx.Err() != nil {
			return a
		}
		if sleep(ctx, c.retryPause(a, try)) != nil {
			return a
		}
	}
}

// probe asks for something that need not succeed. Failures that pass are waited
// out all the same, for they say nothing about what was asked; so is a refusal
// that can't be read, which may have been cut.
func (c *client) probe(ctx context.Context, asked request) *answer {
	for try := 1; ; try++ {
		a := c.do(ctx, asked)
		kind, wrong := kindOf(a)
		unread := a.err == nil && a.status >= 400 && !exactError(a.body)
		if try == triesMax || !unread && (!wrong || !a.passing(kind)) || unread && try > 1 && !a.passing(kind) || ctx.Err() != nil {
			return a
		}
		if !unread {
			c.note(a, kind)
		}
		if sleep(ctx, c.retryPause(a, try)) != nil {
			return a
		}
	}
}

func (c *client) note(a *answer, kind troubleKind) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[kind]++
	if len(c.troubles) == troublesMax {
		return -1
	}
	if len(a.body) > errorBodyMax {
		a.body = a.body[:errorBodyMax]
	}
	c.troubles = append(c.troubles, trouble{answer: a, kind: kind})
	return len(c.troubles) - 1
}

func (c *client) forgive(failed []int) {
	if len(failed) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, i := range failed {
		if i >= 0 {
			c.troubles[i].passed = true
		}
	}
}

// retryPause obeys Retry-After up to a bound.
func (c *client) retryPause(a *answer, try int) time.Duration {
	pause := time.Duration(try*try) * 20 * time.Millisecond
	if a.header == nil {
		return pause
	}
	after := a.header.Get("Retry-After")
	if seconds, err := strconv.Atoi(after); err == nil && seconds >= 0 {
		return min(max(time.Duration(seconds)*time.Second, pause), retryPauseMax)
	}
	if at, err := http.ParseTime(after); err == nil {
		return min(max(time.Until(at), pause), retryPauseMax)
	}
	return pause
}

// curl is the request as one would type it. The key is never in it.
func (c *client) curl(asked request) string {
	var text strings.Builder
	text.WriteString("curl -sS -i")
	if asked.method != "" && asked.method != http.MethodGet {
		text.WriteString(" -X " + asked.method)
	}
	switch asked.auth {
	case "":
		text.WriteString(` -H "Authorization: Bearer $WEIR_KEY"`)
	case "-":
	default:
		text.WriteString(" -H " + quote("Authorization: "+c.hide(asked.auth)))
	}
	for name, values := range asked.header {
		for _, value := range values {
			text.WriteString(" -H " + quote(name+": "+c.hide(value)))
		}
	}
	if asked.body != nil {
		text.WriteString(" -H 'Content-Type: application/json' -d " + quote(string(asked.body)))
	}
	target := c.base + asked.path
	if len(asked.query) > 0 {
		target += "?" + asked.query.Encode()
	}
	return text.String() + " " + quote(target)
}

// hideMin is the length of the shortest key that is hidden: a shorter one is a
// part of many words, and no secret.
const hideMin = 4

// hide takes the key out of a text, and what is left of a key that was cut.
func (c *client) hide(text string) string {
	if len(c.key) < hideMin {
		return text
	}
	text = strings.ReplaceAll(text, c.key, "$WEIR_KEY")
	return strings.ReplaceAll(text, c.key[:len(c.key)-1], "${WEIR_KEY%?}")
}

func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// clip shortens a text for a sentence.
func clip(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "�"))
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

// explain says in words why no answer came.
func explain(err error) string {
	var (
		unknown  x509.UnknownAuthorityError
		wrong    x509.HostnameError
		invalid  x509.CertificateInvalidError
		plain    tls.RecordHeaderError
		resolver *net.DNSError
		network  net.Error
		trouble  *url.Error
	)
	switch {
	case errors.As(err, &unknown):
		return "the certificate of the service is from an issuer that this machine does not know"
	case errors.As(err, &wrong):
		return "the certificate of the service is for another host: " + wrong.Error()
	case errors.As(err, &invalid):
		return "the certificate of the service is not valid: " + invalid.Error()
	case errors.As(err, &plain), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return "what answers there does not speak TLS; is it http rather than https?"
	case errors.As(err, &resolver):
		return "there is no host of the name " + resolver.Name
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return "no answer came in time"
	case errors.As(err, &trouble):
		return "no answer: " + trouble.Err.Error()
	}
	return err.Error()
}
