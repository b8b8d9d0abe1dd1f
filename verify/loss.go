package verify

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"
)

const (
	// hubPage is the page size that the reference's client asks for, always.
	hubPage = 100
	// observedMax bounds the pages that are remembered for the fitting.
	observedMax = 60
	// explainedMin is the share of the observed pages, in percent, that a rule
	// must explain. Rows that move while they are read keep it from being all.
	explainedMin = 80
	// idleFetchesMax is how many fetches may bring nothing new before the client
	// counts as caught in a circle.
	idleFetchesMax = 50
	// shortestPeriod is the shortest polling period of the reference.
	shortestPeriod = 20 * time.Minute
)

// Loss is what a hub would lose of a list, by playing its algorithm on what the
// walk has shown.
type Loss struct {
	List string `json:"list"`
	// Rows is how many there are, Lost how many of them would never be stored.
	Rows int `json:"rows"`
	Lost int `json:"lost"`
	// Named are the first of the lost.
	Named []string `json:"named,omitempty"`
	// Polls is how many polling periods pass until everything is stored that
	// ever will be.
	Polls int `json:"polls"`
	// Stuck says why the hub would not come to an end, if it would not.
	Stuck string `json:"stuck,omitempty"`
	// Unknown says why there is no prediction; the counts then mean nothing.
	Unknown string `json:"unknown,omitempty"`
	// Sentence says all of it.
	Sentence string `json:"sentence"`
}

// observation is a page that was seen, by which the rule is
// found that the service follows.
type observation struct {
	page, size int
	from       int64
	ids        []uint64
}

// observe keeps a page, while there is room.
func (e *Exam) observe(l *list, s *sheet) {
	kept := e.sheets[l]
	if e.sealed || len(kept) >= observedMax || s.window.from == "" && s.window.page > 3 && len(kept) > observedMax/4 {
		return
	}
	o := &observation{page: s.window.page, size: s.window.size, from: noStamp, ids: s.ids()}
	if s.window.from != "" {
		at, err := time.Parse(time.RFC3339Nano, s.window.from)
		if err != nil {
			return
		}
		o.from = nanos(at)
	}
	e.sheets[l] = append(kept, o)
}

// sieving is what a service takes "from" to mean.
type sieving int

const (
	inclusive sieving = iota
	afterInstant
	afterSecond
	unfiltered
	sievings
)

// model is a service as far as a hub's requests can tell: its rows in their
// order, and the rule by which it answers.
type model struct {
	rows      []place
	ascending bool
	sieving   sieving
	// known finds the rows by their ids; guessed are those without a stamp of
	// their own.
	known   *roster
	guessed map[uint64]bool
	// cap is how many rows a page holds at most, own how many it holds whatever
	// was asked for; 0 is neither. Where pages are gapped, they begin as far apart
	// as was asked for, however short they are.
	cap, own   int
	gapped     bool
	ignored    bool
	lastAgain  bool
	endRefused bool
}

// extent is how many rows a page holds, and how far apart pages begin.
func (m *model) extent(size int) (limit, step int) {
	switch {
	case m.own > 0 && m.gapped:
		return m.own, size
	case m.own > 0:
		return m.own, m.own
	case m.cap > 0 && m.gapped:
		return min(size, m.cap), size
	case m.cap > 0:
		return min(size, m.cap), min(size, m.cap)
	}
	return size, size
}

// page answers as the service would.
func (m *model) page(number, size int, from int64) (rows []place, refused bool) {
	rows = m.sieve(from)
	limit, step := m.extent(size)
	start := (number - 1) * step
	if m.ignored {
		start = 0
	}
	if start >= len(rows) {
		switch {
		case m.endRefused && number > 1:
			return nil, true
		case !m.lastAgain || len(rows) == 0:
			return nil, false
		}
		start = (len(rows) - 1) / step * step
	}
	return rows[start:min(start+limit, len(rows))], false
}

func (m *model) sieve(from int64) []place {
	if from == noStamp || m.sieving == unfiltered {
		return m.rows
	}
	passes := func(stamp int64) bool {
		switch m.sieving {
		case afterInstant:
			return stamp > from
		case afterSecond:
			return stamp >= from-from%int64(time.Second)+int64(time.Second)
		}
		return stamp >= from
	}
	if m.ascending {
		return m.rows[sort.Search(len(m.rows), func(i int) bool { return passes(m.rows[i].stamp) }):]
	}
	var kept []place
	for _, r := range m.rows {
		if passes(r.stamp) {
			kept = append(kept, r)
		}
	}
	return kept
}

// explains counts the observed pages that the model would answer like that.
func (m *model) explains(seen []*observation) int {
	n := 0
	for _, o := range seen {
		rows, _ := m.page(o.page, o.size, o.from)
		if m.alike(rows, o.ids) {
			n++
		}
	}
	return n
}

