package verify_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir/verify"
	"github.com/weirhq/weir/wire"
)

const key = "the-key-of-the-tests"

// row is a row as it travels.
type row = map[string]any

// stall is an honest integration service in memory, written without the SDK,
// whose every manner can be replaced by a bad one.
type stall struct {
	mu sync.Mutex
	// Each list is kept as it is to be shown; the order is made for each request.
	transactions, beneficiaries, accounts []row
	held                                  map[string][]row
	heldAt                                time.Time
	orders                                map[string]row
	asked                                 map[string]row
	down                                  bool
	requests                              int

	// The manners. Each is honest until a test replaces it.
	serve     func(w http.ResponseWriter, r *http.Request) bool
	authorize func(r *http.Request) bool
	refuse    func(w http.ResponseWriter, status int, detail string)
	compare   func(list string, a, b row) int
	passes    func(list string, r row, from time.Time) bool
	cut       func(rows []row, page, size int) []row
	show      func(list string, body []byte) []byte
	balances  func(account string) (row, bool)
	order     func(kind string, order row) (int, row)
	lax       bool
}

func stampOf(list string, r row) time.Time {
	name := "createdAt"
	if list == "transactions" {
		name = "updatedAt"
	}
	at, _ := time.Parse(time.RFC3339Nano, fmt.Sprint(r[name]))
	return at
}

func text(at time.Time) string { return at.UTC().Format(time.RFC3339Nano) }

// newStall has something of everything that a check may want to see.
func newStall() *stall {
	s := &stall{orders: map[string]row{}, asked: map[string]row{}}
	start := time.Now().UTC().Add(-48 * time.Hour).Truncate(time.Second)
	for i, id := range []string{"main", "spare", "odd/1 ä"} {
		s.accounts = append(s.accounts, row{"id": id, "accountName": "Account " + id, "createdAt": text(start.Add(time.Duration(i) * 1500 * time.Millisecond))})
	}
	for i := range 3 {
		s.beneficiaries = append(s.beneficiaries, row{"id": fmt.Sprintf("ben-%d", i), "ownerName": "Somebody", "createdAt": text(start.Add(time.Duration(i) * 1700 * time.Millisecond))})
	}
	for i := range 252 {
		at := start.Add(time.Hour + time.Duration(i)*77_777_777*time.Microsecond)
		r := row{
			"id": fmt.Sprintf("t%04d", i), "createdAt": text(at.Add(-10 * time.Minute)), "updatedAt": text(at), "currency": "EUR/2", "type": "PAYIN",
			"status": "SUCCEEDED", "amount": strconv.Itoa(1001 + 7*(i%200)), "sourceAccountID": "ben-1", "destinationAccountID": "main",
			"metadata": row{"invoice": strconv.Itoa(i)},
		}
		switch {
		case i%20 == 7:
			r["type"], r["sourceAccountID"], r["destinationAccountID"] = "TRANSFER", "main", "spare"
		case i%50 == 33:
			r["status"], r["relatedTransactionID"], r["amount"] = "REFUNDED", fmt.Sprintf("t%04d", i-1), "100"
		case i%30 == 11:
			r["status"] = "PENDING"
		}
		s.transactions = append(s.transactions, r)
	}
	s.heldAt = start
	s.held = map[string][]row{}
	for _, a := range s.accounts {
		s.held[a["id"].(string)] = []row{{"amount": "500000", "currency": "EUR/2"}, {"amount": "7", "currency": "JPY/0"}}
	}
	s.authorize = func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer "+key }
	s.refuse = refuse
	s.compare = func(list string, a, b row) int {
		if c := stampOf(list, a).Compare(stampOf(list, b)); c != 0 {
			return c
		}
		return cmp.Compare(fmt.Sprint(a["id"]), fmt.Sprint(b["id"]))
	}
	s.passes = func(list string, r row, from time.Time) bool { return !stampOf(list, r).Before(from) }
	s.cut = func(rows []row, page, size int) []row {
		first := min((page-1)*size, len(rows))
		return rows[first:min(first+size, len(rows))]
	}
	s.show = func(_ string, body []byte) []byte { return body }
	s.balances = func(account string) (row, bool) {
		held, ok := s.held[account]
		return row{"id": account, "accountID": account, "at": text(s.heldAt), "balances": held}, ok
	}
	s.order = s.takeOrder
	return s
}

