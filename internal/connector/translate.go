package connector

import (
	"strconv"
	"time"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/wire"
)

// The functions of this file say what a record of the service is in the core's
// words. They are pure, and the only place where both vocabularies meet. A
// record that reaches them has been read without an error.

func account(connector hub.ConnectorID, r *wire.Record[wire.Account]) hub.Account {
	return hub.Account{
		ID:        hub.AccountID{Connector: connector, Reference: r.Value.ID},
		Reference: r.Value.ID,
		Type:      hub.Internal,
		CreatedAt: r.Value.CreatedAt.UTC(),
		Name:      r.Value.AccountName,
		Metadata:  r.Value.Metadata,
		Raw:       r.Raw,
	}
}

func beneficiary(connector hub.ConnectorID, r *wire.Record[wire.Beneficiary]) hub.Account {
	return hub.Account{
		ID:        hub.AccountID{Connector: connector, Reference: r.Value.ID},
		Reference: r.Value.ID,
		Type:      hub.External,
		CreatedAt: r.Value.CreatedAt.UTC(),
		Name:      r.Value.OwnerName,
		Metadata:  r.Value.Metadata,
		Raw:       r.Raw,
	}
}

func balances(connector hub.ConnectorID, r *wire.Record[wire.Balances]) []hub.Balance {
	list := make([]hub.Balance, len(r.Value.Balances))
	for i, b := range r.Value.Balances {
		list[i] = hub.Balance{
			Account:       hub.AccountID{Connector: connector, Reference: r.Value.AccountID},
			Asset:         hub.Asset(b.Currency),
			Amount:        amount(b.Amount),
			CreatedAt:     r.Value.At.UTC(),
			LastUpdatedAt: r.Value.At.UTC(),
			Raw:           r.Raw,
		}
	}
	return list
}

func adjustment(r *wire.Record[wire.Transaction]) hub.PaymentAdjustment {
	t := &r.Value
	a := hub.PaymentAdjustment{
		PaymentReference:   t.RelatedTransactionID,
		Reference:          t.ID,
		Type:               paymentType(t.Type),
		Status:             hub.PaymentStatus(t.Status), // the two vocabularies agree, name by name
		Scheme:             hub.ParseScheme(t.Scheme),
		Asset:              hub.Asset(t.Currency),
		Amount:             amount(t.Amount),
		CreatedAt:          t.CreatedAt.UTC(),
		UpdatedAt:          t.UpdatedAt.UTC(),
		SourceAccount:      t.SourceAccountID,
		DestinationAccount: t.DestinationAccountID,
		Metadata:           t.Metadata,
		Raw:                r.Raw,
	}
	if a.PaymentReference == "" {
		a.PaymentReference = t.ID
	}
	return a
}

func paymentType(t wire.TransactionType) hub.PaymentType {
	switch t {
	case wire.TypePayin:
		return hub.PayIn
	case wire.TypePayout:
		return hub.Payout
	case wire.TypeTransfer:
		return hub.Transfer
	default:
		return hub.OtherPayment
	}
}

// amount reads an amount that decoding has found to be one.
func amount(a wire.Amount) hub.Amount {
	if n, ok := a.Int64(); ok {
		return hub.NewAmount(n)
	}
	n, err := a.Int()
	if err != nil {
		panic("connector: decoding let an amount pass that is none: " + err.Error())
	}
	return hub.AmountOf(n)
}

// reject makes a rejection of a record that can't be read, with its place in
// the list as far as that can be.
func reject(stream hub.StreamID, raw []byte, why error, now time.Time) (hub.Rejection, time.Time) {
	id, createdAt, updatedAt := wire.Peek(raw)
	stamp := createdAt
	if stream.Resource == hub.Transactions {
		stamp = updatedAt
	}
	return hub.Rejection{
		Stream:      stream,
		Reference:   id,
		StampedAt:   stamp.UTC(),
		Reason:      why.Error(),
		Raw:         raw,
		FirstSeenAt: now,
		LastSeenAt:  now,
	}, stamp.UTC()
}

func quoteID(id string) string {
	const most = 80
	if len(id) > most {
		id = id[:most] + "…"
	}
	return strconv.Quote(id)
}
