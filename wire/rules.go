package wire

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// The rules stand here once, in two strengths: usable is what a reader can't do
// without, and Validate is all that the contract demands of the one who writes.

// Validate returns a sentence about the first thing that the contract does not
// allow, or nil.
func (a *Account) Validate() error {
	return first(a.usable(), checkWords("accountName", a.AccountName), checkMetadata(a.Metadata))
}

// Validate returns a sentence about the first thing that the contract does not
// allow, or nil.
func (b *Beneficiary) Validate() error {
	return first(b.usable(), checkWords("ownerName", b.OwnerName), checkMetadata(b.Metadata))
}

// Validate returns a sentence about the first thing that the contract does not
// allow, or nil.
func (b *Balances) Validate() error {
	err := first(checkID("id", b.ID), b.usable())
	for i := range b.Balances {
		err = first(err, within(i, checkAmount(b.Balances[i].Amount)), within(i, checkAsset(b.Balances[i].Currency)))
	}
	return err
}

// Validate returns a sentence about the first thing that the contract does not
// allow, or nil.
func (t *Transaction) Validate() error {
	return first(t.usable(), checkType(t.Type), checkStatus(t.Status), checkWords("scheme", t.Scheme), checkMetadata(t.Metadata))
}

// Validate returns a sentence about the first thing that the contract does not
// allow, or nil. The amount must be above zero.
func (p *PayoutRequest) Validate() error {
	return first(
		checkKey("idempotencyKey", p.IdempotencyKey),
		checkPositive(p.Amount),
		checkAsset(p.Currency),
		checkID("sourceAccountId", p.SourceAccountID),
		checkID("destinationAccountId", p.DestinationAccountID),
		checkWords("description", p.Description),
		checkMetadata(p.Metadata),
	)
}

// Validate is [PayoutRequest.Validate] for a transfer.
func (t *TransferRequest) Validate() error { return (*PayoutRequest)(t).Validate() }

// Validate returns a sentence about the first thing that the contract does not
// allow, or nil.
func (p *Payout) Validate() error {
	return first(
		p.usable(),
		checkKey("idempotencyKey", p.IdempotencyKey),
		checkID("sourceAccountId", p.SourceAccountID),
		checkID("destinationAccountId", p.DestinationAccountID),
		checkStatus(p.Status),
		checkWords("description", p.Description),
		checkMetadata(p.Metadata),
	)
}

// Validate is [Payout.Validate] for a transfer.
func (t *Transfer) Validate() error { return (*Payout)(t).Validate() }

func (a *Account) usable() error {
	return first(checkID("id", a.ID), checkTime("createdAt", a.CreatedAt))
}

func (b *Beneficiary) usable() error {
	return first(checkID("id", b.ID), checkTime("createdAt", b.CreatedAt))
}

// usable leaves the entries to their scanner, and the id, on which nothing
// depends, to Validate.
func (b *Balances) usable() error {
	return first(checkID("accountID", b.AccountID), checkTime("at", b.At))
}

func (t *Transaction) usable() error {
	return first(
		checkID("id", t.ID),
		checkTime("createdAt", t.CreatedAt),
		checkTime("updatedAt", t.UpdatedAt),
		checkAsset(t.Currency),
		checkAmount(t.Amount),
		checkReference("relatedTransactionID", t.RelatedTransactionID, MaxKeyBytes),
		checkReference("sourceAccountID", t.SourceAccountID, MaxIDBytes),
		checkReference("destinationAccountID", t.DestinationAccountID, MaxIDBytes),
	)
}

func (p *Payout) usable() error {
	return first(
		checkID("id", p.ID),
		checkAmount(p.Amount),
		checkAsset(p.Currency),
		checkTime("createdAt", p.CreatedAt),
		checkReference("idempotencyKey", p.IdempotencyKey, MaxKeyBytes),
		checkReference("sourceAccountId", p.SourceAccountID, MaxIDBytes),
		checkReference("destinationAccountId", p.DestinationAccountID, MaxIDBytes),
	)
}

