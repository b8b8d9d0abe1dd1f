package verify

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/weirhq/weir/wire"
)

const (
	// parallelOrders is how many equal orders are sent at once.
	parallelOrders = 20
	// longKey is the length that the reference allows a key.
	longKey = 1000
	// defaultWait is how long a movement may take to appear and to be final.
	defaultWait = 2 * time.Minute
	// lookEvery is the pause between two looks for it.
	lookEvery = time.Second
	// hangUpAfter is when the connection is dropped after the order was sent.
	hangUpAfter = 3 * time.Millisecond
	// settleAfter is how long a service gets to finish what it was left alone with.
	settleAfter = 300 * time.Millisecond
)

// Write says which money may be moved.
type Write struct {
	// Source is the sandbox account that pays, Beneficiary the one that payouts
	// go to, Destination the account that transfers go to. A kind of order
	// without a receiver is not tried.
	Source, Beneficiary, Destination string
	// Asset and Amount are what each order moves; about six of each kind go
	// through. What is empty is chosen as [Suggest] does.
	Asset, Amount string
	// Wait is how long a movement may take to appear and to be final; zero means
	// two minutes.
	Wait time.Duration
}

var transferChecks = []Check{
	{
		ID: "K1", Mode: Writes, Severity: Must,
		Title:  "One key, one movement",
		Reason: "A hub that got no answer sends the order again: the money must not go twice.",
		Remedy: "Store the key before you send the order on, and answer a repetition with the first answer.",
		Run:    ordered(repeatOrder),
	},
	{
		ID: "K2", Mode: Writes, Severity: Must,
		Title:  "One key with another order is refused",
		Reason: "Somebody reuses a key by mistake: the second order is neither made nor refused.",
		Remedy: "Keep a fingerprint of the order with its key, and answer 409 when it differs.",
		Run:    ordered(alterOrder),
	},
	{
		ID: "K3", Mode: Writes, Severity: Must,
		Title:  "One key twenty times at once is one movement",
		Reason: "Look and then insert is two steps: between them stands the second order.",
		Remedy: "Let a unique index on the key decide, and answer the losers with the winner's answer.",
		Run:    ordered(raceOrders),
	},
	{
		ID: "K4", Mode: Writes, Severity: Must,
		Title:  "A caller that hangs up can ask again",
		Reason: "The answer was lost, not the order.",
		Remedy: "Finish what was begun whether or not anybody waits, and keep the answer under the key.",
		Run:    ordered(hangUp),
	},
	{
		ID: "K5", Mode: Writes, Severity: Must,
		Title:  "Keys outlive a restart",
		Reason: "A service that forgets its keys when it restarts pays twice after every deployment.",
		Remedy: "Keep keys in a database.",
		Run:    ordered(restarted),
	},
	{
		ID: "K7", Mode: Writes, Severity: Must,
		Title:  "The answer repeats key, amount, currency and accounts",
		Reason: "An answer about another order than the one that was sent is booked as if it were this one.",
		Remedy: "Answer with what you have stored, and compare it with the request first.",
		Run:    ordered(echoed),
	},
	{
		ID: "K8", Mode: Writes, Severity: Must,
		Title:  "Impossible orders are refused and move nothing",
		Reason: "A zero or negative amount moves money the wrong way, or nowhere for ever.",
		Remedy: "Check amount, asset and accounts before anything is stored; answer 400 or 422.",
		Run:    ordered(refusedOrders),
	},
	{
		ID: "K9", Mode: Writes, Severity: Must,
		Title:  "The movement appears in the list",
		Reason: "A movement that the list does not show, or not under its id or key, becomes a second payment.",
		Remedy: "List it with the id of the answer, or with relatedTransactionID set to the key.",
		Run:    ordered(appears),
	},
	{
		ID: "K10", Mode: Writes, Severity: Must,
		Title:  "The movement reaches its end",
		Reason: "A payment that stays pending for ever is neither made nor failed.",
		Remedy: "Follow the provider's status until it is final, and move updatedAt.",
		Run:    ordered(ends),
	},
	{
		ID: "K11", Mode: Writes, Severity: Should,
		Title:  "A provider that does not answer leaves the order open",
		Reason: "Told that it failed, somebody pays again, and the first order goes through as well.",
		Remedy: "Answer 503, or PENDING, until you know.",
		Run:    ordered(unanswered),
	},
	{
		ID: "K12", Mode: Writes, Severity: Should,
		Title:  "A refusal does not undo a success",
		Reason: "A wrong order under a known key must not change what became of the right one.",
		Remedy: "Never write over the answer that is stored under a key.",
		Run:    ordered(undone),
	},
	{
		ID: "K13", Mode: Writes, Severity: Should,
		Title:  "A key of 1,000 characters works",
		Reason: "The reference allows it; a service that cuts keys makes two of them one.",
		Remedy: "Store keys whole, or by a hash of the whole.",
		Run:    ordered(longKeys),
	},
	{
		ID: "K14", Mode: Writes, Severity: Must,
		Title:  "The answer to an order is valid",
		Reason: "An answer that can't be read is asked for again, for ever.",
		Remedy: "Answer with every required field: id, status, createdAt and what was ordered.",
		Run:    ordered(validAnswer),
	},
}

