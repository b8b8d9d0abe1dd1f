package verify

import (
	"context"
	"fmt"
	"slices"
)

var referenceChecks = []Check{
	{
		ID: "H1", Mode: Reads, Severity: Must,
		Title:  "Accounts that transactions name exist",
		Reason: "Money that leaves or reaches an account that is in no list can't be booked to anybody.",
		Remedy: "List every account and beneficiary that a transaction names, or leave the name out.",
		Run:    checkAccountsExist,
	},
	{
		ID: "H2", Mode: Reads, Severity: Must,
		Title:  "relatedTransactionID names a movement of the same currency, without a circle",
		Reason: "A refund whose payment can't be found becomes a payment of its own.",
		Remedy: "Show the parent's id, or for a payout of the hub its idempotency key.",
		Run:    checkRelated,
	},
	{
		ID: "H3", Mode: Reads, Severity: Should,
		Title:  "Refunds are not more than the payment",
		Reason: "A payment that is refunded beyond its amount is negative.",
		Remedy: "Show the amount that was refunded, not the payment's, and each refund once.",
		Run:    checkRefunds,
	},
	{
		ID: "H4", Mode: Reads, Severity: Should,
		Title:  "A transfer joins two accounts of the customer",
		Reason: "A transfer to somebody else is a payout, and is counted as money that stayed.",
		Remedy: "Use TRANSFER between accounts of the list, PAYOUT and PAYIN for the rest.",
		Run:    checkTransfersInside,
	},
}

// linked finds links that break a rule, and names their rows.
func (e *Exam) linked(ctx context.Context, broken func(*link) bool) (names []string, count int, page int32) {
	var bad []*link
	for i := range e.sights.links {
		if l := &e.sights.links[i]; broken(l) {
			count++
			if len(bad) < rowsNamedMax {
				bad = append(bad, l)
			}
		}
	}
	if count > 0 {
		page = bad[0].page
	}
	return e.nameLinks(ctx, bad), count, page
}

// nameLinks reads the rows' pages again for their ids.
func (e *Exam) nameLinks(ctx context.Context, bad []*link) []string {
	const pagesMax = 3
	c := e.crawls[transactions]
	read := map[int32]*sheet{}
	var names []string
	for _, l := range bad {
		if read[l.page] == nil {
			if len(read) == pagesMax {
				break
			}
			read[l.page] = e.sheet(ctx, transactions, window{page: int(l.page), size: c.size})
		}
		for i := range read[l.page].rows {
			if hashOf(read[l.page].rows[i].id) == l.id {
				names = append(names, read[l.page].rows[i].name())
			}
		}
	}
	return names
}

// linkFinding makes a finding of links that break a rule, or none.
func (e *Exam) linkFinding(ctx context.Context, expected, got string, broken func(*link) bool) []Finding {
	names, count, page := e.linked(ctx, broken)
	if count == 0 {
		return nil
	}
	return []Finding{{
		Expected: expected, Got: fmt.Sprintf("%s %s", plural(count, "transaction", "transactions"), got), Rows: names, RowCount: count,
		Curl: e.client.curl(transactions.ask(window{page: int(page), size: e.sizeOf(transactions)})),
	}}
}

// linksKnown says why references can't be judged, if they can't.
func (e *Exam) linksKnown() string {
	for _, l := range []*list{accounts, beneficiaries} {
		if c := e.crawls[l]; c.failed != nil || !c.complete {
			return "the list of " + l.name + " could not be read to its end: " + c.why
		}
	}
	if c := e.crawls[transactions]; c.failed != nil || len(c.rows) == 0 {
		return noRows
	}
	return ""
}

func checkAccountsExist(ctx context.Context, e *Exam) Verdict {
	if why := e.linksKnown(); why != "" {
		return unjudged(why)
	}
	known := func(id uint64) bool { return e.sights.ids[accounts][id] || e.sights.ids[beneficiaries][id] }
	named := slices.ContainsFunc(e.sights.links, func(l link) bool { return l.source != 0 || l.destination != 0 })
	findings := e.linkFinding(ctx, "sourceAccountID and destinationAccountID to be an account or beneficiary of the lists", "name one that is not",
		func(l *link) bool {
			return l.source != 0 && !known(l.source) || l.destination != 0 && !known(l.destination)
		})
	if !named {
		return unjudged("no transaction names an account")
	}
	return judge(findings)
}

