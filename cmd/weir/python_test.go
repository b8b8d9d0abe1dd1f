package main

import (
	"bufio"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/connector"
	"github.com/weirhq/weir/internal/hub"
)

const pythonKey = "example-key"

// A pythonService is the integration service of examples/python-service: nothing
// of Weir is on its end of the wire.
type pythonService struct {
	t        *testing.T
	endpoint string
}

func startPython(t *testing.T, data string) *pythonService {
	t.Helper()
	if testing.Short() {
		t.Skip("runs processes, which -short leaves out")
	}
	interpreter, err := exec.LookPath("python3")
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal("python3 is missing, and a server must not leave these tests out")
	}
	if err != nil {
		t.Skip("python3 is missing, which the service of another language is written in")
	}
	cmd := exec.Command(interpreter, "../../examples/python-service/service.py", "--listen", "127.0.0.1:0", "--data", data)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	endpoint, found := strings.CutPrefix(strings.TrimSpace(line), "listening at ")
	if err != nil || !found {
		t.Fatalf("the service said %q, %v", line, err)
	}
	return &pythonService{t: t, endpoint: endpoint}
}

// control changes what the provider shows.
func (s *pythonService) control(what string) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.endpoint+"/control/"+what, http.NoBody)
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+pythonKey)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: status %d", what, response.StatusCode)
	}
}

// connect installs the service, and returns the connector once all is read.
func (s *pythonService) connect(c *core, name string) connectorInfo {
	s.t.Helper()
	o := c.weir("connect", name, s.endpoint, "--api-key-file", writeFile(s.t, "key", pythonKey+"\n"), "--polling-period", "1s")
	if o.status != 0 {
		s.t.Fatalf("connect: %+v\n%s", o, c.log())
	}
	info, err := c.connector(s.t.Context(), name)
	if err != nil {
		s.t.Fatal(err)
	}
	return info
}

// payments lists the references and the sum of a connector's payments, over
// all pages of the API.
func (c *client) payments(t *testing.T, of connectorInfo) (references []string, sum *big.Int) {
	t.Helper()
	sum = new(big.Int)
	query := "pageSize=100&query=" + url.QueryEscape(fmt.Sprintf(`{"$match":{"connector_id":%q}}`, of.ID))
	for {
		var list page[struct {
			Reference string
			Amount    *big.Int
		}]
		if err := c.get(t.Context(), "/v3/payments?"+query, &list); err != nil {
			t.Fatal(err)
		}
		for _, p := range list.Cursor.Data {
			references = append(references, p.Reference)
			sum.Add(sum, p.Amount)
		}
		if !list.Cursor.HasMore {
			slices.Sort(references)
			return references, sum
		}
		query = "cursor=" + list.Cursor.Next
	}
}

// wantPayments checks that the payments t0001… are there, each once, and so
// many others, and that the amounts add up: row n moves 1000+n.
func (c *client) wantPayments(t *testing.T, of connectorInfo, rows, others int) {
	t.Helper()
	var references []string
	eventually(t, readTimeout, fmt.Sprintf("%d payments", rows+others), func() bool {
		references, _ = c.payments(t, of)
		return len(references) >= rows+others
	})
	references, sum := c.payments(t, of)
	if len(references) != rows+others {
		t.Errorf("there are %d payments, want %d", len(references), rows+others)
	}
	if unique := slices.Compact(slices.Clone(references)); len(unique) != len(references) {
		t.Errorf("%d payments stand there twice", len(references)-len(unique))
	}
	want := new(big.Int)
	for n := 1; n <= rows+others; n++ {
		want.Add(want, big.NewInt(int64(1000+n)))
		if reference := fmt.Sprintf("t%04d", n); n <= rows && !slices.Contains(references, reference) {
			t.Errorf("%s is missing", reference)
		}
	}
	if sum.Cmp(want) != 0 {
		t.Errorf("the payments add up to %s, want %s", sum, want)
	}
}

