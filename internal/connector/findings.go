package connector

import (
	"fmt"
	"slices"
	"time"

	"github.com/weirhq/weir/internal/hub"
)

// Findings collects what a reading notices about a service and hands each
// notice over once.
type findings struct {
	seen, news []hub.Finding
	// The rows dated in the future, and the furthest.
	future    map[string]struct{}
	futureMax time.Time
}

// add notes something; a finding with the same code is noted once a reading.
func (f *findings) add(code hub.FindingCode, incomplete bool, format string, args ...any) {
	if slices.ContainsFunc(f.seen, func(s hub.Finding) bool { return s.Code == code }) {
		return
	}
	finding := hub.Finding{Code: code, Text: fmt.Sprintf(format, args...), Incomplete: incomplete}
	f.seen = append(f.seen, finding)
	f.news = append(f.news, finding)
}

// addFuture notes the rows of a page that are dated in the future.
func (f *findings) addFuture(p page) {
	for _, r := range p.rows {
		if !r.stamp.After(p.readAt.Add(skew)) {
			continue
		}
		if f.future == nil {
			f.future = make(map[string]struct{})
		}
		if len(f.future) < futureNamed {
			f.future[r.key] = struct{}{}
		}
		if r.stamp.After(f.futureMax) {
			f.futureMax = r.stamp
		}
	}
}

// futureNamed bounds the memory that rows dated in the future may take.
const futureNamed = 10_000

// take returns what is new since it was last called.
func (f *findings) take(now time.Time) []hub.Finding {
	news := f.news
	f.news = nil
	for i := range news {
		news[i].SeenAt = now
	}
	return news
}

// conclude closes a complete reading: what it should have seen again and did
// not is withdrawn. pages is how many pages it read; one page says little about
// paging. fullPages says that the service has pages of the size asked for.
func (f *findings) conclude(known []hub.Finding, pages int, fullPages bool) {
	if rows := len(f.future); rows > 0 {
		orMore := ""
		if rows == futureNamed {
			orMore = " or more"
		}
		f.add(hub.FindingFutureRows, false,
			"the list has rows dated in the future (%d%s, the furthest %s); they are stored, and the watermark does not follow them", rows, orMore, instant(f.futureMax))
	}
	for _, k := range known {
		own, looked := lookedFor[k.Code]
		code := k.Code
		if looked {
			code = own
		}
		withdrawable := code == hub.FindingFutureRows || code == hub.FindingBalanceRefused || k.Incomplete ||
			pages > 1 && slices.Contains(pagingFindings, code) || fullPages && code == hub.FindingPageCapped
		seen := slices.ContainsFunc(f.seen, func(s hub.Finding) bool { return s.Code == code })
		if looked && seen || withdrawable && !seen {
			f.news = append(f.news, k.Code.Withdraw())
		}
	}
}

// lookedFor are the findings of a look that reading makes as well, with reading's
// own word. They make room for it, and go where reading would take it back.
var lookedFor = map[hub.FindingCode]hub.FindingCode{
	hub.LookCode("C4"): hub.FindingPageCapped,
	hub.LookCode("D1"): hub.FindingNotAscending,
}

var pagingFindings = []hub.FindingCode{
	hub.FindingFilterIgnored, hub.FindingPageIgnored, hub.FindingPageRepeated,
	hub.FindingPageSizeIgnored, hub.FindingNotAscending,
}
