package verify

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/weirhq/weir/wire"
)

const (
	// windowRows is how many rows are read again in pages of 1, 2 and 7, in
	// windowPages of them at most.
	windowRows  = 14
	windowPages = 5
	// motionTries is how often two readings are compared again where the data
	// may have moved between them.
	motionTries = 3
	// rewalkPages is how many pages are walked again to see whether one walk sees
	// what another one does.
	rewalkPages = 10
	// rewalks is how many walks have the chance of not being disturbed.
	rewalks = 3
	// deepPages is how many pages a list must have for the last one to be deep.
	deepPages = 10
	// slowerMax is how many times slower a deep page may be, and slowerFloor the
	// difference below which nobody notices.
	slowerMax   = 3
	slowerFloor = 50 * time.Millisecond
)

var pagingChecks = []Check{
	{
		ID: "C1", Mode: Reads, Severity: Must,
		Title:  "Pages of any size show the same rows",
		Reason: "Where the size of the page decides which rows there are, some are never shown.",
		Remedy: "Skip (page-1)*pageSize rows of one fixed order and return the next pageSize.",
		Run:    checkSizes,
	},
	{
		ID: "C2", Mode: Reads, Severity: Should,
		Title:  "The same page twice is the same to the byte",
		Reason: "A page that differs while nothing has changed can't be compared, and looks like a change.",
		Remedy: "Use one fixed order of rows and of fields, and send whole answers.",
		Run:    checkTwice,
	},
	{
		ID: "C3", Mode: Reads, Severity: Must,
		Title:  "Every page is another page, and past the end is an empty one",
		Reason: "A page that comes again hides the one that should have come, or is read for ever.",
		Remedy: "Honour page, from 1 on, and answer 200 and [] past the last one.",
		Run:    checkPages,
	},
	{
		ID: "C4", Mode: Reads, Severity: Must,
		Title:  "A page holds as many rows as were asked for",
		Reason: "A short page says that the list ends there: a hub comes back a whole polling period later.",
		Remedy: "Return pageSize rows as long as there are so many, or refuse the size with 400. 100 must work.",
		Run:    checkFull,
	},
	{
		ID: "C5", Mode: Reads, Severity: Must,
		Title:  "A list that fills its last page exactly ends all the same",
		Reason: "The reader can't know that the full page was the last one and asks for the next.",
		Remedy: "Answer 200 and [] for the page after the last, also when the last one is full.",
		Run:    checkExact,
	},
	{
		ID: "C6", Mode: Seeds, Severity: Must,
		Title:  "What moves between two pages is there after walking again",
		Reason: "A change moves rows to other pages; a row that no walk shows is lost.",
		Remedy: "Leave rows alone whose updatedAt has not moved, and keep their order.",
		Run:    checkMoving,
	},
	{
		ID: "C7", Mode: Reads, Severity: Should,
		Title:  "Nonsense in page and pageSize is refused, and both have their defaults",
		Reason: "A typing mistake that is answered like page 1 is read as data.",
		Remedy: "Answer 400 to 0, -1 and abc; without them serve page 1 of 100 rows.",
		Run:    checkNonsense,
	},
	{
		ID: "C8", Mode: Reads, Severity: Should,
		Title:  "A deep page is not much slower than the first",
		Reason: "The first reading of years of history never ends, or runs into the hub's timeout.",
		Remedy: "Index the sort key together with the id, and filter before you skip.",
		Run:    checkDeep,
	},
}

func checkSizes(ctx context.Context, e *Exam) Verdict {
	var findings []Finding
	judged := 0
	for _, c := range e.lists() {
		if c.ignored {
			continue // C3 says so.
		}
		for _, size := range []int{1, 2, 7} {
			if c.list != transactions && size == 2 {
				continue
			}
			agrees, f := e.compareWindow(ctx, c, size)
			if agrees {
				judged++
			}
			findings = append(findings, f...)
		}
		if c.cap > 0 {
			judged++
			findings = append(findings, e.gaps(ctx, c)...)
		}
		for _, d := range c.overlapping {
			findings = append(findings, Finding{
				Expected: "every row once", Got: fmt.Sprintf("one row on page %d and on page %d, again and again", d.first, d.then),
				Rows: []string{d.row}, RowCount: 1, Curl: e.client.curl(c.list.ask(window{page: d.then, size: c.size})),
			})
		}
	}
	return judgeSome(judged, findings, noRows)
}

