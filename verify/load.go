package verify

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	// parallelWalks is how many readers a busy hub may be.
	parallelWalks = 10
	// percentile is the share of requests that must be in time.
	percentile = 99
)

var loadChecks = []Check{
	{
		ID: "L1", Mode: Reads, Severity: Must,
		Title:  "Answers come before the hub stops waiting",
		Reason: "A hub gives up after ten seconds and asks again, for ever.",
		Remedy: "Index, cache, or answer from a store of your own; see the slowest requests in your log.",
		Run:    checkSpeed,
	},
	{
		ID: "L2", Mode: Reads, Severity: Should,
		Title:  "Ten readers at once get what one gets",
		Reason: "After an installation a hub reads all lists and all balances at the same time.",
		Remedy: "Let requests share nothing that one of them changes.",
		Run:    checkParallel,
	},
}

func checkSpeed(_ context.Context, e *Exam) Verdict {
	times := slices.Sorted(slices.Values(e.client.times))
	limit := e.client.timeout
	for _, t := range e.client.troubles {
		if t.kind == troubleTimeout {
			return judge([]Finding{{Expected: "an answer within " + limit.String(), Got: "none", Curl: e.client.curl(t.answer.asked)}})
		}
	}
	if len(times) == 0 {
		return unjudged("nothing was answered")
	}
	slowest := times[(len(times)-1)*percentile/100]
	if slowest > limit {
		return judge([]Finding{{Expected: fmt.Sprintf("%d of 100 answers within %s", percentile, limit), Got: slowest.Round(time.Millisecond).String()}})
	}
	return passWith(fmt.Sprintf("%d of 100 answers came within %s", percentile, slowest.Round(time.Millisecond)))
}

func checkParallel(ctx context.Context, e *Exam) Verdict {
	lists := e.lists()
	if len(lists) == 0 {
		return unjudged(noRows)
	}
	c := lists[0]
	w := window{page: 1, size: c.size}
	alone := e.sheet(ctx, c.list, w)
	if alone.err != nil {
		return unjudged(alone.err.Error())
	}
	sheets := make([]*sheet, parallelWalks)
	var group sync.WaitGroup
	for i := range sheets {
		group.Go(func() {
			s := &sheet{window: w}
			s.answer = e.client.do(ctx, c.list.ask(w))
			if s.answer.ok() {
				s.rows, s.answer.err = c.list.parse(s.answer.body, 1)
			}
			sheets[i] = s
		})
	}
	group.Wait()
	for _, s := range sheets {
		// What befalls a reader who is alone befalls one of ten as well.
		if kind, wrong := kindOf(s.answer); wrong && e.client.counts[kind] > 0 {
			continue
		}
		if s.answer.err == nil && (s.answer.status == http.StatusTooManyRequests || s.answer.status == http.StatusServiceUnavailable) {
			continue // Busy, and says so.
		}
		if !s.answer.ok() {
			return judge([]Finding{{Expected: fmt.Sprintf("%d good answers at once", parallelWalks), Got: s.answer.describe(), Curl: s.curl(e, c.list)}})
		}
		if len(s.rows) < len(alone.rows) {
			return judge([]Finding{{
				Expected: plural(len(alone.rows), "row", "rows") + ", as for one reader", Got: plural(len(s.rows), "row", "rows"), Curl: s.curl(e, c.list),
			}})
		}
	}
	return pass()
}
