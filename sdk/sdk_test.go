package sdk

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir/wire"
)

const testKey = "the-key"

var epoch = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// transactions makes n rows that each share their instant with two others, in
// no order.
func transactions(n int) []wire.Transaction {
	rows := make([]wire.Transaction, n)
	for i := range rows {
		place := (i*7919 + 13) % n
		at := epoch.Add(time.Duration(place/3) * time.Second)
		rows[i] = wire.Transaction{
			ID: fmt.Sprintf("t%05d", place), CreatedAt: at, UpdatedAt: at, Currency: "USD/2",
			Type: wire.TypePayin, Status: wire.StatusSucceeded, Amount: wire.AmountOfInt(int64(place)),
		}
	}
	return rows
}

// serve starts the service, with a key and a log of its own unless it has them.
func serve(t *testing.T, service Service) (endpoint string, log *logbook) {
	t.Helper()
	log = new(logbook)
	service.APIKeys = append(service.APIKeys, testKey)
	if service.Logger == nil {
		service.Logger = slog.New(slog.NewTextHandler(log, nil))
	}
	handler, err := New(service)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL, log
}

// logbook is a log that can be read while the service writes it.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// has waits for a line that is written after its answer was sent.
func (l *logbook) has(text string) bool {
	for range 200 {
		if strings.Contains(l.String(), text) {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

// transport neither follows redirects nor unpacks what is compressed.
var transport = &http.Transport{DisableCompression: true}

// call sends a request with the key and without following redirects; headers
// come in pairs and may replace the key.
func call(t *testing.T, method, target, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+testKey)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(content)
}

// refused checks that an answer is an error in the contract's form.
func refused(t *testing.T, response *http.Response, body string, status int) wire.Error {
	t.Helper()
	e, ok := wire.DecodeError([]byte(body))
	if response.StatusCode != status || !ok || e.Title == "" || e.Detail == "" || response.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%s %s: %d %s, want status %d with a Title and a Detail", response.Request.Method, response.Request.URL, response.StatusCode, body, status)
	}
	return e
}

func TestTheUnionOfAllPagesIsTheWholeListWhateverThePageSize(t *testing.T) {
	rows := transactions(250)
	endpoint, log := serve(t, Service{Transactions: func(_ context.Context, q wire.ListQuery) ([]wire.Transaction, error) {
		return Page(rows, q, TransactionKey), nil
	}})
	for _, size := range []int{1, 2, 7, 50, 100, 1000} {
		var ids []string
		for page := 1; ; page++ {
			q := wire.ListQuery{Page: page, PageSize: size, Sort: wire.SortUpdatedAt}
			response, body := call(t, "GET", endpoint+"/transactions?"+q.Encode(), "")
			records, err := wire.DecodeTransactions([]byte(body))
			if err != nil || response.StatusCode != http.StatusOK {
				t.Fatal(response.Status, err)
			}
			for _, record := range records {
				ids = append(ids, record.Value.ID)
			}
			if len(records) < size {
				break
			}
		}
		if len(ids) != 250 {
			t.Fatalf("pages of %d: %d rows", size, len(ids))
		}
		for i, id := range ids {
			if want := fmt.Sprintf("t%05d", i); id != want {
				t.Fatalf("pages of %d: row %d is %s, want %s", size, i, id, want)
			}
		}
	}
	if strings.Contains(log.String(), "level=WARN") {
		t.Error(log)
	}
}

func TestTheFilterIsInclusiveToTheNanosecond(t *testing.T) {
	rows := transactions(30)
	for q, want := range map[string]int{
		"":                                    30,
		"2026-01-31T12:00:09Z":                3,
		"2026-01-31T12:00:08Z":                6,
		"2026-01-31T14:00:08.000000000+02:00": 6,
		"2026-01-31T12:00:08.000000001Z":      3,
		"2026-01-31T12:00:09.5Z":              0,
		"2099-01-01T00:00:00Z":                0,
	} {
		values := url.Values{"pageSize": {"100"}}
		if q != "" {
			values.Set("updatedAtFrom", q)
		}
		query, err := wire.ParseListQuery(values, wire.SortUpdatedAt)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(Page(rows, query, TransactionKey)); got != want {
			t.Errorf("from %s: %d rows, want %d", q, got, want)
		}
	}
}

func TestPageLeavesTheRowsAsTheyAre(t *testing.T) {
	rows := transactions(10)
	first := rows[0].ID
	page := Page(rows, wire.ListQuery{Page: 1 << 62, PageSize: 1 << 62}, TransactionKey)
	if len(page) != 0 || rows[0].ID != first {
		t.Error(len(page), rows[0].ID)
	}
}

func TestEveryRouteIsClosedToWrongKeys(t *testing.T) {
	endpoint, _ := serve(t, Service{APIKeys: []string{"the-older-key"}})
	for _, path := range []string{"/accounts", "/accounts/a/balances", "/beneficiaries", "/transactions", "/payouts", "/capabilities", "/openapi.yaml", "/nowhere", "/"} {
		for _, header := range []string{"", "Bearer", "Bearer ", "Bearer wrong", "Bearer the-ke", "Bearer the-key2", "Basic the-key", "the-key"} {
			response, body := call(t, "GET", endpoint+path, "", "Authorization", header)
			refused(t, response, body, 401)
			if strings.Contains(body, testKey) || response.Header.Get("Www-Authenticate") != "Bearer" {
				t.Errorf("%s: %v", body, response.Header)
			}
		}
	}
	for _, header := range []string{"Bearer the-key", "bearer  the-key ", "Bearer the-older-key"} {
		if response, body := call(t, "GET", endpoint+"/accounts", "", "Authorization", header); response.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", header, body)
		}
	}
}