// kindOfOrder is payouts or transfers.
type kindOfOrder struct {
	name, path, schema, receiver string
	// first is the first order that went through, with its answer.
	first  *wire.PayoutRequest
	answer *answer
	payout wire.Record[wire.Payout]
	failed string
}

// orders are the kinds that may be tried.
type orders struct {
	kinds []*kindOfOrder
	begun time.Time
	why   string
}

// ordered is the Run of a check that looks at each kind of order.
func ordered(look func(context.Context, *Exam, *kindOfOrder) Verdict) func(context.Context, *Exam) Verdict {
	return func(ctx context.Context, e *Exam) Verdict {
		e.begin(ctx)
		whole := unjudged(e.orders.why)
		for i, kind := range e.orders.kinds {
			if kind.failed != "" {
				return unjudged("no " + kind.name + " went through: " + kind.failed)
			}
			v := look(ctx, e, kind)
			if i == 0 || v.Status == Failed && whole.Status != Failed {
				v.Findings = append(whole.Findings, v.Findings...)
				whole = v
			} else {
				whole.Findings = append(whole.Findings, v.Findings...)
			}
		}
		return whole
	}
}

// begin sends one order of each kind, once for all checks.
func (e *Exam) begin(ctx context.Context) {
	if e.orders != nil {
		return
	}
	e.orders, e.sealed = &orders{begun: time.Now()}, true
	w, err := e.complete(ctx, *e.options.Write)
	e.options.Write = &w
	if err != nil {
		e.orders.why = err.Error()
		return
	}
	for _, kind := range []*kindOfOrder{
		{name: "payout", path: wire.PathPayouts, schema: "Payout", receiver: w.Beneficiary},
		{name: "transfer", path: wire.PathTransfers, schema: "Transfer", receiver: w.Destination},
	} {
		if kind.receiver == "" {
			continue
		}
		e.orders.kinds = append(e.orders.kinds, kind)
		kind.first = e.newOrder(kind)
		kind.answer, kind.payout = e.order(ctx, kind, kind.first)
		if !kind.answer.ok() {
			kind.failed = kind.answer.describe()
		}
	}
}

// newOrder is an order with a key of its own.
func (e *Exam) newOrder(kind *kindOfOrder) *wire.PayoutRequest {
	w := e.options.Write
	return &wire.PayoutRequest{
		IdempotencyKey: "weir-verify-" + rand.Text(), Amount: wire.Amount(w.Amount), Currency: w.Asset,
		SourceAccountID: w.Source, DestinationAccountID: kind.receiver, Description: "weir verify",
	}
}

func (e *Exam) orderRequest(kind *kindOfOrder, order *wire.PayoutRequest) request {
	body, err := json.Marshal(order)
	if err != nil {
		panic(err) // strings can always be written
	}
	return request{method: http.MethodPost, path: kind.path, body: body}
}

// order sends it once.
func (e *Exam) order(ctx context.Context, kind *kindOfOrder, order *wire.PayoutRequest) (*answer, wire.Record[wire.Payout]) {
	a := e.client.do(ctx, e.orderRequest(kind, order))
	record, err := wire.DecodePayout(a.body)
	if err != nil {
		record.Err = err
	}
	return a, record
}

