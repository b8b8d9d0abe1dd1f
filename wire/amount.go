package wire

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
)

// Amount is an amount of money as the contract writes it: a whole number of
// minor units in decimal digits, with an optional sign, of any length up to
// [MaxAmountDigits]. Leading zeros and a plus sign mean what they say.
type Amount string

// ErrAmount is wrapped by every error about an amount that is none.
var ErrAmount = errors.New("amount must be a whole number of minor units in decimal digits")

// AmountOf writes n in the contract's form.
func AmountOf(n *big.Int) Amount { return Amount(n.String()) }

// AmountOfInt writes n in the contract's form.
func AmountOfInt(n int64) Amount { return Amount(strconv.FormatInt(n, 10)) }

// Valid reports whether [Amount.Int] can read the amount.
func (a Amount) Valid() bool {
	digits := a.digits()
	if digits == "" || len(digits) > MaxAmountDigits {
		return false
	}
	for i := range len(digits) {
		if !isDigit(digits[i]) {
			return false
		}
	}
	return true
}

// Int reads the amount. Points, exponents, spaces, underscores and other bases
// are refused with an error that wraps [ErrAmount].
func (a Amount) Int() (*big.Int, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	n, _ := new(big.Int).SetString(string(a), 10)
	return n, nil
}

// Int64 reads the amount without allocating; ok is false when it is no amount
// or does not fit, and [Amount.Int] tells which.
func (a Amount) Int64() (n int64, ok bool) {
	if !a.Valid() {
		return 0, false
	}
	n, err := strconv.ParseInt(string(a), 10, 64)
	return n, err == nil
}

// digits is the amount without its sign.
func (a Amount) digits() string {
	if a != "" && (a[0] == '-' || a[0] == '+') {
		return string(a[1:])
	}
	return string(a)
}

// check returns an error that wraps [ErrAmount] unless the amount is valid.
func (a Amount) check() error {
	if a.Valid() {
		return nil
	}
	if len(a.digits()) > MaxAmountDigits {
		return fmt.Errorf("%w, at most %d: %.40q…", ErrAmount, MaxAmountDigits, string(a))
	}
	return fmt.Errorf("%w: %.40q", ErrAmount, string(a))
}

// appendCanonical appends the one spelling of the amount that every reader
// understands: no plus sign, no leading zeros, no minus before zero.
func (a Amount) appendCanonical(dst []byte) []byte {
	digits := a.digits()
	for len(digits) > 1 && digits[0] == '0' {
		digits = digits[1:]
	}
	if digits != "0" && a != "" && a[0] == '-' {
		dst = append(dst, '-')
	}
	return append(dst, digits...)
}