func TestHealthNeedsNoKey(t *testing.T) {
	endpoint, _ := serve(t, Service{})
	if response, body := call(t, "GET", endpoint+"/healthz", "", "Authorization", ""); response.StatusCode != http.StatusOK || body != `{"status":"ok"}` {
		t.Error(response.Status, body)
	}
}

func TestWhatTheServiceLacksIsEmptyOrRefused(t *testing.T) {
	endpoint, _ := serve(t, Service{})
	for _, path := range []string{"/accounts", "/beneficiaries", "/transactions"} {
		if response, body := call(t, "GET", endpoint+path, ""); response.StatusCode != http.StatusOK || body != "[]" {
			t.Errorf("%s: %d %s", path, response.StatusCode, body)
		}
	}
	_, body := call(t, "GET", endpoint+"/accounts/a/balances", "")
	if record, err := wire.DecodeBalances([]byte(body)); err != nil || record.Err != nil || record.Value.AccountID != "a" || len(record.Value.Balances) != 0 {
		t.Error(body, err, record.Err)
	}
	for _, path := range []string{"/payouts", "/transfers"} {
		response, body := call(t, "POST", endpoint+path, "{}")
		refused(t, response, body, 404)
	}
	_, body = call(t, "GET", endpoint+"/capabilities", "")
	if body != `{"version":"v0.1","pageSizeMax":1000,"resources":[]}` {
		t.Error(body)
	}
}

func TestCapabilitiesNameWhatTheServiceHas(t *testing.T) {
	endpoint, _ := serve(t, Service{
		PageSizeMax:  500,
		Accounts:     func(context.Context, wire.ListQuery) ([]wire.Account, error) { return nil, nil },
		CreatePayout: func(context.Context, wire.PayoutRequest) (wire.Payout, error) { return wire.Payout{}, nil },
	})
	_, body := call(t, "GET", endpoint+"/capabilities", "")
	if body != `{"version":"v0.1","pageSizeMax":500,"resources":["accounts","payouts"]}` {
		t.Error(body)
	}
	response, body := call(t, "GET", endpoint+"/openapi.yaml", "")
	if response.StatusCode != http.StatusOK || !strings.HasPrefix(body, "openapi: 3.0.3") {
		t.Error(response.Status)
	}
}

