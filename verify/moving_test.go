package verify_test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir/verify"
)

// pay adds a movement of 123.45 to the main account, balance and all. The caller
// holds the lock or is alone.
func (s *stall) pay(id string) {
	s.transactions = append(s.transactions, added(id, time.Now(), nil))
	old, _ := strconv.Atoi(fmt.Sprint(s.held["main"][0]["amount"]))
	s.held["main"] = []row{{"amount": strconv.Itoa(old + 12345), "currency": "EUR/2"}, {"amount": "7", "currency": "JPY/0"}}
	s.heldAt = time.Now()
}

// examineAgain judges a service beside an earlier run of it.
func examineAgain(t *testing.T, s *stall, between func(), change func(*verify.Options)) *verify.Report {
	t.Helper()
	first, _ := examine(t, s, func(o *verify.Options) { o.TakeSnapshot = true })
	between()
	report, _ := examine(t, s, func(o *verify.Options) {
		o.Baseline = first.Snapshot
		if change != nil {
			change(o)
		}
	})
	return report
}

func TestWhatAHookMovesIsNotHeldAgainstTheBalances(t *testing.T) {
	s := newStall()
	moves := 0
	report := examineAgain(t, s, func() { s.pay("between") }, func(o *verify.Options) {
		o.Hooks.Move = func(context.Context) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			moves++
			s.pay(fmt.Sprint("moved-", moves))
			return nil
		}
	})
	if i4 := report.Result("I4"); moves == 0 || i4.Status != verify.Passed {
		t.Errorf("after %d moves: %s %s %v", moves, i4.Status, i4.Note, i4.Findings)
	}
}

func TestBalancesThatChangeAfterTheWalkAreNotJudged(t *testing.T) {
	s := newStall()
	report := examineAgain(t, s, func() {
		s.pay("between")
		var once sync.Once
		s.serve = func(_ http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/main/balances") {
				once.Do(func() {
					s.mu.Lock()
					defer s.mu.Unlock()
					s.pay("meanwhile")
				})
			}
			return false
		}
	}, nil)
	if i4 := report.Result("I4"); i4.Status != verify.Unjudged || !strings.Contains(i4.Note, "transactions changed while the balances were read") {
		t.Errorf("%s %s %v", i4.Status, i4.Note, i4.Findings)
	}
}
