package sdk

import (
	"context"

	"github.com/weirhq/weir/wire"
)

// Pull reads the next part of a provider from a position on, and is how a
// provider that can't list, sort or filter as the contract wants becomes a
// source for a mirror (package sdk/mirror). The first position is empty; each
// later one is the Next of the batch before, given back when that batch is
// stored for good.
//
// It may return the same rows again, in any order: the mirror compares. It must
// not leave out a row between two positions. An error changes nothing, and the
// pull is repeated from the same position.
type Pull func(ctx context.Context, position string) (Batch, error)

// Batch is what one pull gives: rows of any lists, and where the next one begins.
type Batch struct {
	// Accounts and Beneficiaries carry the provider's own CreatedAt, or none.
	Accounts      []wire.Account
	Beneficiaries []wire.Beneficiary
	// Transactions carry the provider's CreatedAt, or none. UpdatedAt is the
	// provider's own stamp of the version, or zero when it has none.
	Transactions []wire.Transaction
	// Balances holds whole accounts: all assets of each. At is when the provider
	// says they were true, or zero for now.
	Balances []wire.Balances

	// Next is the position of the next pull.
	Next string
	// More says that the provider has more at Next already. Otherwise the next
	// pull waits for the source's period.
	More bool

	// Scan, when above zero, numbers a walk over everything that the source has,
	// of which this batch is a part. ScanComplete says that the walk ends with
	// this batch and has seen all there is: what it did not show has vanished.
	Scan         int64
	ScanComplete bool
}

// Len is the number of rows in the batch.
func (b *Batch) Len() int {
	return len(b.Accounts) + len(b.Beneficiaries) + len(b.Transactions) + len(b.Balances)
}
