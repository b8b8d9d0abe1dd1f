package statements

import (
	"strings"
	"testing"
)

// mapping reads one of the project's own mapping files.
func mapping(tb testing.TB, name string) *Mapping {
	tb.Helper()
	m, err := ParseMapping(name, []byte(testdata(tb, name)))
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func TestCSVNewestFirstWithRunningBalances(t *testing.T) {
	all := readAll(t, "testdata/wehrbank.csv", mapping(t, "lockbank.yaml"), mapping(t, "wehrbank.yaml"))
	if len(all) != 1 || len(all[0].entries) != 5 {
		t.Fatalf("%d statements, want 1 with 5 entries", len(all))
	}
	s, entries := all[0], all[0].entries
	want(t, "account", s.Account.IBAN, "DE57700100800123456789")
	want(t, "period", s.From.Day()+" "+s.To.Day(), "2026-03-02 2026-03-04")
	wantEntry(t, entries[0], -1234_50, "EUR", Booked, "2026-03-04", "2026-03-04")
	want(t, "quoted text over two lines", entries[0].Text, `Rest; wie "besprochen" zweite Zeile`)
	want(t, "name", entries[1].Party.Name, "Müller")
	wantEntry(t, entries[3], -9_99, "EUR", Pending, "", "2026-03-05")
	wantEntry(t, entries[4], 1005_00, "EUR", Booked, "2026-03-02", "2026-03-03")
	wantBalance(t, s.Statement, OpeningBooked, 1000_00, "EUR", "2026-03-02")
	wantBalance(t, s.Statement, ClosingBooked, 765_50, "EUR", "2026-03-04")
	wantVerdict(t, s.Statement, AddsUp, 0)
}

func TestCSVWithoutAHeaderOfTwoAccounts(t *testing.T) {
	all := readAll(t, "testdata/lockbank.csv", mapping(t, "lockbank.yaml"))
	if len(all) != 2 || len(all[0].entries) != 2 || len(all[1].entries) != 1 {
		t.Fatalf("%d statements, want 2 with 2 and 1 entries", len(all))
	}
	want(t, "accounts", all[0].Account.Other+" "+all[1].Account.Other, "4711 4712")
	wantEntry(t, all[0].entries[0], 100_25, "GBP", Booked, "2026-03-02", "")
	wantEntry(t, all[0].entries[1], -40_00, "GBP", Booked, "2026-03-02", "")
	wantEntry(t, all[1].entries[0], 7_00, "GBP", Booked, "2026-03-03", "")
	want(t, "time", all[1].entries[0].Booking.String(), "2026-03-03T11:30:00Z")
	want(t, "id", all[0].entries[1].ServicerRef, "C2")
	wantVerdict(t, all[0].Statement, Open, 0)
}

func TestCSVWhoseRunningBalanceBreaksDiffers(t *testing.T) {
	text := strings.Replace(testdata(t, "wehrbank.csv"), "2.002,50", "2.002,49", 1)
	c := &collector{t: t}
	if err := Read("x.csv", strings.NewReader(text), Options{Mappings: []*Mapping{mapping(t, "wehrbank.yaml")}}, c); err != nil {
		t.Fatal(err)
	}
	if p := c.statements[0].Proof(nil); p.Verdict != Differs || !strings.Contains(p.Why, "line") {
		t.Errorf("proof %+v", p)
	}
}

// indicatorMapping has amounts without signs beside a column for the direction.
const indicatorMapping = `
decimal: "."
thousands: "'"
quote: none
date: MM/DD/YY
account: {value: A}
currency: {value: CHF}
booking: Date
amount: Amount
indicator: {column: Way, debit: [S], credit: [H]}
`

func TestCSVAmounts(t *testing.T) {
	m, err := ParseMapping("indicator", []byte(indicatorMapping))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		amount, way string
		signed      int64
		says        string
	}{
		{"1'234.50", "H", 1234_50, ""},
		{"1’234’567.5", "S", -1234567_50, ""},
		{"10", "S", -10_00, ""},
		{"10.000", "S", -10_00, ""},
		{"10.001", "S", 0, "more decimals"},
		{"1'23.50", "H", 0, "thousands"},
		{"1.234.50", "H", 0, "two decimal signs"},
		{"1,50", "H", 0, "no number"},
		{"-5", "H", 0, "has a sign"},
		{"5", "X", 0, "neither in debit nor in credit"},
		{"", "S", 0, "missing"},
		{"0x10", "S", 0, "no number"},
	} {
		c := &collector{t: t}
		err := Read("x.csv", strings.NewReader("Date;Amount;Way\n01/31/26;"+test.amount+";"+test.way+"\n"), Options{Mappings: []*Mapping{m}}, c)
		if test.says != "" {
			wantFileError(t, err, 2, test.says)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.amount, err)
			continue
		}
		wantEntry(t, c.statements[0].entries[0], test.signed, "CHF", Booked, "2026-01-31", "")
	}
}

