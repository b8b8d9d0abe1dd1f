package main

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirhq/weir/simulator"
)

// stopMax is how long an orchestrator waits before it loses patience.
const stopMax = 10 * time.Second

func TestServeEndsSoonWhenItIsAskedTo(t *testing.T) {
	t.Parallel()
	t.Run("at rest", func(t *testing.T) {
		t.Parallel()
		c := startCore(t, t.TempDir())
		c.wantStop(stopMax)
	})
	t.Run("while it reads one service and another does not answer", func(t *testing.T) {
		t.Parallel()
		psp, _ := startService(t, simulator.Options{Accounts: 3, Transactions: 5000})
		slow, pages := slowService(t, psp, 2*time.Minute)
		var asked atomic.Int64
		silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			<-r.Context().Done()
		}))
		t.Cleanup(silent.Close)
		c := startCore(t, t.TempDir())
		c.install("slow", slow)
		c.install("silent", silent.URL)
		eventually(t, readTimeout, "both are asked", func() bool { return pages.Load() > 2 && asked.Load() > 0 })
		c.wantStop(stopMax)
	})
}

// install installs a connector and does not wait for its first read.
func (c *core) install(name, endpoint string) {
	c.t.Helper()
	key := writeFile(c.t, "key", simulator.DefaultAPIKey)
	if o := c.weir("connect", name, endpoint, "--api-key-file", key, "--polling-period", "1s", "--no-watch"); o.status != 0 {
		c.t.Fatalf("connect: %+v", o)
	}
}

func (c *core) wantStop(most time.Duration) {
	c.t.Helper()
	status, took := c.stop()
	if status != 0 || took > most {
		c.t.Errorf("weir serve ended after %s with status %d, want at most %s and 0\n%s", took, status, most, c.log())
	}
	if !strings.Contains(c.log(), "msg=stopped") {
		c.t.Errorf("it does not say that it has stopped\n%s", c.log())
	}
}

// Commands that go on until Ctrl-C end well by it.
func TestCtrlCEndsWhatGoesOn(t *testing.T) {
	t.Parallel()
	c := startCore(t, t.TempDir())
	c.install("away", "http://127.0.0.1:1")
	tests := []struct {
		args  []string
		first string
	}{
		{[]string{"demo", "--transactions", "50"}, "payments core"},
		{[]string{"simulate", "--transactions", "50", "--listen", "127.0.0.1:0"}, "API key"},
		{[]string{"status", "--watch", "--server", c.base}, "away "},
		{[]string{"status", "--watch", "--server", "http://127.0.0.1:1"}, "no payments core answers"},
	}
	for _, test := range tests {
		t.Run(strings.Join(test.args[:2], " "), func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(program(t), test.args...)
			cmd.Env = environment()
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			late := time.AfterFunc(commandTimeout, func() { _ = cmd.Process.Kill() })
			defer late.Stop()
			lines, said := bufio.NewScanner(stdout), ""
			for !strings.Contains(said, test.first) && lines.Scan() {
				said += lines.Text() + "\n"
			}
			_ = cmd.Process.Signal(os.Interrupt)
			for lines.Scan() {
				said += lines.Text() + "\n"
			}
			if err := cmd.Wait(); err != nil || !strings.Contains(said, test.first) {
				t.Errorf("it ended with %v, after:\n%s", err, said)
			}
		})
	}
}