func (e *Exam) orderFinding(kind *kindOfOrder, order *wire.PayoutRequest, expected, got string, ids ...string) Verdict {
	return judge([]Finding{{
		Expected: expected, Got: got, Rows: ids, RowCount: len(ids), Curl: e.client.curl(e.orderRequest(kind, order)),
	}})
}

// movements are the transactions that the order has caused.
func (e *Exam) movements(ctx context.Context, order *wire.PayoutRequest, ids ...string) []wire.Transaction {
	var found []wire.Transaction
	seen := map[string]bool{}
	from := e.tailOf(e.orders.begun.Add(-time.Minute))
	for page := 1; page <= mendPagesMaxCompared; page++ {
		s := e.sheet(ctx, transactions, window{page: page, size: wire.DefaultPageSize, from: second(from)})
		for i := range s.rows {
			t := s.rows[i].transaction
			mine := t.RelatedTransactionID == order.IdempotencyKey
			for _, id := range ids {
				mine = mine || t.ID == id
			}
			if mine && !seen[t.ID] {
				seen[t.ID] = true
				found = append(found, *t)
			}
		}
		if s.err != nil || len(s.rows) < wire.DefaultPageSize {
			break
		}
	}
	return found
}

// tailOf is where to look for new rows: a service in another time, such as a
// simulator with a clock of its own, has its newest row elsewhere.
func (e *Exam) tailOf(from time.Time) time.Time {
	c := e.crawls[transactions]
	for i := len(c.rows) - 1; i >= 0; i-- {
		if at := c.rows[i].stamp; at > noStamp+1 && at != maxStamp {
			if last := time.Unix(0, at); last.Before(from) {
				return last.Add(-time.Second)
			}
			break
		}
	}
	return from
}

// moreThanOne says what is wrong when an order was sent more than once.
func (e *Exam) moreThanOne(ctx context.Context, kind *kindOfOrder, order *wire.PayoutRequest, ids map[string]bool) Verdict {
	var list []string
	for id := range ids {
		list = append(list, "transactions "+clip(id, 80))
	}
	if len(ids) > 1 {
		return e.orderFinding(kind, order, "one id for one key", fmt.Sprintf("%d ids", len(ids)), list...)
	}
	if found := e.movements(ctx, order); len(found) > 1 {
		list = nil
		for i := range found {
			list = append(list, "transactions "+clip(found[i].ID, 80))
		}
		return e.orderFinding(kind, order, "one movement for one key", fmt.Sprintf("%d movements", len(found)), list...)
	}
	return pass()
}

func repeatOrder(ctx context.Context, e *Exam, kind *kindOfOrder) Verdict {
	again, record := e.order(ctx, kind, kind.first)
	if !again.ok() {
		return e.orderFinding(kind, kind.first, "the first answer again", again.describe())
	}
	ids := map[string]bool{kind.payout.Value.ID: true, record.Value.ID: true}
	return e.moreThanOne(ctx, kind, kind.first, ids)
}

func alterOrder(ctx context.Context, e *Exam, kind *kindOfOrder) Verdict {
	other := *kind.first
	other.Amount += "1"
	a, record := e.order(ctx, kind, &other)
	if a.err == nil && (a.status == http.StatusConflict || a.status == http.StatusUnprocessableEntity) {
		return pass()
	}
	return e.orderFinding(kind, &other, "409 or 422 for a key that was used for another order", a.describe(), "transactions "+clip(record.Value.ID, 80))
}

func raceOrders(ctx context.Context, e *Exam, kind *kindOfOrder) Verdict {
	order := e.newOrder(kind)
	answers := make([]*answer, parallelOrders)
	records := make([]wire.Record[wire.Payout], parallelOrders)
	var group sync.WaitGroup
	for i := range answers {
		group.Go(func() { answers[i], records[i] = e.order(ctx, kind, order) })
	}
	group.Wait()
	ids := map[string]bool{}
	for i, a := range answers {
		switch {
		case a.ok():
			ids[records[i].Value.ID] = true
		case a.err == nil && (a.status == http.StatusServiceUnavailable || a.status == http.StatusTooManyRequests || a.status == http.StatusTooEarly):
			// Busy with the same order: the hub asks again.
		default:
			return e.orderFinding(kind, order, "the same answer for all, or 503 while the order is under way", a.describe())
		}
	}
	if len(ids) == 0 {
		return unjudged("none of the orders went through")
	}
	return e.moreThanOne(ctx, kind, order, ids)
}

