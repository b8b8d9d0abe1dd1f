package sqlite

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
	"github.com/weirhq/weir/internal/store/storetest"
)

// rowsPerBatch is the size of a page that the SDK serves.
const rowsPerBatch = 1000

// transaction makes the i-th of a stream of transactions as services show them:
// a reference of its own, growing stamps, some metadata, 380 bytes.
func transaction(i int) hub.PaymentAdjustment {
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(i) * time.Millisecond)
	a := hub.PaymentAdjustment{
		Reference: fmt.Sprintf("tx_%012d", i), Type: hub.PayIn, Status: hub.Succeeded, Scheme: "SEPA_CREDIT", Asset: "EUR/2",
		Amount: hub.NewAmount(int64(i%100_000 + 1)), CreatedAt: at, UpdatedAt: at.Add(time.Microsecond),
		SourceAccount: fmt.Sprintf("acc_%06d", i%1000), DestinationAccount: "acc_main",
		Metadata: map[string]string{"order": fmt.Sprint(i), "channel": "web"}, Version: 1, SeenAt: at,
	}
	a.PaymentReference = a.Reference
	a.Raw = fmt.Appendf(nil, `{"id":%q,"createdAt":%q,"updatedAt":%q,"currency":"EUR/2","scheme":"SEPA_CREDIT","type":"PAYIN","status":"SUCCEEDED",`+
		`"amount":"%s","sourceAccountID":%q,"destinationAccountID":"acc_main","metadata":{"order":"%d","channel":"web"},"description":"an order of three things"}`,
		a.Reference, at.Format(time.RFC3339Nano), a.UpdatedAt.Format(time.RFC3339Nano), a.Amount, a.SourceAccount, i)
	return a
}

func batchOf(stream hub.StreamID, read hub.Cursor, from, n int) hub.Batch {
	b := hub.Batch{Stream: stream, Read: read, Next: read, SeenAt: time.Now(), Requests: 1}
	for i := range n {
		b.Adjustments = append(b.Adjustments, transaction(from+i))
	}
	b.Next.Watermark = b.Adjustments[n-1].UpdatedAt
	return b
}

func benchmarkStore(b *testing.B) (*store.Store, hub.StreamID) {
	b.Helper()
	s := store.New(openDB(b, nil), storetest.PlainCipher{})
	connector := hub.Connector{ID: hub.NewConnectorID(hub.Provider), Name: "bench"}
	if err := s.InstallConnector(context.Background(), connector); err != nil {
		b.Fatal(err)
	}
	return s, hub.StreamID{Connector: connector.ID, Resource: hub.Transactions}
}

// BenchmarkApplyFresh stores rows that were never seen. An operation is a batch.
func BenchmarkApplyFresh(b *testing.B) {
	s, stream := benchmarkStore(b)
	storetest.ApplyFresh(b, s, rowsPerBatch, func(read hub.Cursor, from int) hub.Batch { return batchOf(stream, read, from, rowsPerBatch) })
}

// BenchmarkApplyKnown reads rows again that are stored.
func BenchmarkApplyKnown(b *testing.B) {
	s, stream := benchmarkStore(b)
	storetest.ApplyKnown(b, s, rowsPerBatch, func(read hub.Cursor, from int) hub.Batch { return batchOf(stream, read, from, rowsPerBatch) })
}

// BenchmarkCeiling writes the rows of BenchmarkApplyFresh and does nothing else.
func BenchmarkCeiling(b *testing.B) {
	var elapsed time.Duration
	var rows int
	dir := b.TempDir()
	for i := 0; b.Loop(); i++ {
		const batches = 100
		took, err := Ceiling(context.Background(), filepath.Join(dir, fmt.Sprintf("%d.db", i)), func(yield func(hub.PaymentAdjustment) bool) {
			for n := range batches * rowsPerBatch {
				if !yield(transaction(n)) {
					return
				}
			}
		}, rowsPerBatch)
		if err != nil {
			b.Fatal(err)
		}
		elapsed += took
		rows += batches * rowsPerBatch
	}
	b.ReportMetric(float64(rows)/elapsed.Seconds(), "rows/s")
}
