package simulator

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/weirhq/weir/wire"
)

// The resources of a service, in the contract's words.
const (
	Accounts      = "accounts"
	Balances      = "balances"
	Beneficiaries = "beneficiaries"
	Transactions  = "transactions"
)

// Accounts returns every account as the service shows it, in the order of ids,
// except those that can't be read.
func (p *PSP) Accounts() []wire.Account {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return truth(len(p.wallets), func(i int) poison { return p.wallets[i].poison }, p.wallet, account)
}

// Beneficiaries returns every beneficiary, as Accounts does accounts.
func (p *PSP) Beneficiaries() []wire.Beneficiary {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return truth(len(p.counterparties), func(i int) poison { return p.counterparties[i].poison }, p.counterparty, beneficiary)
}

// Transactions returns every transaction, as Accounts does accounts. Where there
// are very many, Records is kinder.
func (p *PSP) Transactions() []wire.Transaction {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return truth(len(p.movements), func(i int) poison { return p.movements[i].poison }, p.movement, transaction)
}

// Balances returns what each account holds, in the order of ids. An account that
// can't be read has no balances: nobody knows that there is one.
func (p *PSP) Balances() []wire.Balances {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return truth(len(p.wallets), func(i int) poison { return p.wallets[i].poison }, p.holdings, balances)
}

func truth[P, W any](count int, how func(int) poison, show func(int) P, translate func(*P) (W, error)) []W {
	rows := make([]W, 0, count)
	for i := range count {
		if how(i) != sound {
			continue
		}
		shown := show(i)
		row, err := translate(&shown)
		if err != nil {
			panic(fmt.Sprintf("simulator: record %d can't be translated: %v", i, err))
		}
		rows = append(rows, row)
	}
	return rows
}

// Records yields the id and the exact JSON bytes of every record of a resource,
// in the order of ids, as the service serves them now: flaws included, poisoned
// records left out. A balance has the id "account asset" and its amount as
// content, because an answer about an account is one record to some readers and
// several to others. The PSP stands still while it is read. The bytes are good
// until the next pair.
func (p *PSP) Records(resource string) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		p.mu.RLock()
		defer p.mu.RUnlock()
		if resource == Balances {
			p.balanceRecords(yield)
			return
		}
		for number := range p.countOf(resource) {
			id, raw, how := p.record(resource, number)
			if how == sound && !yield(id, p.serve(resource, raw)) {
				return
			}
		}
	}
}

func (p *PSP) balanceRecords(yield func(string, []byte) bool) {
	for number := range p.wallets {
		if p.wallets[number].poison != sound {
			continue
		}
		holdings := p.holdings(number)
		shown := must(balances(&holdings))
		slices.SortFunc(shown.Balances, func(a, b wire.Balance) int { return strings.Compare(a.Currency, b.Currency) })
		for _, held := range shown.Balances {
			if !yield(shown.AccountID+" "+held.Currency, []byte(held.Amount)) {
				return
			}
		}
	}
}

func (p *PSP) countOf(resource string) int {
	switch resource {
	case Accounts:
		return len(p.wallets)
	case Beneficiaries:
		return len(p.counterparties)
	case Transactions:
		return len(p.movements)
	}
	return 0
}

// record gives the sound bytes of one record.
func (p *PSP) record(resource string, number int) (id string, raw []byte, how poison) {
	var list []byte
	switch resource {
	case Accounts:
		shown := p.wallet(number)
		id, how, list = shown.ID, p.wallets[number].poison, must(wire.Encode([]wire.Account{must(account(&shown))}))
	case Beneficiaries:
		shown := p.counterparty(number)
		id, how, list = shown.ID, p.counterparties[number].poison, must(wire.Encode([]wire.Beneficiary{must(beneficiary(&shown))}))
	default:
		shown := p.movement(number)
		id, how, list = shown.ID, p.movements[number].poison, must(wire.Encode([]wire.Transaction{must(transaction(&shown))}))
	}
	return id, list[1 : len(list)-1], how
}

// must is for what can fail only by a mistake of this package.
func must[T any](value T, err error) T {
	if err != nil {
		panic("simulator: " + err.Error())
	}
	return value
}

// Poisoned is a record that no reader can understand.
type Poisoned struct {
	Resource string
	// ID is the record's identifier at the PSP, ShownID what can be read of it
	// in Raw: the same, or empty.
	ID, ShownID string
	// Raw is the record as the service serves it.
	Raw []byte
	// Why says what is wrong.
	Why string
}

// Poisoned lists the records that can't be read now, resource by resource in
// the order of ids. They are what must stand in quarantine.
func (p *PSP) Poisoned() []Poisoned {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var list []Poisoned
	for _, resource := range []string{Accounts, Beneficiaries, Transactions} {
		for number := range p.countOf(resource) {
			if _, how := p.poisonAt(resource, number); how == sound {
				continue
			}
			id, raw, how := p.record(resource, number)
			poisoned := Poisoned{Resource: resource, ID: id, ShownID: id, Raw: p.serve(resource, raw), Why: how.why()}
			if how == idEmpty || how == noObject || how == wrongShape {
				poisoned.ShownID = ""
			}
			list = append(list, poisoned)
		}
	}
	return list
}

// Digest is the proof of a resource: the number of records and a hash over the
// id and content of each, in order of ids. Both sides make it of their own rows,
// and where the digests are equal the rows are.
type Digest struct {
	Count int
	// Hash is SHA-256 in hexadecimal.
	Hash string
}

// DigestOf makes the digest of records that come in the order of their ids.
func DigestOf(records iter.Seq2[string, []byte]) Digest {
	hash := sha256.New()
	count := 0
	var sizes []byte
	for id, content := range records {
		// The lengths stand before the texts, so that no two lists of records
		// run together to the same bytes.
		sizes = binary.AppendUvarint(sizes[:0], uint64(len(id)))
		sizes = binary.AppendUvarint(sizes, uint64(len(content)))
		hash.Write(sizes)
		hash.Write([]byte(id))
		hash.Write(content)
		count++
	}
	return Digest{count, hex.EncodeToString(hash.Sum(nil))}
}
