package simulator

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/weirhq/weir/wire"
)

// How often requests go wrong. At first one in six does, so that everything
// happens early in a short run; after a dozen one in fifty, so that a long one
// goes on. No request for the same page goes wrong twice in a row, so whoever
// asks again gets on.
const (
	wrongOneIn     = 6
	wrongFirst     = 12
	wrongLateOneIn = 50
)

// defaultSlowFor is long enough to be slow and short enough for a demonstration.
const defaultSlowFor = 40 * time.Millisecond

// transport stands before a healthy service and spoils what goes through it:
// single records, as the PSP says, and whole answers, as the seed says.
type transport struct {
	service http.Handler
	options ServiceOptions
	// passing are the faults that befall a request and are gone when it is repeated.
	passing []Fault

	mu       sync.Mutex
	requests int
	wrong    int
	// failed holds the requests that went wrong the last time.
	failed map[string]bool
}

// newTransport returns the service itself where nothing is to be spoiled.
func newTransport(service http.Handler, options ServiceOptions) http.Handler {
	t := &transport{service: service, options: options, failed: map[string]bool{}}
	if t.options.SlowFor == 0 {
		t.options.SlowFor = defaultSlowFor
	}
	for _, f := range []Fault{RateLimit, Cut, ServerErrors, Slow, Redirects} {
		if options.Faults.Has(f) && (f != Redirects || options.TrapURL != "") {
			t.passing = append(t.passing, f)
		}
	}
	if len(t.passing) == 0 && !t.spoilsRecords() && !options.Faults.Has(Gzip) {
		return service
	}
	return t
}

func (t *transport) spoilsRecords() bool {
	return t.options.PSP != nil && t.options.Faults&FaultsOf(Poison, Flawed) != 0
}

// ServeHTTP lets a request through, more or less.
func (t *transport) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet || r.URL.Path == wire.PathCapabilities || r.Header.Get("Authorization") != "Bearer "+t.options.APIKey {
		t.service.ServeHTTP(w, r)
		return
	}
	fault, number := t.draw(r.URL.RequestURI())
	switch fault {
	case RateLimit:
		t.refuse(w, http.StatusTooManyRequests, number)
	case ServerErrors:
		t.refuse(w, []int{http.StatusInternalServerError, http.StatusServiceUnavailable, http.StatusBadGateway}[number%3], number)
	case Redirects:
		http.Redirect(w, r, t.options.TrapURL+r.URL.RequestURI(), http.StatusTemporaryRedirect) //nolint:gosec // sending callers astray is the point
	case Cut:
		t.answer(r.WithContext(spoiled(r.Context())), true).cut(w, number)
	case Slow:
		t.answer(r, false).trickle(r.Context(), w, t.options.SlowFor)
	default:
		t.answer(r, false).send(w)
	}
}

