package api

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/hub"
)

// The examples are those of the reference; clients build such identifiers on
// their own, so not a byte may differ.
func TestIdentifiersAreTheReferencesByteForByte(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, got, want string }{
		{"connector", connectorX.String(), "eyJQcm92aWRlciI6ImdlbmVyaWMiLCJSZWZlcmVuY2UiOiIxMTExMTExMS0yMjIyLTQzMzMtODQ0NC01NTU1NTU1NTU1NTUifQ"},
		{"account", accountX.String(), "eyJDb25uZWN0b3JJRCI6eyJQcm92aWRlciI6ImdlbmVyaWMiLCJSZWZlcmVuY2UiOiIxMTExMTExMS0yMjIyLTQzMzMtODQ0NC01NTU1NTU1NTU1NTUifSwiUmVmZXJlbmNlIjoiYWNjLTAwMSJ9"},
		{"payment", paymentX.String(), "eyJDb25uZWN0b3JJRCI6eyJQcm92aWRlciI6ImdlbmVyaWMiLCJSZWZlcmVuY2UiOiIxMTExMTExMS0yMjIyLTQzMzMtODQ0NC01NTU1NTU1NTU1NTUifSwiUmVmZXJlbmNlIjoidHgtMDAxIiwiVHlwZSI6IlBBWS1JTiJ9"},
		{"adjustment", hub.PaymentAdjustmentID{
			Payment: paymentX, CreatedAt: time.Date(2024, 5, 1, 10, 20, 30, 5e8, time.UTC), Reference: "tx-001", Status: hub.Succeeded,
		}.String(), "eyJDcmVhdGVkQXQiOiIyMDI0LTA1LTAxVDEwOjIwOjMwLjVaIiwiUGF5bWVudElEIjp7IkNvbm5lY3RvcklEIjp7IlByb3ZpZGVyIjoiZ2VuZXJpYyIsIlJlZmVyZW5jZSI6IjExMTExMTExLTIyMjItNDMzMy04NDQ0LTU1NTU1NTU1NTU1NSJ9LCJSZWZlcmVuY2UiOiJ0eC0wMDEiLCJUeXBlIjoiUEFZLUlOIn0sIlJlZmVyZW5jZSI6InR4LTAwMSIsIlN0YXR1cyI6IlNVQ0NFRURFRCJ9"},
		{"task", taskID(connectorX, "uninstall-stk"), "eyJDb25uZWN0b3JJRCI6eyJQcm92aWRlciI6ImdlbmVyaWMiLCJSZWZlcmVuY2UiOiIxMTExMTExMS0yMjIyLTQzMzMtODQ0NC01NTU1NTU1NTU1NTUifSwiUmVmZXJlbmNlIjoidW5pbnN0YWxsLXN0ay1nZW5lcmljLTExMTExMTExLTIyMjItNDMzMy04NDQ0LTU1NTU1NTU1NTU1NSJ9"},
	}
	for _, c := range cases {
		if c.got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, c.got, c.want)
		}
	}
}

func TestInstantIsUTCCutToMicroseconds(t *testing.T) {
	t.Parallel()
	paris := time.FixedZone("", 7200)
	for want, at := range map[string]time.Time{
		`"2024-05-01T10:20:30Z"`:        time.Date(2024, 5, 1, 12, 20, 30, 999, paris),
		`"2024-05-01T10:20:30.5Z"`:      time.Date(2024, 5, 1, 10, 20, 30, 5e8, time.UTC),
		`"2024-05-01T10:20:30.123456Z"`: time.Date(2024, 5, 1, 10, 20, 30, 123456999, time.UTC),
		`"0001-01-01T00:00:00Z"`:        {},
	} {
		got, err := json.Marshal(instant(at))
		if err != nil || string(got) != want {
			t.Errorf("%v is written %s (%v), want %s", at, got, err, want)
		}
	}
}

func TestRawIsAnObjectWhateverTheStoreHolds(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		`{"a": 1e400, "b":123456789012345678901234567890, "c":"é<&>\u0000"}`: `{"a":1e400,"b":123456789012345678901234567890,"c":"é<&>\u0000"}`,
		``:                  `{}`,
		`[1]`:               `{"unreadable":"[1]"}`,
		`{"a":`:             `{"unreadable":"{\"a\":"}`,
		"{\"a\":\"\xff\"}":  `{"unreadable":"{\"a\":\"\ufffd\"}"}`,
		` {"a":1} ` + "\n ": `{"a":1}`,
	} {
		got, err := encodeJSON(rawObject([]byte(raw)))
		if err != nil || string(got) != want+"\n" {
			t.Errorf("%q is shown as %s (%v), want %s", raw, got, err, want)
		}
	}
}