// compareWindow reads the first rows in pages of another size and, where the
// list is long, a page near its end. judged is false where the size is not honoured.
func (e *Exam) compareWindow(ctx context.Context, c *crawl, size int) (judged bool, findings []Finding) {
	most := min(windowRows, windowPages*size)
	if c.list != transactions {
		most = size
	}
	for try := range motionTries {
		if try > 0 && !e.again(windowPages+1) {
			return e.unrepeated(c, judged, findings)
		}
		base := e.sheet(ctx, c.list, window{page: 1, size: c.size})
		if base.err != nil {
			return judged, nil
		}
		ids, at := base.ids(), 0
		findings = nil
		for page := 1; at < min(most, len(ids)); page++ {
			s := e.sheet(ctx, c.list, window{page: page, size: size})
			if s.err != nil || len(s.rows) > size {
				return judged, nil // C4 says so.
			}
			judged = true
			wanted := ids[at:min(at+size, len(ids))]
			if len(wanted) == size && !slices.Equal(s.ids(), wanted) {
				// A page that is right the second time is C2's affair.
				e.repeated++
				s = e.sheet(ctx, c.list, s.window)
			}
			if len(wanted) == size && !slices.Equal(s.ids(), wanted) {
				findings = append(findings, Finding{
					Expected: fmt.Sprintf("page %d of %d to hold %s of %s", page, size, nameList(base.rows[at:min(at+size, len(ids))]), c.list.name),
					Got:      nameList(s.rows), Rows: nameRows(s.rows), RowCount: len(s.rows), Curl: s.curl(e, c.list),
				})
				break
			}
			at += size
		}
		if len(findings) == 0 {
			return e.compareDeep(ctx, c, size, judged)
		}
	}
	return e.unrepeated(c, judged, findings)
}

// compareDeep is compareWindow on the last full page.
func (e *Exam) compareDeep(ctx context.Context, c *crawl, size int, judged bool) (bool, []Finding) {
	page := len(c.rows) / c.size
	if page < 2 || c.oversize > 0 {
		return judged, nil
	}
	var findings []Finding
	for try := range motionTries {
		if try > 0 && !e.again(2) {
			return e.unrepeated(c, judged, findings)
		}
		start := (page - 1) * c.size
		other := (start+size-1)/size + 1
		base := e.sheet(ctx, c.list, window{page: page, size: c.size})
		s := e.sheet(ctx, c.list, window{page: other, size: size})
		at := (other-1)*size - start
		if base.err != nil || s.err != nil || at+size > len(base.rows) || len(s.rows) > size {
			return judged, nil
		}
		if slices.Equal(s.ids(), base.ids()[at:at+size]) {
			return true, nil
		}
		findings = []Finding{{
			Expected: fmt.Sprintf("page %d of %d to hold rows of page %d of %d: %s", other, size, page, c.size, nameList(base.rows[at:at+size])),
			Got:      nameList(s.rows), Rows: nameRows(s.rows), RowCount: len(s.rows), Curl: s.curl(e, c.list),
		}}
	}
	return e.unrepeated(c, true, findings)
}

// gaps asks whether pages that are too short leave rows out between them.
func (e *Exam) gaps(ctx context.Context, c *crawl) []Finding {
	second := e.sheet(ctx, c.list, window{page: 2, size: wire.DefaultPageSize})
	follows := e.sheet(ctx, c.list, window{page: 2, size: c.size})
	if second.err != nil || follows.err != nil || len(follows.rows) == 0 ||
		len(second.rows) > 0 && second.ids()[0] == follows.ids()[0] {
		return nil
	}
	left := follows.rows
	if len(second.rows) > 0 {
		if at := slices.Index(follows.ids(), second.ids()[0]); at >= 0 {
			left = left[:at]
		}
	}
	return []Finding{{
		Expected: fmt.Sprintf("page 2 of %d to go on where page 1 ended", wire.DefaultPageSize),
		Got:      fmt.Sprintf("page 1 ends after %d rows and page 2 begins later: the rows between are on no page", c.cap),
		Rows:     nameRows(left), RowCount: len(left), Curl: second.curl(e, c.list),
	}}
}

