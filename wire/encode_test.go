package wire

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestAListIsNeverNull(t *testing.T) {
	for name, encode := range map[string]func() ([]byte, error){
		"accounts":      func() ([]byte, error) { return Encode[[]Account](nil) },
		"beneficiaries": func() ([]byte, error) { return Encode[[]Beneficiary](nil) },
		"transactions":  func() ([]byte, error) { return Encode[[]Transaction](nil) },
	} {
		if encoded, err := encode(); err != nil || string(encoded) != "[]" {
			t.Errorf("%s: %s, %v", name, encoded, err)
		}
	}
	encoded, err := Encode(Balances{ID: "b", AccountID: "a", At: time.Unix(0, 0)})
	if want := `{"id":"b","accountID":"a","at":"1970-01-01T00:00:00Z","balances":[]}`; err != nil || string(encoded) != want {
		t.Errorf("%s, %v", encoded, err)
	}
}

func TestTimesAreWrittenInUTCWithTheirFraction(t *testing.T) {
	at := time.Date(2026, 1, 31, 14, 30, 0, 123456000, time.FixedZone("", 2*3600))
	encoded, err := Encode([]Account{{ID: "a", CreatedAt: at}})
	if err != nil || !strings.Contains(string(encoded), `"createdAt":"2026-01-31T12:30:00.123456Z"`) {
		t.Errorf("%s, %v", encoded, err)
	}
}

func TestEncodingNamesWhatJSONCannotHold(t *testing.T) {
	at := time.Unix(0, 0)
	_, err := Encode([]Account{{ID: "a", CreatedAt: at}, {ID: "b", AccountName: "\xff", CreatedAt: at}})
	if want := "record 2 of the list: accountName must be valid UTF-8: \"\\xff\""; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	_, err = Encode([]Account{{ID: "a", CreatedAt: at.AddDate(9000, 0, 0)}})
	if want := "record 1 of the list: createdAt must be between the years 0 and 9999, not in 10970"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestAmountsAreWrittenInOneSpelling(t *testing.T) {
	for amount, want := range map[Amount]string{
		"+7": "7", "007": "7", "-055": "-55", "0": "0", "-0": "0", "+000": "0", "12.50": "12.50", "": "",
		"900719925474099312345678901234": "900719925474099312345678901234",
	} {
		encoded, err := Encode(PayoutRequest{Amount: amount})
		if err != nil || !strings.Contains(string(encoded), `"amount":"`+want+`"`) {
			t.Errorf("%s: %s, %v", amount, encoded, err)
		}
	}
}

func TestAnyWholeNumberSurvivesTheWire(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.StringMatching(`[+-]?[0-9]{1,100}`).Draw(t, "digits")
		want, _ := new(big.Int).SetString(digits, 10)
		at := time.Unix(0, 0).UTC()
		encoded, err := Encode([]Transaction{{ID: "t", CreatedAt: at, UpdatedAt: at, Currency: "USD/2", Amount: Amount(digits)}})
		if err != nil {
			t.Fatal(err)
		}
		records, err := DecodeTransactions(encoded)
		if err != nil || records[0].Err != nil {
			t.Fatal(err, records[0].Err)
		}
		got, err := records[0].Value.Amount.Int()
		if err != nil || got.Cmp(want) != 0 || records[0].Value.Amount != AmountOf(want) {
			t.Fatalf("%s came back as %s, %v", digits, got, err)
		}
	})
}

func TestAnyTransactionSurvivesTheWire(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOf(rapid.Custom(drawTransaction)).Draw(t, "transactions")
		encoded, err := Encode(want)
		if err != nil {
			t.Fatal(err)
		}
		records, err := DecodeTransactions(encoded)
		if err != nil || len(records) != len(want) {
			t.Fatal(err, len(records))
		}
		for i, record := range records {
			if record.Err != nil || record.Flaws != nil {
				t.Fatal(record.Err, record.Flaws)
			}
			if diff := cmp.Diff(want[i], record.Value); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

func drawTransaction(t *rapid.T) Transaction {
	text := rapid.StringMatching(`[^\x00]{0,20}`)
	stamp := rapid.Custom(func(t *rapid.T) time.Time {
		return time.Unix(rapid.Int64Range(-1e9, 1e11).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds")).UTC()
	})
	transaction := Transaction{
		ID: "t" + text.Draw(t, "id"), RelatedTransactionID: text.Draw(t, "related"),
		CreatedAt: stamp.Draw(t, "createdAt"), UpdatedAt: stamp.Draw(t, "updatedAt"),
		Currency: rapid.StringMatching(`[A-Z][A-Z0-9]{0,16}(_[A-Z]{1,16})?(/[0-9]{1,6})?`).Draw(t, "currency"),
		Scheme:   text.Draw(t, "scheme"),
		Type:     rapid.SampledFrom(TransactionTypes()).Draw(t, "type"),
		Status:   rapid.SampledFrom(TransactionStatuses()).Draw(t, "status"),
		Amount:   AmountOfInt(rapid.Int64().Draw(t, "amount")), SourceAccountID: text.Draw(t, "source"),
		DestinationAccountID: text.Draw(t, "destination"),
	}
	if metadata := rapid.MapOfN(text, text, 0, 3).Draw(t, "metadata"); len(metadata) > 0 {
		transaction.Metadata = metadata
	}
	return transaction
}
