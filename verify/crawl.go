package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weirhq/weir/wire"
)

const (
	// idlePagesMax is how many pages in a row may show nothing new before a walk
	// is given up: a list that repeats itself has no end.
	idlePagesMax = 3
	// doubtsMax bounds how many rows that came twice are asked about again.
	doubtsMax = 4
)

// crawl is what one walk over a list has shown. Every check of the list judges
// by it first, and asks the service only for what it does not hold.
type crawl struct {
	list *list
	// size is the page size that the list was walked with: the hub's, unless the
	// service shows less than that.
	size int
	roster
	pages int
	begun time.Time

	// complete says that the walk came to the list's end; why says otherwise.
	complete bool
	why      string
	// failed is the answer when not even the first page could be read, blank when
	// it, or the one past the end, has no rows.
	failed, blank *answer

	// What was noticed about paging.
	cap         int     // pages hold at most so many rows, below what was asked
	oversize    int     // pages hold so many rows, above what was asked
	ignored     bool    // every page is the first
	lastAgain   bool    // past the end comes the last page once more
	endRefused  *answer // past the end comes a refusal
	repeated    []*sheet
	shortPages  []*sheet
	endedAt     int
	overlapping []doubt
	twins       []doubt
	mended      int // rows that the first walk missed, because others moved
	moved       int // rows that changed their place during the walk
	unmended    bool
	second      *stroll // the walk that found them, as far as C6 needs it
	unwalked    int     // groups of one instant that could not be read to their end
}

// doubt is a row that came twice.
type doubt struct {
	row         string
	first, then int
	before      place
	after       place
	// alike says that the two have the same amount, day and accounts.
	alike bool
}

// works reports whether pages can be told apart, without which a good deal
// can't be judged.
func (c *crawl) works() bool { return !c.ignored && c.failed == nil }

// sheet reads one page, with retries. Its err says why there is none.
func (e *Exam) sheet(ctx context.Context, l *list, w window) *sheet {
	s := &sheet{window: w}
	s.answer = e.client.read(ctx, l.ask(w), func(body []byte) (err error) {
		s.rows, err = l.parse(body, w.page)
		return err
	})
	if !s.answer.ok() || s.answer.err != nil {
		s.rows, s.err = nil, errors.New(s.answer.describe())
		return s
	}
	e.observe(l, s)
	return s
}

// walk reads the whole list once.
func (e *Exam) walk(ctx context.Context, l *list) *crawl {
	c := &crawl{list: l, size: wire.DefaultPageSize, begun: time.Now()}
	e.crawls[l] = c
	first := e.sheet(ctx, l, window{page: 1, size: c.size})
	if first.err != nil {
		c.failed, c.why = first.answer, first.err.Error()
		return c
	}
	if n := len(first.rows); n > 0 && n < c.size {
		first = e.sizeUp(ctx, c, first)
	}
	if len(first.rows) > c.size {
		c.oversize = len(first.rows)
	}
	e.follow(ctx, c, first)
	if c.ignored {
		e.seek(ctx, c)
	}
	e.settleDoubts(ctx, c)
	e.mend(ctx, c)
	return c
}

// sizeUp looks behind a first page that is short: there is nothing more, or the
// service shows less than it was asked for.
func (e *Exam) sizeUp(ctx context.Context, c *crawl, first *sheet) *sheet {
	next := e.sheet(ctx, c.list, window{page: 2, size: c.size})
	if next.err == nil && len(next.rows) == 0 {
		// The rest may lie between the end of this page and the beginning of the next.
		next = e.sheet(ctx, c.list, window{page: 2, size: len(first.rows)})
	}
	if next.err != nil || len(next.rows) == 0 || next.same(first) || !e.hasNew(first, next) {
		return first
	}
	if again := e.sheet(ctx, c.list, first.window); again.err == nil && len(again.rows) > len(first.rows) {
		return again // It has grown.
	}
	c.cap = len(first.rows)
	smaller := e.sheet(ctx, c.list, window{page: 1, size: c.cap})
	if smaller.err != nil {
		return first
	}
	c.size = c.cap
	return smaller
}

// hasNew reports whether a page has a row that another one does not.
func (e *Exam) hasNew(known, page *sheet) bool {
	ids := known.ids()
	return slices.ContainsFunc(page.ids(), func(id uint64) bool { return !slices.Contains(ids, id) })
}

