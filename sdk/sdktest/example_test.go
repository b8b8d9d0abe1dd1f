package sdktest_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/weirhq/weir/sdk"
	"github.com/weirhq/weir/sdk/sdktest"
	"github.com/weirhq/weir/wire"
)

// The test of a service that lists transactions out of memory. Seed lets the
// checks of large amounts and large groups have their rows.
func ExampleRun() {
	test := func(t *testing.T) {
		t.Helper()
		var rows []wire.Transaction
		handler, err := sdk.New(sdk.Service{
			APIKeys: []string{"test-key"},
			Transactions: func(_ context.Context, q wire.ListQuery) ([]wire.Transaction, error) {
				return sdk.Page(rows, q, sdk.TransactionKey), nil
			},
			Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		sdktest.Run(t, handler, sdktest.Options{
			Key: "test-key",
			Seed: func(_ context.Context, more []wire.Transaction) error {
				rows = append(rows, more...)
				return nil
			},
		})
	}
	testing.RunTests(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: "TestService", F: test}})
	// Output:
}
