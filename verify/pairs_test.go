package verify_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirhq/weir/verify"
	"github.com/weirhq/weir/wire"
)

// A pair is a check and a service that violates it. What it violates besides,
// because one mistake breaks two promises, stands in also.
type pair struct {
	check string
	what  string
	spoil func(s *stall)
	also  []string
	// then is done to the service between two runs, of which the second is judged.
	then func(s *stall)
	// options are those that the check needs.
	options func(s *stall, o *verify.Options)
}

// rewrite changes the query before it is served.
func rewrite(change func(path string, q url.Values)) func(s *stall) {
	return func(s *stall) {
		s.serve = func(_ http.ResponseWriter, r *http.Request) bool {
			q := r.URL.Query()
			change(r.URL.Path, q)
			r.URL.RawQuery = q.Encode()
			return false
		}
	}
}

// row70 changes one row in the middle.
func row70(field string, value any) func(s *stall) {
	return func(s *stall) { s.each(one, func(r row) { r[field] = value }) }
}

// touched changes one row between two runs, as a change should be shown.
func touched(number int, field string, value any) func(s *stall) {
	return func(s *stall) {
		s.transactions[number][field] = value
		s.transactions[number]["updatedAt"] = text(time.Now())
	}
}

// tie gives thirty rows one instant.
func tie(s *stall) {
	for _, r := range s.transactions[150:180] {
		r["updatedAt"], r["createdAt"] = s.transactions[150]["updatedAt"], s.transactions[150]["createdAt"]
	}
}

// added is a row that was not there before.
func added(id string, at time.Time, fields row) row {
	r := row{
		"id": id, "createdAt": text(at), "updatedAt": text(at), "currency": "EUR/2", "type": "PAYIN", "status": "SUCCEEDED",
		"amount": "12345", "sourceAccountID": "ben-1", "destinationAccountID": "main",
	}
	for name, value := range fields {
		r[name] = value
	}
	return r
}

func writes(s *stall, o *verify.Options) {
	o.Hooks = s.hooks()
	o.Hooks.Seed, o.Hooks.Move = nil, nil
	o.Write = &verify.Write{Wait: time.Millisecond}
}

var authPairs = []pair{
	{check: "A1", what: "the beginning of the key is enough", spoil: func(s *stall) {
		s.authorize = func(r *http.Request) bool {
			given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
			return ok && strings.HasPrefix(key, given)
		}
	}},
	{check: "A2", what: "a refusal repeats the key", spoil: func(s *stall) {
		s.serve = func(w http.ResponseWriter, r *http.Request) bool {
			wrong := !s.authorize(r)
			if wrong {
				refuse(w, http.StatusUnauthorized, "Not good: "+r.Header.Get("Authorization"))
			}
			return wrong
		}
	}},
	{check: "A4", what: "the key is wanted in X-Api-Key", spoil: func(s *stall) {
		s.authorize = func(r *http.Request) bool { return r.Header.Get("X-Api-Key") == key }
	}},
	{check: "A5", what: "a page redirects to another host, once", spoil: func(s *stall) {
		var seen atomic.Bool
		s.serve = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Query().Get("page") != "2" || seen.Swap(true) {
				return false
			}
			http.Redirect(w, r, "http://elsewhere.example/transactions", http.StatusTemporaryRedirect)
			return true
		}
	}},
	{check: "A6", what: "an unknown path is an empty list", spoil: func(s *stall) {
		s.serve = func(w http.ResponseWriter, r *http.Request) bool {
			unknown := strings.Contains(r.URL.Path, "no-such-path")
			if unknown {
				answerJSON(w, http.StatusOK, []byte("[]"))
			}
			return unknown
		}
	}},
	{check: "A7", what: "the request's id does not come back", spoil: func(s *stall) {
		s.serve = func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Del("X-Request-Id")
			return false
		}
	}},
}