func refuse(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(row{"Title": http.StatusText(status), "Detail": detail})
}

func answerJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func (s *stall) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Request-Id", r.Header.Get("X-Request-Id"))
	if s.serve != nil && s.serve(w, r) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	name := strings.TrimPrefix(r.URL.Path, "/")
	switch {
	case !s.authorize(r):
		s.refuse(w, http.StatusUnauthorized, "Send the key.")
	case s.down:
		s.refuse(w, http.StatusServiceUnavailable, "The provider is down.")
	case r.Method == http.MethodPost && (name == "payouts" || name == "transfers"):
		s.serveOrder(w, r, name)
	case r.Method != http.MethodGet:
		s.refuse(w, http.StatusMethodNotAllowed, "Read only.")
	case name == "transactions", name == "accounts", name == "beneficiaries":
		s.serveList(w, r.URL.Query(), name)
	case strings.HasPrefix(name, "accounts/") && strings.HasSuffix(name, "/balances"):
		shown, ok := s.balances(strings.TrimSuffix(strings.TrimPrefix(name, "accounts/"), "/balances"))
		if !ok {
			s.refuse(w, http.StatusNotFound, "There is no such account.")
			return
		}
		answerJSON(w, http.StatusOK, must(json.Marshal(shown)))
	default:
		s.refuse(w, http.StatusNotFound, "There is no such path.")
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func (s *stall) rows(list string) []row {
	return map[string][]row{"transactions": s.transactions, "accounts": s.accounts, "beneficiaries": s.beneficiaries}[list]
}

func (s *stall) serveList(w http.ResponseWriter, q url.Values, list string) {
	sortKey := wire.SortCreatedAt
	if list == "transactions" {
		sortKey = wire.SortUpdatedAt
	}
	asked, err := wire.ParseListQuery(q, sortKey)
	if err != nil && !s.lax {
		s.refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	if err != nil {
		asked = wire.ListQuery{Page: 1, PageSize: 100}
	}
	rows := slices.Clone(s.rows(list))
	slices.SortStableFunc(rows, func(a, b row) int { return s.compare(list, a, b) })
	if !asked.From.IsZero() {
		rows = slices.DeleteFunc(rows, func(r row) bool { return !s.passes(list, r, asked.From) })
	}
	rows = s.cut(rows, asked.Page, asked.PageSize)
	if rows == nil {
		rows = []row{}
	}
	answerJSON(w, http.StatusOK, s.show(list, must(json.Marshal(rows))))
}

func (s *stall) serveOrder(w http.ResponseWriter, r *http.Request, kind string) {
	var order row
	if json.NewDecoder(r.Body).Decode(&order) != nil {
		s.refuse(w, http.StatusBadRequest, "That is no JSON.")
		return
	}
	status, answer := s.order(kind, order)
	if status >= 400 {
		s.refuse(w, status, fmt.Sprint(answer["detail"]))
		return
	}
	answerJSON(w, status, must(json.Marshal(answer)))
}

// takeOrder is how an honest service takes an order: one key, one movement.
func (s *stall) takeOrder(kind string, order row) (int, row) {
	id := fmt.Sprint(order["idempotencyKey"])
	if known, ok := s.orders[id]; ok {
		if !maps.Equal(plain(s.asked[id]), plain(order)) {
			return http.StatusConflict, row{"detail": "The key was used for another order."}
		}
		return http.StatusCreated, known
	}
	if why := s.refusal(order); why != "" {
		return http.StatusBadRequest, row{"detail": why}
	}
	return http.StatusCreated, s.move(kind, order)
}

func (s *stall) refusal(order row) string {
	n, err := strconv.Atoi(fmt.Sprint(order["amount"]))
	switch {
	case err != nil || n <= 0:
		return "The amount must be above zero."
	case !wire.ValidAsset(fmt.Sprint(order["currency"])):
		return "The currency is none."
	case s.held[fmt.Sprint(order["sourceAccountId"])] == nil:
		return "There is no such account."
	}
	return ""
}

// move moves the money, whatever was said before.
func (s *stall) move(kind string, order row) row {
	id := fmt.Sprintf("p%04d", len(s.transactions))
	now := text(time.Now())
	answer := maps.Clone(order)
	answer["id"], answer["status"], answer["createdAt"] = id, "PENDING", now
	s.orders[fmt.Sprint(order["idempotencyKey"])], s.asked[fmt.Sprint(order["idempotencyKey"])] = answer, order
	s.transactions = append(s.transactions, row{
		"id": id, "relatedTransactionID": order["idempotencyKey"], "createdAt": now, "updatedAt": now, "currency": order["currency"],
		"type": map[string]string{"payouts": "PAYOUT", "transfers": "TRANSFER"}[kind], "status": "SUCCEEDED", "amount": order["amount"],
		"sourceAccountID": order["sourceAccountId"], "destinationAccountID": order["destinationAccountId"],
	})
	return answer
}

// plain makes an order comparable.
func plain(order row) map[string]string {
	texts := map[string]string{}
	for name, value := range order {
		texts[name] = fmt.Sprint(value)
	}
	return texts
}

// each changes every transaction that the number picks.
func (s *stall) each(pick func(i int) bool, change func(r row)) {
	for i, r := range s.transactions {
		if pick(i) {
			change(r)
		}
	}
}

func every(int) bool     { return true }
func one(i int) bool     { return i == 70 }
func several(n int) bool { return n%25 == 3 }

// The hooks of an honest stall.

func (s *stall) hooks() verify.Hooks {
	return verify.Hooks{
		Seed: func(_ context.Context, rows []wire.Transaction) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			for _, t := range rows {
				s.transactions = append(s.transactions, row{
					"id": t.ID, "createdAt": text(t.CreatedAt), "updatedAt": text(t.UpdatedAt), "currency": t.Currency,
					"type": string(t.Type), "status": string(t.Status), "amount": string(t.Amount),
				})
			}
			return nil
		},
		Move:    func(context.Context) error { return s.shift(true) },
		Restart: func(context.Context) error { return nil },
		Down: func(_ context.Context, down bool) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.down = down
			return nil
		},
		Refuse: func(_ context.Context, down bool) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.down = down
			return nil
		},
	}
}

