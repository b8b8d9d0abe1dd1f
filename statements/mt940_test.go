package statements

import (
	"strings"
	"testing"
)

func TestMT940InAnEnvelopeWithPagesAndTheTurnOfTheYear(t *testing.T) {
	all := readAll(t, "testdata/mt940-envelope.sta")
	if len(all) != 1 || len(all[0].entries) != 3 {
		t.Fatalf("%d statements, want 1 with 3 entries on two pages", len(all))
	}
	s, entries := all[0], all[0].entries
	wantStatement{"NL05LOCK0300065264", "61", 1000_00, 1000_00, "2025-12-30", "2026-01-02", 3}.check(t, s, "EUR")
	want(t, "bank", s.Account.BIC, "LOCKNL2A")
	wantBalance(t, s.Statement, ClosingAvailable, 900_00, "EUR", "2026-01-02")
	wantBalance(t, s.Statement, ForwardAvailable, 950_00, "EUR", "2026-01-05")
	wantVerdict(t, s.Statement, AddsUp, 0)

	paid := entries[0]
	wantEntry(t, paid, -10_50, "EUR", Booked, "2026-01-02", "2025-12-31")
	want(t, "original amount", paid.Instructed, "12,00 USD")
	if len(paid.Charges) != 1 || paid.Charges[0].Minor.Int64() != 50 {
		t.Errorf("charges %+v", paid.Charges)
	}
	want(t, "text with a slash", paid.Text, "INVOICE 12/2025 PAID IN FULL")
	want(t, "end-to-end id", paid.EndToEnd, "E2E-12")
	want(t, "party", paid.Party.Name+" "+paid.Party.Account+" "+paid.Party.BIC, "ANNA AAR DE57700100800123456789 WEIRDEF1XXX")
	want(t, "bank's reference", paid.ServicerRef, "L-1")

	back := entries[1]
	wantEntry(t, back, 2_25, "EUR", Booked, "2026-01-02", "2026-01-02")
	if !back.Reversal || back.Party.Name != "BERT BODE" || back.Text != "TAKEN BACK" {
		t.Errorf("reversal %t of %q: %q", back.Reversal, back.Party.Name, back.Text)
	}
	returned := entries[2]
	if !returned.Return.Is || returned.Return.Reason != "AC04" || returned.CreditorRef != "CUR/RF18539007547034" && returned.CreditorRef != "RF18539007547034" {
		t.Errorf("return %+v of %q", returned.Return, returned.CreditorRef)
	}
}

func TestMT942InLatin1WithTotals(t *testing.T) {
	all := readAll(t, "testdata/mt942-german.sta")
	if len(all) != 1 || len(all[0].entries) != 2 {
		t.Fatalf("%d statements, want 1 with 2 entries", len(all))
	}
	s, entries := all[0], all[0].entries
	if s.Kind != MT942 {
		t.Errorf("kind %s", s.Kind)
	}
	want(t, "account", s.Account.Identification(), "70010080/123456789")
	want(t, "created", s.Created.String(), "2026-03-02T12:15:00+01:00")
	wantEntry(t, entries[0], -15_00, "EUR", Pending, "2026-03-02", "2026-03-02")
	want(t, "text", entries[0].Text, "Müllgebühr März")
	want(t, "end-to-end id, mandate, creditor", entries[0].EndToEnd+" "+entries[0].Mandate+" "+entries[0].CreditorID, "RG-1 M-1 DE98ZZZ09999999999")
	want(t, "name", entries[0].Party.Name, "Stadtwerke")
	want(t, "code", entries[0].Code.Proprietary, "NDDT+105+9210")
	wantEntry(t, entries[1], 20_00, "EUR", Pending, "2026-03-02", "2026-03-02")
	want(t, "text without a key", entries[1].Text, "no key here")
	wantVerdict(t, s.Statement, AddsUp, 0)
}

func TestMT942WhoseTotalsDoNotFitDiffers(t *testing.T) {
	text := strings.Replace(testdata(t, "mt942-german.sta"), ":90C:1EUR20,00", ":90C:1EUR21,00", 1)
	all, err := readText(t, text)
	if err != nil {
		t.Fatal(err)
	}
	if p := all[0].Proof(nil); p.Verdict != Differs || !strings.Contains(p.Why, "21.00 EUR") {
		t.Errorf("proof %+v", p)
	}
}

