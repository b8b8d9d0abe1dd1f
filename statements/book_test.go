package statements

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/weirhq/weir/wire"
)

func openTestBook(t *testing.T) *Book {
	t.Helper()
	b, err := OpenBook(t.Context(), filepath.Join(t.TempDir(), "book.db"), BookOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// text is a file that is given as text.
func text(name, content string) Input {
	return Input{Name: name, Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil }}
}

func take(t *testing.T, b *Book, name, content string) Taken {
	t.Helper()
	taken, err := b.Take(t.Context(), text(name, content))
	if err != nil {
		t.Fatal(err)
	}
	return taken
}

// shelf is everything that a book shows.
type shelf struct {
	accounts      map[string]wire.Account
	balances      map[string]wire.Balances
	beneficiaries map[string]wire.Beneficiary
	transactions  []wire.Transaction
}

func allRows(t *testing.T, b *Book) shelf {
	t.Helper()
	s := shelf{map[string]wire.Account{}, map[string]wire.Balances{}, map[string]wire.Beneficiary{}, nil}
	for after := int64(0); ; {
		rows, next, err := b.Rows(context.WithoutCancel(t.Context()), after, 7)
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) == 0 {
			return s
		}
		after = next
		for _, row := range rows {
			switch {
			case row.Account != nil:
				validate(t, row.Account.ID, row.Account.Validate())
				s.accounts[row.Account.ID] = *row.Account
			case row.Balances != nil:
				s.balances[row.Balances.AccountID] = *row.Balances
			case row.Beneficiary != nil:
				validate(t, row.Beneficiary.ID, row.Beneficiary.Validate())
				s.beneficiaries[row.Beneficiary.ID] = *row.Beneficiary
			case row.Transaction != nil:
				validate(t, row.Transaction.ID, row.Transaction.Validate())
				s.transactions = append(s.transactions, *row.Transaction)
			}
		}
	}
}

func validate(t *testing.T, id string, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("row %s: %v", id, err)
	}
}

