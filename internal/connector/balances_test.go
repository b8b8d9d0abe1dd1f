package connector

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir/internal/hub"
)

// A bank is an integration service that has balances, and refuses some.
type bank struct {
	mu       sync.Mutex
	accounts []string
	// answers gives the status or the body for an account; absent: its balance is 100.
	answers map[string]any
	asked   []string
	most    int
	now     int
}

func newBank(accounts int) *bank {
	b := &bank{answers: make(map[string]any)}
	for i := range accounts {
		b.accounts = append(b.accounts, fmt.Sprintf("a%04d", i))
	}
	return b
}

func (b *bank) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	account := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/accounts/"), "/balances")
	b.mu.Lock()
	b.asked = append(b.asked, account)
	b.now++
	b.most = max(b.most, b.now)
	answer := b.answers[account]
	b.mu.Unlock()
	time.Sleep(10 * time.Millisecond)
	switch answer := answer.(type) {
	case int:
		w.WriteHeader(answer)
		fmt.Fprint(w, `{"Title":"no balances here"}`)
	case string:
		fmt.Fprint(w, answer)
	default:
		fmt.Fprintf(w, `{"id":"x","accountID":%q,"at":"2024-05-01T12:00:00Z","balances":[{"amount":"100","currency":"EUR/2"}]}`, account)
	}
	b.mu.Lock()
	b.now--
	b.mu.Unlock()
}

// after gives the accounts as a store does.
func (b *bank) after(_ context.Context, after string, limit int) ([]string, error) {
	i, found := slices.BinarySearch(b.accounts, after)
	if found {
		i++
	}
	return b.accounts[i:min(i+limit, len(b.accounts))], nil
}

// readBalances polls the bank once, in synctest's time.
func readBalances(t *testing.T, b *bank, findings ...hub.Finding) (map[string]string, []hub.Finding, error) {
	t.Helper()
	got, news := make(map[string]string), findings
	var err error
	synctest.Test(t, func(t *testing.T) {
		client := connect("http://psp.example", Options{Transport: direct{b}})
		stream := hub.Stream{ID: hub.StreamID{Connector: transactions.Connector, Resource: hub.Balances}, Findings: findings}
		err = client.ReadBalances(t.Context(), stream, b.after, sink(func(batch hub.Batch) error {
			for i := range batch.Balances {
				got[batch.Balances[i].Account.Reference] = batch.Balances[i].Amount.String()
			}
			for i := range batch.Rejected {
				got[batch.Rejected[i].Reference] = batch.Rejected[i].Reason
			}
			news = hub.MergeFindings(news, batch.Findings)
			return nil
		}))
	})
	return got, news, err
}

// A sink takes batches and settles nothing.
type sink func(hub.Batch) error

// Put implements hub.Sink.
func (s sink) Put(_ context.Context, batch hub.Batch) error { return s(batch) }

// Settle implements hub.Sink.
func (s sink) Settle(context.Context) (int, error) { return 0, nil }

func TestTheBalancesOfEveryAccountAreReadSideBySide(t *testing.T) {
	b := newBank(250)
	got, findings, err := readBalances(t, b)
	if err != nil || len(got) != 250 || len(b.asked) != 250 || len(findings) != 0 {
		t.Errorf("%d balances of 250 in %d calls, %v, %v", len(got), len(b.asked), findings, err)
	}
	if b.most != DefaultConcurrency {
		t.Errorf("%d calls at once, want %d", b.most, DefaultConcurrency)
	}
}

