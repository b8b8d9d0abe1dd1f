package mirror_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"github.com/weirhq/weir/sdk"
	"github.com/weirhq/weir/sdk/mirror"
	"github.com/weirhq/weir/wire"
)

// A provider that lists its charges in pages, with a midnight for every stamp,
// becomes a list without ties.
func Example() {
	dir, err := os.MkdirTemp("", "mirror")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	m, err := mirror.Open(ctx, filepath.Join(dir, "mirror.db"), mirror.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()

	charges := mirror.Pages(func(_ context.Context, page int) (sdk.Batch, error) {
		midnight := time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)
		return sdk.Batch{
			Transactions: []wire.Transaction{{
				ID: fmt.Sprintf("charge-%d", page), CreatedAt: midnight, Currency: "EUR/2",
				Type: wire.TypePayin, Status: wire.StatusSucceeded, Amount: "1250",
			}},
			More: page < 3,
		}, nil
	})
	// A service calls m.Run(ctx, …) instead, which goes on until ctx ends.
	if _, err := m.CatchUp(ctx, mirror.Source{Name: "charges", Pull: charges}); err != nil {
		fmt.Println(err)
		return
	}

	handler, err := sdk.New(m.Service(sdk.Service{APIKeys: []string{"secret"}, Logger: slog.New(slog.DiscardHandler)}))
	if err != nil {
		fmt.Println(err)
		return
	}
	request := httptest.NewRequest(http.MethodGet, "/transactions", nil)
	request.Header.Set("Authorization", "Bearer secret")
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	records, err := wire.DecodeTransactions(answer.Body.Bytes())
	if err != nil {
		fmt.Println(err)
		return
	}
	for i, record := range records {
		later := i == 0 || record.Value.UpdatedAt.After(records[i-1].Value.UpdatedAt)
		fmt.Println(record.Value.ID, record.Value.Amount, later)
	}
	// Output:
	// charge-1 1250 true
	// charge-2 1250 true
	// charge-3 1250 true
}