// nameList names a few rows for a sentence.
func nameList(rows []record) string {
	const most = 3
	switch len(rows) {
	case 0:
		return "no rows"
	case 1:
		return clip(rows[0].id, 60)
	}
	text := ""
	for i := range min(len(rows), most) {
		if i > 0 {
			text += ", "
		}
		text += clip(rows[i].id, 60)
	}
	if len(rows) > most {
		text += fmt.Sprintf(" … (%d rows)", len(rows))
	}
	return text
}

func checkTwice(ctx context.Context, e *Exam) Verdict {
	var findings []Finding
	judged := 0
	for _, c := range e.lists() {
		for _, page := range slices.Compact([]int{1, max(c.pages, 1)}) {
			same, f := e.twice(ctx, c, page)
			if same {
				judged++
			}
			findings = append(findings, f...)
		}
		for _, s := range c.repeated {
			findings = append(findings, Finding{
				Expected: fmt.Sprintf("page %d of %s to be the same every time", s.window.page, c.list.name),
				Got:      fmt.Sprintf("page %d once more, and the right one when it was asked for again", s.window.page-1),
				Rows:     nameRows(s.rows), RowCount: len(s.rows), Curl: s.curl(e, c.list),
			})
		}
	}
	for _, t := range e.client.troubles {
		if t.kind == troubleCut && t.passed {
			findings = append(findings, Finding{
				Expected: "whole answers", Got: "an answer that breaks off, and a whole one when it was asked for again: " + clip(t.answer.describe(), 120),
				Curl: e.client.curl(t.answer.asked),
			})
			break
		}
	}
	return judgeSome(judged, findings, noRows)
}

// twice asks for a page twice. Where rows have changed in between it asks again.
func (e *Exam) twice(ctx context.Context, c *crawl, page int) (same bool, findings []Finding) {
	w := window{page: page, size: c.size}
	before := e.sheet(ctx, c.list, w)
	for try := range motionTries {
		if try > 0 && !e.again(1) {
			return false, nil
		}
		after := e.sheet(ctx, c.list, w)
		if before.err != nil || after.err != nil {
			return false, nil
		}
		if before.same(after) {
			return true, nil
		}
		if how := differs(before, after); how != "" {
			return true, []Finding{{Expected: "the same bytes twice", Got: how, Curl: after.curl(e, c.list)}}
		}
		before = after
	}
	return false, nil
}

// differs says how two readings of one page differ, or nothing where the rows
// themselves have changed.
func differs(before, after *sheet) string {
	if slices.Equal(before.ids(), after.ids()) {
		for i := range before.rows {
			if before.rows[i].stamp().Equal(after.rows[i].stamp()) && !bytes.Equal(before.rows[i].raw, after.rows[i].raw) {
				return fmt.Sprintf("%s is written in two ways under one stamp", before.rows[i].name())
			}
			if !before.rows[i].stamp().Equal(after.rows[i].stamp()) {
				return ""
			}
		}
		return "the same rows, with other bytes between them"
	}
	if a, b := inverted(before.rows, after.rows); a != "" {
		return fmt.Sprintf("%s and %s have changed places", a, b)
	}
	return ""
}

// inverted finds two rows that stand in both and have changed places without
// changing their stamps. No change of data does that.
func inverted(before, after []record) (a, b string) {
	at := map[uint64]int{}
	for i := range after {
		at[after[i].place().id] = i
	}
	last := -1
	for i := range before {
		j, ok := at[before[i].place().id]
		if !ok || !before[i].stamp().Equal(after[j].stamp()) {
			continue
		}
		if last >= 0 && j < at[before[last].place().id] {
			return before[last].name(), before[i].name()
		}
		last = i
	}
	return "", ""
}

