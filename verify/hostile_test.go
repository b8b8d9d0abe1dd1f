package verify_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/verify"
)

// TestWhatCanNotBeJudgedIsSaidToBeSo holds the verifier against what is no
// service, or hardly one. It neither hangs nor passes, and says why.
func TestWhatCanNotBeJudgedIsSaidToBeSo(t *testing.T) {
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	secure := httptest.NewTLSServer(newStall())
	t.Cleanup(secure.Close)
	serve := func(handler http.HandlerFunc) string {
		server := httptest.NewServer(handler)
		t.Cleanup(server.Close)
		return server.URL
	}
	forbidden := newStall()
	forbidden.authorize = func(*http.Request) bool { return false }
	tests := []struct{ name, endpoint, want string }{
		{"nobody there", dead.URL, "refused"},
		{"no such host", "http://weir-verify.invalid", "there is no host of the name"},
		{"an unknown issuer", secure.URL, "an issuer that this machine does not know"},
		{"TLS asked of plain HTTP", strings.Replace(serve(newStall().ServeHTTP), "http:", "https:", 1), "TLS"},
		{"silence", silence(t), "no answer came in time"},
		{"a key without rights", serve(forbidden.ServeHTTP), "the key was refused"},
		{"an error on every path", serve(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }), "status 502"},
		{"an answer that breaks off", serve(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), "EOF"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			report, err := verify.Run(context.Background(), verify.Options{
				Endpoint: test.endpoint, Key: key, Timeout: 20 * time.Second, ClientTimeout: 200 * time.Millisecond,
			})
			if err != nil {
				t.Fatal(err)
			}
			if report.Judged || report.Passed {
				t.Errorf("it was judged: %s, passed %v, failed %v", report.Verdict, len(report.Of(verify.Passed)), wrong(report))
			}
			said := report.Verdict + report.Result("A4").Note
			if !strings.Contains(said, test.want) {
				t.Errorf("it said %q, want something of %q", said, test.want)
			}
			for _, result := range report.Results {
				if result.Mode == verify.Reads && result.Area != verify.Auth.Title() && result.Area != verify.Errors.Title() && (result.Status != verify.Unjudged || result.Note == "") {
					t.Errorf("%s %s: %q", result.ID, result.Status, result.Note)
				}
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// silence accepts connections and says nothing.
func silence(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return "http://" + listener.Addr().String()
}

func TestAServiceThatIsNoneFailsAndDoesNotPass(t *testing.T) {
	tests := map[string]http.HandlerFunc{
		"an HTML page on every path": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<html><body>Welcome</body></html>")
		},
		"an object in place of a list": func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, http.StatusOK, []byte(`{"data":[]}`)) },
		"an empty list on every path":  func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, http.StatusOK, []byte(`[]`)) },
	}
	for name, handler := range tests {
		t.Run(name, func(t *testing.T) {
			report, bad := examine(t, handler, nil)
			if report.Passed || len(bad) == 0 {
				t.Errorf("%s", report.Verdict)
			}
		})
	}
}

func TestALinkWithoutAnEndIsGivenUp(t *testing.T) {
	for name, test := range map[string]struct {
		cut  func(rows []row, page, size int) []row
		want string
	}{
		"pages that come round again": {func(rows []row, page, size int) []row {
			first := ((page - 1) % 3) * min(size, 80)
			return rows[min(first, len(rows)):min(first+size, len(rows))]
		}, "has no end"},
		"new rows for ever": {func(_ []row, page, size int) []row {
			var made []row
			for i := range size {
				n := (page-1)*size + i
				made = append(made, added(fmt.Sprintf("x%d", n), time.Unix(1_700_000_000, int64(n)*1e6), nil))
			}
			return made
		}, "budget of requests"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStall()
			s.cut = test.cut
			report, bad := examine(t, s, func(o *verify.Options) { o.RequestsMax = 400 })
			if report.Passed || len(bad) == 0 {
				t.Errorf("%s", report.Verdict)
			}
			if !strings.Contains(report.Lists[0].Why, test.want) || report.Lists[0].Complete {
				t.Errorf("the list: %+v", report.Lists[0])
			}
			if report.Requests > 400 {
				t.Errorf("%d requests", report.Requests)
			}
		})
	}
}

