package verify

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/weirhq/weir/wire"
)

var orderChecks = []Check{
	{
		ID: "D1", Mode: Reads, Severity: Must,
		Title:  "Lists are sorted oldest first, within pages and across them",
		Reason: "A hub takes the last row for the newest: what is older than a row before it is passed by.",
		Remedy: "Sort by the list's key, ascending: updatedAt for transactions, createdAt for the others.",
		Run:    byLooking("D1"), look: lookOrder,
	},
	{
		ID: "D2", Mode: Reads, Severity: Must,
		Title:  "Rows of one instant keep one order",
		Reason: "Where equal rows change places between two pages, one of them is on both and another on none.",
		Remedy: "Sort by the id after the stamp.",
		Run:    checkTies,
	},
	{
		ID: "D3", Mode: Reads, Severity: Must,
		Title:  "The filter includes its instant",
		Reason: "A hub asks from the stamp of the last row that it has: rows of the same instant are never shown again.",
		Remedy: "Filter with at or after, not with after.",
		Run:    checkInclusive,
	},
	{
		ID: "D4", Mode: Reads, Severity: Must,
		Title:  "The filter returns what is at or after its instant, all of it and nothing else",
		Reason: "What the filter leaves out is never read again once the hub is past it.",
		Remedy: "Compare instants, not texts, and apply the filter before the page.",
		Run:    checkFilter,
	},
	{
		ID: "D5", Mode: Reads, Severity: Must,
		Title:  "The filter goes by the field that it names, and takes fractions and offsets",
		Reason: "A filter that is ignored or misread sends the hub back to the beginning, or past rows that it has not seen.",
		Remedy: "Read createdAtFrom and updatedAtFrom as RFC 3339, in full, and filter by that field.",
		Run:    checkField,
	},
	{
		ID: "D6", Mode: Seeds, Severity: Must,
		Title:  "A group of one instant that is larger than a page can be read to its end",
		Reason: "No filter gets past such a group; only the pages do.",
		Remedy: "Page within the filter, in an order that includes the id.",
		Run:    checkGroup,
	},
	{
		ID: "D7", Mode: Seeds, Severity: Must,
		Title:  "Filter and page together keep the order",
		Reason: "Page 2 of a filtered list that begins elsewhere leaves out what is between.",
		Remedy: "Skip within the filtered rows, not within all of them.",
		Run:    checkFilteredPages,
	},
	{
		ID: "D8", Mode: Reads, Severity: Must,
		Title:  "A filter that is cut to the second returns the rows inside that second",
		Reason: "Hubs send whole seconds: a service that rounds as well loses what is in the last second.",
		Remedy: "Take the filter's instant as it is, and compare with the stamp's fraction.",
		Run:    checkSecond,
	},
	{
		ID: "D9", Mode: Reads, Severity: Should,
		Title:  "A filter in the future returns an empty list",
		Reason: "Anything else says that the filter is not applied.",
		Remedy: "Apply the filter before everything else.",
		Run:    checkFuture,
	},
	{
		ID: "D10", Mode: Reads, Severity: Should,
		Title:  "A filter that is no instant is refused",
		Reason: "The full list in answer to a mistyped filter is taken for the filtered one.",
		Remedy: "Answer 400 to what is not RFC 3339.",
		Run:    checkMalformed,
	},
	{
		ID: "D11", Mode: Reads, Severity: Should,
		Title:  "A sort that the service does not have is refused",
		Reason: "Another order than the one asked for is read as if it were that one.",
		Remedy: "Answer 400 to every sort but the contract's.",
		Run:    checkSort,
	},
}

func lookOrder(e *Exam, r *record) {
	at := r.stamp()
	if at.IsZero() || e.mending {
		return
	}
	e.saw("D1")
	o := e.sights.order[r.list]
	if o == nil {
		o = &ordering{}
		e.sights.order[r.list] = o
	}
	if !o.last.IsZero() && at.Before(o.last) {
		o.falls++
		e.object("D1", r, r.list.name, fmt.Sprintf("%s by %s, oldest first", r.list.name, r.list.key),
			fmt.Sprintf("%s after %s", instant(at), instant(o.last)))
	} else if at.After(o.last) {
		o.rises++
	}
	o.last = at
}

