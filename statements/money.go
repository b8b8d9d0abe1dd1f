package statements

import (
	"math/big"
	"strings"

	"github.com/weirhq/weir/sdk"
)

// Bounds of what is money. ISO 20022 has 18 digits, SWIFT 15; a longer number
// is a damaged file.
const digitsMax = 40

// Places knows how many decimals a currency has: its own entries first, then
// those of ISO 4217, as package sdk has them.
type Places map[string]int

// Of returns the decimals of a currency. One that nobody told of is an error,
// because its amounts could be wrong by a factor of a hundred.
func (p Places) Of(currency string) (int, error) {
	places, err := sdk.Currencies(p).Decimals(currency)
	if err != nil {
		return 0, flawf("%.10q is no currency of ISO 4217; name its decimals in the settings if it is one of the bank's own", currency)
	}
	return places, nil
}

// Asset is the currency in the contract's notation, for example "EUR/2".
func (p Places) Asset(currency string) (string, error) {
	return sdk.Currencies(p).Asset(currency)
}

// minor reads decimal text as minor units of a currency, exactly. point is the
// decimal sign, the only sign that may stand among the digits. Decimals beyond
// the currency's are refused unless they are zeros.
func (p Places) minor(text string, currency string, point byte) (*big.Int, error) {
	places, err := p.Of(currency)
	if err != nil {
		return nil, err
	}
	whole, fraction, _ := strings.Cut(text, string(point))
	if strings.IndexByte(fraction, point) >= 0 {
		return nil, flawf("amount %.40q has two decimal signs; have the bank send the file again", text)
	}
	if whole == "" && fraction == "" || !isDigits(whole) || !isDigits(fraction) {
		return nil, flawf("amount %.40q is no number with the decimal sign %q", text, string(point))
	}
	if len(whole)+len(fraction) > digitsMax {
		return nil, flawf("amount %.40q… has %d digits; the file is damaged", text, len(whole)+len(fraction))
	}
	for len(fraction) > places {
		last := len(fraction) - 1
		if fraction[last] != '0' {
			return nil, flawf("amount %.40q has more decimals than the %d of %s; ask the bank what it means, it is never rounded", text, places, currency)
		}
		fraction = fraction[:last]
	}
	return combine(whole, fraction, places), nil
}

// combine makes one integer of the digits before and after the decimal sign.
func combine(whole, fraction string, places int) *big.Int {
	const fastDigitsMax = 18 // what always fits into an int64
	if len(whole)+places <= fastDigitsMax {
		var n int64
		for i := range len(whole) {
			n = n*10 + int64(whole[i]-'0')
		}
		for i := range places {
			n *= 10
			if i < len(fraction) {
				n += int64(fraction[i] - '0')
			}
		}
		return big.NewInt(n)
	}
	n, _ := new(big.Int).SetString(whole+fraction+strings.Repeat("0", places-len(fraction)), 10)
	return n
}

// decimal writes minor units as a number with a point, for people.
func (p Places) decimal(minor *big.Int, currency string) string {
	places, err := p.Of(currency)
	if err != nil || minor == nil {
		return "?"
	}
	digits := new(big.Int).Abs(minor).String()
	if pad := places + 1 - len(digits); pad > 0 {
		digits = strings.Repeat("0", pad) + digits
	}
	if places > 0 {
		digits = digits[:len(digits)-places] + "." + digits[len(digits)-places:]
	}
	if minor.Sign() < 0 {
		digits = "-" + digits
	}
	return digits + " " + currency
}

func isDigits(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }

// isIBAN reports whether s is an IBAN: its form and its check digits by
// ISO 13616 (modulus 97 of ISO 7064).
func isIBAN(s string) bool {
	const lengthMin, lengthMax = 15, 34
	if len(s) < lengthMin || len(s) > lengthMax || !isUpper(s[0]) || !isUpper(s[1]) || !isDigits(s[2:4]) {
		return false
	}
	rest := 0
	for i := range len(s) {
		c := s[(i+4)%len(s)]
		switch {
		case isDigit(c):
			rest = (rest*10 + int(c-'0')) % 97
		case isUpper(c):
			rest = (rest*100 + int(c-'A') + 10) % 97
		default:
			return false
		}
	}
	return rest == 1
}

// isBIC reports whether s has the form of a bank's identifier by ISO 9362.
func isBIC(s string) bool {
	if len(s) != 8 && len(s) != 11 {
		return false
	}
	for i := range len(s) {
		if !isUpper(s[i]) && (i < 4 || i == 4 || i == 5 || !isDigit(s[i])) {
			return false
		}
	}
	return true
}