// alike compares a page of the model with one that was seen. Rows whose stamp is
// guessed may stand on either side of a filter, and push the page's end; rows
// that have appeared since the walk are not the model's.
func (m *model) alike(rows []place, ids []uint64) bool {
	if len(m.guessed) > 0 {
		rows = slices.DeleteFunc(slices.Clone(rows), func(r place) bool { return r.guessed })
	}
	shown := len(ids)
	ids = slices.DeleteFunc(slices.Clone(ids), func(id uint64) bool {
		_, known := m.known.at(id)
		return !known || m.guessed[id]
	})
	slack := len(m.guessed) + shown - len(ids)
	if off := len(rows) - len(ids); off > slack || off < -slack {
		return false
	}
	for i := range min(len(rows), len(ids)) {
		if rows[i].id != ids[i] {
			return false
		}
	}
	return true
}

// fit finds the rule that explains the most of what was seen; among equals the
// most honest one.
func (e *Exam) fit(c *crawl) (m *model, explained int) {
	base := model{
		rows: c.live(), known: &c.roster, ascending: true, cap: c.cap, own: c.oversize,
		ignored: c.ignored, lastAgain: c.lastAgain, endRefused: c.endRefused != nil,
	}
	base.guess()
	for i := range base.rows {
		base.ascending = base.ascending && (i == 0 || base.rows[i-1].stamp <= base.rows[i].stamp)
	}
	explained = -1
	for _, gapped := range []bool{false, true} {
		for s := range sievings {
			candidate := base
			candidate.gapped, candidate.sieving = gapped, s
			if n := candidate.explains(e.sheets[c.list]); n > explained {
				m, explained = &candidate, n
			}
		}
	}
	return m, explained
}

// guess gives rows without a stamp that of their neighbour.
func (m *model) guess() {
	m.guessed = map[uint64]bool{}
	if !slices.ContainsFunc(m.rows, func(r place) bool { return r.stamp == noStamp }) {
		return
	}
	m.rows = slices.Clone(m.rows)
	for i := range m.rows {
		if m.rows[i].stamp != noStamp {
			continue
		}
		m.rows[i].guessed, m.guessed[m.rows[i].id] = true, true
		switch {
		case i > 0:
			m.rows[i].stamp = m.rows[i-1].stamp
		case len(m.rows) > 1:
			m.rows[i].stamp = m.rows[1].stamp
		}
	}
}

// played is how the reference's client ended.
type played struct {
	stored *mask
	polls  int
	stuck  string
}

// mask is a set of rows of a roster, a bit for each.
type mask struct {
	of    *roster
	bits  []uint64
	count int
}

func newMask(of *roster) *mask { return &mask{of: of, bits: make([]uint64, len(of.rows)/64+1)} }

func (m *mask) has(id uint64) bool {
	at, known := m.of.at(id)
	return known && m.bits[at/64]&(1<<(at%64)) != 0
}

func (m *mask) set(id uint64) {
	if at, known := m.of.at(id); known && m.bits[at/64]&(1<<(at%64)) == 0 {
		m.bits[at/64] |= 1 << (at % 64)
		m.count++
	}
}

// play polls the model as the reference does, period after period, until a
// period brings nothing new. The state is the stamp of the last row stored; each
// fetch asks from the state, cut to the second, page by page, keeps what is
// newer than the state, and stores the first hundred.
func play(m *model) played {
	p := played{stored: newMask(m.known)}
	state := int64(noStamp)
	idle := 0
	for {
		p.polls++
		before := p.stored.count
		for more := true; more; {
			var kept []place
			var stuck string
			kept, more, stuck = fetch(m, state)
			if stuck != "" {
				p.stuck = stuck
				return p
			}
			known := p.stored.count
			for _, r := range kept {
				p.stored.set(r.id)
			}
			if len(kept) > 0 {
				state = kept[len(kept)-1].stamp
			}
			if idle++; p.stored.count > known {
				idle = 0
			}
			if idle > idleFetchesMax && more {
				p.stuck = "it would read the same rows again and again, without a pause"
				return p
			}
		}
		if p.stored.count == before {
			p.polls--
			return p
		}
	}
}