// ordering is how the stamps of a list run.
type ordering struct {
	last         time.Time
	rises, falls int
}

// ascending and descending tell how a list is sorted; both are false where it is not.
func (e *Exam) ascending(l *list) bool {
	o := e.sights.order[l]
	return o == nil || o.falls == 0
}

func (e *Exam) descending(l *list) bool {
	o := e.sights.order[l]
	return o != nil && o.falls > 0 && o.rises <= 1
}

func checkTies(ctx context.Context, e *Exam) Verdict {
	var findings []Finding
	judged := 0
	for _, c := range e.lists() {
		for _, page := range c.tiedPages() {
			w := window{page: page, size: c.size}
			var read [3]*sheet
			for i := range read {
				if read[i] = e.sheet(ctx, c.list, w); read[i].err != nil {
					return unjudged(read[i].err.Error())
				}
			}
			judged++
			got := ""
			for _, pair := range [][2]*sheet{{read[0], read[1]}, {read[1], read[2]}} {
				if a, b := inverted(pair[0].rows, pair[1].rows); a != "" {
					got = fmt.Sprintf("%s and %s have one stamp and change places", a, b)
				}
			}
			back := slices.Equal(read[0].ids(), read[2].ids()) && !slices.Equal(read[0].ids(), read[1].ids())
			if got == "" && back {
				got = "other rows of the same instant, and then the first ones again"
			}
			if got != "" {
				findings = append(findings, Finding{
					Expected: fmt.Sprintf("page %d of %s to hold its rows in one order", page, c.list.name), Got: got,
					Rows: nameRows(read[1].rows), RowCount: len(read[1].rows), Curl: read[1].curl(e, c.list),
				})
				break
			}
		}
	}
	return judgeSome(judged, findings, "no two rows share an instant")
}

// tiedPagesMax is how many pages with ties are read again.
const tiedPagesMax = 2

// tiedPages are pages on which rows share an instant.
func (c *crawl) tiedPages() []int {
	var pages []int
	for i := 1; i < len(c.rows) && len(pages) < tiedPagesMax; i++ {
		a, b := &c.rows[i-1], &c.rows[i]
		if a.stamp == b.stamp && a.stamp > noStamp && a.page == b.page && a.page > 0 && !slices.Contains(pages, int(a.page)) {
			pages = append(pages, int(a.page))
		}
	}
	return pages
}

// sieve is what one filtered page has shown.
type sieve struct {
	sheet *sheet
	from  time.Time
	// early are rows from before the filter's instant; missing are rows that the
	// page should hold and does not, while the list without the filter does.
	early, missing []record
}

