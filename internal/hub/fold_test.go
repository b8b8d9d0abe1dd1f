package hub

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var morning = time.Date(2024, 5, 1, 8, 0, 0, 0, time.UTC)

// show makes the adjustment of a record of payment "p" that was updated minutes after morning.
func show(id string, minutes int, status PaymentStatus, amount int64) PaymentAdjustment {
	at := morning.Add(time.Duration(minutes) * time.Minute)
	return PaymentAdjustment{
		PaymentReference: "p", Reference: id, Type: PayIn, Status: status, Asset: "EUR/2",
		Amount: NewAmount(amount), CreatedAt: morning, UpdatedAt: at,
	}
}

func fold(adjustments ...PaymentAdjustment) Payment {
	return Fold(PaymentID{Connector: generic, Reference: "p", Type: PayIn}, adjustments)
}

func TestFoldKnowsWhatAPaymentComesTo(t *testing.T) {
	for _, c := range []struct {
		name            string
		shown           []PaymentAdjustment
		initial, amount int64
		status          PaymentStatus
	}{
		{"one success", []PaymentAdjustment{show("p", 0, Succeeded, 100)}, 100, 100, Succeeded},
		{"pending, then failed", []PaymentAdjustment{show("p", 0, Pending, 100), show("p", 1, Failed, 100)}, 100, 100, Failed},
		{"a failure that is taken back", []PaymentAdjustment{show("p", 0, Pending, 100), show("p", 1, Failed, 100), show("p", 2, Pending, 100)}, 100, 100, Pending},
		{"an amount that is corrected", []PaymentAdjustment{show("p", 0, Succeeded, 100), show("p", 1, Succeeded, 95)}, 95, 95, Succeeded},
		{"a success for less than was pending", []PaymentAdjustment{show("p", 0, Pending, 100), show("p", 1, Succeeded, 95)}, 100, 95, Succeeded},
		{"a refund of its own", []PaymentAdjustment{show("p", 0, Succeeded, 100), show("r", 1, Refunded, 30)}, 100, 70, Refunded},
		{"two refunds", []PaymentAdjustment{show("p", 0, Succeeded, 100), show("r", 1, Refunded, 30), show("s", 2, Refunded, 30)}, 100, 40, Refunded},
		{"a refund that is corrected", []PaymentAdjustment{show("p", 0, Succeeded, 100), show("r", 1, Refunded, 30), show("r", 2, Refunded, 40)}, 100, 60, Refunded},
		{"a refund under the payment's own id", []PaymentAdjustment{show("p", 0, Succeeded, 100), show("p", 1, Refunded, 30)}, 100, 70, Refunded},
		{"a refund that is reversed", []PaymentAdjustment{show("p", 0, Succeeded, 100), show("p", 1, Refunded, 30), show("p", 2, RefundReversed, 30)}, 100, 100, RefundReversed},
		{"a refund that is made again", []PaymentAdjustment{show("p", 0, Succeeded, 100), show("p", 1, Refunded, 30), show("p", 2, RefundReversed, 30), show("p", 3, Refunded, 30)}, 100, 70, Refunded},
		{"a refund that is taken back", []PaymentAdjustment{show("p", 0, Succeeded, 100), show("p", 1, Refunded, 30), show("p", 2, Succeeded, 100)}, 100, 100, Succeeded},
		{"an authorisation", []PaymentAdjustment{show("p", 0, Authorisation, 100)}, 100, 0, Authorisation},
		{"an authorisation, captured in two", []PaymentAdjustment{show("p", 0, Authorisation, 100), show("c", 1, Capture, 60), show("d", 2, Capture, 40)}, 100, 100, Capture},
		{"an authorisation, captured under its own id", []PaymentAdjustment{show("p", 0, Authorisation, 100), show("p", 1, Capture, 60)}, 100, 60, Capture},
		{"an authorisation that succeeds", []PaymentAdjustment{show("p", 0, Authorisation, 100), show("p", 1, Succeeded, 100)}, 100, 100, Succeeded},
		{"first seen as a capture", []PaymentAdjustment{show("p", 0, Capture, 100)}, 100, 100, Capture},
		{"first seen as a refund reversed", []PaymentAdjustment{show("p", 0, RefundReversed, 100)}, 100, 100, RefundReversed},
		{"first seen as a refund", []PaymentAdjustment{show("p", 0, Refunded, 100)}, 100, 0, Refunded},
		{"the refund before the payment", []PaymentAdjustment{show("r", 1, Refunded, 30), show("p", 0, Succeeded, 100)}, 100, 70, Refunded},
		{"only the refund so far", []PaymentAdjustment{show("r", 1, Refunded, 30)}, 30, 0, Refunded},
		{"a dispute after a refund", []PaymentAdjustment{show("p", 0, Succeeded, 100), show("r", 1, Refunded, 30), show("p", 2, Dispute, 100)}, 100, 70, Dispute},
		{"a detail that changes after a refund", []PaymentAdjustment{show("p", 0, Succeeded, 100), show("r", 1, Refunded, 30), show("p", 2, Succeeded, 100)}, 100, 70, Refunded},
		{"a dispute that goes back and forth", []PaymentAdjustment{show("p", 0, Succeeded, 100), show("p", 1, Dispute, 100), show("p", 2, DisputeWon, 100), show("p", 3, Dispute, 100), show("p", 4, DisputeLost, 100)}, 100, 100, DisputeLost},
		{"an old state that comes late", []PaymentAdjustment{show("p", 2, Succeeded, 100), show("p", 1, Pending, 100)}, 100, 100, Succeeded},
	} {
		p := fold(c.shown...)
		if p.InitialAmount.String() != fmt.Sprint(c.initial) || p.Amount.String() != fmt.Sprint(c.amount) || p.Status != c.status {
			t.Errorf("%s: %s of %s, %s; want %d of %d, %s", c.name, p.Amount, p.InitialAmount, p.Status, c.amount, c.initial, c.status)
		}
	}
}

