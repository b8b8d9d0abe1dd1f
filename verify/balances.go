package verify

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/weirhq/weir/wire"
)

var balanceChecks = []Check{
	{
		ID: "I1", Mode: Reads, Severity: Must,
		Title:  "Balances are those of the account that was asked for",
		Reason: "accountID decides whose money it is, not the path.",
		Remedy: "Answer with the account id of the path.",
		Run:    checkBalanceAccount,
	},
	{
		ID: "I2", Mode: Reads, Severity: Must,
		Title:  "An account has one balance of each asset",
		Reason: "Of two amounts of one asset the last one stands: the other is gone.",
		Remedy: "Add them up, or leave out what is not the balance.",
		Run:    checkBalanceAssets,
	},
	{
		ID: "I3", Mode: Compares, Severity: Must,
		Title:  "at moves when an amount does, and never back",
		Reason: "Readers keep the balance of the latest instant: a change under an old one is not seen.",
		Remedy: "Set at to when the amounts were true.",
		Run:    compared("I3"),
	},
	{
		ID: "I4", Mode: Compares, Severity: Must,
		Title:  "Balances change by what the transactions say",
		Reason: "A difference is a movement that is not in the list, or one that is there twice.",
		Remedy: "Show fees and corrections as transactions too.",
		Run:    compared("I4"),
	},
	{
		ID: "I5", Mode: Reads, Severity: Should,
		Title:  "An unknown account is 404",
		Reason: "An empty balance of an account that there is not hides a mistyped id.",
		Remedy: "Answer 404 when the account does not exist.",
		Run:    checkUnknownAccount,
	},
}

// held is the answer about one account's balances.
type held struct {
	account string
	answer  *answer
	record  wire.Record[wire.Balances]
	err     error
}

// readBalances asks for the balances of the first accounts, once.
func (e *Exam) readBalances(ctx context.Context) []*held {
	if e.balances != nil {
		return e.balances
	}
	e.balances = []*held{}
	ids := e.sights.accountIDs
	if e.options.Quick {
		ids = ids[:min(len(ids), lookBalancesMax)]
	}
	for _, id := range ids {
		h := &held{account: id}
		asked := request{path: balancesPath(id)}
		h.answer = e.client.read(ctx, asked, func(body []byte) (err error) {
			h.record, err = wire.DecodeBalances(body)
			return err
		})
		if !h.answer.ok() || h.answer.err != nil {
			h.err = fmt.Errorf("%s", h.answer.describe())
		} else {
			for _, b := range h.record.Value.Balances {
				if wire.ValidAsset(b.Currency) {
					e.sights.meetAsset(b.Currency, "balances of "+clip(id, 80))
				}
			}
			if e.snapshot != nil && h.record.Err == nil {
				e.snapshot.seeBalances(id, &h.record.Value)
			}
		}
		e.balances = append(e.balances, h)
	}
	return e.balances
}

// hasMoved reports whether transactions have been added or changed since they
// were walked, by the page that begins at the newest of them.
func (e *Exam) hasMoved(ctx context.Context) bool {
	c := e.crawls[transactions]
	newest := int64(noStamp)
	for _, p := range c.live() {
		newest = max(newest, p.stamp)
	}
	if newest <= noStamp+1 || newest == maxStamp {
		return false
	}
	s := e.sheet(ctx, transactions, window{page: 1, size: c.size, from: second(time.Unix(0, newest))})
	return slices.ContainsFunc(s.rows, func(r record) bool {
		p := r.place()
		at, known := c.at(p.id)
		return !known || c.rows[at].sum != p.sum
	})
}

// noBalances is why the checks of balances can't judge.
const noBalances = "there is no account whose balances could be read"

func checkBalanceAccount(ctx context.Context, e *Exam) Verdict {
	var findings []Finding
	judged := 0
	for _, h := range e.readBalances(ctx) {
		object := func(expected, got string) {
			findings = append(findings, Finding{Expected: expected, Got: got, Rows: []string{"accounts " + clip(h.account, 80)}, RowCount: 1, Curl: e.client.curl(h.answer.asked)})
		}
		switch {
		case h.err != nil && h.answer.status == http.StatusNotFound:
			object("balances of every account in the list", h.err.Error())
		case h.err != nil:
			continue
		case h.record.Value.AccountID != h.account:
			object("accountID "+clip(h.account, 80), fmt.Sprintf("%q", clip(h.record.Value.AccountID, 80)))
		case h.record.Err != nil:
			object("balances that can be used", clip(h.record.Err.Error(), 160))
		default:
			if why := e.contract.objection("Balances", h.record.Raw); why != "" {
				object("balances that the contract's document allows", why)
			}
		}
		judged++
		if len(findings) == kindsMax {
			break
		}
	}
	return judgeSome(judged, findings, noBalances)
}

func checkBalanceAssets(ctx context.Context, e *Exam) Verdict {
	var findings []Finding
	judged := 0
	for _, h := range e.readBalances(ctx) {
		if h.err != nil {
			continue
		}
		judged++
		seen := map[string]bool{}
		for _, b := range h.record.Value.Balances {
			if seen[b.Currency] {
				findings = append(findings, Finding{
					Expected: "one balance of " + b.Currency, Got: "more than one", Rows: []string{"accounts " + clip(h.account, 80)}, RowCount: 1, Curl: e.client.curl(h.answer.asked),
				})
				break
			}
			seen[b.Currency] = true
		}
	}
	return judgeSome(judged, findings, noBalances)
}

func checkUnknownAccount(ctx context.Context, e *Exam) Verdict {
	if len(e.readBalances(ctx)) == 0 {
		return unjudged(noBalances)
	}
	asked := request{path: balancesPath("weir-verify-no-account-" + fmt.Sprint(time.Now().UnixNano()%1e6))}
	a := e.client.probe(ctx, asked)
	switch {
	case a.err != nil:
		return unjudged(a.describe())
	case a.status == http.StatusNotFound:
		return pass()
	}
	return judge([]Finding{{Expected: "404 for an account that there is not", Got: a.describe(), Curl: e.client.curl(asked)}})
}