func TestBadCSVIsRefusedWithItsPlace(t *testing.T) {
	m := mapping(t, "wehrbank.yaml")
	good := testdata(t, "wehrbank.csv")
	for _, test := range []struct {
		name, old, new string
		line           int
		says           []string
	}{
		{"a column has gone", "Betrag", "Umsatz", 5, []string{"header", `"Betrag"`, "Umsatz"}},
		{"a column is there twice", "IBAN", "Betrag", 5, []string{"header"}},
		{"30 February", "04.03.2026;04", "30.02.2026;04", 6, []string{`"Buchungstag"`, "no date"}},
		{"two commas", "-2,50", "-2,5,0", 8, []string{`"Betrag"`, "two decimal signs"}},
		{"a booked row without a date", ";05.03.2026", ";05.03.2026", 0, nil},
		{"another encoding", "Kaffee", "\x81\x8d", 0, nil},
		{"a delimiter in a text", "Kaffee", "Kaf;fee", 8, []string{`"Betrag"`}},
		{"too few columns", "Kaffee;-2,50;EUR;2.000,00;gebucht", "Kaffee", 8, []string{"5 columns"}},
		{"a quotation mark too much", "zweite Zeile\"", "zweite Zeile", 6, []string{"quot"}},
		{"unknown currency", "-2,50;EUR", "-2,50;ABC", 8, []string{"ABC", "ISO 4217"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			text := strings.Replace(good, test.old, test.new, 1)
			err := Read("x.csv", strings.NewReader(text), Options{Mappings: []*Mapping{m}}, &collector{t: t})
			if test.says == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantFileError(t, err, test.line, test.says...)
		})
	}
}

func TestMappingsAreCheckedWhenTheyAreRead(t *testing.T) {
	for name, test := range map[string]struct{ text, says string }{
		"empty":              {"", "empty"},
		"misspelt key":       {indicatorMapping + "amuont: x\n", "amuont"},
		"no date":            {strings.Replace(indicatorMapping, "MM/DD/YY", "", 1), "DD"},
		"no account":         {strings.Replace(indicatorMapping, "value: A", "", 1), "account"},
		"no amount":          {strings.Replace(indicatorMapping, "amount: Amount", "", 1), "amount"},
		"two ways":           {indicatorMapping + "debit: D\ncredit: C\n", "either amount"},
		"header without one": {indicatorMapping + "no_header: true\n", "no header"},
		"unknown encoding":   {indicatorMapping + "encoding: klingon\n", "klingon"},
		"unknown zone":       {indicatorMapping + "zone: Middle/Earth\n", "Middle/Earth"},
		"same signs":         {strings.Replace(indicatorMapping, "'", ".", 1), "decimal"},
		"column 0":           {strings.Replace(indicatorMapping, "amount: Amount", "amount: 0", 1), "numbered"},
	} {
		if _, err := ParseMapping("m.yaml", []byte(test.text)); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzCSV(f *testing.F) {
	f.Add(testdata(f, "wehrbank.csv"))
	f.Add(testdata(f, "lockbank.csv"))
	options := Options{Mappings: []*Mapping{mapping(f, "wehrbank.yaml"), mapping(f, "lockbank.yaml")}}
	f.Fuzz(func(t *testing.T, text string) { checkSums(t, text, options) })
}
