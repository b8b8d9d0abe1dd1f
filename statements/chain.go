package statements

import (
	"fmt"
	"math/big"
	"sort"
	"strconv"
)

// Link is a statement as a part of its account's chain.
type Link struct {
	Account, Currency string
	Kind              Kind
	// Number is the statement's in its account's sequence, as the file has it.
	Number string
	Page   int
	// From and To are the days, YYYY-MM-DD, of the opening and the closing balance.
	From, To string
	// Opening and Closing are nil where the file has none in the account's currency.
	Opening, Closing *big.Int
	// File is where it was first read.
	File string
}

// Gap is a place where two statements of one account do not chain.
type Gap struct {
	Account, Currency string
	// After and Before are the days between which something is missing.
	After, Before string
	// Missing is what the next statement opens with more than the one before
	// closed with; nil when that is not known.
	Missing *big.Int
	// Why is a sentence.
	Why string
}

// Chain finds the gaps between the statements of one account. It wants those
// that are final, each once, in any order. Days without a statement are no gap:
// banks send none when nothing happened, and the balances and numbers tell.
func Chain(links []Link, places Places) []Gap {
	sort.SliceStable(links, func(i, j int) bool {
		a, b := links[i], links[j]
		switch {
		case a.To != b.To:
			return a.To < b.To
		case a.From != b.From:
			return a.From < b.From
		}
		an, aok := sequence(a.Number)
		bn, bok := sequence(b.Number)
		if aok && bok && an != bn {
			return an < bn
		}
		return a.Page < b.Page
	})
	var gaps []Gap
	for i := 1; i < len(links); i++ {
		before, after := links[i-1], links[i]
		if gap, ok := between(before, after, places); ok {
			gaps = append(gaps, gap)
		}
	}
	return gaps
}

// between compares two neighbours.
func between(before, after Link, places Places) (Gap, bool) {
	g := Gap{Account: after.Account, Currency: after.Currency, After: before.To, Before: after.From}
	if g.Before == "" {
		g.Before = after.To
	}
	if before.Closing != nil && after.Opening != nil {
		if before.Closing.Cmp(after.Opening) == 0 {
			// A statement in between may hold movements that cancel out.
			why := skipped(before, after)
			g.Missing = new(big.Int)
			g.Why = fmt.Sprintf("the balances of the statements to %s and from %s fit%s", before.To, g.Before, why)
			return g, why != ""
		}
		g.Missing = new(big.Int).Sub(after.Opening, before.Closing)
		g.Why = fmt.Sprintf("the statement to %s closes with %s, the next from %s opens with %s: %s are missing between them",
			before.To, places.decimal(before.Closing, before.Currency), g.Before,
			places.decimal(after.Opening, after.Currency), places.decimal(g.Missing, after.Currency))
		g.Why += skipped(before, after)
		return g, true
	}
	if why := skipped(before, after); why != "" {
		g.Why = fmt.Sprintf("between the statements to %s and from %s%s", before.To, g.Before, why)
		return g, true
	}
	return g, false
}

// skipped says which numbers are missing between two statements; empty when
// none are, or when it can't be said. Many banks begin again each year.
func skipped(before, after Link) string {
	a, aok := sequence(before.Number)
	b, bok := sequence(after.Number)
	sameYear := len(before.To) >= 4 && len(after.To) >= 4 && before.To[:4] == after.To[:4]
	if !aok || !bok || b <= a+1 || !sameYear && b == 1 {
		return ""
	}
	if b == a+2 {
		return fmt.Sprintf(", number %d has not come", a+1)
	}
	return fmt.Sprintf(", numbers %d to %d have not come", a+1, b-1)
}

// sequence reads a statement number.
func sequence(number string) (int64, bool) {
	n, err := strconv.ParseInt(number, 10, 64)
	return n, err == nil && n > 0
}
