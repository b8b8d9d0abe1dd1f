package statements

import "testing"

// The numbers in this file were read off the sample files by eye.

// wantStatement is one line of a table about a statement with both balances.
type wantStatement struct {
	account, number  string
	opening, closing int64
	openingDay, day  string
	entries          int
}

func (w wantStatement) check(t *testing.T, s *collected, currency string) {
	t.Helper()
	if s.Kind != MT940 || len(s.entries) != w.entries {
		t.Errorf("%s %s: %s with %d entries, want %d", w.account, w.number, s.Kind, len(s.entries), w.entries)
	}
	want(t, "account", s.Account.Identification(), w.account)
	want(t, "number", s.Number(), w.number)
	wantBalance(t, s.Statement, OpeningBooked, w.opening, currency, w.openingDay)
	wantBalance(t, s.Statement, ClosingBooked, w.closing, currency, w.day)
}

func TestSampleASN(t *testing.T) {
	all := readAll(t, sample(t, "mt940/ASNB-mt940.txt"))
	if len(all) != 31 {
		t.Fatalf("%d statements, want one for each day of January", len(all))
	}
	const account = "NL81ASNB9999999999"
	for _, w := range []wantStatement{
		{account, "1", 444_29, 379_29, "2020-01-01", "2020-01-01", 1},
		{account, "2", 379_29, 379_29, "2020-01-02", "2020-01-02", 0},
		{account, "5", 379_29, 577_74, "2020-01-05", "2020-01-05", 2},
		{account, "25", 577_74, 576_09, "2020-01-25", "2020-01-25", 1},
		{account, "29", 576_09, 404_81, "2020-01-29", "2020-01-29", 2},
		{account, "31", 404_81, 501_23, "2020-01-31", "2020-01-31", 2},
	} {
		w.check(t, all[number(w.number)-1], "EUR")
	}
	entries := 0
	for _, s := range all {
		entries += len(s.entries)
		wantVerdict(t, s.Statement, AddsUp, 0)
	}
	if entries != 8 {
		t.Errorf("%d entries, want 8", entries)
	}
	first := all[0].entries[0]
	wantEntry(t, first, -65_00, "EUR", Booked, "2020-01-01", "2020-01-01")
	want(t, "type", first.Code.Proprietary, "NOVB")
	want(t, "reference", first.Customer, "NL47INGB9999999999")
	want(t, "supplement", first.Info, "hr gjlm paulissen")
	want(t, "text", first.Text, "NL47INGB9999999999 hr gjlm paulissen Betaling sieraden")
	fee := all[24].entries[0]
	wantEntry(t, fee, -1_65, "EUR", Booked, "2020-01-25", "2020-01-25")
	want(t, "text of the fee", fee.Text, "Kosten gebruik betaalrekening inclusief 1 betaalpas")
	wantEntry(t, all[28].entries[0], 828_72, "EUR", Booked, "2020-01-29", "2020-01-29")
	wantEntry(t, all[30].entries[1], -903_76, "EUR", Booked, "2020-01-31", "2020-01-31")
}

func TestSampleABNAmro(t *testing.T) {
	all := readAll(t, sample(t, "mt940/jejik-abnamro.sta"))
	if len(all) != 2 || len(all[0].entries) != 8 || len(all[1].entries) != 2 {
		t.Fatalf("%d statements, want 2 with 8 and 2 entries", len(all))
	}
	wantStatement{"517852257", "19321", 3236_28, 876_84, "2011-05-22", "2011-05-23", 8}.check(t, all[0], "EUR")
	wantEntry(t, all[0].entries[0], -9_00, "EUR", Booked, "2011-05-24", "2011-05-24")
	wantEntry(t, all[0].entries[1], -11_59, "EUR", Booked, "2011-05-23", "2011-05-21")
	wantEntry(t, all[0].entries[7], -141_48, "EUR", Booked, "2011-05-23", "2011-05-22")
	want(t, "text", all[0].entries[1].Text, "BEA NR:XXX1234 21.05.11/12.54 DIRCKIII FIL2500 KATWIJK,PAS999")
	// 3236.28 − 321.44 = 2914.84, and the file says 876.84.
	wantVerdict(t, all[0].Statement, Differs, -2038_00)

	s := all[1]
	want(t, "number", s.Number(), "19322")
	wantBalance(t, s.Statement, OpeningBooked, 2876_84, "EUR", "2011-05-23")
	wantBalance(t, s.Statement, InterimBooked, 1849_75, "EUR", "2011-05-24")
	if s.LastPage {
		t.Error("a page that closes with :62M: is not the last")
	}
	wantEntry(t, s.entries[1], -15_00, "EUR", Booked, "2011-05-24", "2011-05-24")
	// 2876.84 − 24.49 = 2852.35, and the file says 1849.75.
	wantVerdict(t, s.Statement, Differs, -1002_60)
}