func hangUp(ctx context.Context, e *Exam, kind *kindOfOrder) Verdict {
	order := e.newOrder(kind)
	asked := e.orderRequest(kind, order)
	asked.hangUp = hangUpAfter
	lost := e.client.do(ctx, asked)
	ids := map[string]bool{}
	if record, err := wire.DecodePayout(lost.body); lost.ok() && err == nil {
		ids[record.Value.ID] = true
	}
	if sleep(ctx, settleAfter) != nil {
		return unjudged("the time was used up")
	}
	again, record := e.order(ctx, kind, order)
	if !again.ok() {
		return e.orderFinding(kind, order, "the answer that was lost, when the order is sent again", again.describe())
	}
	ids[record.Value.ID] = true
	return e.moreThanOne(ctx, kind, order, ids)
}

func restarted(ctx context.Context, e *Exam, kind *kindOfOrder) Verdict {
	restart := e.options.Hooks.Restart
	if restart == nil {
		return unjudged("nobody can restart the service from here")
	}
	if err := restart(ctx); err != nil {
		return unjudged("the service could not be restarted: " + err.Error())
	}
	return repeatOrder(ctx, e, kind)
}

func echoed(_ context.Context, e *Exam, kind *kindOfOrder) Verdict {
	p, order := kind.payout.Value, kind.first
	var findings []Finding
	for _, pair := range [][3]string{
		{"idempotencyKey", order.IdempotencyKey, p.IdempotencyKey},
		{"amount", string(order.Amount), string(p.Amount)},
		{"currency", order.Currency, p.Currency},
		{"sourceAccountId", order.SourceAccountID, p.SourceAccountID},
		{"destinationAccountId", order.DestinationAccountID, p.DestinationAccountID},
	} {
		if pair[1] != pair[2] {
			findings = append(findings, Finding{
				Expected: fmt.Sprintf("%s %q", pair[0], clip(pair[1], 60)), Got: fmt.Sprintf("%q", clip(pair[2], 60)),
				Curl: e.client.curl(kind.answer.asked),
			})
		}
	}
	return judge(findings)
}

func refusedOrders(ctx context.Context, e *Exam, kind *kindOfOrder) Verdict {
	var findings []Finding
	for _, wrong := range []struct {
		what  string
		spoil func(*wire.PayoutRequest)
	}{
		{"an amount of zero", func(o *wire.PayoutRequest) { o.Amount = "0" }},
		{"a negative amount", func(o *wire.PayoutRequest) { o.Amount = "-5" }},
		{"an unknown account", func(o *wire.PayoutRequest) { o.SourceAccountID = "weir-verify-no-account" }},
		{"an asset that is none", func(o *wire.PayoutRequest) { o.Currency = "us$" }},
	} {
		order := e.newOrder(kind)
		wrong.spoil(order)
		a, record := e.order(ctx, kind, order)
		refused := a.err == nil && a.status >= 400 && a.status < 500
		moved := e.movements(ctx, order)
		if refused && len(moved) == 0 {
			continue
		}
		got := a.describe()
		if len(moved) > 0 {
			got += ", and a movement " + clip(moved[0].ID, 60)
		} else if record.Value.ID != "" {
			got += ", with the id " + clip(record.Value.ID, 60)
		}
		findings = append(findings, Finding{Expected: "a refusal (4xx) of " + wrong.what, Got: got, Curl: e.client.curl(a.asked)})
	}
	return judge(findings)
}