var schemaPairs = []pair{
	{check: "B1", what: "a row has no type", spoil: func(s *stall) { s.each(one, func(r row) { delete(r, "type") }) }},
	{check: "B1", what: "a list without rows is null", spoil: func(s *stall) {
		s.beneficiaries = nil
		s.each(every, func(r row) { delete(r, "sourceAccountID"); r["type"] = "PAYIN" })
		s.show = func(_ string, body []byte) []byte {
			if string(body) == "[]" {
				return []byte("null")
			}
			return body
		}
	}},
	{check: "B2", what: "a status is written small", spoil: row70("status", "succeeded"), also: []string{"B1"}},
	{check: "B3", what: "a row has a field of its own", spoil: row70("shard", 7)},
	{check: "B4", what: "the source is spelt as in a payout", spoil: func(s *stall) {
		s.each(several, func(r row) { r["sourceAccountId"] = r["sourceAccountID"]; delete(r, "sourceAccountID") })
	}},
	{check: "B5", what: "a value of metadata is a document", spoil: row70("metadata", row{"document": strings.Repeat("x", 70_000)})},
	{check: "B5", what: "an account with a slash has no balances", also: []string{"I1"}, spoil: func(s *stall) {
		delete(s.held, "odd/1 ä")
	}},
	{check: "B6", what: "nothing found is 404", spoil: func(s *stall) {
		s.serve = func(w http.ResponseWriter, r *http.Request) bool {
			nothing := strings.Contains(r.URL.RawQuery, "2200-")
			if nothing {
				refuse(w, http.StatusNotFound, "Nothing was found.")
			}
			return nothing
		}
	}},
}

var pagingPairs = []pair{
	{check: "C1", what: "pages of seven leave a row out", spoil: func(s *stall) {
		honest := s.cut
		s.cut = func(rows []row, page, size int) []row {
			if size == 7 && page > 1 {
				rows = rows[min(len(rows), 1):]
			}
			return honest(rows, page, size)
		}
	}},
	{check: "C2", what: "white space varies", spoil: func(s *stall) {
		s.show = func(_ string, body []byte) []byte { return append(body, strings.Repeat(" ", s.requests%7)...) }
	}},
	{check: "C3", what: "past the end is 404", also: []string{"C5"}, spoil: func(s *stall) {
		s.serve = func(w http.ResponseWriter, r *http.Request) bool {
			page, _ := strconv.Atoi(r.URL.Query().Get("page"))
			size, _ := strconv.Atoi(r.URL.Query().Get("pageSize"))
			past := page > 1 && (page-1)*size >= len(s.rows(strings.Trim(r.URL.Path, "/")))
			if past {
				refuse(w, http.StatusNotFound, "There is no such page.")
			}
			return past
		}
	}},
	{check: "C4", what: "pages hold fifty at most", spoil: func(s *stall) {
		honest := s.cut
		s.cut = func(rows []row, page, size int) []row { return honest(rows, page, min(size, 50)) }
	}},
	{check: "C4", what: "a page lacks the rows that are hidden", also: []string{"C1"}, spoil: func(s *stall) {
		honest := s.cut
		s.cut = func(rows []row, page, size int) []row {
			return slices.DeleteFunc(slices.Clone(honest(rows, page, size)), func(r row) bool { return size >= 100 && r["id"] == "t0070" })
		}
	}},
	{check: "C5", what: "after a full last page it comes again", spoil: func(s *stall) {
		honest := s.cut
		s.cut = func(rows []row, page, size int) []row {
			if len(rows) > 0 && len(rows)%size == 0 && (page-1)*size >= len(rows) {
				page = len(rows) / size
			}
			return honest(rows, page, size)
		}
	}},
	{check: "C6", what: "a row goes away while others are read", options: func(s *stall, o *verify.Options) {
		o.Hooks.Move = func(context.Context) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.transactions = slices.Delete(s.transactions, 15, 16)
			return nil
		}
	}},
	{check: "C7", what: "page abc is page 1", spoil: rewrite(func(_ string, q url.Values) {
		for _, name := range []string{"page", "pageSize"} {
			if n, err := strconv.Atoi(q.Get(name)); err != nil || n < 1 {
				q.Del(name)
			}
		}
	})},
	{check: "C8", what: "deep pages are slow", spoil: func(s *stall) {
		s.transactions = nil
		start := time.Now().Add(-time.Hour)
		for i := range 1100 {
			s.transactions = append(s.transactions, added(fmt.Sprintf("t%05d", i), start.Add(time.Duration(i)*time.Millisecond+time.Microsecond), row{"amount": strconv.Itoa(i + 1)}))
		}
		s.serve = func(_ http.ResponseWriter, r *http.Request) bool {
			if page, _ := strconv.Atoi(r.URL.Query().Get("page")); page >= 10 && page < 20 {
				time.Sleep(70 * time.Millisecond)
			}
			return false
		}
	}},
}

