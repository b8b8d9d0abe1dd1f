package hub

import (
	"encoding/json"
	"strings"
	"time"
)

// PaymentType says which way the money goes.
type PaymentType string

// The types of payment.
const (
	PayIn        PaymentType = "PAY-IN"
	Payout       PaymentType = "PAYOUT"
	Transfer     PaymentType = "TRANSFER"
	OtherPayment PaymentType = "OTHER"
)

// PaymentStatus says how far a payment has come.
type PaymentStatus string

// The statuses of a payment.
const (
	Pending         PaymentStatus = "PENDING"
	Succeeded       PaymentStatus = "SUCCEEDED"
	Cancelled       PaymentStatus = "CANCELLED"
	Failed          PaymentStatus = "FAILED"
	Expired         PaymentStatus = "EXPIRED"
	Refunded        PaymentStatus = "REFUNDED"
	RefundedFailure PaymentStatus = "REFUNDED_FAILURE"
	RefundReversed  PaymentStatus = "REFUND_REVERSED"
	Dispute         PaymentStatus = "DISPUTE"
	DisputeWon      PaymentStatus = "DISPUTE_WON"
	DisputeLost     PaymentStatus = "DISPUTE_LOST"
	Authorisation   PaymentStatus = "AUTHORISATION"
	Capture         PaymentStatus = "CAPTURE"
	CaptureFailed   PaymentStatus = "CAPTURE_FAILED"
	OtherStatus     PaymentStatus = "OTHER"
)

// Scheme is the rail that a payment travels on.
type Scheme string

// OtherScheme stands for every scheme that the API has no name for.
const OtherScheme Scheme = "OTHER"

// schemes are the names that the API has; its clients know no others.
var schemes = map[Scheme]bool{
	"CARD_VISA": true, "CARD_MASTERCARD": true, "CARD_AMEX": true, "CARD_DINERS": true,
	"CARD_DISCOVER": true, "CARD_JCB": true, "CARD_UNION_PAY": true, "CARD_ALIPAY": true,
	"CARD_CUP": true, "SEPA_DEBIT": true, "SEPA_CREDIT": true, "SEPA": true,
	"GOOGLE_PAY": true, "APPLE_PAY": true, "DOKU": true, "DRAGON_PAY": true, "MAESTRO": true,
	"MOL_PAY": true, "A2A": true, "ACH_DEBIT": true, "ACH": true, "RTP": true, "OTHER": true,
}

// ParseScheme returns the scheme that s names, whatever its case, or [OtherScheme].
func ParseScheme(s string) Scheme {
	if scheme := Scheme(strings.ToUpper(s)); schemes[scheme] {
		return scheme
	}
	return OtherScheme
}

// Payment is one movement of money, folded from everything shown about it.
type Payment struct {
	ID        PaymentID     `json:"id"`
	Reference string        `json:"reference"`
	CreatedAt time.Time     `json:"createdAt"`
	Type      PaymentType   `json:"type"`
	Status    PaymentStatus `json:"status"`
	Scheme    Scheme        `json:"scheme"`
	Asset     Asset         `json:"asset"`
	// InitialAmount is what the payment was first made for, as last corrected.
	InitialAmount Amount `json:"initialAmount"`
	// Amount is what it comes to after captures and refunds.
	Amount Amount `json:"amount"`
	// SourceAccount and DestinationAccount are references at the PSP; empty when unknown.
	SourceAccount      string            `json:"-"`
	DestinationAccount string            `json:"-"`
	Metadata           map[string]string `json:"metadata"`
	// Adjustments are in the order in which they were stored.
	Adjustments []PaymentAdjustment `json:"-"`
}

// PaymentAdjustment is one version of one record that the service showed about
// a payment. The payment's own record and those of its refunds and captures
// all become adjustments of the one payment.
type PaymentAdjustment struct {
	// PaymentReference is the reference of the payment: the related transaction's
	// identifier where the record names one, else its own.
	PaymentReference string
	// Reference is the record's own identifier at the PSP.
	Reference string
	Type      PaymentType
	Status    PaymentStatus
	Scheme    Scheme
	Asset     Asset
	Amount    Amount
	// CreatedAt is when the movement came into being at the PSP.
	CreatedAt time.Time
	// UpdatedAt is when the PSP says it came into this state.
	UpdatedAt          time.Time
	SourceAccount      string
	DestinationAccount string
	Metadata           map[string]string
	// Version is 1 but where an earlier adjustment has the same record, instant
	// of creation and status; see [PaymentAdjustmentID].
	Version int
	// SeenAt is when Weir stored the adjustment.
	SeenAt time.Time
	// Raw holds the record's bytes as they came.
	Raw json.RawMessage
}

// IsLead reports whether the adjustment is of the payment's own record, not of
// a refund or capture that belongs to it.
func (a *PaymentAdjustment) IsLead() bool { return a.Reference == a.PaymentReference }

// ID returns the adjustment's identifier within payment.
func (a *PaymentAdjustment) ID(payment PaymentID) PaymentAdjustmentID {
	return PaymentAdjustmentID{
		Payment: payment, CreatedAt: a.CreatedAt, Reference: a.Reference,
		Status: a.Status, Version: a.Version,
	}
}

// EventKey is the idempotency key of the event that announces the adjustment.
func (a *PaymentAdjustment) EventKey(payment PaymentID) string {
	return hashKey(a.ID(payment).appendJSON(nil))
}
