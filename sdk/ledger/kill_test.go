package ledger

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir/wire"
)

var killRuns = flag.Int("kill.runs", 40, "how many payouts are killed, each at the next step")

// What the test binary is told when it is to be a ledger that is killed.
const (
	envFile = "WEIR_LEDGER_FILE"
	envPSP  = "WEIR_LEDGER_PSP"
	envKey  = "WEIR_LEDGER_KEY"
	envKill = "WEIR_LEDGER_KILL"
)

// killSteps are the places between two steps of a call at which it is killed.
// At "moved" the provider has the money moved and its answer is on the way.
var killSteps = []string{"begun", "recorded", "moved", "sent", "kept", "answered"}

func TestMain(m *testing.M) {
	if os.Getenv(envFile) != "" {
		payOnce()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// payOnce makes one payout and prints the answer, unless it is killed.
func payOnce() {
	l, err := Open(context.Background(), os.Getenv(envFile), Options{Logger: slog.New(slog.DiscardHandler), Settle: time.Nanosecond})
	if err != nil {
		panic(err)
	}
	die := func(step string) {
		if step == os.Getenv(envKill) {
			self, _ := os.FindProcess(os.Getpid())
			_ = self.Kill()
			select {} // it does not come back
		}
	}
	l.step = die
	answer, err := l.Payouts(Provider{
		Send: func(_ context.Context, r wire.PayoutRequest) (wire.Payout, error) {
			payout, _, err := ask(http.MethodPost, r.IdempotencyKey)
			die("moved")
			return payout, err
		},
		Find: func(_ context.Context, key string) (wire.Payout, bool, error) { return ask(http.MethodGet, key) },
	})(context.Background(), request(os.Getenv(envKey)))
	if err != nil {
		panic(err)
	}
	body, err := wire.Encode(answer)
	if err != nil {
		panic(err)
	}
	fmt.Print(string(body))
}

// ask speaks to the provider of the test.
func ask(method, key string) (payout wire.Payout, found bool, err error) {
	r, err := http.NewRequest(method, os.Getenv(envPSP)+"/"+key, nil)
	if err != nil {
		return payout, false, err
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return payout, false, err
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusNotFound {
		return payout, false, nil
	}
	err = json.NewDecoder(answer.Body).Decode(&payout)
	return payout, true, err
}

// pspServer pays each time it is told to.
type pspServer struct {
	mu    sync.Mutex
	moved map[string]int
}

func (s *pspServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := strings.TrimPrefix(r.URL.Path, "/")
	if r.Method == http.MethodPost {
		s.moved[key]++
	}
	if s.moved[key] == 0 {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	_ = json.NewEncoder(w).Encode(wire.Payout{ID: fmt.Sprintf("po_%s_%d", key, s.moved[key]), Status: wire.StatusSucceeded, CreatedAt: time.Unix(1, 0)})
}

// count is how often the key's money was moved.
func (s *pspServer) count(key string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.moved[key]
}

func TestAPayoutThatIsKilledAtAnyStepIsMadeOnceAndAnsweredTheSameAfter(t *testing.T) {
	server := &pspServer{moved: map[string]int{}}
	provider := httptest.NewServer(server)
	defer provider.Close()
	file := filepath.Join(t.TempDir(), "ledger.db")
	run := func(key, kill string) (answer string, killed bool) {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), envFile+"="+file, envPSP+"="+provider.URL, envKey+"="+key, envKill+"="+kill)
		output, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(output)
		err = child.Wait()
		return string(text), err != nil
	}
	for i := range *killRuns {
		key, step := fmt.Sprintf("key%d", i), killSteps[i%len(killSteps)]
		if answer, killed := run(key, step); !killed {
			t.Fatalf("%s: it was not killed: %s", step, answer)
		}
		if server.count(key) > 1 {
			t.Errorf("%s: moved %d times", step, server.count(key))
		}
		// Neither does it help to be killed once more, on the way to the answer.
		run(key, []string{"looked up", "recorded again"}[i/len(killSteps)%2])
		first, killed := run(key, "")
		second, killedToo := run(key, "")
		if killed || killedToo || first != second || !strings.Contains(first, `"id":"po_`+key+`_1"`) || server.count(key) != 1 {
			t.Errorf("%s: moved %d times, answers %q and %q", step, server.count(key), first, second)
		}
	}
}
