package sdk_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/weirhq/weir/sdk"
	"github.com/weirhq/weir/wire"
)

// A service whose list fits in memory is one function.
func ExampleNew() {
	opened := time.Date(2026, 1, 31, 12, 30, 0, 0, time.UTC)
	accounts := []wire.Account{{ID: "acct_1", AccountName: "Operating", CreatedAt: opened}}

	handler, err := sdk.New(sdk.Service{
		APIKeys: []string{"secret"},
		Logger:  slog.New(slog.DiscardHandler),
		Accounts: func(_ context.Context, q wire.ListQuery) ([]wire.Account, error) {
			return sdk.Page(accounts, q, sdk.AccountKey), nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	request := httptest.NewRequest(http.MethodGet, "/accounts", nil)
	request.Header.Set("Authorization", "Bearer secret")
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	body, _ := io.ReadAll(answer.Body)
	fmt.Println(answer.Code, string(body))
	// Output: 200 [{"id":"acct_1","accountName":"Operating","createdAt":"2026-01-31T12:30:00Z"}]
}
