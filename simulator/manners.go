package simulator

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/weirhq/weir/wire"
)

// pageCap is the page size of a service whose pages are short, ownPageSize that
// of one which does not listen.
const (
	pageCap     = 50
	ownPageSize = 130
	// servedMax bounds what a service remembers of the pages that it has served.
	servedMax = 100_000
)

// manners are how a service sorts, filters and pages: a healthy one as it is
// asked to, another one as its faults make it.
type manners struct {
	faults Faults
	seed   uint64

	mu sync.Mutex
	// served counts how often a page was served to its end.
	served map[string]int
}

// bent asks for the page that a service with these manners answers the query with.
func bent[P any](
	ctx context.Context, m *manners, resource string, q wire.ListQuery, ask func(context.Context, ListRequest) ([]P, error),
) ([]P, error) {
	times := m.times(ctx, resource, q)
	request, step := m.request(resource, q, times)
	rows, err := ask(ctx, request)
	if err != nil || len(rows) > 0 || !m.faults.Has(LastPageAgain) {
		return rows, err
	}
	// Past the end. The last page is found by halving: below it lies a page with rows.
	before, after := 0, request.Skip/step
	for before < after {
		middle := (before + after + 1) / 2
		probe := request
		probe.Skip, probe.Limit = middle*step, 1
		rows, err := ask(ctx, probe)
		if err != nil {
			return nil, err
		}
		if len(rows) > 0 {
			before = middle
		} else {
			after = middle - 1
		}
	}
	q.Page = before + 1
	request, _ = m.request(resource, q, m.latest(resource, q))
	request.Skip = before * step
	return ask(ctx, request)
}

// request is what the service asks the PSP for, and the number of rows from one
// page to the next. times is how often it has served that page before.
func (m *manners) request(resource string, q wire.ListQuery, times int) (request ListRequest, step int) {
	request = ListRequest{Since: q.From, Sort: SortOldest, Limit: q.PageSize}
	page := q.Page
	if m.faults.Has(FilterIgnored) {
		request.Since = time.Time{}
	}
	if m.faults.Has(ExclusiveFilter) && !q.From.IsZero() {
		request.Since = q.From.Truncate(time.Second).Add(time.Second)
	}
	if m.faults.Has(PageIgnored) {
		page = 1
	}
	if m.faults.Has(RepeatedPages) && page > 1 && times == 0 && m.chance(resource, q)%3 == 0 {
		page--
	}
	step = q.PageSize
	switch {
	case m.faults.Has(PageSizeIgnored):
		request.Limit, step = ownPageSize, ownPageSize
	case m.faults.Has(GappedPages):
		request.Limit = min(q.PageSize, pageCap)
	case m.faults.Has(ShortPages):
		request.Limit = min(q.PageSize, pageCap)
		step = request.Limit
	}
	turned := m.faults.Has(UnstableTies) && (m.chance(resource, q)+uint64(times%2))%2 == 1 //nolint:gosec // 0 or 1
	switch descending := m.faults.Has(Descending); {
	case descending && turned:
		request.Sort = SortNewestTiesUp
	case descending:
		request.Sort = SortNewest
	case turned:
		request.Sort = SortOldestTiesDown
	}
	request.Skip = wire.ListQuery{Page: page, PageSize: step}.Offset()
	return request, step
}

// times counts the page as served, and says how often it was before. An answer
// that the transport is going to spoil does not count: nobody gets to read it,
// and what is promised of the second time must hold for the second that is read.
func (m *manners) times(ctx context.Context, resource string, q wire.ListQuery) int {
	if !m.faults.Has(RepeatedPages) && !m.faults.Has(UnstableTies) {
		return 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.served) >= servedMax {
		clear(m.served)
	}
	key := pageKey(resource, q)
	times := m.served[key]
	if !isSpoiled(ctx) {
		m.served[key]++
	}
	return times
}

// latest is what times said when the page was served last, so that the page
// can be made once more as it was then.
func (m *manners) latest(resource string, q wire.ListQuery) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return max(m.served[pageKey(resource, q)]-1, 0)
}

func pageKey(resource string, q wire.ListQuery) string { return resource + "?" + q.Encode() }

// chance is drawn for the page, and is the same every time.
func (m *manners) chance(resource string, q wire.ListQuery) uint64 {
	return mix(m.seed, fmt.Sprintf("%s %d %d", resource, q.Page, q.From.Unix()))
}
