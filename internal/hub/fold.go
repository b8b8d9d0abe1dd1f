package hub

import (
	"cmp"
	"slices"
)

// Fold makes the payment out of everything that was shown about it. The
// adjustments come in the order in which they were stored; id names the payment
// and keeps the type that it was first seen with. Fold panics without an adjustment.
//
// The rules are those of the reference, less its defects:
//
//   - The lead is the payment's own record. As long as only refunds or captures
//     of it have been shown, the one that was created first stands in for it,
//     and gives way when the lead arrives.
//   - A record that shows one status twice in a row corrects itself: the later
//     amount replaces the earlier. A record that returns to a status which it
//     has left takes back whatever followed.
//   - The initial amount is that of the lead's first status. An authorisation
//     begins at nothing. REFUNDED takes its amount away, CAPTURE and
//     REFUND_REVERSED add theirs, but not where the lead's history begins with
//     them: what it begins with is already the initial amount. A lead that
//     succeeds before any of these states the amount anew.
//   - A related record in another asset moves no amount.
//   - The status is the one that was entered last, by updatedAt and then by the
//     order of storing, whichever record entered it.
func Fold(id PaymentID, adjustments []PaymentAdjustment) Payment {
	histories := traceRecords(adjustments)
	lead := findLead(histories)
	newest := lead.newest
	p := Payment{
		ID:                 id,
		Reference:          id.Reference,
		CreatedAt:          newest.CreatedAt,
		Type:               newest.Type,
		Scheme:             newest.Scheme,
		Asset:              newest.Asset,
		SourceAccount:      newest.SourceAccount,
		DestinationAccount: newest.DestinationAccount,
		Metadata:           newest.Metadata,
		Adjustments:        adjustments,
	}
	p.InitialAmount, p.Amount = leadAmounts(lead.stays)
	last := lead.current()
	for _, h := range histories {
		if h == lead {
			continue
		}
		if h.newest.Asset == p.Asset {
			for _, s := range h.stays {
				p.Amount = moveAmount(p.Amount, s)
			}
		}
		if last.before(h.current()) {
			last = h.current()
		}
	}
	p.Status = last.status
	return p
}

// A history is the path that one record has taken through the statuses.
type history struct {
	newest *PaymentAdjustment
	stays  []stay
}

// A stay is the time that a record spends in one status without leaving it.
type stay struct {
	status PaymentStatus
	amount Amount
	// first began the stay; place is where it was stored.
	first *PaymentAdjustment
	place int
}

func (s stay) before(other stay) bool {
	return cmp.Or(s.first.UpdatedAt.Compare(other.first.UpdatedAt), cmp.Compare(s.place, other.place)) < 0
}

func (h *history) current() stay { return h.stays[len(h.stays)-1] }

// enter takes the record to the state that a shows.
func (h *history) enter(a *PaymentAdjustment, place int) {
	h.newest = a
	been := slices.IndexFunc(h.stays, func(s stay) bool { return s.status == a.Status })
	switch {
	case been >= 0 && been == len(h.stays)-1:
		h.stays[been].amount = a.Amount
	case been >= 0:
		h.stays = append(h.stays[:been], stay{a.Status, a.Amount, a, place})
	default:
		h.stays = append(h.stays, stay{a.Status, a.Amount, a, place})
	}
}

// traceRecords returns the history of each record, in the order of first storing.
func traceRecords(adjustments []PaymentAdjustment) []*history {
	order := make([]int, len(adjustments))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return adjustments[a].UpdatedAt.Compare(adjustments[b].UpdatedAt)
	})
	var histories []*history
	for _, i := range order {
		a := &adjustments[i]
		at := slices.IndexFunc(histories, func(h *history) bool { return h.newest.Reference == a.Reference })
		if at < 0 {
			at = len(histories)
			histories = append(histories, new(history))
		}
		histories[at].enter(a, i)
	}
	return histories
}

func findLead(histories []*history) *history {
	lead := histories[0]
	for _, h := range histories {
		if h.newest.IsLead() {
			return h
		}
		if h.newest.CreatedAt.Before(lead.newest.CreatedAt) {
			lead = h
		}
	}
	return lead
}

func leadAmounts(stays []stay) (initial, amount Amount) {
	initial, amount = stays[0].amount, stays[0].amount
	moved := true
	switch stays[0].status {
	case Authorisation:
		amount, moved = Amount{}, false
	case Refunded:
		amount = Amount{}
	case Capture, RefundReversed:
	default:
		moved = false
	}
	for _, s := range stays[1:] {
		switch {
		case movesMoney(s.status):
			amount, moved = moveAmount(amount, s), true
		case s.status == Succeeded && !moved:
			amount = s.amount
		}
	}
	return initial, amount
}

func movesMoney(s PaymentStatus) bool {
	return s == Refunded || s == Capture || s == RefundReversed
}

func moveAmount(amount Amount, s stay) Amount {
	switch s.status {
	case Refunded:
		return amount.Sub(s.amount)
	case Capture, RefundReversed:
		return amount.Add(s.amount)
	default:
		return amount
	}
}
