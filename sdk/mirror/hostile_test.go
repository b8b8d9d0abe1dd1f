package mirror

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/weirhq/weir/sdk"
	"github.com/weirhq/weir/wire"
)

var (
	hostileSeed  = flag.Uint64("hostile.seed", 0, "the one seed to run; 0 runs hostile.seeds of them")
	hostileSeeds = flag.Int("hostile.seeds", 40, "how many seeds the hostile source is tried with")
)

// hostilePSP shows its transactions in pages that can't be trusted.
type hostilePSP struct {
	rng  *rand.Rand
	rows []wire.Transaction
	// honest ends the omissions.
	honest bool
}

// born are all midnights: the PSP's stamps are one big tie.
func (p *hostilePSP) grow(n int) {
	for range n {
		day := time.Date(2026, 1, 1+p.rng.IntN(3), 0, 0, 0, 0, time.UTC)
		p.rows = append(p.rows, wire.Transaction{
			ID: "t" + strconv.Itoa(len(p.rows)), CreatedAt: day, Currency: "EUR/2",
			Type: wire.TypePayin, Status: wire.StatusPending, Amount: wire.AmountOfInt(int64(p.rng.IntN(5))),
		})
	}
}

// change changes some rows, so that they move in the mirror.
func (p *hostilePSP) change(n int) {
	for range min(n, len(p.rows)) {
		row := &p.rows[p.rng.IntN(len(p.rows))]
		row.Status = []wire.TransactionStatus{wire.StatusPending, wire.StatusSucceeded, wire.StatusFailed}[p.rng.IntN(3)]
		row.Scheme = strconv.Itoa(p.rng.IntN(1000))
	}
}

// page shows a page in an order that is new each time: rows are repeated and
// left out, and what is left out may come in a later walk.
func (p *hostilePSP) page(_ context.Context, page int) (sdk.Batch, error) {
	const size = 90
	if p.rng.IntN(20) == 0 {
		return sdk.Batch{}, fmt.Errorf("the PSP is down")
	}
	order := p.rng.Perm(len(p.rows))
	if p.honest {
		order = make([]int, len(p.rows))
		for i := range order {
			order[i] = i
		}
	}
	first := min((page-1)*size, len(order))
	shown := order[first:min(first+size, len(order))]
	batch := sdk.Batch{More: first+size < len(order)}
	for _, i := range shown {
		batch.Transactions = append(batch.Transactions, p.rows[i])
		if !p.honest && p.rng.IntN(10) == 0 {
			batch.Transactions = append(batch.Transactions, p.rows[i])
		}
	}
	if !p.honest {
		p.change(p.rng.IntN(10)) // under the walk
	}
	return batch, nil
}

// referenceHub polls as the reference's connector does: it keeps the exact stamp
// of the last row it has stored, asks for everything from that second on, and
// drops what is not younger than its stamp.
type referenceHub struct {
	get   func(q wire.ListQuery) ([]wire.Transaction, error)
	state time.Time
	rows  map[string]wire.Transaction
}

// fetch is one round of its paging.
func (h *referenceHub) fetch() (more bool, err error) {
	const pageSize = 100
	var kept []wire.Transaction
	for page := 1; ; page++ {
		rows, err := h.get(wire.ListQuery{Page: page, PageSize: pageSize, Sort: wire.SortUpdatedAt, From: h.state})
		if err != nil {
			return false, err
		}
		for _, row := range rows {
			if row.UpdatedAt.After(h.state) {
				kept = append(kept, row)
			}
		}
		if len(kept) >= pageSize {
			more = len(kept) > pageSize || len(rows) == pageSize
			kept = kept[:pageSize]
			break
		}
		if len(rows) < pageSize {
			break
		}
	}
	for _, row := range kept {
		h.rows[row.ID] = row
		h.state = row.UpdatedAt
	}
	return more, nil
}

func TestNothingOfAHostileSourceIsLostToTheReferencesAlgorithm(t *testing.T) {
	seeds := *hostileSeeds
	if *hostileSeed != 0 {
		hostile(t, *hostileSeed)
		return
	}
	for seed := range uint64(seeds) {
		hostile(t, seed+1)
		if t.Failed() {
			t.Fatalf("seed %d; run it again with -hostile.seed=%d", seed+1, seed+1)
		}
	}
}

