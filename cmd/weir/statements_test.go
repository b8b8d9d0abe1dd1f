package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir/sdk"
	"github.com/weirhq/weir/wire"
)

// Real statements lie beside the checkout where the project is developed.
const samplesDir = "../../../shared/samples"

// What a folder of statements comes to, read off the files by eye. Amounts are
// signed, as they move the account.
type expectedFolder struct {
	// movements are the entries of each account, balances its newest booked ones.
	movements, balances map[string]string
	// rejected are words of the reason for each file that is no statement.
	rejected map[string]string
}

// The closing balances of minimal, v3 and v4 are in kronor, on an account in
// euros; the account's own is 27 − 7 = 20 in the second statement of multi.
var expectedCamt = expectedFolder{
	movements: map[string]string{
		"CH2801234000123456789": "-200000.00 -200000.00",
		"NL26VAYB8060476890":    "8.85 8.85 8.85 8.85 -7.00",
	},
	balances: map[string]string{"NL26VAYB8060476890": "EUR/2 20.00"},
	rejected: map[string]string{"camt053.v2.wrong.xml": "BkToCstmrStmt"},
}

var expectedMT940 = expectedFolder{
	movements: map[string]string{
		"NL81ASNB9999999999": "-65.00 1000.00 -801.55 -1.65 828.72 -1000.00 1000.18 -903.76",

		"50880050/0194774600888": "300.00 335.33 15000.00 66295.08 915311.55 -204.88 -999946.95",
		"50880050/0194777100888": "15000.05 -500250.00",
		"50880050/0194778300888": "50.05 125.88 125004.88 -326609.66 -326609.66",
		"50880050/0194779500888": "250000.00 300000.00 500000.00",
		"50880050/0194780100888": "204.88 -204.88 -50990.05 -175454.22 -500250.00",
		"50880050/0194780101888": "50990.05",
		"50880050/0194781300888": "19990.05 -57.34 -5002.17 -5002.17 -5002.17 -5002.17 -5002.17 -55344.11",
		"50880050/0194782500888": "50.00 50.05 50.05 46500.07 154551.93 -2550.00 -2550.12 -2550.12 -65500.15 -402104.00 -476921.44",
		"50880050/0194783700888": "335.33 915311.55 -157.34 -6002.17 -6002.17 -6002.17 -6002.17 -6002.17 -155344.11 -415603.93 -589103.86 -915646.88",
		"50880050/0194784900888": "16500.07 154551.93 -13990.05 -19990.05 -50990.05 -326609.66 -342104.00 -962104.00 -1522104.00",
		"50880050/0194784901888": "13990.05",
		"50880050/0194785000888": "-57.34 -5002.17 -5002.17 -5002.17 -5002.17 -5002.17 -19990.05 -50990.05 -50990.05 -55344.11 -342104.00 -956588.05",
		"50880050/0194785001888": "50990.05",
		"50880050/0194786200888": "16500.07 19990.05 56500.07",
		"50880050/0194787400888": "50990.05 154551.93 154551.93 -1500.00",
		"50880050/0194791600888": "300.00 335.33 15000.00 15000.05 125004.88 915311.55 -3572569.03",
		"50880050/0194791601888": "1910.05 50990.05 -125300.10",
		"50880050/0194798900888": "-150.00",
		"50880050/0194799000888": "-150.00",
		"50880050/0194804000888": "50.05",

		"45050050/76198810": "-6800.00 -620.30 18500.00 -14220.00 -1507.00 4200.00 -19900.00 -400.00 3656.74 23040.00 -5862.14",
		"10020030/1234567":  "-800.00 3000.00",
		"320000546101":      "20000.00 -10000.00 40.00",
		"517852257":         "-9.00 -11.59 -11.63 -11.80 -13.45 -15.49 -107.00 -141.48 -9.49 -15.00",
		"11111111":          "-10.00 -10.00",
		"0001234567":        "-25.03 -3.03 -1.11 -20.00 -1.10 3.68 1.00",
	},
	balances: map[string]string{
		"NL81ASNB9999999999": "EUR/2 501.23",

		"50880050/0194774600888": "EUR/2 -1237628.23", "50880050/0194777100888": "EUR/2 -1455749.85",
		"50880050/0194778300888": "EUR/2 -2237334.85", "50880050/0194779500888": "EUR/2 4242675.04",
		"50880050/0194780100888": "EUR/2 -3095522.14", "50880050/0194780101888": "EUR/2 203960.20",
		"50880050/0194781300888": "EUR/2 -100854.45", "50880050/0194782500888": "EUR/2 -2303471.11",
		"50880050/0194783700888": "EUR/2 -5019697.96", "50880050/0194784900888": "EUR/2 -8844425.38",
		"50880050/0194784901888": "EUR/2 27980.10", "50880050/0194785000888": "EUR/2 -5113593.52",
		"50880050/0194785001888": "EUR/2 203960.20", "50880050/0194786200888": "EUR/2 238954.77",
		"50880050/0194787400888": "EUR/2 1125250.40", "50880050/0194791600888": "EUR/2 -4472049.09",
		"50880050/0194791601888": "EUR/2 -397310.25", "50880050/0194798900888": "EUR/2 -600.00",
		"50880050/0194799000888": "EUR/2 -600.00", "50880050/0194804000888": "EUR/2 50.05",

		"45050050/76198810": "DEM/2 84437.04", "10020030/1234567": "EUR/2 4387.95", "320000546101": "PLN/2 50040.00",
		"517852257": "EUR/2 1849.75", "11111111": "EUR/2 80.00", "0001234567": "EUR/2 3.47",
	},
	rejected: map[string]string{
		"self-provided-invalid_statement.sta": "neither camt XML, nor MT940",
		"betterplace-empty_entry_date.sta":    ":25:",
	},
}

