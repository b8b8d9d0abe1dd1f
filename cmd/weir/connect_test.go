package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/simulator"
)

func TestAFirstReadIsJudgedByItsLists(t *testing.T) {
	done := idleStream("acme", hub.Accounts, 3)
	stream := func(resource hub.Resource, change func(*streamInfo)) streamInfo {
		s := streamInfo{Resource: resource, State: hub.StreamReading}
		change(&s)
		return s
	}
	finished := func(s *streamInfo) { s.CaughtUp, s.LastSuccessAt, s.Versions = true, done.LastSuccessAt, 3 }
	waiting := func(*streamInfo) {}
	fails := func(code hub.Code, tries int) func(*streamInfo) {
		return func(s *streamInfo) { s.LastError, s.ConsecutiveFailures = &streamError{Code: code}, tries }
	}
	failsLater := func(s *streamInfo) {
		fails(hub.CodeServiceRefused, 1)(s)
		s.Versions = 100
	}
	all := func(accounts, balances, beneficiaries, transactions func(*streamInfo)) []streamInfo {
		return []streamInfo{
			stream(hub.Accounts, accounts), stream(hub.Balances, balances),
			stream(hub.Beneficiaries, beneficiaries), stream(hub.Transactions, transactions),
		}
	}
	refused, once := fails(hub.CodeKeyRefused, 1), fails(hub.CodeUnreachable, 1)
	away := fails(hub.CodeUnreachable, triesMax)
	tests := []struct {
		name    string
		streams []streamInfo
		want    verdict
	}{
		{"nothing has been read yet", all(waiting, waiting, waiting, waiting), verdictOpen},
		{"all has been read", all(finished, finished, finished, finished), verdictGood},
		{"one list is still being read", all(finished, finished, finished, waiting), verdictOpen},
		{"the key is refused", all(refused, waiting, refused, refused), verdictRefused},
		{"the key is refused for some so far", all(refused, waiting, waiting, refused), verdictOpen},
		{"the key opens only a part", all(finished, finished, finished, refused), verdictPartly},
		{"the service may be starting", all(once, waiting, once, once), verdictOpen},
		{"the service is away", all(away, waiting, away, away), verdictRefused},
		{"one list fails for good in its middle", all(refused, waiting, refused, failsLater), verdictOpen},
		{"one list fails for good in its middle, the rest from its beginning", all(refused, refused, refused, failsLater), verdictPartly},
		{"the balances have nothing to ask for", all(refused, finished, refused, refused), verdictRefused},
		{"the API shows no stream", nil, verdictOpen},
	}
	for _, test := range tests {
		if got := verdictOf(test.streams); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
}

func TestAKeyIsTheFirstLineOfItsFile(t *testing.T) {
	for _, text := range []string{"key", "key\n", " key \r\nnot this\n"} {
		if key, err := readKey(writeFile(t, "key", text)); err != nil || key != "key" {
			t.Errorf("%q holds %q, %v", text, key, err)
		}
	}
	for _, text := range []string{"", "\n", " \nkey\n"} {
		if _, err := readKey(writeFile(t, "key", text)); err == nil || !strings.Contains(err.Error(), "holds no key") {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := readKey(t.TempDir()); err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Errorf("a folder: %v", err)
	}
	if _, err := readKey(filepath.Join(t.TempDir(), "missing")); err == nil || !strings.Contains(err.Error(), "name the file") {
		t.Errorf("a missing file: %v", err)
	}
	closed := writeFile(t, "key", "key")
	if err := os.Chmod(closed, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadFile(closed); err != nil { // not so for root, who reads everything
		if _, err := readKey(closed); err == nil || !strings.Contains(err.Error(), "give this user the right") {
			t.Errorf("a file of others: %v", err)
		}
	}
}

func TestAnEndpointIsAnAbsoluteURL(t *testing.T) {
	for text, want := range map[string]string{
		"https://psp.example.com": "https://psp.example.com", "http://127.0.0.1:8081/weir/": "http://127.0.0.1:8081/weir",
	} {
		if got, err := parseURL(text); err != nil || got != want {
			t.Errorf("%q is %q, %v; want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"", "psp.example.com", "localhost:8081", "ftp://psp", "http://", "http:///x", "/x", "http://a b", "https://u:secret@psp", "https://psp?x=1", "https://psp?", "https://psp#x"} {
		if got, err := parseURL(text); err == nil {
			t.Errorf("%q was taken as %q", text, got)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error shows the password: %v", text, err)
		}
	}
}

// startService serves a PSP that lives no more, and returns it with its service.
func startService(t *testing.T, life simulator.Options) (*simulator.PSP, *simulator.Server) {
	t.Helper()
	life.Interval, life.Now = time.Second, time.Now
	life.Start = time.Now().Add(-time.Duration(life.Transactions) * 3 * time.Second)
	psp, err := simulator.New(life)
	if err != nil {
		t.Fatal(err)
	}
	psp.Settle()
	server, err := simulator.Start(context.Background(), psp, simulator.ServerOptions{Direct: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return psp, server
}

func TestConnectInstallsAConnectorAndShowsItsFirstRead(t *testing.T) {
	t.Parallel()
	c := startCore(t, t.TempDir())
	_, service := startService(t, simulator.Options{Accounts: 2, Beneficiaries: 3, Transactions: 150})
	key := writeFile(t, "key", service.APIKey+"\n")

	o := c.weir("connect", "acme", service.Endpoint, "--api-key-file", key)
	if o.status != 0 {
		t.Fatalf("exit status %d\n%s%s", o.status, o.stdout, o.stderr)
	}
	for _, want := range []string{"acme is installed and is being read.", "beneficiaries", "Everything that acme shows is stored."} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("it lacks %q:\n%s", want, o.stdout)
		}
	}
	if strings.Contains(o.stdout+o.stderr+c.log(), service.APIKey) {
		t.Error("the key was shown")
	}
	c.weir("connect", "acme", service.Endpoint, "--api-key-file", key).wantRefusal(t, `"acme" is taken`, "choose another")
	c.weir("connect", "x", service.Endpoint, "--api-key-file", key).wantRefusal(t, "name must have 3 to 500 characters")

	if o := c.weir("status"); o.status != 0 || !strings.Contains(o.stdout, "4 streams of 1 connector: all are well") {
		t.Errorf("status: %+v", o)
	}
	if o := c.weir("status", "--json"); o.status != 0 || !strings.Contains(o.stdout, `"connectorName": "acme"`) {
		t.Errorf("status --json: %+v", o)
	}
	c.testOperations()
	if o := (command{args: []string{"disconnect", "acme"}, stdin: "acme\n", env: []string{"WEIR_SERVER=" + c.base}}).run(t); o.status != 0 {
		t.Errorf("disconnect: %+v", o)
	}
	if o := c.weir("status"); o.status != 0 || !strings.Contains(o.stdout, "There is no connector yet") {
		t.Errorf("status after disconnect: %+v", o)
	}
}

// testOperations operates the streams of the connector acme, which is well.
func (c *core) testOperations() {
	t := c.t
	t.Helper()
	tests := []struct {
		args []string
		want string
	}{
		{[]string{"poll", "acme"}, "acme beneficiaries: "},
		{[]string{"pause", "acme", "transactions"}, "acme transactions: Paused"},
		{[]string{"resume", "acme", "transactions"}, "acme transactions: All that the service has shown is stored"},
		{[]string{"rewind", "acme", "transactions", "24h"}, "acme transactions: "},
		{[]string{"configure", "acme", "--polling-period", "2s", "--name", "acme corp"}, "acme is changed"},
		{[]string{"configure", "acme corp", "--name", "acme"}, "acme corp is changed"},
		{[]string{"rejections", "acme"}, "Nothing is in quarantine."},
	}
	for _, test := range tests {
		if o := c.weir(test.args...); o.status != 0 || !strings.Contains(o.stdout, test.want) {
			t.Errorf("weir %s: %+v, want %q", strings.Join(test.args, " "), o, test.want)
		}
	}
	c.weir("poll", "acme", "payments").wantRefusal(t, `there is no stream "payments"`)
	c.weir("poll", "nobody").wantRefusal(t, `there is no connector "nobody"`)
	c.weir("pause").wantRefusal(t, "takes CONNECTOR")
	c.weir("rewind", "acme", "transactions", "yesterday").wantRefusal(t, `"yesterday" is no instant`)
	c.weir("rewind", "acme", "transactions", "2099-01-01").wantRefusal(t, "lies in the future")
	c.weir("configure", "acme").wantRefusal(t, "nothing is to be changed")
	c.weir("configure", "acme", "--polling-period", "0s").wantRefusal(t, "it must be above zero")
	c.weir("configure", "acme", "--endpoint", "https://elsewhere.example.com").wantRefusal(t, "acme was not changed", "apiKey must be sent again")
	c.weir("rejections", "show", "17").wantRefusal(t, "is not the ID of a rejection")
	c.weir("rejections", "show", "acme/transactions/17").wantRefusal(t, "17")
	c.weir("disconnect", "acme").wantRefusal(t, "nothing was removed", "--yes")
}

func TestConnectLeavesNothingBehindWhereNothingCanBeRead(t *testing.T) {
	t.Parallel()
	c := startCore(t, t.TempDir())
	_, service := startService(t, simulator.Options{Accounts: 1})
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("<!doctype html><title>Welcome</title>"))
	}))
	t.Cleanup(site.Close)
	key, wrong := writeFile(t, "key", service.APIKey), writeFile(t, "key", "wrong")
	tests := []struct {
		name, endpoint, key string
		want                []string
	}{
		{"a key that the service refuses", service.Endpoint, wrong, []string{"was not installed", "refuses the key: status 401", "The option --force does that"}},
		{"a service that does not run", "http://127.0.0.1:1", key, []string{"could not be reached", "connection refused", "removed again", "--force"}},
		{"a path that the service does not have", service.Endpoint + "/nowhere", key, []string{"was not installed", "no integration service: status 404", "--force"}},
		{"a web site", site.URL, key, []string{"was not installed", "no integration service: the body is an HTML page", "--force"}},
		{"no URL", "psp.example.com", key, []string{"is not an absolute URL", "https://psp.example.com/weir"}},
		{"no file with a key", service.Endpoint, "missing", []string{"--api-key-file", "missing", "name the file"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := c.weir("connect", "acme", test.endpoint, "--api-key-file", test.key)
			o.wantRefusal(t, test.want...)
			if strings.Contains(o.stderr, "wrong") {
				t.Errorf("the key was shown: %s", o.stderr)
			}
			if streams, err := c.streams(t.Context(), ""); err != nil || len(streams) > 0 {
				t.Errorf("there are %d streams, %v", len(streams), err)
			}
		})
	}
	if o := c.weir("connect", "acme", "http://127.0.0.1:1", "--api-key-file", key, "--no-watch"); o.status != 0 {
		t.Errorf("--no-watch: %+v", o)
	}
	eventually(t, commandTimeout, "status tells who is needed", func() bool { return c.weir("status").status == 2 })
	o := c.weir("status")
	for _, want := range []string{"attention", "failing", "could not be reached", "weir poll acme"} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("status lacks %q:\n%s", want, o.stdout)
		}
	}
}

