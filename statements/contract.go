package statements

import (
	"math/big"
	"strconv"
	"time"

	"github.com/weirhq/weir/wire"
)

// The translation into the contract's words: pure functions, values in, values
// out. What a file says beside the contract's fields stands in metadata.

// translation is what a row of the contract needs beside what the file says.
type translation struct {
	places Places
	zone   *time.Location
}

// accountRow is the account with its balances in metadata: the contract's own
// balances have one amount for each asset, and no word for how it was counted.
func (t translation) accountRow(id string, a Account, created time.Time, balances []Balance) (wire.Account, error) {
	row := wire.Account{ID: id, AccountName: a.Name, CreatedAt: created, Metadata: metadata{
		"iban":           a.IBAN,
		"identification": a.Other,
		"currency":       a.Currency,
		"bic":            a.BIC,
		"servicer":       a.Servicer,
		"owner":          a.Owner,
	}.clean()}
	for _, name := range []string{a.Owner, a.Identification()} {
		if row.AccountName == "" {
			row.AccountName = name
		}
	}
	for _, b := range balances {
		name, ok := balanceNames[b.Type]
		if !ok || b.Currency != a.Currency {
			continue
		}
		asset, err := t.places.Asset(b.Currency)
		if err != nil {
			return row, err
		}
		row.Metadata[name] = asset + " " + b.Minor.String()
		row.Metadata[name+"At"] = b.At.String()
	}
	return row, nil
}

// balanceNames are the keys of balances in an account's metadata.
var balanceNames = map[BalanceType]string{
	OpeningBooked:          "openingBooked",
	PreviouslyClosedBooked: "openingBooked",
	ClosingBooked:          "closingBooked",
	InterimBooked:          "interimBooked",
	OpeningAvailable:       "openingAvailable",
	ClosingAvailable:       "closingAvailable",
	InterimAvailable:       "interimAvailable",
	ForwardAvailable:       "forwardAvailable",
	Expected:               "expected",
}

// closedAt is the instant for which a closing balance is true. A balance that
// has only a date closes its day: it is true at the last second, or when the
// bank wrote the statement on that very day.
func (t translation) closedAt(s *Statement, b Balance) time.Time {
	if !b.At.IsDate() {
		return b.At.In(t.zone)
	}
	begin := b.At.In(t.zone)
	end := b.At.fields.AddDate(0, 0, 1)
	last := time.Date(end.Year(), end.Month(), end.Day(), 0, 0, 0, 0, t.zone).Add(-time.Second).UTC()
	if created := s.Created.In(t.zone); !s.Created.IsZero() && !s.Created.IsDate() && created.After(begin) && created.Before(last) {
		return created
	}
	return last
}

// role is where a transaction stands among the customer's rows.
type role struct {
	id, accountID string
	created       time.Time
	// other is the id of the counterparty's account or beneficiary; ours says
	// that it is an account of the customer.
	other string
	ours  bool
	// related is the transaction that this one returns, and relatedType its type.
	related     string
	relatedType wire.TransactionType
	// part is the number of the transaction in its entry, 0 for the entry itself.
	part int
	// fresh says that nothing was told of it before.
	fresh bool
}

// transactionRow is a movement in the contract's words. d is the entry's own
// detail, or one of those that stand in its place.
func (t translation) transactionRow(s *Statement, e *Entry, d *Detail, r role) (wire.Transaction, error) {
	asset, err := t.places.Asset(d.Currency)
	if err != nil {
		return wire.Transaction{}, err
	}
	row := wire.Transaction{
		ID: r.id, RelatedTransactionID: r.related, CreatedAt: r.created, UpdatedAt: t.toldAt(s, r.created),
		Currency: asset, Scheme: scheme(d.Code), Amount: wire.AmountOf(d.Minor),
		Type: transactionType(e, d, r), Status: transactionStatus(e, r),
		Metadata: t.describe(s, e, d, r),
	}
	row.SourceAccountID, row.DestinationAccountID = r.accountID, r.other
	// A return speaks of the movement that it undoes, so its accounts are that
	// movement's and not its own.
	if d.Credit != (r.related != "") {
		row.SourceAccountID, row.DestinationAccountID = r.other, r.accountID
	}
	return row, nil
}

// toldAt is when the file told of a movement. The mirror gives rows a time of
// change of its own; this one is for those who serve without it.
func (t translation) toldAt(s *Statement, created time.Time) time.Time {
	for _, m := range []Moment{s.Created, s.To, s.From} {
		if at := m.In(t.zone); !m.IsZero() && at.After(created) {
			return at
		}
	}
	return created
}

// createdAt is when a movement came into being, as far as the file knows.
func (t translation) createdAt(s *Statement, e *Entry) time.Time {
	for _, m := range []Moment{e.Booking, e.Value, s.To, s.Created, s.From} {
		if !m.IsZero() {
			return m.In(t.zone)
		}
	}
	return time.Time{}
}

