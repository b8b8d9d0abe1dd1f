package mirror

import (
	"context"
	"time"
)

// lastStamps are the greatest stamps that were given, in microseconds since
// 1970. Each list has its own line of them.
type lastStamps struct{ account, beneficiary, movement int64 }

// clockLeadMax is how far the clock of a provider may be ahead of ours without
// being wrong. So long a batch waits until no transaction in it is younger than
// its own stamp; one that is dated further ahead is served as it is.
const clockLeadMax = 2 * time.Second

// stampNow is the next stamp of a line of changes: now, or just after the last
// one where the clock stands still or was set back.
func stampNow(last *int64, now time.Time) int64 {
	*last = max(now.UnixMicro(), *last+1)
	return *last
}

// stampAt is the next stamp of a line of births: when the row was born where
// that is known, after the last one and not in the future, else just after the
// last one.
func stampAt(last *int64, born, now time.Time) int64 {
	if born.IsZero() || born.After(now) {
		born = now
	}
	*last = max(born.UnixMicro(), *last+1)
	return *last
}

// waitUntil returns when the clock has reached at, or at once when that is
// further away than clockLeadMax: then the clock was set back.
func (m *Mirror) waitUntil(ctx context.Context, at time.Time) {
	lead := at.Sub(m.now())
	if lead <= 0 || lead > clockLeadMax {
		return
	}
	m.sleep(ctx, lead)
}

// sleep returns after d, or when ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
