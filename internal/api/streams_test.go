package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/api"
	"github.com/weirhq/weir/internal/hub"
)

// streamAnswer is what these tests look at in a stream.
type streamAnswer struct {
	Data struct {
		State     string     `json:"state"`
		CaughtUp  bool       `json:"caughtUp"`
		NextDueAt *time.Time `json:"nextDueAt"`
		PausedAt  *time.Time `json:"pausedAt"`
		Watermark *time.Time `json:"watermark"`
	} `json:"data"`
}

func (h *hubUnderTest) operate(target, body string) streamAnswer {
	h.Helper()
	var stream streamAnswer
	h.post(target, body).want(http.StatusOK).into(&stream)
	return stream
}

func TestStreamIsPausedResumedPolledAndRewound(t *testing.T) {
	t.Parallel()
	atDay(t, func(t *testing.T) {
		h := open(t, nil)
		furnish(h)
		target := "/v3/connectors/" + connectorX.String() + "/streams/transactions"
		now := time.Now()
		for range 2 { // twice is as good as once
			if s := h.operate(target+"/pause", ""); s.Data.State != "paused" || !s.Data.PausedAt.Equal(now) {
				t.Errorf("paused, the stream is %+v", s.Data)
			}
		}
		h.post(target+"/poll", "").refused(http.StatusBadRequest, "VALIDATION", "resume")
		time.Sleep(time.Hour)
		for range 2 {
			if s := h.operate(target+"/resume", ""); s.Data.PausedAt != nil {
				t.Errorf("resumed, the stream is %+v", s.Data)
			}
		}
		if s := h.operate(target+"/poll", ""); !s.Data.NextDueAt.Equal(time.Now()) {
			t.Errorf("to be polled now, the stream is %+v", s.Data)
		}
		to := day.Add(time.Minute)
		s := h.operate(target+"/rewind", fmt.Sprintf(`{"to":%q}`, to.In(time.FixedZone("", 7200)).Format(time.RFC3339Nano)))
		if !s.Data.Watermark.Equal(to) || s.Data.CaughtUp {
			t.Errorf("rewound, the stream is %+v", s.Data)
		}
		if s := h.operate(target+"/rewind", `{"to":"0001-01-01T00:00:00Z"}`); s.Data.Watermark != nil {
			t.Errorf("rewound to the beginning, the stream is %+v", s.Data)
		}
	})
}

func TestRewindToNowhereIsRefused(t *testing.T) {
	t.Parallel()
	atDay(t, func(t *testing.T) {
		h := open(t, nil)
		furnish(h)
		target := "/v3/connectors/" + connectorX.String() + "/streams/"
		for _, c := range []struct{ stream, body, code, part string }{
			{"transactions", ``, "MISSING_OR_INVALID_BODY", "a body is needed"},
			{"transactions", `{}`, "VALIDATION", "to is required"},
			{"transactions", `{"to":"yesterday"}`, "VALIDATION", "to is required"},
			{"transactions", `{"to":5}`, "VALIDATION", "to can't be a number"},
			{"transactions", `{"to":"2099-01-01T00:00:00Z"}`, "VALIDATION", "future"},
			{"transactions", fmt.Sprintf(`{"to":%q}`, day.Add(2*time.Hour).Format(time.RFC3339)), "VALIDATION", "earlier"},
			{"balances", `{"to":"2024-01-01T00:00:00Z"}`, "VALIDATION", ""},
		} {
			h.post(target+c.stream+"/rewind", c.body).refused(http.StatusBadRequest, c.code, c.part)
		}
	})
}

func TestStreamsOfAllConnectorsAreListedByName(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	h.install(connectorX, "zebra")
	h.install(hub.NewConnectorID(hub.Provider), "acme")
	var list struct {
		Data []struct {
			Name     string `json:"connectorName"`
			Resource string `json:"resource"`
			State    string `json:"state"`
		} `json:"data"`
	}
	h.get("/v3/streams").want(http.StatusOK).into(&list)
	var got []string
	for _, s := range list.Data {
		got = append(got, s.Name+" "+s.Resource+" "+s.State)
	}
	want := []string{
		"acme accounts reading", "acme balances reading", "acme beneficiaries reading", "acme transactions reading",
		"zebra accounts reading", "zebra balances reading", "zebra beneficiaries reading", "zebra transactions reading",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the streams (-want +got):\n%s", diff)
	}
}

func TestRejectionsAreListedUntilTheyAreResolved(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	furnish(h)
	target := "/v3/connectors/" + connectorX.String() + "/streams/transactions/rejections"
	count := func(query string) int { return len(h.list(target + query).Cursor.Data) }
	if got := count(""); got != 2 {
		t.Fatalf("%d are listed, want 2", got)
	}
	replay := func(id string) (resolved bool) {
		var body struct {
			Data struct {
				Resolved bool `json:"resolved"`
			} `json:"data"`
		}
		h.post(target+"/"+id+"/replay", "").want(http.StatusOK).into(&body)
		return body.Data.Resolved
	}
	if replay("1") || !replay("2") || !replay("2") {
		t.Error("the first can't be read, the second can, twice as well as once")
	}
	if open, all := count("?open=true"), count("?open=false"); open != 1 || all != 2 {
		t.Errorf("%d of %d are open, want 1 of 2", open, all)
	}
	page := h.list(target + "?open=false&pageSize=1")
	if next := h.list(target + "?cursor=" + page.Cursor.Next); len(next.Cursor.Data) != 1 || next.Cursor.HasMore {
		t.Errorf("the second page is %+v", next)
	}
}

func TestReplayTellsWhatWentWrongAtTheService(t *testing.T) {
	t.Parallel()
	var thrown error
	h := open(t, func(o *api.Options) {
		o.Replay = func(context.Context, hub.Rejection) (api.ReplayResult, error) { return api.ReplayResult{}, thrown }
	})
	furnish(h)
	target := "/v3/connectors/" + connectorX.String() + "/streams/transactions/rejections/1/replay"
	thrown = fmt.Errorf("replay: %w", hub.Errorf(hub.CodeTimeout, "the service did not answer within 30s"))
	var body struct {
		Data struct {
			Resolved bool   `json:"resolved"`
			Reason   string `json:"reason"`
		} `json:"data"`
	}
	h.post(target, "").want(http.StatusOK).into(&body)
	if body.Data.Resolved || body.Data.Reason != "the service did not answer within 30s" {
		t.Errorf("the answer is %+v", body.Data)
	}
	thrown = hub.Errorf(hub.CodeStale, "the stream was read by somebody else; ask again")
	h.post(target, "").refused(http.StatusBadRequest, "CONFLICT", "ask again")
	thrown = errors.New("the disk is full")
	h.post(target, "").refused(http.StatusInternalServerError, "INTERNAL", "the log says why")
}