// sift asks for the first page from an instant on and compares it with what the
// walk has shown.
func (e *Exam) sift(ctx context.Context, c *crawl, from time.Time, text string) *sieve {
	v := &sieve{from: from, sheet: e.sheet(ctx, c.list, window{page: 1, size: c.size, from: text})}
	if v.sheet.err != nil {
		return v
	}
	shown := map[uint64]bool{}
	last, first := time.Time{}, time.Time{}
	for i := range v.sheet.rows {
		r := &v.sheet.rows[i]
		shown[r.place().id] = true
		at := r.stamp()
		if at.Before(from) && !at.IsZero() {
			v.early = append(v.early, *r)
		}
		if at.After(last) {
			last = at
		}
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	full := len(v.sheet.rows) >= c.size
	var absent []place
	for _, p := range c.live() {
		covered := !full
		switch {
		case full && e.ascending(c.list):
			covered = p.stamp < nanos(last)
		case full && e.descending(c.list):
			covered = p.stamp > nanos(first)
		}
		if covered && p.stamp >= nanos(from) && !shown[p.id] {
			absent = append(absent, p)
		}
	}
	v.missing = e.still(ctx, c, absent)
	return v
}

// still are those of the rows that the unfiltered list has where it had them.
func (e *Exam) still(ctx context.Context, c *crawl, absent []place) []record {
	const pagesMax = 2
	var found []record
	read := map[int32]*sheet{}
	for _, p := range absent {
		if read[p.page] == nil {
			if len(read) == pagesMax {
				break
			}
			read[p.page] = e.sheet(ctx, c.list, window{page: int(p.page), size: c.size})
		}
		for _, r := range read[p.page].rows {
			if now := r.place(); now.id == p.id && now.stamp == p.stamp {
				found = append(found, r)
			}
		}
	}
	return found
}

// target is a row in the middle of a list that the filter is tried on: it has
// an instant of its own and, where there is such a row, a fraction of a second.
func (e *Exam) target(c *crawl) (target time.Time, ok bool) {
	rows := c.live()
	whole := time.Time{}
	for off := range rows {
		// From the middle outwards.
		i := len(rows)/2 + (off+1)/2*(1-2*(off%2))
		if i < 0 || i >= len(rows) || rows[i].stamp <= noStamp+1 || rows[i].stamp == maxStamp {
			continue
		}
		alone := (i == 0 || rows[i-1].stamp != rows[i].stamp) && (i == len(rows)-1 || rows[i+1].stamp != rows[i].stamp)
		at := time.Unix(0, rows[i].stamp).UTC()
		if alone && at.Nanosecond() != 0 {
			return at, true
		}
		if whole.IsZero() {
			whole = at
		}
	}
	return whole, !whole.IsZero()
}

const maxStamp = 1<<63 - 1

// probed is what the filter of a list has been seen to do.
type probed struct {
	target                      time.Time
	exact, cut, ahead, elsewise *sieve
	ignored                     bool
	wrongField                  bool
}

// filter tries the filter of a list, once.
func (e *Exam) filter(ctx context.Context, c *crawl) *probed {
	if e.sights.probed[c.list] != nil {
		return e.sights.probed[c.list]
	}
	p := &probed{}
	e.sights.probed[c.list] = p
	at, ok := e.target(c)
	if !ok {
		return p
	}
	p.target = at
	p.exact = e.sift(ctx, c, at, instant(at))
	p.cut = e.sift(ctx, c, at.Truncate(time.Second), second(at))
	later := at.Add(time.Microsecond)
	p.ahead = e.sift(ctx, c, later, instant(later))
	p.elsewise = e.sift(ctx, c, at, at.In(time.FixedZone("", 2*60*60)).Format(time.RFC3339Nano))
	rows := c.live()
	if v := p.exact; v.sheet.err == nil && len(v.sheet.rows) > 0 && len(rows) > 0 {
		p.ignored = len(v.early) > 0 && v.sheet.rows[0].place().id == rows[0].id
		later := at.Truncate(time.Second).Add(time.Second)
		byCreation := slices.ContainsFunc(v.missing, func(r record) bool { return r.created.Before(at) && !r.stamp().Before(later) }) &&
			!slices.ContainsFunc(v.sheet.rows, func(r record) bool { return r.created.Before(at) })
		p.wrongField = !p.ignored && c.list == transactions && byCreation
	}
	return p
}

// filtered calls judge for each list whose filter could be tried.
func (e *Exam) filtered(ctx context.Context, judge func(*crawl, *probed) *Finding) Verdict {
	var findings []Finding
	judged := 0
	why := noRows
	for _, c := range e.lists() {
		p := e.filter(ctx, c)
		if p.target.IsZero() {
			continue
		}
		if p.ignored {
			why = "the filter is ignored, as D5 says"
			continue
		}
		if p.wrongField {
			why = "the filter goes by another field, as D5 says"
			continue
		}
		judged++
		if f := judge(c, p); f != nil {
			findings = append(findings, *f)
		}
	}
	return judgeSome(judged, findings, why)
}

func sifted(e *Exam, c *crawl, v *sieve, rows []record, expected, got string) *Finding {
	return &Finding{Expected: expected, Got: got, Rows: nameRows(rows), RowCount: len(rows), Curl: v.sheet.curl(e, c.list)}
}

func checkInclusive(ctx context.Context, e *Exam) Verdict {
	return e.filtered(ctx, func(c *crawl, p *probed) *Finding {
		expected := fmt.Sprintf("%s from %s on to begin with the row of that instant", c.list.name, instant(p.target))
		if p.exact.sheet.err != nil {
			return sifted(e, c, p.exact, nil, expected, p.exact.sheet.err.Error())
		}
		at := slices.DeleteFunc(slices.Clone(p.exact.missing), func(r record) bool { return !r.stamp().Equal(p.target) })
		if len(at) > 0 {
			return sifted(e, c, p.exact, at, expected, "later rows only")
		}
		return nil
	})
}

func checkSecond(ctx context.Context, e *Exam) Verdict {
	fractions := false
	verdict := e.filtered(ctx, func(c *crawl, p *probed) *Finding {
		if p.target.Nanosecond() == 0 {
			return nil
		}
		fractions = true
		expected := fmt.Sprintf("%s from %s on to include those inside that second", c.list.name, second(p.target))
		if p.cut.sheet.err != nil {
			return sifted(e, c, p.cut, nil, expected, p.cut.sheet.err.Error())
		}
		inside := slices.DeleteFunc(slices.Clone(p.cut.missing), func(r record) bool {
			return !r.stamp().Truncate(time.Second).Equal(p.target.Truncate(time.Second))
		})
		if len(inside) > 0 {
			return sifted(e, c, p.cut, inside, expected, "rows of later seconds only")
		}
		return nil
	})
	if verdict.Status == Passed && !fractions {
		return unjudged("every stamp is a whole second")
	}
	return verdict
}

func checkFilter(ctx context.Context, e *Exam) Verdict {
	return e.filtered(ctx, func(c *crawl, p *probed) *Finding {
		tail := e.tail(ctx, c)
		for _, v := range []*sieve{p.exact, p.cut, tail} {
			if v == nil || v.sheet.err != nil {
				continue
			}
			// The instant and its second are judged by D3 and D8.
			missing := slices.DeleteFunc(slices.Clone(v.missing), func(r record) bool {
				return r.stamp().Truncate(time.Second).Equal(v.from.Truncate(time.Second))
			})
			expected := fmt.Sprintf("the %s at or after %s", c.list.name, instant(v.from))
			if len(missing) > 0 {
				return sifted(e, c, v, missing, expected, plural(len(missing), "of them is missing", "of them are missing"))
			}
			if len(v.early) > 0 {
				return sifted(e, c, v, v.early, expected, plural(len(v.early), "row from before it", "rows from before it"))
			}
		}
		return nil
	})
}

// tailRows is how far from its end a list is filtered for a result that fits one page.
const tailRows = 40

// tail filters so near the end that the whole result can be compared.
func (e *Exam) tail(ctx context.Context, c *crawl) *sieve {
	rows := c.live()
	if len(rows) <= tailRows {
		return nil
	}
	at := rows[len(rows)-tailRows].stamp
	if at <= noStamp+1 || at == maxStamp || !e.ascending(c.list) {
		return nil
	}
	from := time.Unix(0, at).UTC()
	return e.sift(ctx, c, from, instant(from))
}

func checkField(ctx context.Context, e *Exam) Verdict {
	var findings []Finding
	judged := 0
	for _, c := range e.lists() {
		p := e.filter(ctx, c)
		if p.target.IsZero() {
			continue
		}
		judged++
		if f := fieldFinding(e, c, p); f != nil {
			findings = append(findings, *f)
		}
	}
	return judgeSome(judged, findings, noRows)
}

func fieldFinding(e *Exam, c *crawl, p *probed) *Finding {
	name := c.list.key.From()
	switch {
	case p.ignored:
		return sifted(e, c, p.exact, p.exact.early, fmt.Sprintf("%s from %s on", c.list.name, instant(p.target)),
			"the list from its first row: "+name+" is ignored")
	case p.wrongField:
		return sifted(e, c, p.exact, p.exact.missing, name+" to filter by "+string(c.list.key), "rows left out whose createdAt is before it")
	case p.elsewise.sheet.err != nil && p.exact.sheet.err == nil:
		return sifted(e, c, p.elsewise, nil, name+" with an offset such as +02:00 to be taken", p.elsewise.sheet.err.Error())
	case p.ahead.sheet.err != nil && p.cut.sheet.err == nil:
		return sifted(e, c, p.ahead, nil, name+" with a fraction of a second to be taken", p.ahead.sheet.err.Error())
	case p.elsewise.sheet.err != nil || p.exact.sheet.err != nil || p.ahead.sheet.err != nil:
		return nil
	}
	if p.target.Nanosecond() != 0 && len(p.ahead.early) > 0 && len(p.exact.early) == 0 {
		return sifted(e, c, p.ahead, p.ahead.early, name+" to the fraction: rows from "+instant(p.ahead.from)+" on",
			"rows from before it: the fraction is cut off")
	}
	if len(p.elsewise.early) > len(p.exact.early) || len(p.elsewise.missing) > len(p.exact.missing) {
		return sifted(e, c, p.elsewise, append(slices.Clone(p.elsewise.early), p.elsewise.missing...),
			"the same rows whatever offset the instant is written with", "other rows with +02:00")
	}
	return nil
}

func checkGroup(ctx context.Context, e *Exam) Verdict {
	const least = 3
	for _, c := range e.paged() {
		ties := c.ties()
		if len(ties) == 0 || ties[0].rows < least {
			continue
		}
		if p := e.filter(ctx, c); p.ignored {
			return unjudged("the filter is ignored, as D5 says")
		}
		if e.hasFailed("D3") {
			return unjudged("the filter leaves out its own instant, as D3 says")
		}
		group := ties[0]
		size := max(1, min(c.size, (group.rows+2)/3))
		shown := 0
		for range motionTries {
			seen := map[uint64]bool{}
			for page := 1; page <= group.rows/size+2; page++ {
				s := e.sheet(ctx, c.list, window{page: page, size: size, from: instant(group.at)})
				if s.err != nil {
					return unjudged(s.err.Error())
				}
				if len(s.rows) > size && c.oversize == 0 {
					return unjudged("pageSize is not honoured, as C4 says")
				}
				past := len(s.rows) < size
				for i := range s.rows {
					if s.rows[i].stamp().Equal(group.at) {
						seen[s.rows[i].place().id] = true
					} else {
						past = past || s.rows[i].stamp().After(group.at)
					}
				}
				if past {
					break
				}
			}
			if shown = len(seen); shown >= group.rows {
				return pass()
			}
			group.rows = e.count(ctx, c, group)
		}
		return judge([]Finding{{
			Expected: fmt.Sprintf("%d %s of %s in pages of %d", group.rows, c.list.name, instant(group.at), size),
			Got:      fmt.Sprintf("%d of them, page by page from that instant on", shown), RowCount: group.rows - shown,
			Curl: e.client.curl(c.list.ask(window{page: 2, size: size, from: instant(group.at)})),
		}})
	}
	return unjudged(fmt.Sprintf("no %d rows share an instant", least))
}

// count reads how many rows of the group the walk has that are still there: a
// row may have changed since.
func (e *Exam) count(ctx context.Context, c *crawl, group tie) int {
	var places []place
	for _, p := range c.live() {
		if p.stamp == group.at.UnixNano() {
			places = append(places, p)
		}
	}
	if len(places) == 0 || places[len(places)-1].page-places[0].page > 1 {
		return group.rows
	}
	return len(e.still(ctx, c, places))
}

func checkFilteredPages(ctx context.Context, e *Exam) Verdict {
	const half = 5
	judged := 0
	var findings []Finding
	why := noRows
	for _, c := range e.paged() {
		p := e.filter(ctx, c)
		if p.target.IsZero() || p.ignored || c.oversize > 0 {
			why = "filter or page size are not honoured, as D5 or C4 says"
			continue
		}
		for try := range motionTries {
			whole := e.sheet(ctx, c.list, window{page: 1, size: 2 * half, from: instant(p.target)})
			second := e.sheet(ctx, c.list, window{page: 2, size: half, from: instant(p.target)})
			if whole.err != nil || second.err != nil || len(whole.rows) <= half || len(whole.rows) > 2*half {
				break
			}
			if slices.Equal(whole.ids()[half:], second.ids()) {
				judged++
				break
			}
			if whole := e.sheet(ctx, c.list, window{page: 1, size: half, from: instant(p.target)}); whole.err == nil && len(whole.rows) > half {
				break // pageSize is not honoured, as C4 says.
			}
			last := try == motionTries-1
			if !last && e.again(2) {
				continue
			}
			if last || !c.restless() {
				judged++
				findings = append(findings, Finding{
					Expected: fmt.Sprintf("page 2 of %s from %s on to go on with %s", c.list.name, instant(p.target), nameList(whole.rows[half:])),
					Got:      nameList(second.rows), Rows: nameRows(whole.rows[half:]), RowCount: len(whole.rows) - half, Curl: second.curl(e, c.list),
				})
			}
			break
		}
	}
	return judgeSome(judged, findings, why)
}

// future asks from a year on that no row should have reached.
func (e *Exam) future(ctx context.Context, l *list) *sheet {
	if e.sights.future[l] == nil {
		e.sights.future[l] = e.sheet(ctx, l, window{page: 1, size: wire.DefaultPageSize, from: "2200-01-01T00:00:00Z"})
	}
	return e.sights.future[l]
}

func checkFuture(ctx context.Context, e *Exam) Verdict {
	var findings []Finding
	judged := 0
	for _, c := range e.lists() {
		s := e.future(ctx, c.list)
		if s.err != nil {
			continue // B6 says so.
		}
		judged++
		if len(s.rows) > 0 {
			findings = append(findings, Finding{
				Expected: "[] from the year 2200 on", Got: plural(len(s.rows), "row", "rows"),
				Rows: nameRows(s.rows), RowCount: len(s.rows), Curl: s.curl(e, c.list),
			})
		}
	}
	return judgeSome(judged, findings, noRows)
}

func checkMalformed(ctx context.Context, e *Exam) Verdict {
	return e.refusesOfAll(ctx, func(l *list) (name, value string) { return l.key.From(), "yesterday" })
}

func checkSort(ctx context.Context, e *Exam) Verdict {
	return e.refusesOfAll(ctx, func(*list) (name, value string) { return "sort", "amount:desc" })
}

// refusesOfAll asks each list for something that should be answered with 400.
func (e *Exam) refusesOfAll(ctx context.Context, what func(*list) (name, value string)) Verdict {
	var findings []Finding
	judged := 0
	for _, c := range e.lists() {
		name, value := what(c.list)
		found, answered := e.refuses(ctx, c, name, value)
		findings, judged = append(findings, found...), judged+answered
	}
	return judgeSome(judged, findings, noRows)
}

// refuses asks a list for something that should be answered with 400. It returns
// what it found and how many answers it had to judge by: one or none.
func (e *Exam) refuses(ctx context.Context, c *crawl, name, value string) (findings []Finding, answered int) {
	asked := c.list.ask(window{page: 1, size: c.size})
	asked.query.Set(name, value)
	a := e.client.probe(ctx, asked)
	if a.err != nil {
		return nil, 0
	}
	if a.status == http.StatusBadRequest || a.status == http.StatusUnprocessableEntity {
		return nil, 1
	}
	return []Finding{{
		Expected: fmt.Sprintf("400 for %s=%s of %s", name, value, c.list.name), Got: a.describe(), Curl: e.client.curl(asked),
	}}, 1
}
