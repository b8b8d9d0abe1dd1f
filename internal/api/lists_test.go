package api_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/hub"
)

// fill stores payments tx-1 to tx-n, each a second after the one before.
func fill(h *hubUnderTest, from, to int) {
	h.Helper()
	batch := hub.Batch{Stream: streamOf(hub.Transactions)}
	for i := from; i <= to; i++ {
		a := adjustment(fmt.Sprintf("tx-%d", i), hub.Pending, day.Add(time.Duration(i)*time.Second))
		if i%2 == 0 {
			a.Status, a.Amount = hub.Succeeded, hub.NewAmount(int64(i))
		}
		batch.Adjustments = append(batch.Adjustments, a)
	}
	h.apply(batch)
}

func names(from, to int) []string {
	var names []string
	for i := from; i >= to; i-- {
		names = append(names, fmt.Sprintf("tx-%d", i))
	}
	return names
}

func TestPagesLeadThroughAListAndBack(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	h.install(connectorX, "acme")
	fill(h, 1, 35)
	page := h.list("/v3/payments?pageSize=10")
	var all []string
	var previous []string
	for {
		all = append(all, page.references()...)
		if page.Cursor.Previous != "" {
			back := h.list("/v3/payments?cursor=" + page.Cursor.Previous)
			if diff := cmp.Diff(previous, back.references()); diff != "" {
				t.Errorf("the page before (-want +got):\n%s", diff)
			}
			if !back.Cursor.HasMore || back.Cursor.Next == "" {
				t.Error("a page that was reached from the next one leads nowhere")
			}
			forth := h.list("/v3/payments?cursor=" + back.Cursor.Next)
			if diff := cmp.Diff(page.references(), forth.references()); diff != "" {
				t.Errorf("forth after back (-want +got):\n%s", diff)
			}
		}
		if page.Cursor.HasMore != (page.Cursor.Next != "") {
			t.Errorf("hasMore is %v and next is %q", page.Cursor.HasMore, page.Cursor.Next)
		}
		if !page.Cursor.HasMore {
			break
		}
		previous = page.references()
		page = h.list("/v3/payments?cursor=" + page.Cursor.Next)
	}
	if diff := cmp.Diff(names(35, 1), all); diff != "" {
		t.Errorf("all pages (-want +got):\n%s", diff)
	}
	first := h.list("/v3/payments?pageSize=10")
	if first.Cursor.Previous != "" {
		t.Error("the first page names one before it")
	}
}

func TestRowsThatArriveMeanwhileShiftNothing(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	h.install(connectorX, "acme")
	fill(h, 1, 20)
	first := h.list("/v3/payments?pageSize=10")
	fill(h, 21, 25)
	second := h.list("/v3/payments?cursor=" + first.Cursor.Next)
	if diff := cmp.Diff(names(10, 1), second.references()); diff != "" {
		t.Errorf("the second page (-want +got):\n%s", diff)
	}
	back := h.list("/v3/payments?cursor=" + second.Cursor.Previous)
	if diff := cmp.Diff(names(20, 11), back.references()); diff != "" {
		t.Errorf("the page before (-want +got):\n%s", diff)
	}
	newer := h.list("/v3/payments?cursor=" + back.Cursor.Previous)
	if diff := cmp.Diff(names(25, 21), newer.references()); diff != "" {
		t.Errorf("what arrived meanwhile (-want +got):\n%s", diff)
	}
}

func TestPageSizeIsClamped(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	h.install(connectorX, "acme")
	fill(h, 1, 120)
	for asked, want := range map[string]int{
		"": 15, "?pageSize=0": 15, "?pageSize=1": 1, "?pageSize=100": 100, "?pageSize=1000": 100, "?pageSize=18446744073709551615": 100,
	} {
		page := h.list("/v3/payments" + asked)
		if page.Cursor.PageSize != want || len(page.Cursor.Data) != want {
			t.Errorf("%q: pageSize %d with %d items, want %d", asked, page.Cursor.PageSize, len(page.Cursor.Data), want)
		}
	}
	for _, asked := range []string{"-1", "ten", "1.5", "18446744073709551616"} {
		h.get("/v3/payments?pageSize="+asked).refused(http.StatusBadRequest, "VALIDATION", "invalid 'pageSize' query param")
	}
}