func checkPages(_ context.Context, e *Exam) Verdict {
	var findings []Finding
	object := func(c *crawl, page int, rows []string, expected, got string) {
		findings = append(findings, Finding{
			Expected: expected, Got: got, Rows: rows, RowCount: len(rows),
			Curl: e.client.curl(c.list.ask(window{page: page, size: c.size})),
		})
	}
	for _, c := range e.lists() {
		end := fmt.Sprintf("[] past the end of %s", c.list.name)
		switch {
		case c.ignored:
			object(c, 2, nil, "page 2 of "+c.list.name+" to be another page", "the first page, whatever page is asked for")
		case c.lastAgain:
			object(c, c.endedAt, nil, end, "the last page once more")
		case c.endRefused != nil:
			object(c, c.pages+1, nil, end, c.endRefused.describe())
		case !c.complete && c.why != "":
			object(c, c.pages+1, nil, "the list of "+c.list.name+" to end", c.why)
		}
		for _, s := range c.repeated {
			object(c, s.window.page, nameRows(s.rows), fmt.Sprintf("page %d of %s to share no row with page %d", s.window.page, c.list.name, s.window.page-1),
				"the same rows once more; asked for again, the page was right")
		}
		for _, d := range c.overlapping {
			object(c, d.then, []string{d.row}, fmt.Sprintf("page %d of %s to share no row with page %d", d.then, c.list.name, d.first), "a row that is on both")
		}
	}
	return judgeSome(len(e.lists()), findings, noRows)
}

func checkFull(ctx context.Context, e *Exam) Verdict {
	var findings []Finding
	for _, c := range e.lists() {
		object := func(size int, got string) {
			findings = append(findings, Finding{
				Expected: fmt.Sprintf("%d rows in a page of %s", size, c.list.name), Got: got,
				Curl: e.client.curl(c.list.ask(window{page: 1, size: size})),
			})
		}
		switch {
		case c.oversize > 0:
			object(wire.DefaultPageSize, fmt.Sprintf("%d rows: pageSize is ignored", c.oversize))
			continue
		case c.cap > 0:
			object(wire.DefaultPageSize, fmt.Sprintf("%d rows, while there are more", c.cap))
			continue
		}
		for _, s := range c.shortPages {
			if again := e.sheet(ctx, c.list, s.window); again.err == nil && len(again.rows) < c.size {
				object(c.size, fmt.Sprintf("%d rows on page %d, while page %d has more", len(again.rows), s.window.page, s.window.page+1))
				break
			}
		}
		if e.options.Quick {
			continue
		}
		for _, size := range []int{10, wire.MaxPageSize} {
			if got := e.fullness(ctx, c, size); got != "" {
				object(size, got)
			}
		}
	}
	return judgeSome(len(e.lists()), findings, noRows)
}

// fullness says what is wrong with a page of the size, if anything.
func (e *Exam) fullness(ctx context.Context, c *crawl, size int) string {
	if size > wire.DefaultPageSize && len(c.rows) <= wire.DefaultPageSize {
		return ""
	}
	s := e.sheet(ctx, c.list, window{page: 1, size: size})
	refused := s.answer.err == nil && s.answer.status == http.StatusBadRequest
	// Rows may have gone since the walk.
	wanted := min(size, len(c.rows)-c.moved) * 9 / 10
	if size <= wire.DefaultPageSize {
		wanted = min(size, len(c.rows))
	}
	switch {
	case refused && size > wire.DefaultPageSize:
		return ""
	case s.err != nil:
		return s.err.Error()
	case len(s.rows) > size:
		return fmt.Sprintf("%d rows: pageSize is ignored", len(s.rows))
	case len(s.rows) < wanted:
		return fmt.Sprintf("%d rows, while there are more, and no refusal", len(s.rows))
	}
	return ""
}

