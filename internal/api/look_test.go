package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/hub"
)

// A watcher is what the API looks with, and remembers what it was asked.
type watcher struct {
	look  hub.Look
	err   error
	asked []hub.Connector
}

func (w *watcher) at(_ context.Context, c hub.Connector) (hub.Look, error) {
	w.asked = append(w.asked, c)
	return w.look, w.err
}

// openWith makes a hub that looks before it installs.
func openWith(t *testing.T, w *watcher) *hubUnderTest {
	t.Helper()
	return open(t, func(o *api.Options) { o.Look = w.at })
}

const wanted = `{"name":"acme","apiKey":"k","endpoint":"https://psp.example.com","requestsPerSecond":5%s}`

func TestAServiceIsLookedAtAndWhatWasFoundIsShown(t *testing.T) {
	t.Parallel()
	w := &watcher{look: hub.Look{State: hub.LookSound, Sentence: "it answers", At: day, Findings: []hub.LookFinding{
		{Check: "A5", Text: "the key travels in the clear"}, {Check: "C4", Resource: hub.Transactions, Text: "pages are short"},
	}}}
	h := openWith(t, w)
	id := installed(h.post("/v3/connectors/install/generic", fmt.Sprintf(wanted, "")))
	if len(w.asked) != 1 || w.asked[0].Config.APIKey.Reveal() != "k" || w.asked[0].Config.RequestsPerSecond != 5 {
		t.Errorf("asked for %+v", w.asked)
	}
	var list struct {
		Cursor struct {
			Data []struct {
				Look json.RawMessage `json:"look"`
			} `json:"data"`
		} `json:"cursor"`
	}
	h.get("/v3/connectors").want(http.StatusOK).into(&list)
	var own data
	h.get("/v3/connectors/" + id.String() + "/look").want(http.StatusOK).into(&own)
	const want = `{"state":"sound","sentence":"it answers","at":"2024-05-01T10:20:30.5Z","findings":[` +
		`{"check":"A5","resource":null,"text":"the key travels in the clear"},{"check":"C4","resource":"transactions","text":"pages are short"}]}`
	if string(own.Data) != want {
		t.Errorf("the look is %s", own.Data)
	}
	if len(list.Cursor.Data) != 1 || string(list.Cursor.Data[0].Look) != string(own.Data) {
		t.Errorf("the list shows %s, the look is %s", list.Cursor.Data[0].Look, own.Data)
	}
	var streams struct {
		Data []struct {
			Resource string `json:"resource"`
			Findings []struct{ Code, Text string }
		} `json:"data"`
	}
	h.get("/v3/connectors/" + id.String() + "/streams").want(http.StatusOK).into(&streams)
	for _, s := range streams.Data {
		if s.Resource != "transactions" && len(s.Findings) > 0 || s.Resource == "transactions" && (len(s.Findings) != 1 || s.Findings[0].Code != "LOOK_C4") {
			t.Errorf("%s shows %+v", s.Resource, s.Findings)
		}
	}
}

// data is an answer whose content is read later.
type data struct {
	Data json.RawMessage `json:"data"`
}

func TestWhatCannotWorkIsRefusedUnlessItIsForced(t *testing.T) {
	t.Parallel()
	for _, state := range []hub.LookState{hub.LookRefused, hub.LookForeign} {
		w := &watcher{look: hub.Look{State: state, Sentence: "the reason", At: day}}
		h := openWith(t, w)
		for _, rest := range []string{"", `,"force":false`, `,"force":null`} {
			h.post("/v3/connectors/install/generic", fmt.Sprintf(wanted, rest)).
				refused(http.StatusBadRequest, "VALIDATION", `the reason; mend that, or send "force": true`)
		}
		h.post("/v3/connectors/install/generic", fmt.Sprintf(wanted, `,"force":"yes"`)).
			refused(http.StatusBadRequest, "VALIDATION", "force can't be a string")
		if page := h.list("/v3/connectors"); len(page.Cursor.Data) != 0 {
			t.Error("it was installed")
		}
		id := installed(h.post("/v3/connectors/install/generic", fmt.Sprintf(wanted, `,"FORCE":true`)))
		if c := h.connector(id); c.Look == nil || c.Look.State != state {
			t.Errorf("%s: the look is %+v", state, c.Look)
		}
		if body := h.get("/v3/connectors/" + id.String() + "/config").want(http.StatusOK).body; strings.Contains(string(body), "orce") {
			t.Errorf("force was kept: %s", body)
		}
	}
}