func TestCursorHoldsTheFilterAndAllElseIsIgnoredBesideIt(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	h.install(connectorX, "acme")
	fill(h, 1, 30)
	filter := url.QueryEscape(`{"$and":[{"$match":{"status":"SUCCEEDED"}},{"$gt":{"amount":4}}]}`)
	page := h.list("/v3/payments?pageSize=4&query=" + filter)
	var all []string
	for {
		all = append(all, page.references()...)
		if !page.Cursor.HasMore {
			break
		}
		page = h.list("/v3/payments?pageSize=nonsense&query=nonsense&cursor=" + page.Cursor.Next)
		if page.Cursor.PageSize != 4 {
			t.Fatalf("the page size became %d", page.Cursor.PageSize)
		}
	}
	want := slices.DeleteFunc(names(30, 5), func(name string) bool { return strings.ContainsAny(name[len(name)-1:], "13579") })
	if diff := cmp.Diff(want, all); diff != "" {
		t.Errorf("even payments above 4 (-want +got):\n%s", diff)
	}
}

func TestCursorThatNobodyGaveIsRefused(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	h.install(connectorX, "acme")
	fill(h, 1, 3)
	good := h.list("/v3/payments?pageSize=1").Cursor.Next
	encode := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	for name, cursor := range map[string]string{
		"no base64":         "%21%21",
		"padded":            good + "%3D",
		"cut":               good[:len(good)-5],
		"no JSON":           encode("nonsense"),
		"null":              encode("null"),
		"another version":   encode(`{"v":2,"l":"payments","n":1}`),
		"another list":      encode(`{"v":1,"l":"accounts","n":1}`),
		"no size":           encode(`{"v":1,"l":"payments"}`),
		"a large size":      encode(`{"v":1,"l":"payments","n":101}`),
		"a negative size":   encode(`{"v":1,"l":"payments","n":-1}`),
		"a wrong filter":    encode(`{"v":1,"l":"payments","n":1,"f":{"$like":{"reference":"x"}}}`),
		"the reference's":   encode(`{"offset":15,"order":0,"pageSize":15,"filters":{"qb":{},"pageSize":15,"options":{}}}`),
		"a number too far":  encode(`{"v":1,"l":"payments","n":1,"k":9223372036854775808}`),
		"an instant of ill": encode(`{"v":1,"l":"payments","n":1,"t":"yesterday"}`),
	} {
		t.Run(name, func(t *testing.T) {
			a := h.get("/v3/payments?cursor=" + cursor)
			a.refused(http.StatusBadRequest, "VALIDATION", "invalid 'cursor' query param")
		})
	}
	h.get("/v3/accounts?cursor="+good).refused(http.StatusBadRequest, "VALIDATION", "invalid 'cursor' query param")
}

func TestFilterIsReadFromTheBodyBeforeTheQuery(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	h.install(connectorX, "acme")
	fill(h, 1, 5)
	one, two := `{"$match":{"reference":"tx-1"}}`, `{"$match":{"reference":"tx-2"}}`
	var page listed
	h.request(http.MethodGet, "/v3/payments?query="+url.QueryEscape(two), one).want(http.StatusOK).into(&page)
	if diff := cmp.Diff([]string{"tx-1"}, page.references()); diff != "" {
		t.Errorf("with both (-want +got):\n%s", diff)
	}
	page = h.list("/v3/payments?query=" + url.QueryEscape(two))
	if diff := cmp.Diff([]string{"tx-2"}, page.references()); diff != "" {
		t.Errorf("with the query alone (-want +got):\n%s", diff)
	}
}

func TestListsAreFilteredByWhatTheReferenceNames(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	furnish(h)
	second := hub.NewConnectorID(hub.Provider)
	h.install(second, "other")
	acc := hub.AccountID{Connector: connectorX, Reference: "acc-001"}.String()
	external := hub.AccountID{Connector: connectorX, Reference: "both", Type: hub.External}.String()
	own := hub.AccountID{Connector: connectorX, Reference: "both"}.String()
	tx := hub.PaymentID{Connector: connectorX, Reference: "tx-001", Type: hub.PayIn}.String()
	match := func(key, value string) string { return fmt.Sprintf(`{"$match":{%q:%q}}`, key, value) }
	for _, c := range []struct {
		list, filter string
		want         int
	}{
		{"connectors", match("id", connectorX.String()), 1},
		{"connectors", match("name", "other"), 1},
		{"connectors", `{"$lt":{"name":"b"}}`, 1},
		{"connectors", match("provider", "GENERIC"), 2},
		{"connectors", match("provider", "stripe"), 0},
		{"accounts", match("id", acc), 1},
		{"accounts", match("id", own), 1},
		{"accounts", match("id", external), 1},
		{"accounts", match("id", "nonsense"), 0},
		{"accounts", match("reference", "both"), 2},
		{"accounts", `{"$gte":{"reference":"b"}}`, 2},
		{"accounts", match("type", "EXTERNAL"), 1},
		{"accounts", match("name", "Öl & Söhne <AG>"), 1},
		{"accounts", match("connector_id", connectorX.String()), 3},
		{"accounts", match("connector_id", second.String()), 0},
		{"accounts", match("metadata[iban]", "DE00"), 1},
		{"accounts", match("metadata[iban]", "DE01"), 0},
		{"accounts", match("default_asset", "USD/2"), 0},
		{"accounts", `{"$or":[]}`, 3},
		{"accounts", `{"$not":` + match("type", "EXTERNAL") + `}`, 2},
		{"payments", match("id", tx), 1},
		{"payments", match("reference", "tx-002"), 1},
		{"payments", match("connector_id", connectorX.String()), 2},
		{"payments", match("type", "PAY-IN"), 2},
		{"payments", match("type", "PAYOUT"), 0},
		{"payments", match("asset", "USD/2"), 2},
		{"payments", match("scheme", "OTHER"), 2},
		{"payments", match("status", "REFUNDED"), 1},
		{"payments", match("source_account_id", acc), 1},
		{"payments", match("destination_account_id", acc), 0},
		{"payments", match("metadata[order]", "4711"), 1},
		{"payments", `{"$match":{"amount":30}}`, 1},
		{"payments", `{"$gt":{"amount":"1000000000000000000000"}}`, 1},
		{"payments", `{"$gte":{"initial_amount":123456789012345678901234567890}}`, 1},
		{"payments", `{"$lt":{"initial_amount":31}}`, 1},
		{"payments", `{"$lt":{"initial_amount":-31}}`, 0},
	} {
		page := h.list("/v3/" + c.list + "?query=" + url.QueryEscape(c.filter))
		if got := len(page.Cursor.Data); got != c.want {
			t.Errorf("%s with %s: %d items, want %d", c.list, c.filter, got, c.want)
		}
	}
}

func TestFilterThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	for _, list := range []string{"connectors", "accounts", "payments"} {
		for filter, part := range map[string]string{
			`{`:                                "the filter is not JSON",
			`"x"`:                              "must be a JSON object",
			`{"$like":{"reference":"x"}}`:      "$like can't be used here",
			`{"$match":{"created_at":"x"}}`:    "cannot list " + list + `: unknown key "created_at"`,
			"{\"$match\":{\"name\":\"\xff\"}}": "not valid UTF-8",
		} {
			a := h.request(http.MethodGet, "/v3/"+list, filter)
			code := "VALIDATION"
			if part == "not valid UTF-8" {
				code = "MISSING_OR_INVALID_BODY"
			}
			a.refused(http.StatusBadRequest, code, part)
		}
		h.get("/v3/"+list+"?query=%zz").refused(http.StatusBadRequest, "VALIDATION", "escape its values")
		h.get("/v3/"+list+"?query=%ff").refused(http.StatusBadRequest, "VALIDATION", "valid UTF-8")
		a := h.request(http.MethodGet, "/v3/"+list, strings.Repeat(" ", 200_000))
		a.refused(http.StatusRequestEntityTooLarge, "MISSING_OR_INVALID_BODY", "the body is too large")
	}
}

func TestBalancesAreNarrowedByAssetAndTime(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	furnish(h)
	target := "/v3/accounts/" + hub.AccountID{Connector: connectorX, Reference: "acc-001"}.String() + "/balances"
	at := func(after time.Duration) string { return url.QueryEscape(day.Add(after).Format(time.RFC3339Nano)) }
	for query, want := range map[string][]int64{
		"":                                {-25, 7, 100},
		"?asset=USD/2":                    {-25, 100},
		"?asset=EUR/2":                    nil,
		"?to=" + at(time.Second):          {7, 100},
		"?toTimestamp=" + at(time.Second): {7, 100},
		"?to=" + at(-time.Second):         nil,
		"?from=" + at(2*time.Minute):      {-25, 7}, // what was known last still holds
		"?fromTimestamp=" + at(time.Hour): {-25, 7},
		"?asset=USD/2&from=" + at(time.Second) + "&to=" + at(2*time.Second): {100},
		"?from=2024-05-01T12:20:00+02:00&asset=JPY":                         {7},
	} {
		page := h.list(target + query)
		var got []int64
		for _, item := range page.Cursor.Data {
			got = append(got, item.Balance)
		}
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", query, diff)
		}
	}
	for _, query := range []string{"?from=yesterday", "?to=2024-05-01", "?toTimestamp=0"} {
		h.get(target+query).refused(http.StatusBadRequest, "VALIDATION", "it must be an instant")
	}
	h.get("/v3/accounts/nonsense/balances").refused(http.StatusBadRequest, "VALIDATION", "accountID")
	first := h.list(target + "?asset=USD/2&pageSize=1")
	second := h.list(target + "?asset=JPY&cursor=" + first.Cursor.Next)
	if len(second.Cursor.Data) != 1 || second.Cursor.Data[0].Balance != 100 || second.Cursor.HasMore {
		t.Errorf("the second page is %+v", second)
	}
}