func checkExact(ctx context.Context, e *Exam) Verdict {
	var findings []Finding
	judged := 0
	for _, c := range e.paged() {
		if c.oversize > 0 || !c.complete {
			continue
		}
		n := len(c.live())
		for try := range motionTries {
			if try > 0 && !e.again(2) {
				break
			}
			size := 0
			for d := min(n, c.size); d >= 1 && size == 0; d-- {
				if n%d == 0 {
					size = d
				}
			}
			full := e.sheet(ctx, c.list, window{page: n / size, size: size})
			past := e.sheet(ctx, c.list, window{page: n/size + 1, size: size})
			refused := past.answer.err == nil && past.answer.status >= 400
			if full.err != nil || len(full.rows) != size || past.err != nil && !refused {
				break
			}
			if past.err == nil && len(past.rows) > 0 && e.hasNew(full, past) {
				n += len(past.rows) // It has grown since the walk.
				continue
			}
			judged++
			if refused || len(past.rows) > 0 {
				got := fmt.Sprintf("%d rows that were shown before", len(past.rows))
				if refused {
					got = past.answer.describe()
				}
				findings = append(findings, Finding{
					Expected: fmt.Sprintf("[] after page %d of %d, which is full and the last of %s", n/size, size, c.list.name),
					Got:      got, Rows: nameRows(past.rows), RowCount: len(past.rows), Curl: past.curl(e, c.list),
				})
			}
			break
		}
	}
	return judgeSome(judged, findings, "no list could be cut into full pages")
}

// stroll is a short walk, with the moment at which it began.
type stroll struct {
	begun time.Time
	rows  map[uint64]*record
	last  time.Time
	ended bool
}

func newStroll() *stroll { return &stroll{begun: time.Now(), rows: map[uint64]*record{}} }

// take adds the next page.
func (w *stroll) take(s *sheet, size int) {
	for i := range s.rows {
		w.rows[s.rows[i].place().id] = &s.rows[i]
		if at := s.rows[i].stamp(); at.After(w.last) {
			w.last = at
		}
	}
	w.ended = len(s.rows) < size
}

func (e *Exam) stroll(ctx context.Context, c *crawl, move func(context.Context) error) *stroll {
	w := newStroll()
	for page := 1; page <= rewalkPages; page++ {
		s := e.sheet(ctx, c.list, window{page: page, size: c.size})
		if s.err != nil {
			return nil
		}
		if w.take(s, c.size); w.ended {
			break
		}
		if page == 1 && move != nil {
			e.sealed = true
			if err := move(ctx); err != nil {
				e.seedings["C6"] = err
			}
		}
	}
	return w
}

// lacks are the rows that the walk should have shown and another one did.
func (w *stroll) lacks(other *stroll) []record {
	var missing []record
	for id, r := range other.rows {
		if w.rows[id] == nil && (r.stamp().Before(w.last) || w.ended) && r.stamp().Before(w.begun.Add(-skewMax)) {
			missing = append(missing, *r)
		}
	}
	slices.SortFunc(missing, func(a, b record) int { return a.stamp().Compare(b.stamp()) })
	return missing
}

// lacks are the rows of a walk that the first one has not shown.
func (c *crawl) lacks(w *stroll) []record {
	var missing []record
	for id, r := range w.rows {
		if _, known := c.at(id); !known && r.stamp().Before(c.begun.Add(-skewMax)) {
			missing = append(missing, *r)
		}
	}
	return missing
}

