package simulator

import (
	"context"
	"fmt"
	"math/big"
)

// Instruction asks the PSP to move money. The reference is the client's, and is
// unique for ever: the same instruction twice is one movement.
type Instruction struct {
	Reference string            `json:"reference"`
	From      string            `json:"from"`
	To        string            `json:"to"`
	Money     Money             `json:"money"`
	Text      string            `json:"text,omitempty"`
	Tags      map[string]string `json:"tags,omitempty"`
}

// Receipt is the PSP's word that it has taken an instruction: the movement as
// it was then, the same for every repetition.
type Receipt struct {
	Movement    Movement    `json:"movement"`
	Instruction Instruction `json:"instruction"`
}

// instruction is a receipt and what it was given for.
type instruction struct {
	wanted  string
	receipt Receipt
}

// Withdraw sends money from a wallet to a counterparty. A reference that was
// used before gets its receipt again, or ErrConflict where the instruction
// differs; what can't be done is ErrRequest, and nothing has moved.
func (p *PSP) Withdraw(_ context.Context, i Instruction) (Receipt, error) {
	return p.instruct(withdrawal, i)
}

// Move moves money from one wallet to another, as Withdraw does to a counterparty.
func (p *PSP) Move(_ context.Context, i Instruction) (Receipt, error) {
	return p.instruct(internal, i)
}

func (p *PSP) instruct(k kind, i Instruction) (Receipt, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	wanted := fmt.Sprintf("%q %q %q %q %q", k, i.From, i.To, i.Money, i.Text)
	if known, ok := p.instructions[i.Reference]; ok {
		if known.wanted != wanted {
			return Receipt{}, fmt.Errorf("%w: reference %.40q was used for something else", ErrConflict, i.Reference)
		}
		return known.receipt, nil
	}
	m, err := p.instructed(k, i)
	if err != nil {
		return Receipt{}, err
	}
	at := p.stamp(p.clock)
	m.created, m.changed = p.shown(at), p.shown(at)
	if p.over {
		// Nothing happens any more, so it has to happen now.
		m.state = settled
	}
	number := len(p.movements)
	p.references[number] = i.Reference
	p.book(m)
	receipt := Receipt{p.movement(number), i}
	p.instructions[i.Reference] = &instruction{wanted, receipt}
	if !p.over {
		p.follow(number)
	}
	return receipt, nil
}

// instructed is the movement that an instruction asks for.
func (p *PSP) instructed(k kind, i Instruction) (movement, error) {
	refuse := func(why string) (movement, error) {
		return movement{}, fmt.Errorf("%w: %s", ErrRequest, why)
	}
	from, ok := numberOf(i.From, "wal_", len(p.wallets))
	if !ok {
		return refuse("there is no such wallet to pay from")
	}
	to, prefix, count := party{outside: k == withdrawal}, "wal_", len(p.wallets)
	if to.outside {
		prefix, count = "cp_", len(p.counterparties)
	}
	if to.number, ok = numberOf(i.To, prefix, count); !ok || !to.outside && to.number == from {
		return refuse("there is nobody to pay to under that name")
	}
	if i.Reference == "" {
		return refuse("an instruction needs a reference")
	}
	amount, held, c := p.affordable(from, i.Money)
	if amount == nil || amount.Sign() <= 0 {
		return refuse("that is no amount that this wallet can hold")
	}
	if amount.Cmp(held) > 0 {
		return refuse("the wallet does not hold so much")
	}
	if !to.outside && !p.holds(to.number, c) {
		return refuse("the wallet to pay to has no such currency")
	}
	return movement{
		kind: k, state: processing, scheme: "rtp", currency: c, amount: amount, parent: none,
		from: party{number: from}, to: to,
	}, nil
}

// affordable reads the amount in a currency of the wallet, and what the wallet
// holds of it. The amount is nil where it is none.
func (p *PSP) affordable(wallet int, m Money) (amount, held *big.Int, c currency) {
	w := &p.wallets[wallet]
	for i, c := range w.currencies {
		if c.code() == m.Currency {
			amount, err := parseDecimal(m.Amount, c.places())
			if err != nil {
				return nil, nil, c
			}
			return amount, w.holdings[i], c
		}
	}
	return nil, nil, 0
}

func (p *PSP) holds(wallet int, c currency) bool {
	for _, held := range p.wallets[wallet].currencies {
		if held == c {
			return true
		}
	}
	return false
}
