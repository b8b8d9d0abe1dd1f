// Package simulator is a payment service provider at its best and at its worst,
// for demonstrations, tests and proofs. [New] gives a [PSP] that lives: money
// comes in, is refunded, disputed and paid out, from a seed, and the same seed
// lives the same life. [NewService] is the integration service between that PSP
// and the generic connector contract, [Faults] is what may be wrong with either,
// and [PSP.Records] is the truth that a reader must end up with.
//
// The PSP has a REST protocol of its own, which is not the contract; [Handler]
// answers it and [Client] asks in it. [Start] wires all of it on loopback. Where
// a million rows are wanted and nothing but rows, [Dense] gives them.
//
// It is not a model of any real PSP and keeps nothing on disk. A reader who
// wants to know how money moves starts with life.go; one who wants to know
// how a service goes wrong starts with faults.go.
package simulator

import (
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// Options say what a PSP is born with. The zero value is an empty PSP; see [Defaults].
type Options struct {
	// Seed decides everything that is left to chance.
	Seed uint64
	// Faults are what is wrong with the PSP's data. What is wrong with the
	// service is in [ServiceOptions].
	Faults Faults
	// Accounts and Beneficiaries are there from the beginning; life adds a few.
	Accounts      int
	Beneficiaries int
	// Transactions is how many there are when New returns: life is played until
	// there are as many, or until Now.
	Transactions int
	// Start is when the first movement may happen. Zero means thirty days
	// before Now, or the first day of 2026 for a PSP that lives by its own clock.
	Start time.Time
	// Interval is the mean time between two new movements, and the unit in which
	// everything else takes its time. Zero means six minutes.
	Interval time.Duration
	// Now is the clock past which life never goes. Nil means that the PSP lives
	// by its own clock, which only Step and Advance move.
	Now func() time.Time
	// AmountDigits, when above zero, makes every tenth deposit an amount of so
	// many digits, for readers that say they keep them.
	AmountDigits int
}

// Defaults is a PSP small enough for a demonstration that ends within seconds,
// with a life long enough to have everything in it.
func Defaults() Options {
	return Options{Accounts: 12, Beneficiaries: 40, Transactions: 2500}
}

const (
	// defaultInterval fills ten of the thirty days before Now with the default
	// number of transactions and leaves twenty for what is played afterwards.
	defaultInterval = 6 * time.Minute
	defaultHistory  = 30 * 24 * time.Hour
	// amountDigitsMax is what the contract's readers accept.
	amountDigitsMax = 100
)

// PSP is the provider. Its methods may be called from many goroutines.
type PSP struct {
	seed     uint64
	faults   Faults
	start    instant
	interval instant
	digits   int
	now      func() time.Time

	mu   sync.RWMutex
	rand *rand.Rand
	// clock is how far life has come; moment is the last stamp given out.
	clock, moment instant
	// over says that life has been settled.
	over  bool
	queue queue
	// burst is how many more arrivals share the present moment.
	burst int
	// Counts: events planned, movements begun, records of special kinds, walks disturbed.
	planned, begun, futures, poisons, stir int

	wallets        []wallet
	counterparties []counterparty
	movements      []movement
	// The lists, in the order in which the protocol shows them.
	walletOrder, counterpartyOrder, movementOrder order
	// holders are the wallets of each currency.
	holders [len(currencies)][]int
	// instructions are the movements that clients asked for, by their reference.
	instructions map[string]*instruction
	references   map[int]string
}

// New gives a PSP with a history of as many transactions as the options ask for.
func New(options Options) (*PSP, error) {
	switch {
	case options.Accounts < 0 || options.Beneficiaries < 0 || options.Transactions < 0:
		return nil, errors.New("simulator: accounts, beneficiaries and transactions must not be negative")
	case options.Interval < 0:
		return nil, errors.New("simulator: the interval between transactions must not be negative")
	case options.AmountDigits < 0 || options.AmountDigits > amountDigitsMax:
		return nil, errors.New("simulator: amounts have at most 100 digits")
	}
	if options.Interval == 0 {
		options.Interval = defaultInterval
	}
	if options.Start.IsZero() {
		options.Start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		if options.Now != nil {
			options.Start = options.Now().Add(-defaultHistory).Truncate(time.Hour)
		}
	}
	p := &PSP{
		seed: options.Seed, faults: options.Faults, now: options.Now, digits: options.AmountDigits,
		start: instantOf(options.Start), interval: max(instant(options.Interval.Microseconds()), 1),
		rand: newRand(options.Seed, "life"), instructions: map[string]*instruction{}, references: map[int]string{},
	}
	p.clock, p.moment = p.start, p.start
	p.found(options.Accounts, options.Beneficiaries)
	p.push(event{at: p.start, act: actArrive})
	for len(p.movements) < options.Transactions && p.Step(1) > 0 {
	}
	return p, nil
}

// Clock is how far life has come.
func (p *PSP) Clock() time.Time {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.clock.Time()
}

// Len is the number of transactions that there are.
func (p *PSP) Len() int {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return len(p.movements)
}

// instant is a moment in microseconds since 1970, which is as fine as the
// protocol shows it and a third of the size of a time.Time.
type instant int64

func instantOf(t time.Time) instant { return instant(t.UnixMicro()) }

// Time is the moment in UTC.
func (i instant) Time() time.Time { return time.UnixMicro(int64(i)).UTC() }

const (
	second instant = 1_000_000
	hour           = 3600 * second
	day            = 24 * hour
)

// floor is the last whole unit at or before the moment.
func (i instant) floor(unit instant) instant {
	rest := i % unit
	if rest < 0 {
		rest += unit
	}
	return i - rest
}

// newRand gives the stream of chance for one purpose. Purposes have streams of
// their own, so that one that draws more does not change the others.
func newRand(seed uint64, purpose string) *rand.Rand {
	return rand.New(rand.NewPCG(seed, mix(0, purpose))) //nolint:gosec // chance that can be repeated is the point
}

// mix is a hash that is the same for ever: FNV-1a, and then the finalizer of
// splitmix64, because FNV alone leaves the high bits of short texts alike.
func mix(seed uint64, text string) uint64 {
	h := seed ^ 14695981039346656037
	for _, c := range []byte(text) {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return finish(h)
}

func finish(h uint64) uint64 {
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}
