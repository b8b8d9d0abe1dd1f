package api

import (
	"context"
	"math"
	"net/http"
	"time"

	"github.com/weirhq/weir/internal/hub"
)

// streamForm is a stream for an operator: what is read, how far, whether it
// goes well, and what happens next.
type streamForm struct {
	ConnectorID   hub.ConnectorID `json:"connectorID"`
	ConnectorName string          `json:"connectorName"`
	Resource      hub.Resource    `json:"resource"`
	State         hub.StreamState `json:"state"`
	// Summary says the same in a sentence or two.
	Summary   string   `json:"summary"`
	Period    string   `json:"period"`
	NextDueAt *instant `json:"nextDueAt"`
	PausedAt  *instant `json:"pausedAt"`
	CaughtUp  bool     `json:"caughtUp"`
	Watermark *instant `json:"watermark"`
	// LagSeconds is how far the stored data may be behind the service.
	LagSeconds          int64         `json:"lagSeconds"`
	LastPollAt          *instant      `json:"lastPollAt"`
	LastSuccessAt       *instant      `json:"lastSuccessAt"`
	FailingSince        *instant      `json:"failingSince"`
	ConsecutiveFailures int           `json:"consecutiveFailures"`
	LastError           *errorForm    `json:"lastError"`
	OpenRejections      int64         `json:"openRejections"`
	Versions            int64         `json:"versions"`
	Requests            int64         `json:"requests"`
	LateRows            int64         `json:"lateRows"`
	LateMaxSeconds      int64         `json:"lateMaxSeconds"`
	Findings            []findingForm `json:"findings"`
}

// errorForm is an error that a stream met, with the hub's own code.
type errorForm struct {
	Code    hub.Code `json:"code"`
	Message string   `json:"message"`
}

type findingForm struct {
	Code       hub.FindingCode `json:"code"`
	Text       string          `json:"text"`
	SeenAt     instant         `json:"seenAt"`
	Incomplete bool            `json:"incomplete"`
}

func formStream(stream *hub.Stream, connectorName string, now time.Time) streamForm {
	form := streamForm{
		ConnectorID:         stream.ID.Connector,
		ConnectorName:       connectorName,
		Resource:            stream.ID.Resource,
		State:               stream.State(now),
		Summary:             summarize(stream, now),
		Period:              stream.Period.String(),
		NextDueAt:           optionalInstant(stream.NextDueAt),
		PausedAt:            optionalInstant(stream.PausedAt),
		CaughtUp:            stream.CaughtUp,
		Watermark:           optionalInstant(stream.Cursor.Watermark),
		LagSeconds:          int64(stream.Lag(now).Seconds()),
		LastPollAt:          optionalInstant(stream.LastPollAt),
		LastSuccessAt:       optionalInstant(stream.LastSuccessAt),
		FailingSince:        optionalInstant(stream.FailingSince),
		ConsecutiveFailures: stream.ConsecutiveFailures,
		OpenRejections:      stream.OpenRejections,
		Versions:            stream.Versions,
		Requests:            stream.Requests,
		LateRows:            stream.LateRows,
		// Rounded up: a row that came half a second late was late.
		LateMaxSeconds: int64(math.Ceil(stream.LateMax.Seconds())),
		Findings:       make([]findingForm, 0, len(stream.Findings)),
	}
	if err := stream.LastError; err != nil {
		form.LastError = &errorForm{err.Code, err.Message}
	}
	for _, f := range stream.Findings {
		form.Findings = append(form.Findings, findingForm{f.Code, f.Text, instant(f.SeenAt), f.Incomplete})
	}
	return form
}

// allStreams lists the streams of every connector.
func (a *api) allStreams(w http.ResponseWriter, r *http.Request) error {
	return a.writeStreams(w, r, hub.ConnectorID{})
}

// connectorStreams lists the streams of one connector.
func (a *api) connectorStreams(w http.ResponseWriter, r *http.Request) error {
	connector, err := a.connectorInPath(r)
	if err != nil {
		return err
	}
	return a.writeStreams(w, r, connector.ID)
}