func TestWrongQueriesAreRefused(t *testing.T) {
	called := false
	endpoint, _ := serve(t, Service{PageSizeMax: 200, Transactions: func(context.Context, wire.ListQuery) ([]wire.Transaction, error) {
		called = true
		return nil, nil
	}})
	for _, query := range []string{
		"page=0", "page=-1", "page=abc", "pageSize=0", "pageSize=-1", "pageSize=201", "pageSize=1000000000", "pageSize=x",
		"sort=createdAt:asc", "sort=updatedAt:desc", "sort=id", "updatedAtFrom=yesterday", "updatedAtFrom=2026-01-31", "createdAtFrom=2026-01-31T12:00:00Z",
	} {
		response, body := call(t, "GET", endpoint+"/transactions?"+query, "")
		refused(t, response, body, 400)
	}
	if called {
		t.Error("the function was called")
	}
	if response, _ := call(t, "GET", endpoint+"/transactions?pageSize=200&unknown=1", ""); response.StatusCode != http.StatusOK || !called {
		t.Error(response.Status)
	}
}

func TestUnknownPathsAndMethodsAreJSONErrors(t *testing.T) {
	endpoint, _ := serve(t, Service{})
	for _, path := range []string{"/", "/account", "/accounts/", "/accounts/a", "/accounts//balances/x", "/accounts/balances", "/transactions/t1"} {
		response, body := call(t, "GET", endpoint+path, "")
		refused(t, response, body, 404)
	}
	for path, allow := range map[string]string{"/accounts": "GET, HEAD", "/payouts": "POST", "/accounts/a/balances": "GET, HEAD"} {
		response, body := call(t, "DELETE", endpoint+path, "")
		refused(t, response, body, 405)
		if response.Header.Get("Allow") != allow {
			t.Errorf("%s: %s", path, response.Header.Get("Allow"))
		}
	}
	if response, body := call(t, "HEAD", endpoint+"/accounts", ""); response.StatusCode != http.StatusOK || body != "" || response.Header.Get("Content-Length") != "2" {
		t.Error(response.Status, body, response.Header)
	}
}

func TestTwoLeadingSlashesAreAsGoodAsOne(t *testing.T) {
	endpoint, _ := serve(t, Service{})
	if response, body := call(t, "GET", endpoint+"//accounts?page=1", ""); response.StatusCode != http.StatusOK {
		t.Error(response.Status, body)
	}
}

func TestAnyAccountIDWorksInAPath(t *testing.T) {
	endpoint, _ := serve(t, Service{Balances: func(_ context.Context, id string) (wire.Balances, error) {
		return wire.Balances{AccountID: id, At: epoch, Balances: []wire.Balance{{Amount: "-7", Currency: "KWD/3"}}}, nil
	}})
	for _, id := range []string{"a", "a/b", "a?b=c", "a#b", "50%", "a b", "konto-ü", "..", ".", "a//b", "%2F", "+", "balances", "a/balances"} {
		response, body := call(t, "GET", endpoint+"/accounts/"+url.PathEscape(id)+"/balances", "")
		record, err := wire.DecodeBalances([]byte(body))
		if err != nil || record.Err != nil || record.Value.AccountID != id || len(record.Value.Balances) != 1 {
			t.Errorf("%q: %d %s %v", id, response.StatusCode, body, err)
		}
	}
	if _, body := call(t, "GET", endpoint+"/accounts/a/b/balances", ""); !strings.Contains(body, `"accountID":"a/b"`) {
		t.Error(body)
	}
	response, body := call(t, "GET", endpoint+"/accounts/"+strings.Repeat("x", 2000)+"/balances", "")
	refused(t, response, body, 400)
}

