package hub

import (
	"strconv"
	"time"
)

// Balance is what an account held of one asset from CreatedAt until
// LastUpdatedAt, the last instant at which the service still said so.
type Balance struct {
	Account       AccountID `json:"accountID"`
	Asset         Asset     `json:"asset"`
	Amount        Amount    `json:"balance"`
	CreatedAt     time.Time `json:"createdAt"`
	LastUpdatedAt time.Time `json:"lastUpdatedAt"`
	// Version is 1 but where an earlier balance of the same account and asset has
	// the same CreatedAt: the amount changed while the service's instant stood
	// still. It keeps the event keys of the two apart.
	Version int `json:"-"`
	// Raw holds the answer's bytes as they came.
	Raw []byte `json:"-"`
}

// EventKey is the idempotency key of the event that announces this balance; a
// first version has the key that the reference gives it.
func (b *Balance) EventKey() string {
	k := appendString([]byte(`{"AccountID":`), b.Account.String())
	k = appendString(append(k, `,"Asset":`...), string(b.Asset))
	k = strconv.AppendInt(append(k, `,"CreatedAt":`...), b.CreatedAt.UnixNano(), 10)
	k = strconv.AppendInt(append(k, `,"LastUpdatedAt":`...), b.LastUpdatedAt.UnixNano(), 10)
	if b.Version > 1 {
		k = strconv.AppendInt(append(k, `,"Version":`...), int64(b.Version), 10)
	}
	return hashKey(append(k, '}'))
}

// BalanceChange says what a balance that was shown means for the one stored.
type BalanceChange int

// The meanings of a balance that was shown.
const (
	// BalanceStale is older than the one stored and is dropped.
	BalanceStale BalanceChange = iota
	// BalanceSame confirms the amount; only LastUpdatedAt moves, if at all.
	BalanceSame
	// BalanceMoved has another amount and becomes the newest.
	BalanceMoved
)

// CompareBalance tells what shown means after newest, the newest balance of the
// same account and asset. An amount that changes while the service's instant
// stands still is a change all the same: the last one read stands.
func CompareBalance(newest, shown *Balance) BalanceChange {
	switch {
	case shown.LastUpdatedAt.Before(newest.LastUpdatedAt):
		return BalanceStale
	case shown.Amount.Equal(newest.Amount):
		return BalanceSame
	default:
		return BalanceMoved
	}
}
