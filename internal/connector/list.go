package connector

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/wire"
)

const (
	// gapsMax bounds how often a walk whose pages don't join seeks back from one
	// place before it settles it instead.
	gapsMax = 2
	// skew is how far ahead of ours the clock of a service may be before rows
	// count as dated in the future. The watermark never passes our own clock.
	skew = time.Minute
	// standstillMax bounds the rows that are read without moving on. A group of
	// one stamp that is larger can't be told from a service that invents rows.
	standstillMax = 10_000_000
)

// A list reads one list of a service from a watermark to its end.
//
// Page 1 from a floor holds every row stamped from that floor on, whatever has
// moved since, so a list could be read by seeking alone if a floor were not cut
// to the second: each seek reads the last second or two again. Where these are
// few the list seeks; where they are many it walks on to the next page. Offsets
// shift when rows move, so the pages of a walk overlap: a page that begins
// inside what is covered proves that nothing was skipped (see coverage). What
// can't be proven so is settled: walked again until a whole walk stores nothing new.
type list struct {
	client   *Client
	stream   hub.StreamID
	sink     hub.Sink
	findings *findings
	// cursor is what each batch sets; commit writes mark into it.
	cursor *hub.Cursor
	commit func(mark time.Time)
	// until ends the reading once every row before it is covered; zero: read to the end.
	until time.Time
	// budget is the number of requests after which the reading ends as soon as it
	// has moved on from begun; negative: no bound.
	budget int
	begun  time.Time
	// mark is the newest stamp up to which every row is read and put; place is how
	// far the reading itself has come.
	mark, place time.Time
	// markPut is the mark that the sink was last told.
	markPut time.Time
	// standstill counts the rows read since place has moved or a sweep has begun.
	standstill int
	// held keeps mark where it is, because rows before it could not be read.
	held bool
	// ascended says that the service was seen to sort as the contract says;
	// unordered and unfiltered, that it was seen not to keep it.
	ascended, unordered, unfiltered bool
	// pages counts the answers, and requests those that no batch has reported yet.
	pages, requests int
	// size is the page size that the service says it can do.
	size int
}

// An outcome is how a walk from one floor ends, and the floor to go on from.
type outcome struct {
	step step
	from time.Time
}

type step int

const (
	// stepEnd: the list is read to its end, or to until.
	stepEnd step = iota
	// stepSeek: go on from another floor.
	stepSeek
	// stepAgain: go on from the same floor, because the pages did not join.
	stepAgain
	// stepSettle: the rows from this floor on can't be read by joining pages.
	stepSettle
)

// errBudget ends a re-read whose requests are spent; the next poll goes on with it.
var errBudget = errors.New("the requests of this re-read are spent")

// errStandstill ends a reading that does not get on.
var errStandstill = errors.New("the service shows rows without end")

// read reads the list to its end.
func (l *list) read(ctx context.Context) error {
	from, gaps := floor(l.mark), 0
	l.begun, l.place = l.mark, l.mark
	for {
		end, err := l.walk(ctx, from)
		if err == nil && end.step == stepAgain {
			if gaps++; gaps >= gapsMax {
				end.step = stepSettle
			}
		}
		if err == nil && end.step == stepSettle {
			end, err = l.settle(ctx, from)
		}
		if errors.Is(err, errStandstill) {
			return l.giveUp(ctx, from)
		}
		if err != nil {
			return err
		}
		if end.step == stepEnd {
			return l.conclude(ctx)
		}
		if end.step == stepSeek {
			from, gaps = end.from, 0
		}
	}
}

// walk reads page after page from a floor, each joined to the one before.
func (l *list) walk(ctx context.Context, from time.Time) (outcome, error) {
	covered := coverage{sizeMax: l.pageSize()}
	ask := wire.ListQuery{Page: 1, PageSize: covered.sizeMax, From: from}
	for {
		p, err := l.fetch(ctx, ask)
		if err != nil {
			return outcome{}, err
		}
		if len(p.rows) > ask.PageSize {
			l.findings.add(hub.FindingPageSizeIgnored, false,
				"the service was asked for %d rows and sent %d; pages of such sizes are read twice, to be sure", ask.PageSize, len(p.rows))
		}
		if l.unordered || len(p.rows) > ask.PageSize {
			return outcome{step: stepSettle}, l.put(ctx, p)
		}
		beyond, joined := p.rows, true
		if ask.Page > 1 {
			beyond, joined = covered.join(p.rows)
		}
		if !joined {
			return l.onward(from, stepAgain), l.put(ctx, p)
		}
		covered.add(beyond)
		l.advance(beyond, p.readAt)
		if err := l.put(ctx, p); err != nil {
			return outcome{}, err
		}
		next, size, joinable := covered.next()
		switch {
		case l.reached(covered.last):
			return outcome{step: stepEnd}, nil
		case len(p.rows) < ask.PageSize:
			return l.endOrCap(ctx, p)
		case len(beyond) == 0:
			return outcome{step: stepSettle}, nil
		case !joinable:
			return l.onward(from, stepSettle), nil // so that the group begins the next walk
		case covered.cheapToSeek() && l.onward(from, stepEnd).step == stepSeek:
			return l.onward(from, stepEnd), nil
		}
		ask.Page, ask.PageSize = next, size
	}
}