func TestSampleING(t *testing.T) {
	all := readAll(t, sample(t, "mt940/jejik-ing.sta"))
	if len(all) != 1 || len(all[0].entries) != 7 {
		t.Fatalf("%d statements, want 1 with 7 entries", len(all))
	}
	s, entries := all[0], all[0].entries
	wantStatement{"0001234567", "000", 0, 3_47, "2010-07-22", "2010-07-23", 7}.check(t, s, "EUR")
	wantEntry(t, entries[0], -25_03, "EUR", Booked, "2010-07-22", "2010-07-22")
	want(t, "text", entries[0].Text, "RC AFREKENING BETALINGSVERKEER BETREFT REKENING 4715589 PERIODE: 01-10-2010 / 31-12-2010 ING Bank N.V. tarifering ING")
	want(t, "reference", entries[2].Customer, "TMG TANGO")
	wantEntry(t, entries[5], 3_68, "EUR", Booked, "2010-07-22", "2010-07-22")
	wantEntry(t, entries[6], 1_00, "EUR", Booked, "2010-07-23", "2010-07-23")
	want(t, "remark", s.Info, "D000004C000002D25,24C28,71")
	// −25.03 − 3.03 − 1.11 − 20.00 − 1.10 + 3.68 + 1.00 = −45.59, and the file says 3.47.
	wantVerdict(t, s.Statement, Differs, 49_06)
}

func TestSampleGenericWithoutATrailer(t *testing.T) {
	all := readAll(t, sample(t, "mt940/jejik-generic.sta"))
	if len(all) != 2 {
		t.Fatalf("%d statements, want 2", len(all))
	}
	wantStatement{"11111111", "1", 100_00, 90_00, "2011-01-01", "2011-02-01", 1}.check(t, all[0], "EUR")
	wantStatement{"11111111", "2", 90_00, 80_00, "2011-02-01", "2011-03-01", 1}.check(t, all[1], "EUR")
	wantEntry(t, all[0].entries[0], -10_00, "EUR", Booked, "2011-01-01", "2011-01-01")
	wantEntry(t, all[1].entries[0], -10_00, "EUR", Booked, "2011-02-01", "2011-02-01")
	for _, s := range all {
		wantVerdict(t, s.Statement, AddsUp, 0)
	}
}

func TestSampleGermanAndPolishBanks(t *testing.T) {
	all := readAll(t, sample(t, "mt940/cmxl-mt940.sta"))
	if len(all) != 3 {
		t.Fatalf("%d statements, want 3", len(all))
	}
	wantStatement{"45050050/76198810", "27", 84349_74, 84437_04, "2013-10-16", "2013-10-17", 11}.check(t, all[0], "DEM")
	wantEntry(t, all[0].entries[0], -6800_00, "DEM", Booked, "2013-10-17", "2013-10-17")
	want(t, "cheque", all[0].entries[0].Customer, "16703074")
	wantEntry(t, all[0].entries[1], -620_30, "DEM", Booked, "2013-10-17", "2013-10-17")
	wantEntry(t, all[0].entries[10], -5862_14, "DEM", Booked, "2013-10-27", "2013-10-27")

	wantStatement{"10020030/1234567", "5", 2187_95, 4387_95, "2002-11-01", "2002-11-30", 2}.check(t, all[1], "EUR")
	rent, pay := all[1].entries[0], all[1].entries[1]
	wantEntry(t, rent, -800_00, "EUR", Booked, "2002-11-02", "2002-11-01")
	want(t, "bank's reference", rent.ServicerRef+" "+pay.ServicerRef, "55555 55555")
	want(t, "text", rent.Text, "Miete November")
	want(t, "name", rent.Party.Name, "MUELLER")
	want(t, "account", rent.Party.BIC+" "+rent.Party.Account, "10020030 234567")
	want(t, "code", rent.Code.Proprietary+" "+rent.Code.Text, "NSTO+008+0599 DAUERAUFTRAG")
	wantEntry(t, pay, 3000_00, "EUR", Booked, "2002-11-02", "2002-11-02")

	wantStatement{"320000546101", "00084", 40000_00, 50040_00, "2003-10-02", "2002-03-25", 3}.check(t, all[2], "PLN")
	card := all[2].entries[0]
	wantEntry(t, card, 20000_00, "PLN", Booked, "2003-10-20", "2003-10-20")
	want(t, "account", card.Party.Account, "PL08106000760000777777777777")
	want(t, "type", card.Code.Text, "Wyplata-(dysp/przel)")
	want(t, "supplement", card.Info, "Card transaction")
	wantEntry(t, all[2].entries[2], 40_00, "PLN", Booked, "2003-10-20", "2003-10-20")
	for _, s := range all {
		wantVerdict(t, s.Statement, AddsUp, 0)
	}
}

