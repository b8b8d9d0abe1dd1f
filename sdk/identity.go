package sdk

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/weirhq/weir/wire"
)

// ID makes one id of the parts that together tell a record from all others,
// for providers that have no id of their own: ID("DE89…", "EUR") is "DE89…:EUR".
//
// Different parts give different ids, whatever they hold. An id is made of
// characters that need no escape in a URL: others are written as "~" with two
// hexadecimal digits for each byte. Parts of which the id would be longer than
// the contract allows give a hash of themselves.
func ID(parts ...string) string {
	var id strings.Builder
	for i, part := range parts {
		if i > 0 {
			id.WriteByte(':')
		}
		writeEscaped(&id, part)
	}
	whole := id.String()
	switch {
	case len(whole) > idBytesMax:
		sum := sha256.Sum256([]byte(whole))
		return "~sha256:" + hex.EncodeToString(sum[:])
	case whole == "." || whole == "..":
		return strings.ReplaceAll(whole, ".", "~2e") // a path would lose them
	}
	return whole
}

// idBytesMax leaves room for the number of an occurrence.
const idBytesMax = wire.MaxIDBytes - 24

// writeEscaped writes the part so that neither ":" nor "*" is left in it.
func writeEscaped(id *strings.Builder, part string) {
	for i := range len(part) {
		c := part[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
			id.WriteByte(c)
		default:
			id.WriteByte('~')
			id.WriteString(hex.EncodeToString([]byte{c}))
		}
	}
}

// Occurrences tells true twins apart: two coffees on one day at one price in
// one shop, which a provider without ids shows as two equal lines. The first
// gets the [ID] of its parts, the second the same with "*2", and so on.
//
// It counts within a closed set that is always read whole, such as a statement
// or a booked day, and every reading begins with a new Occurrences. Then each
// reading gives the same ids, in whatever order the lines come: twins are equal,
// so it does not matter which of them is the first. The zero value is ready. It
// is not for many goroutines at once.
type Occurrences struct{ seen map[string]int }

// ID returns the id of this occurrence of the parts.
func (o *Occurrences) ID(parts ...string) string {
	id := ID(parts...)
	if o.seen == nil {
		o.seen = map[string]int{}
	}
	o.seen[id]++
	if n := o.seen[id]; n > 1 {
		return id + "*" + strconv.Itoa(n)
	}
	return id
}