// find returns the one transaction with that amount, type and status.
func (s shelf) find(t *testing.T, amount string, kind wire.TransactionType, status wire.TransactionStatus) wire.Transaction {
	t.Helper()
	var found []wire.Transaction
	for _, tx := range s.transactions {
		if string(tx.Amount) == amount && tx.Type == kind && tx.Status == status {
			found = append(found, tx)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d transactions of %s %s %s, want 1 of %+v", len(found), amount, kind, status, s.transactions)
	}
	return found[0]
}

func TestAReportAndTheStatementOfTheDayGiveEachMovementOnce(t *testing.T) {
	b := openTestBook(t)
	take(t, b, "052.xml", testdata(t, "camt052.v8.xml"))
	during := allRows(t, b)
	if len(during.transactions) != 2 {
		t.Fatalf("%d transactions during the day, want 2", len(during.transactions))
	}
	pending := during.find(t, "4000", wire.TypePayin, wire.StatusPending)

	take(t, b, "053.xml", testdata(t, "camt053.v8.xml"))
	after := allRows(t, b)
	// Three salaries in place of their batch, and four entries.
	if len(after.transactions) != 7 {
		t.Fatalf("%d transactions, want 7: %+v", len(after.transactions), after.transactions)
	}
	booked := after.find(t, "4000", wire.TypePayin, wire.StatusSucceeded)
	if booked.ID != pending.ID || !booked.CreatedAt.Equal(pending.CreatedAt) {
		t.Errorf("the booked movement is %s of %s, want the pending one %s of %s", booked.ID, booked.CreatedAt, pending.ID, pending.CreatedAt)
	}
	salary := after.find(t, "20000", wire.TypePayout, wire.StatusSucceeded)
	want(t, "currency", salary.Currency, "EUR/2")
	want(t, "source", salary.SourceAccountID, "NL05LOCK0300065264")
	want(t, "destination", salary.DestinationAccountID, "beneficiary-99-12345")
	want(t, "end-to-end id", salary.Metadata["endToEndID"], "SAL-C")

	// The report comes again, late: nothing is pending again.
	take(t, b, "052-again.xml", testdata(t, "camt052.v8.xml")+"\n")
	if again := allRows(t, b); len(again.transactions) != 7 {
		t.Errorf("%d transactions after a late report, want 7", len(again.transactions))
	} else {
		again.find(t, "4000", wire.TypePayin, wire.StatusSucceeded)
	}
}

func TestAReturnIsRelatedToThePaymentThatItReturns(t *testing.T) {
	b := openTestBook(t)
	take(t, b, "053.xml", testdata(t, "camt053.v8.xml"))
	s := allRows(t, b)
	salary := s.find(t, "20000", wire.TypePayout, wire.StatusSucceeded)
	returned := s.find(t, "20000", wire.TypePayout, wire.StatusRefunded)
	want(t, "related", returned.RelatedTransactionID, salary.ID)
	want(t, "accounts", returned.SourceAccountID+" "+returned.DestinationAccountID, salary.SourceAccountID+" "+salary.DestinationAccountID)
	want(t, "reason", returned.Metadata["returnReason"], "AC04")
	if !returned.CreatedAt.After(salary.CreatedAt) {
		t.Error("a return must be later than what it returns")
	}
}

func TestAccountsAndBalancesOfAStatement(t *testing.T) {
	b := openTestBook(t)
	take(t, b, "053.xml", testdata(t, "camt053.v8.xml"))
	s := allRows(t, b)
	a := s.accounts["NL05LOCK0300065264"]
	want(t, "name", a.AccountName, "Operations")
	want(t, "owner", a.Metadata["owner"], "Weir & Sons B.V.")
	want(t, "opening", a.Metadata["openingBooked"]+" at "+a.Metadata["openingBookedAt"], "EUR/2 1000000 at 2026-02-27")
	want(t, "available", a.Metadata["closingAvailable"], "EUR/2 930000")
	balances := s.balances["NL05LOCK0300065264"]
	if len(balances.Balances) != 1 || balances.Balances[0] != (wire.Balance{Amount: "933989", Currency: "EUR/2"}) {
		t.Errorf("balances %+v", balances)
	}
	// Written at 18:05 of the day that it closes, an hour east of UTC.
	want(t, "at", balances.At.Format("2006-01-02T15:04:05Z07:00"), "2026-03-02T17:05:00Z")
	if len(s.beneficiaries) != 3 || s.beneficiaries["beneficiary-DE57700100800123456789"].OwnerName != "Anna Aar" {
		t.Errorf("beneficiaries %+v", s.beneficiaries)
	}
}

func TestTrueTwinsStayTwoHoweverOftenAndInWhateverFilesTheyAreTold(t *testing.T) {
	coffee := "\n:61:2603030303D2,50NMSCNONREF\n:86:COFFEE"
	day := func(number, opening, entries, closing string) string {
		return ":20:A\n:25:NL05LOCK0300065264\n:28C:" + number + "/1\n:60F:C260303EUR" + opening + entries + "\n:62F:C260303EUR" + closing + "\n-\n"
	}
	b := openTestBook(t)
	morning := day("7", "10,00", coffee+coffee, "5,00")
	take(t, b, "morning", morning)
	if s := allRows(t, b); len(s.transactions) != 2 {
		t.Fatalf("%d transactions, want two coffees", len(s.transactions))
	}
	take(t, b, "morning again", morning+"\r\n")
	if s := allRows(t, b); len(s.transactions) != 2 {
		t.Fatalf("%d transactions after the same statement, want two", len(s.transactions))
	}
	take(t, b, "evening", day("8", "5,00", coffee, "2,50"))
	if s := allRows(t, b); len(s.transactions) != 3 {
		t.Fatalf("%d transactions after another statement of the day, want three", len(s.transactions))
	}
	take(t, b, "morning, third time", morning+"\n\n")
	if s := allRows(t, b); len(s.transactions) != 3 {
		t.Fatalf("%d transactions after the first again, want three", len(s.transactions))
	}
	if gaps, err := b.Gaps(t.Context()); err != nil || len(gaps) != 0 {
		t.Errorf("gaps %+v, %v", gaps, err)
	}
}

func TestOneReferenceForSeveralBookingsIsNotOneMovement(t *testing.T) {
	b := openTestBook(t)
	take(t, b, "a", ":20:A\n:25:NL05LOCK0300065264\n:28C:5/1\n:60F:C260301EUR1000,\n"+
		":61:2603010301D100,NSTONONREF//55555\n:61:2603020302C300,NTRFNONREF//55555\n:62F:C260302EUR1200,\n-\n")
	take(t, b, "b", ":20:A\n:25:NL05LOCK0300065264\n:28C:6/1\n:60F:C260302EUR1200,\n"+
		":61:2604010401D100,NSTONONREF//55555\n:62F:C260401EUR1100,\n-\n")
	if s := allRows(t, b); len(s.transactions) != 3 {
		t.Errorf("%d transactions, want 3", len(s.transactions))
	}
}

func TestTheSameStatementInAnotherFormatIsNotToldTwice(t *testing.T) {
	b := openTestBook(t)
	take(t, b, "a.xml", camtText(camt053,
		`<Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">1</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-03-02</Dt></Dt></Bal>`+
			`<Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">2</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-03-02</Dt></Dt></Bal>`+
			entryText("1.00", "<BookgDt><Dt>2026-03-02</Dt></BookgDt><AcctSvcrRef>X</AcctSvcrRef>")))
	taken := take(t, b, "a.sta", ":20:A\n:25:NL05LOCK0300065264\n:28C:5/1\n:60F:C260302EUR1,\n:61:2603020302C1,NTRFNONREF//Y\n:62F:C260302EUR2,\n-\n")
	if s := allRows(t, b); len(s.transactions) != 1 {
		t.Errorf("%d transactions, want 1", len(s.transactions))
	}
	if len(taken.Findings) != 1 || !strings.Contains(taken.Findings[0].Text, "came as camt.053 in a.xml") {
		t.Errorf("findings %+v", taken.Findings)
	}
}

func TestMoneyBetweenOwnAccountsIsATransfer(t *testing.T) {
	b := openTestBook(t)
	take(t, b, "a", ":20:A\n:25:DE57700100800123456789\n:28C:1/1\n:60F:C260301EUR0,\n:62F:C260301EUR0,\n-\n")
	take(t, b, "b", ":20:B\n:25:NL05LOCK0300065264\n:28C:1/1\n:60F:C260301EUR10,\n:61:2603020302D10,NTRFNONREF//1\n"+
		":86:/IBAN/DE57700100800123456789/NAME/OURSELVES\n:62F:C260302EUR0,\n-\n")
	tx := allRows(t, b).find(t, "1000", wire.TypeTransfer, wire.StatusSucceeded)
	want(t, "way", tx.SourceAccountID+" to "+tx.DestinationAccountID, "NL05LOCK0300065264 to DE57700100800123456789")
}

func TestOneIBANOfSeveralCurrenciesIsSeveralAccounts(t *testing.T) {
	b := openTestBook(t)
	for _, currency := range []string{"EUR", "USD"} {
		take(t, b, currency, ":20:A\n:25:50880050/0194774600\n:28C:1/1\n:60F:C260301"+currency+"5,\n:62F:C260301"+currency+"5,\n-\n")
	}
	s := allRows(t, b)
	if len(s.accounts) != 2 || s.accounts["50880050~2f0194774600"].ID == "" || s.accounts["50880050~2f0194774600.USD"].ID == "" {
		t.Errorf("accounts %+v", s.accounts)
	}
}

func TestWhatDoesNotAddUpOrChainIsServedAndReported(t *testing.T) {
	b := openTestBook(t)
	statement := func(number, day, opening, closing string) string {
		return ":20:A\n:25:NL05LOCK0300065264\n:28C:" + number + "/1\n:60F:C" + day + "EUR" + opening + "\n:61:" + day + "C5,NTRFNONREF//" + number +
			"\n:62F:C" + day + "EUR" + closing + "\n-\n"
	}
	taken := take(t, b, "1", statement("1", "260301", "0,", "6,"))
	if len(taken.Findings) != 1 || !strings.Contains(taken.Findings[0].Text, "difference of 1.00 EUR") {
		t.Errorf("findings %+v", taken.Findings)
	}
	take(t, b, "4", statement("4", "260305", "20,", "25,"))
	if s := allRows(t, b); len(s.transactions) != 2 {
		t.Errorf("%d transactions, want both", len(s.transactions))
	}
	gaps, err := b.Gaps(t.Context())
	if err != nil || len(gaps) != 1 {
		t.Fatalf("gaps %+v, %v", gaps, err)
	}
	g := gaps[0]
	want(t, "dates", g.After+" to "+g.Before, "2026-03-01 to 2026-03-05")
	if g.Missing.Int64() != 14_00 || !strings.Contains(g.Why, "numbers 2 to 3") {
		t.Errorf("gap %+v", g)
	}
	take(t, b, "2", statement("2", "260302", "6,", "11,"))
	take(t, b, "3", statement("3", "260303", "11,", "20,"))
	if gaps, err := b.Gaps(t.Context()); err != nil || len(gaps) != 0 {
		t.Errorf("gaps after the missing statements came: %+v, %v", gaps, err)
	}
}

func TestABadFileLeavesNothingBehind(t *testing.T) {
	b := openTestBook(t)
	_, err := b.Take(t.Context(), text("bad", camtText(camt053, entryText("1.00", "")+entryText("1.001", ""))))
	wantFileError(t, err, 4, "Ntry[2]")
	if s := allRows(t, b); len(s.transactions)+len(s.accounts) != 0 {
		t.Errorf("rows of a bad file: %+v", s)
	}
}

func TestAFileThatChangesBetweenTheReadingsLeavesNothingBehind(t *testing.T) {
	b := openTestBook(t)
	opened := 0
	_, err := b.Take(t.Context(), Input{Name: "x", Open: func() (io.ReadCloser, error) {
		opened++
		return io.NopCloser(strings.NewReader(camtText(camt053, strings.Repeat(entryText("1.00", ""), opened)))), nil
	}})
	if !errors.Is(err, ErrChanged) {
		t.Errorf("error %v, want ErrChanged", err)
	}
	if s := allRows(t, b); len(s.transactions) != 0 {
		t.Errorf("%d rows", len(s.transactions))
	}
}

func TestEverySampleTogether(t *testing.T) {
	b := openTestBook(t)
	counts := map[string]int{}
	for _, dir := range []string{"camt", "mt940"} {
		folder := filepath.Dir(sample(t, dir+"/LICENSE"))
		entries, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			_, err := b.Take(t.Context(), Input{Name: entry.Name(), Open: func() (io.ReadCloser, error) { return os.Open(filepath.Join(folder, entry.Name())) }})
			var bad *FileError
			if errors.As(err, &bad) {
				counts["rejected"]++
			} else if err != nil {
				t.Error(err)
			}
		}
	}
	s := allRows(t, b)
	// Seven of the camt files; 8 + 10 + 7 + 2 + 16 + 97 of the MT940 files.
	if counts["rejected"] != 5 || len(s.transactions) != 7+140 {
		t.Errorf("%d files rejected and %d transactions, want 5 (two of them licences) and 147", counts["rejected"], len(s.transactions))
	}
}

// BenchmarkTake is the whole way of a camt.053 file: read twice, each movement
// found or entered, and committed. An entry costs some eight statements of SQL.
func BenchmarkTake(b *testing.B) {
	content := string(largeText(b))
	n := 0
	for b.Loop() {
		n++
		book, err := OpenBook(b.Context(), filepath.Join(b.TempDir(), strconv.Itoa(n)), BookOptions{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := book.Take(b.Context(), text("large.xml", content)); err != nil {
			b.Fatal(err)
		}
		book.Close()
	}
	b.ReportMetric(float64(n)*4000/b.Elapsed().Seconds(), "entries/s")
}
