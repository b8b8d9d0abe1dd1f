package connector

import (
	"slices"
	"time"
)

const (
	// seekShare bounds what seeking costs: a walk seeks once the rows that it
	// would read again are at most this part of those it has read. A smaller part
	// means deeper pages, a larger one more rows read twice. With pages of 100 the
	// overlap alone costs 16 %; this leaves the two together below 20 %.
	seekShare = 48
	// joinShare bounds the overlap of two pages: where it would take more than
	// this part of a page, the pages are not joined but settled.
	joinShare = 2
)

// A row is what the reading of a list knows of a record: who it is and where it
// is sorted.
type row struct {
	key string
	// stamp is the sort stamp, zero where it could not be read.
	stamp time.Time
}

// Coverage is the unbroken run of rows that a walk has read from its floor on.
type coverage struct {
	// sizeMax is the size of a full page.
	sizeMax int
	rows    int
	last    time.Time
	// ties is the number of rows at the end whose stamp is last, or unreadable.
	ties int
	// recent holds the newest rows, enough to recognise where the next page begins.
	recent []row
	// inSecond and inSecondBefore count the rows stamped in the second of last
	// and in the one before: those that seeking would read again.
	inSecond, inSecondBefore int
}

// add puts rows at the end of the run.
func (c *coverage) add(rows []row) {
	for _, r := range rows {
		c.rows++
		if r.stamp.IsZero() || r.stamp.Equal(c.last) {
			c.ties++
			c.inSecond++
			continue
		}
		switch elapsed := r.stamp.Unix() - c.last.Unix(); {
		case elapsed == 1:
			c.inSecond, c.inSecondBefore = 1, c.inSecond
		case elapsed > 1:
			c.inSecond, c.inSecondBefore = 1, 0
		default:
			c.inSecond++
		}
		c.last, c.ties = r.stamp, 1
	}
	c.recent = append(c.recent, rows...)
	c.recent = slices.Delete(c.recent, 0, max(0, len(c.recent)-2*c.sizeMax))
}

// holds reports whether r is one of the recent rows.
func (c *coverage) holds(r row) bool {
	return slices.ContainsFunc(c.recent, func(known row) bool { return known.key == r.key })
}

// join returns the rows of a page that lie beyond the run. It reports false when
// the page does not prove that nothing was skipped: it does when it begins with
// a row of the run that is older than the run's last, for then it holds all the
// ties of that last row too, in whatever order the service puts them today. Rows
// whose stamp can't be read prove nothing and are passed over.
func (c *coverage) join(page []row) (beyond []row, ok bool) {
	if len(page) == 0 {
		return nil, true
	}
	first := slices.IndexFunc(page, func(r row) bool { return !r.stamp.IsZero() })
	if first < 0 || !c.holds(page[first]) || !page[first].stamp.Before(c.last) {
		return nil, false
	}
	known := make(map[string]struct{}, len(c.recent))
	for _, r := range c.recent {
		known[r.key] = struct{}{}
	}
	for _, r := range page {
		if _, ok := known[r.key]; !ok {
			beyond = append(beyond, r)
		}
	}
	return beyond, true
}

// next chooses the page number and size whose rows begin inside the run, before
// its last ties, and reach furthest beyond it. Offsets are multiples of the page
// size, so it is the size that is bent. It reports false when no page does.
func (c *coverage) next() (page, size int, ok bool) {
	slack := 1 + c.sizeMax/500 // so that a few rows which move away don't tear the pages apart
	begin := c.rows - c.ties - 1 - slack
	reachMax := 0
	for s := min(begin, c.sizeMax); s > c.sizeMax/joinShare; s-- {
		offset := begin / s * s
		if reach := offset + s - c.rows; reach > reachMax {
			reachMax, page, size = reach, offset/s+1, s
		}
	}
	return page, size, reachMax > 0
}

// cheapToSeek reports whether seeking to the last row would read few rows again.
func (c *coverage) cheapToSeek() bool {
	return (c.inSecond+c.inSecondBefore)*seekShare <= c.rows
}