// transactionType goes by the direction. What moves nothing has none.
func transactionType(e *Entry, d *Detail, r role) wire.TransactionType {
	switch {
	case r.related != "":
		return r.relatedType
	case e.Status == Information || e.Status == UnknownStatus || d.Minor.Sign() == 0:
		return wire.TypeOther
	case r.ours:
		return wire.TypeTransfer
	case d.Credit:
		return wire.TypePayin
	}
	return wire.TypePayout
}

func transactionStatus(e *Entry, r role) wire.TransactionStatus {
	switch {
	case e.Status == Pending:
		return wire.StatusPending
	case e.Status != Booked:
		return wire.StatusOther
	case r.related != "":
		return wire.StatusRefunded
	}
	return wire.StatusSucceeded
}

// scheme names the payment schemes that the bank's code tells for sure.
func scheme(c Code) string {
	switch c.SubFamily {
	case "ESCT":
		return "SEPA_CREDIT"
	case "ESDD", "BBDD":
		return "SEPA_DEBIT"
	}
	return ""
}

// describe is everything that the contract has no field for.
func (t translation) describe(s *Statement, e *Entry, d *Detail, r role) map[string]string {
	m := metadata{
		"statement": s.ID, "statementKind": s.Kind.String(), "statementNumber": s.Number(),
		"bookingDate": e.Booking.String(), "valueDate": e.Value.String(),
		"servicerReference": d.ServicerRef, "endToEndID": d.EndToEnd, "instructionID": d.Instruction,
		"transactionID": d.Transaction, "mandateID": d.Mandate, "uetr": d.UETR, "paymentInfoID": d.PaymentInfo,
		"messageID": d.MessageID, "chequeNumber": d.Cheque, "clearingReference": d.Clearing, "customerReference": d.Customer,
		"remittance": d.Text, "creditorReference": d.CreditorRef, "purpose": d.Purpose, "creditorID": d.CreditorID,
		"bankCode": joinCode(d.Code), "bankCodeProprietary": d.Code.Proprietary, "bankCodeIssuer": d.Code.Issuer, "bankCodeText": d.Code.Text,
		"counterpartyName": d.Party.Name, "counterpartyAccount": d.Party.Account, "counterpartyBIC": d.Party.BIC, "counterpartyUltimate": d.Party.Ultimate,
		"instructedAmount": d.Instructed, "exchangeRate": d.Rate, "entryInfo": e.Info,
		"returnReason": d.Return.Reason, "returnInfo": d.Return.Info,
		"batchMessageID": e.Batch.MessageID, "batchPaymentInfoID": e.Batch.PaymentInfo,
	}
	if e.Reversal {
		m["reversal"] = "true"
	}
	if d.Return.Is {
		m["return"] = "true"
	}
	if e.Batch.Count >= 0 {
		m["batchCount"] = strconv.Itoa(e.Batch.Count)
	}
	if e.Batch.DetailCount > 1 {
		m["batchDetails"] = strconv.Itoa(e.Batch.DetailCount)
	}
	if r.part > 0 {
		m["batchAmount"] = t.places.decimal(e.Minor, e.Currency)
		m["batchReference"] = e.ServicerRef
	}
	for i, charge := range d.Charges {
		key := "charge"
		if i > 0 {
			key += strconv.Itoa(i + 1)
		}
		amount := charge.Minor
		if charge.Credit {
			amount = new(big.Int).Neg(amount)
		}
		m[key] = t.places.decimal(amount, charge.Currency)
		if charge.Included {
			m[key+"Included"] = "true"
		}
		m[key+"Type"] = charge.Type
	}
	return m.clean()
}

func joinCode(c Code) string {
	if c.Domain == "" {
		return ""
	}
	return c.Domain + "-" + c.Family + "-" + c.SubFamily
}

// beneficiaryID is the id of somebody else's account. Without an IBAN the
// number is the bank's own, so the bank belongs to it. The prefix keeps it
// apart from the customer's accounts, which may share the name space.
func beneficiaryID(p Party) string {
	id := p.Account
	if !isIBAN(id) && p.BIC != "" {
		id = p.BIC + "/" + id
	}
	const idMax = 300 // escaped, it stays below the contract's bound
	if id == "" || len(id) > idMax {
		return ""
	}
	return "beneficiary-" + ContractID(id)
}

func beneficiaryRow(id string, p Party, created time.Time) wire.Beneficiary {
	m := metadata{"bic": p.BIC, "identification": p.Account}
	if isIBAN(p.Account) {
		m["iban"], m["identification"] = p.Account, ""
	}
	return wire.Beneficiary{ID: id, CreatedAt: created, OwnerName: p.Name, Metadata: m.clean()}
}

// metadata drops what is empty: a key that is there says something.
type metadata map[string]string

func (m metadata) clean() map[string]string {
	for key, value := range m {
		if value == "" {
			delete(m, key)
		}
	}
	return m
}
