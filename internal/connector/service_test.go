package connector

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/hub"
)

// A service is an integration service with one list and manners of its own. It
// is written without package sdk, so that nothing of Weir stands on both ends.
type service struct {
	mu sync.Mutex
	// resource is the list that it has; empty: transactions.
	resource hub.Resource
	records  []record
	made     int
	sorted   bool
	manners  manners
	random   *rand.Rand
	requests []url.Values
	// before runs ahead of each answer, for rows that move under a walk.
	before func(request int)
	// slipped holds the pages that were shown wrongly once.
	slipped map[string]bool
}

// A record is what a service knows of a row: where it sorts it, and what it shows.
type record struct {
	id    string
	stamp time.Time
	raw   string
}

type manners struct {
	Cap, FixedSize                     int
	CapCountsAsked                     bool // offsets count by the size asked for, not by the cap
	IgnoresPage, IgnoresFilter         bool
	Exclusive, Descending, RepeatsLast bool
	UnstableTies, DateFilter           bool
	EveryTwice, Slips                  bool
	NoStampFirst, NoStampLast          bool // where rows without a stamp stand, which no filter leaves out
	Volatile                           bool // each time a row is shown it says when
	HidesEvery                         int  // of so many rows one is left out after the page was cut
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/"+string(s.list()) {
		http.NotFound(w, r)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r.URL.Query())
	if s.before != nil {
		s.before(len(s.requests))
	}
	var body strings.Builder
	for i, record := range s.page(r.URL.Query()) {
		body.WriteString(string("[,"[min(i, 1)]))
		if s.manners.Volatile {
			record.raw = fmt.Sprintf(`%s,"shown":%d}`, strings.TrimSuffix(record.raw, "}"), len(s.requests))
		}
		body.WriteString(record.raw)
	}
	if body.Len() == 0 {
		body.WriteByte('[')
	}
	_, _ = fmt.Fprint(w, body.String(), "]")
}

func (s *service) list() hub.Resource { return cmp.Or(s.resource, hub.Transactions) }

func (s *service) page(q url.Values) []record {
	m := s.manners
	from, _ := time.Parse(time.RFC3339, q.Get(string(sortKey(s.list()))+"From"))
	switch {
	case from.IsZero() || m.IgnoresFilter:
		from = time.Time{}
	case m.DateFilter:
		from = from.Truncate(24 * time.Hour)
	case m.Exclusive:
		from = from.Truncate(time.Second).Add(time.Second)
	}
	s.sort()
	begin, _ := slices.BinarySearchFunc(s.records, from, func(r record, at time.Time) int { return r.stamp.Compare(at) })
	rows := s.records[begin:]
	if m.NoStampFirst || m.NoStampLast {
		rows = s.withStampless(rows)
	}
	if m.UnstableTies {
		rows = slices.Clone(rows)
		for begin, end := 0, 0; begin < len(rows); begin = end {
			for end < len(rows) && rows[end].stamp.Equal(rows[begin].stamp) {
				end++
			}
			ties := rows[begin:end]
			s.random.Shuffle(len(ties), func(i, j int) { ties[i], ties[j] = ties[j], ties[i] })
		}
	}
	if m.Descending {
		rows = slices.Clone(rows)
		slices.Reverse(rows)
	}
	return s.cut(rows, q)
}

// withStampless puts the rows without a stamp before or after the others.
func (s *service) withStampless(rows []record) []record {
	stampless := func(r record) bool { return !strings.Contains(r.raw, `At":"2`) }
	rest := slices.DeleteFunc(slices.Clone(s.records), func(r record) bool { return !stampless(r) })
	stamped := slices.DeleteFunc(slices.Clone(rows), stampless)
	if s.manners.NoStampFirst {
		return append(rest, stamped...)
	}
	return append(stamped, rest...)
}

func (s *service) sort() {
	if s.sorted {
		return
	}
	s.sorted = true
	slices.SortFunc(s.records, func(a, b record) int {
		return cmp.Or(a.stamp.Compare(b.stamp), cmp.Compare(a.id, b.id))
	})
}

// cut takes the page out of rows that is asked for, as the manners have it.
func (s *service) cut(rows []record, q url.Values) []record {
	m := s.manners
	number, _ := strconv.Atoi(q.Get("page"))
	size, _ := strconv.Atoi(q.Get("pageSize"))
	if m.FixedSize > 0 {
		size = m.FixedSize
	}
	limit := size
	if m.Cap > 0 {
		limit = min(size, m.Cap)
		if !m.CapCountsAsked {
			size = limit
		}
	}
	if m.IgnoresPage {
		number = 1
	}
	if m.EveryTwice {
		number = (number + 1) / 2
	}
	if key := q.Encode(); m.Slips && number > 1 && !s.slipped[key] && s.random.IntN(3) == 0 {
		if s.slipped == nil {
			s.slipped = make(map[string]bool)
		}
		s.slipped[key] = true
		number--
	}
	if m.RepeatsLast && len(rows) > 0 {
		number = min(number, (len(rows)+size-1)/size)
	}
	offset := min((number-1)*size, len(rows))
	page := rows[offset:min(offset+limit, len(rows))]
	if m.HidesEvery == 0 {
		return page
	}
	return slices.DeleteFunc(slices.Clone(page), s.hidden)
}

// hidden tells the rows that a service of such manners never shows.
func (s *service) hidden(r record) bool {
	if s.manners.HidesEvery == 0 {
		return false
	}
	number, _ := strconv.Atoi(r.id[1:])
	return number%s.manners.HidesEvery == s.manners.HidesEvery-1
}