var orderPairs = []pair{
	{check: "D1", what: "lists are sorted newest first", spoil: func(s *stall) {
		honest := s.compare
		s.compare = func(list string, a, b row) int { return honest(list, b, a) }
	}},
	{check: "D2", what: "rows of one instant come in any order", also: []string{"D6", "E6"}, spoil: func(s *stall) {
		tie(s)
		s.compare = func(list string, a, b row) int {
			if c := stampOf(list, a).Compare(stampOf(list, b)); c != 0 {
				return c
			}
			shuffled := func(r row) uint32 { return crc32.ChecksumIEEE(fmt.Append(nil, r["id"], s.requests)) }
			return cmp.Compare(shuffled(a), shuffled(b))
		}
	}},
	{check: "D3", what: "the filter means after", spoil: func(s *stall) {
		s.passes = func(list string, r row, from time.Time) bool { return stampOf(list, r).After(from) }
	}},
	{check: "D4", what: "the filter leaves out what is pending", spoil: func(s *stall) {
		s.passes = func(list string, r row, from time.Time) bool {
			return !stampOf(list, r).Before(from) && r["status"] != "PENDING"
		}
	}},
	{check: "D5", what: "the filter goes by createdAt", spoil: func(s *stall) {
		s.passes = func(_ string, r row, from time.Time) bool { return !stampOf("accounts", r).Before(from) }
	}},
	{check: "D5", what: "the filter is ignored", also: []string{"D9"}, spoil: func(s *stall) {
		s.passes = func(string, row, time.Time) bool { return true }
	}},
	{check: "D5", what: "an offset is refused", spoil: func(s *stall) {
		s.serve = func(w http.ResponseWriter, r *http.Request) bool {
			offset := strings.Contains(r.URL.RawQuery, "%2B02")
			if offset {
				refuse(w, http.StatusBadRequest, "UTC only.")
			}
			return offset
		}
	}},
	{check: "D6", what: "a group is shown by ten rows", also: []string{"E6"}, spoil: func(s *stall) {
		tie(s)
		s.passes = func(list string, r row, from time.Time) bool {
			return !stampOf(list, r).Before(from) && (!stampOf(list, r).Equal(from) || fmt.Sprint(r["id"]) < "t0160")
		}
	}},
	{check: "D7", what: "page 2 of a filtered list is page 3", spoil: rewrite(func(_ string, q url.Values) {
		if q.Has("updatedAtFrom") && q.Get("page") == "2" {
			q.Set("page", "3")
		}
	})},
	{check: "D8", what: "a whole second means the next one", spoil: func(s *stall) {
		s.passes = func(list string, r row, from time.Time) bool {
			if from.Nanosecond() == 0 {
				from = from.Add(time.Second)
			}
			return !stampOf(list, r).Before(from)
		}
	}},
	{check: "D9", what: "a filter in the future is ignored", spoil: func(s *stall) {
		s.passes = func(list string, r row, from time.Time) bool {
			return from.After(time.Now()) || !stampOf(list, r).Before(from)
		}
	}},
	{check: "D10", what: "a filter that is none is ignored", spoil: rewrite(func(_ string, q url.Values) {
		for _, name := range []string{"createdAtFrom", "updatedAtFrom"} {
			if _, err := time.Parse(time.RFC3339Nano, q.Get(name)); err != nil {
				q.Del(name)
			}
		}
	})},
	{check: "D11", what: "every sort is taken for the one there is", spoil: rewrite(func(_ string, q url.Values) { q.Del("sort") })},
}

