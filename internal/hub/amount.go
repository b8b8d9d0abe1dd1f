package hub

import (
	"errors"
	"fmt"
	"math/big"
)

// Amount is an exact whole number of an asset's minor units, of any size. The
// zero value is zero. An Amount is never changed once made.
type Amount struct{ n *big.Int }

// NewAmount returns n minor units.
func NewAmount(n int64) Amount { return Amount{big.NewInt(n)} }

// AmountOf returns n minor units. The caller must not change n afterwards.
func AmountOf(n *big.Int) Amount { return Amount{n} }

// ErrAmount is returned for text that is not a whole number in decimal digits.
var ErrAmount = errors.New("an amount is a whole number of minor units")

// ParseAmount reads what [Amount.String] writes.
func ParseAmount(s string) (Amount, error) {
	n, ok := new(big.Int).SetString(s, 10)
	if !ok {
		return Amount{}, fmt.Errorf("%w: %.40q", ErrAmount, s)
	}
	return Amount{n}, nil
}

// Int returns the number. The caller must not change it.
func (a Amount) Int() *big.Int {
	if a.n == nil {
		return new(big.Int)
	}
	return a.n
}

// Add returns a + b.
func (a Amount) Add(b Amount) Amount { return Amount{new(big.Int).Add(a.Int(), b.Int())} }

// Sub returns a − b.
func (a Amount) Sub(b Amount) Amount { return Amount{new(big.Int).Sub(a.Int(), b.Int())} }

// Cmp returns -1, 0 or +1 as a is below, equal to or above b.
func (a Amount) Cmp(b Amount) int { return a.Int().Cmp(b.Int()) }

// Equal reports whether a and b are the same number.
func (a Amount) Equal(b Amount) bool { return a.Cmp(b) == 0 }

// String writes the number in decimal digits, with a minus sign where it is negative.
func (a Amount) String() string { return a.Int().String() }

// MarshalJSON writes the amount as a JSON integer of any size, as the API does.
func (a Amount) MarshalJSON() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalJSON reads a JSON integer of any size; strings, points and exponents are refused.
func (a *Amount) UnmarshalJSON(b []byte) error {
	parsed, err := ParseAmount(string(b))
	if err != nil {
		return err
	}
	*a = parsed
	return nil
}
