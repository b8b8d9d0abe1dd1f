package poll

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir/internal/hub"
)

func TestAPollStoresItsPagesAndSchedulesTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		stream := m.once(t, m.poller(pages(3)), hub.Transactions)
		if len(m.batches) != 3 || m.completed != 1 || !m.caughtUp || stream.Turn != 2 {
			t.Errorf("%d batches, %d polls completed, turn %d", len(m.batches), m.completed, stream.Turn)
		}
		if got := time.Until(stream.NextDueAt); got != period {
			t.Errorf("due in %s, want %s", got, period)
		}
		for i := range m.batches {
			if got := m.batches[i].Read.Version; got != int64(i) {
				t.Errorf("batch %d was read from version %d of the cursor", i, got)
			}
		}
	})
}

func TestOnePageIsStoredWhileTheNextIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.apply = func(hub.Batch) (hub.Applied, error) {
			time.Sleep(time.Second)
			return hub.Applied{Stored: 1}, nil
		}
		begun := time.Now()
		m.once(t, m.poller(pages(10)), hub.Transactions)
		if took := time.Since(begun); took > 12*time.Second {
			t.Errorf("reading and storing ten pages of a second each took %s", took)
		}
	})
}

func TestAtMostThreePagesAreInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		var read, stored, most atomic.Int32
		m.apply = func(hub.Batch) (hub.Applied, error) {
			time.Sleep(time.Minute) // far slower than the service
			stored.Add(1)
			return hub.Applied{Stored: 1}, nil
		}
		m.once(t, m.poller(func(ctx context.Context, stream hub.Stream, sink hub.Sink) error {
			for range 20 {
				most.Store(max(most.Load(), read.Add(1)-stored.Load()))
				if err := sink.Put(ctx, page(stream)); err != nil {
					return err
				}
			}
			return nil
		}), hub.Transactions)
		if most.Load() != 3 || len(m.batches) != 20 {
			t.Errorf("%d pages at once, %d stored", most.Load(), len(m.batches))
		}
	})
}

func TestAPollThatIsNotDueAnyMoreDoesNothing(t *testing.T) {
	for name, change := range map[string]func(*memory){
		"another turn":     func(m *memory) { m.streams[hub.Transactions].Turn = 2 },
		"paused":           func(m *memory) { m.streams[hub.Transactions].PausedAt = time.Now() },
		"no stream":        func(m *memory) { delete(m.streams, hub.Transactions) },
		"connector gone":   func(m *memory) { m.connector = hub.Connector{} },
		"gone on the way":  func(m *memory) { m.apply = refusing(hub.CodeNotFound) },
		"rewound meantime": func(m *memory) { m.apply = refusing(hub.CodeStale) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory()
				change(m)
				delete(m.streams, hub.Accounts)
				if name == "gone on the way" {
					m.apply = func(hub.Batch) (hub.Applied, error) {
						m.mu.Lock()
						defer m.mu.Unlock()
						delete(m.streams, hub.Transactions)
						return refusing(hub.CodeNotFound)(hub.Batch{})
					}
				}
				if err := m.poller(pages(2)).Once(t.Context(), id(hub.Transactions), 1); err != nil {
					t.Error(err)
				}
				if m.completed+m.failed+len(m.batches) != 0 || m.dialled > 0 && m.apply == nil {
					t.Errorf("%d completed, %d failed, %d stored, dialled %d times", m.completed, m.failed, len(m.batches), m.dialled)
				}
			})
		})
	}
}

func refusing(code hub.Code) func(hub.Batch) (hub.Applied, error) {
	return func(hub.Batch) (hub.Applied, error) { return hub.Applied{}, hub.Errorf(code, "no") }
}

func TestATurnThatIsRunTwiceReadsAgainAndIsCompletedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		p := m.poller(pages(2))
		go p.Once(t.Context(), id(hub.Transactions), 1)
		time.Sleep(time.Millisecond)
		if err := p.Once(t.Context(), id(hub.Transactions), 1); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		time.Sleep(time.Minute)
		if m.completed != 1 || m.failed != 0 || m.dialled != 2 {
			t.Errorf("%d completed, %d failed, dialled %d times", m.completed, m.failed, m.dialled)
		}
	})
}

