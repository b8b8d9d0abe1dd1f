package mirror

import (
	"maps"
	"time"

	"github.com/weirhq/weir/wire"
)

// kind is what the three lists differ in, so that one way of storing serves all.
type kind[T any] struct {
	table string
	id    func(*T) string
	// last is the line of stamps that the list takes its own from.
	last func(*lastStamps) *int64
	// count is the list's own number in the counts.
	count func(*counts) *int
	// version is the provider's own stamp of the row's version, or zero.
	version func(*T) time.Time
	// birth gives a new row its stamp.
	birth func(row *T, last *int64, now time.Time) int64
	// moves says that a change gives the row a new stamp.
	moves bool
	// settle makes a row what is served: old is nil for a new one.
	settle func(row, old *T, stamp time.Time)
	// mark adds to the row's metadata.
	mark     func(row *T, key, value string)
	validate func(*T) error
	body     func(*T) []byte
	read     func(stamp time.Time, body []byte) (T, error)
}

var accountKind = kind[wire.Account]{
	table: tableAccount,
	id:    func(a *wire.Account) string { return a.ID },
	last:  func(last *lastStamps) *int64 { return &last.account },
	count: func(c *counts) *int { return &c.Accounts },
	birth: func(a *wire.Account, last *int64, now time.Time) int64 { return stampAt(last, a.CreatedAt, now) },
	settle: func(a, _ *wire.Account, stamp time.Time) {
		a.Metadata = withTime(a.Metadata, MetadataCreatedAt, a.CreatedAt, stamp)
		a.CreatedAt = stamp
	},
	version:  func(*wire.Account) time.Time { return time.Time{} },
	mark:     func(a *wire.Account, key, value string) { a.Metadata = with(a.Metadata, key, value) },
	validate: (*wire.Account).Validate, body: accountBody, read: readAccount,
}

var beneficiaryKind = kind[wire.Beneficiary]{
	table: tableBeneficiary,
	id:    func(b *wire.Beneficiary) string { return b.ID },
	last:  func(last *lastStamps) *int64 { return &last.beneficiary },
	count: func(c *counts) *int { return &c.Beneficiaries },
	birth: func(b *wire.Beneficiary, last *int64, now time.Time) int64 { return stampAt(last, b.CreatedAt, now) },
	settle: func(b, _ *wire.Beneficiary, stamp time.Time) {
		b.Metadata = withTime(b.Metadata, MetadataCreatedAt, b.CreatedAt, stamp)
		b.CreatedAt = stamp
	},
	version:  func(*wire.Beneficiary) time.Time { return time.Time{} },
	mark:     func(b *wire.Beneficiary, key, value string) { b.Metadata = with(b.Metadata, key, value) },
	validate: (*wire.Beneficiary).Validate, body: beneficiaryBody, read: readBeneficiary,
}

var transactionKind = kind[wire.Transaction]{
	table:   tableMovement,
	id:      func(t *wire.Transaction) string { return t.ID },
	last:    func(last *lastStamps) *int64 { return &last.movement },
	count:   func(c *counts) *int { return &c.Transactions },
	version: func(t *wire.Transaction) time.Time { return t.UpdatedAt },
	birth:   func(_ *wire.Transaction, last *int64, now time.Time) int64 { return stampNow(last, now) },
	moves:   true,
	settle:  settleTransaction,
	mark: func(t *wire.Transaction, key, value string) {
		t.Metadata = with(t.Metadata, key, value)
	},
	validate: (*wire.Transaction).Validate, body: transactionBody, read: readTransaction,
}

// settleTransaction keeps the first createdAt for good, because a hub tells the
// adjustments of a payment apart by it.
func settleTransaction(t, old *wire.Transaction, stamp time.Time) {
	created := t.CreatedAt
	switch {
	case old != nil:
		t.CreatedAt = old.CreatedAt
	case created.IsZero():
		t.CreatedAt = stamp
	}
	t.CreatedAt = t.CreatedAt.UTC()
	t.Metadata = withTime(t.Metadata, MetadataCreatedAt, created, t.CreatedAt)
	t.Metadata = withTime(t.Metadata, MetadataUpdatedAt, t.UpdatedAt, stamp)
	t.UpdatedAt = stamp
}

// withTime adds what the provider says where it is not what is served.
func withTime(metadata map[string]string, key string, said, served time.Time) map[string]string {
	if said.IsZero() || said.Equal(served) {
		return metadata
	}
	return with(metadata, key, said.UTC().Format(time.RFC3339Nano))
}

// with does not change the map that the source gave.
func with(metadata map[string]string, key, value string) map[string]string {
	metadata = maps.Clone(metadata)
	if metadata == nil {
		metadata = map[string]string{}
	}
	metadata[key] = value
	return metadata
}