func (a *api) writeStreams(w http.ResponseWriter, r *http.Request, connector hub.ConnectorID) error {
	streams, err := a.Store.Streams(r.Context(), connector)
	if err != nil {
		return err
	}
	names := map[hub.ConnectorID]string{}
	forms := make([]streamForm, 0, len(streams))
	now := a.Now()
	for i := range streams {
		id := streams[i].ID.Connector
		if _, known := names[id]; !known {
			if names[id], err = a.connectorName(r.Context(), id); err != nil {
				return err
			}
		}
		forms = append(forms, formStream(&streams[i], names[id], now))
	}
	return writeData(w, http.StatusOK, forms)
}

// connectorName is empty for a connector that is being uninstalled meanwhile.
func (a *api) connectorName(ctx context.Context, id hub.ConnectorID) (string, error) {
	connector, err := a.Store.Connector(ctx, id)
	if hub.CodeOf(err) == hub.CodeNotFound {
		return "", nil
	}
	return connector.Name, err
}

func (a *api) stream(w http.ResponseWriter, r *http.Request) error {
	id, err := streamInPath(r)
	if err != nil {
		return err
	}
	return a.writeStream(w, r, id)
}

// pollStream makes the stream due at once.
func (a *api) pollStream(w http.ResponseWriter, r *http.Request) error {
	return a.operate(w, r, func(ctx context.Context, id hub.StreamID) error {
		return a.Store.PollNow(ctx, id)
	})
}

// pauseStream keeps the stream at rest until it is resumed. What is under way
// is finished.
func (a *api) pauseStream(w http.ResponseWriter, r *http.Request) error {
	return a.operate(w, r, func(ctx context.Context, id hub.StreamID) error {
		return a.Store.Pause(ctx, id, a.Now())
	})
}

func (a *api) resumeStream(w http.ResponseWriter, r *http.Request) error {
	return a.operate(w, r, func(ctx context.Context, id hub.StreamID) error {
		return a.Store.Resume(ctx, id, a.Now())
	})
}

// rewindBytesMax is plenty for one instant.
const rewindBytesMax = 4 << 10

// rewindStream sets the watermark back to an instant. What is read again is not
// stored again.
func (a *api) rewindStream(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(w, r, rewindBytesMax)
	if err != nil {
		return err
	}
	var req struct {
		To string `json:"to"`
	}
	if err := decodeBody(body, &req); err != nil {
		return err
	}
	to, err := time.Parse(time.RFC3339Nano, req.To)
	switch {
	case err != nil:
		return invalid(`to is required: the instant to read again from, such as {"to": "2024-05-01T00:00:00Z"}`)
	case to.After(a.Now()):
		return invalid("to lies in the future; a stream is rewound to an instant in the past")
	}
	return a.operate(w, r, func(ctx context.Context, id hub.StreamID) error {
		return a.Store.Rewind(ctx, id, to.UTC())
	})
}

// operate does something to a stream and answers with the stream as it is then.
func (a *api) operate(w http.ResponseWriter, r *http.Request, do func(context.Context, hub.StreamID) error) error {
	id, err := streamInPath(r)
	if err != nil {
		return err
	}
	if err := do(r.Context(), id); err != nil {
		return err
	}
	return a.writeStream(w, r, id)
}

func (a *api) writeStream(w http.ResponseWriter, r *http.Request, id hub.StreamID) error {
	stream, err := a.Store.Stream(r.Context(), id)
	if err != nil {
		return err
	}
	name, err := a.connectorName(r.Context(), id.Connector)
	if err != nil {
		return err
	}
	return writeData(w, http.StatusOK, formStream(&stream, name, a.Now()))
}

// streamInPath returns the stream that the path names. A connector has the same
// four streams always, so a wrong name is a wrong path.
func streamInPath(r *http.Request) (hub.StreamID, error) {
	connector, err := pathID(r, "connectorID", hub.ParseConnectorID)
	if err != nil {
		return hub.StreamID{}, err
	}
	resource, err := hub.ParseResource(r.PathValue("stream"))
	if err != nil {
		return hub.StreamID{}, notFound("%s", err)
	}
	return hub.StreamID{Connector: connector, Resource: resource}, nil
}
