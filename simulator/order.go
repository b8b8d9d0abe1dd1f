package simulator

import (
	"slices"
	"sort"
)

// place is where a record stands in a list: by its stamp, and among equal
// stamps by its number.
type place struct {
	stamp  instant
	number int
}

func (p place) before(other place) bool {
	return p.stamp < other.stamp || p.stamp == other.stamp && p.number < other.number
}

// blockMax bounds what one insertion moves. With blocks of 512 a list of a
// million has 2,000 of them, which is as quickly counted through.
const blockMax = 512

// order is a sorted list of places, in blocks, that finds a place by its rank.
// Records move in it whenever they change; most moves are to the end.
type order struct {
	blocks [][]place
	total  int
}

// insert adds a place that is not there yet.
func (o *order) insert(p place) {
	o.total++
	b := o.block(p)
	if b == len(o.blocks) {
		// Past the end: a new block where the last is full, so that a list that
		// only grows stays dense.
		if b == 0 || len(o.blocks[b-1]) == blockMax {
			o.blocks = append(o.blocks, make([]place, 0, blockMax))
			b++
		}
		o.blocks[b-1] = append(o.blocks[b-1], p)
		return
	}
	block := o.blocks[b]
	at := sort.Search(len(block), func(i int) bool { return p.before(block[i]) })
	if len(block) < blockMax {
		o.blocks[b] = slices.Insert(block, at, p)
		return
	}
	right := append(make([]place, 0, blockMax), block[blockMax/2:]...)
	o.blocks[b] = block[:blockMax/2]
	o.blocks = slices.Insert(o.blocks, b+1, right)
	if at <= blockMax/2 {
		o.blocks[b] = slices.Insert(o.blocks[b], at, p)
	} else {
		o.blocks[b+1] = slices.Insert(right, at-blockMax/2, p)
	}
}

// remove takes out a place that is there.
func (o *order) remove(p place) {
	b := o.block(p)
	at := sort.Search(len(o.blocks[b]), func(i int) bool { return !o.blocks[b][i].before(p) })
	o.blocks[b] = slices.Delete(o.blocks[b], at, at+1)
	if len(o.blocks[b]) == 0 {
		o.blocks = slices.Delete(o.blocks, b, b+1)
	}
	o.total--
}

// block is the first block that does not end before p.
func (o *order) block(p place) int {
	return sort.Search(len(o.blocks), func(i int) bool {
		block := o.blocks[i]
		return !block[len(block)-1].before(p)
	})
}

// rank is the number of places before p.
func (o *order) rank(p place) int {
	b := o.block(p)
	rank := 0
	for _, block := range o.blocks[:b] {
		rank += len(block)
	}
	if b < len(o.blocks) {
		rank += sort.Search(len(o.blocks[b]), func(i int) bool { return !o.blocks[b][i].before(p) })
	}
	return rank
}

// between returns the places of ranks from to below to, which are in bounds.
func (o *order) between(from, to int) []place {
	places := make([]place, 0, to-from)
	rank := 0
	for _, block := range o.blocks {
		if rank >= to {
			break
		}
		if rank+len(block) > from {
			places = append(places, block[max(from-rank, 0):min(to-rank, len(block))]...)
		}
		rank += len(block)
	}
	return places
}

// sorting is how a list is asked for.
type sorting struct {
	// descending turns the stamps around, tiesDescending the numbers among equal stamps.
	descending, tiesDescending bool
}

// window returns limit places from skip on, of those at or after since, in the
// order asked for.
func (o *order) window(since instant, sorted sorting, skip, limit int) []place {
	base := o.rank(place{since, -1})
	count := o.total - base
	from := min(skip, count)
	to := from + min(limit, count-from)
	if from == to {
		return nil
	}
	if sorted.descending {
		from, to = count-to, count-from
	}
	from, to = from+base, to+base
	places := o.between(from, to)
	if sorted.descending != sorted.tiesDescending {
		// A group of ties turns around as a whole, also where a part of it lies
		// outside of the window.
		first := o.rank(place{places[0].stamp, -1})
		last := o.rank(place{places[len(places)-1].stamp + 1, -1})
		places = o.between(first, last)
		reverseTies(places)
		places = places[from-first : to-first]
	}
	if sorted.descending {
		slices.Reverse(places)
	}
	return places
}

// reverseTies turns each group of equal stamps around.
func reverseTies(places []place) {
	for start := 0; start < len(places); {
		end := start + 1
		for end < len(places) && places[end].stamp == places[start].stamp {
			end++
		}
		slices.Reverse(places[start:end])
		start = end
	}
}
