package wire

import "strings"

// field is a member of a record, and how its value gets into the record.
type field[T any] struct {
	name string
	read func(*T, *scanner)
}

// fields are the members that a record may have, in the order in which a
// service usually writes them. Others are skipped.
type fields[T any] []field[T]

// scan reads the object that comes next.
func (f fields[T]) scan(s *scanner, into *T) {
	if s.dec.PeekKind() != '{' {
		if value := s.value(); s.broken == nil {
			s.reject("a record must be a JSON object, not %s", describe(value))
		}
		return
	}
	_, _ = s.dec.ReadToken()
	var seen uint64
	next := 0
	for s.dec.PeekKind() == '"' && s.broken == nil {
		name, _ := s.str()
		i := f.find(name, next)
		if i < 0 {
			s.value()
			continue
		}
		s.field = f[i].name
		if seen&(1<<i) != 0 {
			s.flaw("the key %q is given twice: the last one counts", s.field)
		}
		seen |= 1 << i
		f[i].read(into, s)
		next = i + 1
	}
	_, _ = s.dec.ReadToken()
}

// find gives the index of the field called name, or -1. It looks first where
// the last one was found, because services write the same order every time. The
// case of a key is ignored, as the reference ignores it.
func (f fields[T]) find(name string, next int) int {
	for i := next; i < len(f); i++ {
		if f[i].name == name {
			return i
		}
	}
	for i := range f {
		if strings.EqualFold(f[i].name, name) {
			return i
		}
	}
	return -1
}

// The shapes. Each entry is one line of the contract.
var (
	accountFields = fields[Account]{
		{"id", func(a *Account, s *scanner) { a.ID = s.id() }},
		{"accountName", func(a *Account, s *scanner) { a.AccountName = s.words() }},
		{"createdAt", func(a *Account, s *scanner) { a.CreatedAt = s.instant() }},
		{"metadata", func(a *Account, s *scanner) { a.Metadata = s.metadata() }},
	}
	beneficiaryFields = fields[Beneficiary]{
		{"id", func(b *Beneficiary, s *scanner) { b.ID = s.id() }},
		{"createdAt", func(b *Beneficiary, s *scanner) { b.CreatedAt = s.instant() }},
		{"ownerName", func(b *Beneficiary, s *scanner) { b.OwnerName = s.words() }},
		{"metadata", func(b *Beneficiary, s *scanner) { b.Metadata = s.metadata() }},
	}
	transactionFields = fields[Transaction]{
		{"id", func(t *Transaction, s *scanner) { t.ID = s.id() }},
		{"relatedTransactionID", func(t *Transaction, s *scanner) { t.RelatedTransactionID = s.id() }},
		{"createdAt", func(t *Transaction, s *scanner) { t.CreatedAt = s.instant() }},
		{"updatedAt", func(t *Transaction, s *scanner) { t.UpdatedAt = s.instant() }},
		{"currency", func(t *Transaction, s *scanner) { t.Currency = s.id() }},
		{"scheme", func(t *Transaction, s *scanner) { t.Scheme = s.words() }},
		{"type", func(t *Transaction, s *scanner) { t.Type = s.kind() }},
		{"status", func(t *Transaction, s *scanner) { t.Status = s.status() }},
		{"amount", func(t *Transaction, s *scanner) { t.Amount = s.amount() }},
		{"sourceAccountID", func(t *Transaction, s *scanner) { t.SourceAccountID = s.id() }},
		{"destinationAccountID", func(t *Transaction, s *scanner) { t.DestinationAccountID = s.id() }},
		{"metadata", func(t *Transaction, s *scanner) { t.Metadata = s.metadata() }},
	}
	placeFields = fields[Transaction]{
		{"id", func(t *Transaction, s *scanner) { t.ID = s.id() }},
		{"createdAt", func(t *Transaction, s *scanner) { t.CreatedAt = s.instant() }},
		{"updatedAt", func(t *Transaction, s *scanner) { t.UpdatedAt = s.instant() }},
	}
	balancesFields = fields[Balances]{
		{"id", func(b *Balances, s *scanner) { b.ID = s.id() }},
		{"accountID", func(b *Balances, s *scanner) { b.AccountID = s.id() }},
		{"at", func(b *Balances, s *scanner) { b.At = s.instant() }},
		{"balances", func(b *Balances, s *scanner) { b.Balances = s.balances() }},
	}
	balanceFields = fields[Balance]{
		{"amount", func(b *Balance, s *scanner) { b.Amount = s.amount() }},
		{"currency", func(b *Balance, s *scanner) { b.Currency = s.id() }},
	}
	payoutFields = fields[Payout]{
		{"id", func(p *Payout, s *scanner) { p.ID = s.id() }},
		{"idempotencyKey", func(p *Payout, s *scanner) { p.IdempotencyKey = s.id() }},
		{"amount", func(p *Payout, s *scanner) { p.Amount = s.amount() }},
		{"currency", func(p *Payout, s *scanner) { p.Currency = s.id() }},
		{"sourceAccountId", func(p *Payout, s *scanner) { p.SourceAccountID = s.id() }},
		{"destinationAccountId", func(p *Payout, s *scanner) { p.DestinationAccountID = s.id() }},
		{"description", func(p *Payout, s *scanner) { p.Description = s.words() }},
		{"status", func(p *Payout, s *scanner) { p.Status = s.status() }},
		{"createdAt", func(p *Payout, s *scanner) { p.CreatedAt = s.instant() }},
		{"updatedAt", func(p *Payout, s *scanner) { p.UpdatedAt = s.instant() }},
		{"metadata", func(p *Payout, s *scanner) { p.Metadata = s.metadata() }},
	}
	payoutRequestFields = fields[PayoutRequest]{
		{"idempotencyKey", func(p *PayoutRequest, s *scanner) { p.IdempotencyKey = s.id() }},
		{"amount", func(p *PayoutRequest, s *scanner) { p.Amount = s.amount() }},
		{"currency", func(p *PayoutRequest, s *scanner) { p.Currency = s.id() }},
		{"sourceAccountId", func(p *PayoutRequest, s *scanner) { p.SourceAccountID = s.id() }},
		{"destinationAccountId", func(p *PayoutRequest, s *scanner) { p.DestinationAccountID = s.id() }},
		{"description", func(p *PayoutRequest, s *scanner) { p.Description = s.words() }},
		{"metadata", func(p *PayoutRequest, s *scanner) { p.Metadata = s.metadata() }},
	}
	errorFields = fields[Error]{
		{"Title", func(e *Error, s *scanner) { e.Title = s.words() }},
		{"Detail", func(e *Error, s *scanner) { e.Detail = s.words() }},
	}
	capabilitiesFields = fields[Capabilities]{
		{"version", func(c *Capabilities, s *scanner) { c.Version = s.words() }},
		{"pageSizeMax", func(c *Capabilities, s *scanner) { c.PageSizeMax = s.count() }},
		{"resources", func(c *Capabilities, s *scanner) { c.Resources = s.texts() }},
	}
)
