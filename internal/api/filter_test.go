package api

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weirhq/weir/internal/hub"
)

var (
	connectorX = hub.ConnectorID{Provider: "generic", Reference: "11111111-2222-4333-8444-555555555555"}
	accountX   = hub.AccountID{Connector: connectorX, Reference: "acc-001"}
	paymentX   = hub.PaymentID{Connector: connectorX, Reference: "tx-001", Type: hub.PayIn}
)

func TestFilterBecomesConditions(t *testing.T) {
	t.Parallel()
	text := func(field hub.TextField, operator hub.Operator, text string) hub.Filter {
		return hub.CompareText{Field: field, Operator: operator, Text: text}
	}
	huge, _ := hub.ParseAmount("123456789012345678901234567890")
	cases := []struct {
		name, filter string
		fields       *fieldSet
		want         hub.Filter
	}{
		{"nothing", ``, paymentFields, nil},
		{"an empty object", `{}`, paymentFields, nil},
		{"null", `null`, paymentFields, nil},
		{"a text", `{"$match":{"reference":"a&b"}}`, paymentFields, text("reference", "=", "a&b")},
		{"an order", `{"$gte":{"reference":"m"}}`, accountFields, text("reference", ">=", "m")},
		{"a provider in any case", `{"$match":{"provider":"Generic"}}`, connectorFields, text("provider", "=", "generic")},
		{"an integer", `{"$gt":{"amount":5}}`, paymentFields, hub.CompareAmount{Field: "amount", Operator: ">", Amount: hub.NewAmount(5)}},
		{"digits", `{"$lte":{"initial_amount":"-5"}}`, paymentFields, hub.CompareAmount{Field: "initial_amount", Operator: "<=", Amount: hub.NewAmount(-5)}},
		{"thirty digits", `{"$lt":{"amount":123456789012345678901234567890}}`, paymentFields, hub.CompareAmount{Field: "amount", Operator: "<", Amount: huge}},
		{"a connector", `{"$match":{"connector_id":"` + connectorX.String() + `"}}`, accountFields, hub.OfConnector{ID: connectorX}},
		{"a connector by id", `{"$match":{"id":"` + connectorX.String() + `"}}`, connectorFields, hub.OfConnector{ID: connectorX}},
		{"an account", `{"$match":{"id":"` + accountX.String() + `"}}`, accountFields, hub.IsAccount{ID: accountX}},
		{"a payment", `{"$match":{"id":"` + paymentX.String() + `"}}`, paymentFields, hub.IsPayment{ID: paymentX}},
		{
			"a counterpart", `{"$match":{"source_account_id":"` + accountX.String() + `"}}`, paymentFields,
			hub.And{hub.OfConnector{ID: connectorX}, text("source_account", "=", "acc-001")},
		},
		{"an identifier that names nothing", `{"$match":{"id":"nonsense"}}`, paymentFields, never},
		{"a key that Weir has nothing for", `{"$match":{"psu_id":"x"}}`, accountFields, never},
		{"metadata", `{"$match":{"metadata[a[b]c]":"v"}}`, accountFields, hub.HasMetadata{Key: "a[b]c", Value: "v"}},
		{"an empty set of alternatives is true", `{"$or":[]}`, paymentFields, hub.And{}},
		{"an empty set of conditions is true", `{"$and":[]}`, paymentFields, hub.And{}},
		{
			"a tree", `{"$and":[{"$or":[{"$match":{"status":"PENDING"}},{"$match":{"status":"SUCCEEDED"}}]},{"$not":{"$match":{"type":"PAY-IN"}}}]}`,
			paymentFields,
			hub.And{
				hub.Or{text("status", "=", "PENDING"), text("status", "=", "SUCCEEDED")},
				hub.Not{Filter: text("type", "=", "PAY-IN")},
			},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := parseFilter([]byte(c.filter), c.fields)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.filter, diff)
			}
		})
	}
}

func TestFilterThatCannotBeKeptIsRefusedWithASentence(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"$not":`, 30) + `{"$match":{"reference":"x"}}` + strings.Repeat(`}`, 30)
	wide := `{"$or":[` + strings.TrimSuffix(strings.Repeat(`{"$match":{"reference":"x"}},`, 501), ",") + `]}`
	cases := []struct{ name, filter, want string }{
		{"an unknown key", `{"$match":{"createdAt":"x"}}`, `unknown key "createdAt"`},
		{"the keys that there are", `{"$match":{"k":"x"}}`, "metadata[key]"},
		{"an order where there is none", `{"$gt":{"reference":"x"}}`, "'reference' can only be used with $match"},
		{"an order of identifiers", `{"$gt":{"id":"x"}}`, "'id' can only be used with $match"},
		{"an order of metadata", `{"$lt":{"metadata[k]":"x"}}`, "'metadata[k]' can only be used with $match"},
		{"$like", `{"$like":{"reference":"x%"}}`, "$like can't be used here"},
		{"$in", `{"$in":{"reference":["x"]}}`, "$in can't be used here"},
		{"$exists", `{"$exists":{"metadata[k]":true}}`, "$exists can't be used here"},
		{"an unknown operator", `{"$near":{"reference":"x"}}`, `unknown operator "$near"`},
		{"two operators", `{"$match":{"reference":"x"},"$not":{}}`, "exactly one operator"},
		{"two keys", `{"$match":{"reference":"x","type":"y"}}`, "exactly one key"},
		{"no key", `{"$match":{}}`, "exactly one key"},
		{"an empty part", `{"$and":[{}]}`, "exactly one operator"},
		{"a set that is none", `{"$and":{}}`, "$and takes an array"},
		{"a text in place of a part", `{"$not":"x"}`, "exactly one operator"},
		{"an array at the top", `[]`, "must be a JSON object"},
		{"a number for a text", `{"$match":{"reference":5}}`, "'reference' must be held against a text"},
		{"null for a text", `{"$match":{"reference":null}}`, "'reference' must be held against a text"},
		{"a word for an amount", `{"$match":{"amount":"much"}}`, "'amount' must be held against an integer"},
		{"a point in an amount", `{"$match":{"amount":12.5}}`, "'amount' must be held against an integer"},
		{"an exponent in an amount", `{"$match":{"amount":1e3}}`, "'amount' must be held against an integer"},
		{"metadata of another kind", `{"$match":{"metadata[k]":{"a":"b"}}}`, "'metadata[k]' must be held against a text"},
		{"too deep", deep, "too large"},
		{"too wide", wide, "too large"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			filter, err := parseFilter([]byte(c.filter), paymentFields)
			var f *failure
			if !errors.As(err, &f) || f.status != http.StatusBadRequest || f.code != codeValidation {
				t.Fatalf("%.60s: got %v and error %v, want 400 VALIDATION", c.filter, filter, err)
			}
			if !strings.Contains(f.message, c.want) {
				t.Errorf("the message is %q, want it to hold %q", f.message, c.want)
			}
		})
	}
}

func FuzzFilterIsParsedOrRefused(f *testing.F) {
	f.Add(`{"$and":[{"$match":{"amount":1}},{"$not":{"$gt":{"initial_amount":"2"}}}]}`)
	f.Add(`{"$or":[{"$match":{"metadata[k]":"v"}}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := parseFilter([]byte(text), paymentFields)
		var refused *failure
		if err != nil && !errors.As(err, &refused) {
			t.Fatalf("%q: %v is not an answer", text, err)
		}
		if err == nil && filter == nil && len(strings.Trim(text, " \t\r\n{}nul")) > 0 && strings.HasPrefix(text, `{"$`) {
			t.Fatalf("%q: a filter was passed over", text)
		}
	})
}
