package simulator

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// kind says what a movement is, in the PSP's words.
type kind string

const (
	deposit    kind = "deposit"
	withdrawal kind = "withdrawal"
	internal   kind = "internal"
	fee        kind = "fee"
)

// state says how far a movement has come, in the PSP's words.
type state string

const (
	processing     state = "processing"
	settled        state = "settled"
	declined       state = "declined"
	voided         state = "voided"
	lapsed         state = "lapsed"
	reserved       state = "reserved"
	collected      state = "collected"
	collectFailed  state = "collect_failed"
	returned       state = "returned"
	returnFailed   state = "return_failed"
	returnUndone   state = "return_undone"
	chargedBack    state = "charged_back"
	chargebackWon  state = "chargeback_won"
	chargebackLost state = "chargeback_lost"
	underReview    state = "under_review"
)

// none stands for no movement, wallet or counterparty.
const none = -1

// party is who stands at one end of a movement: one of the customer's wallets,
// or one of the counterparties. Numbers count from 0; none is nobody.
type party struct {
	outside bool
	number  int
}

var nobody = party{number: none}

// movement is one movement of money in its present state. A returned part or a
// collected part is a movement of its own with a parent.
type movement struct {
	kind     kind
	state    state
	scheme   string
	currency currency
	// amount is above zero and never changed in place; moved is how much of it
	// went back or was collected by movements of their own.
	amount   *big.Int
	moved    big.Int
	from, to party
	parent   int
	// created and changed are the stamps as shown.
	created, changed instant
	poison           poison
}

// wallet is an account of the customer.
type wallet struct {
	name       string
	opened     instant
	currencies []currency
	// holdings stand beside the currencies.
	holdings []*big.Int
	// touched is when a holding changed last.
	touched instant
	poison  poison
}

// counterparty is somebody that money comes from or goes to.
type counterparty struct {
	name   string
	opened instant
	poison poison
}

// leftover is how much of the movement was not moved by others.
func (m *movement) leftover() *big.Int {
	return new(big.Int).Sub(m.amount, &m.moved)
}

// effects says how the movement counts for the holdings at its two ends: with
// its amount added (1), taken away (-1) or not at all. Holdings are the sum of
// these over all movements, at every instant.
func (m *movement) effects() (from, to int) {
	switch m.kind {
	case deposit:
		if m.parent != none {
			return 0, partEffect(m.state)
		}
		if m.state == settled || m.state == collected || m.state == chargebackWon {
			return 0, 1
		}
	case withdrawal, internal:
		// Money that is on its way is gone from where it was.
		if m.state == processing || m.state == settled {
			from = -1
		}
		if m.state == settled {
			to = 1
		}
		return from, to
	case fee:
		return -1, 0
	}
	return 0, 0
}

// partEffect is the effect of a movement that belongs to a deposit.
func partEffect(s state) int {
	switch s {
	case collected:
		return 1
	case returned:
		return -1
	}
	return 0
}

// book adds a movement that is complete, and returns its number.
func (p *PSP) book(m movement) int {
	number := len(p.movements)
	p.movements = append(p.movements, m)
	p.movementOrder.insert(place{m.changed, number})
	p.count(&m, 1)
	return number
}

// change lets edit make something else of the movement at the stamp given.
func (p *PSP) change(number int, at instant, edit func(*movement)) {
	m := &p.movements[number]
	p.count(m, -1)
	p.movementOrder.remove(place{m.changed, number})
	edit(m)
	if !p.faults.Has(FrozenStamps) || p.rand.IntN(frozenOneIn) != 0 {
		m.changed = at
	}
	p.movementOrder.insert(place{m.changed, number})
	p.count(m, 1)
}

// frozenOneIn is how many changes there are to one that does not move the stamp,
// on a PSP with that fault.
const frozenOneIn = 4

// count adds the movement's effects to the holdings, or takes them away.
func (p *PSP) count(m *movement, sign int64) {
	from, to := m.effects()
	p.hold(m.from, m.currency, m.amount, sign*int64(from))
	p.hold(m.to, m.currency, m.amount, sign*int64(to))
}