func TestTheDeadlineOfTheWholeRunHolds(t *testing.T) {
	s := newStall()
	s.serve = func(http.ResponseWriter, *http.Request) bool {
		time.Sleep(20 * time.Millisecond)
		return false
	}
	began := time.Now()
	report, _ := examine(t, s, func(o *verify.Options) { o.Timeout = 400 * time.Millisecond })
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %s", took)
	}
	if late := report.Of(verify.Unjudged); len(late) < 20 {
		t.Errorf("only %d checks could not be judged", len(late))
	}
}

func TestTheRateIsKept(t *testing.T) {
	s := newStall()
	began := time.Now()
	report, _ := examine(t, s, func(o *verify.Options) { o.Rate, o.Only = 100, []string{"A1"} })
	if least := time.Duration(report.Requests-1) * 10 * time.Millisecond; time.Since(began) < least {
		t.Errorf("%d requests in %s", report.Requests, time.Since(began))
	}
}

func TestTheKeyIsInNoReport(t *testing.T) {
	s := newStall()
	s.refuse = func(w http.ResponseWriter, status int, _ string) { refuse(w, status, "You sent "+key) }
	s.transactions[3]["id"] = "row with " + key
	s.transactions[3]["amount"] = "1.5"
	report, _ := examine(t, s, nil)
	var out strings.Builder
	for _, write := range []func() error{
		func() error { return report.Text(&out, nil) }, func() error { return report.HTML(&out) },
		func() error { return report.JSON(&out) }, func() error { return report.JUnit(&out, false) },
	} {
		if err := write(); err != nil {
			t.Fatal(err)
		}
	}
	if at := strings.Index(out.String(), key); at >= 0 {
		t.Errorf("the key stands in the report: …%s…", out.String()[max(0, at-80):at+40])
	}
	if cut := key[:len(key)-1]; strings.Contains(out.String(), cut) {
		t.Error("most of the key stands in the report")
	}
}

func TestOptionsThatMeanNothingAreRefused(t *testing.T) {
	good := verify.Options{Endpoint: "http://127.0.0.1:1", Key: key}
	for name, spoil := range map[string]func(*verify.Options){
		"no endpoint":             func(o *verify.Options) { o.Endpoint = "" },
		"a path as endpoint":      func(o *verify.Options) { o.Endpoint = "/accounts" },
		"a query in the endpoint": func(o *verify.Options) { o.Endpoint += "?a=b" },
		"a password in it":        func(o *verify.Options) { o.Endpoint = "http://a:b@127.0.0.1" },
		"no key":                  func(o *verify.Options) { o.Key = "" },
		"a profile there is not":  func(o *verify.Options) { o.Profile = "other" },
		"a skip without reason":   func(o *verify.Options) { o.Skip = map[string]string{"C4": " "} },
		"a check there is not":    func(o *verify.Options) { o.Only = []string{"Z9"} },
	} {
		o := good
		spoil(&o)
		if _, err := verify.Run(t.Context(), o); err == nil || !strings.HasPrefix(err.Error(), "verify: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestASkippedCheckSaysWhoSaidSo(t *testing.T) {
	report, _ := examine(t, newStall(), func(o *verify.Options) { o.Skip = map[string]string{"C4": "the provider has fifty rows a page"} })
	if x := report.Result("C4"); x.Status != verify.Skipped || x.Note != "the provider has fifty rows a page" {
		t.Errorf("%s: %s", x.Status, x.Note)
	}
}

func TestTheReportForProgramsIsWhole(t *testing.T) {
	s := newStall()
	row70("amount", "1.5")(s)
	report, _ := examine(t, s, nil)
	var out strings.Builder
	if err := report.JSON(&out); err != nil {
		t.Fatal(err)
	}
	var back verify.Report
	if err := json.Unmarshal([]byte(out.String()), &back); err != nil {
		t.Fatal(err)
	}
	if back.Verdict != report.Verdict || len(back.Results) != len(verify.Catalogue()) || back.Result("G1").Findings[0].Rows[0] != "transactions t0070" {
		t.Errorf("%s", out.String())
	}
}
