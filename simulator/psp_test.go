package simulator

import (
	"math/big"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir/wire"
)

// newPSP is a PSP for a test; change says what is not as in Defaults.
func newPSP(t *testing.T, change func(*Options)) *PSP {
	t.Helper()
	options := Defaults()
	options.Seed = 1
	if change != nil {
		change(&options)
	}
	psp, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	return psp
}

func digests(psp *PSP) map[string]Digest {
	all := map[string]Digest{}
	for _, resource := range []string{Accounts, Balances, Beneficiaries, Transactions} {
		all[resource] = DigestOf(psp.Records(resource))
	}
	return all
}

func TestTheSameSeedLivesTheSameLife(t *testing.T) {
	for _, faults := range []Faults{0, FaultsOf(Ties, Late, Future, Poison, Flawed), FaultsOf(DateOnly)} {
		live := func(seed uint64) map[string]Digest {
			psp := newPSP(t, func(o *Options) { o.Seed, o.Faults, o.Transactions = seed, faults, 400 })
			psp.Step(300)
			psp.Settle()
			return digests(psp)
		}
		first, again, other := live(7), live(7), live(8)
		for resource := range first {
			if first[resource] != again[resource] {
				t.Errorf("%v: %s differ between two lives of one seed", faults, resource)
			}
		}
		if first[Transactions] == other[Transactions] {
			t.Errorf("%v: two seeds live one life", faults)
		}
	}
}

func TestHoldingsAreTheSumOfMovementsAtEveryStep(t *testing.T) {
	for _, seed := range []uint64{1, 2, 3} {
		psp := newPSP(t, func(o *Options) {
			o.Seed, o.Transactions, o.AmountDigits = seed, 0, 30
			o.Faults = FaultsOf(Ties, Late, Future, Poison)
		})
		for step := range 2000 {
			psp.Step(1)
			if step%29 == 0 || step > 1980 {
				checkSums(t, psp)
			}
			if t.Failed() {
				t.Fatalf("seed %d, step %d", seed, step)
			}
		}
	}
}

// checkSums adds up what the service shows, by rules written down here once
// more, and compares it with the balances that the service shows.
func checkSums(t *testing.T, psp *PSP) {
	t.Helper()
	sums := map[string]*big.Int{}
	add := func(account, asset string, sign int64, amount *big.Int) {
		if sums[account+asset] == nil {
			sums[account+asset] = new(big.Int)
		}
		sums[account+asset].Add(sums[account+asset], new(big.Int).Mul(big.NewInt(sign), amount))
	}
	psp.mu.RLock()
	movements := make([]wire.Transaction, len(psp.movements))
	for i := range psp.movements {
		shown := psp.movement(i)
		movements[i] = must(transaction(&shown))
	}
	psp.mu.RUnlock()
	for _, m := range movements {
		amount, err := m.Amount.Int()
		if err != nil {
			t.Fatal(err)
		}
		related := m.RelatedTransactionID != ""
		switch {
		case m.Type == wire.TypePayin && !related &&
			slices.Contains([]wire.TransactionStatus{wire.StatusSucceeded, wire.StatusCapture, wire.StatusDisputeWon}, m.Status),
			m.Type == wire.TypePayin && related && m.Status == wire.StatusCapture:
			add(m.DestinationAccountID, m.Currency, 1, amount)
		case m.Type == wire.TypePayin && related && m.Status == wire.StatusRefunded:
			add(m.DestinationAccountID, m.Currency, -1, amount)
		case m.Type == wire.TypePayout || m.Type == wire.TypeTransfer:
			if m.Status == wire.StatusPending || m.Status == wire.StatusSucceeded {
				add(m.SourceAccountID, m.Currency, -1, amount)
			}
			if m.Status == wire.StatusSucceeded {
				add(m.DestinationAccountID, m.Currency, 1, amount)
			}
		case m.Type == wire.TypeOther:
			add(m.SourceAccountID, m.Currency, -1, amount)
		}
	}
	for _, b := range psp.Balances() {
		for _, held := range b.Balances {
			want := sums[b.AccountID+held.Currency]
			if want == nil {
				want = new(big.Int)
			}
			if string(held.Amount) != want.String() {
				t.Errorf("%s holds %s of %s, its movements come to %s", b.AccountID, held.Amount, held.Currency, want)
			}
		}
	}
}

func TestALifeHasEverythingInIt(t *testing.T) {
	psp := newPSP(t, nil)
	psp.Step(2000)
	statuses, types, assets := map[wire.TransactionStatus]int{}, map[wire.TransactionType]int{}, map[string]int{}
	parts := 0
	for _, m := range psp.Transactions() {
		statuses[m.Status]++
		types[m.Type]++
		assets[m.Currency]++
		if m.RelatedTransactionID != "" {
			parts++
		}
	}
	for _, status := range wire.TransactionStatuses() {
		if statuses[status] == 0 {
			t.Errorf("nothing is %s in %v", status, statuses)
		}
	}
	if len(types) != len(wire.TransactionTypes()) || len(assets) != len(currencies) || parts == 0 {
		t.Errorf("types %v, assets %v, %d parts", types, assets, parts)
	}
}

func TestNoMoreGoesBackThanCameIn(t *testing.T) {
	psp := newPSP(t, nil)
	psp.Step(5000)
	for i := range psp.movements {
		if m := &psp.movements[i]; m.moved.Sign() < 0 || m.moved.Cmp(m.amount) > 0 {
			t.Errorf("of %s %s %s was moved", m.amount, movementID(i), m.moved.String())
		}
	}
}

