package connector

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/wire"
)

func TestABodyBeyondTheLimitIsRefused(t *testing.T) {
	const limit = 1 << 20
	for _, announced := range []bool{false, true} {
		sent := 0
		server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			if announced {
				w.Header().Set("Content-Length", fmt.Sprint(1<<30))
			}
			for sent < 1<<30 {
				n, err := w.Write(make([]byte, 64<<10))
				if sent += n; err != nil {
					return
				}
			}
		})
		_, err := connect(server.URL, Options{BodyBytesMax: limit}).get(t.Context(), wire.PathTransactions)
		mustBe(t, err, hub.CodeTooLarge, "larger than 1 MiB")
		server.Close() // waits for the handler
		if sent > 64<<20 {
			t.Errorf("%d bytes were taken", sent)
		}
	}
}

func TestABodyOfTheLimitIsRead(t *testing.T) {
	body := "[" + strings.Repeat(" ", 998) + "]"
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) })
	for limit, ok := range map[int64]bool{999: false, 1000: true, 1001: true} {
		got, err := connect(server.URL, Options{BodyBytesMax: limit}).get(t.Context(), wire.PathTransactions)
		if ok != (err == nil && string(got) == body) {
			t.Errorf("limit %d: %d bytes, %v", limit, len(got), err)
		}
	}
}

func TestAGzipBombIsRefusedInBoundedMemory(t *testing.T) {
	// A gigabyte of zeros: a gzip file may have many members.
	var member bytes.Buffer
	zip, _ := gzip.NewWriterLevel(&member, gzip.BestSpeed)
	if _, err := zip.Write(make([]byte, 16<<20)); err != nil {
		t.Fatal(err)
	}
	zip.Close()
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		for range 64 {
			if _, err := w.Write(member.Bytes()); err != nil {
				return
			}
		}
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := connect(server.URL, Options{}).get(t.Context(), wire.PathTransactions)
	runtime.ReadMemStats(&after)
	mustBe(t, err, hub.CodeTooLarge, "larger than 32 MiB after decompression")
	if took := after.TotalAlloc - before.TotalAlloc; took > 8*wire.MaxBodyBytes {
		t.Errorf("%d MiB were allocated", took>>20)
	}
}

func TestACompressedPageIsRead(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			t.Error("gzip is not asked for")
		}
		w.Header().Set("Content-Encoding", "gzip")
		zip := gzip.NewWriter(w)
		_, _ = io.WriteString(zip, "["+new(service).show("t1", noon, 5)+"]")
		zip.Close()
	})
	p, err := connect(server.URL, Options{}).fetch(t.Context(), transactions, wire.ListQuery{Page: 1, PageSize: 1})
	if err != nil || len(p.batch.Adjustments) != 1 {
		t.Errorf("%+v, %v", p.batch, err)
	}
}

func TestAnAnswerThatIsNoListIsASentence(t *testing.T) {
	for body, says := range map[string]string{
		"<!DOCTYPE html><html><body>Log in</body></html>": "an HTML page",
		`{"data":[],"next":null}`:                         "a JSON object with the keys data, next",
		`[{"id":"t1"`:                                     "cut off",
		"":                                                "empty",
		`[1,]`:                                            "not readable JSON",
		"[" + strings.Repeat("[", 100_000):                "not readable JSON",
		`[{"a":` + strings.Repeat(`{"a":`, 100_000): "not readable JSON",
		"\x00\x01\x02":       "no JSON",
		"\xff\xfe[\x00]\x00": "no JSON",
		"[" + strings.Repeat("1,", wire.MaxPageRecords) + "1]":  "more than 100000 records",
		`"` + strings.Repeat("x", 5000) + `"`:                   "the string",
		"[]" + strings.Repeat(" ", 10) + "<!-- served by x -->": "goes on after its end",
	} {
		server := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) })
		_, err := connect(server.URL, Options{}).fetch(t.Context(), transactions, wire.ListQuery{Page: 1, PageSize: 100})
		server.Close()
		mustBe(t, err, hub.CodeUnreadable, "can't be read", says, "Check that the endpoint")
		if len(err.Error()) > 500 {
			t.Errorf("a sentence of %d bytes", len(err.Error()))
		}
	}
}

func TestARecordThatCanNotBeReadIsQuarantinedAndItsNeighboursAreStored(t *testing.T) {
	deep := strings.Repeat("[", 5000) + strings.Repeat("]", 5000)
	row := func(id, amount string) string {
		return `{"id":"` + id + `","createdAt":"2024-05-01T12:00:00Z","updatedAt":"2024-05-01T12:00:01Z","currency":"EUR/2",` +
			`"type":"PAYIN","status":"SUCCEEDED","amount":` + amount + `}`
	}
	for name, test := range map[string]struct{ record, reason string }{
		"an identifier of 10 KB": {row(strings.Repeat("i", 10_000), `"1"`), "id must have at most 1024 bytes"},
		"a NUL byte":             {row(`a\u0000b`, `"1"`), "id must not hold a NUL byte"},
		"invalid UTF-8":          {row("a\xffb", `"1"`), "id must be valid UTF-8"},
		"a fraction":             {row("t2", `"12.50"`), "amount must be a whole number"},
		"a number":               {row("t2", `1250`), "amount must be a whole number"},
		"nested deep":            {row("t2", deep), "amount must be a whole number"},
		"nothing":                {`null`, "a record must be a JSON object"},
		"no stamp":               {strings.Replace(row("t2", `"1"`), "updatedAt", "updated", 1), "updatedAt must be given"},
	} {
		t.Run(name, func(t *testing.T) {
			server := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == wire.PathTransactions {
					fmt.Fprint(w, "["+row("t1", `"1"`)+",\n"+test.record+" ,"+row("t3", `"3"`)+"]")
				}
			})
			m := newMemory(hub.Transactions)
			if err := connect(server.URL, Options{}).Read(t.Context(), m.stream, m); err != nil {
				t.Fatal(err)
			}
			if m.records["t1"] != row("t1", `"1"`) || m.records["t3"] != row("t3", `"3"`) || len(m.records) != 2 {
				t.Errorf("stored: %v", m.records)
			}
			if len(m.rejected) != 1 || !m.rejected[test.record] {
				t.Errorf("quarantined: %v", m.rejected)
			}
			if !strings.Contains(m.reasons[test.record], test.reason) || len(m.reasons[test.record]) > 300 {
				t.Errorf("reason: %s", m.reasons[test.record])
			}
		})
	}
}