func TestTheCoreShowsEveryEntryOfRealCamtFiles(t *testing.T) {
	expectedCamt.check(t, copyFiles(t, filepath.Join(samplesDir, "camt")))
}

func TestTheCoreShowsEveryEntryOfRealMT940Files(t *testing.T) {
	expectedMT940.check(t, copyFiles(t, filepath.Join(samplesDir, "mt940")))
}

// The project's own file stands in where there are no real ones.
func TestTheCoreShowsEveryEntryOfAStatement(t *testing.T) {
	dir := t.TempDir()
	text, err := os.ReadFile("../../statements/testdata/mt940-envelope.sta")
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir, "bank.sta", string(text))
	put(t, dir, "archive.xml", "PK\x03\x04")
	expectedFolder{
		movements: map[string]string{"NL05LOCK0300065264": "-10.50 2.25 8.25"},
		balances:  map[string]string{"NL05LOCK0300065264": "EUR/2 1000.00"},
		rejected:  map[string]string{"archive.xml": "zip archive"},
	}.check(t, dir)
}

// check serves the folder, lets a core read it, and compares what the core's API shows.
func (want expectedFolder) check(t *testing.T, dir string) {
	program(t) // this test runs the program, which short runs leave out
	service := startCommand(t, "statements", "--dir", dir, "--settle", "200ms",
		"--listen", "127.0.0.1:0", "--api-key-file", writeFile(t, "keys", "first-key\nkey-of-the-core\n"))
	core := startCore(t, t.TempDir(), "--polling-period-min", "1s")
	eventually(t, readTimeout, "the service has taken the files", func() bool { return service.caughtUp(t, "key-of-the-core") })
	connected := core.weir("connect", "bank", service.url, "--api-key-file", writeFile(t, "key", "key-of-the-core\n"))
	if connected.status != 0 {
		t.Fatalf("connect: %s%s\n%s", connected.stdout, connected.stderr, service.log())
	}
	entries := 0
	for _, movements := range want.movements {
		entries += len(strings.Fields(movements))
	}
	eventually(t, readTimeout, "the core has read every entry", func() bool { return len(readPayments(t, core)) >= entries })
	accounts, balances := readAccounts(t, core)
	wantSame(t, "the balance", balances, want.balances)
	wantSame(t, "the entries", movementsOf(t, readPayments(t, core), accounts), sorted(want.movements))
	for name, words := range want.rejected {
		reason, err := os.ReadFile(filepath.Join(dir, "rejected", name+".reason"))
		if err != nil || !strings.Contains(string(reason), words) {
			t.Errorf("%s was rejected because %q, %v; want something about %q", name, reason, err, words)
		}
		if _, err := os.Stat(filepath.Join(dir, "rejected", name)); err != nil {
			t.Errorf("%s is not in rejected: %v", name, err)
		}
	}
	if health := service.health(t, "key-of-the-core"); health.Details.Rejected.Count != len(want.rejected) {
		t.Errorf("/healthz tells of %+v, want %d rejected files", health.Details.Rejected, len(want.rejected))
	}
	if err := service.stop(); err != nil {
		t.Errorf("the service ended with %v", err)
	}
}

