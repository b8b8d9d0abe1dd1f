package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/sdk/mirror"
	"github.com/weirhq/weir/wire"
)

// startMock builds Stripe's own mock of its API, starts it on a free port and
// returns where it answers. Where it can't be built, for it needs the module
// cache or a module proxy, the test is skipped; on a server it fails.
func startMock(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "stripe-mock")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "github.com/stripe/stripe-mock")
	if said, err := build.CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("stripe-mock can't be built: %v\n%s", err, said)
		}
		t.Skipf("stripe-mock can't be built here: %v\n%s", err, said)
	}
	address := freeAddress(t)
	mock := exec.Command(program, "-http-addr", address)
	if err := mock.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = mock.Process.Kill()
		_ = mock.Wait()
	})
	url := "http://" + address
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		response, err := http.Get(url + "/v1/balance")
		if err == nil {
			_ = response.Body.Close()
			return url
		}
		if time.Now().After(deadline) {
			t.Fatalf("stripe-mock does not answer: %v", err)
		}
	}
}

// freeAddress is a loopback address that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// mirrored pulls everything that a Stripe has and returns the service over it.
func mirrored(t *testing.T, url string) http.Handler {
	t.Helper()
	handler, _ := mirroredAgain(t, url)
	return handler
}

// mirroredAgain is mirrored with a way to read again what Stripe shows by then.
func mirroredAgain(t *testing.T, url string) (service http.Handler, again func(context.Context) error) {
	t.Helper()
	m, err := mirror.Open(t.Context(), filepath.Join(t.TempDir(), "stripe.db"), mirror.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	sources := newSource("sk_test_123", url).sources()
	again = func(ctx context.Context) error {
		for _, s := range sources {
			if progress, err := m.CatchUp(ctx, s); err != nil || progress.Rejected > 0 {
				return fmt.Errorf("%s: %+v, %w", s.Name, progress, err)
			}
		}
		return nil
	}
	if err := again(t.Context()); err != nil {
		t.Fatal(err)
	}
	handler, err := newHandler(m, []string{"key"})
	if err != nil {
		t.Fatal(err)
	}
	return handler, again
}

// ask asks the service as a hub does.
func ask[T any](t *testing.T, handler http.Handler, path string, decode func([]byte) (T, error)) T {
	t.Helper()
	request := httptest.NewRequestWithContext(context.Background(), http.MethodGet, path, nil)
	request.Header.Set("Authorization", "Bearer key")
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.Code != http.StatusOK {
		t.Fatalf("%s: status %d, %s, %v", path, answer.Code, body, err)
	}
	value, err := decode(body)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return value
}

// The mock answers each list with one row, made up from Stripe's own
// description of its API; what is compared was read off its answers.
func TestTheServiceShowsWhatStripesOwnMockShows(t *testing.T) {
	handler := mirrored(t, startMock(t))
	accounts := ask(t, handler, "/accounts", wire.DecodeAccounts)
	if len(accounts) == 0 || !strings.HasPrefix(accounts[0].Value.ID, "acct_") {
		t.Fatalf("accounts %+v, want Stripe's", accounts)
	}
	for _, account := range accounts {
		balances := ask(t, handler, "/accounts/"+account.Value.ID+"/balances", wire.DecodeBalances)
		if got := balances.Value.Balances; len(got) != 1 || got[0] != (wire.Balance{Amount: "0", Currency: "USD/2"}) {
			t.Errorf("%s holds %+v, want no US dollars", account.Value.ID, got)
		}
	}
	banks := ask(t, handler, "/beneficiaries", wire.DecodeBeneficiaries)
	if len(banks) != 1 || banks[0].Value.OwnerName != "Jane Austen" || banks[0].Value.Metadata["last4"] != "6789" {
		t.Errorf("beneficiaries %+v, want Jane Austen's account that ends in 6789", banks)
	}
	moved := ask(t, handler, "/transactions", wire.DecodeTransactions)
	if len(moved) != 1 {
		t.Fatalf("transactions %+v, want 1", moved)
	}
	got := moved[0].Value
	if got.Amount != "100" || got.Currency != "USD/2" || got.Type != wire.TypePayin || got.Status != wire.StatusSucceeded ||
		!strings.HasPrefix(got.ID, "txn_") || got.DestinationAccountID == "" || got.SourceAccountID != "" {
		t.Errorf("transaction %+v, want a charge of 1.00 US dollar that has succeeded", got)
	}
	if want := time.Date(2009, 2, 13, 23, 31, 30, 0, time.UTC); !got.CreatedAt.Equal(want) {
		t.Errorf("created at %s, want 1234567890 seconds, which is %s", got.CreatedAt, want)
	}
}
