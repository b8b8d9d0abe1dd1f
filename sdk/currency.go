package sdk

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"

	"github.com/weirhq/weir/wire"
)

// The decimals of currencies.
//
// Source: ISO 4217, list one (current currencies and funds), as SIX Group, its
// maintenance agency, publishes it. The withdrawn ones are those of list three
// that records of past years are written in, with the decimals that list one
// gave them last. Codes without a minor unit, such as XAU for gold and XXX for
// no currency, are left out: what a provider means by a fraction of them has to
// be asked.
const (
	isoNoDecimals = `BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF`

	isoTwoDecimals = `AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD
		CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD
		GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD
		MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD
		RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD
		USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG`

	isoThreeDecimals = `BHD IQD JOD KWD LYD OMR TND`

	isoFourDecimals = `CLF UYW`

	withdrawnNoDecimals = `BEF BYR ESP ITL LUF MGF PTE TPE TRL`

	withdrawnTwoDecimals = `AFA ANG ATS AZM BGN CSD CUC CYP DEM EEK FIM FRF GHC GRD HRK IEP LTL LVL MRO MTL MZM NLG
		ROL RUR SDD SIT SKK SLL SRG STD TMM VEB VEF XEU YUM ZMK ZWD ZWL`
)

// isoDecimals is the table as a map, made when it is first asked.
var isoDecimals = sync.OnceValue(func() map[string]int {
	table := map[string]int{}
	for _, group := range []struct {
		codes    string
		decimals int
	}{
		{isoNoDecimals, 0},
		{isoTwoDecimals, 2},
		{isoThreeDecimals, 3},
		{isoFourDecimals, 4},
		{withdrawnNoDecimals, 0},
		{withdrawnTwoDecimals, 2},
	} {
		for code := range strings.FieldsSeq(group.codes) {
			table[code] = group.decimals
		}
	}
	return table
})

// ISO4217 returns the decimals of every currency that ISO 4217 gives a minor
// unit, the withdrawn ones included. The map is the caller's own.
func ISO4217() map[string]int { return maps.Clone(isoDecimals()) }

// Currencies knows how many decimals a currency has: its own entries first, then
// ISO 4217. So nil is ISO 4217 alone, and Currencies{"USDC": 6, "UGX": 2} is a
// provider with a token, which counts Ugandan shillings in hundredths.
type Currencies map[string]int

// Decimals returns the decimals of the currency. A currency that nobody told of
// is an error: its amounts could be wrong by a factor of a hundred.
func (c Currencies) Decimals(code string) (int, error) {
	decimals, own := c[code]
	if !own {
		iso, known := isoDecimals()[code]
		if !known {
			return 0, fmt.Errorf("%.40q is no currency of ISO 4217; if it is one of the provider's own, say in Currencies how many decimals it has", code)
		}
		decimals = iso
	}
	if decimals < 0 || decimals > wire.MaxAmountDigits {
		return 0, fmt.Errorf("currency %.40q can't have %d decimals", code, decimals)
	}
	return decimals, nil
}

// Asset returns the currency in the contract's notation, with its decimals even
// where there are none: "EUR/2", "JPY/0".
func (c Currencies) Asset(code string) (string, error) {
	decimals, err := c.Decimals(code)
	if err != nil {
		return "", err
	}
	asset := code + "/" + strconv.Itoa(decimals)
	if !wire.ValidAsset(asset) {
		return "", fmt.Errorf("%.40q can't be written as an asset; translate the provider's code into one such as USDC or EUR", code)
	}
	return asset, nil
}