func TestARowThatBreaksTheContractIsNotServed(t *testing.T) {
	for want, spoil := range map[string]func(*wire.Transaction){
		"id must be given": func(t *wire.Transaction) { t.ID = "" },
		"12.50":            func(t *wire.Transaction) { t.Amount = "12.50" },
		"usd":              func(t *wire.Transaction) { t.Currency = "usd" },
		"status must":      func(t *wire.Transaction) { t.Status = "" },
		"type must":        func(t *wire.Transaction) { t.Type = "payin" },
		"updatedAt must":   func(t *wire.Transaction) { t.UpdatedAt = time.Time{} },
		"UTF-8":            func(t *wire.Transaction) { t.Metadata = map[string]string{"a": "\xff"} },
	} {
		rows := transactions(3)
		spoil(&rows[1])
		endpoint, log := serve(t, Service{Transactions: func(context.Context, wire.ListQuery) ([]wire.Transaction, error) { return rows, nil }})
		response, body := call(t, "GET", endpoint+"/transactions", "")
		if e := refused(t, response, body, 500); !strings.Contains(e.Detail, "Record 2") || !strings.Contains(e.Detail, want) {
			t.Errorf("%s: %s", want, e.Detail)
		}
		if !strings.Contains(log.String(), "level=ERROR") {
			t.Error(log)
		}
	}
}

func TestBalancesOfAnotherAccountAreNotServed(t *testing.T) {
	two := []wire.Balance{{Amount: "1", Currency: "USD/2"}, {Amount: "2", Currency: "USD/2"}}
	for want, balances := range map[string]wire.Balances{
		"accountID is":       {AccountID: "b", At: epoch},
		"more than one":      {AccountID: "a", At: epoch, Balances: two},
		"at must be given":   {AccountID: "a"},
		"balances[0]: curre": {AccountID: "a", At: epoch, Balances: []wire.Balance{{Amount: "1"}}},
	} {
		endpoint, _ := serve(t, Service{Balances: func(context.Context, string) (wire.Balances, error) { return balances, nil }})
		response, body := call(t, "GET", endpoint+"/accounts/a/balances", "")
		if e := refused(t, response, body, 500); !strings.Contains(e.Detail, want) {
			t.Errorf("%s: %s", want, e.Detail)
		}
	}
}

func TestAListThatIsNotAsTheContractSaysIsServedWithAWarning(t *testing.T) {
	sorted := Page(transactions(9), wire.ListQuery{Page: 1, PageSize: 9}, TransactionKey)
	for want, query := range map[string]string{
		"9 rows where 5": "pageSize=5",
		"before the":     "updatedAtFrom=2026-01-31T12:00:01Z",
		"not in order":   "",
	} {
		rows := append([]wire.Transaction(nil), sorted...)
		if want == "not in order" {
			rows[0], rows[8] = rows[8], rows[0]
		}
		endpoint, log := serve(t, Service{Transactions: func(context.Context, wire.ListQuery) ([]wire.Transaction, error) { return rows, nil }})
		if response, body := call(t, "GET", endpoint+"/transactions?"+query, ""); response.StatusCode != http.StatusOK {
			t.Error(body)
		}
		if !strings.Contains(log.String(), want) {
			t.Errorf("want %s in the log: %s", want, log)
		}
	}
}

func TestErrorsSayWhatTheFunctionWantsAndNoMore(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		detail string
		retry  string
	}{
		{Unavailable("The provider is closed on Sundays.", 1500*time.Millisecond), 503, "The provider is closed on Sundays.", "2"},
		{fmt.Errorf("list: %w", &Error{Status: 429, Detail: "Slowly.", RetryAfter: time.Minute}), 429, "Slowly.", "60"},
		{&Error{Status: 401, Title: "PSP", Detail: "The provider refused its key."}, 502, "The provider refused its key.", ""},
		{&Error{Status: 200, Detail: "x"}, 500, "x", ""},
		{errors.New("password hunter2 is wrong"), 500, "request id abc", ""},
		{context.DeadlineExceeded, 504, "request id abc", ""},
		{context.Canceled, 408, "hung up", ""},
	} {
		endpoint, log := serve(t, Service{Accounts: func(context.Context, wire.ListQuery) ([]wire.Account, error) { return nil, c.err }})
		response, body := call(t, "GET", endpoint+"/accounts", "", "X-Request-Id", "abc")
		if e := refused(t, response, body, c.status); !strings.Contains(e.Detail, c.detail) || strings.Contains(body, "hunter2") {
			t.Errorf("%v: %s", c.err, body)
		}
		if response.Header.Get("Retry-After") != c.retry || !strings.Contains(log.String(), c.err.Error()) {
			t.Errorf("%v: %v, log %s", c.err, response.Header, log)
		}
	}
}

