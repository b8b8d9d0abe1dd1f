package simulator

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
)

// currency is an index into currencies.
type currency int

// currencies are what wallets hold. Places are the digits after the point, as
// ISO 4217 has them; for bitcoin, as everybody has them.
var currencies = [...]struct {
	code   string
	places int
}{{"EUR", 2}, {"USD", 2}, {"JPY", 0}, {"KWD", 3}, {"BTC", 8}}

func (c currency) code() string { return currencies[c].code }
func (c currency) places() int  { return currencies[c].places }

// placesOf is how many digits after the point the currency has.
func placesOf(code string) (int, error) {
	for _, c := range currencies {
		if c.code == code {
			return c.places, nil
		}
	}
	return 0, fmt.Errorf("there is no currency %q at this PSP", code)
}

// asset is the currency as the contract writes it.
func asset(code string, places int) string { return fmt.Sprintf("%s/%d", code, places) }

// decimal writes units of the smallest kind as the protocol does: "12.50".
func decimal(units *big.Int, places int) string {
	text := units.String()
	if places == 0 {
		return text
	}
	sign := ""
	if strings.HasPrefix(text, "-") {
		sign, text = "-", text[1:]
	}
	if missing := places + 1 - len(text); missing > 0 {
		text = strings.Repeat("0", missing) + text
	}
	return sign + text[:len(text)-places] + "." + text[len(text)-places:]
}

// parseDecimal reads what decimal writes, to the last digit.
func parseDecimal(text string, places int) (*big.Int, error) {
	whole, fraction, _ := strings.Cut(text, ".")
	if len(fraction) != places {
		return nil, fmt.Errorf("amount %q must have %d digits after the point", text, places)
	}
	units, ok := new(big.Int).SetString(whole+fraction, 10)
	if !ok || strings.HasPrefix(text, "+") || strings.Contains(text, "_") {
		return nil, fmt.Errorf("amount %q is no number", text)
	}
	return units, nil
}

// drawAmount gives an amount of everyday size, in the currency's smallest unit.
func drawAmount(r *rand.Rand, c currency) *big.Int {
	most := int64(100)
	for range c.places() + r.IntN(3) {
		most *= 10
	}
	return big.NewInt(1 + r.Int64N(most))
}

// drawDigits gives an amount of exactly so many digits.
func drawDigits(r *rand.Rand, digits int) *big.Int {
	text := make([]byte, digits)
	for i := range text {
		text[i] = "0123456789"[r.IntN(10)]
	}
	text[0] = "123456789"[r.IntN(9)]
	units, _ := new(big.Int).SetString(string(text), 10)
	return units
}

// part is a share of the amount, at least one unit and at most all of it.
func part(r *rand.Rand, of *big.Int) *big.Int {
	share := new(big.Int).Mul(of, big.NewInt(1+r.Int64N(100)))
	share.Quo(share, big.NewInt(100))
	if share.Sign() == 0 {
		share.SetInt64(1)
	}
	return share
}