func checkRelated(ctx context.Context, e *Exam) Verdict {
	c := e.crawls[transactions]
	if e.hasFailed("D2") || e.hasFailed("C6") {
		return unjudged("the walk may have missed rows, as D2 or C6 says")
	}
	if c.failed != nil || !c.complete || c.unmended {
		return unjudged("the transactions could not be read to their end while they stood still")
	}
	parents := map[uint64]uint64{}
	for i := range e.sights.links {
		if l := &e.sights.links[i]; l.related != 0 {
			parents[l.id] = l.related
		}
	}
	if len(parents) == 0 {
		return unjudged("no transaction names another one")
	}
	find := func(id uint64) *place {
		if at, ok := c.at(id); ok {
			return &c.rows[at]
		}
		return nil
	}
	// The key of a hub's own order stands here too, and no list holds it.
	mayBeKey := func(l *link) bool { return l.payout || l.transfer }
	findings := e.linkFinding(ctx, "relatedTransactionID to be in the list", "name one that is not", func(l *link) bool {
		return l.related != 0 && find(l.related) == nil && !mayBeKey(l)
	})
	findings = append(findings, e.linkFinding(ctx, "relatedTransactionID to lead to a first movement", "lead back to themselves", func(l *link) bool {
		return circular(parents, l.id)
	})...)
	findings = append(findings, e.linkFinding(ctx, "the currency of the movement that is named", "have another currency", func(l *link) bool {
		child, parent := find(l.id), find(l.related)
		return l.related != 0 && child != nil && parent != nil && child.asset != 0 && parent.asset != 0 && child.asset != parent.asset
	})...)
	return judge(findings)
}

// circular follows the references until they end or come back.
func circular(parents map[uint64]uint64, id uint64) bool {
	const stepsMax = 64
	at := id
	for range stepsMax {
		next, ok := parents[at]
		if !ok {
			return false
		}
		if next == id {
			return true
		}
		at = next
	}
	return false
}

func checkRefunds(ctx context.Context, e *Exam) Verdict {
	c := e.crawls[transactions]
	if c.failed != nil || !c.works() {
		return unjudged("the transactions could not be read")
	}
	sums := map[uint64]int64{}
	for i := range e.sights.links {
		l := &e.sights.links[i]
		at, ok := c.at(l.id)
		if !l.refund || l.related == 0 || !ok || c.rows[at].amount == noAmount {
			continue
		}
		sums[l.related] += max(c.rows[at].amount, -c.rows[at].amount)
	}
	if len(sums) == 0 {
		return unjudged("no refund names its payment")
	}
	over := map[uint64]bool{}
	for parent, sum := range sums {
		at, ok := c.at(parent)
		if ok && c.rows[at].amount != noAmount && sum > max(c.rows[at].amount, -c.rows[at].amount) {
			over[parent] = true
		}
	}
	return judge(e.linkFinding(ctx, "refunds of at most the payment's amount", "refund more than the payment that they name", func(l *link) bool {
		return l.refund && over[l.related]
	}))
}

func checkTransfersInside(ctx context.Context, e *Exam) Verdict {
	if why := e.linksKnown(); why != "" {
		return unjudged(why)
	}
	inside := e.sights.ids[accounts]
	if !slices.ContainsFunc(e.sights.links, func(l link) bool { return l.transfer }) {
		return unjudged("no transaction is a transfer")
	}
	outside := e.sights.ids[beneficiaries]
	return judge(e.linkFinding(ctx, "both accounts of a TRANSFER to be the customer's", "leave the customer's accounts, or do not say where they go", func(l *link) bool {
		wrong := func(id uint64) bool { return id == 0 || outside[id] && !inside[id] }
		return l.transfer && (wrong(l.source) || wrong(l.destination))
	}))
}
