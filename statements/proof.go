package statements

import (
	"fmt"
	"math/big"
)

// Verdict says whether a statement adds up.
type Verdict int

// The verdicts.
const (
	// Open means that the file does not hold what a proof needs; Proof.Why says what.
	Open Verdict = iota
	// AddsUp means that opening, entries and closing fit, and so do the totals
	// that the file gives.
	AddsUp
	// Differs means that they do not; the statement is delivered all the same.
	Differs
)

// Proof compares what a statement opens and closes with and what its booked
// entries come to, in minor units of Currency.
type Proof struct {
	Verdict  Verdict
	Currency string
	// Opening and Closing are nil where the file has none.
	Opening, Closing *big.Int
	// Sum is what the booked entries come to, Entries their number.
	Sum     *big.Int
	Entries int
	// Difference is what the closing balance has more than opening and
	// entries; nil where it can't be said.
	Difference *big.Int
	// Why is a sentence when the verdict is not AddsUp.
	Why string
}

// tally is what a statement's entries came to so far.
type tally struct {
	credits, debits         *big.Int
	creditCount, debitCount int
	// foreign counts booked entries in a currency that is not the account's;
	// notBooked those that are pending or information.
	foreign, notBooked int
	// broken is the first line whose running balance does not follow, with
	// what is missing there.
	brokenLine int
	brokenBy   *big.Int
}

func (t *tally) add(s *Statement, e *Entry) {
	if t.credits == nil {
		t.credits, t.debits = new(big.Int), new(big.Int)
	}
	switch {
	case e.Status != Booked && s.Kind != MT942:
		t.notBooked++
	case e.Currency != s.Account.Currency:
		t.foreign++
	case e.Credit:
		t.credits.Add(t.credits, e.Minor)
		t.creditCount++
	default:
		t.debits.Add(t.debits, e.Minor)
		t.debitCount++
	}
}

func (t *tally) sum() *big.Int {
	if t.credits == nil {
		return new(big.Int)
	}
	return new(big.Int).Sub(t.credits, t.debits)
}

// Proof says whether the statement adds up, once its last entry was handed out.
func (s *Statement) Proof(places Places) Proof {
	t := &s.sum
	p := Proof{Currency: s.Account.Currency, Sum: t.sum(), Entries: t.creditCount + t.debitCount}
	opening, opens := s.Opening()
	closing, closes := s.Closing()
	if opens {
		p.Opening = opening.Minor
	}
	if closes {
		p.Closing = closing.Minor
	}
	if why := t.against(s.Summary, places, p.Currency); why != "" && t.foreign == 0 {
		p.Verdict, p.Why = Differs, why
		return p
	}
	switch {
	case !opens && !closes && s.Summary.says():
		p.Verdict = AddsUp
	case !opens || !closes:
		p.Why = s.missing(opens, closes)
	case t.foreign > 0:
		p.Why = fmt.Sprintf("%d of the entries are not in the account's currency %s", t.foreign, p.Currency)
	default:
		p.Difference = new(big.Int).Sub(p.Closing, new(big.Int).Add(p.Opening, p.Sum))
		p.Verdict = AddsUp
		if p.Difference.Sign() != 0 {
			p.Verdict = Differs
			p.Why = fmt.Sprintf("opening %s and entries of %s should close at %s, the file says %s: a difference of %s",
				places.decimal(p.Opening, p.Currency), places.decimal(p.Sum, p.Currency),
				places.decimal(new(big.Int).Sub(p.Closing, p.Difference), p.Currency),
				places.decimal(p.Closing, p.Currency), places.decimal(p.Difference, p.Currency))
		} else if t.brokenLine > 0 {
			p.Verdict, p.Difference = Differs, t.brokenBy
			p.Why = fmt.Sprintf("the running balance of line %d is off by %s", t.brokenLine, places.decimal(t.brokenBy, p.Currency))
		}
	}
	return p
}

// missing says what a proof would have needed.
func (s *Statement) missing(opens, closes bool) string {
	what := "an opening and a closing balance"
	switch {
	case opens:
		what = "a closing balance"
	case closes:
		what = "an opening balance"
	}
	for _, b := range s.Balances {
		if b.Currency != s.Account.Currency {
			return fmt.Sprintf("the file has not %s in the account's currency %s", what, s.Account.Currency)
		}
	}
	return "the file has not " + what
}

func (m Summary) says() bool {
	return m.Credits != nil || m.Debits != nil || m.Count >= 0 || m.CreditCount >= 0 || m.DebitCount >= 0
}

// against compares with the totals that the file gives; empty when they agree.
func (t *tally) against(m Summary, places Places, currency string) string {
	for _, total := range []struct {
		what       string
		says, have int
	}{
		{"entries", m.Count, t.creditCount + t.debitCount + t.notBooked},
		{"credits", m.CreditCount, t.creditCount},
		{"debits", m.DebitCount, t.debitCount},
	} {
		if total.says >= 0 && total.says != total.have && t.notBooked == 0 {
			return fmt.Sprintf("the file says that it has %d %s and has %d", total.says, total.what, total.have)
		}
	}
	if t.notBooked > 0 {
		return "" // banks differ in whether their totals count what is not booked
	}
	for _, total := range []struct {
		what       string
		says, have *big.Int
	}{{"credits", m.Credits, t.credits}, {"debits", m.Debits, t.debits}} {
		have := total.have
		if have == nil {
			have = new(big.Int)
		}
		if total.says != nil && total.says.Cmp(have) != 0 {
			return fmt.Sprintf("the file says that its %s are %s and they are %s",
				total.what, places.decimal(total.says, currency), places.decimal(have, currency))
		}
	}
	return ""
}