func TestOnAnHonestPSPEveryStampIsItsOwnAndEveryChangeMovesIt(t *testing.T) {
	psp := newPSP(t, func(o *Options) { o.Transactions = 0 })
	last := map[string]wire.Transaction{}
	for range 150 {
		psp.Step(20)
		seen := map[time.Time]bool{}
		for _, m := range psp.Transactions() {
			if seen[m.UpdatedAt] {
				t.Fatalf("two transactions share %s", m.UpdatedAt)
			}
			seen[m.UpdatedAt] = true
			before, known := last[m.ID]
			if known && before.Status != m.Status && !m.UpdatedAt.After(before.UpdatedAt) {
				t.Fatalf("%s went from %s to %s at one stamp", m.ID, before.Status, m.Status)
			}
			if known && !m.CreatedAt.Equal(before.CreatedAt) {
				t.Fatalf("%s was created twice", m.ID)
			}
			last[m.ID] = m
		}
	}
}

func TestEveryRecordKeepsTheContract(t *testing.T) {
	psp := newPSP(t, func(o *Options) { o.Faults = FaultsOf(Ties, DateOnly, Late, Future); o.AmountDigits = 30 })
	ids := map[string]bool{"": true}
	for _, a := range psp.Accounts() {
		ids[a.ID] = true
		if err := a.Validate(); err != nil {
			t.Error(err)
		}
	}
	for _, b := range psp.Beneficiaries() {
		ids[b.ID] = true
		if err := b.Validate(); err != nil {
			t.Error(err)
		}
	}
	digits := 0
	movements := map[string]wire.Transaction{}
	for _, m := range psp.Transactions() {
		movements[m.ID] = m
		if err := m.Validate(); err != nil {
			t.Error(err)
		}
		if !ids[m.SourceAccountID] || !ids[m.DestinationAccountID] {
			t.Errorf("%s is between strangers: %q, %q", m.ID, m.SourceAccountID, m.DestinationAccountID)
		}
		if parent, known := movements[m.RelatedTransactionID]; m.RelatedTransactionID != "" &&
			(!known || parent.Type != m.Type || parent.Currency != m.Currency || parent.CreatedAt.After(m.CreatedAt)) {
			t.Errorf("%+v does not go with its parent %+v", m, parent)
		}
		if len(m.Amount) == 30 {
			digits++
		}
	}
	if digits < 100 {
		t.Errorf("only %d amounts have 30 digits", digits)
	}
}

func TestLifeNeverGoesPastNow(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	psp := newPSP(t, func(o *Options) {
		o.Now, o.Faults = func() time.Time { return now }, FaultsOf(Ties, Late)
	})
	if psp.Len() < 2500 || psp.Len() > 2510 {
		t.Fatalf("there are %d transactions", psp.Len())
	}
	for psp.Step(100) == 100 {
	}
	if left := now.Sub(psp.Clock()); left < 0 || left > time.Hour {
		t.Errorf("life stopped %s before now", left)
	}
	for _, m := range psp.Transactions() {
		if m.UpdatedAt.After(now) {
			t.Errorf("%s was changed at %s", m.ID, m.UpdatedAt)
		}
	}
	now = now.Add(time.Hour)
	if played := psp.CatchUp(); played == 0 || !psp.Clock().Equal(now) {
		t.Errorf("an hour later %d events bring the clock to %s", played, psp.Clock())
	}
}

func TestAfterSettlingNothingMoves(t *testing.T) {
	psp := newPSP(t, func(o *Options) { o.Faults = FaultsOf(Late, Moving) })
	late := 0
	for _, e := range psp.queue {
		if e.late > 0 && e.at-e.late <= psp.clock {
			late++
		}
	}
	before := digests(psp)
	psp.Settle()
	after := digests(psp)
	if late == 0 || before[Transactions] == after[Transactions] {
		t.Errorf("settling shows nothing of the %d events that are late", late)
	}
	if psp.Step(10) != 0 || psp.Advance(time.Hour) != 0 {
		t.Error("life goes on")
	}
	if _, err := psp.Movements(t.Context(), ListRequest{}); err != nil {
		t.Error(err)
	}
	psp.Settle()
	if again := digests(psp); again[Transactions] != after[Transactions] {
		t.Error("something moved")
	}
}

func TestLifeGoesOnUntilItIsSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		psp := newPSP(t, func(o *Options) { o.Transactions, o.Now = 100, time.Now })
		clock := psp.Clock()
		done := make(chan struct{})
		go func() {
			psp.Live(t.Context(), 10)
			close(done)
		}()
		time.Sleep(30 * time.Second)
		if lived := psp.Clock().Sub(clock); lived < 12*time.Hour {
			t.Errorf("in half a minute the PSP has lived %s", lived)
		}
		psp.Settle()
		<-done
	})
}

func TestABookedRowStandsWhereItIsPut(t *testing.T) {
	psp := newPSP(t, func(o *Options) { o.Transactions = 10 })
	at := psp.Clock().Add(-5 * time.Second)
	id := psp.Book(at)
	all := psp.Transactions()
	if m := all[len(all)-1]; m.ID != id || !m.UpdatedAt.Equal(at) || !m.CreatedAt.Equal(at) {
		t.Errorf("%+v is not %s at %s", m, id, at)
	}
	checkSums(t, psp)
}