func TestAChangedTypeMakesNoOtherPayment(t *testing.T) {
	changed := show("p", 1, Succeeded, 100)
	changed.Type = Transfer
	p := fold(show("p", 0, Pending, 100), changed)
	if p.ID.Type != PayIn || p.Type != Transfer {
		t.Errorf("the identifier has %s and the payment %s, want PAY-IN and TRANSFER", p.ID.Type, p.Type)
	}
}

func TestARefundInAnotherAssetMovesNoAmount(t *testing.T) {
	refund := show("r", 1, Refunded, 30)
	refund.Asset = "USD/2"
	if p := fold(show("p", 0, Succeeded, 100), refund); p.Amount.String() != "100" || p.Status != Refunded {
		t.Errorf("amount %s, status %s, want 100 and REFUNDED", p.Amount, p.Status)
	}
}

func TestLaterAccountsAndMetadataReplaceEarlierOnes(t *testing.T) {
	later := show("p", 1, Succeeded, 100)
	later.SourceAccount, later.Metadata = "acc", map[string]string{"k": "v"}
	if p := fold(show("p", 0, Pending, 100), later); p.SourceAccount != "acc" || p.Metadata["k"] != "v" {
		t.Errorf("source %q, metadata %v, want those shown last", p.SourceAccount, p.Metadata)
	}
}

// What was shown when is in the stamps; in which order it was stored must not matter.
func TestFoldDoesNotDependOnTheOrderOfStoring(t *testing.T) {
	statuses := []PaymentStatus{
		Pending, Succeeded, Cancelled, Failed, Expired, Refunded, RefundedFailure, RefundReversed,
		Dispute, DisputeWon, DisputeLost, Authorisation, Capture, CaptureFailed, OtherStatus,
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 9).Draw(t, "n")
		shown := make([]PaymentAdjustment, n)
		for i := range shown {
			id := rapid.SampledFrom([]string{"p", "r", "c"}).Draw(t, "id")
			shown[i] = show(id, i, rapid.SampledFrom(statuses).Draw(t, "status"), rapid.Int64Range(0, 1000).Draw(t, "amount"))
			shown[i].CreatedAt = morning.Add(time.Duration(len(id)+int(id[0])) * time.Second)
		}
		want := fold(shown...)
		got := fold(rapid.Permutation(shown).Draw(t, "stored")...)
		if !got.Amount.Equal(want.Amount) || !got.InitialAmount.Equal(want.InitialAmount) || got.Status != want.Status {
			t.Fatalf("%s of %s %s, want %s of %s %s", got.Amount, got.InitialAmount, got.Status, want.Amount, want.InitialAmount, want.Status)
		}
	})
}

// Each refund and capture is a record of its own: the amount is plain arithmetic.
func TestAPaymentIsItsAmountLessRefundsPlusCaptures(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		amount := rapid.Int64Range(1, 1<<60).Draw(t, "amount")
		shown := []PaymentAdjustment{show("p", 0, Succeeded, amount)}
		want := NewAmount(amount)
		for i := range rapid.IntRange(0, 8).Draw(t, "children") {
			child := show(fmt.Sprint("c", i), i+1, Refunded, rapid.Int64Range(1, 1<<60).Draw(t, "moved"))
			if rapid.Bool().Draw(t, "capture") {
				child.Status = Capture
				want = want.Add(child.Amount)
			} else {
				want = want.Sub(child.Amount)
			}
			shown = append(shown, child)
		}
		if got := fold(rapid.Permutation(shown).Draw(t, "stored")...).Amount; !got.Equal(want) {
			t.Fatalf("amount %s, want %s", got, want)
		}
	})
}
