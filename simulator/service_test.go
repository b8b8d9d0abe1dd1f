package simulator

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/wire"
)

// start serves the PSP and its integration service on loopback.
func start(t *testing.T, psp *PSP, faults Faults) *Server {
	t.Helper()
	server, err := Start(t.Context(), psp, ServerOptions{Service: ServiceOptions{Faults: faults, Seed: 1}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// fetched is an answer as it came.
type fetched struct {
	status int
	header http.Header
	body   []byte
	// err is what went wrong while the body was read.
	err error
}

// fetch asks once, follows no redirect, and sends the key.
func fetch(t *testing.T, server *Server, path string, query url.Values) fetched {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.Endpoint+path+"?"+query.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+server.APIKey)
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return fetched{response.StatusCode, response.Header, body, err}
}

// page asks for a page until it comes whole.
func page(t *testing.T, server *Server, resource string, q wire.ListQuery) []json.RawMessage {
	t.Helper()
	for range 3 {
		got := fetch(t, server, "/"+resource, q.Values())
		var records []json.RawMessage
		if got.status == http.StatusOK && got.err == nil && json.Unmarshal(got.body, &records) == nil {
			return records
		}
	}
	t.Fatalf("page %d of %s does not come", q.Page, resource)
	return nil
}

func query(resource string, number, size int, from time.Time) wire.ListQuery {
	key := wire.SortCreatedAt
	if resource == Transactions {
		key = wire.SortUpdatedAt
	}
	return wire.ListQuery{Page: number, PageSize: size, Sort: key, From: from}
}

// walk reads a list page by page until one is empty.
func walk(t *testing.T, server *Server, resource string, size int) []json.RawMessage {
	t.Helper()
	var all []json.RawMessage
	for number := 1; ; number++ {
		records := page(t, server, resource, query(resource, number, size, time.Time{}))
		if len(records) == 0 {
			return all
		}
		all = append(all, records...)
	}
}

// byID keeps the newest of each record, as sorted pairs.
func byID(t *testing.T, records []json.RawMessage) iter.Seq2[string, []byte] {
	t.Helper()
	newest := map[string][]byte{}
	for _, raw := range records {
		id, _, _ := wire.Peek(raw)
		newest[id] = raw
	}
	return func(yield func(string, []byte) bool) {
		for _, id := range slices.Sorted(maps.Keys(newest)) {
			if !yield(id, newest[id]) {
				return
			}
		}
	}
}

func TestWhatTheServiceServesIsTheTruthToTheByte(t *testing.T) {
	psp := newPSP(t, func(o *Options) { o.AmountDigits = 30 })
	server := start(t, psp, 0)
	for _, resource := range []string{Accounts, Beneficiaries, Transactions} {
		for _, size := range []int{100, 1000} {
			got, want := DigestOf(byID(t, walk(t, server, resource, size))), DigestOf(psp.Records(resource))
			if got != want || want.Count == 0 {
				t.Errorf("%s by %d: read %v, the PSP has %v", resource, size, got, want)
			}
		}
	}
	for _, want := range psp.Balances() {
		got := fetch(t, server, "/accounts/"+want.AccountID+"/balances", nil)
		if encoded := must(wire.Encode(want)); !bytes.Equal(encoded, got.body) {
			t.Errorf("served %s, the PSP has %s", got.body, encoded)
		}
	}
}

func TestAHopToThePSPChangesNothing(t *testing.T) {
	psp := newPSP(t, func(o *Options) { o.Transactions = 300 })
	hop := start(t, psp, 0)
	direct, err := Start(t.Context(), psp, ServerOptions{Direct: true})
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close()
	for _, resource := range []string{Accounts, Beneficiaries, Transactions} {
		a, b := DigestOf(byID(t, walk(t, hop, resource, 70))), DigestOf(byID(t, walk(t, direct, resource, 70)))
		if a != b || a.Count == 0 {
			t.Errorf("%s: %v over HTTP, %v without", resource, a, b)
		}
	}
}

func TestTheFilterIsInclusiveAndKnowsFractions(t *testing.T) {
	psp := newPSP(t, func(o *Options) { o.Transactions = 200 })
	server := start(t, psp, 0)
	all := psp.Transactions()
	slices.SortFunc(all, func(a, b wire.Transaction) int { return a.UpdatedAt.Compare(b.UpdatedAt) })
	values := query(Transactions, 1, 100, time.Time{}).Values()
	values.Set("updatedAtFrom", all[120].UpdatedAt.Format(time.RFC3339Nano))
	records, err := wire.DecodeTransactions(fetch(t, server, "/transactions", values).body)
	if err != nil || len(records) != len(all)-120 || records[0].Value.ID != all[120].ID {
		t.Errorf("from row 120 of %d there are %d rows: %v", len(all), len(records), err)
	}
}

func TestAPayoutWithOneKeyMovesMoneyOnce(t *testing.T) {
	psp := newPSP(t, nil)
	server := start(t, psp, 0)
	var from wire.Balances
	for _, b := range psp.Balances() {
		if len(b.Balances[0].Amount) > 4 && b.Balances[0].Amount[0] != '-' {
			from = b
		}
	}
	pay := func(amount string) (int, string) {
		body := fmt.Sprintf(`{"idempotencyKey":"k1","amount":%q,"currency":%q,"sourceAccountId":%q,"destinationAccountId":%q,"description":"x","metadata":{"a":"b"}}`,
			amount, from.Balances[0].Currency, from.AccountID, psp.Beneficiaries()[0].ID)
		request, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, server.Endpoint+"/payouts", strings.NewReader(body))
		request.Header.Set("Authorization", "Bearer "+server.APIKey)
		request.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		answer, _ := io.ReadAll(response.Body)
		return response.StatusCode, string(answer)
	}
	before := psp.Len()
	status, first := pay("12")
	if status != http.StatusCreated || psp.Len() != before+1 {
		t.Fatalf("%d %s", status, first)
	}
	psp.Step(50)
	before = psp.Len()
	if status, again := pay("12"); status != http.StatusCreated || again != first || psp.Len() != before {
		t.Errorf("the same once more is %d %s, it was %s", status, again, first)
	}
	if status, other := pay("13"); status != http.StatusConflict || psp.Len() != before {
		t.Errorf("another amount under the key is %d %s", status, other)
	}
	checkSums(t, psp)
}