var clockPairs = []pair{
	{check: "E1", what: "a stamp has no offset", also: []string{"B1"}, spoil: row70("updatedAt", "2026-01-01T12:00:00")},
	{check: "E2", what: "a row is from the future", spoil: row70("updatedAt", "2099-01-01T00:00:00.5Z")},
	{check: "E2", what: "a row was changed before it was created", spoil: func(s *stall) {
		s.each(one, func(r row) { r["createdAt"] = text(time.Now()) })
	}},
	{check: "E3", what: "createdAt changes", then: touched(70, "createdAt", "2020-01-01T00:00:00.1Z")},
	{check: "E4", what: "a change leaves updatedAt alone", then: func(s *stall) { s.transactions[70]["amount"] = "5" }},
	{check: "E4", what: "a change that was made leaves updatedAt alone", options: func(s *stall, o *verify.Options) {
		o.Hooks.Move = func(context.Context) error { return s.shift(false) }
	}},
	{check: "E5", what: "a row appears behind the others", then: func(s *stall) {
		s.transactions = append(s.transactions, added("late", stampOf("transactions", s.transactions[0]).Add(-3*time.Hour), row{"status": "PENDING"}))
	}},
	{check: "E6", what: "stamps are whole seconds", spoil: func(s *stall) {
		s.each(every, func(r row) { r["updatedAt"] = text(stampOf("transactions", r).Truncate(time.Second)) })
	}},
	{check: "E7", what: "the clock is an hour ahead", spoil: func(s *stall) {
		s.serve = func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
			return false
		}
	}},
}

var identityPairs = []pair{
	{check: "F1", what: "two rows have one id", spoil: row70("id", "t0069")},
	{check: "F2", what: "a row is gone", then: func(s *stall) { s.transactions = slices.Delete(s.transactions, 60, 61) }},
	{check: "F3", what: "the currency changes", then: touched(70, "currency", "USD/2")},
	{check: "F4", what: "what has happened is pending again", then: touched(70, "status", "PENDING")},
	{check: "F5", what: "a posted row does not name the pending one", also: []string{"F2"}, then: func(s *stall) {
		amount := s.transactions[41]["amount"].(string)
		s.transactions = slices.Delete(s.transactions, 41, 42)
		s.transactions = append(s.transactions, added("posted", time.Now(), row{"amount": amount}))
		n, _ := strconv.Atoi(amount)
		s.held["main"] = []row{{"amount": strconv.Itoa(500_000 + n), "currency": "EUR/2"}, {"amount": "7", "currency": "JPY/0"}}
		s.heldAt = time.Now()
	}},
	{check: "F6", what: "twins have one id", also: []string{"F1"}, spoil: func(s *stall) {
		twin := added(s.transactions[70]["id"].(string), stampOf("transactions", s.transactions[70]), row{
			"createdAt": s.transactions[70]["createdAt"], "amount": s.transactions[70]["amount"], "metadata": row{"invoice": "another"},
		})
		s.transactions = append(s.transactions, twin)
	}},
}

