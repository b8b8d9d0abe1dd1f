package sdk

import (
	"math/big"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/wire"
)

func TestMoneyIsReadExactly(t *testing.T) {
	own := Currencies{"USDC": 6, "UGX": 2, "ETH": 18}
	for _, c := range []struct{ decimal, code, amount, asset string }{
		{"12.50", "EUR", "1250", "EUR/2"},
		{"12.5", "EUR", "1250", "EUR/2"},
		{"12.5000", "EUR", "1250", "EUR/2"},
		{"-0.01", "EUR", "-1", "EUR/2"},
		{"+7", "JPY", "7", "JPY/0"},
		{"7.00", "JPY", "7", "JPY/0"},
		{"1.234", "KWD", "1234", "KWD/3"},
		{".5", "USD", "50", "USD/2"},
		{"-0", "USD", "0", "USD/2"},
		{"000.000", "USD", "0", "USD/2"},
		{"0.000001", "USDC", "1", "USDC/6"},
		{"3", "UGX", "300", "UGX/2"},
		{"123456789012345678901234567890.123456789012345678", "ETH", "123456789012345678901234567890123456789012345678", "ETH/18"},
	} {
		amount, asset, err := own.Money(c.decimal, c.code)
		if string(amount) != c.amount || asset != c.asset || err != nil {
			t.Errorf("%s %s: %s %s %v", c.decimal, c.code, amount, asset, err)
		}
	}
}

func TestMoneyThatIsNotExactIsRefused(t *testing.T) {
	for _, c := range []struct{ decimal, code, why string }{
		{"12.505", "EUR", "more decimals than the 2 of EUR"},
		{"0.1", "JPY", "more decimals than the 0 of JPY"},
		{"12,50", "EUR", "plain decimal number"},
		{"1,000.00", "EUR", "plain decimal number"},
		{"1e3", "EUR", "plain decimal number"},
		{"12.", "EUR", "plain decimal number"},
		{"1.2.3", "EUR", "plain decimal number"},
		{"--1", "EUR", "plain decimal number"},
		{"-+1", "EUR", "plain decimal number"},
		{" 1", "EUR", "plain decimal number"},
		{"", "EUR", "plain decimal number"},
		{".", "EUR", "plain decimal number"},
		{"-", "EUR", "plain decimal number"},
		{"0x10", "EUR", "plain decimal number"},
		{"١", "EUR", "plain decimal number"},
		{"NaN", "EUR", "plain decimal number"},
		{"1", "XAU", "no currency of ISO 4217"},
		{"1", "eur", "no currency of ISO 4217"},
		{"1", "", "no currency of ISO 4217"},
		{strings.Repeat("9", 200), "EUR", "a fault, not money"},
	} {
		amount, _, err := Currencies(nil).Money(c.decimal, c.code)
		if err == nil || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%q %s: %s, %v, want an error with %q", c.decimal, c.code, amount, err, c.why)
		}
	}
	if _, err := (Currencies{"usd coin": 6}).Asset("usd coin"); err == nil {
		t.Error("an asset that the contract can't hold")
	}
	if _, err := (Currencies{"USDC": -1}).Asset("USDC"); err == nil {
		t.Error("an asset with negative decimals")
	}
}

// A parameter that took a number of any kind would take a float64.
func TestAFloatIsNoMoney(t *testing.T) {
	method := reflect.TypeOf(Currencies.Money)
	for i := 1; i < method.NumIn(); i++ {
		if method.In(i).Kind() != reflect.String {
			t.Errorf("parameter %d is a %s", i, method.In(i))
		}
	}
}

func TestDecimalIsTheInverseOfMoney(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		code := rapid.SampledFrom([]string{"EUR", "JPY", "KWD", "CLF", "USDC"}).Draw(t, "code")
		n := rapid.Int64().Draw(t, "minor")
		big := new(big.Int).Mul(big.NewInt(n), big.NewInt(rapid.Int64Range(1, 1<<40).Draw(t, "times")))
		own := Currencies{"USDC": 6}
		asset, err := own.Asset(code)
		if err != nil {
			t.Fatal(err)
		}
		decimal, err := Decimal(wire.AmountOf(big), asset)
		if err != nil {
			t.Fatal(err)
		}
		amount, again, err := own.Money(decimal, code)
		if amount != wire.AmountOf(big) || again != asset || err != nil {
			t.Fatalf("%s of %s is %s and comes back as %s of %s, %v", big, asset, decimal, amount, again, err)
		}
	})
	for _, c := range []struct{ amount, asset, want string }{
		{"-5", "EUR/2", "-0.05"}, {"+007", "JPY", "7"}, {"-0", "EUR/2", "0.00"}, {"100", "EUR/2", "1.00"},
	} {
		if got, err := Decimal(wire.Amount(c.amount), c.asset); got != c.want || err != nil {
			t.Errorf("%s %s: %s %v", c.amount, c.asset, got, err)
		}
	}
	for _, c := range [][2]string{{"1.5", "EUR/2"}, {"1", "eur"}, {"1", "EUR/999999"}} {
		if got, err := Decimal(wire.Amount(c[0]), c[1]); err == nil {
			t.Errorf("%v: %s", c, got)
		}
	}
}

func TestTheTableOfCurrenciesHasEachCodeOnceAndIsTheCallersOwn(t *testing.T) {
	groups := []string{isoNoDecimals, isoTwoDecimals, isoThreeDecimals, isoFourDecimals, withdrawnNoDecimals, withdrawnTwoDecimals}
	codes := strings.Fields(strings.Join(groups, " "))
	if len(codes) != len(ISO4217()) {
		t.Errorf("%d codes, %d entries", len(codes), len(ISO4217()))
	}
	for code, decimals := range ISO4217() {
		if len(code) != 3 || !wire.ValidAsset(code) || decimals < 0 || decimals > 4 {
			t.Errorf("%q: %d", code, decimals)
		}
	}
	ISO4217()["EUR"] = 7
	if asset, _ := Currencies(nil).Asset("EUR"); asset != "EUR/2" {
		t.Error(asset)
	}
}
