package verify

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir/wire"
)

// roundMin is how many amounts must be round before that is suspicious.
const roundMin = 20

var moneyChecks = []Check{
	{
		ID: "G1", Mode: Reads, Severity: Must,
		Title:  "Amounts are whole numbers in a string",
		Reason: "A point, an exponent or a JSON number is rounded by somebody on the way, or refused with its whole page.",
		Remedy: "Count in the smallest unit and write plain digits: 12.50 EUR is \"1250\" of EUR/2.",
		Run:    byLooking("G1"), look: lookAmount,
	},
	{
		ID: "G2", Mode: Seeds, Severity: Must,
		Title:  "Large amounts survive to the last digit",
		Reason: "A float or a 64-bit integer on the way changes amounts of tokens with eighteen decimals.",
		Remedy: "Carry amounts as text or as big integers from end to end.",
		Run:    checkLarge,
	},
	{
		ID: "G3", Mode: Reads, Severity: Must,
		Title:  "Assets are in UMN, such as EUR/2",
		Reason: "An asset that can't be read makes the row useless, and with the reference the page.",
		Remedy: "Write the code in capitals and the number of decimals after a slash.",
		Run:    byLooking("G3"), look: lookAsset,
	},
	{
		ID: "G4", Mode: Reads, Severity: Must,
		Title:  "Currencies have the decimals of ISO 4217",
		Reason: "A bare USD means whole dollars: every amount is a hundred times what it should be.",
		Remedy: "Write USD/2, JPY/0, KWD/3.",
		Run:    checkDecimals,
	},
	{
		ID: "G5", Mode: Reads, Severity: Should,
		Title:  "A currency has one precision",
		Reason: "EUR/2 and EUR/3 are two assets: their amounts are never added up.",
		Remedy: "Choose one precision for each currency and convert.",
		Run:    checkPrecision,
	},
	{
		ID: "G6", Mode: Reads, Severity: Should,
		Title:  "One convention for the sign",
		Reason: "Where some payouts are negative and some are not, half of them count the wrong way.",
		Remedy: "Write amounts without a sign; the type says which way the money goes.",
		Run:    checkSigns,
	},
	{
		ID: "G7", Mode: Reads, Severity: Should,
		Title:  "Amounts are not all round hundreds",
		Reason: "Amounts that all end in 00 suggest whole units where the smallest unit is meant, a factor of 100.",
		Remedy: "Compare one amount with the provider's own screen.",
		Run:    checkRound,
	},
}

// integer is how an amount is written: no plus, no leading zeros, no minus zero.
var integer = regexp.MustCompile(`^(0|-?[1-9][0-9]*)$`)

func lookAmount(e *Exam, r *record) {
	raw, given := r.keys["amount"]
	if r.list != transactions || !given {
		return
	}
	e.saw("G1")
	text, isText := r.text("amount")
	if !isText || !integer.MatchString(text) {
		e.object("G1", r, "amount", "an amount such as \"1250\"", clip(string(raw), 60))
		return
	}
	e.sights.weigh(r, text)
}

// weigh remembers what an amount says about its fellows.
func (s *sights) weigh(r *record, text string) {
	t := r.transaction
	if s.signs[t.Type] == nil {
		s.signs[t.Type] = &signs{}
	}
	sign := s.signs[t.Type]
	switch {
	case text == "0":
	case text[0] == '-':
		if sign.minus++; sign.minus == 1 {
			sign.first = r.name()
		}
	default:
		sign.plus++
	}
	if _, decimals, _ := strings.Cut(t.Currency, "/"); decimals == "2" && text != "0" {
		s.amountsSeen++
		if strings.HasSuffix(text, "00") {
			s.hundreds++
		}
	}
}

func lookAsset(e *Exam, r *record) {
	if r.list != transactions {
		return
	}
	asset, isText := r.text("currency")
	if !isText {
		return
	}
	e.saw("G3")
	if !wire.ValidAsset(asset) {
		e.object("G3", r, "asset", "an asset such as EUR/2", fmt.Sprintf("%q", clip(asset, 40)))
		return
	}
	e.sights.meetAsset(asset, r.name())
}

// meetAsset notes an asset under its code, with the first row that shows it.
func (s *sights) meetAsset(asset, where string) {
	code, _, _ := strings.Cut(asset, "/")
	if s.precisions[code] == nil {
		if len(s.precisions) >= 1000 {
			return
		}
		s.precisions[code] = map[string]string{}
	}
	if _, ok := s.precisions[code][asset]; !ok && len(s.precisions[code]) < rowsNamedMax {
		s.precisions[code][asset] = where
	}
}

