package verify_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/simulator"
	"github.com/weirhq/weir/verify"
)

// seeds is how many services the prediction is held against.
var (
	seeds     = flag.Int("seeds", 40, "services that the predicted loss is compared on")
	firstSeed = flag.Uint64("seed", 1, "the first of them")
)

// A hub is a client that polls as the reference does, over HTTP: written for
// this test from the description of the algorithm, and not from the prediction.
type hub struct {
	endpoint, key, list, stampField string
	client                          *http.Client
	stored                          map[string]bool
	state                           time.Time
	requests                        int
}

// page asks for one page as the reference does; ok is false when the answer
// fails as a whole.
func (h *hub) page(t *testing.T, number int) (rows []map[string]json.RawMessage, ok bool) {
	t.Helper()
	h.requests++
	query := url.Values{"page": {strconv.Itoa(number)}, "pageSize": {"100"}, "sort": {h.stampField + ":asc"}}
	if !h.state.IsZero() {
		query.Set(h.stampField+"From", h.state.UTC().Truncate(time.Second).Format(time.RFC3339))
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.endpoint+"/"+h.list+"?"+query.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+h.key)
	response, err := h.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode >= 400 {
		return nil, false
	}
	return rows, json.NewDecoder(response.Body).Decode(&rows) == nil
}

// readable says whether Go's decoding into the reference's types takes a row,
// and gives what decides about it.
func (h *hub) readable(raw map[string]json.RawMessage) (id string, stamp time.Time, ok bool) {
	var typed struct {
		ID, Type, Status, Amount, Currency *string
		CreatedAt, UpdatedAt               time.Time
		Metadata                           map[string]*string
	}
	text, err := json.Marshal(raw)
	if err != nil || json.Unmarshal(text, &typed) != nil || typed.ID == nil || *typed.ID == "" || typed.CreatedAt.IsZero() {
		return "", time.Time{}, false
	}
	if h.list != "transactions" {
		return *typed.ID, typed.CreatedAt, true
	}
	statuses := "PENDING SUCCEEDED FAILED CANCELLED EXPIRED REFUNDED REFUNDED_FAILURE REFUND_REVERSED DISPUTE DISPUTE_WON DISPUTE_LOST AUTHORISATION CAPTURE CAPTURE_FAILED OTHER"
	if typed.Status != nil && !slices.Contains(strings.Fields(statuses), *typed.Status) || typed.Amount == nil || typed.Currency == nil {
		return "", time.Time{}, false
	}
	if _, err := strconv.ParseInt(*typed.Amount, 10, 64); err != nil || strings.ContainsAny(*typed.Currency, "$ ") {
		return "", time.Time{}, false
	}
	return *typed.ID, typed.UpdatedAt, true
}

// fetch reads until a hundred rows are kept or a page is short, and stores them.
func (h *hub) fetch(t *testing.T) (more, ok bool) {
	t.Helper()
	type kept struct {
		id    string
		stamp time.Time
	}
	var batch []kept
	for number := 1; number < 200; number++ {
		rows, ok := h.page(t, number)
		if !ok {
			return false, false
		}
		for _, raw := range rows {
			id, stamp, ok := h.readable(raw)
			if !ok {
				return false, false
			}
			if stamp.After(h.state) {
				batch = append(batch, kept{id, stamp})
			}
		}
		if len(batch) >= 100 || len(rows) < 100 {
			more = len(batch) > 100 || len(batch) == 100 && len(rows) >= 100
			batch = batch[:min(len(batch), 100)]
			for _, k := range batch {
				h.stored[k.id] = true
				h.state = k.stamp
			}
			return more, true
		}
	}
	return false, false // It would ask for ever.
}

