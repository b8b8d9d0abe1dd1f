package connector

import (
	"cmp"
	"context"
	"encoding/json"
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

// A service is an integration service with a list of transactions and manners
// of its own. It is written without package sdk, so that nothing of Weir stands
// on both ends.
type service struct {
	mu       sync.Mutex
	rows     []transaction
	manners  manners
	requests []url.Values
	random   *rand.Rand
	// before runs ahead of each answer, for rows that move under a walk.
	before func(s *service, request int)
}

type transaction struct {
	ID        string    `json:"id"`
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
	Currency  string    `json:"currency"`
	Type      string    `json:"type"`
	Status    string    `json:"status"`
	Amount    string    `json:"amount"`
}

type manners struct {
	Cap, FixedSize                       int
	CapCountsAsked                       bool // offsets count by the size asked for, not by the cap
	IgnoresPage, IgnoresFilter           bool
	Exclusive, Descending, RepeatsLast   bool
	UnstableTies, DateFilter, EveryTwice bool
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/transactions" {
		http.NotFound(w, r)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r.URL.Query())
	if s.before != nil {
		s.before(s, len(s.requests))
	}
	rows := s.page(r.URL.Query())
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(rows)
}

func (s *service) page(q url.Values) []transaction {
	m, rows := s.manners, []transaction{}
	from, _ := time.Parse(time.RFC3339, q.Get("updatedAtFrom"))
	if m == (manners{}) && s.before == nil && slices.IsSortedFunc(s.rows, oldestFirst) {
		begin, _ := slices.BinarySearchFunc(s.rows, from, func(t transaction, at time.Time) int { return t.UpdatedAt.Compare(at) })
		return m.cut(s.rows[begin:], q)
	}
	for _, t := range s.rows {
		switch {
		case from.IsZero() || m.IgnoresFilter:
		case m.DateFilter && !t.UpdatedAt.Before(from.Truncate(24*time.Hour)):
		case m.DateFilter:
			continue
		case m.Exclusive && !t.UpdatedAt.Truncate(time.Second).After(from), t.UpdatedAt.Before(from):
			continue
		}
		rows = append(rows, t)
	}
	if m.UnstableTies {
		s.random.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	}
	slices.SortStableFunc(rows, func(a, b transaction) int {
		order := a.UpdatedAt.Compare(b.UpdatedAt)
		if !m.UnstableTies {
			order = cmp.Or(order, cmp.Compare(a.ID, b.ID))
		}
		if m.Descending {
			order = -order
		}
		return order
	})
	return m.cut(rows, q)
}

func oldestFirst(a, b transaction) int {
	return cmp.Or(a.UpdatedAt.Compare(b.UpdatedAt), cmp.Compare(a.ID, b.ID))
}

func (m manners) cut(rows []transaction, q url.Values) []transaction {
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
	if m.RepeatsLast && len(rows) > 0 {
		number = min(number, (len(rows)+size-1)/size)
	}
	offset := min((number-1)*size, len(rows))
	return rows[offset:min(offset+limit, len(rows))]
}

// add appends n rows, step apart, the first at begin.
func (s *service) add(n int, begin time.Time, step time.Duration) {
	for range n {
		s.rows = append(s.rows, transaction{
			ID: fmt.Sprintf("t%06d", len(s.rows)), CreatedAt: begin, UpdatedAt: begin,
			Currency: "EUR/2", Type: "PAYIN", Status: "SUCCEEDED", Amount: "100",
		})
		begin = begin.Add(step)
	}
}

// A memory is a sink that keeps the newest version of each record.
type memory struct {
	stream  hub.Stream
	records map[string]string
	new     int
}

func newMemory() *memory {
	id := hub.StreamID{Connector: hub.ConnectorID{Provider: hub.Provider, Reference: "c"}, Resource: hub.Transactions}
	return &memory{stream: hub.Stream{ID: id}, records: make(map[string]string)}
}

func (m *memory) Put(_ context.Context, batch hub.Batch) error {
	for _, a := range batch.Adjustments {
		if raw := string(a.Raw); m.records[a.Reference] != raw {
			m.records[a.Reference] = raw
			m.new++
		}
	}
	m.stream.Findings = hub.MergeFindings(m.stream.Findings, batch.Findings)
	m.stream.Cursor = batch.Next
	return nil
}

func (m *memory) Settle(context.Context) (int, error) {
	stored := m.new
	m.new = 0
	return stored, nil
}

// read polls the service once into m and fails the test unless all is there.
func read(t *testing.T, s *service, m *memory, pageSize int) (requests int) {
	t.Helper()
	server := httptest.NewServer(s)
	defer server.Close()
	client := New(hub.Connector{Config: hub.Config{Endpoint: server.URL, APIKey: hub.NewSecret("k"), RequestsPerSecond: 1e6}}, Options{})
	client.pageSize, client.pageSizeAt = pageSize, time.Now()
	s.requests, m.new = nil, 0
	if err := client.Read(t.Context(), m.stream, m); err != nil {
		t.Fatal(err)
	}
	return len(s.requests)
}

func (s *service) mustBeIn(t *testing.T, m *memory) {
	t.Helper()
	var lost []string
	for _, row := range s.rows {
		raw, _ := json.Marshal(row)
		if m.records[row.ID] != string(raw) {
			lost = append(lost, row.ID)
		}
	}
	if len(lost) > 0 {
		t.Errorf("lost %d of %d rows: %s …", len(lost), len(s.rows), strings.Join(lost[:min(5, len(lost))], " "))
	}
}
