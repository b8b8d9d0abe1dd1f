package simulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// poison is what makes a record unreadable; sound is nothing.
type poison int

const (
	sound poison = iota
	amountFraction
	amountExponent
	amountNumber
	amountEmpty
	idEmpty
	dateWithoutZone
	dateTruncated
	metadataNumber
	currencyUnknown
	noObject
	wrongShape
)

// transactionPoisons and accountPoisons are what can befall the records of each list.
var (
	transactionPoisons = []poison{
		amountFraction, idEmpty, dateWithoutZone, noObject, amountExponent, metadataNumber,
		amountNumber, currencyUnknown, dateTruncated, amountEmpty, wrongShape,
	}
	accountPoisons = []poison{metadataNumber, dateWithoutZone, idEmpty, noObject, dateTruncated}
)

// poisonedOf is how many of the first records of a list are poisoned.
func poisonedOf(count int) int {
	if count < 8 {
		return 0
	}
	return max(1, count/20)
}

// why says what is wrong with the record.
func (p poison) why() string {
	return map[poison]string{
		amountFraction:  "the amount has a decimal point",
		amountExponent:  "the amount has an exponent",
		amountNumber:    "the amount is a JSON number",
		amountEmpty:     "the amount is empty",
		idEmpty:         "the id is empty",
		dateWithoutZone: "a date has no zone",
		dateTruncated:   "a date has no time",
		metadataNumber:  "metadata holds a number",
		currencyUnknown: "the currency is no asset",
		noObject:        "the record is a text",
		wrongShape:      "the record is a list",
	}[p]
}

// apply makes the poisoned bytes out of the sound ones.
func (p poison) apply(raw []byte, stampField string) []byte {
	switch p {
	case sound:
		return raw
	case amountFraction:
		return replaceValue(raw, "amount", func([]byte) string { return `"12.50"` })
	case amountExponent:
		return replaceValue(raw, "amount", func([]byte) string { return `"1e3"` })
	case amountNumber:
		return replaceValue(raw, "amount", func(old []byte) string { return strings.Trim(string(old), `"`) })
	case amountEmpty:
		return replaceValue(raw, "amount", func([]byte) string { return `""` })
	case idEmpty:
		return replaceValue(raw, "id", func([]byte) string { return `""` })
	case dateWithoutZone:
		return replaceValue(raw, stampField, func(old []byte) string { return strings.Replace(string(old), "Z", "", 1) })
	case dateTruncated:
		return replaceValue(raw, stampField, func(old []byte) string { return string(old[:len(`"2026-01-01`)]) + `"` })
	case metadataNumber:
		return replaceValue(raw, "metadata", func([]byte) string { return `{"attempts":3}` })
	case currencyUnknown:
		return replaceValue(raw, "currency", func([]byte) string { return `"US$"` })
	case noObject:
		return fmt.Appendf(nil, `"%s is being migrated"`, idOf(raw))
	case wrongShape:
		return fmt.Appendf(nil, `["%s",1]`, idOf(raw))
	}
	return raw
}

// flaw makes a record that is not as it should be out of one that is, in one of
// four ways. It can be read all the same.
func flaw(raw []byte, number int) []byte {
	switch number % 4 {
	case 0: // The first key again, with the same value.
		return append(fmt.Appendf(nil, `{"id":%q,`, idOf(raw)), raw[1:]...)
	case 1: // A field that nobody knows, and white space.
		return append([]byte(`{ "x_internal": {"shard": [1, 2, null], "id": "other"}, `), raw[1:]...)
	case 2: // A status in a spelling of its own, which accounts do not have.
		return replaceValue(raw, "status", func(old []byte) string { return strings.ToLower(string(old)) })
	default: // Text in an encoding of the last century.
		return replaceValue(raw, "metadata", func([]byte) string { return "{\"note\":\"Gr\xfc\xdfe\"}" })
	}
}

// flawedOneIn is how many records there are to one that is flawed.
const flawedOneIn = 37

// Serve gives the bytes in which a service shows a record of the list called
// resource: the bytes given, unless the record is poisoned or flawed.
func (p *PSP) Serve(resource string, raw []byte) []byte {
	if !p.faults.Has(Poison) && !p.faults.Has(Flawed) {
		return raw
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.serve(resource, raw)
}

func (p *PSP) serve(resource string, raw []byte) []byte {
	number, how := p.poisonOf(resource, idOf(raw))
	switch {
	case how != sound && resource == Transactions:
		return how.apply(raw, "updatedAt")
	case how != sound:
		return how.apply(raw, "createdAt")
	case p.faults.Has(Flawed) && number >= 0 && number%flawedOneIn == flawedOneIn/3:
		return flaw(raw, number/flawedOneIn)
	}
	return raw
}

// poisonOf finds a record by its id.
func (p *PSP) poisonOf(resource, id string) (number int, how poison) {
	prefix := map[string]string{Accounts: "wal_", Beneficiaries: "cp_", Transactions: "mv_"}[resource]
	number, ok := numberOf(id, prefix, p.countOf(resource))
	if !ok {
		return none, sound
	}
	return p.poisonAt(resource, number)
}

func (p *PSP) poisonAt(resource string, number int) (int, poison) {
	switch resource {
	case Accounts:
		return number, p.wallets[number].poison
	case Beneficiaries:
		return number, p.counterparties[number].poison
	default:
		return number, p.movements[number].poison
	}
}

// Mend heals every poisoned record and returns how many there were. With touch
// a healed transaction moves its updatedAt, as a careful PSP does, and comes at
// the end of the list; without, it is found only by a reader who looks again.
// Accounts and beneficiaries are sorted by their creation, which never moves.
func (p *PSP) Mend(touch bool) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	mended := 0
	for i := range p.wallets {
		mended += heal(&p.wallets[i].poison)
	}
	for i := range p.counterparties {
		mended += heal(&p.counterparties[i].poison)
	}
	for i := range p.movements {
		healed := heal(&p.movements[i].poison)
		mended += healed
		if healed == 0 || !touch {
			continue
		}
		if at := p.shown(p.stamp(p.clock)); at > p.movements[i].changed {
			p.change(i, at, func(*movement) {})
		}
	}
	return mended
}

func heal(how *poison) int {
	if *how == sound {
		return 0
	}
	*how = sound
	return 1
}

// replaceValue replaces the value of a key of the object. The bytes come from
// an encoder, so the first key of that name is the object's own, and there is
// no white space.
func replaceValue(raw []byte, key string, with func(old []byte) string) []byte {
	before, rest, found := bytes.Cut(raw, []byte(`"`+key+`":`))
	if !found {
		return raw
	}
	var old json.RawMessage
	dec := json.NewDecoder(bytes.NewReader(rest))
	if dec.Decode(&old) != nil {
		return raw
	}
	after := rest[dec.InputOffset():]
	return fmt.Appendf(nil, `%s"%s":%s%s`, before, key, with(old), after)
}

// idOf reads the id of a record as an encoder wrote it: it stands first.
func idOf(raw []byte) string {
	rest, found := bytes.CutPrefix(raw, []byte(`{"id":"`))
	if !found {
		return ""
	}
	id, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(id)
}