// onward seeks the last row that was covered, or takes another step where that
// leads no further than the present floor or would pass over the older rows of a
// list that is not sorted: a page of equal stamps looks the same either way.
func (l *list) onward(from time.Time, otherwise step) outcome {
	if next := floor(l.place); next.After(from) && l.ascended && !l.unfiltered {
		return outcome{stepSeek, next}
	}
	return outcome{step: otherwise}
}

// endOrCap decides what a short page is: the end of the list, or all that a
// service gives at once which caps its pages or leaves rows out of them. A page
// of less than half the rows asked for, and of less than others had, is the end
// unless this service was seen to end pages early.
func (l *list) endOrCap(ctx context.Context, short page) (outcome, error) {
	m := &l.cursor.Manners
	rows, early := len(short.rows), m.PageSize > 0
	if rows == 0 || !early && rows < m.RowsMax && 2*rows < short.asked.PageSize {
		return outcome{step: stepEnd}, nil
	}
	if rows == m.EndProven {
		stored, err := l.sink.Settle(ctx)
		if err != nil || stored == 0 {
			return outcome{step: stepEnd}, err
		}
	}
	behind, err := l.lookBehind(ctx, short)
	if err != nil {
		return outcome{}, err
	}
	m.RowsMax = max(m.RowsMax, rows)
	switch {
	case behind == nothing:
		m.EndProven = rows
		return outcome{step: stepEnd}, l.putCursor(ctx)
	case behind == sameAgain || early || short.asked.Page > 1:
		return outcome{step: stepSettle}, nil
	}
	again, err := l.fetch(ctx, short.asked)
	if err != nil {
		return outcome{}, err
	}
	if len(again.rows) != rows {
		return outcome{step: stepAgain}, l.put(ctx, again) // the list has grown, and may have ended there
	}
	m.PageSize = rows
	l.findings.add(hub.FindingPageCapped, false,
		"the service was asked for %d rows and caps its pages at %d; the list is read in pages of that size, which takes more requests", short.asked.PageSize, rows)
	return outcome{stepSeek, short.asked.From}, nil
}

// What lies behind a page.
type beyond int

const (
	nothing beyond = iota
	sameAgain
	moreRows
)

// lookBehind asks for the page behind a short one, twice where it shows the
// same rows: some services slip.
func (l *list) lookBehind(ctx context.Context, short page) (beyond, error) {
	ask := short.asked
	if ask.Page == 1 {
		ask.PageSize = len(short.rows) // so that the next page begins where a capped one ends
	}
	ask.Page++
	for range 2 {
		p, err := l.fetch(ctx, ask)
		switch {
		case err != nil:
			return nothing, err
		case len(p.rows) == 0:
			return nothing, nil
		case !sameRows(p.rows, short.rows):
			return moreRows, l.put(ctx, p)
		}
	}
	ignored, err := l.ignoresPage(ctx, ask.From, short.rows)
	if ignored {
		return sameAgain, err
	}
	return nothing, err
}

// advance moves on over rows that are covered, as far as now. The mark follows
// once the list was seen to ascend: what is covered of a list that descends is
// its newest part, and a page of equal stamps looks the same either way.
func (l *list) advance(rows []row, now time.Time) {
	for _, r := range rows {
		if r.stamp.After(l.place) && !r.stamp.After(now) {
			l.place, l.standstill = r.stamp, 0
		}
	}
	if l.ascended && !l.unordered {
		l.confirm()
	}
}

// confirm says that every row up to the place was read.
func (l *list) confirm() {
	if !l.held && l.place.After(l.mark) {
		l.mark = l.place
	}
}

// conclude confirms a list that was read to its end, whatever its order.
func (l *list) conclude(ctx context.Context) error {
	if l.confirm(); l.mark.Equal(l.markPut) {
		return nil
	}
	return l.putCursor(ctx)
}

