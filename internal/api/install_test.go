package api_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/hub"
)

// installed is the identifier in an answer to an installation.
func installed(a *answer) hub.ConnectorID {
	a.Helper()
	var body struct {
		Data string `json:"data"`
	}
	a.want(http.StatusAccepted).into(&body)
	id, err := hub.ParseConnectorID(body.Data)
	if err != nil {
		a.Fatal(err)
	}
	return id
}

func (h *hubUnderTest) connector(id hub.ConnectorID) hub.Connector {
	h.Helper()
	c, err := h.store.Connector(h.Context(), id)
	if err != nil {
		h.Fatal(err)
	}
	return c
}

func TestInstalledConnectorIsStoredAsItWasSent(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	id := installed(h.post("/v3/connectors/install/GENERIC", `{
		"NAME": "acme", "ApiKey": "k", "endpoint": "https://psp.example.com:8443/api/v1//", "pollingPeriod": "1m30s",
		"requestsPerSecond": 2.5, "concurrency": 4, "provider": "Generic", "pageSize": 25, "unknown": {"a": []}}`))
	c := h.connector(id)
	if id.Provider != "generic" || c.Name != "acme" {
		t.Errorf("it is %+v", c)
	}
	want := hub.Config{
		Endpoint: "https://psp.example.com:8443/api/v1", APIKey: hub.NewSecret("k"),
		PollingPeriod: 90 * time.Second, RequestsPerSecond: 2.5, Concurrency: 4,
	}
	if c.Config != want {
		t.Errorf("its configuration is %+v, want %+v", c.Config, want)
	}
	streams, err := h.store.Streams(t.Context(), id)
	if err != nil || len(streams) != len(hub.Resources()) {
		t.Errorf("it has %d streams (%v)", len(streams), err)
	}
}

func TestPollingPeriodHasADefault(t *testing.T) {
	t.Parallel()
	h := open(t, func(o *api.Options) { o.PollingPeriodDefault = 7 * time.Second })
	for i, period := range []string{"", `,"pollingPeriod":""`, `,"pollingPeriod":null`} {
		body := fmt.Sprintf(`{"name":"name-%d","apiKey":"k","endpoint":"http://localhost"%s}`, i, period)
		c := h.connector(installed(h.post("/v3/connectors/install/generic", body)))
		if c.Config.PollingPeriod != 7*time.Second {
			t.Errorf("%q: the period is %s", period, c.Config.PollingPeriod)
		}
	}
}

func TestConfigurationThatCannotWorkIsRefused(t *testing.T) {
	t.Parallel()
	h := open(t, func(o *api.Options) { o.PollingPeriodMinimum = 2 * time.Second })
	h.install(connectorX, "taken")
	valid := map[string]string{"name": `"acme"`, "apiKey": `"k"`, "endpoint": `"https://psp.example.com"`}
	for _, c := range []struct{ key, value, part string }{
		{"name", ``, "name is required"},
		{"name", `""`, "name is required"},
		{"name", `"ab"`, "name must have 3 to 500 characters, not 2"},
		{"name", `"` + strings.Repeat("é", 501) + `"`, "not 501"},
		{"name", `"a\u0000b"`, "control characters"},
		{"name", `5`, "name can't be a number"},
		{"apiKey", ``, "apiKey is required"},
		{"apiKey", `""`, "apiKey is required"},
		{"apiKey", `"***"`, "the mask"},
		{"apiKey", `" k"`, "white space"},
		{"apiKey", `"k\n"`, "white space"},
		{"apiKey", `"k\nk"`, "visible ASCII"},
		{"apiKey", `"schlüssel"`, "visible ASCII"},
		{"apiKey", `["k"]`, "apiKey can't be an array"},
		{"endpoint", ``, "endpoint is required"},
		{"endpoint", `"not a url"`, "begins with http:// or https://"},
		{"endpoint", `"psp.example.com"`, "begins with http:// or https://"},
		{"endpoint", `"ftp://psp.example.com"`, "begins with http:// or https://"},
		{"endpoint", `"https://"`, "names a host"},
		{"endpoint", `"https:psp.example.com"`, "names a host"},
		{"endpoint", `"https://psp.example.com:99999"`, "port"},
		{"endpoint", `"https://psp.example.com:99999999999999999999"`, "port"},
		{"endpoint", `"https://u@psp.example.com"`, "user or password"},
		{"endpoint", `"https://psp.example.com/?a=b"`, "query or a fragment"},
		{"endpoint", `"https://psp.example.com/?"`, "query or a fragment"},
		{"endpoint", `"https://psp.example.com/#a"`, "query or a fragment"},
		{"endpoint", `"https://psp.example.com/#"`, "query or a fragment"},
		{"endpoint", `"https://psp.example.com/\u0000"`, "begins with http:// or https://"},
		{"pollingPeriod", `"0s"`, "at least 2s"},
		{"pollingPeriod", `"1999ms"`, "at least 2s"},
		{"pollingPeriod", `"-5m"`, "at least 2s"},
		{"pollingPeriod", `"abc"`, "must be a duration"},
		{"pollingPeriod", `"30"`, "must be a duration"},
		{"pollingPeriod", `30`, "pollingPeriod can't be a number"},
		{"requestsPerSecond", `-1`, "requestsPerSecond must lie between"},
		{"requestsPerSecond", `0.001`, "requestsPerSecond must lie between"},
		{"requestsPerSecond", `1e9`, "requestsPerSecond must lie between"},
		{"requestsPerSecond", `1e999`, "requestsPerSecond can't be"},
		{"requestsPerSecond", `"many"`, "requestsPerSecond can't be a string"},
		{"concurrency", `-1`, "concurrency must lie between"},
		{"concurrency", `1001`, "concurrency must lie between"},
		{"concurrency", `1.5`, "concurrency can't be"},
	} {
		var members []string
		for key, value := range valid {
			if key != c.key {
				members = append(members, fmt.Sprintf("%q:%s", key, value))
			}
		}
		if c.value != "" {
			members = append(members, fmt.Sprintf("%q:%s", c.key, c.value))
		}
		h.post("/v3/connectors/install/generic", "{"+strings.Join(members, ",")+"}").
			refused(http.StatusBadRequest, "VALIDATION", c.part)
	}
	h.post("/v3/connectors/install/generic", `{"name":"taken","apiKey":"k","endpoint":"http://localhost"}`).
		refused(http.StatusBadRequest, "CONFLICT", "taken")
	h.post("/v3/connectors/install/stripe", `{}`).refused(http.StatusBadRequest, "VALIDATION", `no connector "stripe"`)
	if page := h.list("/v3/connectors"); len(page.Cursor.Data) != 1 {
		t.Errorf("%d connectors are installed, want the one from before", len(page.Cursor.Data))
	}
}

