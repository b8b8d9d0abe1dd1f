package hub

import (
	"slices"
	"strings"
	"time"
)

// A Look is what a few requests have told of a service, taken when its connector
// was installed or its configuration was changed.
type Look struct {
	State LookState `json:"state"`
	// Sentence says what was found, for people.
	Sentence string `json:"sentence"`
	// At is when the service was looked at.
	At time.Time `json:"at"`
	// Findings are the promises of the contract that the service was seen to break.
	Findings []LookFinding `json:"findings,omitempty"`
}

// LookState is what an endpoint turned out to be, in one word.
type LookState string

// The states.
const (
	// LookSound: it answers as an integration service, whatever its findings.
	LookSound LookState = "sound"
	// LookRefused: it refuses the key.
	LookRefused LookState = "refused"
	// LookForeign: what answers there is no integration service.
	LookForeign LookState = "foreign"
	// LookUnreached: it did not answer, or only with failures that may pass.
	LookUnreached LookState = "unreached"
)

// Blocks reports whether the connector can't work as it is configured: waiting
// mends neither a wrong key nor a wrong address, as it does a service that starts.
func (s LookState) Blocks() bool { return s == LookRefused || s == LookForeign }

// LookFinding is one thing that a look has found.
type LookFinding struct {
	// Check is the stable identifier of the check that did not hold, such as "C4".
	Check string `json:"check"`
	// Resource is what it concerns; empty means the service as a whole.
	Resource Resource `json:"resource,omitempty"`
	// Text says what was expected, what came and what to do.
	Text string `json:"text"`
}

// lookPrefix begins the codes of the findings that a look leaves on streams.
const lookPrefix = "LOOK_"

// LookCode returns the code under which a stream shows a finding of a check.
func LookCode(check string) FindingCode { return FindingCode(lookPrefix + check) }

// LookedFor returns the check whose finding this is, and "" for a finding that
// comes from reading.
func (c FindingCode) LookedFor() string {
	check, found := strings.CutPrefix(string(c), lookPrefix)
	if !found {
		return ""
	}
	return check
}

// Replace returns the findings of a stream after a look: those of earlier looks
// make room for its own, and what reading has found stays. A nil look has no
// findings.
func (l *Look) Replace(findings []Finding, resource Resource) []Finding {
	kept := slices.DeleteFunc(slices.Clone(findings), func(f Finding) bool { return f.Code.LookedFor() != "" })
	if l == nil {
		return kept
	}
	var news []Finding
	for _, f := range l.Findings {
		if f.Resource == resource {
			news = append(news, Finding{Code: LookCode(f.Check), Text: f.Text, SeenAt: l.At})
		}
	}
	return MergeFindings(kept, news)
}
