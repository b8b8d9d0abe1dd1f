package verify

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// sameMin is how many rows must agree before "all of them" means anything.
const sameMin = 20

var clockChecks = []Check{
	{
		ID: "E1", Mode: Reads, Severity: Must,
		Title:  "Stamps are RFC 3339 with an offset",
		Reason: "A stamp without an offset is hours off, or makes the page unreadable.",
		Remedy: "Write 2026-01-31T12:30:00Z, in UTC.",
		Run:    byLooking("E1"), look: lookStamps,
	},
	{
		ID: "E2", Mode: Reads, Severity: Must,
		Title:  "No row was changed before it was created, and none is from the future",
		Reason: "A row from the future parks the reference's cursor there: everything later is never read.",
		Remedy: "Stamp rows with your own clock when they change, not with a date of value.",
		Run:    byLooking("E2"), look: lookInstants,
	},
	{
		ID: "E3", Mode: Compares, Severity: Must,
		Title:  "createdAt never changes",
		Reason: "It is a part of what a change is known by: a variation is stored as another one.",
		Remedy: "Keep the first createdAt that you have shown.",
		Run:    compared("E3"),
	},
	{
		ID: "E4", Mode: Seeds, Severity: Must,
		Title:  "Every visible change moves updatedAt",
		Reason: "A change under an old stamp is behind every cursor: nobody asks for it.",
		Remedy: "Set updatedAt to now whenever anything that you show has changed.",
		Run:    checkChanges,
	},
	{
		ID: "E5", Mode: Compares, Severity: Must,
		Title:  "Rows become visible in the order of their stamps",
		Reason: "A row that appears behind the cursor is read late, or never.",
		Remedy: "Stamp updatedAt when the row becomes visible, for example when the transaction commits.",
		Run:    compared("E5"),
	},
	{
		ID: "E6", Mode: Reads, Severity: Should,
		Title:  "Stamps tell rows apart",
		Reason: "Rows that share an instant across the end of a page are lost by the reference.",
		Remedy: "Show the fraction of the second that you store, or make one up that is unique and keep it.",
		Run:    checkGrain,
	},
	{
		ID: "E7", Mode: Reads, Severity: Should,
		Title:  "The service's clock is right",
		Reason: "A clock that is ahead makes rows from the future, one that is behind makes late ones.",
		Remedy: "Let the machine follow a time server.",
		Run:    checkSkew,
	},
}

func lookStamps(e *Exam, r *record) {
	if r.keys == nil {
		return
	}
	fields := []string{"createdAt"}
	if r.list == transactions {
		fields = append(fields, "updatedAt")
	}
	for _, field := range fields {
		text, isText := r.text(field)
		if !isText {
			continue // B1 says so.
		}
		e.saw("E1")
		if _, err := time.Parse(time.RFC3339, text); err != nil {
			e.object("E1", r, field, field+" such as 2026-01-31T12:30:00Z", fmt.Sprintf("%q", clip(text, 60)))
		}
	}
}

func lookInstants(e *Exam, r *record) {
	if r.created.IsZero() {
		return
	}
	e.saw("E2")
	if !r.updated.IsZero() && r.updated.Before(r.created) {
		e.object("E2", r, "before", "updatedAt at or after createdAt", fmt.Sprintf("created %s, updated %s", instant(r.created), instant(r.updated)))
	}
	limit := time.Now().Add(skewMax)
	for _, at := range []time.Time{r.created, r.updated} {
		if at.After(limit) {
			e.object("E2", r, "future", "no stamp later than now", instant(at))
			return
		}
	}
}

// checkChanges compares rows that were seen again under the stamp that they had.
func checkChanges(ctx context.Context, e *Exam) Verdict {
	c := e.crawls[transactions]
	if c.failed != nil || len(c.rows) == 0 {
		return unjudged(noRows)
	}
	if e.options.Baseline != nil {
		if v := e.compare("E4"); v.Status == Failed {
			return v
		}
	}
	judged := e.options.Baseline != nil
	if move := e.options.Hooks.Move; move != nil {
		e.sealed = true
		if err := move(ctx); err != nil {
			return unjudged("the data could not be moved: " + err.Error())
		}
		judged = true
	}
	findings := e.changedQuietly(ctx, c)
	if len(findings) == 0 && !judged {
		return unjudged("nothing is known to have changed: it needs an earlier run, or data that can be moved")
	}
	return judge(findings)
}

