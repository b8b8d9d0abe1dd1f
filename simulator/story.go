package simulator

import (
	"math/big"
	"time"
)

// The waits, in intervals: settling takes hours where movements come every few
// minutes, a return takes a day, a dispute longer.
const (
	shortly  = 20
	nextDay  = 200
	someWeek = 500
)

// On a PSP with poison or rows from the future, one arrival in so many is such
// a record, up to a bound: they are a nuisance, not the bulk.
const (
	poisonOneIn = 97
	poisonMax   = 40
	futureOneIn = 301
	futureMax   = 12
	digitsOneIn = 10
)

// begin lets a new movement begin at the instant given.
func (p *PSP) begin(at instant) {
	if len(p.wallets) == 0 {
		return
	}
	if p.beginOdd(at) {
		return
	}
	switch draw := p.rand.IntN(100); {
	case draw < 20:
		p.beginWithdrawal(at)
	case draw < 34:
		p.beginInternal(at)
	case draw < 42:
		p.beginFee(at)
	default:
		p.beginDeposit(at)
	}
}

// beginOdd begins a movement that is poisoned or dated in the future, where it
// is time for one. Neither ever changes.
func (p *PSP) beginOdd(at instant) bool {
	p.begun++
	switch {
	case p.faults.Has(Poison) && p.begun%poisonOneIn == poisonOneIn/2 && p.poisons < poisonMax:
		m := p.newDeposit(at)
		m.state, m.poison = settled, transactionPoisons[p.poisons%len(transactionPoisons)]
		p.poisons++
		p.book(m)
	case p.faults.Has(Future) && p.begun%futureOneIn == futureOneIn/2 && p.futures < futureMax:
		m := p.newDeposit(p.future())
		m.state = settled
		p.book(m)
	default:
		return false
	}
	return true
}

// Book puts a settled deposit into the books, stamped as if it had been created
// and changed at the instant given, whatever the clock says, and returns its
// identifier. It is for tests that want a row just there. The PSP must have an
// account.
func (p *PSP) Book(at time.Time) (id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.newDeposit(instantOf(at))
	m.state = settled
	return movementID(p.book(m))
}

// newDeposit is money that comes in, in no state yet.
func (p *PSP) newDeposit(at instant) movement {
	to := p.rand.IntN(len(p.wallets))
	m := movement{
		kind: deposit, currency: p.heldBy(to), from: nobody, to: party{number: to}, parent: none,
		scheme: draw(p, "card_visa", "card_mastercard", "sepa_credit", "ach", "rtp", "a2a", "voucher"),
	}
	m.created, m.changed = p.shown(at), p.shown(at)
	if len(p.counterparties) > 0 && p.rand.IntN(3) == 0 {
		m.from = party{outside: true, number: p.rand.IntN(len(p.counterparties))}
	}
	m.amount = drawAmount(p.rand, m.currency)
	if p.digits > 0 && len(p.movements)%digitsOneIn == 0 {
		m.amount = drawDigits(p.rand, p.digits)
	}
	return m
}

func (p *PSP) beginDeposit(at instant) {
	m := p.newDeposit(at)
	switch draw := p.rand.IntN(100); {
	case draw < 25:
		m.state, m.scheme = reserved, "card_visa"
	case draw < 28:
		m.state = underReview
	case draw < 45:
		m.state = settled
	default:
		m.state = processing
	}
	p.follow(p.book(m))
}

func (p *PSP) beginWithdrawal(at instant) {
	from := p.rand.IntN(len(p.wallets))
	held := p.wallets[from].holdings[0]
	if held.Sign() <= 0 || len(p.counterparties) == 0 {
		p.beginDeposit(at)
		return
	}
	p.follow(p.book(movement{
		kind: withdrawal, state: processing, scheme: draw(p, "sepa_credit", "ach", "rtp"),
		currency: p.wallets[from].currencies[0], amount: part(p.rand, part(p.rand, held)), parent: none,
		from:    party{number: from},
		to:      party{outside: true, number: p.rand.IntN(len(p.counterparties))},
		created: p.shown(at), changed: p.shown(at),
	}))
}

func (p *PSP) beginInternal(at instant) {
	from := p.rand.IntN(len(p.wallets))
	c := p.wallets[from].currencies[0]
	to := p.holders[c][p.rand.IntN(len(p.holders[c]))]
	held := p.wallets[from].holdings[0]
	if held.Sign() <= 0 || to == from {
		p.beginDeposit(at)
		return
	}
	p.follow(p.book(movement{
		kind: internal, state: processing, scheme: "book", currency: c, amount: part(p.rand, part(p.rand, held)), parent: none,
		from: party{number: from}, to: party{number: to}, created: p.shown(at), changed: p.shown(at),
	}))
}