func TestBodyThatIsNoObjectIsRefused(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	for body, part := range map[string]string{
		"":                    "a body is needed",
		" \n":                 "a body is needed",
		"<html>":              "not JSON",
		"{":                   "not JSON",
		`{"name":"acme"} {}`:  "not JSON",
		"[]":                  "must be a JSON object, not an array",
		`"x"`:                 "must be a JSON object, not a string",
		"{\"name\":\"\xff\"}": "not valid UTF-8",
	} {
		h.post("/v3/connectors/install/generic", body).refused(http.StatusBadRequest, "MISSING_OR_INVALID_BODY", part)
	}
	h.post("/v3/connectors/install/generic", strings.Repeat("[", 100_000)).
		refused(http.StatusBadRequest, "MISSING_OR_INVALID_BODY", "not JSON")
	h.post("/v3/connectors/install/generic", strings.Repeat(" ", 500_001)).
		refused(http.StatusRequestEntityTooLarge, "MISSING_OR_INVALID_BODY", "500000 bytes")
}

func TestConfigurationIsReplacedAndTheMaskKeepsTheKey(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	h.install(connectorX, "acme")
	h.install(hub.NewConnectorID(hub.Provider), "taken")
	target := "/v3/connectors/" + connectorX.String() + "/config"
	patch := func(name, key, endpoint, rest string) *answer {
		return h.request(http.MethodPatch, target, fmt.Sprintf(`{"name":%q,"apiKey":%q,"endpoint":%q%s}`, name, key, endpoint, rest))
	}
	done := patch("renamed", "***", "https://PSP.example.com/v2", `,"pollingPeriod":"1h","concurrency":3`).want(http.StatusNoContent)
	if len(done.body) != 0 || done.header.Get("Content-Type") != "application/json" {
		t.Errorf("answered with %q as %q", done.body, done.header.Get("Content-Type"))
	}
	c := h.connector(connectorX)
	if c.Name != "renamed" || c.Config.APIKey.Reveal() != "s3cret" || c.Config.PollingPeriod != time.Hour || c.Config.Concurrency != 3 {
		t.Errorf("it is %s with %+v and the key %s", c.Name, c.Config, c.Config.APIKey.Reveal())
	}
	for _, elsewhere := range []string{"https://evil.example.com", "http://psp.example.com/v1", "https://psp.example.com:8443"} {
		patch("renamed", "***", elsewhere, "").refused(http.StatusBadRequest, "VALIDATION", "sent again")
	}
	patch("taken", "k", "https://evil.example.com", "").refused(http.StatusBadRequest, "CONFLICT", "taken")
	patch("renamed", "", "https://psp.example.com", "").refused(http.StatusBadRequest, "VALIDATION", "apiKey is required")
	if now := h.connector(connectorX); now.Config != c.Config || now.Name != c.Name {
		t.Errorf("a refusal has changed it to %s with %+v", now.Name, now.Config)
	}
	patch("renamed", "other", "https://other.example.com", "").want(http.StatusNoContent)
	c = h.connector(connectorX)
	if c.Config.APIKey.Reveal() != "other" || c.Config.PollingPeriod != api.DefaultPollingPeriod || c.Config.Concurrency != 0 {
		t.Errorf("it was not replaced as a whole: %+v", c.Config)
	}
}

func TestUninstallMayBeAskedForAgainWhileItRuns(t *testing.T) {
	t.Parallel()
	calls := 0
	h := open(t, func(o *api.Options) {
		o.Uninstall = func(context.Context, hub.ConnectorID) error { calls++; return nil }
	})
	first := h.request(http.MethodDelete, "/v3/connectors/"+connectorX.String(), "").want(http.StatusAccepted)
	again := h.request(http.MethodDelete, "/v3/connectors/"+connectorX.String(), "").want(http.StatusAccepted)
	if !bytes.Equal(first.body, again.body) || calls != 2 {
		t.Errorf("%d calls, answered with %s and %s", calls, first.body, again.body)
	}
}