func TestFailuresDoubleTheirPauseUpToABound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		p := m.poller(failing(fmt.Errorf("read transactions: page 3: %w", errDown)))
		want, different := backoffFirst, 0
		for range 30 {
			stream := m.once(t, p, hub.Transactions)
			pause := time.Until(stream.NextDueAt)
			if pause < want/2 || pause > want || pause < time.Second {
				t.Errorf("after %d failures a pause of %s, want %s to %s", stream.ConsecutiveFailures, pause, want/2, want)
			}
			if pause != want {
				different++
			}
			want = min(2*want, BackoffMax)
			time.Sleep(pause)
		}
		if different < 20 {
			t.Error("the pauses have no jitter")
		}
		got := m.streams[hub.Transactions].LastError
		if got.Code != hub.CodeServiceFailed || got.Message != "read transactions: page 3: the service failed (status 503)" {
			t.Errorf("%s: %s", got.Code, got.Message)
		}
	})
}

func TestAPollThatGotOnBeforeItFailedIsTriedAgainSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		p := m.poller(func(ctx context.Context, stream hub.Stream, sink hub.Sink) error {
			return errors.Join(sink.Put(ctx, page(stream)), errDown)
		})
		for range 10 {
			stream := m.once(t, p, hub.Transactions)
			if pause := time.Until(stream.NextDueAt); pause < backoffFirst/2 || pause > backoffFirst {
				t.Errorf("a pause of %s", pause)
			}
		}
	})
}

func TestTheBoundOfThePauseCanBeSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		p := m.poller(failing(errDown))
		p.BackoffMax = 100 * time.Millisecond
		for range 10 {
			if pause := time.Until(m.once(t, p, hub.Transactions).NextDueAt); pause < p.BackoffMax/2 || pause > p.BackoffMax {
				t.Errorf("a pause of %s", pause)
			}
		}
	})
}

func TestThePauseIsAsLongAsTheServiceAsksFor(t *testing.T) {
	for asked, want := range map[time.Duration]time.Duration{
		time.Minute: time.Minute, 20 * time.Minute: 20 * time.Minute, 24 * time.Hour: pauseAskedMax,
	} {
		synctest.Test(t, func(t *testing.T) {
			m := newMemory()
			p := m.poller(failing(fmt.Errorf("read transactions: %w", askingError(asked))))
			p.RetryAfter = retryAfter
			if pause := time.Until(m.once(t, p, hub.Transactions).NextDueAt); pause != want {
				t.Errorf("asked for %s: a pause of %s", asked, pause)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.streams[hub.Transactions].ConsecutiveFailures = 20
		p := m.poller(failing(askingError(time.Second)))
		p.RetryAfter = retryAfter
		if pause := time.Until(m.once(t, p, hub.Transactions).NextDueAt); pause < BackoffMax/2 {
			t.Errorf("a service that asks for less shortened the pause to %s", pause)
		}
	})
}

func TestRecoveryClearsTheFailureAndBothAreLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, log := newMemory(), new(strings.Builder)
		down := m.poller(failing(errDown))
		up := m.poller(pages(1))
		down.Logger = slog.New(slog.NewTextHandler(log, nil))
		up.Logger = down.Logger
		for range 3 {
			m.once(t, down, hub.Transactions)
			time.Sleep(time.Minute)
		}
		if got := m.streams[hub.Transactions]; got.ConsecutiveFailures != 3 || got.FailingSince.IsZero() {
			t.Errorf("%+v", got)
		}
		m.once(t, up, hub.Transactions)
		m.once(t, up, hub.Transactions)
		if got := m.streams[hub.Transactions]; got.ConsecutiveFailures != 0 || !got.FailingSince.IsZero() || got.LastError != nil {
			t.Errorf("%+v", got)
		}
		if lines(log, "stream fails") != 1 || lines(log, "stream recovered") != 1 || lines(log, "\n") != 2 {
			t.Error(log)
		}
	})
}

