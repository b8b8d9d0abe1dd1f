package wire

import (
	"errors"
	"fmt"
	"math/big"
)

// Amount is an amount of money as the contract writes it: a whole number of
// minor units in decimal digits, with an optional sign, of any length up to
// [MaxAmountDigits]. Leading zeros and a plus sign mean what they say.
type Amount string

// ErrAmount is wrapped by every error of [Amount.Int].
var ErrAmount = errors.New("amount must be a whole number of minor units in decimal digits")

// AmountOf writes n in the contract's form.
func AmountOf(n *big.Int) Amount { return Amount(n.String()) }

// AmountOfInt writes n in the contract's form.
func AmountOfInt(n int64) Amount { return AmountOf(big.NewInt(n)) }

// Int reads the amount. Points, exponents, spaces, underscores and other bases
// are refused with an error that wraps [ErrAmount].
func (a Amount) Int() (*big.Int, error) {
	digits := string(a)
	if digits != "" && (digits[0] == '-' || digits[0] == '+') {
		digits = digits[1:]
	}
	if digits == "" || len(digits) > MaxAmountDigits {
		return nil, fmt.Errorf("%w: %.40q", ErrAmount, string(a))
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return nil, fmt.Errorf("%w: %.40q", ErrAmount, string(a))
		}
	}
	n, _ := new(big.Int).SetString(string(a), 10)
	return n, nil
}
