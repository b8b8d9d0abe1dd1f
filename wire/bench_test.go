package wire

import (
	"fmt"
	"testing"
	"time"
)

// page makes transactions as a real service shows them, about 400 bytes each.
func page(rows int) []Transaction {
	start := time.Date(2026, 1, 31, 12, 30, 0, 123456000, time.UTC)
	transactions := make([]Transaction, rows)
	for i := range transactions {
		at := start.Add(time.Duration(i) * time.Millisecond)
		transactions[i] = Transaction{
			ID:                   fmt.Sprintf("txn_%016x", i*7919),
			CreatedAt:            at,
			UpdatedAt:            at.Add(time.Minute),
			Currency:             "USD/2",
			Scheme:               "SEPA_CREDIT",
			Type:                 TypePayin,
			Status:               StatusSucceeded,
			Amount:               AmountOfInt(int64(i) * 37),
			SourceAccountID:      fmt.Sprintf("acct_%08d", i%97),
			DestinationAccountID: fmt.Sprintf("ben_%08d", i%31),
			Metadata:             map[string]string{"order": fmt.Sprintf("o-%d", i), "note": "Zahlung für März"},
		}
	}
	return transactions
}

func BenchmarkDecodeTransactions(b *testing.B) {
	encoded, err := Encode(page(1000))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(encoded)))
	b.ReportAllocs()
	for b.Loop() {
		records, err := DecodeTransactions(encoded)
		if err != nil || len(records) != 1000 || records[999].Err != nil {
			b.Fatal(err, len(records))
		}
	}
}

func BenchmarkSplit(b *testing.B) {
	encoded, _ := Encode(page(1000))
	b.SetBytes(int64(len(encoded)))
	for b.Loop() {
		_, _ = elements(encoded)
	}
}

func BenchmarkEncodeTransactions(b *testing.B) {
	rows := page(1000)
	var encoded []byte
	var err error
	b.ReportAllocs()
	for b.Loop() {
		if encoded, err = Append(encoded[:0], rows); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(encoded)))
}