// follow walks from the first page to the end.
func (e *Exam) follow(ctx context.Context, c *crawl, s *sheet) {
	idle := 0
	var before *sheet
	for {
		if before != nil && len(s.rows) > 0 && s.same(before) {
			s = e.askAgain(ctx, c, before, s)
			if s == nil {
				return
			}
		}
		if s.err != nil {
			if before != nil && s.answer.status >= 400 && s.answer.status < 500 && s.answer.err == nil {
				c.endRefused, c.complete = s.answer, len(before.rows) < c.size
			}
			c.why = "page " + fmt.Sprint(s.window.page) + ": " + s.err.Error()
			return
		}
		if len(s.rows) == 0 {
			c.complete, c.endedAt, c.blank = true, s.window.page, s.answer
			return
		}
		if before != nil && len(before.rows) < c.size {
			c.shortPages = append(c.shortPages, before)
		}
		c.pages++
		if e.take(c, s) > 0 {
			idle = 0
		} else if idle++; idle == idlePagesMax {
			c.why = fmt.Sprintf("the list has no end: page %d still shows what was shown before", s.window.page)
			return
		}
		e.advance(c)
		before = s
		s = e.sheet(ctx, c.list, window{page: s.window.page + 1, size: c.size})
	}
}

// askAgain decides what a page means that is the page before it once more: it
// passes, it is the last page, or pages are not told apart at all. The result
// is nil when the walk is over.
func (e *Exam) askAgain(ctx context.Context, c *crawl, before, s *sheet) *sheet {
	again := e.sheet(ctx, c.list, s.window)
	if again.err != nil || !again.same(before) {
		c.repeated = append(c.repeated, s)
		return again
	}
	if before.window.page == 1 && len(before.rows) > 1 {
		one := e.sheet(ctx, c.list, window{page: 1, size: 1})
		two := e.sheet(ctx, c.list, window{page: 2, size: 1})
		c.ignored = one.err == nil && two.err == nil && one.same(two)
		c.ignored = c.ignored || len(before.rows) >= c.size && one.err == nil && len(one.rows) > 1
	}
	if c.ignored {
		c.why = "every page is the first page"
		c.complete = len(before.rows) < c.size
		return nil
	}
	c.lastAgain, c.complete, c.endedAt = true, true, s.window.page
	return nil
}

// take looks at every row of a page and remembers its place. It returns how
// many were new.
func (e *Exam) take(c *crawl, s *sheet) int {
	fresh := 0
	for i := range s.rows {
		r := &s.rows[i]
		p := r.place()
		if known, ok := c.at(p.id); ok {
			e.meetAgain(c, r, &p, known)
			continue
		}
		fresh++
		c.add(p)
		r.open()
		e.look(r)
	}
	return fresh
}

// meetAgain is told of a row that the walk has seen before.
func (e *Exam) meetAgain(c *crawl, r *record, p *place, known int) {
	old := &c.rows[known]
	if c.ignored {
		return // The list is read from filter to filter, which overlap.
	}
	d := doubt{row: r.name(), first: int(old.page), then: r.page, before: *old, after: *p, alike: e.sights.isLike(r)}
	if p.stamp > old.stamp && old.page != p.page {
		// It changed while the list was walked, and moved to a later place. What
		// stood there before is no version that the service has now.
		c.moved++
		old.page = -1
		c.add(*p)
		r.open()
		e.look(r)
	} else if old.page == p.page {
		c.twins = append(c.twins, d)
		return
	}
	if len(c.overlapping) < doubtsMax {
		c.overlapping = append(c.overlapping, d)
	}
}

// settleDoubts asks once more about rows that came on two pages. A row that
// becomes visible in the middle of a list pushes its neighbours from one page to
// the next, and one that changes moves to the end: neither is anybody's fault.
func (e *Exam) settleDoubts(ctx context.Context, c *crawl) {
	asked := map[int]*sheet{}
	get := func(page int) *sheet {
		if asked[page] == nil {
			e.repeated++
			asked[page] = e.sheet(ctx, c.list, window{page: page, size: c.size})
		}
		return asked[page]
	}
	doubts := c.overlapping
	c.overlapping = nil
	for _, d := range doubts {
		if !get(d.first).holds(&d.before) || !get(d.then).holds(&d.after) {
			continue
		}
		if d.before.sum != d.after.sum {
			c.twins = append(c.twins, d)
		} else {
			c.overlapping = append(c.overlapping, d)
		}
	}
}

// mendPagesMax bounds the lists that are walked again because rows moved: what
// stood at the edge of a page may have been passed by. Two runs are compared row by
// row, so there it pays to walk longer lists again.
const (
	mendPagesMax         = 12
	mendPagesMaxCompared = 30
)