func TestAServiceOfStatementsThatIsStartedAgainShowsTheSame(t *testing.T) {
	dir, key := t.TempDir(), writeFile(t, "key", "k\n")
	text, err := os.ReadFile("../../statements/testdata/mt940-envelope.sta")
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir, "bank.sta", string(text))
	var shown []string
	for range 2 {
		service := startCommand(t, "statements", "--dir", dir, "--settle", "100ms", "--listen", "127.0.0.1:0", "--api-key-file", key)
		eventually(t, readTimeout, "the file is known", func() bool {
			taken := service.health(t, "k").Details.Taken
			return taken.Files+taken.Again > 0
		})
		shown = append(shown, service.read(t, "/transactions", "k"))
		if err := service.stop(); err != nil {
			t.Fatal(err)
		}
	}
	if shown[0] != shown[1] || strings.Count(shown[0], `"id"`) != 3 {
		t.Errorf("first it showed\n%s, then\n%s; want the same three movements", shown[0], shown[1])
	}
}

func TestHealthTellsStrangersNothingOfTheFolder(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "cover.txt", "no statement")
	service := startCommand(t, "statements", "--dir", dir, "--settle", "100ms", "--listen", "127.0.0.1:0", "--api-key-file", writeFile(t, "key", "k\n"))
	eventually(t, readTimeout, "the file is rejected", func() bool { return service.health(t, "k").Status == "degraded" })
	if shown := service.read(t, "/healthz", ""); shown != `{"status":"degraded"}` {
		t.Errorf("without a key it shows %s", shown)
	}
	if err := os.RemoveAll(filepath.Join(dir, "rejected")); err != nil {
		t.Fatal(err)
	}
	if status := service.health(t, "k").Status; status != "ok" {
		t.Errorf("with the rejected file taken away it is %s", status)
	}
}

// apiPayment and apiAccount are what the core's API shows of them.
type apiPayment struct {
	Reference            string      `json:"reference"`
	Type                 string      `json:"type"`
	Status               string      `json:"status"`
	Amount               json.Number `json:"amount"`
	Asset                string      `json:"asset"`
	SourceAccountID      *string     `json:"sourceAccountID"`
	DestinationAccountID *string     `json:"destinationAccountID"`
}

type apiAccount struct {
	ID        string `json:"id"`
	Reference string `json:"reference"`
	Type      string `json:"type"`
}

type apiBalance struct {
	Asset   string      `json:"asset"`
	Balance json.Number `json:"balance"`
}

func readPayments(t *testing.T, c *core) []apiPayment {
	t.Helper()
	return readAll[apiPayment](t, c, "/v3/payments")
}