var moneyPairs = []pair{
	{check: "G1", what: "an amount has zeros in front", spoil: row70("amount", "007")},
	{check: "G2", what: "amounts go through a float", options: func(s *stall, o *verify.Options) {
		honest := s.hooks().Seed
		o.Hooks.Seed = func(ctx context.Context, rows []wire.Transaction) error {
			for i := range rows {
				if f, err := strconv.ParseFloat(string(rows[i].Amount), 64); err == nil {
					rows[i].Amount = wire.Amount(strconv.FormatFloat(f, 'f', 0, 64))
				}
			}
			return honest(ctx, rows)
		}
	}},
	{check: "G3", what: "an asset is no asset", also: []string{"B1"}, spoil: row70("currency", "euro")},
	{check: "G4", what: "a currency has no decimals", spoil: row70("currency", "USD")},
	{check: "G5", what: "a currency has two precisions", spoil: func(s *stall) {
		s.transactions[70]["currency"], s.transactions[75]["currency"] = "BTC/8", "BTC/6"
	}},
	{check: "G6", what: "some amounts are negative", spoil: row70("amount", "-250")},
	{check: "G7", what: "all amounts end in 00", spoil: func(s *stall) {
		s.each(every, func(r row) { r["amount"] = r["amount"].(string) + "00" })
		s.each(func(i int) bool { return i%50 == 33 }, func(r row) { r["amount"] = "100" })
	}},
}

var referencePairs = []pair{
	{check: "H1", what: "an account is in no list", spoil: row70("destinationAccountID", "nobody")},
	{check: "H2", what: "a refund names what there is not", spoil: row70("relatedTransactionID", "nothing")},
	{check: "H2", what: "two rows name each other", spoil: func(s *stall) {
		s.transactions[70]["relatedTransactionID"], s.transactions[72]["relatedTransactionID"] = "t0072", "t0070"
	}},
	{check: "H3", what: "a refund is more than its payment", spoil: func(s *stall) { s.transactions[83]["amount"] = "99999" }},
	{check: "H4", what: "a transfer goes to somebody else", spoil: func(s *stall) { s.transactions[67]["destinationAccountID"] = "ben-1" }},
}

var balancePairs = []pair{
	{check: "I1", what: "balances are of another account", spoil: func(s *stall) {
		honest := s.balances
		s.balances = func(account string) (row, bool) {
			shown, ok := honest(account)
			shown["accountID"] = "main"
			return shown, ok
		}
	}},
	{check: "I2", what: "an asset has two balances", spoil: func(s *stall) {
		s.held["main"] = append(s.held["main"], row{"amount": "1", "currency": "EUR/2"})
	}},
	{check: "I3", what: "an amount changes under the same instant", then: func(s *stall) {
		s.held["main"] = []row{{"amount": "600000", "currency": "EUR/2"}}
	}},
	{check: "I4", what: "a movement does not change the balance", then: func(s *stall) {
		s.transactions = append(s.transactions, added("unbooked", time.Now(), nil))
		s.heldAt = time.Now()
	}},
	{check: "I5", what: "an unknown account holds nothing", spoil: func(s *stall) {
		honest := s.balances
		s.balances = func(account string) (row, bool) {
			shown, ok := honest(account)
			if !ok {
				shown["balances"] = []row{}
			}
			return shown, true
		}
	}},
}

var errorPairs = []pair{
	{check: "J1", what: "refusals are HTML", spoil: func(s *stall) {
		s.refuse = func(w http.ResponseWriter, status int, _ string) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(status)
			fmt.Fprintf(w, "<html><body>%d</body></html>", status)
		}
	}},
	{check: "J2", what: "a provider that is down is an empty list", options: func(s *stall, o *verify.Options) { o.Hooks.Down = s.hooks().Down }, spoil: func(s *stall) {
		s.serve = func(w http.ResponseWriter, _ *http.Request) bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.down {
				answerJSON(w, http.StatusOK, []byte("[]"))
			}
			return s.down
		}
	}},
	{check: "J2", what: "a failure that passes is 500", spoil: func(s *stall) {
		var seen atomic.Bool
		s.serve = func(w http.ResponseWriter, r *http.Request) bool {
			fails := r.URL.Query().Get("page") == "2" && !seen.Swap(true)
			if fails {
				refuse(w, http.StatusInternalServerError, "Something went wrong.")
			}
			return fails
		}
	}},
	{check: "J3", what: "trouble with the provider is 401", options: func(s *stall, o *verify.Options) { o.Hooks.Refuse = s.hooks().Refuse }, spoil: func(s *stall) {
		s.serve = func(w http.ResponseWriter, _ *http.Request) bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.down {
				refuse(w, http.StatusUnauthorized, "The provider said no.")
			}
			return s.down
		}
	}},
	{check: "J4", what: "refusals hold a stack trace", spoil: func(s *stall) {
		s.refuse = func(w http.ResponseWriter, status int, detail string) {
			refuse(w, status, detail+" goroutine 7 [running]:")
		}
	}},
}