// checkMoving walks the beginning of the list a few times. A walk that lacks
// what the next one shows was disturbed; when none is whole, none ever may be.
func checkMoving(ctx context.Context, e *Exam) Verdict {
	c := e.crawls[transactions]
	if c.failed != nil || !c.works() || len(c.rows) <= c.size {
		return unjudged("it takes more than one page of transactions whose pages can be told apart")
	}
	before, walks := c.second, rewalks
	switch {
	case before == nil || e.options.Hooks.Move != nil:
		before = e.stroll(ctx, c, e.options.Hooks.Move)
	case c.mended > 0:
		walks-- // The first walk is known to have been disturbed.
	}
	if before == nil {
		return unjudged("the list could not be walked")
	}
	if err := e.seedings["C6"]; err != nil {
		return unjudged("the data could not be moved: " + err.Error())
	}
	moved := pass()
	if c.moved > 0 {
		moved.Note = plural(c.moved, "row", "rows") + " moved while the list was walked"
	}
	if e.options.Hooks.Move == nil && c.mended == 0 && len(c.lacks(before)) == 0 {
		return moved
	}
	var missing []record
	for range walks {
		if e.repeated += e.strollPages(); c.restless() && e.repeated > e.repeatsMax() {
			return unjudged("rows move so fast that telling them apart would take more requests than a run may spend on it")
		}
		after := e.stroll(ctx, c, nil)
		if after == nil {
			return unjudged("the list could not be walked")
		}
		if missing = after.lacks(before); e.options.Hooks.Move == nil {
			missing = before.lacks(after)
		}
		if len(missing) == 0 {
			return moved
		}
		if e.options.Hooks.Move == nil {
			before = after
		}
	}
	return judge([]Finding{{
		Expected: fmt.Sprintf("one of %d walks over the first %d pages to show every row that the next one shows", rewalks, rewalkPages),
		Got:      fmt.Sprintf("each leaves rows out; the last one %s", plural(len(missing), "row", "rows")),
		Rows:     nameRows(missing), RowCount: len(missing), Curl: e.client.curl(c.list.ask(window{page: 2, size: c.size})),
	}})
}

func checkNonsense(ctx context.Context, e *Exam) Verdict {
	var findings []Finding
	judged := 0
	for _, c := range e.lists() {
		for _, name := range []string{"page", "pageSize"} {
			for _, text := range []string{"0", "-1", "abc"} {
				found, answered := e.refuses(ctx, c, name, text)
				findings, judged = append(findings, found...), judged+answered
			}
		}
		findings = append(findings, e.defaults(ctx, c)...)
		if c.list == transactions {
			continue
		}
		break // One list by each sort key is enough.
	}
	return judgeSome(judged, findings, noRows)
}

// defaults asks without page and pageSize.
func (e *Exam) defaults(ctx context.Context, c *crawl) []Finding {
	bare := request{path: c.list.path, query: url.Values{}}
	for try := range motionTries {
		if try > 0 && !e.again(2) {
			return nil
		}
		full := e.sheet(ctx, c.list, window{page: 1, size: wire.DefaultPageSize})
		a := e.client.read(ctx, bare, nil)
		rows, err := c.list.parse(a.body, 1)
		if full.err != nil || !a.ok() || err != nil {
			return []Finding{{Expected: "the first 100 rows of " + c.list.name + " without page and pageSize", Got: a.describe(), Curl: e.client.curl(bare)}}
		}
		if slices.Equal((&sheet{rows: rows}).ids(), full.ids()) {
			return nil
		}
		if len(rows) != len(full.rows) {
			return []Finding{{
				Expected: fmt.Sprintf("the first %d rows of %s without page and pageSize", len(full.rows), c.list.name),
				Got:      plural(len(rows), "row", "rows"), Curl: e.client.curl(bare),
			}}
		}
	}
	return nil
}

func checkDeep(ctx context.Context, e *Exam) Verdict {
	c := e.crawls[transactions]
	if c.failed != nil || !c.works() || c.pages < deepPages {
		return unjudged(fmt.Sprintf("it takes a list of %d pages", deepPages))
	}
	fastest := func(page int) time.Duration {
		best := time.Duration(0)
		for range motionTries {
			s := e.sheet(ctx, c.list, window{page: page, size: c.size})
			if s.err == nil && (best == 0 || s.answer.took < best) {
				best = s.answer.took
			}
		}
		return best
	}
	first, deep := fastest(1), fastest(c.pages)
	if deep > slowerMax*first && deep-first > slowerFloor {
		return judge([]Finding{{
			Expected: fmt.Sprintf("page %d in at most %d times the time of page 1, which took %s", c.pages, slowerMax, first.Round(time.Millisecond)),
			Got:      deep.Round(time.Millisecond).String(), Curl: e.client.curl(c.list.ask(window{page: c.pages, size: c.size})),
		}})
	}
	return pass()
}
