package sdk

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/weirhq/weir/wire"
)

// Money reads an amount that a provider writes as a decimal number of the
// currency, such as "12.50" of "EUR", as minor units and asset: "1250", "EUR/2".
//
// It is exact or it is an error. Decimals beyond the currency's are refused
// unless they are zeros; nothing is rounded. So are exponents, separators of
// thousands, a decimal comma and spaces: what they mean differs by provider.
//
// The amount is text on purpose. A float64 has lost the amount before it gets
// here, so it does not compile; decode JSON numbers as [encoding/json.Number]
// and pass their String. A provider that sends minor units as integers needs
// only [wire.AmountOfInt] and [Currencies.Asset].
func (c Currencies) Money(decimal, code string) (amount wire.Amount, asset string, err error) {
	asset, err = c.Asset(code)
	if err != nil {
		return "", "", err
	}
	decimals, _ := c.Decimals(code) // Asset has asked already
	digits, negative := strings.CutPrefix(decimal, "-")
	if !negative {
		digits = strings.TrimPrefix(digits, "+")
	}
	whole, fraction, pointed := strings.Cut(digits, ".")
	if whole+fraction == "" || !onlyDigits(whole) || !onlyDigits(fraction) || pointed && fraction == "" {
		return "", "", fmt.Errorf("amount must be a plain decimal number such as 12.50, not %.40q", decimal)
	}
	for len(fraction) > decimals {
		last := len(fraction) - 1
		if fraction[last] != '0' {
			return "", "", fmt.Errorf("amount %.40q has more decimals than the %d of %s, and amounts are never rounded", decimal, decimals, code)
		}
		fraction = fraction[:last]
	}
	minor := strings.TrimLeft(whole+fraction+strings.Repeat("0", decimals-len(fraction)), "0")
	switch {
	case len(minor) > wire.MaxAmountDigits:
		return "", "", fmt.Errorf("amount %.40q… has %d digits: that is a fault, not money", decimal, len(minor))
	case minor == "":
		minor = "0"
	case negative:
		minor = "-" + minor
	}
	return wire.Amount(minor), asset, nil
}

// Decimal writes an amount of the contract as the decimal number that a
// provider wants in an order: "1250" of "EUR/2" is "12.50", "7" of "JPY/0" is
// "7". It is the inverse of [Currencies.Money].
func Decimal(amount wire.Amount, asset string) (string, error) {
	if !amount.Valid() {
		return "", fmt.Errorf("%w: %.40q", wire.ErrAmount, string(amount))
	}
	if !wire.ValidAsset(asset) {
		return "", fmt.Errorf("%.40q is no asset such as USD/2", asset)
	}
	decimals := 0
	if _, precision, given := strings.Cut(asset, "/"); given {
		decimals, _ = strconv.Atoi(precision) // ValidAsset has looked at it
	}
	if decimals > wire.MaxAmountDigits {
		return "", fmt.Errorf("an amount of %s can't be written: it has too many decimals", asset)
	}
	digits, negative := strings.CutPrefix(string(amount), "-")
	digits = strings.TrimLeft(strings.TrimPrefix(digits, "+"), "0")
	zero := digits == ""
	if short := decimals + 1 - len(digits); short > 0 {
		digits = strings.Repeat("0", short) + digits
	}
	if decimals > 0 {
		digits = digits[:len(digits)-decimals] + "." + digits[len(digits)-decimals:]
	}
	if negative && !zero {
		digits = "-" + digits
	}
	return digits, nil
}

func onlyDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
