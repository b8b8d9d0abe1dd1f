package mirror

import (
	"slices"
	"sync"
	"time"
)

// A caller walks a list page by page, and each page says only its number. When
// a transaction changes it leaves its place, so the rows behind it slip forward,
// and a page that is found by counting begins behind a row that nobody has seen.
//
// So the mirror remembers where the pages of a walk have ended, and the next
// page begins there. Changed rows move to the list's end and nowhere else:
// nothing can slip out between two pages. It also costs the same on any page.
//
// Whose walk a request belongs to is told by its connection: page 2 begins where
// page 1 of the same connection has ended. Where that says nothing, as behind a
// proxy or on a new connection, it is only known that somebody was given a page
// 1; page 2 then begins at the earliest of all ends that are not too old. It may
// repeat rows, and loses none. A process that walks one list twice at once, over
// connections that both walks share, is the one case that neither rule covers.

const (
	// walkLife is how long the end of a page is remembered. A caller that takes
	// longer between two pages has timed out long before.
	walkLife = time.Minute
	// endsMax bounds the memory: at about a hundred bytes each. The walks that
	// were asked for least recently are forgotten first.
	endsMax = 200_000
	// endsOfPageMax bounds how many ends of one page are told apart.
	endsOfPageMax = 16
)

// walkKey is what the requests of one walk have in common.
type walkKey struct {
	table string
	from  int64
	size  int
}

// end is where a page has ended, as of when, for whom.
type end struct {
	stamp int64
	at    time.Time
	// caller is the connection, empty where it is not known.
	caller string
}

// pageEnds holds the ends of each page, the first page's at index 0.
type pageEnds struct {
	pages [][]end
	used  time.Time
}

// walks are the walks that are under way.
type walks struct {
	mu    sync.Mutex
	byKey map[walkKey]*pageEnds
	ends  int
	// since is when the memory began, or last lost something that was not old;
	// moved is when a row last left its place.
	since, moved time.Time
}

func newWalks(now, moved time.Time) *walks {
	return &walks{byKey: map[walkKey]*pageEnds{}, since: now, moved: moved}
}

// rowMoved notes that a row has left its place.
func (w *walks) rowMoved(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.moved = now
}

// ended notes where a full page has ended.
func (w *walks) ended(key walkKey, page int, e end) {
	w.mu.Lock()
	defer w.mu.Unlock()
	walk := w.byKey[key]
	if walk == nil {
		w.forget(e.at)
		walk = &pageEnds{}
		w.byKey[key] = walk
	}
	walk.used = e.at
	if page > len(walk.pages)+1 {
		return // a jump: there is nothing that it could go on from
	}
	if page == len(walk.pages)+1 {
		walk.pages = append(walk.pages, nil)
		w.ends++
	}
	walk.pages[page-1] = noted(walk.pages[page-1], e)
}

// noted adds an end to those of its page. Of ends that are too many two become
// one, the earlier: a page that begins too early repeats rows, one that begins
// too late loses them.
func noted(ends []end, e end) []end {
	ends = slices.DeleteFunc(ends, func(old end) bool {
		return old.caller == e.caller && (old.caller != "" || old.stamp == e.stamp) || e.at.Sub(old.at) > walkLife
	})
	if len(ends) == endsOfPageMax {
		ends[1] = end{stamp: min(ends[0].stamp, ends[1].stamp), at: ends[1].at}
		ends = slices.Delete(ends, 0, 1)
	}
	return append(ends, e)
}

// advance drops the ends that the caller has no more use for: all of them when
// it begins anew, and those of the pages before the last one, which it may ask
// to go on from once more.
func (p *pageEnds) advance(page int, caller string) {
	if caller == "" {
		return
	}
	from, to := page-3, page-2
	if page == 1 {
		from, to = 0, len(p.pages)
	}
	for i := max(from, 0); i < min(to, len(p.pages)); i++ {
		p.pages[i] = slices.DeleteFunc(p.pages[i], func(e end) bool { return e.caller == caller })
	}
}

// start is where a page begins: behind the row of that stamp, after skipping so
// many. It is not sure when rows have moved and the memory of the page before may
// be lost.
func (w *walks) start(key walkKey, page int, caller string, now time.Time) (after int64, skip int, sure bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	walk := w.byKey[key]
	after = key.from - 1
	if walk != nil {
		walk.used = now
		walk.advance(page, caller)
	}
	if page == 1 {
		return after, 0, true
	}
	sure = now.Sub(w.since) > walkLife || now.Sub(w.moved) > walkLife
	if walk == nil {
		return after, page - 1, sure
	}
	for before := min(page-1, len(walk.pages)); before > 0; before-- {
		if stamp, known := lastEnd(walk.pages[before-1], caller, now); known {
			return stamp, page - 1 - before, sure || before == page-1
		}
	}
	return after, page - 1, sure
}

// lastEnd is the end that the caller has seen: its own, or the earliest.
func lastEnd(ends []end, caller string, now time.Time) (stamp int64, known bool) {
	for _, e := range ends {
		if now.Sub(e.at) > walkLife {
			continue
		}
		if caller != "" && e.caller == caller {
			return e.stamp, true
		}
		if !known || e.stamp < stamp {
			stamp, known = e.stamp, true
		}
	}
	return stamp, known
}

// forget drops the walks that nobody goes on with, and the oldest ones when they
// are too many.
func (w *walks) forget(now time.Time) {
	for key, walk := range w.byKey {
		if now.Sub(walk.used) > walkLife {
			w.drop(key, walk)
		}
	}
	for w.ends > endsMax {
		var oldest walkKey
		var used time.Time
		for key, walk := range w.byKey {
			if used.IsZero() || walk.used.Before(used) {
				oldest, used = key, walk.used
			}
		}
		w.drop(oldest, w.byKey[oldest])
		w.since = now
	}
}

func (w *walks) drop(key walkKey, walk *pageEnds) {
	w.ends -= len(walk.pages)
	delete(w.byKey, key)
}
