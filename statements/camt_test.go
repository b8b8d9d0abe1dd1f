package statements

import (
	"strconv"
	"strings"
	"testing"
)

func TestCamtVersion1(t *testing.T) {
	all := readAll(t, "testdata/camt052.v1.xml")
	if len(all) != 1 || len(all[0].entries) != 3 {
		t.Fatalf("%d statements, want 1 with 3 entries", len(all))
	}
	s, entries := all[0], all[0].entries
	want(t, "account", s.Account.Other, "4711-0815")
	want(t, "servicer", s.Account.BIC, "WEIRDEF1XXX")
	want(t, "owner, from Latin-1", s.Account.Owner, "Mühlenwehr AG")
	wantBalance(t, s.Statement, OpeningBooked, 1000_00, "EUR", "2009-06-15")
	wantBalance(t, s.Statement, InterimBooked, 1249_50, "EUR", "2009-06-15")
	wantEntry(t, entries[0], 300_00, "EUR", Booked, "2009-06-15", "2009-06-16")
	want(t, "debtor", entries[0].Party.Name, "Jörg Müller")
	want(t, "debtor's account", entries[0].Party.Account, "1234567")
	want(t, "debtor's bank", entries[0].Party.BIC, "LOCKNL2A")
	want(t, "reference", entries[0].CreditorRef, "RF18539007547034")
	wantEntry(t, entries[1], -50_50, "EUR", Booked, "2009-06-15", "")
	if d := entries[1].Details; len(d) != 2 || d[0].Signed().Int64() != -20_25 || d[1].Party.Name != "Pegel KG" {
		t.Errorf("details %+v, want two that are the movements", d)
	}
	wantEntry(t, entries[2], -99_99, "EUR", Pending, "", "2009-06-17")
	// 1000.00 + 300.00 − 50.50 = 1249.50; what is pending does not count.
	wantVerdict(t, s.Statement, AddsUp, 0)
}

func TestCamtVersion8InAnEnvelopeWithAPrefix(t *testing.T) {
	all := readAll(t, "testdata/camt053.v8.xml")
	if len(all) != 1 || len(all[0].entries) != 5 {
		t.Fatalf("%d statements, want 1 with 5 entries", len(all))
	}
	s, entries := all[0], all[0].entries
	want(t, "owner", s.Account.Owner, "Weir & Sons B.V.")
	want(t, "created", s.Created.String(), "2026-03-02T18:05:00.25+01:00")
	want(t, "period ends", s.To.String(), "2026-03-03")
	wantEntry(t, entries[0], -900_00, "EUR", Booked, "2026-03-02", "2026-03-02")
	if d := entries[0].Details; len(d) != 3 || d[0].EndToEnd != "SAL-A" || d[2].Party.Account != "99-12345" || d[1].Party.Name != "Bert Bode" {
		t.Errorf("details %+v", d)
	}
	if d := entries[0].Details; len(d) == 3 && (d[0].Code.SubFamily != "ESCT" || d[0].UETR == "") {
		t.Errorf("a detail lacks the entry's code or its own reference: %+v", d[0])
	}
	r := entries[1]
	wantEntry(t, r, 200_00, "EUR", Booked, "2026-03-02", "2026-03-02")
	if !r.Return.Is || r.Return.Reason != "AC04" || r.Return.Info != "account closed" || r.EndToEnd != "SAL-C" {
		t.Errorf("return %+v of %q", r.Return, r.EndToEnd)
	}
	want(t, "who sent it back, though the file calls us the debtor", r.Party.Name, "Cleo Clyde")
	x := entries[2]
	want(t, "placeholder", x.EndToEnd, "")
	want(t, "text in CDATA", x.Text, "Invoice <12> & more")
	want(t, "instructed", x.Instructed+" at "+x.Rate, "44.00 USD at 1.1")
	if len(x.Charges) != 1 || x.Charges[0].Minor.Int64() != 150 || !x.Charges[0].Included || x.Charges[0].Credit {
		t.Errorf("charges %+v", x.Charges)
	}
	wantEntry(t, entries[4], -6, "EUR", Booked, "2026-03-02", "2026-03-02")
	if !entries[4].Reversal {
		t.Error("the reversal is not told")
	}
	// 10000.00 + 240.00 − 900.11 = 9339.89
	wantVerdict(t, s.Statement, AddsUp, 0)
}