// readAll reads a list of the API from its first page to its last.
func readAll[T any](t *testing.T, c *core, path string) []T {
	t.Helper()
	var all []T
	for query := "?pageSize=100"; query != ""; {
		var list page[T]
		if err := c.get(t.Context(), path+query, &list); err != nil {
			t.Fatal(err)
		}
		all = append(all, list.Cursor.Data...)
		query = ""
		if list.Cursor.HasMore {
			query = "?cursor=" + list.Cursor.Next
		}
	}
	return all
}

// readAccounts gives the references of our own accounts by their identifiers,
// and the newest balances by reference.
func readAccounts(t *testing.T, c *core) (references, balances map[string]string) {
	t.Helper()
	references, balances = map[string]string{}, map[string]string{}
	for _, account := range readAll[apiAccount](t, c, "/v3/accounts") {
		if account.Type != "INTERNAL" {
			continue
		}
		references[account.ID] = plainID(account.Reference)
		for _, balance := range readAll[apiBalance](t, c, "/v3/accounts/"+account.ID+"/balances") {
			balances[plainID(account.Reference)] = balance.Asset + " " + decimal(t, balance.Balance.String(), balance.Asset)
		}
	}
	return references, balances
}

// plainID undoes the escape of the slash in an account number of the bank.
func plainID(reference string) string { return strings.ReplaceAll(reference, "~2f", "/") }

// movementsOf gives the amounts of each account, signed and sorted.
func movementsOf(t *testing.T, payments []apiPayment, accounts map[string]string) map[string]string {
	t.Helper()
	amounts := map[string]string{}
	for _, p := range payments {
		id, sign := p.DestinationAccountID, ""
		if p.Type == "PAYOUT" {
			id, sign = p.SourceAccountID, "-"
		}
		if id == nil || p.Status != "SUCCEEDED" {
			t.Errorf("payment %+v moves no account of ours, or has not succeeded", p)
			continue
		}
		amounts[accounts[*id]] += " " + sign + decimal(t, p.Amount.String(), p.Asset)
	}
	return sorted(amounts)
}

func decimal(t *testing.T, amount, asset string) string {
	t.Helper()
	text, err := sdk.Decimal(wire.Amount(amount), asset)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// sorted puts the amounts of each account in order.
func sorted(amounts map[string]string) map[string]string {
	inOrder := map[string]string{}
	for account, text := range amounts {
		list := strings.Fields(text)
		slices.SortFunc(list, func(a, b string) int {
			x, _ := new(big.Rat).SetString(a)
			y, _ := new(big.Rat).SetString(b)
			return x.Cmp(y)
		})
		inOrder[account] = strings.Join(list, " ")
	}
	return inOrder
}

func wantSame(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	for _, key := range slices.Sorted(maps.Keys(got)) {
		if want[key] == "" {
			t.Errorf("%s of %q is %s, want none", what, key, got[key])
		}
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if got[key] != want[key] {
			t.Errorf("%s of %q is\n%s, want\n%s", what, key, got[key], want[key])
		}
	}
}

// A serving is a command that runs in this process until it is stopped.
type serving struct {
	transcript
	url    string
	cancel context.CancelFunc
	ended  chan struct{}
	err    error // set when it has ended
}

var serviceAt = regexp.MustCompile(`msg=serving service=(\S+)`)

// startCommand runs a command and waits until it says where it serves.
func startCommand(t *testing.T, args ...string) *serving {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	s := &serving{cancel: cancel, ended: make(chan struct{})}
	root := newCommand()
	root.SetArgs(args)
	root.SetErr(s)
	go func() {
		defer close(s.ended)
		s.err = root.ExecuteContext(ctx)
	}()
	t.Cleanup(func() { _ = s.stop() })
	eventually(t, commandTimeout, "it serves", func() bool {
		select {
		case <-s.ended:
			t.Fatalf("it ended with %v\n%s", s.err, s.log())
		default:
		}
		if found := serviceAt.FindStringSubmatch(s.log()); found != nil {
			s.url = found[1]
		}
		return s.url != ""
	})
	return s
}

// A transcript keeps what a program writes.
type transcript struct {
	mu      sync.Mutex
	written bytes.Buffer
}

// Write adds to it.
func (t *transcript) Write(text []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.written.Write(text)
}

func (t *transcript) log() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.written.String()
}