// fetch is one fetch of the reference's client.
func fetch(m *model, state int64) (kept []place, more bool, stuck string) {
	from := int64(noStamp)
	if state != noStamp {
		from = time.Unix(0, state).Truncate(time.Second).UnixNano()
	}
	_, step := m.extent(hubPage)
	pagesMax := len(m.rows)/step + idleFetchesMax
	for page := 1; ; page++ {
		rows, refused := m.page(page, hubPage, from)
		if refused {
			return nil, false, "the page after a full last page is refused, and the whole reading with it"
		}
		for _, r := range rows {
			if r.unreadable {
				return nil, false, "a row that it can't read fails its page, and everything after it is never reached"
			}
			if !r.unplaced && r.stamp > state {
				kept = append(kept, r)
			}
		}
		switch {
		case len(kept) >= hubPage:
			return kept[:hubPage], len(kept) > hubPage || len(rows) >= hubPage, ""
		case len(rows) < hubPage:
			return kept, false, ""
		case page > pagesMax:
			return nil, false, "it would ask for page after page without an end"
		}
	}
}

// referenceReading says what the reference's client makes of a row: decoding
// fails the page for whatever is not exactly so, and a transaction without
// updatedAt is passed by.
func referenceReading(r *record) (unreadable, unplaced bool) {
	for _, flaw := range r.flaws {
		if strings.HasPrefix(flaw, "unknown ") {
			return true, false
		}
	}
	if r.err == nil {
		return false, false
	}
	if r.list == transactions && strings.HasPrefix(r.err.Error(), "updatedAt must be given") {
		return false, true
	}
	return true, false
}

// predict plays the reference on every list that was walked to its end.
func (e *Exam) predict(ctx context.Context) []Loss {
	var losses []Loss
	for _, l := range allLists {
		c := e.crawls[l]
		if e.options.Quick || c == nil {
			continue
		}
		loss := e.predictOne(ctx, c)
		loss.Sentence = loss.say()
		losses = append(losses, loss)
	}
	return losses
}

func (e *Exam) predictOne(ctx context.Context, c *crawl) Loss {
	loss := Loss{List: c.list.name, Rows: len(c.live())}
	switch {
	case c.failed != nil:
		loss.Unknown = "the list could not be read: " + c.why
		return loss
	case !c.complete && c.endRefused == nil:
		loss.Unknown = "the list could not be read to its end: " + c.why
		return loss
	case loss.Rows == 0:
		return loss
	}
	e.filter(ctx, c)
	m, explained := e.fit(c)
	if seen := len(e.sheets[c.list]); explained*100 < seen*explainedMin {
		if c.moved > 0 {
			loss.Unknown = "rows move while they are read"
			return loss
		}
		loss.Unknown = fmt.Sprintf("no rule explains how the service pages: of %d pages, %d are as expected", seen, explained)
		return loss
	}
	p := play(m)
	loss.Polls, loss.Stuck = p.polls, p.stuck
	var lost []place
	for _, r := range m.rows {
		if !p.stored.has(r.id) {
			lost = append(lost, r)
		}
	}
	loss.Lost = len(lost)
	loss.Named = e.nameLost(ctx, c, lost)
	return loss
}

// nameLost reads a few pages again for the ids of what is lost.
func (e *Exam) nameLost(ctx context.Context, c *crawl, lost []place) []string {
	const pagesMax = 3
	var names []string
	read := map[int32]*sheet{}
	for i := range lost {
		if len(names) == rowsNamedMax {
			break
		}
		page := lost[i].page
		if read[page] == nil {
			if len(read) == pagesMax {
				break
			}
			w := window{page: int(page), size: c.size}
			if c.ignored {
				w = window{page: 1, size: c.size, from: second(time.Unix(0, lost[i].stamp))}
			}
			read[page] = e.sheet(ctx, c.list, w)
		}
		for j := range read[page].rows {
			if r := &read[page].rows[j]; r.place().id == lost[i].id {
				name := clip(r.id, 80)
				if name == "" {
					name = "(no id)"
				}
				names = append(names, name)
			}
		}
	}
	return names
}

// say puts the prediction into words.
func (l *Loss) say() string {
	switch {
	case l.Unknown != "":
		return fmt.Sprintf("What would be lost of %s can't be said: %s.", l.List, l.Unknown)
	case l.Rows == 0:
		return fmt.Sprintf("There are no %s to lose.", l.List)
	}
	text := fmt.Sprintf("Polled by a hub that follows the reference's algorithm, this service would lose none of %s %s", thousands(l.Rows), l.List)
	if l.Lost > 0 {
		text = fmt.Sprintf("Polled by a hub that follows the reference's algorithm, this service would lose %s of %s %s", thousands(l.Lost), thousands(l.Rows), l.List)
		if len(l.Named) > 0 {
			text += ": " + strings.Join(l.Named, ", ")
			if l.Lost > len(l.Named) {
				text += ", …"
			}
		}
	}
	if l.Stuck != "" {
		text += "; " + l.Stuck
	}
	if l.Polls > 1 {
		text += fmt.Sprintf("; it would take %s polls, %s at least, to read the rest", thousands(l.Polls), (time.Duration(l.Polls-1) * shortestPeriod).String())
	}
	return text + "."
}
