package ledger

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir/sdk"
	"github.com/weirhq/weir/wire"
)

// psp counts what it was told to move, and pays each time it is told.
type psp struct {
	mu     sync.Mutex
	moved  map[string]int
	before func() error // instead of moving
	after  func() error // after moving, instead of answering
}

func (p *psp) provider() Provider {
	p.moved = map[string]int{}
	return Provider{
		Send: func(_ context.Context, request wire.PayoutRequest) (wire.Payout, error) {
			if p.before != nil {
				return wire.Payout{}, p.before()
			}
			p.mu.Lock()
			p.moved[request.IdempotencyKey]++
			p.mu.Unlock()
			if p.after != nil {
				return wire.Payout{}, p.after()
			}
			return p.payout(request.IdempotencyKey), nil
		},
		Find: func(_ context.Context, key string) (wire.Payout, bool, error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			return p.payout(key), p.moved[key] > 0, nil
		},
	}
}

func (p *psp) payout(key string) wire.Payout {
	return wire.Payout{ID: "po_" + key, Status: wire.StatusSucceeded, CreatedAt: time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)}
}

func request(key string) wire.PayoutRequest {
	return wire.PayoutRequest{IdempotencyKey: key, Amount: "100", Currency: "EUR/2", SourceAccountID: "a", DestinationAccountID: "b"}
}