// shift changes an old row and adds a new one; stamped says whether the change
// moves updatedAt.
func (s *stall) shift(stamped bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	number := len(s.transactions)
	changed := s.transactions[number%40]
	changed["metadata"] = row{"changed": strconv.Itoa(number)}
	if stamped {
		changed["updatedAt"] = text(time.Now().Add(-time.Millisecond))
	}
	now := text(time.Now())
	s.transactions = append(s.transactions, row{
		"id": fmt.Sprintf("new%d", number), "createdAt": now, "updatedAt": now, "currency": "EUR/2", "type": "PAYIN", "status": "PENDING", "amount": "4711",
	})
	return nil
}

// examine judges a stall and returns what failed or warned, sorted.
func examine(t *testing.T, service http.Handler, change func(*verify.Options)) (*verify.Report, []string) {
	t.Helper()
	server := httptest.NewServer(service)
	defer server.Close()
	options := verify.Options{Endpoint: server.URL, Key: key, Timeout: time.Minute}
	if change != nil {
		change(&options)
	}
	report, err := verify.Run(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	return report, wrong(report)
}

func wrong(report *verify.Report) []string {
	var ids []string
	for _, status := range []verify.Status{verify.Failed, verify.Warned} {
		for _, result := range report.Of(status) {
			ids = append(ids, result.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

func say(t *testing.T, report *verify.Report, ids ...string) {
	t.Helper()
	for _, id := range ids {
		for _, f := range report.Result(id).Findings {
			t.Logf("%s: expected %s, got %s, rows %v", id, f.Expected, f.Got, f.Rows)
		}
	}
}

func TestAnHonestServicePassesEveryCheckThatCanBeMade(t *testing.T) {
	s := newStall()
	report, bad := examine(t, s, func(o *verify.Options) {
		o.Hooks = s.hooks()
		o.Write = &verify.Write{Wait: time.Second}
	})
	if len(bad) > 0 {
		say(t, report, bad...)
		t.Errorf("%v did not pass", bad)
	}
	for _, result := range report.Of(verify.Unjudged) {
		if result.ID != "C8" {
			t.Errorf("%s could not be judged: %s", result.ID, result.Note)
		}
	}
	for _, result := range report.Of(verify.Skipped) {
		if result.Mode != verify.Compares {
			t.Errorf("%s was skipped: %s", result.ID, result.Note)
		}
	}
}
