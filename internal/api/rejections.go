package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"unicode/utf8"

	"github.com/weirhq/weir/internal/hub"
)

// ReplayResult is what became of a rejection that was read again.
type ReplayResult struct {
	// Resolved says that the record is readable now and stored.
	Resolved bool
	// Reason says what is still wrong where it is not.
	Reason string
}

// rejectionForm is a record that can't be understood, in a list.
type rejectionForm struct {
	ID          int64           `json:"id"`
	ConnectorID hub.ConnectorID `json:"connectorID"`
	Resource    hub.Resource    `json:"resource"`
	Reference   *string         `json:"reference"`
	StampedAt   *instant        `json:"stampedAt"`
	Reason      string          `json:"reason"`
	RawBytes    int             `json:"rawBytes"`
	FirstSeenAt instant         `json:"firstSeenAt"`
	LastSeenAt  instant         `json:"lastSeenAt"`
	ResolvedAt  *instant        `json:"resolvedAt"`
}

// rejectionDetail is one rejection with its bytes: exactly, in base64, and as a
// text for reading where they are one.
type rejectionDetail struct {
	rejectionForm
	Raw     []byte  `json:"raw"`
	RawText *string `json:"rawText"`
}

func formRejection(rejection *hub.Rejection) rejectionForm {
	return rejectionForm{
		ID:          rejection.ID,
		ConnectorID: rejection.Stream.Connector,
		Resource:    rejection.Stream.Resource,
		Reference:   optionalText(rejection.Reference),
		StampedAt:   optionalInstant(rejection.StampedAt),
		Reason:      rejection.Reason,
		RawBytes:    len(rejection.Raw),
		FirstSeenAt: instant(rejection.FirstSeenAt),
		LastSeenAt:  instant(rejection.LastSeenAt),
		ResolvedAt:  optionalInstant(rejection.ResolvedAt),
	}
}

func detailRejection(rejection *hub.Rejection) rejectionDetail {
	detail := rejectionDetail{rejectionForm: formRejection(rejection), Raw: rejection.Raw}
	if detail.Raw == nil {
		detail.Raw = []byte{}
	}
	if utf8.Valid(detail.Raw) {
		text := string(detail.Raw)
		detail.RawText = &text
	}
	return detail
}

// listRejections lists what is in quarantine; with open=false also what has
// been resolved since.
func (a *api) listRejections(w http.ResponseWriter, r *http.Request) error {
	id, err := streamInPath(r)
	if err != nil {
		return err
	}
	req, err := readList(w, r, listing{
		name: "rejections", scope: "/" + string(id.Resource) + "/" + id.Connector.String(),
		params: []string{"open"},
	})
	if err != nil {
		return err
	}
	open := true
	if text := req.params.Get("open"); text != "" {
		if open, err = strconv.ParseBool(text); err != nil {
			return invalid("invalid 'open' query param: it must be true or false")
		}
	}
	if _, err := a.Store.Stream(r.Context(), id); err != nil {
		return err
	}
	page, err := a.Store.Rejections(r.Context(), id, req.ListQuery, open)
	if err != nil {
		return err
	}
	return writePage(w, req, page, formRejection)
}

func (a *api) rejection(w http.ResponseWriter, r *http.Request) error {
	rejection, err := a.rejectionInPath(r)
	if err != nil {
		return err
	}
	return writeData(w, http.StatusOK, detailRejection(&rejection))
}

// replayForm is what became of a replay, and the rejection as it is then.
type replayForm struct {
	Resolved  bool            `json:"resolved"`
	Reason    *string         `json:"reason"`
	Rejection rejectionDetail `json:"rejection"`
}

// replayRejection reads the rejection's bytes again. One that is resolved
// stays so: asking twice does no harm.
func (a *api) replayRejection(w http.ResponseWriter, r *http.Request) error {
	rejection, err := a.rejectionInPath(r)
	if err != nil {
		return err
	}
	result := ReplayResult{Resolved: true}
	if rejection.ResolvedAt.IsZero() {
		if result, err = a.replay(r.Context(), rejection); err != nil {
			return err
		}
		if rejection, err = a.Store.Rejection(r.Context(), rejection.ID); err != nil {
			return err
		}
	}
	return writeData(w, http.StatusOK, replayForm{
		Resolved: result.Resolved, Reason: optionalText(result.Reason), Rejection: detailRejection(&rejection),
	})
}

// replay makes an answer of what went wrong at the service: the operator who
// asked is the one who can do something about it.
func (a *api) replay(ctx context.Context, rejection hub.Rejection) (ReplayResult, error) {
	result, err := a.Replay(ctx, rejection)
	var e *hub.Error
	if err == nil || !errors.As(err, &e) {
		return result, err
	}
	switch e.Code {
	case hub.CodeUnreachable, hub.CodeTimeout, hub.CodeKeyRefused, hub.CodeRateLimited, hub.CodeServiceRefused,
		hub.CodeServiceFailed, hub.CodeRedirected, hub.CodeUnreadable, hub.CodeTooLarge, hub.CodeIncomplete:
		return ReplayResult{Reason: e.Message}, nil
	default:
		return result, err
	}
}

// rejectionInPath returns the rejection that the path names. Its number counts
// across all streams, so it must also be one of the path's stream.
func (a *api) rejectionInPath(r *http.Request) (hub.Rejection, error) {
	stream, err := streamInPath(r)
	if err != nil {
		return hub.Rejection{}, err
	}
	id, err := strconv.ParseInt(r.PathValue("rejection"), 10, 64)
	if err != nil {
		return hub.Rejection{}, &failure{http.StatusBadRequest, codeInvalidID, "rejection: an identifier is a whole number"}
	}
	rejection, err := a.Store.Rejection(r.Context(), id)
	if err == nil && rejection.Stream != stream {
		err = notFound("%s has no rejection %d", stream, id)
	}
	return rejection, err
}
