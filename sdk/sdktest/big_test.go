package sdktest_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/metrics"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir/sdk"
	"github.com/weirhq/weir/simulator"
	"github.com/weirhq/weir/verify"
)

const (
	bigRows = 100_000
	// bigHeapMax is a fraction of what a hundred thousand rows take when they are
	// kept: the service and the verifier are both in it.
	bigHeapMax = 64 << 20
	bigTimeMax = 60 * time.Second
)

// watchHeap returns the largest heap of live and dead objects until it is stopped.
func watchHeap() (stop func() uint64) {
	var most uint64
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		for {
			metrics.Read(sample)
			most = max(most, sample[0].Value.Uint64())
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	})
	return func() uint64 {
		close(done)
		running.Wait()
		return most
	}
}

func TestAHundredThousandTransactionsAreJudgedInFlatMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("it reads a hundred thousand rows")
	}
	service := simulator.NewDense(simulator.DenseOptions{Rows: bigRows, Seed: 1}).Service(key)
	service.Logger = slog.New(slog.DiscardHandler)
	handler, err := sdk.New(service)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(handler.ServeHTTP))
	defer server.Close()
	runtime.GC()
	stop := watchHeap()
	began := time.Now()
	report, err := verify.Run(t.Context(), verify.Options{Endpoint: server.URL, Key: key, Timeout: 2 * bigTimeMax})
	took, heap := time.Since(began), stop()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d rows in %s, %d requests (a walk takes %d), %d MB of heap at most: %s",
		report.Lists[0].Rows, took.Round(time.Millisecond), report.Requests, report.WalkRequests, heap>>20, report.Verdict)
	if !report.Passed || report.Lists[0].Rows != bigRows || len(report.Of(verify.Warned)) > 0 {
		t.Errorf("%s", report.Verdict)
	}
	if took > bigTimeMax {
		t.Errorf("it took %s", took)
	}
	if heap > bigHeapMax {
		t.Errorf("it took %d MB", heap>>20)
	}
	if most := report.WalkRequests*3/2 + 200; report.Requests > most {
		t.Errorf("%d requests, the most is %d", report.Requests, most)
	}
}