// await looks for the movement of the first order until it is as it should be.
func (e *Exam) await(ctx context.Context, kind *kindOfOrder, fine func(*wire.Transaction) bool) (last *wire.Transaction, ok bool) {
	wait := e.options.Write.Wait
	if wait <= 0 {
		wait = defaultWait
	}
	for until := time.Now().Add(wait); ; {
		found := e.movements(ctx, kind.first, kind.payout.Value.ID)
		for i := range found {
			last = &found[i]
			if fine(last) {
				return last, true
			}
		}
		if time.Now().After(until) || sleep(ctx, min(lookEvery, wait)) != nil {
			return last, false
		}
	}
}

func appears(ctx context.Context, e *Exam, kind *kindOfOrder) Verdict {
	if _, ok := e.await(ctx, kind, func(*wire.Transaction) bool { return true }); ok {
		return pass()
	}
	return e.orderFinding(kind, kind.first, "a transaction with the id of the answer, or related to the key", "none", "transactions "+clip(kind.payout.Value.ID, 80))
}

// openStatus reports whether a movement is under way.
func openStatus(s wire.TransactionStatus) bool {
	return s == wire.StatusPending || s == wire.StatusAuthorisation || s == wire.StatusOther
}

func ends(ctx context.Context, e *Exam, kind *kindOfOrder) Verdict {
	last, ok := e.await(ctx, kind, func(t *wire.Transaction) bool { return !openStatus(t.Status) })
	switch {
	case ok:
		return pass()
	case last == nil:
		return unjudged("the movement is not in the list, as K9 says")
	}
	return e.orderFinding(kind, kind.first, "a final status", string(last.Status), "transactions "+clip(last.ID, 80))
}

func unanswered(ctx context.Context, e *Exam, kind *kindOfOrder) Verdict {
	down := e.options.Hooks.Down
	if down == nil {
		return unjudged("nobody can take the provider away from here")
	}
	if err := down(ctx, true); err != nil {
		return unjudged("the provider could not be taken away: " + err.Error())
	}
	order := e.newOrder(kind)
	a, record := e.order(ctx, kind, order)
	if err := down(ctx, false); err != nil {
		return unjudged("the provider could not be given back: " + err.Error())
	}
	refused := a.err == nil && a.status >= 400 && a.status < 500
	if refused || a.ok() && record.Value.Status == wire.StatusFailed {
		return e.orderFinding(kind, order, "503 or PENDING while the provider does not answer", a.describe()+" "+string(record.Value.Status))
	}
	return pass()
}

func undone(ctx context.Context, e *Exam, kind *kindOfOrder) Verdict {
	wrong := *kind.first
	wrong.Amount = "0"
	_, _ = e.order(ctx, kind, &wrong)
	again, record := e.order(ctx, kind, kind.first)
	if !again.ok() || record.Value.ID != kind.payout.Value.ID ||
		record.Value.Status == wire.StatusFailed && kind.payout.Value.Status != wire.StatusFailed {
		return e.orderFinding(kind, kind.first, "the first answer, after a wrong order under its key",
			strings.TrimSpace(again.describe()+" "+string(record.Value.Status)+" "+clip(record.Value.ID, 60)))
	}
	return pass()
}

func longKeys(ctx context.Context, e *Exam, kind *kindOfOrder) Verdict {
	order := e.newOrder(kind)
	order.IdempotencyKey += strings.Repeat("x", longKey-len(order.IdempotencyKey))
	a, record := e.order(ctx, kind, order)
	switch {
	case !a.ok():
		return e.orderFinding(kind, order, "a key of 1,000 characters to be taken", a.describe())
	case record.Value.IdempotencyKey != order.IdempotencyKey:
		return e.orderFinding(kind, order, "the whole key in the answer", plural(len(record.Value.IdempotencyKey), "character", "characters")+" of it")
	}
	return pass()
}

func validAnswer(_ context.Context, e *Exam, kind *kindOfOrder) Verdict {
	if kind.payout.Err != nil {
		return e.orderFinding(kind, kind.first, "an answer that can be read", clip(kind.payout.Err.Error(), 160))
	}
	if err := kind.payout.Value.Validate(); err != nil {
		return e.orderFinding(kind, kind.first, "an answer that the contract allows", clip(err.Error(), 160))
	}
	if why := e.contract.objection(kind.schema, kind.payout.Raw); why != "" {
		return e.orderFinding(kind, kind.first, "an answer that the contract's document allows", why)
	}
	return pass()
}