func TestAnErrorOfTheStoreEndsThePollAsOurFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		calls, put := 0, 0
		m.apply = func(hub.Batch) (hub.Applied, error) {
			if calls++; calls == 2 {
				return hub.Applied{}, errors.New("disk full")
			}
			return hub.Applied{Stored: 1}, nil
		}
		m.once(t, m.poller(func(ctx context.Context, stream hub.Stream, sink hub.Sink) error {
			for range 100 {
				if err := sink.Put(ctx, page(stream)); err != nil {
					return fmt.Errorf("the sink: %w", err)
				}
				put++
				synctest.Wait()
			}
			_, err := sink.Settle(ctx)
			return err
		}), hub.Transactions)
		if calls != 2 || put != 2 || len(m.batches) != 1 {
			t.Errorf("%d pages put, %d applied, %d stored", put, calls, len(m.batches))
		}
		got := m.streams[hub.Transactions].LastError
		if m.failed != 1 || got.Code != hub.CodeInternal || got.Message != "store a page of transactions: disk full" {
			t.Errorf("%v", got)
		}
	})
}

func TestSettleTellsHowMuchWasNewSinceItWasAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.apply = func(hub.Batch) (hub.Applied, error) {
			time.Sleep(time.Second)
			return hub.Applied{Stored: 2, Rejected: 1}, nil
		}
		m.once(t, m.poller(func(ctx context.Context, stream hub.Stream, sink hub.Sink) error {
			for _, puts := range []int{3, 0, 1} {
				for range puts {
					if err := sink.Put(ctx, page(stream)); err != nil {
						return err
					}
				}
				if got, err := sink.Settle(ctx); err != nil || got != 3*puts {
					t.Errorf("after %d batches of two versions and a rejection: %d, %v", puts, got, err)
				}
			}
			return nil
		}), hub.Transactions)
	})
}

func TestSettleFailsWhereStoringHasFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.apply = func(hub.Batch) (hub.Applied, error) {
			time.Sleep(time.Second)
			return hub.Applied{}, errors.New("disk full")
		}
		m.once(t, m.poller(func(ctx context.Context, stream hub.Stream, sink hub.Sink) error {
			if err := sink.Put(ctx, page(stream)); err != nil {
				return err
			}
			stored, err := sink.Settle(ctx)
			if !errors.Is(err, errNotStored) {
				t.Errorf("%d, %v", stored, err)
			}
			return err
		}), hub.Transactions)
		if got := m.streams[hub.Transactions].LastError; got.Code != hub.CodeInternal {
			t.Errorf("%v", got)
		}
	})
}

func TestAPollThatIsCancelledLeavesItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		ctx, cancel := context.WithTimeout(t.Context(), 4500*time.Millisecond)
		defer cancel()
		if err := m.poller(pages(100)).Once(ctx, id(hub.Transactions), 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		stream := m.streams[hub.Transactions]
		if m.completed+m.failed != 0 || stream.Turn != 1 || len(m.batches) < 4 {
			t.Errorf("turn %d, %d completed, %d failed, %d stored", stream.Turn, m.completed, m.failed, len(m.batches))
		}
		m.once(t, m.poller(pages(1)), hub.Transactions)
		if m.completed != 1 {
			t.Error("the turn could not be run after the next start")
		}
	})
}

func TestALongPollGivesUpItsPlaceOnceTheWatermarkHasMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		begun := time.Now()
		stream := m.once(t, m.poller(pages(3600)), hub.Transactions)
		if took := time.Since(begun); took < turnMax || took > turnMax+5*time.Second {
			t.Errorf("it took %s", took)
		}
		if m.completed != 1 || m.caughtUp || !stream.NextDueAt.Equal(time.Now()) || len(m.batches) < 590 {
			t.Errorf("%d completed, caught up: %t, due %s, %d stored", m.completed, m.caughtUp, stream.NextDueAt, len(m.batches))
		}
		if stream.Cursor.Watermark != m.batches[len(m.batches)-1].Next.Watermark {
			t.Error("the watermark is not that of the last page")
		}
	})
}