// edgePages is how many pages at each end of a list are read again for rows that
// have changed without a word.
const edgePages = 4

// changedQuietly reads the first and last pages of the walk again, and finds
// rows with other bytes under the same stamp.
func (e *Exam) changedQuietly(ctx context.Context, c *crawl) []Finding {
	for page := 1; page <= c.pages; page++ {
		if page > edgePages && page <= c.pages-edgePages {
			continue
		}
		s := e.sheet(ctx, c.list, window{page: page, size: c.size})
		for i := range s.rows {
			r := &s.rows[i]
			p := r.place()
			known, ok := c.at(p.id)
			if ok && c.rows[known].stamp == p.stamp && c.rows[known].sum != p.sum && e.settled(ctx, c, s, &p) {
				return []Finding{{
					Expected: "updatedAt to move when a row changes", Got: "another row under the stamp " + instant(r.stamp()),
					Rows: []string{r.name()}, RowCount: 1, Curl: s.curl(e, c.list),
				}}
			}
		}
	}
	return nil
}

// settled reports whether a row reads the same when its page is read once more.
// Where it does not, the service writes one row in many ways, which is C2's affair.
func (e *Exam) settled(ctx context.Context, c *crawl, s *sheet, p *place) bool {
	again := e.sheet(ctx, c.list, s.window)
	for i := range again.rows {
		if now := again.rows[i].place(); now.id == p.id {
			return now.sum == p.sum
		}
	}
	return false
}

func checkGrain(_ context.Context, e *Exam) Verdict {
	var findings []Finding
	judged := 0
	for _, c := range e.lists() {
		g := e.sights.grain[c.list]
		if g == nil || g.rows < sameMin {
			continue
		}
		judged++
		object := func(got string) {
			findings = append(findings, Finding{
				Expected: "stamps of " + c.list.name + " that tell rows apart", Got: got, RowCount: g.rows,
				Curl: e.client.curl(c.list.ask(window{page: 1, size: c.size})),
			})
		}
		// A group that was put there for D6 says nothing about the service.
		ties := slices.DeleteFunc(c.ties(), func(t tie) bool { return t.at.Equal(e.seedAt()) })
		switch {
		case g.midnights == g.rows:
			object("every stamp is a midnight: only the day is known")
		case len(ties) > 0 && ties[0].rows > 1 && g.wholes == g.rows:
			object(fmt.Sprintf("every stamp is a whole second, and %s share %s", plural(ties[0].rows, "row", "rows"), instant(ties[0].at)))
		case g.wholes == g.rows:
			object("every stamp is a whole second, so rows of one second will share it")
		case len(ties) > 0 && ties[0].rows > 1:
			object(fmt.Sprintf("%s share an instant; the most, %d, share %s", plural(tied(ties), "row", "rows"), ties[0].rows, instant(ties[0].at)))
		}
	}
	return judgeSome(judged, findings, fmt.Sprintf("it takes %d rows", sameMin))
}

func tied(ties []tie) int {
	n := 0
	for _, t := range ties {
		n += t.rows
	}
	return n
}

func checkSkew(ctx context.Context, e *Exam) Verdict {
	c := e.lists()
	if len(c) == 0 {
		return unjudged(noRows)
	}
	s := e.sheet(ctx, c[0].list, window{page: 1, size: 1})
	if s.answer.header == nil {
		return unjudged("no answer")
	}
	at, err := http.ParseTime(s.answer.header.Get("Date"))
	if err != nil {
		return unjudged("answers carry no Date")
	}
	// The header knows whole seconds only.
	skew := at.Sub(s.answer.at)
	if skew < -skewMax || skew > skewMax+s.answer.took {
		return judge([]Finding{{
			Expected: "the time that it is, to " + skewMax.String(), Got: fmt.Sprintf("a Date that is %s off", skew.Round(time.Second)), Curl: s.curl(e, c[0].list),
		}})
	}
	return pass()
}

// grain counts how fine the stamps of a list are.
type grain struct{ rows, wholes, midnights int }

func (g *grain) see(at time.Time) {
	if at.IsZero() {
		return
	}
	g.rows++
	if at.Nanosecond() == 0 {
		g.wholes++
		if at = at.UTC(); at.Hour() == 0 && at.Minute() == 0 && at.Second() == 0 {
			g.midnights++
		}
	}
}