var transferPairs = []pair{
	{check: "K1", what: "keys are forgotten", also: []string{"K12", "K2", "K3", "K4", "K5"}, options: writes, spoil: func(s *stall) {
		s.order = func(kind string, order row) (int, row) {
			if why := s.refusal(order); why != "" {
				return http.StatusBadRequest, row{"detail": why}
			}
			return http.StatusCreated, s.move(kind, order)
		}
	}},
	{check: "K2", what: "another order under a key gets the first answer", options: writes, spoil: func(s *stall) {
		s.order = func(kind string, order row) (int, row) {
			if known, ok := s.orders[fmt.Sprint(order["idempotencyKey"])]; ok {
				return http.StatusCreated, known
			}
			return s.takeOrder(kind, order)
		}
	}},
	{check: "K3", what: "between looking and storing there is time", options: writes, spoil: func(s *stall) {
		s.order = func(kind string, order row) (int, row) {
			if _, ok := s.orders[fmt.Sprint(order["idempotencyKey"])]; ok || s.refusal(order) != "" {
				return s.takeOrder(kind, order)
			}
			s.mu.Unlock()
			time.Sleep(30 * time.Millisecond)
			s.mu.Lock()
			return http.StatusCreated, s.move(kind, order)
		}
	}},
	{check: "K4", what: "a caller that hangs up takes the key along", options: writes, spoil: func(s *stall) {
		s.serve = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPost || !s.authorize(r) {
				return false
			}
			var order row
			_ = json.NewDecoder(r.Body).Decode(&order)
			s.mu.Lock()
			status, answer := s.takeOrder(strings.Trim(r.URL.Path, "/"), order)
			s.mu.Unlock()
			time.Sleep(20 * time.Millisecond)
			if r.Context().Err() != nil {
				s.mu.Lock()
				delete(s.orders, fmt.Sprint(order["idempotencyKey"]))
				s.mu.Unlock()
			}
			if status >= 400 {
				refuse(w, status, fmt.Sprint(answer["detail"]))
			} else {
				answerJSON(w, status, must(json.Marshal(answer)))
			}
			return true
		}
	}},
	{check: "K5", what: "keys are forgotten when the service restarts", also: []string{"K12"}, options: func(s *stall, o *verify.Options) {
		writes(s, o)
		o.Hooks.Restart = func(context.Context) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			clear(s.orders)
			return nil
		}
	}},
	{check: "K7", what: "the answer has another amount", options: writes, spoil: answering(func(answer row) { answer["amount"] = "2" })},
	{check: "K8", what: "negative amounts are taken", options: writes, spoil: func(s *stall) {
		s.order = func(kind string, order row) (int, row) {
			if fmt.Sprint(order["amount"]) == "-5" {
				return http.StatusCreated, s.move(kind, order)
			}
			return s.takeOrder(kind, order)
		}
	}},
	{check: "K9", what: "the movement is in no list", options: writes, spoil: func(s *stall) {
		s.order = func(kind string, order row) (int, row) {
			status, answer := s.takeOrder(kind, order)
			s.transactions = s.transactions[:252]
			return status, answer
		}
	}},
	{check: "K10", what: "the movement stays pending", options: writes, spoil: func(s *stall) {
		s.order = func(kind string, order row) (int, row) {
			status, answer := s.takeOrder(kind, order)
			s.each(func(i int) bool { return i >= 252 }, func(r row) { r["status"] = "PENDING" })
			return status, answer
		}
	}},
	{check: "K11", what: "no answer of the provider is a refusal", options: writes, spoil: func(s *stall) {
		s.serve = func(w http.ResponseWriter, r *http.Request) bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			refused := s.down && r.Method == http.MethodPost
			if refused {
				refuse(w, http.StatusBadRequest, "It failed.")
			}
			return refused
		}
	}},
	{check: "K12", what: "a wrong order fails the right one", options: writes, spoil: func(s *stall) {
		s.order = func(kind string, order row) (int, row) {
			status, answer := s.takeOrder(kind, order)
			if known, ok := s.orders[fmt.Sprint(order["idempotencyKey"])]; ok && status >= 400 {
				known["status"] = "FAILED"
			}
			return status, answer
		}
	}},
	{check: "K13", what: "keys have 255 characters at most", options: writes, spoil: func(s *stall) {
		s.order = func(kind string, order row) (int, row) {
			if len(fmt.Sprint(order["idempotencyKey"])) > 255 {
				return http.StatusBadRequest, row{"detail": "The key is too long."}
			}
			return s.takeOrder(kind, order)
		}
	}},
	{check: "K14", what: "the answer has no createdAt", options: writes, spoil: answering(func(answer row) { delete(answer, "createdAt") })},
}