func TestAServiceThatDoesNotAnswerIsInstalledAllTheSame(t *testing.T) {
	t.Parallel()
	h := openWith(t, &watcher{look: hub.Look{State: hub.LookUnreached, Sentence: "nobody there", At: day}})
	c := h.connector(installed(h.post("/v3/connectors/install/generic", fmt.Sprintf(wanted, ""))))
	if c.Look == nil || c.Look.State != hub.LookUnreached || c.Look.Sentence != "nobody there" {
		t.Errorf("the look is %+v", c.Look)
	}
}

func TestNothingIsAskedOfAServiceForWhatIsRefusedAnyway(t *testing.T) {
	t.Parallel()
	w := &watcher{err: errors.New("nobody should have looked")}
	h := openWith(t, w)
	h.install(connectorX, "acme")
	h.post("/v3/connectors/install/generic", fmt.Sprintf(wanted, "")).refused(http.StatusBadRequest, "CONFLICT", `"acme" is taken`)
	h.post("/v3/connectors/install/generic", `{"name":"other","apiKey":"","endpoint":"https://a.example.com"}`).
		refused(http.StatusBadRequest, "VALIDATION", "apiKey is required")
	if len(w.asked) > 0 {
		t.Errorf("%d looks", len(w.asked))
	}
	h.post("/v3/connectors/install/generic", `{"name":"other","apiKey":"k","endpoint":"https://a.example.com"}`).
		refused(http.StatusInternalServerError, "INTERNAL", "the log says why")
	if page := h.list("/v3/connectors"); len(page.Cursor.Data) != 1 {
		t.Error("it was installed")
	}
}

func TestAnotherEndpointOrKeyIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	w := &watcher{look: hub.Look{State: hub.LookSound, Sentence: "fine", At: day}}
	h := openWith(t, w)
	id := installed(h.post("/v3/connectors/install/generic", fmt.Sprintf(wanted, "")))
	patch := func(key, endpoint, rest string) *answer {
		return h.request(http.MethodPatch, "/v3/connectors/"+id.String()+"/config",
			fmt.Sprintf(`{"name":"acme","apiKey":%q,"endpoint":%q%s}`, key, endpoint, rest))
	}
	const home, other = "https://psp.example.com", "https://psp.example.com/v2"
	looks := func(what string, want int, state hub.LookState) {
		t.Helper()
		if c := h.connector(id); len(w.asked) != want || c.Look.State != state {
			t.Errorf("%s: %d looks, want %d; it is %s, want %s", what, len(w.asked), want, c.Look.State, state)
		}
	}
	patch("***", home, `,"pollingPeriod":"1m"`).want(http.StatusNoContent)
	patch("k", home, "").want(http.StatusNoContent)
	looks("the same endpoint and key", 1, hub.LookSound)
	w.look = hub.Look{State: hub.LookRefused, Sentence: "no", At: day}
	patch("new", home, "").refused(http.StatusBadRequest, "VALIDATION", `"force": true`)
	patch("***", other, "").refused(http.StatusBadRequest, "VALIDATION", `"force": true`)
	if c := h.connector(id); c.Config.Endpoint != home || c.Config.APIKey.Reveal() != "k" {
		t.Errorf("a refusal has changed it: %+v", c.Config)
	}
	looks("a refused key", 3, hub.LookSound)
	patch("new", home, `,"force":true`).want(http.StatusNoContent)
	looks("a key that was forced", 4, hub.LookRefused)
	patch("***", home, `,"pollingPeriod":"2m"`).want(http.StatusNoContent)
	looks("a period, while the key is still refused", 5, hub.LookRefused)
	w.look = hub.Look{State: hub.LookSound, Sentence: "fine again", At: day}
	patch("***", home, "").want(http.StatusNoContent)
	looks("the same, to be looked at once more", 6, hub.LookSound)
}

func TestALookThatNobodyTookIsNull(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	h.install(connectorX, "acme")
	var body data
	h.get("/v3/connectors/" + connectorX.String() + "/look").want(http.StatusOK).into(&body)
	if string(body.Data) != "null" {
		t.Errorf("it is %s", body.Data)
	}
}
