package sdk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Error is an error that decides the answer. Return it, or wrap it, where the
// caller should know more than that something failed.
type Error struct {
	// Status is the HTTP status, 400 to 599. 401 and 403 are answered as 502:
	// they would tell the caller that its own key is refused, and it is the
	// service's key at the provider that is.
	Status int
	// Title names what went wrong in a few words; Detail says what to do. Both
	// are shown to the operator of the caller: put no secrets in them.
	Title, Detail string
	// RetryAfter, when above zero, tells the caller when to come again. It goes
	// with 429 and 503.
	RetryAfter time.Duration
	// aboutCaller is set where a 401 means what it says.
	aboutCaller bool
}

// Error is the error as text.
func (e *Error) Error() string {
	return fmt.Sprintf("%d %s: %s", e.Status, e.Title, e.Detail)
}

// NotFound says that something the caller named does not exist.
func NotFound(detail string) *Error {
	return &Error{Status: http.StatusNotFound, Title: "Not found", Detail: detail}
}

// Refused says that a payout or transfer was refused for good: no money has
// moved and none will. Never return it when that is not certain.
func Refused(detail string) *Error {
	return &Error{Status: http.StatusUnprocessableEntity, Title: "Refused", Detail: detail}
}

// Conflict says that an idempotency key was used before for something else.
func Conflict(detail string) *Error {
	return &Error{Status: http.StatusConflict, Title: "Conflict", Detail: detail}
}

// Unavailable says that the provider can't be reached now. It is what a list
// returns then: an empty page would say that there is nothing.
func Unavailable(detail string, retryAfter time.Duration) *Error {
	return &Error{Status: http.StatusServiceUnavailable, Title: "Provider unavailable", Detail: detail, RetryAfter: retryAfter}
}

func badRequest(detail string) *Error {
	return &Error{Status: http.StatusBadRequest, Title: "Bad request", Detail: detail}
}

// broken is an error of the service's own functions. What they returned must
// not be served: a hub would put it aside record by record, and nobody would
// look at the service.
func broken(format string, args ...any) *Error {
	return &Error{Status: http.StatusInternalServerError, Title: "The service broke the contract", Detail: fmt.Sprintf(format, args...)}
}

// answerable turns any error of a function into one that can be shown.
func answerable(err error, requestID string) *Error {
	var e *Error
	switch {
	case errors.As(err, &e):
		shown := *e
		if !e.aboutCaller && (shown.Status == http.StatusUnauthorized || shown.Status == http.StatusForbidden) {
			shown.Status = http.StatusBadGateway
		}
		if shown.Status < 400 || shown.Status > 599 {
			shown.Status = http.StatusInternalServerError
		}
		if shown.Title == "" {
			shown.Title = http.StatusText(shown.Status)
		}
		return &shown
	case errors.Is(err, context.Canceled):
		return &Error{Status: http.StatusRequestTimeout, Title: "Gone", Detail: "The caller hung up."}
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Status: http.StatusGatewayTimeout, Title: "Too slow", Detail: "The provider did not answer in time. The log has more under request id " + requestID + "."}
	}
	return &Error{Status: http.StatusInternalServerError, Title: "Internal error", Detail: "The service failed. Its log has the reason under request id " + requestID + "."}
}