func open(t *testing.T, options Options) *Ledger {
	t.Helper()
	options.Logger = slog.New(slog.DiscardHandler)
	l, err := Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// status is the status of an error's answer, 0 where there is none.
func status(err error) int {
	if e := new(sdk.Error); errors.As(err, &e) {
		return e.Status
	}
	return 0
}

func TestTwentyRequestsAtOnceWithOneKeyAreOnePayout(t *testing.T) {
	l := open(t, Options{})
	provider := new(psp)
	create := provider.provider()
	send := create.Send
	create.Send = func(ctx context.Context, r wire.PayoutRequest) (wire.Payout, error) {
		time.Sleep(20 * time.Millisecond)
		return send(ctx, r)
	}
	handler, err := sdk.New(sdk.Service{APIKeys: []string{"key"}, CreatePayout: l.Payouts(create), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	body, err := wire.Encode(request("one"))
	if err != nil {
		t.Fatal(err)
	}
	answers := make([]string, 20)
	var callers sync.WaitGroup
	for i := range answers {
		callers.Go(func() {
			post := httptest.NewRequest(http.MethodPost, "/payouts", strings.NewReader(string(body)))
			post.Header.Set("Authorization", "Bearer key")
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, post)
			text, _ := io.ReadAll(recorder.Body)
			answers[i] = recorder.Result().Status + " " + string(text)
		})
	}
	callers.Wait()
	for _, answer := range answers {
		if answer != answers[0] || !strings.HasPrefix(answer, "201") || !strings.Contains(answer, `"id":"po_one"`) {
			t.Error(answer)
		}
	}
	if provider.moved["one"] != 1 {
		t.Errorf("the provider moved money %d times", provider.moved["one"])
	}
}

func TestTheSameKeyForAnotherRequestIsAConflict(t *testing.T) {
	l := open(t, Options{})
	provider := new(psp)
	pay, move := l.Payouts(provider.provider()), l.Transfers(provider.provider())
	if _, err := pay(t.Context(), request("k")); err != nil {
		t.Fatal(err)
	}
	for _, change := range []func(*wire.PayoutRequest){
		func(r *wire.PayoutRequest) { r.Amount = "101" },
		func(r *wire.PayoutRequest) { r.Currency = "USD/2" },
		func(r *wire.PayoutRequest) { r.DestinationAccountID = "c" },
		func(r *wire.PayoutRequest) { r.Description = "x" },
		func(r *wire.PayoutRequest) { r.Metadata = map[string]string{"x": "y"} },
	} {
		other := request("k")
		change(&other)
		if _, err := pay(t.Context(), other); status(err) != http.StatusConflict {
			t.Errorf("%+v: %v", other, err)
		}
	}
	if _, err := move(t.Context(), wire.TransferRequest(request("k"))); status(err) != http.StatusConflict {
		t.Errorf("a transfer with the key of a payout: %v", err)
	}
	same := request("k")
	same.Amount = "+0100"
	if answer, err := pay(t.Context(), same); err != nil || answer.ID != "po_k" {
		t.Errorf("the same amount in another form: %+v %v", answer, err)
	}
}

func TestARefusalIsKeptAndRepeated(t *testing.T) {
	l := open(t, Options{})
	provider := &psp{before: func() error { return sdk.Refused("The account is closed.") }}
	pay := l.Payouts(provider.provider())
	for range 2 {
		if _, err := pay(t.Context(), request("k")); status(err) != 422 || !strings.Contains(err.Error(), "The account is closed.") {
			t.Error(err)
		}
		provider.before = nil
	}
	if provider.moved["k"] != 0 {
		t.Error("a refused payout was sent again")
	}
}

func TestWhatWasNotSentIsSentWhenTheCallerComesAgain(t *testing.T) {
	l := open(t, Options{})
	provider := &psp{before: func() error { return NotSent(errors.New("connection refused")) }}
	pay := l.Payouts(provider.provider())
	if _, err := pay(t.Context(), request("k")); status(err) != http.StatusServiceUnavailable {
		t.Fatal(err)
	}
	if open, err := l.Unresolved(t.Context()); err != nil || len(open) != 0 {
		t.Error(open, err)
	}
	provider.before = nil
	if answer, err := pay(t.Context(), request("k")); err != nil || answer.ID != "po_k" || provider.moved["k"] != 1 {
		t.Error(answer, err, provider.moved)
	}
}

func TestAnUnknownOutcomeIsLookedUpAndNeverAnError(t *testing.T) {
	for name, err := range map[string]error{
		"broken": errors.New("connection reset"), "timeout": context.DeadlineExceeded, "not our key": &sdk.Error{Status: 401},
		"busy": &sdk.Error{Status: 429}, "down": &sdk.Error{Status: 503},
	} {
		l := open(t, Options{})
		provider := &psp{after: func() error { return err }}
		pay := l.Payouts(provider.provider())
		for range 2 {
			if answer, err := pay(t.Context(), request("k")); err != nil || answer.ID != "po_k" || provider.moved["k"] != 1 {
				t.Errorf("%s: %+v %v %v", name, answer, err, provider.moved)
			}
		}
	}
}

func TestAnOrderThatTheProviderDoesNotHaveIsSentAgainOnlyAfterAWhile(t *testing.T) {
	now := time.Now()
	l := open(t, Options{Settle: time.Minute, Now: func() time.Time { return now }})
	provider := &psp{before: func() error { return errors.New("connection reset") }}
	pay := l.Payouts(provider.provider())
	first, err := pay(t.Context(), request("k"))
	if err != nil || first.Status != wire.StatusPending || first.Validate() != nil {
		t.Fatal(first, err)
	}
	provider.before = nil
	again, err := pay(t.Context(), request("k"))
	if err != nil || again.ID != first.ID || again.Status != wire.StatusPending || provider.moved["k"] != 0 {
		t.Error(again, err, provider.moved)
	}
	now = now.Add(2 * time.Minute)
	if err := l.Resolve(t.Context()); err != nil {
		t.Fatal(err)
	}
	final, err := pay(t.Context(), request("k"))
	if err != nil || final.ID != first.ID || !final.CreatedAt.Equal(first.CreatedAt) || final.Status != wire.StatusSucceeded ||
		final.Metadata[MetadataID] != "po_k" || provider.moved["k"] != 1 {
		t.Errorf("%+v %v %v", final, err, provider.moved)
	}
}

func TestASlowProviderIsPendingAndStillPaysOnce(t *testing.T) {
	l := open(t, Options{Patience: 10 * time.Millisecond})
	release := make(chan struct{})
	provider := new(psp)
	create := provider.provider()
	send := create.Send
	create.Send = func(ctx context.Context, r wire.PayoutRequest) (wire.Payout, error) {
		<-release
		return send(ctx, r)
	}
	pay := l.Payouts(create)
	for range 3 {
		if answer, err := pay(t.Context(), request("k")); err != nil || answer.Status != wire.StatusPending {
			t.Error(answer, err)
		}
	}
	other := request("k")
	other.Amount = "7"
	if _, err := pay(t.Context(), other); status(err) != http.StatusConflict {
		t.Error(err)
	}
	close(release)
	l.flying.Wait()
	if answer, err := pay(t.Context(), request("k")); err != nil || answer.Status != wire.StatusSucceeded || provider.moved["k"] != 1 {
		t.Error(answer, err, provider.moved)
	}
}

func TestAProviderThatCannotBeAskedIsNotSentAnythingAgain(t *testing.T) {
	now := time.Now()
	l := open(t, Options{Now: func() time.Time { return now }})
	provider := &psp{after: func() error { return errors.New("connection reset") }}
	create := provider.provider()
	create.Find = nil
	pay := l.Payouts(create)
	for range 3 {
		if answer, err := pay(t.Context(), request("k")); err != nil || answer.Status != wire.StatusPending || provider.moved["k"] != 1 {
			t.Error(answer, err, provider.moved)
		}
		now = now.Add(time.Hour)
	}
	if open, err := l.Unresolved(t.Context()); err != nil || len(open) != 1 || open[0].Request.IdempotencyKey != "k" || open[0].Kind != "payout" {
		t.Error(open, err)
	}
}

func TestARefusalOfWhatWasSentBeforeIsLookedInto(t *testing.T) {
	now := time.Now()
	l := open(t, Options{Now: func() time.Time { return now }})
	provider := &psp{before: func() error { return errors.New("connection reset") }}
	pay := l.Payouts(provider.provider())
	if _, err := pay(t.Context(), request("k")); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Hour)
	provider.before = func() error { // the first one has arrived after all
		provider.moved["k"] = 1
		return sdk.Refused("There is such a payout.")
	}
	if answer, err := pay(t.Context(), request("k")); err != nil || answer.Status != wire.StatusSucceeded {
		t.Error(answer, err)
	}
}
