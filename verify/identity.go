package verify

import (
	"context"
	"fmt"
)

var identityChecks = []Check{
	{
		ID: "F1", Mode: Reads, Severity: Must,
		Title:  "Ids are unique in their list",
		Reason: "Two rows of one id are one record to every reader: one of them is lost.",
		Remedy: "Show the provider's own identifier; where it has none, make one from everything that tells rows apart.",
		Run:    checkUnique,
	},
	{
		ID: "F2", Mode: Compares, Severity: Must,
		Title:  "What was shown once is shown for ever",
		Reason: "A row that is gone can't be read again after a reset, and what was read of it has no source.",
		Remedy: "Give rows a status such as CANCELLED; do not delete them, and do not change their ids.",
		Run:    compared("F2"),
	},
	{
		ID: "F3", Mode: Compares, Severity: Must,
		Title:  "Currency and accounts of a movement do not change",
		Reason: "Readers book the movement when they see it; another currency or account is another movement.",
		Remedy: "Show a correction as a movement of its own.",
		Run:    compared("F3"),
	},
	{
		ID: "F4", Mode: Compares, Severity: Must,
		Title:  "Statuses move forward",
		Reason: "A movement that was final and is open again has been booked already.",
		Remedy: "Show what comes back as a refund, a dispute or a movement of its own.",
		Run:    compared("F4"),
	},
	{
		ID: "F5", Mode: Compares, Severity: Should,
		Title:  "A pending movement that is replaced is named by its successor",
		Reason: "Without the link the pending movement stays open for ever beside the posted one.",
		Remedy: "Keep the id when it is posted, or put the old one into relatedTransactionID.",
		Run:    compared("F5"),
	},
	{
		ID: "F6", Mode: Reads, Severity: Should,
		Title:  "The same amount, day and text twice are two movements",
		Reason: "Ids that are made from these fields fold two payments into one.",
		Remedy: "Number equal rows within their day before you make ids from their content.",
		Run:    checkLikes, look: lookLikes,
	},
}

func checkUnique(_ context.Context, e *Exam) Verdict {
	var findings []Finding
	for _, c := range e.lists() {
		for i, d := range c.twins {
			if i == kindsMax {
				break
			}
			got := fmt.Sprintf("two rows of one id, on page %d and on page %d", d.first, d.then)
			if d.before.sum == d.after.sum {
				got = fmt.Sprintf("one row twice on page %d", d.first)
			}
			findings = append(findings, Finding{
				Expected: "every id of " + c.list.name + " once", Got: got, Rows: []string{d.row}, RowCount: 1,
				Curl: e.client.curl(c.list.ask(window{page: d.first, size: c.size})),
			})
		}
	}
	return judgeSome(len(e.lists()), findings, noRows)
}

// lookLikes finds movements that look alike. Two ids for them is as it should be.
func lookLikes(e *Exam, r *record) {
	t := r.transaction
	if t == nil || r.err != nil || len(e.sights.likeness) >= likenessMax {
		return
	}
	key := hash(likeness(r))
	if known, ok := e.sights.likeness[key]; ok {
		if known != hash(r.id) {
			e.sights.likes++
		}
		return
	}
	e.sights.likeness[key] = hash(r.id)
}

// isLike reports whether a row looks like the one that was first seen under its id.
func (s *sights) isLike(r *record) bool {
	return r.transaction != nil && r.err == nil && s.likeness[hash(likeness(r))] == hash(r.id)
}

// likeness is what a careless service would make an id from.
func likeness(r *record) string {
	t := r.transaction
	return fmt.Sprintf("%s %s %s %s %s %s %s", t.Amount, t.Currency, t.CreatedAt.UTC().Format("2006-01-02"), t.SourceAccountID, t.DestinationAccountID, t.Type, t.Scheme)
}

func checkLikes(_ context.Context, e *Exam) Verdict {
	c := e.crawls[transactions]
	if c.failed != nil || len(c.rows) == 0 {
		return unjudged(noRows)
	}
	var findings []Finding
	for _, d := range c.twins {
		if !d.alike || d.before.sum == d.after.sum || len(findings) == kindsMax {
			continue
		}
		findings = append(findings, Finding{
			Expected: "two ids for two movements of the same amount and day", Got: "one id for both",
			Rows: []string{d.row}, RowCount: 1, Curl: e.client.curl(c.list.ask(window{page: d.first, size: c.size})),
		})
	}
	return judgeSome(e.sights.likes, findings, "no two movements have the same amount, day and accounts")
}
