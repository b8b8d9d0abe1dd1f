package simulator

import (
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/weirhq/weir/sdk"
	"github.com/weirhq/weir/wire"
)

// dense serves a source on loopback.
func dense(tb testing.TB, rows int) (*Dense, *Server) {
	tb.Helper()
	d := NewDense(DenseOptions{Rows: rows, Seed: 1})
	service := d.Service("k")
	service.Logger = slog.New(slog.DiscardHandler)
	handler, err := sdk.New(service)
	if err != nil {
		tb.Fatal(err)
	}
	server := httptest.NewServer(handler)
	tb.Cleanup(server.Close)
	return d, &Server{Endpoint: server.URL, APIKey: "k"}
}

func TestADenseSourceServesEveryRowOnce(t *testing.T) {
	d, server := dense(t, 2345)
	for _, size := range []int{100, 1000} {
		for _, resource := range []string{Accounts, Transactions} {
			rows := walk(t, server, resource, size)
			got, want := DigestOf(byID(t, rows)), DigestOf(d.Records(resource))
			if got != want || len(rows) != want.Count {
				t.Errorf("by %d there are %d %s: %v of %v", size, len(rows), resource, got, want)
			}
		}
	}
}

func TestADenseSourceFiltersInclusively(t *testing.T) {
	d, server := dense(t, 5000)
	for _, number := range []int{0, 1, 999, 1000, 4999} {
		at := d.Transaction(number).UpdatedAt
		first := page(t, server, Transactions, query(Transactions, 1, 10, at))
		// A client asks from the whole second.
		if got, want := ids(first)[0], d.Transaction(number/1000*1000).ID; got != want {
			t.Errorf("from %s comes %s, not %s", at, got, want)
		}
		if from, _ := d.window(wire.ListQuery{Page: 1, PageSize: 10, From: at}); from != number {
			t.Errorf("from exactly %s comes row %d", at, from)
		}
	}
	if rows := page(t, server, Transactions, query(Transactions, 1, 10, d.start.Add(time.Hour))); len(rows) != 0 {
		t.Errorf("past the end there are %d rows", len(rows))
	}
}

func TestADenseSourceHasNothingInTheYear9000(t *testing.T) {
	d, _ := dense(t, 10)
	at := time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC)
	rows, err := d.Service("k").Transactions(t.Context(), wire.ListQuery{Page: 1, PageSize: 5, From: at})
	if err != nil || len(rows) != 0 {
		t.Errorf("%d rows, %v; want none", len(rows), err)
	}
}

func TestTheBalancesOfADenseSourceAreTheSumOfItsRows(t *testing.T) {
	d, _ := dense(t, 1000)
	sums := map[string]*big.Int{"": {}}
	for _, a := range d.Accounts() {
		sums[a.ID] = new(big.Int)
	}
	for number := range 1000 {
		row := d.Transaction(number)
		if err := row.Validate(); err != nil {
			t.Fatal(err)
		}
		amount := must(row.Amount.Int())
		sums[row.DestinationAccountID].Add(sums[row.DestinationAccountID], amount)
		sums[row.SourceAccountID].Sub(sums[row.SourceAccountID], amount)
	}
	for _, b := range d.balances() {
		if string(b.Balances[0].Amount) != sums[b.AccountID].String() {
			t.Errorf("%s holds %s, not %s", b.AccountID, b.Balances[0].Amount, sums[b.AccountID])
		}
	}
	if balances := d.balances(); !slices.IsSortedFunc(balances, func(a, b wire.Balances) int { return a.At.Compare(b.At) }) {
		t.Error("the balances are of several instants")
	}
}

func BenchmarkDensePage(b *testing.B) {
	_, server := dense(b, 1_000_000)
	for number := 0; b.Loop(); number++ {
		fetchPage(b, server, 1+number%1000)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/row")
}

// fetchPage reads a page of a thousand rows and drops it.
func fetchPage(b *testing.B, server *Server, number int) {
	b.Helper()
	request, _ := http.NewRequestWithContext(b.Context(), http.MethodGet,
		server.Endpoint+"/transactions?"+query(Transactions, number, 1000, time.Time{}).Encode(), nil)
	request.Header.Set("Authorization", "Bearer "+server.APIKey)
	request.Header.Set("Accept-Encoding", "identity")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		b.Fatal(err)
	}
	defer response.Body.Close()
	if n, err := io.Copy(io.Discard, response.Body); err != nil || n < 100_000 {
		b.Fatalf("%d bytes: %v", n, err)
	}
}
