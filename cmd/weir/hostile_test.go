package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/simulator"
)

const (
	hugeBytes     = 1 << 30
	depth         = 100_000
	longIDBytes   = 10 << 10
	hostilePeriod = "1s"
)

// row is a transaction as JSON with some of its fields replaced.
func row(id string, second int, fields ...string) string {
	at := time.Date(2026, 1, 1, 0, 0, second, 0, time.UTC).Format(time.RFC3339)
	values := map[string]string{
		"id": strconv.Quote(id), "createdAt": strconv.Quote(at), "updatedAt": strconv.Quote(at), "currency": `"EUR/2"`,
		"type": `"PAYIN"`, "status": `"SUCCEEDED"`, "amount": `"100"`, "metadata": `{}`,
	}
	for i := 0; i < len(fields); i += 2 {
		values[fields[i]] = fields[i+1]
	}
	var text strings.Builder
	for _, key := range []string{"id", "createdAt", "updatedAt", "currency", "type", "status", "amount", "metadata"} {
		fmt.Fprintf(&text, ",%q:%s", key, values[key])
	}
	return "{" + text.String()[1:] + "}"
}

// between puts a row between two sound ones.
func between(bad string) string {
	return "[" + row("before", 1) + "," + bad + "," + row("after", 3) + "]"
}

// A malice is a service that shows one thing which nobody should show.
type malice struct {
	path string
	// serve answers the first page of the transactions; all else is empty.
	serve http.HandlerFunc
	// code is what the stream fails with; empty where it must not.
	code hub.Code
	// says is part of what an operator is told about it.
	says string
	// stored and rejected are what becomes of the rows where the stream does not fail.
	stored, rejected int64
}

func body(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

// hugeBody sends blanks without end, as a JSON document may begin.
func hugeBody(w http.ResponseWriter, _ *http.Request) {
	blanks := bytes.Repeat([]byte(" "), 1<<20)
	for sent := 0; sent < hugeBytes; sent += len(blanks) {
		if _, err := w.Write(blanks); err != nil {
			return
		}
	}
}

// bomb is hugeBody in a megabyte of gzip.
func bomb(t *testing.T) http.HandlerFunc {
	t.Helper()
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range hugeBytes >> 22 { // a quarter is far beyond every bound, and quicker to pack
		_, _ = w.Write(zeros)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(packed.Bytes())
	}
}

func malices(t *testing.T) []malice {
	t.Helper()
	deep := strings.Repeat("[", depth) + strings.Repeat("]", depth)
	return []malice{
		{path: "html", serve: body("<!doctype html><title>Welcome</title>"), code: hub.CodeUnreadable, says: "HTML"},
		{path: "empty", serve: body(""), code: hub.CodeUnreadable, says: "empty"},
		{path: "object", serve: body(`{"data":[]}`), code: hub.CodeUnreadable, says: "list"},
		{path: "huge", serve: hugeBody, code: hub.CodeTooLarge, says: "larger than 32 MiB"},
		{path: "bomb", serve: bomb(t), code: hub.CodeTooLarge, says: "larger than 32 MiB"},
		{path: "deep", serve: body(between(row("deep", 2, "metadata", deep))), code: hub.CodeUnreadable, says: "record 2 of the list"},
		{path: "deeper", serve: body(deep), code: hub.CodeUnreadable, says: "depth"},
		{path: "long-id", serve: body(between(row(strings.Repeat("x", longIDBytes), 2))), stored: 2, rejected: 1, says: "must have at most"},
		{path: "nul", serve: body(between(row("nul", 2, "id", `"a\u0000b"`))), stored: 2, rejected: 1},
		{path: "raw-nul", serve: body(between(row("nul", 2, "id", "\"a\x00b\""))), code: hub.CodeUnreadable, says: "record 2 of the list"},
		{path: "utf8", serve: body(between(row("utf8", 2, "id", "\"a\xffb\""))), stored: 2, rejected: 1},
		{path: "number", serve: body(between(row("number", 2, "amount", "12.50"))), stored: 2, rejected: 1, says: "amount"},
		{path: "twice", serve: body("[" + row("twice", 1) + "," + row("twice", 1) + "]"), stored: 1},
		{path: "cut", serve: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, "["+row("cut", 1))
		}, code: hub.CodeServiceFailed, says: "cut"},
		{path: "away", serve: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere.example.com/", http.StatusFound)
		}, code: hub.CodeRedirected, says: "elsewhere.example.com"},
	}
}

// serveMalices serves each malice below its own path.
func serveMalices(t *testing.T, all []malice) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	for _, m := range all {
		mux.HandleFunc("GET /"+m.path+"/{rest...}", func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.PathValue("rest") == "capabilities":
				http.NotFound(w, r)
			case r.PathValue("rest") != "transactions" || r.URL.Query().Get("page") != "1":
				_, _ = io.WriteString(w, "[]")
			default:
				m.serve(w, r)
			}
		})
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