// poll polls until a period brings nothing new, or what it reads goes round in circles.
func (h *hub) poll(t *testing.T) {
	t.Helper()
	idle := 0
	for {
		before := len(h.stored)
		for more := true; more; {
			known := len(h.stored)
			var ok bool
			if more, ok = h.fetch(t); !ok {
				return
			}
			if idle++; len(h.stored) > known {
				idle = 0
			}
			if idle > 60 && more {
				return
			}
		}
		if len(h.stored) == before {
			return
		}
	}
}

// lossy makes a service out of a seed: its data, and one manner of paging and
// of filtering.
func lossy(t *testing.T, seed uint64) (http.Handler, string) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 7))
	data := []simulator.Fault{simulator.Ties, simulator.DateOnly, simulator.Future, simulator.Poison, simulator.Flawed}
	paging := []simulator.Fault{
		simulator.ShortPages, simulator.GappedPages, simulator.PageSizeIgnored, simulator.PageIgnored, simulator.LastPageAgain, simulator.Descending,
	}
	filter := []simulator.Fault{simulator.ExclusiveFilter, simulator.FilterIgnored}
	var faults simulator.Faults
	if r.IntN(3) > 0 {
		faults |= simulator.FaultsOf(data[min(r.IntN(8), 7)%len(data)])
	}
	if r.IntN(2) == 0 {
		faults |= simulator.FaultsOf(paging[r.IntN(len(paging))])
	}
	if r.IntN(3) == 0 {
		faults |= simulator.FaultsOf(filter[r.IntN(len(filter))])
	}
	options := simulator.Options{
		Seed: seed, Faults: faults, Accounts: 3 + r.IntN(5), Beneficiaries: r.IntN(240), Transactions: 30 + r.IntN(900),
		Interval: []time.Duration{time.Millisecond, 40 * time.Millisecond, time.Second, 6 * time.Minute}[r.IntN(4)],
	}
	psp, err := simulator.New(options)
	if err != nil {
		t.Fatal(err)
	}
	psp.Settle()
	handler, err := simulator.NewService(psp, simulator.ServiceOptions{APIKey: key, Faults: faults, Seed: seed, PSP: psp})
	if err != nil {
		t.Fatal(err)
	}
	return handler, fmt.Sprintf("seed %d, faults %q, %d transactions every %s", seed, faults, options.Transactions, options.Interval)
}

func TestThePredictedLossIsWhatAClientOfTheReferenceLoses(t *testing.T) {
	compared, lossyLists := 0, 0
	for seed := *firstSeed; seed < *firstSeed+uint64(*seeds); seed++ {
		handler, what := lossy(t, seed)
		server := httptest.NewServer(handler)
		report, err := verify.Run(t.Context(), verify.Options{Endpoint: server.URL, Key: key, Only: []string{"D5"}, Profile: verify.Reference})
		if err != nil {
			t.Fatal(err)
		}
		for _, loss := range report.Losses {
			if loss.Unknown != "" && strings.Contains(what, "page-ignored") {
				continue // What no reader can read, nobody can count.
			}
			if loss.Unknown != "" {
				t.Errorf("%s: %s: %s", what, loss.List, loss.Unknown)
				continue
			}
			h := &hub{endpoint: server.URL, key: key, list: loss.List, stampField: "createdAt", client: server.Client(), stored: map[string]bool{}}
			if loss.List == "transactions" {
				h.stampField = "updatedAt"
			}
			h.poll(t)
			compared++
			lost := loss.Rows - len(h.stored)
			if lost > 0 {
				lossyLists++
			}
			if lost != loss.Lost {
				t.Errorf("%s: of %d %s the prediction is that %d are lost, and %d were (%s)", what, loss.Rows, loss.List, loss.Lost, lost, loss.Sentence)
			}
			for _, id := range loss.Named {
				if h.stored[id] {
					t.Errorf("%s: %s is named as lost and was stored", what, id)
				}
			}
		}
		server.Close()
	}
	t.Logf("%d lists compared, %d with losses", compared, lossyLists)
	if lossyLists == 0 {
		t.Error("nothing was lost anywhere, so nothing was tested")
	}
}