func TestAPollWhoseWatermarkStandsStillGoesOnAndFailsInTheEnd(t *testing.T) {
	still := func(n int) reading {
		return func(ctx context.Context, stream hub.Stream, sink hub.Sink) error {
			for range n {
				if err := sink.Put(ctx, page(stream)); err != nil {
					return err
				}
				time.Sleep(time.Second)
			}
			return nil
		}
	}
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		if m.once(t, m.poller(still(1800)), hub.Transactions); m.completed != 1 || !m.caughtUp {
			t.Error("a group that takes half an hour was not read to its end")
		}
		m.once(t, m.poller(still(360_000)), hub.Transactions)
		got := m.streams[hub.Transactions].LastError
		if m.failed != 1 || got.Code != hub.CodeIncomplete || !strings.Contains(got.Message, "transactions were read for 50m0s") {
			t.Errorf("%v", got)
		}
	})
}

func TestAPollEndsAfterThePageInHandWhenTheProcessStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		p := m.poller(pages(100))
		stopping := make(chan struct{})
		p.Stopping = stopping
		time.AfterFunc(4500*time.Millisecond, func() { close(stopping) }) // the sixth page is on its way
		stream := m.once(t, p, hub.Transactions)
		if len(m.batches) != 6 {
			t.Errorf("%d pages were stored, want the five before the stop and the one in hand", len(m.batches))
		}
		if m.completed != 1 || m.failed != 0 || m.caughtUp {
			t.Errorf("%d completed, %d failed, caught up: %t; want a poll that has not come to the end", m.completed, m.failed, m.caughtUp)
		}
		if !stream.NextDueAt.Equal(time.Now()) {
			t.Errorf("the next poll is due at %s, want at once, for another worker", stream.NextDueAt)
		}
	})
}

func TestAPollThatBeganLateDoesNotDelayTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		for _, c := range []struct{ late, next time.Duration }{
			{0, period}, {2 * time.Second, period - 2*time.Second}, {period / 2, period / 2}, {period/2 + 1, period}, {time.Hour, period}, {-time.Second, period},
		} {
			m.streams[hub.Beneficiaries].NextDueAt = time.Now().Add(-c.late)
			stream := m.once(t, m.poller(pages(0)), hub.Beneficiaries)
			if got := time.Until(stream.NextDueAt); got != c.next {
				t.Errorf("a poll that began %s late has the next due in %s, want %s", c.late, got, c.next)
			}
		}
	})
}

// little is a reading of batches with so many transactions each.
func little(rows ...int) reading {
	return func(ctx context.Context, stream hub.Stream, sink hub.Sink) error {
		for _, n := range rows {
			if err := sink.Put(ctx, hub.Batch{Stream: stream.ID, Next: stream.Cursor, Adjustments: make([]hub.PaymentAdjustment, n)}); err != nil {
				return err
			}
		}
		return nil
	}
}

func TestAPollThatFindsLittleIsStoredWithItsEnd(t *testing.T) {
	for _, c := range []struct {
		name           string
		read           reading
		stored, atOnce int
	}{
		{"nothing", little(0), 1, 1},
		{"a few rows", little(heldRowsMax), 1, 1},
		{"more", little(heldRowsMax + 1), 1, 0},
		{"a page and the end of it", little(100, 3), 2, 1},
		{"two small ones", little(1, 2), 2, 1},
		{"no batch", little(), 0, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			m := newMemory()
			m.once(t, m.poller(c.read), hub.Transactions)
			if len(m.batches) != c.stored || m.atOnce != c.atOnce || m.completed != 1 {
				t.Errorf("%s: %d batches stored, %d of them with the end of %d polls", c.name, len(m.batches), m.atOnce, m.completed)
			}
		})
	}
}

func TestALittleThatCouldNotBeStoredEndsThePollAsOurFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.apply = func(hub.Batch) (hub.Applied, error) { return hub.Applied{}, errors.New("disk full") }
		m.once(t, m.poller(little(1)), hub.Transactions)
		got := m.streams[hub.Transactions].LastError
		if m.failed != 1 || m.completed != 0 || got.Code != hub.CodeInternal || got.Message != "store a page of transactions: disk full" {
			t.Errorf("%v", got)
		}
	})
}

func TestALittleThatCameBeforeAFailureIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.once(t, m.poller(func(ctx context.Context, stream hub.Stream, sink hub.Sink) error {
			return errors.Join(little(1)(ctx, stream, sink), errDown)
		}), hub.Transactions)
		if m.failed != 1 || len(m.batches) != 1 {
			t.Errorf("%d polls failed, %d batches stored", m.failed, len(m.batches))
		}
	})
}
