package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/hub"
)

// furnish stores some of everything.
func furnish(h *hubUnderTest) {
	h.install(connectorX, "acme")
	h.apply(hub.Batch{
		Stream: streamOf(hub.Accounts), Next: hub.Cursor{Watermark: day},
		Accounts: []hub.Account{
			account(hub.Internal, "acc-001", day, `{"id":"acc-001","accountName":"Main","amount":123456789012345678901234567890}`),
			account(hub.Internal, "both", day.Add(time.Second), `{"id":"both"}`),
		},
	})
	other := account(hub.External, "both", day.Add(2*time.Second), `{"id":"both","ownerName":"Öl & Söhne <AG>"}`)
	other.Name, other.Metadata = "Öl & Söhne <AG>", map[string]string{"iban": "DE00"}
	h.apply(hub.Batch{Stream: streamOf(hub.Beneficiaries), Next: hub.Cursor{Watermark: day}, Accounts: []hub.Account{other}})
	h.apply(hub.Batch{Stream: streamOf(hub.Balances), Balances: []hub.Balance{
		balance("acc-001", "USD/2", 100, day), balance("acc-001", "JPY", 7, day),
	}})
	h.apply(hub.Batch{Stream: streamOf(hub.Balances), Balances: []hub.Balance{
		balance("acc-001", "USD/2", -25, day.Add(time.Minute)), balance("acc-001", "JPY", 7, day.Add(time.Minute)),
	}})
	huge, err := hub.ParseAmount("123456789012345678901234567890")
	if err != nil {
		h.Fatal(err)
	}
	pending := adjustment("tx-001", hub.Pending, day)
	pending.Amount, pending.SourceAccount, pending.DestinationAccount = huge, "acc-001", "elsewhere"
	pending.Metadata = map[string]string{"order": "4711"}
	succeeded := pending
	succeeded.Status, succeeded.UpdatedAt = hub.Succeeded, day.Add(time.Minute+123456789*time.Nanosecond)
	succeeded.Raw = json.RawMessage(`{ "id" : "tx-001", "fee": 1e400 }`)
	refund := adjustment("re-001", hub.Refunded, day.Add(time.Hour))
	refund.PaymentReference = "tx-001"
	h.apply(hub.Batch{
		Stream: streamOf(hub.Transactions), Next: hub.Cursor{Watermark: day.Add(time.Hour)},
		Adjustments: []hub.PaymentAdjustment{pending, succeeded, refund, adjustment("tx-002", hub.OtherStatus, day)},
		Rejected: []hub.Rejection{
			{Reference: "tx-003", StampedAt: day, Reason: "amount: 12.50 is not a whole number", Raw: []byte(`{"id":"tx-003","amount":"12.50"}`)},
			{Reason: "the record is not JSON", Raw: []byte("\xff\x00 mended")},
		},
		Findings: []hub.Finding{{Code: hub.FindingPageIgnored, Text: "the service ignores page", SeenAt: day, Incomplete: true}},
	})
}

func account(t hub.AccountType, reference string, at time.Time, raw string) hub.Account {
	return hub.Account{
		ID:        hub.AccountID{Connector: connectorX, Reference: reference},
		Reference: reference, Type: t, CreatedAt: at, Raw: []byte(raw),
	}
}

func balance(account string, asset hub.Asset, amount int64, at time.Time) hub.Balance {
	return hub.Balance{
		Account: hub.AccountID{Connector: connectorX, Reference: account}, Asset: asset,
		Amount: hub.NewAmount(amount), CreatedAt: at, LastUpdatedAt: at, Raw: []byte(`{}`),
	}
}

// adjustment is the own record of a payment of 30 US cents.
func adjustment(reference string, status hub.PaymentStatus, at time.Time) hub.PaymentAdjustment {
	return hub.PaymentAdjustment{
		PaymentReference: reference, Reference: reference, Type: hub.PayIn, Status: status,
		Scheme: hub.OtherScheme, Asset: "USD/2", Amount: hub.NewAmount(30),
		CreatedAt: at, UpdatedAt: at,
		Raw: json.RawMessage(fmt.Sprintf(`{"id":%q,"status":%q}`, reference, status)),
	}
}

// atDay runs a test in a bubble whose clock begins a day after the PSP did.
func atDay(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(day.AddDate(0, 0, 1)))
		test(t)
	})
}

