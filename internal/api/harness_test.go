package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
	"github.com/weirhq/weir/internal/store/sqlite"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// connectorX is the connector of the reference's worked examples.
var connectorX = hub.ConnectorID{Provider: "generic", Reference: "11111111-2222-4333-8444-555555555555"}

// day is when the PSP of these tests began.
var day = time.Date(2024, 5, 1, 10, 20, 30, 5e8, time.UTC)

// A hubUnderTest is the API over a real store on a file of its own.
type hubUnderTest struct {
	*testing.T
	store   *store.Store
	options api.Options
	handler http.Handler
}

// open makes a hub; change may alter its options.
func open(t *testing.T, change func(*api.Options)) *hubUnderTest {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "weir.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	h := &hubUnderTest{T: t, store: store.New(db, openly{})}
	h.options = api.Options{
		Store:     h.store,
		Uninstall: h.store.UninstallConnector,
		Replay:    h.replay,
		Version:   "1.2.3",
		Stack:     "stk",
		Checks:    map[string]func(context.Context) error{"store": func(context.Context) error { return nil }},
	}
	if change != nil {
		change(&h.options)
	}
	h.handler = api.New(h.options)
	return h
}

// openly is a cipher that hides nothing, for tests that have nothing to hide.
type openly struct{}

func (openly) Seal(text, _ []byte) ([]byte, error)   { return bytes.Clone(text), nil }
func (openly) Open(sealed, _ []byte) ([]byte, error) { return bytes.Clone(sealed), nil }

// replay stands in for the connector: text that mentions "mended" is readable.
func (h *hubUnderTest) replay(ctx context.Context, rejection hub.Rejection) (api.ReplayResult, error) {
	if !bytes.Contains(rejection.Raw, []byte("mended")) {
		return api.ReplayResult{Reason: rejection.Reason}, nil
	}
	return api.ReplayResult{Resolved: true}, h.store.ResolveRejection(ctx, rejection.ID, day.AddDate(0, 0, 1))
}

// install stores a connector without going through the API.
func (h *hubUnderTest) install(id hub.ConnectorID, name string) {
	h.Helper()
	err := h.store.InstallConnector(h.Context(), hub.Connector{
		ID: id, Name: name, CreatedAt: day, UpdatedAt: day,
		Config: hub.Config{
			Endpoint: "https://psp.example.com/v1", APIKey: hub.NewSecret("s3cret"), PollingPeriod: 30 * time.Second,
		},
	})
	if err != nil {
		h.Fatal(err)
	}
}

// apply stores a batch as the poll of a stream would.
func (h *hubUnderTest) apply(batch hub.Batch) {
	h.Helper()
	stream, err := h.store.Stream(h.Context(), batch.Stream)
	if err != nil {
		h.Fatal(err)
	}
	batch.Read = stream.Cursor
	if batch.SeenAt.IsZero() {
		batch.SeenAt = day.Add(time.Hour)
	}
	batch.Requests++
	if _, err := h.store.Apply(h.Context(), batch); err != nil {
		h.Fatal(err)
	}
}

func streamOf(resource hub.Resource) hub.StreamID {
	return hub.StreamID{Connector: connectorX, Resource: resource}
}

// An answer is what came back for a request.
type answer struct {
	*testing.T
	request string
	status  int
	header  http.Header
	body    []byte
}

// request asks the API. Whatever comes back is held against the OpenAPI
// document that describes it.
func (h *hubUnderTest) request(method, target, body string, headers ...string) *answer {
	h.Helper()
	r := httptest.NewRequestWithContext(h.Context(), method, target, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	result := w.Result()
	text, err := io.ReadAll(result.Body)
	if err != nil {
		h.Fatal(err)
	}
	a := &answer{h.T, method + " " + target, result.StatusCode, result.Header, text}
	checkAgainstDocuments(a, method, r.URL.Path)
	return a
}

func (h *hubUnderTest) get(target string) *answer {
	h.Helper()
	return h.request(http.MethodGet, target, "")
}

func (h *hubUnderTest) post(target, body string) *answer {
	h.Helper()
	return h.request(http.MethodPost, target, body)
}

// want fails the test unless the answer has the status.
func (a *answer) want(status int) *answer {
	a.Helper()
	if a.status != status {
		a.Fatalf("%s: status %d, want %d: %s", a.request, a.status, status, a.body)
	}
	return a
}

// refused fails the test unless the answer is this error.
func (a *answer) refused(status int, code, part string) {
	a.Helper()
	var body struct {
		Code    string `json:"errorCode"`
		Message string `json:"errorMessage"`
	}
	a.want(status).into(&body)
	if body.Code != code || !strings.Contains(body.Message, part) {
		a.Errorf("%s: got %s %q, want %s with %q", a.request, body.Code, body.Message, code, part)
	}
}

func (a *answer) into(v any) {
	a.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		a.Fatalf("%s: %v in %s", a.request, err, a.body)
	}
}

// golden holds the answer against a file of testdata: request, status, the
// headers that matter, and the body with one member a line.
func (a *answer) golden(name string) {
	a.Helper()
	var text bytes.Buffer
	fmt.Fprintf(&text, "%s\n%d\n", a.request, a.status)
	for _, header := range []string{"Content-Type", "Cache-Control", "Etag", "Allow", "Www-Authenticate"} {
		if value := a.header.Get(header); value != "" {
			fmt.Fprintf(&text, "%s: %s\n", header, value)
		}
	}
	if len(a.body) > 0 {
		text.WriteByte('\n')
		if json.Indent(&text, a.body, "", "  ") != nil {
			text.Write(a.body)
		}
	}
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(path, text.Bytes(), 0o644); err != nil {
			a.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		a.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text.String()); diff != "" {
		a.Errorf("%s differs from %s (-want +got):\n%s", a.request, path, diff)
	}
}

// listed is a page of a list whose items need no more than an identifier.
type listed struct {
	Cursor struct {
		PageSize int    `json:"pageSize"`
		HasMore  bool   `json:"hasMore"`
		Previous string `json:"previous"`
		Next     string `json:"next"`
		Data     []struct {
			ID        any    `json:"id"`
			Reference string `json:"reference"`
			Asset     string `json:"asset"`
			Balance   int64  `json:"balance"`
		} `json:"data"`
	} `json:"cursor"`
}

// list asks for a page of a list.
func (h *hubUnderTest) list(target string) listed {
	h.Helper()
	var page listed
	h.get(target).want(http.StatusOK).into(&page)
	return page
}

func (l *listed) references() []string {
	var references []string
	for _, item := range l.Cursor.Data {
		references = append(references, item.Reference)
	}
	return references
}
