package postgres

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/pgtest"
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

// durably makes a server that keeps what it promises, as one in production does.
func durably(b *testing.B) *pgtest.Server {
	b.Helper()
	return pgtest.Start(b, pgtest.Options{Durable: true, Settings: []string{"shared_buffers=512MB", "max_wal_size=4GB"}})
}

// benchmarkStore is a store on a server that waits for the disk.
func benchmarkStore(b *testing.B) (*store.Store, hub.StreamID) {
	b.Helper()
	db, err := Open(context.Background(), Options{DSN: durably(b).Database(b), Migrate: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	s := store.New(db, storetest.PlainCipher{})
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
	server := durably(b)
	var elapsed time.Duration
	var rows int
	for b.Loop() {
		const batches = 100
		took, err := Ceiling(context.Background(), server.Database(b), func(yield func(hub.PaymentAdjustment) bool) {
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

// BenchmarkPayment reads payments by their identifiers, with eight readers.
func BenchmarkPayment(b *testing.B) {
	s, stream := benchmarkStore(b)
	applied, err := s.Apply(context.Background(), batchOf(stream, hub.Cursor{}, 0, rowsPerBatch))
	if err != nil || applied.Stored != rowsPerBatch {
		b.Fatal(applied.Stored, err)
	}
	b.SetParallelism(4)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			id := hub.PaymentID{Connector: stream.Connector, Reference: transaction(i % rowsPerBatch).Reference, Type: hub.PayIn}
			if p, err := s.Payment(context.Background(), id); err != nil || len(p.Adjustments) != 1 {
				b.Fatal(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "payments/s")
}

// BenchmarkPaymentPage reads pages of a hundred payments, with eight readers.
func BenchmarkPaymentPage(b *testing.B) {
	s, stream := benchmarkStore(b)
	var cursor hub.Cursor
	for i := range 20 {
		applied, err := s.Apply(context.Background(), batchOf(stream, cursor, i*rowsPerBatch, rowsPerBatch))
		if err != nil {
			b.Fatal(err)
		}
		cursor = applied.Cursor
	}
	b.SetParallelism(4)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		var q hub.ListQuery
		for pb.Next() {
			q.Limit = 100
			page, err := s.Payments(context.Background(), q)
			if err != nil || len(page.Items) != 100 {
				b.Fatal(len(page.Items), err)
			}
			if q.At = page.Last; !page.HasMore {
				q.At = hub.Position{}
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pages/s")
}