func TestEveryRowOfOneInstantIsStored(t *testing.T) {
	t.Parallel()
	service := startPython(t, "ties")
	c := startCore(t, t.TempDir())
	of := service.connect(c, "python")
	c.wantPayments(t, of, 250, 0)

	service.control("future")
	c.wantPayments(t, of, 250, 1)
	service.control("later") // the row dated 2099 must not keep it out
	c.wantPayments(t, of, 250, 2)
	service.control("late")
	if o := c.weir("rewind", "python", "transactions", "2h"); o.status != 0 {
		t.Errorf("rewind: %+v", o)
	}
	c.wantPayments(t, of, 250, 3)

	if o := c.weir("status"); !strings.Contains(o.stdout, "2099") && !strings.Contains(o.stdout, "future") {
		t.Errorf("status does not tell of the row in the future:\n%s", o.stdout)
	}
}

func TestRowsWhoseStampsAreDatesAreAllStored(t *testing.T) {
	t.Parallel()
	service := startPython(t, "dates")
	c := startCore(t, t.TempDir())
	c.wantPayments(t, service.connect(c, "python"), 250, 0)
}

func TestPoisonAmongAThousandRowsCostsNoneOfTheOthers(t *testing.T) {
	t.Parallel()
	service := startPython(t, "thousand")
	service.control("poison")
	c := startCore(t, t.TempDir())
	of := service.connect(c, "python")
	if references, _ := c.payments(t, of); len(references) != 999 {
		t.Errorf("%d payments are stored, want 999", len(references))
	}
	if o := c.weir("status"); o.status != 2 || !strings.Contains(o.stdout, "weir rejections python transactions") {
		t.Errorf("status: %+v", o)
	}
	lines := strings.Split(c.weir("rejections", "python", "transactions").stdout, "\n")
	if len(lines) != 3 || !strings.Contains(lines[1], "t0501") || !strings.Contains(lines[1], "amount") {
		t.Fatalf("in quarantine: %q", lines)
	}
	id := strings.Fields(lines[1])[0]
	if o := c.weir("rejections", "show", id); o.status != 0 || !strings.Contains(o.stdout, `"amount": 12.5`) {
		t.Errorf("show: %+v", o)
	}
	if o := c.weir("rejections", "replay", id); o.status != 1 || !strings.Contains(o.stdout, "stays in quarantine: amount") {
		t.Errorf("replay before it is mended: %+v", o)
	}
	service.control("mend")
	if o := c.weir("rejections", "replay", id); o.status != 0 || !strings.Contains(o.stdout, "readable now, and stored") {
		t.Errorf("replay: %+v", o)
	}
	c.wantPayments(t, of, 1000, 0)
	if o := c.weir("status"); o.status != 0 {
		t.Errorf("status: %+v", o)
	}
	if o := c.weir("rejections", "python", "--all"); !strings.Contains(o.stdout, "(resolved)") {
		t.Errorf("rejections --all: %+v", o)
	}
}

// With the usual settings the re-read behind the watermark begins every ten
// minutes; here it begins every second.
func TestALateRowIsStoredWithoutAnybodysHelp(t *testing.T) {
	t.Parallel()
	service := startPython(t, "ties")
	n, api := startNode(t, connector.Tiers{
		NearWindow: time.Hour, NearEvery: time.Second, NearBudget: 50, DeepWindow: 24 * time.Hour, DeepEvery: time.Hour, DeepBudget: 50,
	})
	id := hub.NewConnectorID(hub.Provider)
	err := n.store.InstallConnector(t.Context(), hub.Connector{ID: id, Name: "python", Config: hub.Config{
		Endpoint: service.endpoint, APIKey: hub.NewSecret(pythonKey), PollingPeriod: time.Second,
	}})
	if err != nil {
		t.Fatal(err)
	}
	of := connectorInfo{ID: id.String()}
	api.wantPayments(t, of, 250, 0)
	service.control("late")
	api.wantPayments(t, of, 250, 1)
	eventually(t, readTimeout, "the stream counts the late row", func() bool {
		streams, err := api.streams(t.Context(), of.path())
		return err == nil && slices.ContainsFunc(streams, func(s streamInfo) bool { return s.LateRows == 1 && s.LateMaxSeconds >= 5 })
	})
}
