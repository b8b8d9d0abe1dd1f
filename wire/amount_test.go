package wire

import (
	"errors"
	"math/big"
	"regexp"
	"testing"

	"pgregory.net/rapid"
)

func TestAmountsMeanWhatTheyMeanAtTheReference(t *testing.T) {
	for amount, want := range map[Amount]string{
		"-55": "-55", "+7": "7", "007": "7", "0": "0", "-0": "0",
		"9007199254740993":               "9007199254740993",
		"123456789012345678901234567890": "123456789012345678901234567890",
	} {
		if n, err := amount.Int(); err != nil || n.String() != want {
			t.Errorf("%s is %v, %v", amount, n, err)
		}
	}
	for _, amount := range []Amount{"", "-", "+", "12.50", "1e3", "0x10", "1_000", " 5", "5 ", "+-5", "--5", "٣", "NaN", "Infinity", "1,000"} {
		if n, err := amount.Int(); !errors.Is(err, ErrAmount) {
			t.Errorf("%q is %v, %v", amount, n, err)
		}
	}
}

func TestInt64IsIntWhereItFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		amount := Amount(rapid.StringMatching(`[+-]?[0-9]{0,22}[.]?`).Draw(t, "amount"))
		n, ok := amount.Int64()
		big, err := amount.Int()
		if ok != (err == nil && big.IsInt64()) || ok && n != big.Int64() {
			t.Fatalf("%q: %d, %v; %v, %v", amount, n, ok, big, err)
		}
	})
}

func TestAmountOfIsReadBack(t *testing.T) {
	n, _ := new(big.Int).SetString("-123456789012345678901234567890", 10)
	if back, err := AmountOf(n).Int(); err != nil || back.Cmp(n) != 0 {
		t.Error(back, err)
	}
	if AmountOfInt(-5) != "-5" {
		t.Error(AmountOfInt(-5))
	}
}

// umn is the reference's own pattern. A $ in Go's syntax is the end of the
// text, never before a line break.
var umn = regexp.MustCompile(`^[A-Z][A-Z0-9]{0,16}(_[A-Z]{1,16})?(/\d{1,6})?$`)

func TestValidAssetIsTheReferencesPattern(t *testing.T) {
	for _, asset := range []string{
		"", "A", "USD", "USD/2", "JPY/0", "BTC/8", "USDC_POLYGON/6", "usd", "USD/", "USD/1234567", "USD/123456", "USD/2 ", "USD/2\n",
		"U SD", "1USD", "A1/2", "A_", "A_B", "A_B1", "A__B", "A/2/3", "/2", "_A", "ABCDEFGHIJKLMNOPQ", "ABCDEFGHIJKLMNOPQR",
		"A_ABCDEFGHIJKLMNOP", "A_ABCDEFGHIJKLMNOPQ", "USD/-2", "USD/٣", "ÜSD",
	} {
		if got, want := ValidAsset(asset), umn.MatchString(asset); got != want {
			t.Errorf("%q: %v, want %v", asset, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		asset := rapid.StringMatching(`[A-Z0-9_/a. ]{0,3}[A-Z][A-Z0-9]{0,17}[_]?[A-Z1]{0,17}[/]?[0-9A]{0,7}`).Draw(t, "asset")
		if got, want := ValidAsset(asset), umn.MatchString(asset); got != want {
			t.Fatalf("%q: %v, want %v", asset, got, want)
		}
	})
}