func TestCamtNewestVersionWithExactLargeAmounts(t *testing.T) {
	all := readAll(t, "testdata/camt053.v13.xml")
	s, e := all[0], all[0].entries[0]
	if s.Version != 13 {
		t.Errorf("version %d", s.Version)
	}
	wantEntry(t, e, 45, "CHF", Booked, "2026-05-04", "2026-05-05")
	want(t, "debtor is a bank", e.Party.Name, "Pegelbank")
	want(t, "behind the debtor", e.Party.Ultimate, "Ursula Ur")
	// 12345678901234.56 + 0.45 = 12345678901235.01, a cent more than it closes at.
	wantVerdict(t, s.Statement, Differs, -1)
}

func TestCamt054DetailsOfBothDirectionsAddUp(t *testing.T) {
	all := readAll(t, "testdata/camt054.v6.xml")
	e := all[0].entries[0]
	wantEntry(t, e, 15_00, "EUR", Booked, "2026-03-02", "2026-03-02")
	if len(e.Details) != 3 || e.Details[2].Signed().Int64() != -1_00 {
		t.Errorf("details %+v, want 7 + 9 − 1", e.Details)
	}
	wantVerdict(t, all[0].Statement, AddsUp, 0)
}

// camtText is a small statement into which tests put what they try.
func camtText(namespace, entries string) string {
	return `<?xml version="1.0"?>
<Document xmlns="` + namespace + `"><BkToCstmrStmt><GrpHdr><MsgId>M</MsgId></GrpHdr><Stmt><Id>S</Id>
<Acct><Id><IBAN>NL05LOCK0300065264</IBAN></Id><Ccy>EUR</Ccy></Acct>
` + entries + `
</Stmt></BkToCstmrStmt></Document>`
}

const camt053 = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"

func entryText(amount, rest string) string {
	return `<Ntry><Amt Ccy="EUR">` + amount + `</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts>` + rest + `</Ntry>`
}

func TestEveryVersionOfTheThreeMessagesIsRead(t *testing.T) {
	for _, message := range []string{"052", "053", "054"} {
		for version := 1; version <= 13; version++ {
			namespace := "urn:iso:std:iso:20022:tech:xsd:camt." + message + ".001." + string(rune('0'+version/10)) + string(rune('0'+version%10))
			all, err := readText(t, camtText(namespace, entryText("1.00", "")))
			if err != nil || len(all) != 1 || all[0].Version != version || !strings.HasSuffix(all[0].Kind.String(), message) {
				t.Errorf("%s: %v", namespace, err)
			}
		}
	}
}

