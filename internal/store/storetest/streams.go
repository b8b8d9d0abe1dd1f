package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
)

// enqueued returns the jobs since the last call.
func (w *world) enqueued() []store.Job {
	jobs := w.jobs
	w.jobs = nil
	return jobs
}

// job asserts that exactly one job was enqueued and is the stream's next.
func (w *world) job(resource hub.Resource) hub.Stream {
	w.Helper()
	s := w.state(resource)
	jobs := w.enqueued()
	if want := []store.Job{{Stream: s.ID, Turn: s.Turn, DueAt: s.NextDueAt}}; !slices.Equal(jobs, want) {
		w.Fatalf("jobs %v, want %v", jobs, want)
	}
	return s
}

var streams = map[string]func(*world){
	"ASuccessSchedulesTheNextPoll": func(w *world) {
		w.enqueued()
		id, turn := w.stream(hub.Accounts), w.state(hub.Accounts).Turn
		w.must(w.store.FailPoll(w.ctx, id, turn, at(1), hub.Errorf(hub.CodeTimeout, "no answer"), at(2)))
		w.job(hub.Accounts)
		w.must(w.store.CompletePoll(w.ctx, id, turn+1, at(10), true, at(70)))
		s := w.job(hub.Accounts)
		equal(w, "turn", s.Turn, turn+2)
		equal(w, "due", s.NextDueAt, at(70))
		equal(w, "last poll", s.LastPollAt, at(10))
		equal(w, "last success", s.LastSuccessAt, at(10))
		equal(w, "caught up", s.CaughtUp, true)
		equal(w, "failures", s.ConsecutiveFailures, 0)
		equal(w, "failing", s.FailingSince.IsZero() && s.LastError == nil, true)
		w.must(w.store.CompletePoll(w.ctx, id, turn+2, at(80), false, at(80)))
		equal(w, "caught up", w.state(hub.Accounts).CaughtUp, false)
	},

	"AFailureIsVisibleAndSchedulesTheNextPoll": func(w *world) {
		w.enqueued()
		id, turn := w.stream(hub.Accounts), w.state(hub.Accounts).Turn
		for i := range 3 {
			cause := hub.Errorf(hub.CodeKeyRefused, "the key was refused, %d", i)
			w.must(w.store.FailPoll(w.ctx, id, turn+int64(i), at(10+i), cause, at(20+i)))
			s := w.job(hub.Accounts)
			equal(w, "failures", s.ConsecutiveFailures, i+1)
			equal(w, "failing since", s.FailingSince, at(10))
			equal(w, "last poll", s.LastPollAt, at(10+i))
			equal(w, "due", s.NextDueAt, at(20+i))
			equal(w, "code", s.LastError.Code, hub.CodeKeyRefused)
			equal(w, "message", s.LastError.Message, fmt.Sprintf("the key was refused, %d", i))
		}
		equal(w, "last success", w.state(hub.Accounts).LastSuccessAt.IsZero(), true)
	},

	"APollOfAnotherTurnChangesNothing": func(w *world) {
		id, turn := w.stream(hub.Accounts), w.state(hub.Accounts).Turn
		before := w.dump(w.connector)
		w.enqueued()
		for _, wrong := range []int64{turn - 1, turn + 1} {
			w.refused(w.store.CompletePoll(w.ctx, id, wrong, at(1), true, at(2)), hub.CodeStale, "turn")
			w.refused(w.store.FailPoll(w.ctx, id, wrong, at(1), hub.Errorf(hub.CodeTimeout, "no"), at(2)), hub.CodeStale, "turn")
		}
		equal(w, "jobs", len(w.enqueued()), 0)
		equal(w, "the stream", w.dump(w.connector), before)
	},

	"TheLastBatchIsStoredWithTheEndOfItsPoll": func(w *world) {
		turn := w.state(hub.Transactions).Turn
		w.enqueued()
		b := w.batch(hub.Transactions)
		b.Adjustments = []hub.PaymentAdjustment{transaction("a", hub.Pending, 100, 1)}
		b.Next.Watermark = at(1)
		before := w.dump(w.connector)
		stale := b
		stale.Read.Version++
		for _, refused := range []struct {
			batch hub.Batch
			turn  int64
			words string
		}{{b, turn + 1, "turn"}, {stale, turn, "read by somebody else"}} {
			_, err := w.store.CompletePollWith(w.ctx, refused.batch, refused.turn, at(10), true, at(70))
			w.refused(err, hub.CodeStale, refused.words)
		}
		equal(w, "jobs of what was refused", len(w.enqueued()), 0)
		equal(w, "what was refused", w.dump(w.connector), before)

		applied, err := w.store.CompletePollWith(w.ctx, b, turn, at(10), true, at(70))
		w.must(err)
		s := w.job(hub.Transactions)
		equal(w, "stored", applied.Stored, 1)
		equal(w, "the cursor", s.Cursor, applied.Cursor)
		equal(w, "the watermark", s.Cursor.Watermark, at(1))
		equal(w, "turn", s.Turn, turn+1)
		equal(w, "due", s.NextDueAt, at(70))
		equal(w, "last success", s.LastSuccessAt, at(10))
		equal(w, "versions", s.Versions, 1)
		equal(w, "events", len(w.events()), 1)
		w.must(w.store.Pause(w.ctx, s.ID, at(20)))
		_, err = w.store.CompletePollWith(w.ctx, w.batch(hub.Transactions), turn+1, at(30), false, at(30))
		w.must(err)
		equal(w, "jobs of a stream at rest", len(w.enqueued()), 0)
	},

	"ABatchWithoutNewsChangesNothing": func(w *world) {
		b := w.batch(hub.Transactions)
		b.Adjustments = []hub.PaymentAdjustment{transaction("a", hub.Pending, 100, 1)}
		b.Next.Watermark = at(1)
		applied, stored, err := w.store.ApplyNews(w.ctx, b)
		w.must(err)
		equal(w, "news", stored, true)
		equal(w, "versions", applied.Stored, 1)
		_, _, err = w.store.ApplyNews(w.ctx, b)
		w.refused(err, hub.CodeStale, "read by somebody else")

		before := w.dump(w.connector)
		b.Read, b.Next.Watermark, b.Requests = applied.Cursor, at(2), 1
		_, stored, err = w.store.ApplyNews(w.ctx, b)
		w.must(err)
		equal(w, "news", stored, false)
		equal(w, "what is stored", w.dump(w.connector), before)

		b.Rejected = []hub.Rejection{rejection("b", "bad", 1)}
		applied, stored, err = w.store.ApplyNews(w.ctx, b)
		w.must(err)
		equal(w, "a record put aside is news", stored, true)
		equal(w, "rejected", applied.Rejected, 1)
		equal(w, "the watermark", w.state(hub.Transactions).Cursor.Watermark, at(2))
	},

	"PollNowMakesAStreamDueAndEndsTheTurn": func(w *world) {
		id, turn := w.stream(hub.Accounts), w.state(hub.Accounts).Turn
		w.must(w.store.CompletePoll(w.ctx, id, turn, at(1), true, time.Now().Add(time.Hour)))
		w.enqueued()
		w.must(w.store.PollNow(w.ctx, id))
		s := w.job(hub.Accounts)
		equal(w, "due", !s.NextDueAt.After(time.Now()), true)
		w.refused(w.store.CompletePoll(w.ctx, id, turn+1, at(1), true, at(2)), hub.CodeStale, "turn")
	},

	"AStreamAtRestIsNotPolled": func(w *world) {
		id, turn := w.stream(hub.Accounts), w.state(hub.Accounts).Turn
		w.enqueued()
		w.must(w.store.Pause(w.ctx, id, at(1)))
		w.must(w.store.Pause(w.ctx, id, at(2)))
		equal(w, "paused", w.state(hub.Accounts).PausedAt, at(1))
		w.refused(w.store.PollNow(w.ctx, id), hub.CodeInvalid, "paused; resume")
		w.must(w.store.CompletePoll(w.ctx, id, turn, at(5), true, at(10))) // the poll that was under way
		w.must(w.store.Rewind(w.ctx, id, time.Time{}))
		w.must(w.store.Reschedule(w.ctx, at(20)))
		for _, job := range w.enqueued() {
			if job.Stream == id {
				w.Errorf("a job for a stream at rest: %v", job)
			}
		}
		n, err := w.store.SweepStreams(w.ctx, -time.Hour*1e6)
		w.must(err)
		equal(w, "overdue", n, 3)
		w.enqueued()

		due := w.state(hub.Accounts).NextDueAt
		w.must(w.store.Resume(w.ctx, id, due.Add(time.Second)))
		s := w.job(hub.Accounts)
		equal(w, "due", s.NextDueAt, due.Add(time.Second))
		equal(w, "paused", s.PausedAt.IsZero(), true)
		w.must(w.store.Resume(w.ctx, id, at(99)))
		equal(w, "jobs of a second resume", len(w.enqueued()), 0)
		equal(w, "turn after a second resume", w.state(hub.Accounts).Turn, s.Turn)
	},

	"AResumedStreamKeepsALaterDueTime": func(w *world) {
		id, turn := w.stream(hub.Accounts), w.state(hub.Accounts).Turn
		w.must(w.store.CompletePoll(w.ctx, id, turn, at(5), true, at(500)))
		w.must(w.store.Pause(w.ctx, id, at(6)))
		w.enqueued()
		w.must(w.store.Resume(w.ctx, id, at(7)))
		equal(w, "due", w.job(hub.Accounts).NextDueAt, at(500))
	},

	"RewindReadsAgainAndStoresNothingTwice": func(w *world) {
		rows := []hub.PaymentAdjustment{transaction("a", hub.Pending, 1, 10), transaction("b", hub.Pending, 1, 20)}
		b := w.batch(hub.Transactions)
		b.Adjustments = rows
		b.Next.Watermark = at(20)
		b.Next.Near = hub.Reread{StartedAt: at(1), Position: at(2), Until: at(3)}
		b.Next.Deep = b.Next.Near
		b.Next.Manners.PageSize = 50
		w.apply(b)
		under := w.batch(hub.Transactions) // a poll that is under way
		before := w.payments()
		id := w.stream(hub.Transactions)
		w.refused(w.store.Rewind(w.ctx, id, at(21)), hub.CodeInvalid, "stand at 2024-11-23T10:00:20Z; rewind to an earlier instant")
		w.enqueued()
		w.must(w.store.Rewind(w.ctx, id, at(5)))
		s := w.job(hub.Transactions)
		equal(w, "due", !s.NextDueAt.After(time.Now()), true)
		equal(w, "caught up", s.CaughtUp, false)
		equal(w, "cursor", s.Cursor, hub.Cursor{Version: under.Read.Version + 1, Watermark: at(5), Manners: hub.Manners{PageSize: 50}})
		_, err := w.store.Apply(w.ctx, under)
		w.refused(err, hub.CodeStale, "read by somebody else")
		equal(w, "stored", w.show(rows...).Stored, 0)
		equal(w, "payments", fmt.Sprint(w.payments()), fmt.Sprint(before))
		w.must(w.store.Rewind(w.ctx, id, time.Time{}))
		equal(w, "watermark", w.state(hub.Transactions).Cursor.Watermark.IsZero(), true)
		w.refused(w.store.Rewind(w.ctx, id, at(1)), hub.CodeInvalid, "have not been read yet")
		w.refused(w.store.Rewind(w.ctx, w.stream(hub.Balances), at(1)), hub.CodeInvalid, "every poll reads all")
	},

	"AFreshStartGivesEveryStreamANewTurn": func(w *world) {
		w.connector = w.install("other")
		turn := w.state(hub.Accounts).Turn
		w.must(w.store.CompletePoll(w.ctx, w.stream(hub.Accounts), turn, at(5), true, day.AddDate(50, 0, 0)))
		w.enqueued()
		now := time.Now().UTC().Add(time.Minute)
		w.must(w.store.Reschedule(w.ctx, now))
		jobs := w.enqueued()
		equal(w, "jobs", len(jobs), 8)
		for _, job := range jobs {
			s, err := w.store.Stream(w.ctx, job.Stream)
			w.must(err)
			equal(w, "job", job, store.Job{Stream: s.ID, Turn: s.Turn, DueAt: s.NextDueAt})
			want := now
			if s.ID == w.stream(hub.Accounts) {
				want = day.AddDate(50, 0, 0)
			}
			equal(w, "due", s.NextDueAt, want)
		}
		equal(w, "turn", w.state(hub.Balances).Turn, 2)
	},

	"ASweepAddsTheJobsOfOverdueStreams": func(w *world) {
		turn := w.state(hub.Accounts).Turn
		w.must(w.store.CompletePoll(w.ctx, w.stream(hub.Accounts), turn, at(5), true, time.Now().Add(-time.Hour)))
		w.enqueued()
		n, err := w.store.SweepStreams(w.ctx, time.Minute)
		w.must(err)
		equal(w, "overdue", n, 1)
		w.job(hub.Accounts)
	},

	"AFailingJobEngineRollsEverythingBack": func(w *world) {
		b := w.batch(hub.Transactions)
		b.Next.Watermark = at(20)
		w.apply(b)
		id, turn := w.stream(hub.Transactions), w.state(hub.Transactions).Turn
		before := w.dump(w.connector)
		w.enqueueError = errors.New("the job engine is gone")
		for what, err := range map[string]error{
			"CompletePoll": w.store.CompletePoll(w.ctx, id, turn, at(1), true, at(2)),
			"FailPoll":     w.store.FailPoll(w.ctx, id, turn, at(1), hub.Errorf(hub.CodeTimeout, "no"), at(2)),
			"PollNow":      w.store.PollNow(w.ctx, id),
			"Rewind":       w.store.Rewind(w.ctx, id, at(1)),
			"Reschedule":   w.store.Reschedule(w.ctx, at(1)),
			"Install":      w.store.InstallConnector(w.ctx, hub.Connector{ID: hub.NewConnectorID(hub.Provider), Name: "new"}),
		} {
			if !errors.Is(err, w.enqueueError) {
				w.Errorf("%s: %v", what, err)
			}
		}
		w.enqueueError = nil
		if after := w.dump(w.connector); after != before {
			w.Errorf("something was written:\n%s\nbefore:\n%s", after, before)
		}
		equal(w, "connectors", len(w.connectors()), 1)
	},

	"StreamsAreListedByConnectorAndResource": func(w *world) {
		w.install("Zebra")
		w.install("ant")
		var got []string
		list, err := w.store.Streams(w.ctx, hub.ConnectorID{})
		w.must(err)
		for _, s := range list {
			c, err := w.store.Connector(w.ctx, s.ID.Connector)
			w.must(err)
			got = append(got, c.Name+"/"+string(s.ID.Resource))
			equal(w, "period", s.Period, time.Minute)
		}
		var want []string
		for _, name := range []string{"Zebra", "acme", "ant"} {
			for _, r := range hub.Resources() {
				want = append(want, name+"/"+string(r))
			}
		}
		equal(w, "streams", strings.Join(got, " "), strings.Join(want, " "))
		list, err = w.store.Streams(w.ctx, w.connector)
		w.must(err)
		equal(w, "streams of one", len(list), 4)
	},
}