// draw decides whether a request goes wrong, and how; number counts those that do.
func (t *transport) draw(uri string) (fault Fault, number int) {
	if len(t.passing) == 0 {
		return none, 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.requests++
	oneIn := uint64(wrongOneIn)
	if t.wrong >= wrongFirst {
		oneIn = wrongLateOneIn
	}
	if t.failed[uri] || mix(t.options.Seed, strconv.Itoa(t.requests))%oneIn != 0 {
		delete(t.failed, uri)
		return none, 0
	}
	t.failed[uri] = true
	number = t.wrong
	t.wrong++
	return t.passing[number%len(t.passing)], number / len(t.passing)
}

// refuse answers with an error, every other time with a Retry-After, in turn in
// both its forms, and some errors as the page of a proxy.
func (t *transport) refuse(w http.ResponseWriter, status, number int) {
	switch {
	case number%2 == 0:
		w.Header().Set("Retry-After", strconv.Itoa(int((t.options.RetryAfter+time.Second-1)/time.Second)))
	case status == http.StatusTooManyRequests:
		at := time.Now().Add(max(t.options.RetryAfter, time.Second))
		w.Header().Set("Retry-After", at.UTC().Format(http.TimeFormat))
	}
	if status == http.StatusBadGateway {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		fmt.Fprintf(w, "<html><head><title>%d</title></head><body><h1>Bad Gateway</h1></body></html>\n", status)
		return
	}
	body := must(wire.Encode(wire.Error{Title: http.StatusText(status), Detail: "The simulator was asked to fail now and then. Ask again."}))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// answer asks the service, and spoils the records of a list.
func (t *transport) answer(r *http.Request, plain bool) *answer {
	compress := t.options.Faults.Has(Gzip) && !plain && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip")
	inner := r.Clone(r.Context())
	inner.Header.Del("Accept-Encoding")
	inner.Header.Del("If-None-Match")
	a := &answer{header: http.Header{}, status: http.StatusOK}
	t.service.ServeHTTP(a, inner)
	a.header.Del("Content-Length")
	a.header.Del("Etag")
	if a.status != http.StatusOK {
		return a
	}
	if resource := strings.Trim(r.URL.Path, "/"); t.spoilsRecords() && !strings.Contains(resource, "/") {
		a.spoil(t.options.PSP, resource)
	}
	if compress {
		a.compress()
	}
	return a
}

// answer is an answer that is kept before it is sent.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header makes it, with WriteHeader and Write, an http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader keeps the status.
func (a *answer) WriteHeader(status int) { a.status = status }

// Write keeps the body.
func (a *answer) Write(part []byte) (int, error) { return a.body.Write(part) }

// spoil lets the PSP poison the records of a list.
func (a *answer) spoil(psp *PSP, resource string) {
	var records []json.RawMessage
	if json.Unmarshal(a.body.Bytes(), &records) != nil {
		return
	}
	for i := range records {
		records[i] = psp.Serve(resource, records[i])
	}
	body := append([]byte("["), bytes.Join(asBytes(records), []byte(","))...)
	a.body.Reset()
	a.body.Write(append(body, ']'))
}

func asBytes(records []json.RawMessage) [][]byte {
	parts := make([][]byte, len(records))
	for i, record := range records {
		parts[i] = record
	}
	return parts
}

func (a *answer) compress() {
	plain := slices.Clone(a.body.Bytes())
	a.body.Reset()
	w := gzip.NewWriter(&a.body)
	_, _ = w.Write(plain) // a buffer takes everything
	_ = w.Close()
	a.header.Set("Content-Encoding", "gzip")
}

// send sends the answer as it is.
func (a *answer) send(w http.ResponseWriter) {
	maps.Copy(w.Header(), a.header)
	w.Header().Set("Content-Length", strconv.Itoa(a.body.Len()))
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body.Bytes())
}

// cut sends half of the answer: with the length of the whole, in pieces of
// unknown number, or as if half were the whole.
func (a *answer) cut(w http.ResponseWriter, number int) {
	maps.Copy(w.Header(), a.header)
	half := a.body.Bytes()[:a.body.Len()/2]
	whole := a.body.Len()
	if number%3 == 2 {
		whole = len(half)
	}
	if number%3 != 1 {
		w.Header().Set("Content-Length", strconv.Itoa(whole))
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(half)
	if whole != len(half) {
		_ = http.NewResponseController(w).Flush()
		// This is how a handler of package http drops the connection.
		panic(http.ErrAbortHandler)
	}
}

// trickle sends the answer in pieces, with pauses, unless nobody waits for it.
func (a *answer) trickle(ctx context.Context, w http.ResponseWriter, slowFor time.Duration) {
	const pieces = 8
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(a.status)
	body := a.body.Bytes()
	for i := range pieces {
		_, _ = w.Write(body[len(body)*i/pieces : len(body)*(i+1)/pieces])
		_ = http.NewResponseController(w).Flush()
		select {
		case <-time.After(slowFor / pieces):
		case <-ctx.Done():
			return
		}
	}
}

// spoiled marks a request whose answer nobody will be able to read.
func spoiled(ctx context.Context) context.Context {
	return context.WithValue(ctx, spoiledKey{}, true)
}

func isSpoiled(ctx context.Context) bool {
	return ctx.Value(spoiledKey{}) != nil
}

type spoiledKey struct{}

// Trap is the other host that a service with redirects sends its callers to. It
// notes who comes and with what, and answers with records that no PSP has: a
// reader that follows is given away by the key, one that believes by the records.
type Trap struct {
	mu       sync.Mutex
	requests int
	keys     []string
}

// ServeHTTP notes the request and answers it.
func (t *Trap) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.requests++
	if key := r.Header.Get("Authorization"); key != "" {
		t.keys = append(t.keys, key)
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprint(w, `[{"id":"trap_1","accountName":"Trap","ownerName":"Trap","createdAt":"2020-01-01T00:00:00Z",`+
		`"updatedAt":"2020-01-01T00:00:00Z","currency":"EUR/2","type":"PAYIN","status":"SUCCEEDED","amount":"1"}]`)
}

// Requests is how many requests were sent on to the trap.
func (t *Trap) Requests() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.requests
}

// Keys lists the Authorization headers that came with them: none, if all is well.
func (t *Trap) Keys() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.keys)
}