func TestAPanicIsAnErrorWithoutItsStack(t *testing.T) {
	endpoint, log := serve(t, Service{Accounts: func(context.Context, wire.ListQuery) ([]wire.Account, error) { panic("secret thing") }})
	response, body := call(t, "GET", endpoint+"/accounts", "")
	refused(t, response, body, 500)
	if strings.Contains(body, "secret") || strings.Contains(body, "goroutine") || !strings.Contains(log.String(), "secret thing") {
		t.Error(body, log)
	}
	if response, _ := call(t, "GET", endpoint+"/healthz", ""); response.StatusCode != http.StatusOK {
		t.Error("the service is gone")
	}
}

func TestTheRequestIDIsEchoedAndReachesTheFunction(t *testing.T) {
	var seen string
	endpoint, log := serve(t, Service{Accounts: func(ctx context.Context, _ wire.ListQuery) ([]wire.Account, error) {
		seen = RequestID(ctx)
		return nil, nil
	}})
	response, _ := call(t, "GET", endpoint+"/accounts", "", "X-Request-Id", "abc-1")
	if response.Header.Get("X-Request-Id") != "abc-1" || seen != "abc-1" || !log.has("msg=request method=GET path=/accounts status=200 bytes=2") {
		t.Error(response.Header, seen, log)
	}
	for _, bad := range []string{"", "a b", strings.Repeat("x", 200)} {
		response, _ := call(t, "GET", endpoint+"/accounts", "", "X-Request-Id", bad)
		if id := response.Header.Get("X-Request-Id"); id == bad || len(id) < 16 {
			t.Errorf("%q became %q", bad, id)
		}
	}
}

func TestTheSamePageTwiceIsByteEqualAndCostsNothing(t *testing.T) {
	rows := transactions(100)
	endpoint, _ := serve(t, Service{Transactions: func(_ context.Context, q wire.ListQuery) ([]wire.Transaction, error) {
		return Page(rows, q, TransactionKey), nil
	}})
	first, body := call(t, "GET", endpoint+"/transactions", "")
	tag := first.Header.Get("ETag")
	second, again := call(t, "GET", endpoint+"/transactions", "", "If-None-Match", `"other", `+tag)
	if second.StatusCode != http.StatusNotModified || again != "" {
		t.Error(second.Status, len(again))
	}
	rows[5].Status = wire.StatusDispute
	third, changed := call(t, "GET", endpoint+"/transactions", "", "If-None-Match", tag)
	if third.StatusCode != http.StatusOK || changed == body || third.Header.Get("ETag") == tag {
		t.Error(third.Status)
	}
}

func TestLargePagesAreCompressedForThoseWhoAcceptIt(t *testing.T) {
	rows := transactions(100)
	endpoint, _ := serve(t, Service{Transactions: func(_ context.Context, q wire.ListQuery) ([]wire.Transaction, error) {
		return Page(rows, q, TransactionKey), nil
	}})
	_, plain := call(t, "GET", endpoint+"/transactions", "")
	response, compressed := call(t, "GET", endpoint+"/transactions", "", "Accept-Encoding", "br, gzip")
	if response.Header.Get("Content-Encoding") != "gzip" || len(compressed)*4 > len(plain) {
		t.Fatal(response.Header, len(compressed), len(plain))
	}
	reader, err := gzip.NewReader(strings.NewReader(compressed))
	if err != nil {
		t.Fatal(err)
	}
	if unpacked, err := io.ReadAll(reader); err != nil || string(unpacked) != plain {
		t.Error(err)
	}
	for _, header := range []string{"", "identity", "gzip;q=0", "gzip; q=0.0", "gzipx"} {
		if response, body := call(t, "GET", endpoint+"/transactions", "", "Accept-Encoding", header); response.Header.Get("Content-Encoding") != "" || body != plain {
			t.Errorf("%q: %v", header, response.Header)
		}
	}
	if response, _ := call(t, "GET", endpoint+"/transactions?pageSize=1", "", "Accept-Encoding", "gzip"); response.Header.Get("Content-Encoding") != "" {
		t.Error("a small page was compressed")
	}
}

