package main

import (
	"encoding/binary"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/telemetry"
	"github.com/weirhq/weir/simulator"
)

func get(t *testing.T, url, key string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

var metricsAt = regexp.MustCompile(`metrics=(\S+)`)

func TestMetricsAskForTheAPIsKeyUnlessTheyHaveAnAddressOfTheirOwn(t *testing.T) {
	t.Parallel()
	keys := writeFile(t, "api.keys", "open-sesame\n")
	c := startCore(t, t.TempDir(), "--api-key-file", keys, "--metrics-listen", "127.0.0.1:0")
	c.key = "open-sesame"
	if status, body := get(t, c.base+"/metrics", ""); status != http.StatusUnauthorized || body != "" {
		t.Errorf("without a key the API answers %d: %s", status, body)
	}
	own := metricsAt.FindStringSubmatch(c.log())
	if own == nil {
		t.Fatalf("it does not say where its metrics are\n%s", c.log())
	}
	for _, where := range []struct{ url, key string }{{c.base + "/metrics", "open-sesame"}, {own[1], ""}} {
		if status, body := get(t, where.url, where.key); status != http.StatusOK || !strings.Contains(body, "\nweir_database_up 1\n") {
			t.Errorf("%s answers %d: %s", where.url, status, body)
		}
	}
	if status, _ := get(t, strings.TrimSuffix(own[1], "/metrics")+"/v3/connectors", ""); status != http.StatusNotFound {
		t.Errorf("the address of the metrics answers the API's questions with %d", status)
	}
}

// A hub that reads a real service tells every metric of the table, whose last
// lines no test of a package alone can show.
func TestARunningHubTellsEveryMetricOfTheTable(t *testing.T) {
	t.Parallel()
	_, server := startService(t, simulator.Options{Accounts: 3, Transactions: 200})
	c := startCore(t, t.TempDir())
	key := writeFile(t, "key", simulator.DefaultAPIKey)
	if o := c.weir("connect", "acme", server.Endpoint, "--api-key-file", key); o.status != 0 {
		t.Fatalf("connect: %+v", o)
	}
	_, body := get(t, c.base+"/metrics", "")
	for _, metric := range telemetry.Table {
		if !strings.Contains(body, "\n# TYPE "+metric.Name+" ") {
			t.Errorf("%s is not told", metric.Name)
		}
	}
	for _, resource := range hub.Resources() {
		series := `weir_polls_total{connector="acme",outcome="ok",resource="` + string(resource) + `"} `
		if !strings.Contains(body, "\n"+series) {
			t.Errorf("no poll of %s has ended well: there is no %s", resource, series)
		}
	}
	if strings.Contains(body, "(others)") {
		t.Error("a connector that is known is told as one of the others")
	}
}

// A collector takes spans in OTLP.
type collector struct {
	mu sync.Mutex
	// traces holds the names of the services that each trace went through.
	traces map[string]map[string]bool
}

func (c *collector) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, spansOf := range fields(body, 1) {
		service := ""
		for _, name := range []string{"weir-simulate", "weir"} {
			if service == "" && strings.Contains(string(fields(spansOf, 1)[0]), name) {
				service = name
			}
		}
		for _, scope := range fields(spansOf, 2) {
			for _, span := range fields(scope, 2) {
				id := string(fields(span, 1)[0])
				if c.traces[id] == nil {
					c.traces[id] = map[string]bool{}
				}
				c.traces[id][service] = true
			}
		}
	}
}

// fields returns the values of one length-delimited field of a protobuf message.
func fields(message []byte, number uint64) (values [][]byte) {
	for len(message) > 0 {
		tag, n := binary.Uvarint(message)
		message = message[n:]
		switch tag & 7 {
		case 0:
			_, n = binary.Uvarint(message)
			message = message[n:]
		case 1:
			message = message[8:]
		case 2:
			size, n := binary.Uvarint(message)
			if tag>>3 == number {
				values = append(values, message[n:n+int(size)])
			}
			message = message[n+int(size):]
		case 5:
			message = message[4:]
		}
	}
	return values
}

func TestOneTraceGoesThroughServeAndSimulate(t *testing.T) {
	spans := &collector{traces: map[string]map[string]bool{}}
	server := httptest.NewServer(spans)
	defer server.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	service := exec.Command(program(t), "simulate", "--listen", "127.0.0.1:0", "--transactions", "100")
	service.Env = environment()
	stdout, err := service.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	defer service.Process.Kill()
	endpoint := regexp.MustCompile(`integration service\s+(\S+)`)
	said, text := "", make([]byte, 4096)
	for !strings.Contains(said, "API key") {
		n, err := stdout.Read(text)
		if said += string(text[:n]); err != nil {
			t.Fatalf("weir simulate ended: %s", said)
		}
	}
	c := startCore(t, t.TempDir())
	key := writeFile(t, "key", simulator.DefaultAPIKey)
	if o := c.weir("connect", "acme", endpoint.FindStringSubmatch(said)[1], "--api-key-file", key); o.status != 0 {
		t.Fatalf("connect: %+v", o)
	}
	c.wantStop(stopMax)
	if err := service.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := service.Wait(); err != nil {
		t.Fatal(err)
	}
	both := 0
	for _, services := range spans.traces {
		if services["weir"] && services["weir-simulate"] {
			both++
		}
	}
	if both < 4 {
		t.Errorf("%d of %d traces go through both, want one for each poll", both, len(spans.traces))
	}
}

func TestHealthTellsAContainerWhetherTheCoreDoesItsWork(t *testing.T) {
	t.Parallel()
	c := startCore(t, t.TempDir(), "--api-key-file", writeFile(t, "api.keys", "open-sesame\n"))
	if o := runWeir(t, "health", "--server", c.base); o.status != 0 || o.stdout != "store: OK\n" {
		t.Errorf("a healthy core: %+v", o)
	}
	ill := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, `{"store":"the disk is full"}`)
	}))
	defer ill.Close()
	runWeir(t, "health", "--server", ill.URL).wantRefusal(t, "is not healthy")
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	runWeir(t, "health", "--server", other.URL).wantRefusal(t, "no payments core")
	runWeir(t, "health", "--server", "http://127.0.0.1:1").wantRefusal(t, "no payments core answers")
}
