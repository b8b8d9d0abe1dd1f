package main

import (
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	stripe "github.com/stripe/stripe-go/v85"

	"github.com/weirhq/weir/sdk"
	"github.com/weirhq/weir/wire"
)

// decimals are those currencies that Stripe counts otherwise than ISO 4217: it
// kept two decimals for two that have lost theirs, and never gave any to the
// ariary. See "special cases" at https://docs.stripe.com/currencies.
var decimals = sdk.Currencies{"ISK": 2, "UGX": 2, "MGA": 0}

// asset is a currency of Stripe in the contract's notation.
func asset(currency stripe.Currency) (string, error) {
	return decimals.Asset(strings.ToUpper(string(currency)))
}

// instant is a time of Stripe, which counts whole seconds. The mirror makes
// what shares one tell apart.
func instant(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }

func contractAccount(a *stripe.Account) wire.Account {
	name := a.Email
	if a.BusinessProfile != nil && a.BusinessProfile.Name != "" {
		name = a.BusinessProfile.Name
	}
	if name == "" {
		name = a.ID
	}
	row := wire.Account{ID: a.ID, AccountName: name, Metadata: filled(map[string]string{
		"country": a.Country, "defaultCurrency": strings.ToUpper(string(a.DefaultCurrency)), "type": string(a.Type),
	})}
	if a.Created > 0 { // the key's own account has none
		row.CreatedAt = instant(a.Created)
	}
	return row
}

// contractBalances adds what is available and what is pending: a balance
// transaction moves their sum when it comes into being, and never again.
func contractBalances(accountID string, b *stripe.Balance) (wire.Balances, error) {
	sums := map[string]int64{}
	for _, part := range slices.Concat(b.Available, b.Pending) {
		asset, err := asset(part.Currency)
		if err != nil {
			return wire.Balances{}, err
		}
		sums[asset] += part.Amount
	}
	row := wire.Balances{AccountID: accountID}
	for _, asset := range slices.Sorted(maps.Keys(sums)) {
		row.Balances = append(row.Balances, wire.Balance{Amount: wire.AmountOfInt(sums[asset]), Currency: asset})
	}
	return row, nil
}

// contractBeneficiary is a bank account that money is paid out to. Stripe says
// neither when it was added nor more of its number than the end.
func contractBeneficiary(b *stripe.BankAccount, accountID string) wire.Beneficiary {
	name := b.AccountHolderName
	if name == "" {
		name = b.BankName + " " + b.Last4
	}
	return wire.Beneficiary{ID: b.ID, OwnerName: name, Metadata: filled(map[string]string{
		"account": accountID, "bank": b.BankName, "country": b.Country, "last4": b.Last4,
		"currency": strings.ToUpper(string(b.Currency)), "status": string(b.Status),
	})}
}

// A meaning is what a type of balance transaction is in the contract's words.
type meaning struct {
	kind wire.TransactionType
	// undoes says that it takes back another one, which it relates to; status is
	// what it makes of that.
	undoes bool
	status wire.TransactionStatus
}

// contractTransaction puts a balance transaction into the contract's words. One
// whose currency is not known is left incomplete, and the mirror puts it aside.
func contractTransaction(t *stripe.BalanceTransaction, ownID string) wire.Transaction {
	asset, err := asset(t.Currency)
	if err != nil {
		return wire.Transaction{ID: t.ID, Metadata: map[string]string{"error": err.Error()}}
	}
	means, known := meanings[t.Type]
	if !known {
		means.kind = wire.TypeOther
	}
	row := wire.Transaction{
		ID: t.ID, CreatedAt: instant(t.Created), Currency: asset,
		Amount: wire.AmountOf(new(big.Int).Abs(big.NewInt(t.Amount))),
		Type:   means.kind, Status: statuses.Status(t.Status), Scheme: string(t.Type),
		Metadata: filled(map[string]string{
			"description": t.Description, "reportingCategory": string(t.ReportingCategory),
			"fee": strconv.FormatInt(t.Fee, 10), "net": strconv.FormatInt(t.Net, 10),
			"availableOn": instant(t.AvailableOn).Format(time.RFC3339),
		}),
	}
	other := ""
	if t.Source != nil {
		row.Metadata["source"] = t.Source.ID
		other, row.RelatedTransactionID = partiesOf(t, means)
	}
	outgoing := t.Amount < 0
	if row.RelatedTransactionID != "" {
		row.Status = means.status
		outgoing = !outgoing // it speaks of the one that it takes back
	}
	row.SourceAccountID, row.DestinationAccountID = other, ownID
	if outgoing {
		row.SourceAccountID, row.DestinationAccountID = ownID, other
	}
	return row
}

// partiesOf finds the account on the other side, and the balance transaction
// that this one takes back, in the object that it is about.
func partiesOf(t *stripe.BalanceTransaction, means meaning) (other, related string) {
	var first *stripe.BalanceTransaction
	switch about := t.Source; {
	case about.Refund != nil && about.Refund.Charge != nil:
		first = about.Refund.Charge.BalanceTransaction
	case about.Payout != nil:
		first = about.Payout.BalanceTransaction
		if about.Payout.Destination != nil {
			other = about.Payout.Destination.ID
		}
	case about.Transfer != nil:
		first = about.Transfer.BalanceTransaction
		if about.Transfer.Destination != nil {
			other = about.Transfer.Destination.ID
		}
	}
	if means.undoes && first != nil && first.ID != t.ID {
		related = first.ID
	}
	return other, related
}

// filled drops what is empty: a key that is there says something.
func filled(metadata map[string]string) map[string]string {
	maps.DeleteFunc(metadata, func(_, value string) bool { return value == "" })
	return metadata
}

// statuses gives each status of a balance transaction its meaning. What it lacks
// is OTHER, and is logged.
var statuses = sdk.NewStatusTable(nil, map[stripe.BalanceTransactionStatus]wire.TransactionStatus{
	stripe.BalanceTransactionStatusAvailable: wire.StatusSucceeded,
	stripe.BalanceTransactionStatusPending:   wire.StatusPending,
})
