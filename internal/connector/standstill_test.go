package connector

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/hub"
)

// An endless service makes up the page that it is asked for; show says what of
// a row, given the page, the page size and the number of the row on it.
func endless(show func(page, size, i int) string, size func(page, asked int) int) (http.Handler, *int) {
	requests := new(int)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*requests++
		page, _ := strconv.Atoi(r.URL.Query().Get("page"))
		asked, _ := strconv.Atoi(r.URL.Query().Get("pageSize"))
		rows := make([]json.RawMessage, size(page, asked))
		for i := range rows {
			rows[i] = json.RawMessage(show(page, asked, i))
		}
		_ = json.NewEncoder(w).Encode(rows)
	}), requests
}

func asAsked(_, asked int) int { return asked }

func TestAServiceWithoutAnEndDoesNotKeepAPollForEver(t *testing.T) {
	s, random := new(service), rand.New(rand.NewPCG(1, 4))
	future := time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
	made := 0
	for name, test := range map[string]struct {
		show func(page, size, i int) string
		size func(page, asked int) int
	}{
		"rows dated in the future": {func(page, size, i int) string {
			n := page*size + i
			return s.show(fmt.Sprint("t", n), future.Add(time.Duration(n)*time.Second), 1)
		}, asAsked},
		"new rows of one future instant": {func(int, int, int) string {
			made++
			return s.show(fmt.Sprint("t", made), future, 1)
		}, asAsked},
		"new rows of one instant": {func(int, int, int) string {
			made++
			return s.show(fmt.Sprint("t", made), noon, 1)
		}, asAsked},
		"rows without stamps": {func(page, size, i int) string { return fmt.Sprintf(`{"id":"t%d"}`, page*size+i) }, asAsked},
		"pages that grow": {func(page, size, i int) string {
			return s.show(fmt.Sprint("t", page*size*1000+i), future.Add(time.Duration(page)*time.Second), 1)
		}, func(page, asked int) int { return page * asked }},
		"pages that go round": {func(page, size, i int) string {
			n := (page%30)*size + i
			return s.show(fmt.Sprint("t", n), noon.Add(time.Duration(n)*time.Millisecond), 1)
		}, asAsked},
		"rows drawn by lot": {func(int, int, int) string {
			n := random.IntN(2000)
			return s.show(fmt.Sprint("t", n), noon.Add(time.Duration(n)*time.Millisecond), 1)
		}, asAsked},
		"one page for every question": {func(_, _, i int) string { return s.show(fmt.Sprint("t", i), noon, 1) }, asAsked},
		"one page without stamps":     {func(_, _, i int) string { return fmt.Sprintf(`{"id":"t%d"}`, i) }, asAsked},
	} {
		t.Run(name, func(t *testing.T) {
			handler, requests := endless(test.show, test.size)
			client := dial(handler, 100, nil)
			client.standstillMax = 20_000
			m := newMemory(hub.Transactions)
			if err := client.Read(t.Context(), m.stream, m); err != nil {
				t.Fatal(err)
			}
			t.Logf("%d requests: %v", *requests, m.stream.Findings)
			if *requests > 5000 || len(m.stream.Findings) == 0 {
				t.Errorf("%d requests, findings: %v", *requests, m.stream.Findings)
			}
			if mark := m.stream.Cursor.Watermark; mark.After(time.Now()) {
				t.Errorf("watermark %s", mark)
			}
		})
	}
}

func TestAGroupAtTheBeginningBehindAnIgnoredPageIsPassedInOneStep(t *testing.T) {
	for name, m := range map[string]manners{"full pages": {IgnoresPage: true}, "capped": {IgnoresPage: true, Cap: 40}} {
		s := &service{manners: m}
		s.add(2000, noon, 0)
		s.add(70, noon.Add(time.Hour), time.Second)
		kept := newMemory(hub.Transactions)
		if got := read(t, s, kept, 100); got > 50 {
			t.Errorf("%s: %d requests", name, got)
		}
		if f, ok := kept.finding(hub.FindingPageIgnored); !ok || !f.Incomplete || !kept.stream.Cursor.Watermark.IsZero() {
			t.Errorf("%s: %v, watermark %s", name, kept.stream.Findings, kept.stream.Cursor.Watermark)
		}
		for _, r := range s.records[2000:] {
			if kept.records[r.id] == "" {
				t.Errorf("%s: %s after the group was not read", name, r.id)
			}
		}
	}
}

func TestAServiceThatRefusesLargerPagesIsReadAsFarAsItCanBe(t *testing.T) {
	s := &service{manners: manners{IgnoresPage: true}}
	s.add(130, noon, 0)
	s.add(30, noon.Add(time.Hour), time.Second)
	client := dial(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.URL.Query().Get("pageSize")) > 3 {
			http.Error(w, `{"Title":"pageSize must be at most 100"}`, http.StatusBadRequest)
			return
		}
		s.ServeHTTP(w, r)
	}), 100, nil)
	m := newMemory(hub.Transactions)
	if err := client.Read(t.Context(), m.stream, m); err != nil {
		t.Fatal(err)
	}
	if _, ok := m.finding(hub.FindingPageIgnored); !ok || m.records[s.records[159].id] == "" {
		t.Errorf("%d records, %v", len(m.records), m.stream.Findings)
	}
}

func TestPagesOfAnotherSizeThanAskedForAreReported(t *testing.T) {
	for size, code := range map[int]hub.FindingCode{130: hub.FindingPageSizeIgnored, 30: hub.FindingPageCapped} {
		s := &service{manners: manners{FixedSize: size}}
		s.add(500, noon, time.Second)
		m := newMemory(hub.Transactions)
		read(t, s, m, 100)
		s.mustBeIn(t, m)
		if f, ok := m.finding(code); !ok || f.Incomplete || !strings.Contains(f.Text, strconv.Itoa(size)) {
			t.Errorf("pages of %d: %v", size, m.stream.Findings)
		}
	}
}
