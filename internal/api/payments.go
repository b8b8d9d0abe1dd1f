package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/weirhq/weir/internal/hub"
)

// paymentForm is a payment. Adjustments are null in a list, as at the
// reference, and all there in the answer for one payment.
type paymentForm struct {
	ID                   hub.PaymentID     `json:"id"`
	ConnectorID          hub.ConnectorID   `json:"connectorID"`
	Provider             string            `json:"provider"`
	Reference            string            `json:"reference"`
	CreatedAt            instant           `json:"createdAt"`
	Type                 hub.PaymentType   `json:"type"`
	InitialAmount        hub.Amount        `json:"initialAmount"`
	Amount               hub.Amount        `json:"amount"`
	Asset                hub.Asset         `json:"asset"`
	Scheme               hub.Scheme        `json:"scheme"`
	Status               hub.PaymentStatus `json:"status"`
	SourceAccountID      *hub.AccountID    `json:"sourceAccountID"`
	DestinationAccountID *hub.AccountID    `json:"destinationAccountID"`
	Metadata             map[string]string `json:"metadata"`
	Adjustments          []adjustmentForm  `json:"adjustments"`
}

// appendJSON appends what encoding/json makes of the form; a test holds the two
// against each other.
func (f *paymentForm) appendJSON(b []byte) ([]byte, error) {
	b = appendID(append(b, `{"id":`...), &f.ID)
	b = appendID(append(b, `,"connectorID":`...), &f.ConnectorID)
	b = appendText(append(b, `,"provider":`...), f.Provider)
	b = appendText(append(b, `,"reference":`...), f.Reference)
	b = f.CreatedAt.appendJSON(append(b, `,"createdAt":`...))
	b = appendText(append(b, `,"type":`...), f.Type)
	b = f.InitialAmount.Int().Append(append(b, `,"initialAmount":`...), 10)
	b = f.Amount.Int().Append(append(b, `,"amount":`...), 10)
	b = appendText(append(b, `,"asset":`...), f.Asset)
	b = appendText(append(b, `,"scheme":`...), f.Scheme)
	b = appendText(append(b, `,"status":`...), f.Status)
	b = appendID(append(b, `,"sourceAccountID":`...), f.SourceAccountID)
	b = appendID(append(b, `,"destinationAccountID":`...), f.DestinationAccountID)
	b = appendMetadata(append(b, `,"metadata":`...), f.Metadata)
	b = append(b, `,"adjustments":`...)
	if f.Adjustments == nil {
		return append(b, `null}`...), nil
	}
	adjustments, err := encodeJSON(f.Adjustments)
	return append(append(b, bytes.TrimSuffix(adjustments, []byte("\n"))...), '}'), err
}

// adjustmentForm is one version of one record that was shown about a payment.
type adjustmentForm struct {
	ID        hub.PaymentAdjustmentID `json:"id"`
	Reference string                  `json:"reference"`
	CreatedAt instant                 `json:"createdAt"`
	Status    hub.PaymentStatus       `json:"status"`
	Amount    hub.Amount              `json:"amount"`
	Asset     hub.Asset               `json:"asset"`
	Metadata  map[string]string       `json:"metadata"`
	Raw       json.RawMessage         `json:"raw"`
}

func formPayment(payment *hub.Payment) *paymentForm {
	connector := payment.ID.Connector
	return &paymentForm{
		ID:                   payment.ID,
		ConnectorID:          connector,
		Provider:             connector.Provider,
		Reference:            payment.Reference,
		CreatedAt:            instant(payment.CreatedAt),
		Type:                 payment.Type,
		InitialAmount:        payment.InitialAmount,
		Amount:               payment.Amount,
		Asset:                payment.Asset,
		Scheme:               payment.Scheme,
		Status:               payment.Status,
		SourceAccountID:      accountIDOf(connector, payment.SourceAccount),
		DestinationAccountID: accountIDOf(connector, payment.DestinationAccount),
		Metadata:             metadataOf(payment.Metadata),
	}
}

// formAdjustments puts those of the newest record first, by createdAt as the
// reference does, and of each record the newest state, as the store gives them.
func formAdjustments(payment *hub.Payment) []adjustmentForm {
	newestFirst := slices.Clone(payment.Adjustments)
	slices.SortStableFunc(newestFirst, func(x, y hub.PaymentAdjustment) int {
		return y.CreatedAt.Compare(x.CreatedAt)
	})
	forms := make([]adjustmentForm, 0, len(newestFirst))
	for i := range newestFirst {
		adjustment := &newestFirst[i]
		forms = append(forms, adjustmentForm{
			ID:        adjustment.ID(payment.ID),
			Reference: adjustment.Reference,
			CreatedAt: instant(adjustment.CreatedAt),
			Status:    adjustment.Status,
			Amount:    adjustment.Amount,
			Asset:     adjustment.Asset,
			Metadata:  metadataOf(adjustment.Metadata),
			Raw:       rawObject(adjustment.Raw),
		})
	}
	return forms
}

var paymentFields = &fieldSet{"payments", map[string]filterField{
	"id": identifierField(hub.ParsePaymentID, func(id hub.PaymentID) hub.Filter {
		return hub.IsPayment{ID: id}
	}),
	"reference":                  textField(hub.FieldReference, false),
	"connector_id":               connectorField,
	"type":                       textField(hub.FieldType, false),
	"asset":                      textField(hub.FieldAsset, false),
	"scheme":                     textField(hub.FieldScheme, false),
	"status":                     textField(hub.FieldStatus, false),
	"source_account_id":          counterpartField(hub.FieldSource),
	"destination_account_id":     counterpartField(hub.FieldDestination),
	"psu_id":                     absentField(false),
	"open_banking_connection_id": absentField(false),
	"metadata[]":                 metadataField,
	"amount":                     amountField(hub.FieldAmount),
	"initial_amount":             amountField(hub.FieldInitialAmount),
}}

func (a *api) listPayments(w http.ResponseWriter, r *http.Request) error {
	req, err := readList(w, r, listing{name: "payments", fields: paymentFields})
	if err != nil {
		return err
	}
	page, err := a.Store.Payments(r.Context(), req.ListQuery)
	if err != nil {
		return err
	}
	return writePage(w, req, page, formPayment)
}

func (a *api) payment(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "paymentID", hub.ParsePaymentID)
	if err != nil {
		return err
	}
	payment, err := a.Store.Payment(r.Context(), id)
	if err != nil {
		return err
	}
	form := formPayment(&payment)
	form.Adjustments = formAdjustments(&payment)
	return writeData(w, http.StatusOK, form)
}