// Currencies of ISO 4217 by the number of their decimals; all others of the
// list have two.
const (
	isoNone  = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
	isoThree = "BHD IQD JOD KWD LYD OMR TND"
	isoFour  = "CLF UYW"
	isoTwo   = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG"
)

// isoDecimals is the number of decimals that ISO 4217 gives a code.
func isoDecimals(code string) (decimals string, listed bool) {
	for decimals, codes := range map[string]string{"0": isoNone, "2": isoTwo, "3": isoThree, "4": isoFour} {
		if slices.Contains(strings.Fields(codes), code) {
			return decimals, true
		}
	}
	return "", false
}

func checkDecimals(ctx context.Context, e *Exam) Verdict {
	e.readBalances(ctx)
	var findings []Finding
	judged := 0
	for _, code := range slices.Sorted(maps.Keys(e.sights.precisions)) {
		decimals, listed := isoDecimals(code)
		if !listed {
			continue
		}
		judged++
		for _, asset := range slices.Sorted(maps.Keys(e.sights.precisions[code])) {
			_, precision, given := strings.Cut(asset, "/")
			if !given {
				precision = "0"
			}
			if strings.TrimLeft(precision, "0") != strings.TrimLeft(decimals, "0") {
				got := asset
				if !given {
					got += ", which means no decimals"
				}
				findings = append(findings, Finding{
					Expected: code + "/" + decimals, Got: got, Rows: []string{e.sights.precisions[code][asset]}, RowCount: 1,
				})
			}
		}
	}
	return judgeSome(judged, findings, "no asset is a currency of ISO 4217")
}

func checkPrecision(ctx context.Context, e *Exam) Verdict {
	e.readBalances(ctx)
	var findings []Finding
	for _, code := range slices.Sorted(maps.Keys(e.sights.precisions)) {
		if found := e.sights.precisions[code]; len(found) > 1 {
			assets := slices.Sorted(maps.Keys(found))
			findings = append(findings, Finding{
				Expected: "one precision of " + code, Got: strings.Join(assets, " and "),
				Rows: []string{found[assets[0]], found[assets[1]]}, RowCount: len(assets),
			})
		}
	}
	return judgeSome(len(e.sights.precisions), findings, noRows)
}

func checkSigns(_ context.Context, e *Exam) Verdict {
	var findings []Finding
	judged := 0
	for _, kind := range slices.Sorted(maps.Keys(e.sights.signs)) {
		s := e.sights.signs[kind]
		judged += s.plus + s.minus
		if s.plus > 0 && s.minus > 0 {
			findings = append(findings, Finding{
				Expected: fmt.Sprintf("one sign for amounts of %s", kind), Got: fmt.Sprintf("%d above zero and %d below", s.plus, s.minus),
				Rows: []string{s.first}, RowCount: s.minus,
			})
		}
	}
	return judgeSome(judged, findings, noRows)
}

func checkRound(_ context.Context, e *Exam) Verdict {
	n := e.sights.amountsSeen
	if n < roundMin {
		return unjudged(fmt.Sprintf("it takes %d amounts in a currency of two decimals", roundMin))
	}
	if e.sights.hundreds == n {
		return judge([]Finding{{
			Expected: "amounts in the smallest unit", Got: fmt.Sprintf("all %d amounts end in 00", n), RowCount: n,
			Curl: e.client.curl(transactions.ask(window{page: 1, size: wire.DefaultPageSize})),
		}})
	}
	return pass()
}

// largeAmounts are just past what a float holds, and far past every integer.
var largeAmounts = []wire.Amount{"9007199254740993", "123456789012345678901234567890"}

func checkLarge(ctx context.Context, e *Exam) Verdict {
	if e.seedAt().IsZero() {
		return unjudged("nobody can say what the large amounts should be: it needs rows that were put there")
	}
	if err := e.seedings["G2"]; err != nil {
		return unjudged("the rows could not be put there: " + err.Error())
	}
	found := map[string]wire.Amount{}
	s := e.sheet(ctx, transactions, window{page: 1, size: wire.DefaultPageSize, from: instant(e.seedAt().Add(time.Millisecond))})
	for i := range s.rows {
		if t := s.rows[i].transaction; t != nil {
			found[t.ID] = t.Amount
		}
	}
	var findings []Finding
	judged := 0
	for i, amount := range largeAmounts {
		got, ok := found[seedID("large", i)]
		if !ok {
			continue
		}
		judged++
		a, errA := got.Int()
		b, errB := amount.Int()
		if errA != nil || errB != nil || a.Cmp(b) != 0 {
			findings = append(findings, Finding{
				Expected: string(amount), Got: string(got), Rows: []string{"transactions " + seedID("large", i)}, RowCount: 1, Curl: s.curl(e, transactions),
			})
		}
	}
	return judgeSome(judged, findings, "the rows that were put there are not shown")
}