func TestACommandSaysWhyTheCoreDoesNotAnswer(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	moved := httptest.NewServer(http.RedirectHandler("https://elsewhere.example.com/", http.StatusMovedPermanently))
	t.Cleanup(moved.Close)
	keys := writeFile(t, "core.keys", "first\nsecond\n")
	guarded := startCore(t, t.TempDir(), "--api-key-file", keys)
	runWeir(t, "status", "--server", "http://127.0.0.1:1").wantRefusal(t, "no payments core answers at http://127.0.0.1:1", "weir serve", "--server")
	runWeir(t, "status", "--server", "localhost").wantRefusal(t, "--server is not an absolute URL")
	runWeir(t, "status", "--server", other.URL).wantRefusal(t, "is not Weir's API", "--server")
	runWeir(t, "status", "--server", moved.URL).wantRefusal(t, "redirects to https://elsewhere.example.com/")
	runWeir(t, "status", "--server", guarded.base).wantRefusal(t, "asks for a key", "--server-key-file")
	runWeir(t, "status", "--server", guarded.base, "--server-key-file", writeFile(t, "key", "third")).wantRefusal(t, "refused the key")
	runWeir(t, "status", "--server", guarded.base, "--server-key-file", "missing").wantRefusal(t, "--server-key-file", "missing")
	if o := runWeir(t, "status", "--server", guarded.base, "--server-key-file", keys); o.status != 0 {
		t.Errorf("with a key: %+v", o)
	}
}
