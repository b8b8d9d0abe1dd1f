package hub

import (
	"errors"
	"fmt"
)

// Code is the stable name of a kind of error, for programs.
type Code string

// The codes. Each stands for one thing that a person does next.
const (
	// CodeInvalid: the request is wrong; the message says where.
	CodeInvalid Code = "INVALID"
	// CodeNotFound: there is no such thing.
	CodeNotFound Code = "NOT_FOUND"
	// CodeConflict: the name or identifier is taken.
	CodeConflict Code = "CONFLICT"
	// CodeStale: somebody else has moved the cursor; read it again.
	CodeStale Code = "STALE"
	// CodeUnreachable: the service could not be reached at all.
	CodeUnreachable Code = "SERVICE_UNREACHABLE"
	// CodeTimeout: the service did not answer in time.
	CodeTimeout Code = "SERVICE_TIMEOUT"
	// CodeKeyRefused: the service refused the API key.
	CodeKeyRefused Code = "KEY_REFUSED"
	// CodeRateLimited: the service asks to be called less often.
	CodeRateLimited Code = "RATE_LIMITED"
	// CodeServiceRefused: the service refused the request (any other 4xx).
	CodeServiceRefused Code = "SERVICE_REFUSED"
	// CodeServiceFailed: the service failed (5xx).
	CodeServiceFailed Code = "SERVICE_FAILED"
	// CodeRedirected: the service answered with a redirect that is not followed.
	CodeRedirected Code = "SERVICE_REDIRECTED"
	// CodeUnreadable: the answer is not what the contract says.
	CodeUnreadable Code = "ANSWER_UNREADABLE"
	// CodeTooLarge: the answer is larger than the bound.
	CodeTooLarge Code = "ANSWER_TOO_LARGE"
	// CodeIncomplete: the list can't be read to its end; a finding says why.
	CodeIncomplete Code = "READ_INCOMPLETE"
	// CodeInternal: a fault of Weir's own.
	CodeInternal Code = "INTERNAL"
)

// Error is an error with a code for programs and a sentence for people, which
// says what happened and what to do next, and never holds a secret.
type Error struct {
	Code    Code
	Message string
	cause   error
}

// Errorf makes an error. A %w in format is unwrapped as usual.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), cause: errors.Unwrap(err)}
}

// Error returns the sentence.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause, if the error was made with one.
func (e *Error) Unwrap() error { return e.cause }

// CodeOf returns the code of the first Error in err's chain, or [CodeInternal].
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}