func (p *PSP) hold(at party, c currency, amount *big.Int, factor int64) {
	if factor == 0 || at.outside || at.number == none {
		return
	}
	w := &p.wallets[at.number]
	i := slices.Index(w.currencies, c)
	w.holdings[i].Add(w.holdings[i], new(big.Int).Mul(amount, big.NewInt(factor)))
	w.touched = max(w.touched+1, p.clock)
}

// found opens what is there on the first day, over the year before it.
func (p *PSP) found(wallets, counterparties int) {
	for i := range wallets {
		p.openWallet(p.foundingStamp(i, wallets))
	}
	for i := range counterparties {
		p.openCounterparty(p.foundingStamp(i, counterparties))
	}
	if p.faults.Has(Poison) {
		for i := range poisonedOf(wallets) {
			p.wallets[wallets-1-i].poison = accountPoisons[i%len(accountPoisons)]
		}
		for i := range poisonedOf(counterparties) {
			p.counterparties[counterparties-1-3*i].poison = accountPoisons[(i+1)%len(accountPoisons)]
		}
	}
}

// foundingStamp spreads the first openings over the year before life begins;
// with ties over a few moments, so that hundreds share each.
func (p *PSP) foundingStamp(i, count int) instant {
	if p.faults.Has(Future) && i == count/2 {
		return p.future()
	}
	if p.faults.Has(Ties) {
		i -= i % tiedOpenings
	}
	return p.start - 365*day + 364*day/instant(count)*instant(i)
}

// tiedOpenings is how many accounts, or beneficiaries, share one instant.
const tiedOpenings = 300

func (p *PSP) openWallet(at instant) {
	number := len(p.wallets)
	first := currency(number % len(currencies))
	w := wallet{
		name: walletName(number), opened: p.shown(at), touched: p.clock,
		currencies: []currency{first},
	}
	if number%3 == 0 {
		w.currencies = append(w.currencies, currency((number+1)%len(currencies)))
	}
	for _, c := range w.currencies {
		w.holdings = append(w.holdings, new(big.Int))
		p.holders[c] = append(p.holders[c], number)
	}
	p.wallets = append(p.wallets, w)
	p.walletOrder.insert(place{w.opened, number})
}

func (p *PSP) openCounterparty(at instant) {
	number := len(p.counterparties)
	c := counterparty{name: counterpartyName(number), opened: p.shown(at)}
	p.counterparties = append(p.counterparties, c)
	p.counterpartyOrder.insert(place{c.opened, number})
}

// Identifiers are a letter or two for the kind and the number from 1, padded so
// that their order as text is the order of the numbers.

func walletID(number int) string       { return fmt.Sprintf("wal_%06d", number+1) }
func counterpartyID(number int) string { return fmt.Sprintf("cp_%08d", number+1) }
func movementID(number int) string     { return fmt.Sprintf("mv_%010d", number+1) }

// numberOf reads the number from an identifier that begins with prefix.
func numberOf(id, prefix string, count int) (int, bool) {
	digits, ok := strings.CutPrefix(id, prefix)
	number, err := strconv.Atoi(digits)
	return number - 1, ok && err == nil && number >= 1 && number <= count
}

// The names have what names have: letters of many scripts, quotes, ampersands.
var (
	purposes = []string{"Main", "Payouts", "Reserve", "Marketplace", "Fees & charges", "Tax", "Refunds", "Règlement"}
	people   = []string{
		"Ada Lovelace", "Søren Aabye", "Müller & Söhne", "株式会社みずうみ", "O'Brien \"Bikes\" Ltd", "Zoë Ångström",
		"Ирина Соколова", "شركة النور", "Café <Lumière>", "Łukasz Żółć",
	}
)

func walletName(number int) string {
	return fmt.Sprintf("%s %d", purposes[number%len(purposes)], number/len(purposes)+1)
}

func counterpartyName(number int) string {
	return fmt.Sprintf("%s %d", people[number%len(people)], number/len(people)+1)
}
