package verify

// roster is the rows of a walk in the order in which they came, and a way to
// find one by its id. It is all that is kept of every row, so it is small: the
// slots hold positions only, for the rows have the ids.
type roster struct {
	rows []place
	// slots are an open hash table, a power of two long and at most half full. Each
	// holds a position in rows and one, or zero.
	slots []int32
}

const slotsMin = 1 << 10

// add appends a row. Where there is one with its id, the new one stands for both.
func (x *roster) add(p place) {
	x.rows = append(x.rows, p)
	if 2*len(x.rows) > len(x.slots) {
		x.reindex()
		return
	}
	*x.slot(p.id) = int32(len(x.rows)) //nolint:gosec // far below two billion
}

// at finds the row that stands for an id, by its position.
func (x *roster) at(id uint64) (position int, found bool) {
	if len(x.slots) == 0 {
		return 0, false
	}
	position = int(*x.slot(id)) - 1
	return position, position >= 0
}

// slot is where the position of an id stands, or would.
func (x *roster) slot(id uint64) *int32 {
	mask := uint64(len(x.slots)) - 1
	for i := id & mask; ; i = (i + 1) & mask {
		if taken := x.slots[i]; taken == 0 || x.rows[taken-1].id == id {
			return &x.slots[i]
		}
	}
}

// reindex is needed after rows have changed their positions.
func (x *roster) reindex() {
	size := max(len(x.slots), slotsMin)
	for size < 2*len(x.rows) {
		size *= 2
	}
	x.slots = make([]int32, size)
	for i := range x.rows {
		if x.rows[i].page >= 0 {
			*x.slot(x.rows[i].id) = int32(i + 1)
		}
	}
}