// TestNoServiceCanStopTheCoreOrTheOtherConnectors connects one sound service and
// every malice at once.
func TestNoServiceCanStopTheCoreOrTheOtherConnectors(t *testing.T) {
	t.Parallel()
	program(t)
	all := malices(t)
	server := serveMalices(t, all)
	c := startCore(t, t.TempDir())
	_, sound := startService(t, simulator.Options{Accounts: 2, Beneficiaries: 3, Transactions: 50})
	for _, m := range all {
		c.install(m.path, server.URL+"/"+m.path)
	}
	c.install("sound", sound.Endpoint)
	for _, m := range all {
		t.Run(m.path, func(t *testing.T) { c.wantMalice(t, m) })
	}
	t.Run("the sound one goes on", func(t *testing.T) {
		began := c.transactions(t, "sound")
		eventually(t, readTimeout, "another poll", func() bool { return c.transactions(t, "sound").Requests > began.Requests })
		if s := c.transactions(t, "sound"); s.State != hub.StreamIdle || s.Versions != 50 || s.OpenRejections != 0 {
			t.Errorf("it is %+v", s)
		}
	})
	if !c.isUp() {
		t.Fatalf("weir serve has ended\n%s", c.log())
	}
	if strings.Contains(c.log(), "panic") {
		t.Errorf("it panicked:\n%s", c.log())
	}
	wantMemory(t, c.cmd.Process.Pid)
	wantPrintable(t, c.weir("status"))
	c.wantStop(stopMax)
}

// wantMalice waits until a malice has come to what it must come to.
func (c *core) wantMalice(t *testing.T, m malice) {
	t.Helper()
	var s streamInfo
	eventually(t, readTimeout, "the stream is read", func() bool {
		s = c.transactions(t, m.path)
		return s.LastPollAt != nil
	})
	said := s.Summary
	switch {
	case m.code != "" && (s.LastError == nil || s.LastError.Code != m.code):
		t.Errorf("it fails with %+v, want %s", s.LastError, m.code)
	case m.code == "" && s.LastError != nil:
		t.Errorf("it fails with %+v", s.LastError)
	case m.code == "" && (s.Versions != m.stored || s.OpenRejections != m.rejected):
		t.Errorf("%d stored and %d rejected, want %d and %d", s.Versions, s.OpenRejections, m.stored, m.rejected)
	}
	if m.rejected > 0 {
		o := c.weir("rejections", m.path)
		wantPrintable(t, o)
		said = o.stdout
		if _, listed, _ := strings.Cut(said, "\n"); listed != "" {
			wantPrintable(t, c.weir("rejections", "show", strings.Fields(listed)[0]))
		}
	}
	if !strings.Contains(said, m.says) {
		t.Errorf("it says %q, want something about %q", said, m.says)
	}
	if m.code != "" {
		t.Logf("%s: %s", s.LastError.Code, s.LastError.Message)
	}
}

// transactions returns that stream of a connector.
func (c *core) transactions(t *testing.T, name string) streamInfo {
	t.Helper()
	streams, err := c.streams(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for i := range streams {
		if streams[i].ConnectorName == name && streams[i].Resource == hub.Transactions {
			return streams[i]
		}
	}
	t.Fatalf("there is no connector %s", name)
	return streamInfo{}
}

// wantPrintable checks that nothing which a service sent steers the terminal.
func wantPrintable(t *testing.T, o outcome) {
	t.Helper()
	for line := range strings.Lines(o.stdout) {
		if line = strings.TrimSuffix(line, "\n"); printable(line) != line {
			t.Errorf("it shows %.200q", line)
		}
	}
}

var peakRSS = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// wantMemory checks that a gigabyte was never held.
func wantMemory(t *testing.T, pid int) {
	t.Helper()
	if runtime.GOOS != "linux" {
		return
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	found := peakRSS.FindSubmatch(text)
	if found == nil {
		t.Fatalf("no peak in %s", text)
	}
	peak, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("at most %d MB in memory", peak>>10)
	if peak > 500<<10 {
		t.Errorf("weir serve held %d MB", peak>>10)
	}
}

// A key that is taken back must be seen, and its return as well.
func TestARefusedKeyIsShownAndMended(t *testing.T) {
	t.Parallel()
	program(t)
	var refuse atomic.Bool
	psp, _ := startService(t, simulator.Options{Accounts: 1, Transactions: 20})
	service, err := simulator.NewService(psp, simulator.ServiceOptions{APIKey: "first"})
	if err != nil {
		t.Fatal(err)
	}
	rotated, err := simulator.NewService(psp, simulator.ServiceOptions{APIKey: "second"})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refuse.Load() {
			rotated.ServeHTTP(w, r)
			return
		}
		service.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	c := startCore(t, t.TempDir())
	if o := c.weir("connect", "acme", server.URL, "--api-key-file", writeFile(t, "key", "first"), "--polling-period", hostilePeriod); o.status != 0 {
		t.Fatalf("connect: %+v", o)
	}
	refuse.Store(true)
	eventually(t, readTimeout, "the streams fail", func() bool { return c.weir("status").status == 2 })
	o := c.weir("status")
	for _, want := range []string{"refused the API key (status 401)", "weir configure acme --api-key-file FILE"} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("status lacks %q:\n%s", want, o.stdout)
		}
	}
	if o := c.weir("configure", "acme", "--api-key-file", writeFile(t, "key", "second")); o.status != 0 {
		t.Fatalf("configure: %+v", o)
	}
	eventually(t, readTimeout, "all is well again", func() bool { return c.weir("status").status == 0 })
}
