package wire

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// examples are the good bodies in testdata/examples, each with its way through
// the decoder and back, and its place in the contract's document.
var examples = []struct {
	file   string
	method string
	path   string
	again  func([]byte) ([]byte, error)
}{
	{"accounts.json", "GET", PathAccounts, listAgain(DecodeAccounts)},
	{"beneficiaries.json", "GET", PathBeneficiaries, listAgain(DecodeBeneficiaries)},
	{"transactions.json", "GET", PathTransactions, listAgain(DecodeTransactions)},
	{"balances.json", "GET", PathBalances, again(DecodeBalances)},
	{"payout.json", "POST", PathPayouts, again(DecodePayout)},
	{"transfer.json", "POST", PathTransfers, again(DecodeTransfer)},
	{"payout-request.json", "POST", PathPayouts, again(DecodePayoutRequest)},
	{"transfer-request.json", "POST", PathTransfers, again(DecodeTransferRequest)},
	{"capabilities.json", "GET", PathCapabilities, func(b []byte) ([]byte, error) {
		capabilities, err := DecodeCapabilities(b)
		if err != nil {
			return nil, err
		}
		return Encode(capabilities)
	}},
	{"error.json", "GET", PathAccounts, func(b []byte) ([]byte, error) {
		e, ok := DecodeError(b)
		if !ok {
			return nil, fmt.Errorf("no error body: %s", b)
		}
		return Encode(e)
	}},
}

// listAgain decodes a page that nothing is wrong with and encodes it again.
func listAgain[T Account | Beneficiary | Transaction](decode func([]byte) ([]Record[T], error)) func([]byte) ([]byte, error) {
	return func(page []byte) ([]byte, error) {
		records, err := decode(page)
		if err != nil {
			return nil, err
		}
		values := make([]T, len(records))
		for i, record := range records {
			if record.Err != nil || record.Flaws != nil {
				return nil, fmt.Errorf("%w %v", record.Err, record.Flaws)
			}
			values[i] = record.Value
		}
		return appendAny(values)
	}
}

// appendAny is Append where the type is only known to be one of three.
func appendAny[T any](values []T) ([]byte, error) {
	switch values := any(values).(type) {
	case []Account:
		return Encode(values)
	case []Beneficiary:
		return Encode(values)
	case []Transaction:
		return Encode(values)
	}
	panic("no list of the contract")
}

func again[T Balances | Payout | Transfer | PayoutRequest | TransferRequest](decode func([]byte) (Record[T], error)) func([]byte) ([]byte, error) {
	return func(body []byte) ([]byte, error) {
		record, err := decode(body)
		if err != nil {
			return nil, err
		}
		if record.Err != nil || record.Flaws != nil {
			return nil, fmt.Errorf("%w %v", record.Err, record.Flaws)
		}
		return Encode(record.Value)
	}
}

func TestEveryExampleIsReadAndWrittenToTheByte(t *testing.T) {
	for _, example := range examples {
		body, err := os.ReadFile(filepath.Join("testdata", "examples", example.file))
		if err != nil {
			t.Fatal(err)
		}
		written, err := example.again(body)
		if err != nil || string(written)+"\n" != string(body) {
			t.Errorf("%s: %v\n got %s\nwant %s", example.file, err, written, body)
		}
	}
}

func TestEveryPageIsReadAsItsGoldenFileSays(t *testing.T) {
	pages, err := filepath.Glob("testdata/pages/*.json")
	if err != nil || len(pages) == 0 {
		t.Fatal(err, "no pages")
	}
	for _, name := range pages {
		t.Run(filepath.Base(name), func(t *testing.T) {
			page, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := report(page)
			golden := strings.TrimSuffix(name, ".json") + ".golden"
			if *update {
				if err := os.WriteFile(golden, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%v\n got:\n%s\nwant:\n%s", err, got, want)
			}
		})
	}
}

// report is what becomes of a page of transactions, for people to review.
func report(page []byte) []byte {
	var out bytes.Buffer
	records, err := DecodeTransactions(page)
	if err != nil {
		fmt.Fprintf(&out, "page: %v\n", err)
		return out.Bytes()
	}
	fmt.Fprintf(&out, "%d records\n", len(records))
	for _, record := range records {
		if record.Err != nil {
			id, createdAt, updatedAt := Peek(record.Raw)
			fmt.Fprintf(&out, "\n%.40q at %s, %s\n  rejected: %v\n", id, createdAt, updatedAt, record.Err)
		} else {
			encoded, _ := Encode([]Transaction{record.Value})
			fmt.Fprintf(&out, "\n%q\n  %s\n", record.Value.ID, bytes.Trim(encoded, "[]"))
		}
		for _, flaw := range record.Flaws {
			fmt.Fprintf(&out, "  flaw: %s\n", flaw)
		}
	}
	return out.Bytes()
}