// show writes a record as a service does.
func (s *service) show(id string, stamp time.Time, amount int) string {
	at := stamp.Format(time.RFC3339Nano)
	if s.list() != hub.Transactions {
		return fmt.Sprintf(`{"id":%q,"createdAt":%q,"accountName":"Account %d","ownerName":"Owner %d"}`, id, at, amount, amount)
	}
	return fmt.Sprintf(`{"id":%q,"createdAt":%q,"updatedAt":%q,"currency":"EUR/2","type":"PAYIN","status":"SUCCEEDED","amount":"%d"}`, id, at, at, amount)
}

// add appends n records, step apart, the first at begin.
func (s *service) add(n int, begin time.Time, step time.Duration) {
	for range n {
		id := fmt.Sprintf("t%06d", s.made)
		s.made++
		s.records = append(s.records, record{id, begin, s.show(id, begin, 100)})
		begin = begin.Add(step)
	}
	s.sorted = false
}

// change moves a record to another stamp and shows another amount.
func (s *service) change(i int, stamp time.Time, amount int) {
	r := &s.records[i]
	r.stamp, r.raw = stamp, s.show(r.id, stamp, amount)
	s.sorted = false
}

// poison makes a record unreadable, as one of the ways to be so. All but the
// last leave it without a stamp that can be read.
func (s *service) poison(i, way int) {
	r := &s.records[i]
	r.raw = []string{
		`{"id":"` + r.id + `","updatedAt":"yesterday","createdAt":"yesterday"}`,
		`"poison of ` + r.id + `"`,
		`["` + r.id + `"]`,
		strings.Replace(s.show(r.id, r.stamp, 1), `"amount":"1"`, `"amount":"1.5"`, 1),
	}[way%4]
}

// newest is the greatest stamp that the service has.
func (s *service) newest() time.Time {
	s.sort()
	return s.records[len(s.records)-1].stamp
}

// A memory is a sink that keeps the newest version of each record.
type memory struct {
	stream   hub.Stream
	records  map[string]string
	rejected map[string]bool
	reasons  map[string]string // by the bytes of the record
	new      int
	puts     int
	// put, when set, is asked before each batch is taken.
	put func(hub.Batch) error
}

func newMemory(resource hub.Resource) *memory {
	id := hub.StreamID{Connector: hub.ConnectorID{Provider: hub.Provider, Reference: "c"}, Resource: resource}
	return &memory{stream: hub.Stream{ID: id}, records: make(map[string]string), rejected: make(map[string]bool), reasons: make(map[string]string)}
}

// Put implements hub.Sink.
func (m *memory) Put(_ context.Context, batch hub.Batch) error {
	if m.put != nil {
		if err := m.put(batch); err != nil {
			return err
		}
	}
	m.puts++
	for i := range batch.Adjustments {
		m.keep(batch.Adjustments[i].Reference, batch.Adjustments[i].Raw)
	}
	for i := range batch.Accounts {
		m.keep(batch.Accounts[i].Reference, batch.Accounts[i].Raw)
	}
	for i := range batch.Rejected {
		if raw := string(batch.Rejected[i].Raw); !m.rejected[raw] {
			m.rejected[raw] = true
			m.reasons[raw] = batch.Rejected[i].Reason
			m.new++
		}
	}
	m.stream.Findings = hub.MergeFindings(m.stream.Findings, batch.Findings)
	m.stream.Cursor = batch.Next
	return nil
}

func (m *memory) keep(id string, raw []byte) {
	if m.records[id] != string(raw) {
		m.records[id] = string(raw)
		m.new++
	}
}

// Settle implements hub.Sink.
func (m *memory) Settle(context.Context) (int, error) {
	stored := m.new
	m.new = 0
	return stored, nil
}

func (m *memory) finding(code hub.FindingCode) (hub.Finding, bool) {
	for _, f := range m.stream.Findings {
		if f.Code == code {
			return f, true
		}
	}
	return hub.Finding{}, false
}

// direct calls a handler without a network between.
type direct struct{ handler http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	return w.Result(), nil
}

// dial returns a client of a handler that knows the size of its pages.
func dial(h http.Handler, pageSize int, now func() time.Time) *Client {
	config := hub.Config{Endpoint: "http://psp.example", APIKey: hub.NewSecret(testKey), RequestsPerSecond: 1e6}
	client := New(hub.Connector{Config: config}, Options{Transport: direct{h}, Now: now})
	client.pageSize, client.pageSizeAt = pageSize, client.now()
	return client
}

const testKey = "a-key-that-nobody-else-may-see"

// read polls the service once into m, fails the test when that fails, and
// returns how many requests it took.
func read(t *testing.T, s *service, m *memory, pageSize int) int {
	t.Helper()
	return readAt(t, s, m, pageSize, nil)
}

// readAt is read at an instant of the test's own choice.
func readAt(t *testing.T, s *service, m *memory, pageSize int, now func() time.Time) int {
	t.Helper()
	client := dial(s, pageSize, now)
	s.requests, m.new = nil, 0
	if err := client.Read(t.Context(), m.stream, m); err != nil {
		t.Fatal(err)
	}
	return len(s.requests)
}

// mustBeIn fails the test unless m holds everything that the service has.
func (s *service) mustBeIn(t *testing.T, m *memory) {
	t.Helper()
	var lost []string
	for _, r := range s.records {
		if m.records[r.id] != r.raw && !m.rejected[r.raw] && !s.hidden(r) {
			lost = append(lost, r.id)
		}
	}
	if len(lost) > 0 {
		t.Errorf("lost %d of %d records: %s …", len(lost), len(s.records), strings.Join(lost[:min(5, len(lost))], " "))
	}
}
