package wire

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// seed gives a fuzz target every body in testdata to start from.
func seed(f *testing.F) {
	f.Helper()
	for _, pattern := range []string{"testdata/examples/*.json", "testdata/pages/*.json"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			f.Fatal(pattern, err)
		}
		for _, name := range names {
			body, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(body)
		}
	}
}

func FuzzDecodeAccounts(f *testing.F) { fuzzList(f, DecodeAccounts) }

func FuzzDecodeBeneficiaries(f *testing.F) { fuzzList(f, DecodeBeneficiaries) }

func FuzzDecodeTransactions(f *testing.F) { fuzzList(f, DecodeTransactions) }

func FuzzDecodeBalances(f *testing.F) { fuzzSingle(f, DecodeBalances) }

func FuzzDecodePayout(f *testing.F) { fuzzSingle(f, DecodePayout) }

func FuzzDecodeTransfer(f *testing.F) { fuzzSingle(f, DecodeTransfer) }

func FuzzDecodePayoutRequest(f *testing.F) { fuzzSingle(f, DecodePayoutRequest) }

func FuzzDecodeTransferRequest(f *testing.F) { fuzzSingle(f, DecodeTransferRequest) }

func FuzzDecodeError(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		e, ok := DecodeError(body)
		if !ok {
			return
		}
		encoded, err := Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		if back, ok := DecodeError(encoded); !ok || back != e {
			t.Fatalf("%+v came back as %+v", e, back)
		}
	})
}

func FuzzDecodeCapabilities(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		capabilities, err := DecodeCapabilities(body)
		if err != nil {
			return
		}
		encoded, err := Encode(capabilities)
		if err != nil {
			t.Fatal(err)
		}
		back, err := DecodeCapabilities(encoded)
		if err != nil || back.Version != capabilities.Version || back.PageSizeMax != capabilities.PageSizeMax || len(back.Resources) != len(capabilities.Resources) {
			t.Fatalf("%+v came back as %+v, %v", capabilities, back, err)
		}
	})
}

// fuzzList checks of any page: nothing but space and commas stands between
// the raw bytes of its records; each of them reads the same alone; and what
// could be used is written and read again as the same value.
func fuzzList[T Account | Beneficiary | Transaction](f *testing.F, decode func([]byte) ([]Record[T], error)) {
	f.Helper()
	seed(f)
	f.Fuzz(func(t *testing.T, page []byte) {
		records, err := decode(page)
		if err != nil {
			return
		}
		rest := bytes.TrimLeft(page, " \t\r\n")
		rest = bytes.TrimPrefix(rest, []byte("["))
		var usable []T
		for i, record := range records {
			rest = bytes.TrimLeft(rest, " \t\r\n,")
			if !bytes.HasPrefix(rest, record.Raw) || len(record.Raw) == 0 {
				t.Fatalf("record %d is %q, and the page goes on with %q", i, record.Raw, rest)
			}
			rest = rest[len(record.Raw):]
			alone, err := decode(append(append([]byte("["), record.Raw...), ']'))
			if err != nil || len(alone) != 1 || !cmp.Equal(alone[0].Value, record.Value) || (alone[0].Err == nil) != (record.Err == nil) {
				t.Fatalf("record %d alone: %v, %+v", i, err, alone)
			}
			Peek(record.Raw)
			if record.Err == nil {
				usable = append(usable, record.Value)
			}
		}
		if left := bytes.Trim(rest, " \t\r\n]"); len(left) > 0 && string(left) != "null" {
			t.Fatalf("left over: %q", left)
		}
		roundTrip(t, usable, decode)
	})
}

func roundTrip[T any](t *testing.T, want []T, decode func([]byte) ([]Record[T], error)) {
	t.Helper()
	encoded, err := appendAny(want)
	if err != nil {
		t.Fatal(err)
	}
	records, err := decode(encoded)
	if err != nil || len(records) != len(want) {
		t.Fatalf("%v: %d of %d", err, len(records), len(want))
	}
	for i, record := range records {
		if diff := cmp.Diff(want[i], record.Value, sameMoney, sameMetadata); diff != "" || record.Err != nil || record.Flaws != nil {
			t.Fatalf("%v %v %s", record.Err, record.Flaws, diff)
		}
	}
}

func fuzzSingle[T Balances | Payout | Transfer | PayoutRequest | TransferRequest](f *testing.F, decode func([]byte) (Record[T], error)) {
	f.Helper()
	seed(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		record, err := decode(body)
		if err != nil {
			return
		}
		if !bytes.Equal(bytes.Trim(body, " \t\r\n"), record.Raw) {
			t.Fatalf("raw is %q of %q", record.Raw, body)
		}
		if record.Err != nil {
			return
		}
		encoded, err := Encode(record.Value)
		if err != nil {
			t.Fatal(err)
		}
		back, err := decode(encoded)
		if diff := cmp.Diff(record.Value, back.Value, sameMoney, sameMetadata); diff != "" || err != nil || back.Err != nil {
			t.Fatalf("%v %v %s", err, back.Err, diff)
		}
	})
}

// sameMoney holds +7, 007 and 7 for one amount.
var sameMoney = cmp.Comparer(func(a, b Amount) bool {
	return bytes.Equal(a.appendCanonical(nil), b.appendCanonical(nil))
})

// sameMetadata holds an empty map, which is not written, for none.
var sameMetadata = cmp.Transformer("entries", func(metadata map[string]string) []string {
	entries := []string{}
	for key, value := range metadata {
		entries = append(entries, key+"="+value)
	}
	slices.Sort(entries)
	return entries
})