func (p *PSP) beginFee(at instant) {
	from := p.rand.IntN(len(p.wallets))
	p.book(movement{
		kind: fee, state: settled, currency: p.wallets[from].currencies[0], amount: big.NewInt(1 + p.rand.Int64N(400)),
		parent: none, from: party{number: from}, to: nobody, created: p.shown(at), changed: p.shown(at),
	})
}

// heldBy is one of the currencies of a wallet.
func (p *PSP) heldBy(number int) currency {
	held := p.wallets[number].currencies
	return held[p.rand.IntN(len(held))]
}

// become takes a movement to another state.
func (p *PSP) become(number int, is state, at instant) {
	m := &p.movements[number]
	if (is == returned || is == chargedBack) && m.moved.Sign() > 0 {
		// A part of it has gone back already; all of it can't any more.
		return
	}
	if is == returnUndone {
		moved := &p.movements[m.parent].moved
		moved.Sub(moved, m.amount)
	}
	p.change(number, p.shown(at), func(m *movement) {
		if m.state == reserved && is == collected && p.rand.IntN(3) == 0 {
			m.amount = part(p.rand, m.amount)
		}
		m.state = is
	})
	p.follow(number)
}

// movePart moves a part of a movement by one of its own: a return of what was
// settled, or a collection of what was reserved.
func (p *PSP) movePart(number int, is state, at instant) {
	m := &p.movements[number]
	left := m.leftover()
	if left.Sign() <= 0 {
		return
	}
	child := movement{
		kind: m.kind, state: is, scheme: m.scheme, currency: m.currency, amount: part(p.rand, left),
		from: m.from, to: m.to, parent: number, created: p.shown(at), changed: p.shown(at),
	}
	if is == collected || is == returned {
		m.moved.Add(&m.moved, child.amount)
	}
	again := event{act: actPart, number: number, was: m.state, is: is}
	switch is {
	case collectFailed:
		again.is = collected
	case returnFailed:
		again.is = returned
	}
	p.follow(p.book(child))
	if p.rand.IntN(2) == 0 {
		p.plan(again, nextDay)
	}
}

// follow plans what follows from the state that a movement has come to.
func (p *PSP) follow(number int) {
	m := &p.movements[number]
	become := func(is state, intervals float64) {
		p.plan(event{act: actBecome, number: number, was: m.state, is: is}, intervals)
	}
	chance := p.rand.IntN(100)
	switch {
	case m.parent != none:
		if m.state == returned && chance < 20 {
			become(returnUndone, nextDay)
		}
	case m.state == processing:
		become(p.outcome(m.kind, chance), shortly)
	case m.state == underReview && chance < 70:
		become(settled, shortly)
	case m.state == reserved:
		p.followReserved(number, chance)
	case m.kind == deposit && (m.state == settled || m.state == collected):
		p.followSettled(number, chance)
	case m.state == chargedBack:
		switch {
		case chance < 50:
			become(chargebackWon, someWeek)
		case chance < 80:
			become(chargebackLost, someWeek)
		default:
			become(settled, nextDay)
		}
	case m.state == chargebackWon && chance < 30:
		become(chargedBack, nextDay)
	}
}

// outcome is how what is processing ends.
func (p *PSP) outcome(k kind, chance int) state {
	switch {
	case chance < 84:
		return settled
	case chance < 94:
		return declined
	case chance < 98 && k == deposit:
		return lapsed
	}
	return voided
}

// followReserved collects what was reserved: by the same movement, by others,
// or not at all.
func (p *PSP) followReserved(number, chance int) {
	e := event{act: actBecome, number: number, was: reserved}
	switch {
	case chance < 45:
		e.is = collected
	case chance < 80:
		e.act, e.is = actPart, collected
	case chance < 85:
		e.act, e.is = actPart, collectFailed
	case chance < 93:
		e.is = lapsed
	default:
		e.is = voided
	}
	p.plan(e, shortly)
}

// followSettled lets some of what has come in go back.
func (p *PSP) followSettled(number, chance int) {
	e := event{act: actBecome, number: number, was: p.movements[number].state}
	switch {
	case chance < 8:
		e.act, e.is = actPart, returned
	case chance < 9:
		e.act, e.is = actPart, returnFailed
	case chance < 12 && p.movements[number].moved.Sign() == 0:
		e.is = returned
	case chance < 17 && p.movements[number].moved.Sign() == 0 && e.was == settled:
		p.plan(event{act: actBecome, number: number, was: settled, is: chargedBack}, nextDay)
		return
	default:
		return
	}
	p.plan(e, nextDay)
}

// draw picks one of the choices.
func draw(p *PSP, choices ...string) string { return choices[p.rand.IntN(len(choices))] }