const payout = `{"idempotencyKey":"ref-001","amount":"1000","currency":"USD/2","sourceAccountId":"src","destinationAccountId":"ben","description":"desc","metadata":{"m":"1"}}`

func TestAPayoutEchoesItsRequest(t *testing.T) {
	create := func(_ context.Context, request wire.PayoutRequest) (wire.Payout, error) {
		if request.Description != "desc" || request.Metadata["m"] != "1" {
			return wire.Payout{}, Refused("wrong request")
		}
		return wire.Payout{ID: "p1", Status: wire.StatusPending, CreatedAt: epoch}, nil
	}
	endpoint, _ := serve(t, Service{CreatePayout: create, CreateTransfer: func(ctx context.Context, request wire.TransferRequest) (wire.Transfer, error) {
		made, err := create(ctx, wire.PayoutRequest(request))
		return wire.Transfer(made), err
	}})
	for _, path := range []string{"/payouts", "/transfers"} {
		response, body := call(t, "POST", endpoint+path, payout, "Content-Type", "application/json; charset=utf-8")
		want := `{"id":"p1","idempotencyKey":"ref-001","amount":"1000","currency":"USD/2","sourceAccountId":"src","destinationAccountId":"ben","description":"desc","status":"PENDING","createdAt":"2026-01-31T12:00:00Z"}`
		if response.StatusCode != http.StatusCreated || body != want {
			t.Errorf("%s: %d\n got %s\nwant %s", path, response.StatusCode, body, want)
		}
	}
}

func TestWrongOrdersNeverReachTheFunction(t *testing.T) {
	endpoint, _ := serve(t, Service{CreatePayout: func(context.Context, wire.PayoutRequest) (wire.Payout, error) {
		t.Error("the function was called")
		return wire.Payout{}, nil
	}})
	for want, body := range map[string]string{
		"empty":                  ``,
		"JSON list":              `[]`,
		"cut off":                payout[:50],
		"above zero":             strings.Replace(payout, "1000", "0", 1),
		"-5":                     strings.Replace(payout, "1000", "-5", 1),
		"1.5":                    strings.Replace(payout, "1000", "1.5", 1),
		"as a string":            strings.Replace(payout, `"1000"`, "1000", 1),
		"currency must":          strings.Replace(payout, "USD/2", "$", 1),
		"idempotencyKey must":    strings.Replace(payout, "ref-001", "", 1),
		"sourceAccountId must":   strings.Replace(payout, `"src"`, "null", 1),
		"is given twice":         strings.Replace(payout, `{"`, `{"amount":"1","`, 1),
		"goes on after its end":  payout + payout,
		"destinationAccountId m": strings.Replace(payout, `"ben"`, `""`, 1),
	} {
		response, answer := call(t, "POST", endpoint+"/payouts", body)
		if e := refused(t, response, answer, 400); !strings.Contains(e.Detail, want) {
			t.Errorf("want %s in %s", want, e.Detail)
		}
	}
	response, body := call(t, "POST", endpoint+"/payouts", payout, "Content-Type", "text/xml")
	refused(t, response, body, 415)
	response, body = call(t, "POST", endpoint+"/payouts", strings.Repeat(" ", orderBytesMax+1))
	refused(t, response, body, 413)
}

