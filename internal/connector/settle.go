package connector

import (
	"context"
	"time"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/wire"
)

const (
	// settleMax bounds how often a group is swept before the reader gives up and
	// says so: a service that shows something new every time is not to be settled.
	settleMax = 24
	// quietMax is how many quiet sweeps in a row are wanted beyond the first where
	// a sweep shows a row twice. Every row would come once if the service kept one
	// order, so others may not have come at all, and only chance brings them up.
	quietMax = 8
	// barrenMax is how many full pages in a row may show only rows that the sweep
	// has seen before: past its end, a service may begin again.
	barrenMax = 20
)

// settle reads the rows from a floor on, as far as no seek gets past them, in
// pages that need not join: it sweeps over them until a whole sweep stores
// nothing new, or only other versions of rows that stand where they stood, and
// only then trusts what it has read. So are read groups of one
// stamp that are larger than half a page, lists that are not sorted, and
// services that bend the page size.
func (l *list) settle(ctx context.Context, from time.Time) (outcome, error) {
	if _, err := l.sink.Settle(ctx); err != nil {
		return outcome{}, err
	}
	size, quiet := l.pageSize(), 0
	known := make(map[sighting]struct{})
	var s sweep
	for range settleMax {
		next, err := l.sweep(ctx, from, size)
		if s.stuck && hub.CodeOf(err) == hub.CodeServiceRefused {
			return l.skip(ctx, from, s) // the service has no larger pages
		}
		if err != nil {
			return outcome{}, err
		}
		s = next
		fresh := s.addTo(known)
		stored, err := l.sink.Settle(ctx)
		switch {
		case err != nil:
			return outcome{}, err
		case s.stuck && size < wire.MaxPageSize:
			size = wire.MaxPageSize // a larger page may hold what turning pages does not show
		case s.stuck:
			return l.skip(ctx, from, s)
		case stored > 0 && fresh:
			quiet = 0
		case s.shuffled && quiet < quietMax:
			quiet++
		default:
			return l.trust(s)
		}
	}
	l.findings.add(hub.FindingUnsettled, true,
		"the rows from %s on were read %d times and showed something new each time; they are read again at the next poll", instant(from), settleMax)
	l.held = true
	return l.trust(s)
}

// A sweep is one walk over rows in pages of one size.
type sweep struct {
	// rows are those of the last page, newest is the newest stamp that is not in the future.
	rows   []row
	newest time.Time
	readAt time.Time
	// ended says that the list has no more rows, stuck that the service shows the
	// same full page whatever page is asked for.
	ended, stuck bool
	// shuffled says that a row came twice; seen is how that is known, and barren
	// the number of pages since one has shown a row for the first time.
	shuffled bool
	seen     map[sighting]struct{}
	barren   int
}

// A sighting is a row where it stands: one that has moved is another.
type sighting struct {
	key   string
	stamp int64
}

// seenMax bounds the memory for telling whether a row came twice.
const seenMax = 200_000

// sweep reads pages until the list ends or a seek gets past what was read.
func (l *list) sweep(ctx context.Context, from time.Time, size int) (sweep, error) {
	s := sweep{seen: make(map[sighting]struct{})}
	l.standstill = 0
	distinct, repeats := 0, 0
	for number := 1; ; number++ {
		p, err := l.fetch(ctx, wire.ListQuery{Page: number, PageSize: size, From: from})
		if err != nil {
			return s, err
		}
		if number > 1 && len(p.rows) > 0 && sameRows(p.rows, s.rows) {
			switch repeats++; repeats {
			case 1:
				number-- // a slip, perhaps: ask for the same page once more
				continue
			case 2:
				continue // or pages that come twice: try the next
			}
			if distinct == 1 && len(p.rows) >= size {
				s.stuck, err = l.ignoresPage(ctx, from, p.rows)
			}
			l.endRepeated(&s)
			return s, err
		}
		if err := l.put(ctx, p); err != nil {
			return s, err
		}
		if len(s.rows) > 0 && len(p.rows) > 0 {
			l.noteOrder([]row{s.rows[0], p.rows[0]})
		}
		if number == 1 && len(p.rows) > 0 {
			size = min(size, len(p.rows)) // a cap, if there is one, so that offsets count alike on both sides
		}
		s.rows, s.readAt, repeats = p.rows, p.readAt, 0
		distinct++
		if s.note(p); s.barren == barrenMax {
			l.endRepeated(&s)
			return s, nil
		}
		if len(p.rows) == 0 || l.reached(s.newest) {
			s.ended = true
			return s, nil
		}
		if l.ascended && !l.unordered && !l.unfiltered && floor(s.newest).After(from) {
			return s, nil
		}
	}
}

func (s *sweep) note(p page) {
	s.barren++
	for _, r := range p.rows {
		if r.stamp.After(s.newest) && !r.stamp.After(p.readAt) {
			s.newest = r.stamp
		}
		at := sighting{r.key, r.stamp.UnixNano()}
		if _, twice := s.seen[at]; twice {
			s.shuffled = true
			continue
		}
		s.barren = 0
		if len(s.seen) < seenMax {
			s.seen[at] = struct{}{}
		}
	}
}

// addTo adds what the sweep has seen to what is known, and reports whether any
// of it was new or there was too much to tell.
func (s *sweep) addTo(known map[sighting]struct{}) bool {
	before := len(known)
	for at := range s.seen {
		known[at] = struct{}{}
	}
	return len(known) > before || len(s.seen) == seenMax
}

// endRepeated ends a sweep at rows that come again, unless it is stuck there.
func (l *list) endRepeated(s *sweep) {
	if s.ended = !s.stuck; s.ended {
		l.findings.add(hub.FindingPageRepeated, false,
			"past its end the service shows rows again that it has shown before; the list is read to there")
	}
}

// ignoresPage tells a service that shows the same rows whatever page is asked
// for from one that shows its last page again past its end: the latter has a
// second half of them.
func (l *list) ignoresPage(ctx context.Context, from time.Time, rows []row) (bool, error) {
	half := (len(rows) + 1) / 2
	if half == len(rows) {
		return false, nil
	}
	p, err := l.fetch(ctx, wire.ListQuery{Page: 2, PageSize: half, From: from})
	if err != nil {
		return false, err
	}
	return !sameRows(p.rows, rows[half:]), l.put(ctx, p)
}

// trust moves on over what a quiet sweep has read.
func (l *list) trust(s sweep) (outcome, error) {
	l.advance([]row{{stamp: s.newest}}, s.readAt)
	l.confirm()
	if s.ended {
		return outcome{step: stepEnd}, nil
	}
	return outcome{stepSeek, floor(s.newest)}, nil
}

// skip leaves a group behind that can't be read: the watermark stays before it,
// what comes after it is read all the same.
func (l *list) skip(ctx context.Context, from time.Time, s sweep) (outcome, error) {
	l.held = true
	l.findings.add(hub.FindingPageIgnored, true,
		"the service shows the same %d rows whatever page is asked for, and at %s there are at least as many rows on one instant: those beyond the first page can't be read. Have the service honour the parameter page; what comes later is read all the same",
		len(s.rows), instant(s.newest))
	if l.unordered || l.unfiltered || s.newest.IsZero() {
		return outcome{step: stepEnd}, l.putCursor(ctx)
	}
	if group := floor(s.newest); group.After(from) {
		from = group
	}
	return outcome{stepSeek, from.Add(2 * time.Second)}, nil
}