// mend walks the list once more where rows moved during the first walk, and
// adds what that one missed.
func (e *Exam) mend(ctx context.Context, c *crawl) {
	most := mendPagesMax
	if e.snapshot != nil {
		most = mendPagesMaxCompared
	}
	if c.unmended = c.moved > 0 && (c.pages > most || !c.complete); c.moved == 0 || c.unmended {
		return
	}
	e.repeated += c.pages + 1
	e.mending = true
	defer func() { e.mending = false }()
	c.second = newStroll()
	for page := 1; page <= c.pages+1; page++ {
		s := e.sheet(ctx, c.list, window{page: page, size: c.size})
		if s.err != nil || len(s.rows) == 0 {
			c.second.ended = s.err == nil
			break
		}
		if page <= rewalkPages {
			c.second.take(s, c.size)
		}
		for i := range s.rows {
			p := s.rows[i].place()
			if _, known := c.at(p.id); !known {
				c.mended++
				c.add(p)
				s.rows[i].open()
				e.look(&s.rows[i])
			}
		}
	}
	if e.ascending(c.list) {
		slices.SortStableFunc(c.rows, func(a, b place) int { return cmp.Compare(a.stamp, b.stamp) })
		c.reindex()
	}
}

// holds reports whether the row is on the page with the stamp that it had.
func (s *sheet) holds(p *place) bool {
	return slices.ContainsFunc(s.rows, func(r record) bool {
		now := r.place()
		return now.id == p.id && now.stamp == p.stamp
	})
}

// seek reads a list whose pages are all the first one, from filter to filter.
func (e *Exam) seek(ctx context.Context, c *crawl) {
	var from time.Time
	for !c.complete && len(c.rows) > 0 {
		last := c.rows[len(c.rows)-1].stamp
		at := time.Unix(0, last)
		if last == noStamp || !at.Truncate(time.Second).After(from) {
			// A second that holds more rows than a page can't be got past.
			c.unwalked++
			c.why = "every page is the first page, and more rows share the second of " + instant(at.UTC()) + " than a page holds"
			at = from.Add(time.Second)
		}
		from = at.Truncate(time.Second)
		s := e.sheet(ctx, c.list, window{page: 1, size: c.size, from: second(from)})
		if s.err != nil {
			c.why = s.err.Error()
			return
		}
		c.pages++
		fresh := e.take(c, s)
		e.advance(c)
		c.complete = len(s.rows) < c.size && c.unwalked == 0
		if len(s.rows) < c.size || fresh == 0 && c.unwalked > idlePagesMax {
			return
		}
	}
}

// live are the rows that the list has, in its order. They are not to be changed.
func (c *crawl) live() []place {
	if c.moved == 0 {
		return c.rows
	}
	return slices.DeleteFunc(slices.Clone(c.rows), func(p place) bool { return p.page < 0 })
}

// ties are the instants that several rows share, with their number, the largest first.
func (c *crawl) ties() []tie {
	stamps := make([]int64, 0, len(c.rows))
	for i := range c.rows {
		if c.rows[i].page >= 0 && c.rows[i].stamp > noStamp+1 {
			stamps = append(stamps, c.rows[i].stamp)
		}
	}
	slices.Sort(stamps)
	var groups []tie
	for start, i := 0, 1; i <= len(stamps); i++ {
		if i < len(stamps) && stamps[i] == stamps[start] {
			continue
		}
		if i-start > 1 {
			groups = append(groups, tie{time.Unix(0, stamps[start]).UTC(), i - start})
		}
		start = i
	}
	slices.SortStableFunc(groups, func(a, b tie) int { return b.rows - a.rows })
	return groups
}

type tie struct {
	at   time.Time
	rows int
}

// restless reports whether rows moved all the time while the list was walked, and
// not once or twice.
func (c *crawl) restless() bool { return 4*(c.moved+c.mended) > c.pages }

// again asks for leave to spend n requests on asking once more about what rows
// that move may have caused. All of it together is bounded, so that a run over
// data that never rests keeps to its own bound: one and a half times the requests
// of a walk, and two hundred. C6 tells whether moving rows are lost, so what its
// walks take is kept for it.
func (e *Exam) again(n int) bool {
	kept := (rewalks - 1) * e.strollPages()
	if slices.ContainsFunc(e.results, func(r Result) bool { return r.ID == "C6" }) {
		kept = 0
	}
	if e.repeated+n+kept > e.repeatsMax() {
		return false
	}
	e.repeated += n
	return true
}

// repeatsMax is how many requests may ask again. Lists of many pages take more of
// the two hundred without it.
func (e *Exam) repeatsMax() int {
	walk := 0
	for _, c := range e.crawls {
		walk += c.pages + 1
	}
	const spare, taken = 44, 30
	return walk/2 + spare - min(walk, taken)
}

// strollPages is how many requests a short walk over the transactions takes.
func (e *Exam) strollPages() int { return min(e.crawls[transactions].pages+1, rewalkPages) }

// unrepeated is what comes of a difference that was not settled by asking again:
// where rows move all the time it may be theirs, and says nothing.
func (e *Exam) unrepeated(c *crawl, judged bool, findings []Finding) (bool, []Finding) {
	if c.restless() {
		return false, nil
	}
	return judged, findings
}