func TestBadCamtIsRefusedWithItsPlace(t *testing.T) {
	for _, test := range []struct {
		name, text string
		line       int
		says       []string
	}{
		{"version 14", camtText(strings.Replace(camt053, ".02", ".14", 1), ""), 2, []string{"camt.053.001.14", "versions 1 to 13"}},
		{"payment order", camtText("urn:iso:std:iso:20022:tech:xsd:pain.001.001.03", ""), 2, []string{"pain.001.001.03"}},
		{"no namespace", "<Document><BkToCstmrStmt/></Document>", 1, []string{"namespace"}},
		{"other XML", "<html><body/></html>", 1, []string{"no Document"}},
		{"excess digits", camtText(camt053, entryText("1.005", "")), 4, []string{"Stmt[1]/Ntry[1]/Amt", "more decimals", "never rounded"}},
		{"two points", camtText(camt053, entryText("1.0.0", "")), 4, []string{"two decimal signs"}},
		{"decimal comma", camtText(camt053, entryText("1,00", "")), 4, []string{"no number"}},
		{"negative amount", camtText(camt053, entryText("-1.00", "")), 4, []string{"no number"}},
		{"exponent", camtText(camt053, entryText("1e3", "")), 4, []string{"no number"}},
		{"huge amount", camtText(camt053, entryText(strings.Repeat("9", 50), "")), 4, []string{"50 digits"}},
		{"30 February", camtText(camt053, entryText("1", "<BookgDt><Dt>2026-02-30</Dt></BookgDt>")), 4, []string{"Ntry[1]/BookgDt", "no day"}},
		{"unknown currency", camtText(camt053, strings.Replace(entryText("1", ""), "EUR", "ZZZ", 1)), 4, []string{"ZZZ", "ISO 4217"}},
		{"no currency", camtText(camt053, strings.Replace(entryText("1", ""), ` Ccy="EUR"`, "", 1)), 4, []string{"no currency"}},
		{"no direction", camtText(camt053, strings.Replace(entryText("1", ""), "CRDT", "", 1)), 4, []string{"CdtDbtInd"}},
		{"no status", camtText(camt053, strings.Replace(entryText("1", ""), "<Sts>BOOK</Sts>", "", 1)), 4, []string{"Sts"}},
		{"no account", strings.Replace(camtText(camt053, entryText("1", "")), "<IBAN>NL05LOCK0300065264</IBAN>", "", 1), 4, []string{"Acct", "no account"}},
		{"cut off", camtText(camt053, entryText("1", ""))[:250], 4, []string{"cut off"}},
		{"half a tag", camtText(camt053, "<Ntry><Am"), 4, []string{"Ntry[1]"}},
		{"entity bomb", `<?xml version="1.0"?>` + "\n" + `<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol1 "&lol;&lol;">]><Document/>`, 2, []string{"document type definition"}},
		{"external entity", `<!DOCTYPE d SYSTEM "file:///etc/passwd"><Document>&d;</Document>`, 1, []string{"document type definition"}},
		{"unknown entity", camtText(camt053, "<AddtlStmtInf>&xxe;</AddtlStmtInf>"), 4, []string{"&xxe;", "never resolved"}},
		{"deep nesting", strings.Repeat("<a>", 100), 1, []string{"deep"}},
		{"wrong end tag", camtText(camt053, "<Bal></Ball>"), 4, []string{"closes <Bal>"}},
		{"not UTF-8", camtText(camt053, "<AddtlStmtInf>\xff</AddtlStmtInf>"), 4, []string{"UTF-8"}},
		{"unknown encoding", `<?xml version="1.0" encoding="ebcdic-cp-us"?><Document/>`, 1, []string{"ebcdic-cp-us"}},
		{"NUL", camtText(camt053, "<AddtlStmtInf>\x00</AddtlStmtInf>"), 4, []string{"control character"}},
		{"zip", "PK\x03\x04xxxx", 0, []string{"zip archive"}},
		{"empty", "", 0, []string{"empty"}},
		{"blanks", strings.Repeat(" \n", 20000), 0, []string{"empty"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := readText(t, test.text)
			wantFileError(t, err, test.line, test.says...)
		})
	}
}

func TestATokenThatNeverEndsIsRefused(t *testing.T) {
	text := camtText(camt053, "<AddtlStmtInf>"+strings.Repeat("x", 5<<20)+"</AddtlStmtInf>")
	if _, err := readText(t, text); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("error %v", err)
	}
}

func TestEncodingsOfXMLAreRead(t *testing.T) {
	text := strings.Replace(camtText(camt053, "<AddtlStmtInf>Weiß</AddtlStmtInf>"), `"1.0"`, `"1.0" encoding="utf-16"`, 1)
	for name, encoded := range map[string]string{
		"UTF-8 with a mark": "\xef\xbb\xbf" + strings.Replace(text, "utf-16", "utf-8", 1),
		"UTF-16LE":          "\xff\xfe" + utf16Text(text, 0),
		"UTF-16BE":          "\xfe\xff" + utf16Text(text, 1),
		"Windows-1252":      strings.Replace(strings.Replace(text, "utf-16", "Windows-1252", 1), "ß", "\xdf", 1),
	} {
		all, err := readText(t, encoded)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want(t, name, all[0].Info, "Weiß")
	}
}

// utf16Text encodes text whose characters fit into one unit; low is the place
// of the lower byte.
func utf16Text(text string, low int) string {
	var out strings.Builder
	for _, r := range text {
		pair := [2]byte{}
		pair[low], pair[1-low] = byte(r), byte(r>>8)
		out.Write(pair[:])
	}
	return out.String()
}

func TestABatchOfTooManyTransactionsIsOneMovement(t *testing.T) {
	const count = detailsMax + 1
	details := strings.Repeat(`<TxDtls><Refs/><Amt Ccy="EUR">0.01</Amt><CdtDbtInd>CRDT</CdtDbtInd></TxDtls>`, count)
	all, err := readText(t, camtText(strings.Replace(camt053, ".02", ".08", 1), entryText("200.01", "<NtryDtls>"+details+"</NtryDtls>")))
	if err != nil {
		t.Fatal(err)
	}
	e := all[0].entries[0]
	if len(e.Details) != 0 || e.Batch.DetailCount != count {
		t.Errorf("%d movements of %s, want the entry for all", len(e.Details), strconv.Itoa(e.Batch.DetailCount))
	}
}