// hostile runs one seed: the source, the mirror and the hub in turns, also
// between two pages of the hub.
func hostile(t *testing.T, seed uint64) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	m := open(t, filepath.Join(t.TempDir(), "mirror.db"), func() time.Time { now = now.Add(time.Microsecond); return now })
	m.sleep = func(_ context.Context, d time.Duration) { now = now.Add(d) }
	psp := &hostilePSP{rng: rng}
	source := Source{Name: "transactions", Pull: FullScan(Pages(psp.page))}
	step := func() {
		switch rng.IntN(6) {
		case 0:
			psp.grow(rng.IntN(120))
		case 1:
			psp.change(rng.IntN(60))
		case 2:
			now = now.Add(time.Duration(rng.IntN(3000)) * time.Millisecond)
		case 3:
			if rng.IntN(4) == 0 {
				now = now.Add(-time.Minute) // the clock is set back
			}
		default:
			_, _ = m.Pull(t.Context(), source)
		}
	}
	hub := &referenceHub{rows: map[string]wire.Transaction{}}
	hub.get = func(q wire.ListQuery) ([]wire.Transaction, error) {
		for range rng.IntN(3) {
			step()
		}
		q.From = q.From.Truncate(time.Second)
		return m.Transactions(t.Context(), q)
	}
	psp.grow(250)
	for range 20 {
		step()
		if rng.IntN(2) == 0 {
			poll(t, hub, 1+rng.IntN(4))
		}
	}
	psp.honest = true
	for range 2 { // the scan that is under way, and a whole one
		for {
			if progress, err := m.Pull(t.Context(), source); err == nil && !progress.More {
				break
			}
		}
	}
	hub.get = overHTTP(t, m)
	if !poll(t, hub, 1000) {
		t.Fatal("the hub never came to an end")
	}
	for _, row := range psp.rows {
		if got, seen := hub.rows[row.ID]; !seen || got.Status != row.Status || got.Scheme != row.Scheme || got.Amount != row.Amount {
			t.Errorf("the PSP has %+v, the hub has %+v", row, got)
		}
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

// poll fetches until there is no more, as the reference does, but not more often
// than it is allowed: while the PSP changes rows between two pages there can be
// more for ever.
func poll(t *testing.T, hub *referenceHub, fetchesMax int) (done bool) {
	t.Helper()
	for range fetchesMax {
		more, err := hub.fetch()
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			return true
		}
	}
	return false
}

// open opens a mirror that logs nothing.
func open(tb testing.TB, path string, now func() time.Time) *Mirror {
	tb.Helper()
	m, err := Open(tb.Context(), path, Options{Logger: slog.New(slog.DiscardHandler), Now: now})
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// overHTTP asks the mirror's service for transactions as a hub does.
func overHTTP(t *testing.T, m *Mirror) func(wire.ListQuery) ([]wire.Transaction, error) {
	t.Helper()
	handler, err := sdk.New(m.Service(sdk.Service{APIKeys: []string{"key"}, Logger: slog.New(slog.DiscardHandler)}))
	if err != nil {
		t.Fatal(err)
	}
	return func(q wire.ListQuery) ([]wire.Transaction, error) {
		request := httptest.NewRequest(http.MethodGet, "/transactions?"+q.Encode(), nil)
		request.Header.Set("Authorization", "Bearer key")
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		body, err := io.ReadAll(answer.Body)
		if err != nil || answer.Code != http.StatusOK {
			return nil, fmt.Errorf("status %d: %s", answer.Code, body)
		}
		records, err := wire.DecodeTransactions(body)
		rows := make([]wire.Transaction, len(records))
		for i, record := range records {
			rows[i] = record.Value
		}
		if !slices.IsSortedFunc(rows, func(a, b wire.Transaction) int { return a.UpdatedAt.Compare(b.UpdatedAt) }) {
			return nil, fmt.Errorf("the page is not in order")
		}
		return rows, err
	}
}
