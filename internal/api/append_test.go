package api

import (
	"bytes"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/internal/hub"
)

// Payments write themselves because there are many of them in a page. What they
// write must be what encoding/json would.
func TestAPaymentWritesItselfAsEncodingJSONWouldWriteIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringN(0, 20, -1), rapid.SampledFrom([]string{"", "<a&b>", "\u2028", "\xff\xfe", "\"\\\x7f\x00"}))
		payment := hub.Payment{
			ID: hub.PaymentID{
				Connector: hub.ConnectorID{Provider: text.Draw(t, "provider"), Reference: hub.NewUUID()},
				Reference: text.Draw(t, "id"), Type: hub.PaymentType(text.Draw(t, "id type")),
			},
			Reference: text.Draw(t, "reference"), Type: hub.PaymentType(text.Draw(t, "type")),
			CreatedAt: time.Unix(rapid.Int64Range(-62135596800, 253402300799).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds")),
			Status:    hub.PaymentStatus(text.Draw(t, "status")), Scheme: hub.Scheme(text.Draw(t, "scheme")), Asset: hub.Asset(text.Draw(t, "asset")),
			Amount:        hub.NewAmount(rapid.Int64().Draw(t, "amount")),
			SourceAccount: text.Draw(t, "source"), DestinationAccount: text.Draw(t, "destination"),
			Metadata: rapid.MapOf(text, text).Draw(t, "metadata"),
		}
		if rapid.Bool().Draw(t, "large") {
			payment.InitialAmount = hub.AmountOf(new(big.Int).Lsh(big.NewInt(-3), 200))
		}
		form := formPayment(&payment)
		if rapid.Bool().Draw(t, "whole") {
			payment.Adjustments = []hub.PaymentAdjustment{{Reference: payment.Reference, Raw: []byte(`{"a":1}`)}}
			form.Adjustments = formAdjustments(&payment)
		}
		want, err := encodeJSON(*form)
		if err != nil {
			t.Fatal(err)
		}
		got, err := appendForm(nil, form)
		if err != nil || !bytes.Equal(got, bytes.TrimSuffix(want, []byte("\n"))) {
			t.Errorf("it wrote itself as\n%s\nnot as\n%s%v", got, want, err)
		}
	})
}
