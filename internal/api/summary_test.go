package api

import (
	"testing"
	"time"

	"github.com/weirhq/weir/internal/hub"
)

var summaryNow = time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)

// healthyStream is what each case changes.
func healthyStream() hub.Stream {
	now := summaryNow
	return hub.Stream{
		Period: 30 * time.Second, NextDueAt: now.Add(20 * time.Second), CaughtUp: true,
		LastPollAt: now.Add(-10 * time.Second), LastSuccessAt: now.Add(-10 * time.Second),
		Cursor: hub.Cursor{Watermark: now.Add(-3 * time.Hour)}, Requests: 9,
	}
}

type summaryCase struct {
	name    string
	change  func(*hub.Stream)
	state   hub.StreamState
	summary string
}

func summaryCases() []summaryCase {
	now := summaryNow
	gap := hub.Finding{Code: hub.FindingPageIgnored, Text: "the service ignores page", Incomplete: true}
	return []summaryCase{
		{
			"idle", func(*hub.Stream) {},
			hub.StreamIdle, "All that the service has shown is stored; the next poll is due in 20 seconds.",
		},
		{
			"not read yet", func(s *hub.Stream) { *s = hub.Stream{Period: time.Minute, NextDueAt: now} },
			hub.StreamReading, "Not read yet. The next poll is due now.",
		},
		{
			"reading", func(s *hub.Stream) { s.CaughtUp = false; s.NextDueAt = now },
			hub.StreamReading, "Reading; stored up to 2024-05-01 09:00:00 UTC, 3 hours behind. The next poll is due now.",
		},
		{
			"reading without a watermark", func(s *hub.Stream) { s.CaughtUp = false; s.Cursor.Watermark = time.Time{} },
			hub.StreamReading, "Reading; the end of the list is not reached yet. The next poll is due in 20 seconds.",
		},
		{
			"paused", func(s *hub.Stream) { s.PausedAt = now.Add(-50 * time.Hour); s.ConsecutiveFailures = 2 },
			hub.StreamPaused, "Paused for 2 days; nothing is read until it is resumed.",
		},
		{
			"failing", func(s *hub.Stream) {
				s.ConsecutiveFailures, s.FailingSince = 3, now.Add(-90*time.Second)
				s.LastError = hub.Errorf(hub.CodeKeyRefused, "the service refused the API key")
			},
			hub.StreamFailing, "The service refused the API key. Failing for 1 minute, 3 times in a row; the next try is due in 20 seconds.",
		},
		{
			"failing without a word", func(s *hub.Stream) { s.ConsecutiveFailures, s.FailingSince = 1, now },
			hub.StreamFailing, "The last poll failed. Failing for less than a second, 1 time in a row; the next try is due in 20 seconds.",
		},
		{
			"late", func(s *hub.Stream) { s.NextDueAt = now.Add(-16 * time.Minute) },
			hub.StreamLate, "A poll has been due for 16 minutes and nobody has run it; look whether weir serve is running.",
		},
		{
			"due", func(s *hub.Stream) { s.NextDueAt = now.Add(-59 * time.Second) },
			hub.StreamIdle, "All that the service has shown is stored; the next poll is due now.",
		},
		{
			"due for no longer than a poll takes", func(s *hub.Stream) { s.NextDueAt = now.Add(-15 * time.Minute) },
			hub.StreamIdle, "All that the service has shown is stored; " +
				"the next poll has been due for 15 minutes and is under way or waits for its turn.",
		},
		{
			"incomplete", func(s *hub.Stream) { s.Findings = []hub.Finding{{Text: "harmless"}, gap} },
			hub.StreamIncomplete, "Rows may be missing. The service ignores page. The next poll is due in 20 seconds.",
		},
		{
			"incomplete and failing", func(s *hub.Stream) {
				s.Findings = []hub.Finding{gap}
				s.ConsecutiveFailures, s.FailingSince = 1, now.Add(-time.Hour)
				s.LastError = hub.Errorf(hub.CodeTimeout, "no answer in time!")
			},
			hub.StreamFailing, "Rows may be missing. The service ignores page. " +
				"No answer in time! Failing for 1 hour, 1 time in a row; the next try is due in 20 seconds.",
		},
		{
			"quarantine", func(s *hub.Stream) { s.OpenRejections = 1 },
			hub.StreamIdle, "All that the service has shown is stored; the next poll is due in 20 seconds. 1 record in quarantine: see its rejections.",
		},
	}
}

func TestStreamSaysWhatGoesOnAndWhatHappensNext(t *testing.T) {
	t.Parallel()
	now := summaryNow
	for _, c := range summaryCases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			stream := healthyStream()
			c.change(&stream)
			if got := stream.State(now); got != c.state {
				t.Errorf("the state is %s, want %s", got, c.state)
			}
			if got := summarize(&stream, now); got != c.summary {
				t.Errorf("the summary is\n%s\nwant\n%s", got, c.summary)
			}
		})
	}
}