// finishAccount and its like end the reading of a record: they complete what
// may be absent and refuse what can't be used.
func finishAccount(a *Account, s *scanner) { s.check(a.usable()) }

func finishBeneficiary(b *Beneficiary, s *scanner) { s.check(b.usable()) }

func finishBalances(b *Balances, s *scanner) { s.check(b.usable()) }

func finishTransaction(t *Transaction, s *scanner) {
	if t.Type == "" {
		t.Type = TypeOther
	}
	if t.Status == "" {
		t.Status = StatusOther
	}
	s.check(t.usable())
}

// finishPayout does not refuse an answer that lacks what the asker knows anyway.
func finishPayout(p *Payout, s *scanner) {
	if p.Status == "" {
		p.Status = StatusOther
	}
	if p.IdempotencyKey == "" {
		s.flaw("idempotencyKey must be given")
	}
	s.check(p.usable())
}

func finishPayoutRequest(p *PayoutRequest, s *scanner) { s.check(p.Validate()) }

// first returns the first error that is one.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// within names the entry of balances that err is about.
func within(i int, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("balances[%d]: %w", i, err)
}

func checkID(field, id string) error {
	if id == "" {
		return fmt.Errorf("%s must be given", field)
	}
	return checkReference(field, id, MaxIDBytes)
}

func checkKey(field, key string) error {
	if key == "" {
		return fmt.Errorf("%s must be given", field)
	}
	return checkReference(field, key, MaxKeyBytes)
}

// checkReference checks an identifier that may be absent.
func checkReference(field, id string, bytesMax int) error {
	switch {
	case len(id) > bytesMax:
		return fmt.Errorf("%s must have at most %d bytes, not %d: %.40q", field, bytesMax, len(id), id)
	case strings.IndexByte(id, 0) >= 0:
		return fmt.Errorf("%s must not hold a NUL byte: %.40q", field, id)
	case !utf8.ValidString(id):
		return fmt.Errorf("%s must be valid UTF-8: %.40q", field, id)
	}
	return nil
}

// checkTime refuses the zero time, which stands for an absent one, and the
// years that RFC 3339 can't write.
func checkTime(field string, t time.Time) error {
	if t.IsZero() {
		return fmt.Errorf("%s must be given", field)
	}
	if year := t.UTC().Year(); year < 0 || year > 9999 {
		return fmt.Errorf("%s must be between the years 0 and 9999, not in %d", field, year)
	}
	return nil
}

func checkAmount(a Amount) error {
	if a == "" {
		return fmt.Errorf("%w: it is absent or empty", ErrAmount)
	}
	return a.check()
}

// checkPositive demands an amount above zero.
func checkPositive(a Amount) error {
	if err := checkAmount(a); err != nil {
		return err
	}
	if a[0] == '-' || strings.Trim(a.digits(), "0") == "" {
		return fmt.Errorf("amount must be above zero: %.40q", string(a))
	}
	return nil
}

func checkAsset(asset string) error {
	if asset == "" {
		return fmt.Errorf("currency must be given")
	}
	if !ValidAsset(asset) {
		return fmt.Errorf("currency must be an asset such as USD/2, JPY/0 or BTC/8: %.40q", asset)
	}
	return nil
}

func checkType(t TransactionType) error {
	if !t.Known() {
		return fmt.Errorf("type must be one of PAYIN, PAYOUT, TRANSFER, OTHER: %.40q", string(t))
	}
	return nil
}

func checkStatus(s TransactionStatus) error {
	if !s.Known() {
		return fmt.Errorf("status must be one of the contract's, such as PENDING or SUCCEEDED: %.40q", string(s))
	}
	return nil
}

func checkWords(field, text string) error {
	if !utf8.ValidString(text) || strings.IndexByte(text, 0) >= 0 {
		return fmt.Errorf("%s must be valid UTF-8 without NUL bytes: %.40q", field, text)
	}
	return nil
}

func checkMetadata(metadata map[string]string) error {
	for key, text := range metadata {
		if err := first(checkWords("a key of metadata", key), checkWords("metadata", text)); err != nil {
			return err
		}
	}
	return nil
}
