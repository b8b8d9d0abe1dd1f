package connector

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/wire"
)

func TestNoMoreCallsAreUnderWayThanTheConnectorAllows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int32
		client := overPipes(t, func(http.ResponseWriter, *http.Request) {
			most.Store(max(most.Load(), now.Add(1)))
			time.Sleep(time.Second)
			now.Add(-1)
		})
		begun := time.Now()
		var calls sync.WaitGroup
		for range 5 * DefaultConcurrency {
			calls.Go(func() {
				if _, err := client.get(t.Context(), "/"); err != nil {
					t.Error(err)
				}
			})
		}
		calls.Wait()
		if took := time.Since(begun); most.Load() != DefaultConcurrency || took > 6*time.Second {
			t.Errorf("at most %d calls at once, want %d; it took %s", most.Load(), DefaultConcurrency, took)
		}
	})
}

func TestNoMoreCallsBeginInASecondThanTheConnectorAllows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		handler := func(http.ResponseWriter, *http.Request) { calls++ }
		config := hub.Config{Endpoint: "http://psp.example", RequestsPerSecond: 4, Concurrency: 2}
		client := New(hub.Connector{Config: config}, Options{Transport: direct{http.HandlerFunc(handler)}})
		begun := time.Now()
		for range 22 { // two at once, and twenty at four a second
			if _, err := client.get(t.Context(), "/"); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(begun); took != 5*time.Second || calls != 22 {
			t.Errorf("%d calls in %s, want 5s", calls, took)
		}
	})
}

func TestACallThatIsGivenUpWaitsForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := overPipes(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		for range DefaultConcurrency {
			go client.get(t.Context(), "/")
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		_, err := client.get(ctx, "/")
		mustBe(t, err, hub.CodeTimeout, "8 calls at once")
		if took := time.Since(begun); took != time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

func TestThePageSizeIsWhatTheServiceCanDo(t *testing.T) {
	for answer, want := range map[string]int{
		`{"version":"v0.1","pageSizeMax":500,"resources":["transactions"]}`: 500,
		`{"pageSizeMax":100000}`: wire.MaxPageSize,
		`{"pageSizeMax":20}`:     20,
		`{"pageSizeMax":0}`:      wire.DefaultPageSize,
		`{"pageSizeMax":-7}`:     wire.DefaultPageSize,
		`{}`:                     wire.DefaultPageSize,
		`[]`:                     wire.DefaultPageSize,
		`<html>`:                 wire.DefaultPageSize,
		``:                       wire.DefaultPageSize,
		"404":                    wire.DefaultPageSize,
		"500":                    wire.DefaultPageSize,
		"401":                    wire.DefaultPageSize,
	} {
		synctest.Test(t, func(t *testing.T) {
			var asked []string
			client := overPipes(t, func(w http.ResponseWriter, r *http.Request) {
				var status int
				switch n, _ := fmt.Sscanf(answer, "%d", &status); {
				case r.URL.Path != wire.PathCapabilities:
					asked = append(asked, r.URL.Query().Get("pageSize"))
					fmt.Fprint(w, emptyList)
				case n == 1:
					w.WriteHeader(status)
				default:
					fmt.Fprint(w, answer)
				}
			})
			client.pageSize = 0
			if err := client.Read(t.Context(), hub.Stream{ID: transactions}, newMemory(hub.Transactions)); err != nil {
				t.Fatal(err)
			}
			if len(asked) != 1 || asked[0] != fmt.Sprint(want) {
				t.Errorf("%s: asked for %s rows, want %d", answer, asked, want)
			}
		})
	}
}

func TestAServiceIsAskedWhatItCanDoOnceAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, can, down := 0, 500, false
		client := overPipes(t, func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path != wire.PathCapabilities:
				fmt.Fprint(w, emptyList)
			case down:
				w.WriteHeader(http.StatusServiceUnavailable)
			case can == 0:
				asked++
				w.WriteHeader(http.StatusNotFound)
			default:
				asked++
				fmt.Fprintf(w, `{"pageSizeMax":%d}`, can)
			}
		})
		client.pageSize = 0
		stream := hub.Stream{ID: transactions}
		poll := func(want int) {
			t.Helper()
			if err := client.Read(t.Context(), stream, newMemory(hub.Transactions)); err != nil {
				t.Fatal(err)
			}
			if asked != want {
				t.Errorf("asked %d times, want %d", asked, want)
			}
		}
		for range 5 {
			poll(1)
			time.Sleep(10 * time.Minute)
		}
		down = true
		time.Sleep(10 * time.Minute)
		if poll(1); client.pageSize != 500 {
			t.Errorf("page size %d after a question that was not answered", client.pageSize)
		}
		down, can = false, 0
		time.Sleep(time.Hour)
		for range 5 {
			poll(2)
			time.Sleep(10 * time.Minute)
		}
		if client.pageSize != wire.DefaultPageSize {
			t.Errorf("page size %d after the answer was withdrawn", client.pageSize)
		}
	})
}

func TestAPageThatIsTooLargeIsAskedForInHalvesAtTheNextPoll(t *testing.T) {
	s := new(service)
	s.add(300, noon, time.Second)
	for i := range s.records {
		s.records[i].raw = strings.TrimSuffix(s.records[i].raw, "}") + `,"metadata":{"note":"` + strings.Repeat("x", 10_000) + `"}}`
	}
	client := dial(s, 100, nil)
	client.options.BodyBytesMax = 300_000
	m := newMemory(hub.Transactions)
	for range 2 {
		mustBe(t, client.Read(t.Context(), m.stream, m), hub.CodeTooLarge, "larger than")
	}
	if err := client.Read(t.Context(), m.stream, m); err != nil {
		t.Fatal(err)
	}
	s.mustBeIn(t, m)
}

func TestAClientIsKeptUntilItsConfigurationChanges(t *testing.T) {
	clients := NewClients(Options{})
	c := hub.Connector{ID: transactions.Connector, Config: hub.Config{Endpoint: "http://psp.example", APIKey: hub.NewSecret("one")}}
	first := clients.For(c)
	if clients.For(c) != first {
		t.Error("the same configuration gets another client")
	}
	c.Config.APIKey = hub.NewSecret("two")
	if second := clients.For(c); second == first || second.config.APIKey.Reveal() != "two" {
		t.Error("another key gets the client of the old one")
	}
}