func TestWithoutAccountsNoBalanceIsAskedFor(t *testing.T) {
	if got, _, err := readBalances(t, newBank(0)); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestAnAccountThatIsRefusedCostsTheOthersNothingAndIsNamed(t *testing.T) {
	b := newBank(150)
	b.answers["a0003"], b.answers["a0111"] = 404, "<html>"
	got, findings, err := readBalances(t, b)
	if err != nil || len(got) != 148 {
		t.Errorf("%d balances, want 148: %v", len(got), err)
	}
	if len(findings) != 1 || findings[0].Code != hub.FindingBalanceRefused || !findings[0].Incomplete {
		t.Fatalf("findings: %v", findings)
	}
	for _, say := range []string{"2 of 150", `"a0003"`, `"a0111"`, "status 404", "no balances here", "an HTML page"} {
		if !strings.Contains(findings[0].Text, say) {
			t.Errorf("the finding does not say %q: %s", say, findings[0].Text)
		}
	}
	b.answers = nil
	if _, findings, err = readBalances(t, b, findings...); err != nil || len(findings) != 0 {
		t.Errorf("after the service was mended: %v, %v", findings, err)
	}
}

func TestABalanceThatCanNotBeReadIsQuarantined(t *testing.T) {
	b := newBank(3)
	b.answers["a0001"] = `{"accountID":"a0001","at":"2024-05-01T12:00:00Z","balances":[{"amount":"1.5","currency":"EUR/2"}]}`
	got, findings, err := readBalances(t, b)
	if err != nil || len(findings) != 0 || got["a0000"] != "100" || !strings.Contains(got["a0001"], "amount must be a whole number") {
		t.Errorf("%v, %v, %v", got, findings, err)
	}
}

func TestAllAccountsRefusedIsAnError(t *testing.T) {
	b := newBank(120)
	for _, account := range b.accounts {
		b.answers[account] = 404
	}
	_, _, err := readBalances(t, b)
	mustBe(t, err, hub.CodeServiceRefused, `read the balances of account "a0000"`, "status 404")
}

func TestAServiceThatRefusesTheKeyIsNotAskedForEveryAccount(t *testing.T) {
	for status, code := range map[int]hub.Code{401: hub.CodeKeyRefused, 429: hub.CodeRateLimited} {
		b := newBank(500)
		for _, account := range b.accounts {
			b.answers[account] = status
		}
		_, _, err := readBalances(t, b)
		mustBe(t, err, code, "read the balances of account", fmt.Sprintf("status %d", status))
		if len(b.asked) > attempts*DefaultConcurrency {
			t.Errorf("status %d: %d calls", status, len(b.asked))
		}
	}
}

func TestAServiceThatFailsForOneAccountAfterTheOtherIsLeftAlone(t *testing.T) {
	b := newBank(500)
	for _, account := range b.accounts[200:] {
		b.answers[account] = 500
	}
	got, _, err := readBalances(t, b)
	mustBe(t, err, hub.CodeServiceFailed, "read the balances of account", "status 500")
	if len(b.asked) > 200+attempts*(failuresMax+DefaultConcurrency) {
		t.Errorf("%d calls", len(b.asked))
	}
	if len(got) != 200 {
		t.Errorf("%d balances, want those that came before", len(got))
	}
}

func TestAnAccountThatAlwaysFailsCostsTheOthersNothing(t *testing.T) {
	b := newBank(100)
	b.answers["a0000"], b.answers["a0050"] = 503, 500
	got, findings, err := readBalances(t, b)
	if err != nil || len(got) != 98 || len(findings) != 1 {
		t.Errorf("%d balances, want 98: %v, %v", len(got), findings, err)
	}
}

func TestAnErrorOfTheStoreEndsTheReadingOfBalances(t *testing.T) {
	client := connect("http://psp.example", Options{Transport: direct{newBank(1)}})
	broken := errors.New("disk full")
	none := func(context.Context, string, int) ([]string, error) { return nil, broken }
	if err := client.ReadBalances(t.Context(), hub.Stream{}, none, sink(nil)); !errors.Is(err, broken) {
		t.Error(err)
	}
	full := sink(func(hub.Batch) error { return broken })
	if err := client.ReadBalances(t.Context(), hub.Stream{}, newBank(1).after, full); !errors.Is(err, broken) {
		t.Error(err)
	}
}
