package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/weirhq/weir/internal/hub"
)

// errorCode is a code of the API's error body. The set is closed: the official
// client fails on a code that it does not know, so none is ever added.
type errorCode string

const (
	codeInternal   errorCode = "INTERNAL"
	codeValidation errorCode = "VALIDATION"
	codeInvalidID  errorCode = "INVALID_ID"
	codeBody       errorCode = "MISSING_OR_INVALID_BODY"
	codeConflict   errorCode = "CONFLICT"
	codeNotFound   errorCode = "NOT_FOUND"
)

// failure is an error that is an answer: a status, a code for programs and a
// sentence for people.
type failure struct {
	status  int
	code    errorCode
	message string
}

func (f *failure) Error() string { return f.message }

// invalid refuses a value in the request.
func invalid(format string, args ...any) error {
	return &failure{http.StatusBadRequest, codeValidation, fmt.Sprintf(format, args...)}
}

// invalidID refuses an identifier in the path.
func invalidID(name string, err error) error {
	return &failure{http.StatusBadRequest, codeInvalidID, name + ": " + err.Error()}
}

// invalidBody refuses a body that can't be read at all.
func invalidBody(format string, args ...any) error {
	return &failure{http.StatusBadRequest, codeBody, fmt.Sprintf(format, args...)}
}

// tooLarge refuses a body that is longer than the bound.
func tooLarge(bound int) error {
	return &failure{
		http.StatusRequestEntityTooLarge, codeBody,
		fmt.Sprintf("the body is too large; the most is %d bytes", bound),
	}
}

func notFound(format string, args ...any) error {
	return &failure{http.StatusNotFound, codeNotFound, fmt.Sprintf(format, args...)}
}

// failureOf turns what a handler returned into an answer. The hub's own codes
// become those of the API; an error without one is a fault of ours, and what
// it says goes to the log and never into the answer.
func failureOf(err error, requestID string) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	var e *hub.Error
	if errors.As(err, &e) {
		switch e.Code {
		case hub.CodeInvalid:
			return &failure{http.StatusBadRequest, codeValidation, e.Message}
		case hub.CodeNotFound:
			return &failure{http.StatusNotFound, codeNotFound, e.Message}
		case hub.CodeConflict, hub.CodeStale:
			return &failure{http.StatusBadRequest, codeConflict, e.Message}
		default:
		}
	}
	return &failure{
		http.StatusInternalServerError, codeInternal,
		"Weir failed to answer; the log says why under request " + requestID,
	}
}

// clientIsGone reports whether the request ended because nobody waits for the
// answer any more, which is no fault.
func clientIsGone(r *http.Request, err error) bool {
	return errors.Is(err, context.Canceled) && r.Context().Err() != nil
}

// errorBody is the form of every error.
type errorBody struct {
	Code    errorCode `json:"errorCode"`
	Message string    `json:"errorMessage"`
}
