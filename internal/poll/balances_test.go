package poll

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir/internal/hub"
)

// accounts puts one page of so many accounts and then fails with err, if any.
func accounts(references []string, err error) reading {
	return func(ctx context.Context, stream hub.Stream, sink hub.Sink) error {
		batch := hub.Batch{Stream: stream.ID, Next: stream.Cursor}
		for _, reference := range references {
			batch.Accounts = append(batch.Accounts, hub.Account{Reference: reference})
		}
		return errors.Join(sink.Put(ctx, batch), err)
	}
}

func TestBalancesWaitForTheFirstAccounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		stream := m.once(t, m.poller(nil), hub.Balances)
		if got := time.Until(stream.NextDueAt); got != balancesWait || m.caughtUp {
			t.Errorf("due in %s, caught up: %t", got, m.caughtUp)
		}
		m.once(t, m.poller(accounts([]string{"a", "b"}, nil)), hub.Accounts)
		stream = m.once(t, m.poller(nil), hub.Balances)
		if got := time.Until(stream.NextDueAt); got != period || !m.caughtUp || len(m.batches) != 1+2 {
			t.Errorf("due in %s, caught up: %t, %d batches", got, m.caughtUp, len(m.batches))
		}
	})
}

// The accounts are stored, and their poll has not ended: what the balances' poll
// has read may have been before.
func TestBalancesAreNotCaughtUpWhileTheFirstAccountsAreStillBeingRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.accounts = []string{"a"}
		stream := m.once(t, m.poller(nil), hub.Balances)
		if got := time.Until(stream.NextDueAt); got != period || m.caughtUp {
			t.Errorf("due in %s, caught up: %t", got, m.caughtUp)
		}
	})
}

func TestNewAccountsWakeTheirBalances(t *testing.T) {
	for name, test := range map[string]struct {
		service reading
		woken   bool
	}{
		"new ones":                  {accounts([]string{"a"}, nil), true},
		"none":                      {accounts(nil, nil), false},
		"new ones before a failure": {accounts([]string{"a"}, errDown), true},
		"new ones before the turn is over": {func(ctx context.Context, stream hub.Stream, sink hub.Sink) error {
			err := accounts([]string{"a"}, nil)(ctx, stream, sink)
			return errors.Join(err, pages(1000)(ctx, stream, sink))
		}, true},
	} {
		for _, before := range []time.Time{{}, time.Now()} {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory()
				m.streams[hub.Accounts].LastSuccessAt = before
				m.streams[hub.Balances].NextDueAt = time.Now().Add(24 * time.Hour)
				m.once(t, m.poller(test.service), hub.Accounts)
				if woken := !m.streams[hub.Balances].NextDueAt.After(time.Now()); woken != test.woken {
					t.Errorf("%s, read before at %s: woken is %t", name, before, woken)
				}
			})
		}
	}
}

func TestNewAccountsDoNotWakeBalancesThatRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.streams[hub.Balances].PausedAt = time.Now()
		m.once(t, m.poller(accounts([]string{"a"}, nil)), hub.Accounts)
		if m.completed != 1 || m.streams[hub.Balances].Turn != 1 {
			t.Errorf("%d completed, turn %d of the balances", m.completed, m.streams[hub.Balances].Turn)
		}
	})
}

func TestBalancesAreNotReadInATightLoopWhileAccountsDoNotCome(t *testing.T) {
	for name, change := range map[string]func(*memory){
		"the accounts fail":          func(m *memory) { m.streams[hub.Accounts].FailingSince = time.Now() },
		"the accounts rest":          func(m *memory) { m.streams[hub.Accounts].PausedAt = time.Now() },
		"there are none":             func(m *memory) { m.streams[hub.Accounts].LastSuccessAt = time.Now() },
		"the first read takes hours": func(m *memory) { m.accounts = []string{"a"} },
	} {
		synctest.Test(t, func(t *testing.T) {
			m := newMemory()
			change(m)
			if got := time.Until(m.once(t, m.poller(nil), hub.Balances).NextDueAt); got != period {
				t.Errorf("%s: due in %s", name, got)
			}
		})
	}
}
