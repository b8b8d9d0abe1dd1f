package connector

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/wire"
)

// byValue compares what translations make: amounts by their number.
var byValue = cmp.Options{
	cmp.Comparer(func(a, b hub.Amount) bool { return a.Equal(b) }),
	cmpopts.EquateEmpty(),
}

func translate(t *testing.T, resource hub.Resource, raw string) hub.Batch {
	t.Helper()
	client := connect("http://psp.example", Options{Now: func() time.Time { return noon }})
	client.id = transactions.Connector
	batch, err := client.Translate(hub.StreamID{Connector: client.id, Resource: resource}, []byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	return batch
}

func TestEveryFieldOfATransactionIsTranslated(t *testing.T) {
	raw := `{ "id":"t1", "relatedTransactionID":"p1","createdAt":"2024-05-01T14:00:00.123456789+02:00","updatedAt":"2024-05-01T15:00:00Z",` +
		`"currency":"BTC/8","scheme":"sepa_credit","type":"PAYOUT","status":"REFUND_REVERSED","amount":"-123456789012345678901234567890",` +
		`"sourceAccountID":"a","destinationAccountID":"b","metadata":{"k":"ü"},"unknown":[1,2]}`
	amount, _ := hub.ParseAmount("-123456789012345678901234567890")
	want := hub.PaymentAdjustment{
		PaymentReference: "p1", Reference: "t1", Type: hub.Payout, Status: hub.RefundReversed, Scheme: "SEPA_CREDIT",
		Asset: "BTC/8", Amount: amount, CreatedAt: noon.Add(123456789), UpdatedAt: noon.Add(3 * time.Hour),
		SourceAccount: "a", DestinationAccount: "b", Metadata: map[string]string{"k": "ü"}, Raw: []byte(raw),
	}
	batch := translate(t, hub.Transactions, raw)
	if diff := cmp.Diff([]hub.PaymentAdjustment{want}, batch.Adjustments, byValue); diff != "" {
		t.Error(diff)
	}
	if !batch.SeenAt.Equal(noon) || batch.Stream.Resource != hub.Transactions {
		t.Errorf("%+v", batch)
	}
	if zone := batch.Adjustments[0].CreatedAt.Location(); zone != time.UTC {
		t.Errorf("an instant in %s", zone)
	}
}

func TestATransactionWithoutItsOptionalFieldsIsAPaymentOfItsOwn(t *testing.T) {
	for _, rest := range []string{"", `,"relatedTransactionID":"","sourceAccountID":null,"scheme":"","type":"","status":null`} {
		raw := `{"id":"t1","createdAt":"2024-05-01T12:00:00Z","updatedAt":"2024-05-01T12:00:00Z","currency":"JPY","amount":"+007"` + rest + `}`
		want := hub.PaymentAdjustment{
			PaymentReference: "t1", Reference: "t1", Type: hub.OtherPayment, Status: hub.OtherStatus, Scheme: hub.OtherScheme,
			Asset: "JPY", Amount: hub.NewAmount(7), CreatedAt: noon, UpdatedAt: noon, Raw: []byte(raw),
		}
		if diff := cmp.Diff([]hub.PaymentAdjustment{want}, translate(t, hub.Transactions, raw).Adjustments, byValue); diff != "" {
			t.Error(diff)
		}
	}
}

func TestEveryTypeIsTranslatedAndWhatIsUnknownIsOther(t *testing.T) {
	types := map[string]hub.PaymentType{"PAYIN": hub.PayIn, "PAYOUT": hub.Payout, "TRANSFER": hub.Transfer, "OTHER": hub.OtherPayment}
	for _, known := range wire.TransactionTypes() {
		if types[string(known)] == "" {
			t.Errorf("the type %s is not in this table", known)
		}
	}
	types["payin"], types["PAY-IN"], types["REFUND"] = hub.OtherPayment, hub.OtherPayment, hub.OtherPayment
	for word, want := range types {
		batch := translate(t, hub.Transactions, strings.Replace(new(service).show("t1", noon, 1), "PAYIN", word, 1))
		if got := batch.Adjustments[0].Type; got != want {
			t.Errorf("%s is %s, want %s", word, got, want)
		}
		if flawed := len(batch.Findings) > 0; flawed == wire.TransactionType(word).Known() {
			t.Errorf("%s: findings %v", word, batch.Findings)
		}
	}
}

func TestEveryStatusIsTranslatedAndWhatIsUnknownIsOther(t *testing.T) {
	statuses := map[string]hub.PaymentStatus{"succeeded": hub.OtherStatus, "DONE": hub.OtherStatus}
	for _, known := range wire.TransactionStatuses() {
		statuses[string(known)] = hub.PaymentStatus(known)
	}
	known := []hub.PaymentStatus{
		hub.Pending, hub.Succeeded, hub.Cancelled, hub.Failed, hub.Expired, hub.Refunded, hub.RefundedFailure, hub.RefundReversed,
		hub.Dispute, hub.DisputeWon, hub.DisputeLost, hub.Authorisation, hub.Capture, hub.CaptureFailed, hub.OtherStatus,
	}
	for _, status := range known {
		if statuses[string(status)] != status {
			t.Errorf("the contract has no %s", status)
		}
	}
	if len(statuses) != len(known)+2 {
		t.Errorf("the contract has %d statuses, the core %d", len(statuses)-2, len(known))
	}
	for word, want := range statuses {
		batch := translate(t, hub.Transactions, strings.Replace(new(service).show("t1", noon, 1), "SUCCEEDED", word, 1))
		if got := batch.Adjustments[0].Status; got != want {
			t.Errorf("%s is %s, want %s", word, got, want)
		}
	}
}

func TestAccountsAndBeneficiariesAreTranslated(t *testing.T) {
	raw := `{"id":"a/1","accountName":"Main","ownerName":"Eve","createdAt":"2024-05-01T13:00:00+01:00","metadata":{"k":"v"},"extra":1}`
	want := hub.Account{
		ID: hub.AccountID{Connector: transactions.Connector, Reference: "a/1"}, Reference: "a/1", Type: hub.Internal,
		CreatedAt: noon, Name: "Main", Metadata: map[string]string{"k": "v"}, Raw: []byte(raw),
	}
	if diff := cmp.Diff([]hub.Account{want}, translate(t, hub.Accounts, raw).Accounts, byValue); diff != "" {
		t.Error(diff)
	}
	want.Type, want.Name = hub.External, "Eve"
	if diff := cmp.Diff([]hub.Account{want}, translate(t, hub.Beneficiaries, raw).Accounts, byValue); diff != "" {
		t.Error(diff)
	}
}

func TestBalancesBelongToTheAccountThatTheAnswerNames(t *testing.T) {
	raw := `{"id":"x","accountID":"a2","at":"2024-05-01T12:00:00Z","balances":[{"amount":"-5","currency":"EUR/2"},{"amount":"0","currency":"JPY"}]}`
	account := hub.AccountID{Connector: transactions.Connector, Reference: "a2"}
	want := []hub.Balance{
		{Account: account, Asset: "EUR/2", Amount: hub.NewAmount(-5), CreatedAt: noon, LastUpdatedAt: noon, Raw: []byte(raw)},
		{Account: account, Asset: "JPY", Amount: hub.NewAmount(0), CreatedAt: noon, LastUpdatedAt: noon, Raw: []byte(raw)},
	}
	if diff := cmp.Diff(want, translate(t, hub.Balances, raw).Balances, byValue); diff != "" {
		t.Error(diff)
	}
}

func TestARejectionKeepsItsBytesReasonAndPlace(t *testing.T) {
	for _, test := range []struct {
		resource       hub.Resource
		raw, reference string
		stamp          time.Time
	}{
		{hub.Transactions, `{"id":"t1","createdAt":"2024-05-01T12:00:00Z","updatedAt":"2024-05-01T13:00:00+01:00","amount":1}`, "t1", noon},
		{hub.Transactions, `{"id":7,"createdAt":"2024-05-01T12:00:00Z"}`, "", time.Time{}},
		{hub.Accounts, ` {"id":"","createdAt":"2024-05-01T12:00:00Z"} `, "", noon},
		{hub.Beneficiaries, `{"id":"b1","createdAt":"yesterday"}`, "b1", time.Time{}},
		{hub.Balances, `{"accountID":"a1","at":"2024-05-01T12:00:00Z","balances":[{"amount":"1.5","currency":"EUR/2"}]}`, "a1", time.Time{}},
	} {
		batch := translate(t, test.resource, test.raw)
		if batch.Rows() != 1 || len(batch.Rejected) != 1 {
			t.Errorf("%s: %+v", test.raw, batch)
			continue
		}
		want := hub.Rejection{
			Stream: batch.Stream, Reference: test.reference, StampedAt: test.stamp, Raw: []byte(strings.TrimSpace(test.raw)),
			FirstSeenAt: noon, LastSeenAt: noon,
		}
		if diff := cmp.Diff(want, batch.Rejected[0], cmpopts.IgnoreFields(hub.Rejection{}, "Reason")); diff != "" || batch.Rejected[0].Reason == "" {
			t.Errorf("%s: %s", diff, batch.Rejected[0].Reason)
		}
	}
}

func TestAFlawIsReportedAndTheRecordIsRead(t *testing.T) {
	raw := strings.Replace(new(service).show("t1", noon, 1), `"id":`, `"id":"t0","id":`, 1)
	batch := translate(t, hub.Transactions, raw)
	if len(batch.Adjustments) != 1 || batch.Adjustments[0].Reference != "t1" || string(batch.Adjustments[0].Raw) != raw {
		t.Errorf("%+v", batch.Adjustments)
	}
	if len(batch.Findings) != 1 || batch.Findings[0].Code != hub.FindingUnknownValues || !strings.Contains(batch.Findings[0].Text, `"t1"`) {
		t.Errorf("%+v", batch.Findings)
	}
}
