package hub

import (
	"crypto/sha1" //nolint:gosec // the API's idempotency keys are defined as SHA-1
	"encoding/hex"
	"strconv"
	"time"
)

// AccountType tells the customer's own accounts from those of others.
type AccountType string

// The types of account.
const (
	// Internal accounts come from the list of accounts.
	Internal AccountType = "INTERNAL"
	// External accounts come from the list of beneficiaries.
	External AccountType = "EXTERNAL"
)

// Account is an account in its newest version.
type Account struct {
	ID        AccountID   `json:"id"`
	Reference string      `json:"reference"`
	Type      AccountType `json:"type"`
	CreatedAt time.Time   `json:"createdAt"`
	// Name is the account's name, or the owner's for an external account.
	Name     string            `json:"name"`
	Metadata map[string]string `json:"metadata"`
	// Version counts from 1 what was shown of this account.
	Version int `json:"-"`
	// SeenAt is when Weir stored this version.
	SeenAt time.Time `json:"-"`
	// Raw holds the record's bytes as they came.
	Raw []byte `json:"-"`
}

// EventKey is the idempotency key of the event that announces this version. The
// first version has the key that the reference gives an account.
func (a *Account) EventKey() string {
	b := a.ID.appendJSON(nil)
	if a.Version > 1 {
		b = append(b[:len(b)-1], `,"Version":`...)
		b = append(strconv.AppendInt(b, int64(a.Version), 10), '}')
	}
	return hashKey(b)
}

func hashKey(canonical []byte) string {
	sum := sha1.Sum(canonical) //nolint:gosec // see the import
	return hex.EncodeToString(sum[:])
}