// answering changes the answers to orders.
func answering(change func(answer row)) func(s *stall) {
	return func(s *stall) {
		s.order = func(kind string, order row) (int, row) {
			status, answer := s.takeOrder(kind, order)
			change(answer)
			return status, answer
		}
	}
}

var loadPairs = []pair{
	{check: "L1", what: "an answer takes too long", options: func(_ *stall, o *verify.Options) { o.ClientTimeout = 100 * time.Millisecond }, spoil: func(s *stall) {
		var seen atomic.Bool
		s.serve = func(_ http.ResponseWriter, r *http.Request) bool {
			if r.URL.Query().Get("page") == "3" && !seen.Swap(true) {
				time.Sleep(200 * time.Millisecond)
			}
			return false
		}
	}},
	{check: "L2", what: "more than three at once fail", spoil: func(s *stall) {
		var inside atomic.Int32
		s.serve = func(w http.ResponseWriter, r *http.Request) bool {
			defer inside.Add(-1)
			if inside.Add(1) <= 3 || r.Method != http.MethodGet {
				time.Sleep(2 * time.Millisecond)
				return false
			}
			refuse(w, http.StatusInternalServerError, "Too many at once.")
			return true
		}
	}},
}

func allPairs() []pair {
	return slices.Concat(authPairs, schemaPairs, pagingPairs, orderPairs, clockPairs, identityPairs, moneyPairs,
		referencePairs, balancePairs, errorPairs, transferPairs, loadPairs)
}

func TestEachCheckFailsForAServiceThatBreaksItsPromiseAndForNoOther(t *testing.T) {
	for _, p := range allPairs() {
		t.Run(p.check+" "+p.what, func(t *testing.T) {
			t.Parallel()
			s := newStall()
			if p.spoil != nil {
				p.spoil(s)
			}
			change := func(o *verify.Options) {
				if p.options != nil {
					p.options(s, o)
				}
			}
			if p.then != nil {
				before, _ := examine(t, s, func(o *verify.Options) { o.TakeSnapshot = true })
				p.then(s)
				change = func(o *verify.Options) { o.Baseline = before.Snapshot }
			}
			report, bad := examine(t, s, change)
			want := append([]string{p.check}, p.also...)
			slices.Sort(want)
			if !slices.Equal(bad, want) {
				say(t, report, bad...)
				t.Errorf("%v did not pass, want %v. %s: %s", bad, want, p.check, report.Result(p.check).Note)
			}
		})
	}
}

func TestThereIsNoCheckWithoutAServiceThatFailsIt(t *testing.T) {
	pairs := allPairs()
	for _, check := range verify.Catalogue() {
		if !slices.ContainsFunc(pairs, func(p pair) bool { return p.check == check.ID }) {
			t.Errorf("no service fails %s", check.ID)
		}
	}
}