// stop ends the command as Ctrl-C does. A second call does nothing.
func (s *serving) stop() error {
	s.cancel()
	select {
	case <-s.ended:
		return s.err
	case <-time.After(commandTimeout):
		return context.DeadlineExceeded
	}
}

// folderAnswer is what /healthz says.
type folderAnswer struct {
	Status  string `json:"status"`
	Details struct {
		folderHealth
		Mirror struct {
			Sources map[string]struct {
				LagSeconds *float64 `json:"lag_seconds"`
			} `json:"sources"`
		} `json:"mirror"`
	} `json:"details"`
}

func (s *serving) health(t *testing.T, key string) folderAnswer {
	t.Helper()
	var answer folderAnswer
	if text := s.read(t, "/healthz", key); json.Unmarshal([]byte(text), &answer) != nil {
		t.Fatalf("/healthz says %s", text)
	}
	return answer
}

// read asks the service for a path, without a key where it is empty.
func (s *serving) read(t *testing.T, path, key string) string {
	t.Helper()
	_, body := get(t, s.url+path, key)
	return body
}

// caughtUp reports whether every file in the folder was looked at.
func (s *serving) caughtUp(t *testing.T, key string) bool {
	t.Helper()
	health := s.health(t, key)
	return health.Details.Taken.Files > 0 && health.Details.Mirror.Sources["files"].LagSeconds != nil
}

// copyFiles copies a folder of samples, or skips the test where there is none.
func copyFiles(t *testing.T, from string) string {
	t.Helper()
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Skip("the real statements are not on this machine: ", err)
	}
	dir := t.TempDir()
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(from, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if entry.Name() != "LICENSE" {
			put(t, dir, entry.Name(), string(text))
		}
	}
	return dir
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAFolderThatCantBeServedIsRefusedInASentence(t *testing.T) {
	key, dir := writeFile(t, "key", "k\n"), t.TempDir()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	tests := []struct {
		name, want string
		args       []string
	}{
		{"no folder is named", "--dir DIR", []string{"--api-key-file", key}},
		{"the folder is missing", "there is no folder", []string{"--dir", dir + "/none", "--api-key-file", key}},
		{"the folder is a file", "is a file", []string{"--dir", key, "--api-key-file", key}},
		{"the folder can't be written to", "nothing can be written there", []string{"--dir", "/proc/self", "--api-key-file", key}},
		{"the data can't be written", "--data", []string{"--dir", dir, "--api-key-file", key, "--data", "/proc/self/data"}},
		{"no key is named", "--api-key-file FILE", []string{"--dir", dir}},
		{"the file of keys is missing", "can't read the keys", []string{"--dir", dir, "--api-key-file", dir + "/none"}},
		{"the file of keys is empty", "holds no key", []string{"--dir", dir, "--api-key-file", writeFile(t, "empty", " \n")}},
		{"the port is in use", "choose another address with --listen", []string{"--dir", dir, "--api-key-file", key, "--listen", taken.Addr().String()}},
		{"the mapping is missing", "--mapping", []string{"--dir", dir, "--api-key-file", key, "--mapping", dir + "/none.yaml"}},
		{"the mapping is wrong", "--mapping", []string{"--dir", dir, "--api-key-file", key, "--mapping", writeFile(t, "m.yaml", "delimter: x\n")}},
		{"the zone is none", "--zone", []string{"--dir", dir, "--api-key-file", key, "--zone", "Mars/Olympus"}},
		{"the pause is none", "--settle", []string{"--dir", dir, "--api-key-file", key, "--settle", "0s"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			root := newCommand()
			root.SetErr(io.Discard)
			root.SetArgs(append([]string{"statements"}, test.args...))
			err := root.ExecuteContext(t.Context())
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("it said %v, want one line about %q", err, test.want)
			}
		})
	}
}