func TestEntryLines(t *testing.T) {
	for _, test := range []struct {
		line           string
		signed         int64
		booking, value string
		reversal       bool
		customer, bank string
	}{
		{"0709040904CR300,NTRFTFNr 40005 MSGID//0724710345313905", 300_00, "2007-09-04", "2007-09-04", false, "TFNr 40005 MSGID", "0724710345313905"},
		{"0709040904RCR204,88NRTINONREF", -204_88, "2007-09-04", "2007-09-04", true, "", ""},
		{"260102RD2,5NTRFNONREF", 2_50, "2026-01-02", "2026-01-02", true, "", ""},
		{"1512310101D1,NMSC", -1_00, "2016-01-01", "2015-12-31", false, "", ""},
		{"1601011231D1,NMSC", -1_00, "2015-12-31", "2016-01-01", false, "", ""},
		{"2403010229C1,NMSC", 1_00, "2024-02-29", "2024-03-01", false, "", ""},
		{"991231C1,NMSC", 1_00, "1999-12-31", "1999-12-31", false, "", ""},
		{"110701CN50,00NZ10NONREF", 50_00, "2011-07-01", "2011-07-01", false, "", ""},
		{"2001010101D65.00NOVB", -65_00, "2020-01-01", "2020-01-01", false, "", ""},
		{"2001010101D65", -65_00, "2020-01-01", "2020-01-01", false, "", ""},
	} {
		e, err := parseSWIFTEntry(test.line, "EUR", nil)
		if err != nil {
			t.Errorf("%s: %v", test.line, err)
			continue
		}
		e.Element = test.line
		wantEntry(t, e, test.signed, "EUR", Booked, test.booking, test.value)
		if e.Reversal != test.reversal || e.Customer != test.customer || e.ServicerRef != test.bank {
			t.Errorf("%s: reversal %t, references %q and %q", test.line, e.Reversal, e.Customer, e.ServicerRef)
		}
	}
}

func TestAmountsOfOtherDecimalsAreExact(t *testing.T) {
	for _, test := range []struct {
		text, currency, want string
	}{
		{"12,", "JPY", "12"},
		{"12,00", "JPY", "12"},
		{"1,234", "BHD", "1234"},
		{"1,2", "CLF", "12000"},
		{"123456789012345678901234567890,12", "EUR", "12345678901234567890123456789012"},
		{"0,00", "EUR", "0"},
	} {
		minor, err := parseSWIFTAmount(test.text, test.currency, nil)
		if err != nil || minor.String() != test.want {
			t.Errorf("%s %s: %s, %v", test.text, test.currency, minor, err)
		}
	}
}

func mt940Text(entry string) string {
	return ":20:A\n:25:NL05LOCK0300065264\n:28C:1\n:60F:C260101EUR0,\n" + entry + "\n:62F:C260101EUR0,\n-\n"
}

func TestBadSWIFTIsRefusedWithItsPlace(t *testing.T) {
	for _, test := range []struct {
		name, text string
		line       int
		says       []string
	}{
		{"two commas", mt940Text(":61:260101C1,0,0NMSC"), 5, []string{":61:", "two decimal signs"}},
		{"a point and a comma", mt940Text(":61:260101C1.000,00NMSC"), 5, []string{":61:", "no number"}},
		{"excess digits", mt940Text(":61:260101C1,005NMSC"), 5, []string{":61:", "more decimals"}},
		{"30 February", mt940Text(":61:260230C1,NMSC"), 5, []string{":61:", "no day"}},
		{"entry on 31 June", mt940Text(":61:2606300631C1,NMSC"), 5, []string{":61:", "no day"}},
		{"no direction", mt940Text(":61:2601011,NMSC"), 5, []string{":61:", "neither a credit nor a debit"}},
		{"no amount", mt940Text(":61:260101CNMSC"), 5, []string{":61:"}},
		{"no closing balance", ":20:A\n:25:1\n:60F:C260101EUR0,\n:61:260101C1,NMSC\n", 4, []string{"line 1", ":62F:", "cut off"}},
		{"no opening balance", ":20:A\n:25:1\n:28C:1\n:61:260101C1,NMSC\n-\n", 4, []string{":61:", ":60F:"}},
		{"head only", ":20:A\n:25:1\n-\n", 2, []string{":60F:", "cut off"}},
		{"bad balance", ":20:A\n:25:1\n:60F:260101EUR0,\n", 3, []string{":60F:", "no balance"}},
		{"unknown currency", ":20:A\n:25:1\n:60F:C260101ZZZ0,\n", 3, []string{":60F:", "ZZZ"}},
		{"second closing balance", mt940Text(":62F:C260101EUR0,"), 6, []string{":62F:"}},
		{"NUL", ":20:A\n:25:\x00\n", 2, []string{"NUL"}},
		{"no message", ":28C:1\n", 1, []string{"no complete"}},
		{"endless line", ":20:" + strings.Repeat("x", 100_000), 1, []string{"longer than"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := readText(t, test.text)
			wantFileError(t, err, test.line, test.says...)
		})
	}
}

func FuzzSWIFT(f *testing.F) {
	f.Add(mt940Text(":61:260101C1,NMSC\n:86:166?00A?20EREF+x?32y"))
	f.Add(testdata(f, "mt940-envelope.sta"))
	f.Add(testdata(f, "mt942-german.sta"))
	f.Fuzz(func(t *testing.T, text string) { checkSums(t, text, Options{}) })
}
