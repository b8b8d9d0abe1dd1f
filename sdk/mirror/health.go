package mirror

import (
	"context"
	"time"

	"github.com/weirhq/weir/sdk"
)

// overdueFactor is how many periods a source may take to catch up before the
// mirror calls itself degraded.
const overdueFactor = 5

// healthDetails is what /healthz shows to those who have a key.
type healthDetails struct {
	Rows    counts                   `json:"rows"`
	Sources map[string]*sourceHealth `json:"sources"`
	// ClockBehindSeconds is how far the clock is behind the stamps that were
	// given: it was set back.
	ClockBehindSeconds float64 `json:"clock_behind_seconds,omitempty"`
}

type sourceHealth struct {
	Pulls    int `json:"pulls"`
	Rows     int `json:"rows"`
	New      int `json:"new"`
	Changed  int `json:"changed"`
	Vanished int `json:"vanished"`
	Rejected int `json:"rejected"`
	Stale    int `json:"stale"`
	// LagSeconds is how long ago the source had nothing more; null before it had.
	LagSeconds   *float64   `json:"lag_seconds"`
	FailingSince *time.Time `json:"failing_since,omitempty"`
	LastError    string     `json:"last_error,omitempty"`
}

// Health tells how the sources fare. It is degraded while one of them fails, or
// has not caught up for five of its periods, or while rows are put aside.
func (m *Mirror) Health(context.Context) sdk.Health {
	m.writing.Lock()
	last := max(m.last.account, m.last.beneficiary, m.last.movement)
	m.writing.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	details := healthDetails{Rows: m.counts, Sources: map[string]*sourceHealth{}}
	health := sdk.Health{Degraded: m.counts.Rejections > 0}
	if behind := time.UnixMicro(last).Sub(now); behind > clockLeadMax {
		details.ClockBehindSeconds = behind.Seconds()
		health.Degraded = true
	}
	for name, state := range m.sources {
		details.Sources[name] = state.health(now)
		overdue := !state.caughtUp.IsZero() && now.Sub(state.caughtUp) > overdueFactor*orDefault(state.every, everyDefault)
		health.Degraded = health.Degraded || overdue || !state.failingSince.IsZero()
	}
	health.Details = details
	return health
}

// health is the source as it is shown.
func (s *sourceState) health(now time.Time) *sourceHealth {
	h := &sourceHealth{
		Pulls: s.pulls, Rows: s.totals.Rows, New: s.totals.New, Changed: s.totals.Changed, Vanished: s.totals.Vanished,
		Rejected: s.totals.Rejected, Stale: s.totals.Stale, LastError: s.lastError,
	}
	if !s.caughtUp.IsZero() {
		lag := now.Sub(s.caughtUp).Seconds()
		h.LagSeconds = &lag
	}
	if !s.failingSince.IsZero() {
		since := s.failingSince.UTC()
		h.FailingSince = &since
	}
	return h
}