// reached reports whether a row stamped last lies behind all that was to be
// read, which can be said of a list that ascends and of no other.
func (l *list) reached(last time.Time) bool {
	return !l.until.IsZero() && last.After(l.until) && l.ascended && !l.unordered
}

// pageSize is the size of the pages to ask for.
func (l *list) pageSize() int {
	if capped := l.cursor.Manners.PageSize; capped > 0 {
		return min(capped, l.size)
	}
	return l.size
}

// A page is one answer of the service: what a walk has to know of it, and the
// batch to store.
type page struct {
	asked  wire.ListQuery
	rows   []row
	readAt time.Time
	batch  hub.Batch
}

// fetch asks for a page and notes what can be seen from it alone.
func (l *list) fetch(ctx context.Context, ask wire.ListQuery) (page, error) {
	if l.budget == 0 && l.mark.After(l.begun) {
		return page{}, errBudget
	}
	if l.standstill > l.client.standstillMax {
		return page{}, errStandstill
	}
	if l.budget > 0 {
		l.budget--
	}
	p, err := l.client.fetch(ctx, l.stream, ask)
	if err != nil {
		return page{}, fmt.Errorf("read %s: page %d: %w", l.stream.Resource, ask.Page, err)
	}
	l.pages++
	l.requests++
	l.standstill += max(1, len(p.rows))
	l.noteOrder(p.rows)
	if m := &l.cursor.Manners; len(p.rows) > m.RowsMax && len(p.rows) >= ask.PageSize {
		m.RowsMax = len(p.rows)
	}
	if first := firstStamp(p.rows); ask.Page == 1 && !first.IsZero() && first.Before(ask.From) && !l.unfiltered {
		l.unfiltered = true
		l.findings.add(hub.FindingFilterIgnored, false,
			"the service was asked for rows from %s and began with one of %s; every poll has to read more than is new",
			instant(ask.From), instant(first))
	}
	l.findings.addFuture(p)
	return p, nil
}

// put hands a page to the sink with the cursor as it stands.
func (l *list) put(ctx context.Context, p page) error {
	l.commit(l.mark)
	l.markPut = l.mark
	p.batch.Next = *l.cursor
	p.batch.Requests, l.requests = l.requests, 0
	p.batch.Findings = append(p.batch.Findings, l.findings.take(p.readAt)...)
	return l.sink.Put(ctx, p.batch)
}

// giveUp ends a reading that does not get on, and says so.
func (l *list) giveUp(ctx context.Context, from time.Time) error {
	l.findings.add(hub.FindingUnsettled, true,
		"from %s on the service shows rows without end: after %d no later stamp has come that is not in the future. What came is stored; the next poll begins there again",
		instant(from), l.standstill)
	return l.putCursor(ctx)
}

// putCursor hands over a cursor that moved without a row.
func (l *list) putCursor(ctx context.Context) error {
	now := l.client.now()
	return l.put(ctx, page{readAt: now, batch: hub.Batch{Stream: l.stream, SeenAt: now}})
}

// floor is the instant to ask from in order to be shown everything stamped at or
// after t, whether the service's filter is inclusive or exclusive, fine or to
// the second: the whole second of t, less one.
func floor(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC().Truncate(time.Second).Add(-time.Second)
}

// noteOrder notes whether the rows of a page, read one after the other, ascend
// or descend. Rows whose stamp can't be read don't count.
func (l *list) noteOrder(rows []row) {
	var last time.Time
	for _, r := range rows {
		switch {
		case r.stamp.IsZero():
			continue
		case !last.IsZero() && r.stamp.Before(last) && !l.unordered:
			l.unordered = true
			l.findings.add(hub.FindingNotAscending, false,
				"the service does not sort the list by %s ascending; every poll has to read all of it, and twice when something is new", sortKey(l.stream.Resource))
		case r.stamp.After(last) && !last.IsZero():
			l.ascended = true
		}
		last = r.stamp
	}
}

// firstStamp is the first stamp of a page that can be read.
func firstStamp(rows []row) time.Time {
	for _, r := range rows {
		if !r.stamp.IsZero() {
			return r.stamp
		}
	}
	return time.Time{}
}

func sameRows(a, b []row) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].key != b[i].key {
			return false
		}
	}
	return true
}

// instant writes t for a finding.
func instant(t time.Time) string {
	if t.IsZero() {
		return "the beginning"
	}
	return t.UTC().Format(time.RFC3339)
}
