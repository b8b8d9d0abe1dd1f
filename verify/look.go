package verify

import (
	"context"
	"net/http"
	"time"
)

// lookTimeout bounds a quick look: somebody waits for the answer.
const lookTimeout = 8 * time.Second

// A Look is what a few requests tell of an endpoint, for a hub that is about to
// install it.
type Look struct {
	// State says whether it is worth installing.
	State LookState `json:"state"`
	// Sentence says why, or what the look has found.
	Sentence string `json:"sentence"`
	// Results are the checks that were made, those that do not hold first.
	Results []Result `json:"results,omitempty"`
}

// LookState is what an endpoint turned out to be.
type LookState string

// The states. Only the two in the middle say that installing is a mistake.
const (
	// Sound is a service that answers as one, whatever its checks say.
	Sound LookState = "sound"
	// KeyRefused is a service that does not take the key.
	KeyRefused LookState = "key refused"
	// Foreign is something that answers, and not in the contract.
	Foreign LookState = "not an integration service"
	// Unreached is an endpoint that did not answer, or only with failures that
	// may pass.
	Unreached LookState = "not reached"
)

// QuickLook reads the first page of every list, with some sixty requests at
// most and within seconds, and says what it found. Of the options it uses
// Endpoint, Key, Transport, Rate and Timeout.
func QuickLook(ctx context.Context, options Options) (Look, error) {
	options.Quick = true
	if options.Timeout <= 0 {
		options.Timeout = lookTimeout
	}
	if options.ClientTimeout <= 0 {
		// One answer that does not come must leave time for the others.
		options.ClientTimeout = options.Timeout / 3
	}
	report, exam, err := run(ctx, options)
	if err != nil {
		return Look{}, err
	}
	look := Look{State: exam.state(), Sentence: report.Verdict}
	for _, status := range []Status{Failed, Warned, Passed} {
		look.Results = append(look.Results, report.Of(status)...)
	}
	return look, nil
}

// state tells by the first answers what the endpoint is.
func (e *Exam) state() LookState {
	if e.reached() {
		return Sound
	}
	state := Unreached
	for _, l := range allLists {
		a := e.crawls[l].failed
		switch {
		case a == nil || a.status == 0:
		case a.status == http.StatusUnauthorized || a.status == http.StatusForbidden:
			return KeyRefused
		case a.status < http.StatusInternalServerError && a.status != http.StatusTooManyRequests:
			state = Foreign
		}
	}
	return state
}