func TestSampleSEPAWithPagesAndReversals(t *testing.T) {
	all := readAll(t, sample(t, "mt940/betterplace-sepa_mt9401.sta"))
	statements := []wantStatement{
		{"50880050/0194774600888", "00004", -1234718_36, -1237628_23, "2007-09-03", "2007-09-04", 7},
		{"50880050/0194777100888", "00004", -970499_90, -1455749_85, "2007-09-03", "2007-09-04", 2},
		{"50880050/0194778300888", "00004", -1709296_34, -2237334_85, "2007-09-03", "2007-09-04", 5},
		{"50880050/0194779500888", "00004", 3192675_04, 4242675_04, "2007-09-03", "2007-09-04", 3},
		{"50880050/0194780100888", "00004", -2368827_87, -3095522_14, "2007-09-03", "2007-09-04", 5},
		{"50880050/0194780101888", "00004", 152970_15, 203960_20, "2007-09-03", "2007-09-04", 1},
		{"50880050/0194781300888", "00004", -40432_20, -100854_45, "2007-09-03", "2007-09-04", 8},
		{"50880050/0194782500888", "00004", -1552497_38, -2303471_11, "2007-09-03", "2007-09-04", 11},
		{"50880050/0194783700888", "00004", -3829477_87, -5019697_96, "2007-09-03", "2007-09-04", 12},
		{"50880050/0194784900888", "00004", -5777585_57, -8844425_38, "2007-09-03", "2007-09-04", 9},
		{"50880050/0194784901888", "00003", 13990_05, 27980_10, "2007-09-03", "2007-09-04", 1},
		{"50880050/0194785000888", "00004", -3612519_02, -5113593_52, "2007-09-03", "2007-09-04", 12},
		{"50880050/0194785001888", "00004", 152970_15, 203960_20, "2007-09-03", "2007-09-04", 1},
		{"50880050/0194786200888", "00004", 145964_58, 238954_77, "2007-09-03", "2007-09-04", 3},
		{"50880050/0194787400888", "00004", 766656_49, 1125250_40, "2007-09-03", "2007-09-04", 4},
		{"50880050/0194791600888", "00004", -1970431_87, -4472049_09, "2007-09-03", "2007-09-04", 7},
		{"50880050/0194791601888", "00004", -324910_25, -397310_25, "2007-09-03", "2007-09-04", 3},
		{"50880050/0194798900888", "00004", -450_00, -600_00, "2007-09-03", "2007-09-04", 1},
		{"50880050/0194799000888", "00004", -450_00, -600_00, "2007-09-03", "2007-09-04", 1},
		{"50880050/0194804000888", "00001", 0, 50_05, "2007-08-22", "2007-09-04", 1},
	}
	if len(all) != len(statements) {
		t.Fatalf("%d statements, want %d", len(all), len(statements))
	}
	for i, w := range statements {
		w.check(t, all[i], "EUR")
		wantVerdict(t, all[i].Statement, AddsUp, 0)
	}
	first := all[0].entries
	wantEntry(t, first[0], 300_00, "EUR", Booked, "2007-09-04", "2007-09-04")
	want(t, "end-to-end id", first[0].EndToEnd, "TFNR 40005 00005")
	want(t, "text", first[0].Text, "Grund nicht spezifiziert Reject aus SEPA-Ueberweisungsauftrag")
	if !first[0].Return.Is || first[0].Return.Reason != "914" {
		t.Errorf("return %+v", first[0].Return)
	}
	wantEntry(t, first[5], -204_88, "EUR", Booked, "2007-09-04", "2007-09-04")
	if !first[5].Reversal {
		t.Error("RC is the reversal of a credit")
	}
	if pages := all[11]; pages.Page != 3 || !pages.LastPage {
		t.Errorf("page %d, last %t, want three pages joined", pages.Page, pages.LastPage)
	}
	late := all[14]
	wantEntry(t, late.entries[0], 50990_05, "EUR", Booked, "2007-09-04", "2007-09-07")
	wantBalance(t, late.Statement, ClosingAvailable, 559614_51, "EUR", "2007-09-04")
	transfer := all[6].entries[0]
	want(t, "name", transfer.Party.Name, "JOSEF JAEGER")
	want(t, "account", transfer.Party.BIC+" "+transfer.Party.Account, "DRESDEFF508 DE95508800500194784900")
}

func TestSampleThatIsNoStatementIsRefused(t *testing.T) {
	_, err := tryRead(t, sample(t, "mt940/self-provided-invalid_statement.sta"))
	wantFileError(t, err, 1, "neither camt XML, nor MT940")
}

func TestSampleEntryWithoutAnAccountIsRefused(t *testing.T) {
	_, err := tryRead(t, sample(t, "mt940/betterplace-empty_entry_date.sta"))
	wantFileError(t, err, 1, ":61:", "no account", ":25:")
	// The line itself is good: a credit of 50.00 without a date of its entry.
	e, err := parseSWIFTEntry("110701CN50,00NZ10NONREF", "EUR", nil)
	if err != nil {
		t.Fatal(err)
	}
	wantEntry(t, e, 50_00, "EUR", Booked, "2011-07-01", "2011-07-01")
	want(t, "type", e.Code.Proprietary, "NZ10")
}
