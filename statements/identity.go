package statements

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strconv"
	"strings"
)

// The identity of a movement. A bank tells of one movement several times: in
// reports during the day, at its end, in notifications, and again when a file
// is sent twice. It has to come out as one, and two that look alike as two.
//
// A movement's print is a hash of its account, amount, direction, currency and
// booking date with the account servicer's reference, or, where there is none,
// with everything that the file says about it that a second telling repeats.
// The servicer's reference alone is not enough: banks use one reference for
// all bookings of a standing order. Movements with the same print are told
// apart by counting, and [Book] says which of them a file means.

// idBytes is the length of an id before it is written in hexadecimal. 160 bits
// do not collide by chance.
const idBytes = 20

// digest is a hash of parts that can't be mistaken for other parts.
func digest(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		_, _ = io.WriteString(h, strconv.Itoa(len(part))+":"+part)
	}
	return hex.EncodeToString(h.Sum(nil)[:idBytes])
}

// direction of money, in prints.
func (d *Detail) sign() string {
	if d.Credit {
		return "+"
	}
	return "-"
}

// print identifies the movement within its account, up to counting.
func (e *Entry) print() string {
	day := e.Booking.Day()
	if day == "" {
		day = "valued " + e.Value.Day()
	}
	money := e.sign() + e.Minor.String() + e.Currency
	if e.ServicerRef != "" {
		return digest("servicer", e.ServicerRef, money, day)
	}
	return digest("text", money, day, e.Value.Day(), e.said())
}

// said is what the file tells about a transaction beside its money and dates.
func (d *Detail) said() string {
	return digest(d.EndToEnd, d.Instruction, d.Transaction, d.Mandate, d.UETR, d.Cheque, d.Customer,
		d.CreditorRef, d.Text, d.Party.Account, d.Party.Name)
}

// print identifies a transaction within its entry, up to counting.
func (d *Detail) print() string {
	return digest(d.sign()+d.Minor.String()+d.Currency, d.ServicerRef, d.said())
}

// pendingLinks are what a pending entry and the booked one that follows it
// have in common, the surest first. The last is weak, and good enough: a
// booked entry takes over at most one pending one, so that the number of
// movements comes out right even where two look alike.
func (e *Entry) pendingLinks() []string {
	money := e.sign() + e.Minor.String() + e.Currency
	var links []string
	if e.ServicerRef != "" {
		links = append(links, digest("servicer", e.ServicerRef, e.sign(), e.Currency))
	}
	for _, ref := range []string{e.EndToEnd, e.Transaction, e.UETR} {
		if ref != "" {
			links = append(links, digest("reference", ref, money))
		}
	}
	return append(links, digest("money", money, e.Value.Day()))
}

// references are the names under which a later return may speak of a transaction.
func (d *Detail) references() []string {
	var refs []string
	for _, ref := range []string{d.EndToEnd, d.Transaction, d.UETR, d.ServicerRef, d.Instruction} {
		if ref == "" {
			continue
		}
		again := false
		for _, other := range refs {
			again = again || other == ref
		}
		if !again {
			refs = append(refs, ref)
		}
	}
	return refs
}

// ContractID makes an id of the contract from an identification of the bank.
// Such ids stand in paths, unescaped, so every byte but letters, digits, point,
// hyphen and underscore is written as a tilde and two digits; two
// identifications never make one id.
func ContractID(identification string) string {
	safe := true
	for i := range len(identification) {
		safe = safe && isPathSafe(identification[i])
	}
	if safe {
		return identification
	}
	var out strings.Builder
	for i := range len(identification) {
		c := identification[i]
		if isPathSafe(c) {
			out.WriteByte(c)
		} else {
			out.WriteString("~" + hex.EncodeToString([]byte{c}))
		}
	}
	return out.String()
}

func isPathSafe(c byte) bool {
	return isDigit(c) || isUpper(c) || 'a' <= c && c <= 'z' || c == '.' || c == '-' || c == '_'
}
