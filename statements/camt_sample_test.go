package statements

import "testing"

// The numbers in this file were read off the sample files by eye.

func TestSampleCamt052Version2(t *testing.T) {
	all := readAll(t, sample(t, "camt/camt052.v2.xml"))
	if len(all) != 1 || len(all[0].entries) != 1 {
		t.Fatalf("%d statements, want 1 with 1 entry", len(all))
	}
	s, e := all[0], all[0].entries[0]
	if s.Kind != Camt052 || s.Version != 2 || len(s.Balances) != 0 {
		t.Errorf("%s version %d with %d balances", s.Kind, s.Version, len(s.Balances))
	}
	want(t, "account", s.Account.Identification(), "CH2801234000123456789")
	want(t, "currency, from the entry", s.Account.Currency, "SEK")
	want(t, "owner", s.Account.Owner, "FINPETROL")
	want(t, "servicer", s.Account.Servicer, "AAAA BANKEN")
	want(t, "id", s.ID, "AAAASESS-FP-ACCR001")
	want(t, "number", s.Number(), "12312")
	want(t, "from", s.From.String(), "2007-10-18T08:00:00+01:00")
	want(t, "to", s.To.String(), "2007-10-18T12:30:00+01:00")
	wantEntry(t, e, -200000_00, "SEK", Booked, "2007-10-18", "2007-10-18")
	want(t, "booking time", e.Booking.String(), "2007-10-18T10:15:00+01:00")
	want(t, "servicer's reference", e.ServicerRef, "AAAASESS-FP-ACCR-01")
	want(t, "code", e.Code.Domain+"/"+e.Code.Family+"/"+e.Code.SubFamily+" "+e.Code.Proprietary, "PAYM/0001/0003 XXXX+000+0000+000")
	want(t, "creditor", e.Party.Name, "Company Name")
	want(t, "creditor's account", e.Party.Account, "NL56AGDH9619008421")
	want(t, "creditor's bank", e.Party.BIC, "BANKCHZHXXX")
	want(t, "batch", e.Batch.PaymentInfo, "FINP-0055-001")
	if e.Batch.Count != 20 || e.Batch.DetailCount != 1 || len(e.Details) != 0 {
		t.Errorf("batch %+v with %d movements of its own, want one entry for 20", e.Batch, len(e.Details))
	}
	wantVerdict(t, s.Statement, Open, 0)
}

func TestSampleCamt053Version2Minimal(t *testing.T) {
	all := readAll(t, sample(t, "camt/camt053.v2.minimal.xml"))
	if len(all) != 1 || len(all[0].entries) != 1 {
		t.Fatalf("%d statements, want 1 with 1 entry", len(all))
	}
	s, e := all[0], all[0].entries[0]
	want(t, "account", s.Account.IBAN+s.Account.Other, "NL26VAYB8060476890")
	want(t, "currency", s.Account.Currency, "EUR")
	want(t, "id", s.ID, "253EURNL26VAYB8060476890")
	want(t, "copy", s.Copy, "CODU")
	wantBalance(t, s.Statement, OpeningBooked, 18_15, "EUR", "2014-12-30")
	wantBalance(t, s.Statement, ClosingBooked, -27_00, "SEK", "2014-12-31")
	wantBalance(t, s.Statement, OpeningAvailable, 35_00, "CHF", "2014-12-30")
	wantBalance(t, s.Statement, ClosingAvailable, -2700, "JPY", "2014-12-31")
	wantEntry(t, e, 8_85, "EUR", Booked, "2014-12-31", "2015-01-02")
	want(t, "debtor", e.Party.Name, "NAME NAME")
	want(t, "debtor's account", e.Party.Account, "NL56AGDH9619008421")
	want(t, "structured reference", e.CreditorRef, "4654654654654654")
	want(t, "code", e.Code.Proprietary, "544")
	// It opens in euros and closes in kronor, so nothing can be proved.
	wantVerdict(t, s.Statement, Open, 0)
}

func TestSampleCamt053Version2HasTwoStatements(t *testing.T) {
	all := readAll(t, sample(t, "camt/camt053.v2.multi.statement.xml"))
	if len(all) != 2 || len(all[0].entries) != 1 || len(all[1].entries) != 1 {
		t.Fatalf("%d statements, want 2 with 1 entry each", len(all))
	}
	wantBalance(t, all[0].Statement, OpeningBooked, 18_15, "EUR", "2014-12-30")
	wantBalance(t, all[0].Statement, ClosingBooked, 27_00, "EUR", "2014-12-31")
	wantEntry(t, all[0].entries[0], 8_85, "EUR", Booked, "2014-12-31", "2015-01-02")
	want(t, "end-to-end id", all[0].entries[0].EndToEnd, "000000001")
	want(t, "text", all[0].entries[0].Text, "Transaction Description 1")
	wantVerdict(t, all[0].Statement, AddsUp, 0)

	want(t, "second id", all[1].ID, "254EURNL26VAYB8060476890")
	want(t, "second number", all[1].Number(), "")
	wantBalance(t, all[1].Statement, OpeningBooked, 27_00, "EUR", "2014-12-30")
	wantBalance(t, all[1].Statement, ClosingBooked, 20_00, "EUR", "2014-12-31")
	wantEntry(t, all[1].entries[0], -7_00, "EUR", Booked, "2014-12-31", "2015-01-02")
	want(t, "second end-to-end id", all[1].entries[0].EndToEnd, "000000002")
	want(t, "second creditor", all[1].entries[0].Party.Name, "Company Name 2")
	wantVerdict(t, all[1].Statement, AddsUp, 0)
}