func TestAPayoutGoesOnWhenItsCallerHangsUp(t *testing.T) {
	entered, hungUp, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	handler, err := New(Service{APIKeys: []string{testKey}, Logger: slog.New(slog.DiscardHandler), CreatePayout: func(ctx context.Context, _ wire.PayoutRequest) (wire.Payout, error) {
		close(entered)
		<-hungUp
		ended <- ctx.Err()
		return wire.Payout{ID: "p", Status: wire.StatusPending, CreatedAt: epoch}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		context.AfterFunc(r.Context(), func() { close(hungUp) })
		handler.ServeHTTP(w, r)
	}))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/payouts", strings.NewReader(payout))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+testKey)
	go func() {
		<-entered
		cancel()
	}()
	if response, err := http.DefaultClient.Do(request); err == nil {
		t.Error("the caller did not hang up", response.Body.Close())
	}
	if err := <-ended; err != nil {
		t.Error("the payout's context ended:", err)
	}
}

func TestAServiceThatCannotBeServedIsRefusedAtOnce(t *testing.T) {
	for want, service := range map[string]Service{
		"must hold a key":   {},
		"must not be empty": {APIKeys: []string{"a", ""}},
		"spaces":            {APIKeys: []string{"a\n"}},
		"at least 100":      {APIKeys: []string{"a"}, PageSizeMax: 50},
	} {
		if _, err := New(service); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %s: %v", want, err)
		}
	}
}

func TestServeEndsWithItsContextAndFinishesWhatItBegan(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	handler, err := New(Service{APIKeys: []string{testKey}, Logger: slog.New(slog.DiscardHandler), Accounts: func(context.Context, wire.ListQuery) ([]wire.Account, error) {
		close(entered)
		<-release
		return []wire.Account{{ID: "a", CreatedAt: epoch}}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, listener, handler) }()
	go func() {
		<-entered
		cancel()
		time.Sleep(10 * time.Millisecond)
		close(release)
	}()
	if response, body := call(t, "GET", "http://"+listener.Addr().String()+"/accounts", ""); response.StatusCode != http.StatusOK || len(body) < 10 {
		t.Error(response.Status, body)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	if err := ListenAndServe(t.Context(), "256.0.0.1:1", handler); err == nil || !strings.Contains(err.Error(), "listen at 256.0.0.1:1") {
		t.Error(err)
	}
}

func BenchmarkServePage(b *testing.B) {
	rows := transactions(1000)
	for i := range rows {
		rows[i].SourceAccountID, rows[i].DestinationAccountID = "acct_00000017", "ben_00000004"
		rows[i].Scheme = "SEPA_CREDIT"
		rows[i].Metadata = map[string]string{"order": rows[i].ID, "note": "Zahlung für März"}
	}
	Sort(rows, TransactionKey)
	handler, err := New(Service{APIKeys: []string{testKey}, Logger: slog.New(slog.DiscardHandler), Transactions: func(_ context.Context, q wire.ListQuery) ([]wire.Transaction, error) {
		return PageOfSorted(rows, q, TransactionKey), nil
	}})
	if err != nil {
		b.Fatal(err)
	}
	for _, encoding := range []string{"identity", "gzip"} {
		b.Run(encoding, func(b *testing.B) {
			request := httptest.NewRequest(http.MethodGet, "/transactions?pageSize=1000", nil)
			request.Header.Set("Authorization", "Bearer "+testKey)
			request.Header.Set("Accept-Encoding", encoding)
			b.ReportAllocs()
			for b.Loop() {
				w := discard{http.Header{}}
				handler.ServeHTTP(w, request)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N), "µs/page")
		})
	}
}

type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

func TestAConnectionIsNamedUnlessAProxyOrManyCallersShareIt(t *testing.T) {
	var seen []string
	endpoint, _ := serve(t, Service{Accounts: func(ctx context.Context, _ wire.ListQuery) ([]wire.Account, error) {
		seen = append(seen, Connection(ctx))
		return nil, nil
	}})
	call(t, "GET", endpoint+"/accounts", "")
	call(t, "GET", endpoint+"/accounts", "", "X-Forwarded-For", "192.0.2.1")
	if len(seen) != 2 || seen[0] == "" || seen[1] != "" {
		t.Error(seen)
	}
}
