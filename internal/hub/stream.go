package hub

import (
	"fmt"
	"slices"
	"time"
)

// Resource is one of the things that a connector reads.
type Resource string

// The resources of a connector, in the order in which a first read makes sense:
// the balances of an account are read once the account is known.
const (
	Accounts      Resource = "accounts"
	Balances      Resource = "balances"
	Beneficiaries Resource = "beneficiaries"
	Transactions  Resource = "transactions"
)

// Resources lists the resources of a connector.
func Resources() []Resource {
	return []Resource{Accounts, Balances, Beneficiaries, Transactions}
}

// ParseResource returns the resource that s names.
func ParseResource(s string) (Resource, error) {
	if r := Resource(s); slices.Contains(Resources(), r) {
		return r, nil
	}
	return "", Errorf(CodeInvalid, "there is no stream %q; a connector has accounts, balances, beneficiaries and transactions", s)
}

// StreamID names a stream: one resource of one connector.
type StreamID struct {
	Connector ConnectorID `json:"connectorID"`
	Resource  Resource    `json:"resource"`
}

// String returns a form for logs and errors.
func (id StreamID) String() string {
	return fmt.Sprintf("%s of %s", id.Resource, id.Connector.Reference)
}

// Stream is where the reading of one resource stands.
type Stream struct {
	ID StreamID
	// Period is the time between the end of a poll and the next.
	Period time.Duration
	// NextDueAt is when the next poll is due, whoever runs it.
	NextDueAt time.Time
	// Turn counts the polls that were scheduled. A job for an earlier turn is stale.
	Turn int64
	// PausedAt is set while an operator keeps the stream at rest.
	PausedAt time.Time
	Cursor   Cursor
	// CaughtUp says that the last successful poll reached the end of the list.
	CaughtUp bool
	// LastPollAt and LastSuccessAt are zero until there has been one.
	LastPollAt    time.Time
	LastSuccessAt time.Time
	// FailingSince, ConsecutiveFailures and LastError describe a stream that
	// fails; they are cleared by a success. LastError keeps its code.
	FailingSince        time.Time
	ConsecutiveFailures int
	LastError           *Error
	// Versions counts what was stored, Requests what it took.
	Versions int64
	Requests int64
	// OpenRejections counts the records in quarantine.
	OpenRejections int64
	// LateMax is how far behind the watermark the latest of the late rows came;
	// LateRows counts them.
	LateMax  time.Duration
	LateRows int64
	// Findings are what the reader has noticed about the service, in plain words.
	Findings []Finding
}

// StreamState is what an operator should know about a stream, in one word.
type StreamState string

// The states, the most urgent first: the first that is true is the one shown.
const (
	// StreamPaused: an operator keeps it at rest.
	StreamPaused StreamState = "paused"
	// StreamFailing: the last poll failed.
	StreamFailing StreamState = "failing"
	// StreamLate: a poll is overdue and nobody has run it.
	StreamLate StreamState = "late"
	// StreamIncomplete: the service can't be read completely; a finding says why.
	StreamIncomplete StreamState = "incomplete"
	// StreamReading: the end of the list is not reached yet.
	StreamReading StreamState = "reading"
	// StreamIdle: everything that was shown is stored.
	StreamIdle StreamState = "idle"
)

// StreamStates lists the states.
func StreamStates() []StreamState {
	return []StreamState{StreamPaused, StreamFailing, StreamLate, StreamIncomplete, StreamReading, StreamIdle}
}

// overdueGrace is how long a poll may have been due before it counts as
// overdue: longer than the ten minutes that one turn of a poll may read, since
// a stream does not say whether its poll is under way.
const overdueGrace = 15 * time.Minute

// State says in one word how the stream is at now.
func (s *Stream) State(now time.Time) StreamState {
	switch {
	case !s.PausedAt.IsZero():
		return StreamPaused
	case s.ConsecutiveFailures > 0:
		return StreamFailing
	case s.overdue(now):
		return StreamLate
	case s.Gap() != nil:
		return StreamIncomplete
	case !s.CaughtUp:
		return StreamReading
	default:
		return StreamIdle
	}
}

// overdue reports whether a poll has been due for longer than one can take, and
// for longer than a whole period.
func (s *Stream) overdue(now time.Time) bool {
	return !s.NextDueAt.IsZero() && now.Sub(s.NextDueAt) > max(s.Period, overdueGrace)
}

// Gap returns the first finding that says rows may be missing, nil where none does.
func (s *Stream) Gap() *Finding {
	for i := range s.Findings {
		if s.Findings[i].Incomplete {
			return &s.Findings[i]
		}
	}
	return nil
}

// Lag is how far the stored data may be behind the service at now: since the
// last success when the list was read to its end, else since the watermark.
// A stream that has stored nothing yet has no lag to speak of and returns 0.
func (s *Stream) Lag(now time.Time) time.Duration {
	since := s.LastSuccessAt
	if !s.CaughtUp && !s.Cursor.Watermark.IsZero() {
		since = s.Cursor.Watermark
	}
	if since.IsZero() || since.After(now) {
		return 0
	}
	return now.Sub(since)
}

// Finding is something that an operator should know about the way in which a
// service behaves. A later finding with the same code replaces the earlier.
type Finding struct {
	Code FindingCode `json:"code"`
	// Text says what was seen, what it costs, and what to do.
	Text   string    `json:"text"`
	SeenAt time.Time `json:"seenAt"`
	// Incomplete says that rows may be missing as long as this stands.
	Incomplete bool `json:"incomplete"`
}

// FindingCode names a kind of finding, for programs.
type FindingCode string

// The findings.
const (
	FindingFilterIgnored   FindingCode = "FILTER_IGNORED"
	FindingPageIgnored     FindingCode = "PAGE_IGNORED"
	FindingPageRepeated    FindingCode = "PAGE_REPEATED"
	FindingPageSizeIgnored FindingCode = "PAGE_SIZE_IGNORED"
	FindingPageCapped      FindingCode = "PAGE_CAPPED"
	FindingNotAscending    FindingCode = "NOT_ASCENDING"
	FindingFutureRows      FindingCode = "FUTURE_ROWS"
	FindingStampReused     FindingCode = "STAMP_REUSED"
	FindingLateRows        FindingCode = "LATE_ROWS"
	FindingParentChanged   FindingCode = "PARENT_CHANGED"
	FindingUnknownValues   FindingCode = "UNKNOWN_VALUES"
	FindingUnsettled       FindingCode = "UNSETTLED"
	FindingBalanceRefused  FindingCode = "BALANCE_REFUSED"
)

// Withdraw returns the finding that takes back an earlier one with this code.
func (c FindingCode) Withdraw() Finding { return Finding{Code: c} }

// MergeFindings returns findings after news: a finding replaces the earlier one
// with its code, and one without a text takes the earlier one back.
func MergeFindings(findings, news []Finding) []Finding {
	for _, f := range news {
		findings = slices.DeleteFunc(slices.Clone(findings), func(g Finding) bool { return g.Code == f.Code })
		if f.Text != "" {
			findings = append(findings, f)
		}
	}
	return findings
}