// Each answer is held against its golden file here, and against the published
// document by the harness.
func TestAnswersHaveTheFormOfTheReference(t *testing.T) {
	t.Parallel()
	atDay(t, func(t *testing.T) {
		h := open(t, nil)
		furnish(h)
		id := connectorX.String()
		acc := hub.AccountID{Connector: connectorX, Reference: "acc-001"}.String()
		own := hub.AccountID{Connector: connectorX, Reference: "both"}.String()
		external := hub.AccountID{Connector: connectorX, Reference: "both", Type: hub.External}.String()
		tx := hub.PaymentID{Connector: connectorX, Reference: "tx-001", Type: hub.PayIn}.String()
		streams := "/v3/connectors/" + id + "/streams"
		for _, c := range []struct{ name, target string }{
			{"info", "/_info"},
			{"healthcheck", "/_healthcheck"},
			{"connectors", "/v3/connectors"},
			{"connector-configs", "/v3/connectors/configs"},
			{"connectors-capabilities", "/v3/connectors/capabilities"},
			{"connector-capabilities", "/v3/connectors/" + id + "/capabilities"},
			{"connector-config", "/v3/connectors/" + id + "/config"},
			{"accounts", "/v3/accounts"},
			{"account", "/v3/accounts/" + acc},
			{"account-own-of-two", "/v3/accounts/" + own},
			{"account-external-of-two", "/v3/accounts/" + external},
			{"balances", "/v3/accounts/" + acc + "/balances"},
			{"balances-of-nothing", "/v3/accounts/" + id + "/balances"},
			{"payments", "/v3/payments"},
			{"payment", "/v3/payments/" + tx},
			{"streams", "/v3/streams"},
			{"connector-streams", streams},
			{"stream", streams + "/transactions"},
			{"rejections", streams + "/transactions/rejections"},
			{"rejections-none", streams + "/accounts/rejections"},
			{"rejection", streams + "/transactions/rejections/1"},
			{"rejection-not-text", streams + "/transactions/rejections/2"},
			{"not-routed", "/v3/nothing"},
		} {
			h.get(c.target).golden(c.name)
		}
		h.post(streams+"/transactions/rejections/1/replay", "").golden("replay-unreadable")
		h.post(streams+"/transactions/rejections/2/replay", "").golden("replay-resolved")
		h.post(streams+"/transactions/pause", "").golden("pause")
		h.request(http.MethodPut, "/v3/payments", "").golden("method-not-allowed")
		h.request(http.MethodDelete, "/v3/connectors/"+id, "").golden("uninstall")
		h.get("/v3/connectors").golden("connectors-none")
		h.get("/v3/payments/" + tx).golden("payment-not-found")
	})
}

func TestSecretsAreNeverShown(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	h.install(connectorX, "acme")
	id := connectorX.String()
	for _, target := range []string{"/v3/connectors", "/v3/connectors/" + id + "/config"} {
		a := h.get(target).want(http.StatusOK)
		if strings.Contains(string(a.body), "s3cret") || !strings.Contains(string(a.body), `"apiKey":"***"`) {
			t.Errorf("%s shows %s", target, a.body)
		}
	}
	a := h.request(http.MethodPatch, "/v3/connectors/"+id+"/config",
		`{"name":"acme","apiKey":"s3cret2","endpoint":"https://user:s3cret3@psp.example.com"}`)
	a.refused(http.StatusBadRequest, "VALIDATION", "endpoint must not hold a user or password")
	if strings.Contains(string(a.body), "s3cret") {
		t.Errorf("a refusal shows %s", a.body)
	}
}

func TestCollectionsAnswerWithAndWithoutASlash(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	for _, target := range []string{"/v3/connectors", "/v3/accounts", "/v3/payments", "/v3/streams"} {
		h.get(target).want(http.StatusOK)
		h.get(target + "/").want(http.StatusOK)
		head := h.request(http.MethodHead, target, "").want(http.StatusMethodNotAllowed)
		if len(head.body) != 0 || head.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: HEAD is answered with %q as %q", target, head.body, head.header.Get("Content-Type"))
		}
	}
	if body := h.get("/v3/nothing").want(http.StatusNotFound).body; string(body) != "404 page not found\n" {
		t.Errorf("an unknown path is answered with %q", body)
	}
}

func TestCapabilitiesAreNotSentTwice(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	first := h.get("/v3/connectors/capabilities").want(http.StatusOK)
	again := h.request(http.MethodGet, "/v3/connectors/capabilities", "", "If-None-Match", first.header.Get("ETag"))
	again.want(http.StatusNotModified)
	if len(again.body) != 0 || again.header.Get("ETag") != first.header.Get("ETag") {
		t.Errorf("the second answer has %q and ETag %s", again.body, again.header.Get("ETag"))
	}
}

func TestHealthcheckNamesWhatFails(t *testing.T) {
	t.Parallel()
	h := open(t, func(o *api.Options) { o.Checks["store"] = broken })
	a := h.get("/_healthcheck").want(http.StatusInternalServerError)
	if want := `{"store":"it does not work; the log says why"}` + "\n"; string(a.body) != want {
		t.Errorf("got %s, want %s", a.body, want)
	}
}