func TestSampleCamt053WithoutAStatementIsRefused(t *testing.T) {
	_, err := tryRead(t, sample(t, "camt/camt053.v2.wrong.xml"))
	wantFileError(t, err, 8, "BkToCstmrStmt", "no Stmt")
}

func TestSampleCamt053Version3(t *testing.T) {
	all := readAll(t, sample(t, "camt/camt053.v3.xml"))
	if len(all) != 1 || len(all[0].entries) != 1 {
		t.Fatalf("%d statements, want 1 with 1 entry", len(all))
	}
	s, e := all[0], all[0].entries[0]
	want(t, "account", s.Account.Identification(), "NL26VAYB8060476890")
	want(t, "servicer", s.Account.BIC, "KREDBEBB")
	want(t, "owner", s.Account.Owner, "COMPANY BVBA")
	wantBalance(t, s.Statement, OpeningBooked, 18_15, "EUR", "2014-12-30")
	wantBalance(t, s.Statement, ClosingBooked, -27_00, "SEK", "2014-12-31")
	// The detail below the entry says 105.750; the entry is what moved.
	wantEntry(t, e, 8_85, "EUR", Booked, "2014-12-31", "2015-01-02")
	want(t, "servicer's reference", e.ServicerRef, "XXXXXXXXXXXXXXXXXXXXXXEUR")
	want(t, "code", e.Code.Domain+"/"+e.Code.Family+"/"+e.Code.SubFamily, "PMNT/RCDT/DMCT")
	want(t, "debtor's bank", e.Party.BIC, "KREDBEBB")
	if len(e.Details) != 0 {
		t.Errorf("%d movements below the entry, want the entry to be the movement", len(e.Details))
	}
}

func TestSampleCamt053Version4(t *testing.T) {
	all := readAll(t, sample(t, "camt/camt053.v4.xml"))
	if len(all) != 1 || len(all[0].entries) != 1 {
		t.Fatalf("%d statements, want 1 with 1 entry", len(all))
	}
	s, e := all[0], all[0].entries[0]
	want(t, "account", s.Account.Identification(), "NL26VAYB8060476890")
	want(t, "currency, from the opening balance", s.Account.Currency, "EUR")
	if s.Page != 2 || !s.LastPage {
		t.Errorf("page %d, last %t, want the second and last", s.Page, s.LastPage)
	}
	wantBalance(t, s.Statement, OpeningBooked, 18_15, "EUR", "2014-12-30")
	wantBalance(t, s.Statement, ClosingBooked, -27_00, "SEK", "2014-12-30")
	wantBalance(t, s.Statement, ClosingAvailable, -2700, "JPY", "2014-12-31")
	wantEntry(t, e, 8_85, "EUR", Booked, "2014-12-31", "2015-01-02")
	want(t, "servicer's reference", e.ServicerRef, "AAAASESS-FP-CN_98765/01")
}

func TestSampleCamt054Version4(t *testing.T) {
	all := readAll(t, sample(t, "camt/camt054.v4.xml"))
	if len(all) != 1 || len(all[0].entries) != 1 {
		t.Fatalf("%d statements, want 1 with 1 entry", len(all))
	}
	s, e := all[0], all[0].entries[0]
	want(t, "account", s.Account.Identification(), "CH2801234000123456789")
	want(t, "servicer", s.Account.BIC, "UBSWCHZH80A")
	want(t, "owner", s.Account.Owner, "UNIFITS GmbH")
	wantEntry(t, e, -200000_00, "SEK", Booked, "2007-10-18", "2007-10-18")
	want(t, "servicer's reference", e.ServicerRef, "ACSR160617103200001")
	want(t, "remark", e.Info, "Order")
	want(t, "batch", e.Batch.MessageID, "UXC06170000006")
	// Three details of 3.1, 3.2 and 3.2 francs are not 200,000 kronor.
	if e.Batch.Count != 2 || e.Batch.DetailCount != 3 || len(e.Details) != 0 {
		t.Errorf("batch %+v with %d movements, want the entry to be the movement", e.Batch, len(e.Details))
	}
	wantVerdict(t, s.Statement, Open, 0)
}
