package mirror

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/weirhq/weir/sdk"
	"github.com/weirhq/weir/wire"
)

// manyRows fills a mirror as one pull after the other would.
func manyRows(b *testing.B, n int) *Mirror {
	b.Helper()
	m := open(b, filepath.Join(b.TempDir(), "mirror.db"), time.Now)
	rng := rand.New(rand.NewPCG(1, 1))
	source := Source{Name: "many", Pull: Offsets(func(_ context.Context, offset int) (sdk.Batch, int, error) {
		const size = 5000
		var batch sdk.Batch
		for i := offset; i < min(offset+size, n); i++ {
			batch.Transactions = append(batch.Transactions, movement(fmt.Sprintf("txn_%016x", rng.Uint64()), func(row *wire.Transaction) {
				row.Metadata = map[string]string{"order": strconv.Itoa(i), "network": "visa"}
				row.SourceAccountID, row.DestinationAccountID = "acct_1", "ba_"+strconv.Itoa(i%1000)
			}))
		}
		batch.More = offset+size < n
		entries := batch.Len()
		return batch, entries, nil
	})}
	begun := time.Now()
	if _, err := m.CatchUp(b.Context(), source); err != nil {
		b.Fatal(err)
	}
	b.Logf("%d rows stored in %s: %.0f a second", n, time.Since(begun).Round(time.Millisecond), float64(n)/time.Since(begun).Seconds())
	b.Cleanup(func() { _ = m.Close() })
	return m
}

// BenchmarkPage reads pages of a thousand rows from a mirror of a million: at
// four depths of the filter, far down a walk without a filter, and over HTTP.
func BenchmarkPage(b *testing.B) {
	const rows, size = 1_000_000, 1000
	m := manyRows(b, rows)
	read := func(b *testing.B, q wire.ListQuery) []wire.Transaction {
		b.Helper()
		page, err := m.Transactions(b.Context(), q)
		if err != nil || len(page) != size {
			b.Fatal(len(page), err)
		}
		return page
	}
	for percent := range 4 {
		var stamp int64
		if err := m.file.Read.QueryRow(`SELECT stamp FROM movement ORDER BY stamp LIMIT 1 OFFSET ?`, rows*(percent*33)/100).Scan(&stamp); err != nil {
			b.Fatal(err)
		}
		q := wire.ListQuery{Page: 1, PageSize: size, From: time.UnixMicro(stamp)}
		b.Run(fmt.Sprintf("from=%d%%", percent*33), func(b *testing.B) {
			for b.Loop() {
				read(b, q)
			}
		})
	}
	b.Run("walk", func(b *testing.B) {
		page := 0
		for b.Loop() {
			page = page%(rows/size) + 1
			read(b, wire.ListQuery{Page: page, PageSize: size})
		}
	})
	b.Run("jump=900", func(b *testing.B) {
		for b.Loop() {
			m.walks = newWalks(time.Now().Add(-time.Hour), time.Time{})
			read(b, wire.ListQuery{Page: 900, PageSize: size})
		}
	})
	handler, err := sdk.New(m.Service(sdk.Service{APIKeys: []string{"key"}, Logger: slog.New(slog.DiscardHandler)}))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("http", func(b *testing.B) {
		for b.Loop() {
			request := httptest.NewRequest(http.MethodGet, "/transactions?page=1&pageSize=1000", nil)
			request.Header.Set("Authorization", "Bearer key")
			answer := httptest.NewRecorder()
			if handler.ServeHTTP(answer, request); answer.Code != http.StatusOK {
				b.Fatal(answer.Code)
			}
		}
	})
}
