package verify

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	// lookTimeout bounds a quick look: somebody waits for the answer.
	lookTimeout = 6 * time.Second
	// lookRequestsMax bounds its requests, whatever the service answers.
	lookRequestsMax = 60
	// lookBalancesMax is how many accounts a look asks for their balances.
	lookBalancesMax = 5
	// redirectsMax bounds the redirects that are followed, as in a hub.
	redirectsMax = 5
)

// A Look is what a few requests tell of an endpoint, for a hub that is about to
// install it.
type Look struct {
	// State says whether it is worth installing.
	State LookState `json:"state"`
	// Sentence says why, or what the look has found.
	Sentence string `json:"sentence"`
	// Breaches are the promises of the contract that do not hold.
	Breaches []Breach `json:"breaches,omitempty"`
	// Results are the checks that were made, those that do not hold first.
	Results []Result `json:"results,omitempty"`
}

// A Breach is a promise of the contract that was seen not to hold.
type Breach struct {
	// Check is the ID of the check, List the list concerned: transactions,
	// accounts, beneficiaries or balances, and empty for the service as a whole.
	Check string `json:"check"`
	List  string `json:"list,omitempty"`
	// Text says what was expected, what came and what to do.
	Text string `json:"text"`
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

// QuickLook reads the first page of every list, with sixty requests at most and
// within seconds, and says what it found. It only reads: no request of it could
// change anything. As a hub does, it follows redirects within the endpoint's own
// host. Of the options it uses Endpoint, Key, Transport, Rate, RequestsMax and Timeout.
//
// Its error says that it could not begin, or that ctx has ended. Two looks at
// once, and one after another, know nothing of each other.
func QuickLook(ctx context.Context, options Options) (Look, error) {
	options.Quick, options.followHome = true, true
	if options.Timeout <= 0 {
		options.Timeout = lookTimeout
	}
	if options.ClientTimeout <= 0 {
		// One answer that does not come must leave time for the others.
		options.ClientTimeout = options.Timeout / 3
	}
	if options.RequestsMax <= 0 {
		options.RequestsMax = lookRequestsMax
	}
	report, exam, err := run(ctx, options)
	if err != nil {
		return Look{}, err
	}
	look := Look{State: exam.lookState()}
	for _, status := range []Status{Failed, Warned, Passed} {
		look.Results = append(look.Results, report.Of(status)...)
	}
	if look.State == Sound {
		look.Breaches = breaches(exam.client.base, look.Results)
	}
	look.Sentence = exam.client.hide(look.say(exam.unreached()))
	return look, nil
}

// lookState tells by the first answers what the endpoint is.
func (e *Exam) lookState() LookState {
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
		case a.foreign():
			state = Foreign
		}
	}
	return state
}

// foreign reports whether a failed read says that there is no such service,
// rather than that it is in trouble.
func (a *answer) foreign() bool {
	kind, _ := kindOf(a)
	return a.misshapen || kind == troubleRedirect || kind == troubleStatus && !a.passing(kind)
}

// say puts the look into a sentence; why is what kept the lists from being read.
func (l *Look) say(why string) string {
	switch l.State {
	case KeyRefused:
		return "the service refuses the key: " + why
	case Foreign:
		return "what answers there is no integration service: " + why
	case Unreached:
		return "the service could not be reached: " + why
	case Sound:
	}
	var ids []string
	for _, b := range l.Breaches {
		if !slices.Contains(ids, b.Check) {
			ids = append(ids, b.Check)
		}
	}
	if len(ids) == 0 {
		return "it answers as an integration service should"
	}
	return fmt.Sprintf("it answers as an integration service, and does not keep %s of the contract (%s)",
		plural(len(ids), "promise", "promises"), strings.Join(ids, ", "))
}

// breaches makes one sentence of what a check has found in one list.
func breaches(base string, results []Result) []Breach {
	var found []Breach
	for i := range results {
		r := &results[i]
		for j := range r.Findings {
			f := &r.Findings[j]
			b := Breach{Check: r.ID, List: f.list(base)}
			if slices.ContainsFunc(found, func(x Breach) bool { return x.Check == b.Check && x.List == b.List }) {
				continue
			}
			rows := ""
			if len(f.Rows) > 0 {
				rows = fmt.Sprintf(" (%s, the first %s)", plural(f.RowCount, "row", "rows"), f.Rows[0])
			}
			b.Text = fmt.Sprintf("a promise of the contract does not hold: %q (%s). Expected %s, got %s%s. %s",
				r.Title, r.ID, f.Expected, f.Got, rows, r.Remedy)
			found = append(found, b)
		}
	}
	return found
}

// list names the list that a finding is about, by the request that shows it.
func (f *Finding) list(base string) string {
	if strings.Contains(f.Curl, "/balances") {
		return "balances"
	}
	for _, l := range allLists {
		if strings.Contains(f.Curl, base+l.path) || len(f.Rows) > 0 && strings.HasPrefix(f.Rows[0], l.name+" ") {
			return l.name
		}
	}
	return ""
}

// stayHome follows redirects within the host that was asked, as a hub does, and
// no others: a key belongs to the host that it was given for.
func stayHome(next *http.Request, via []*http.Request) error {
	home := via[0].URL
	if !strings.EqualFold(next.URL.Host, home.Host) || next.URL.Scheme != home.Scheme || len(via) > redirectsMax {
		return http.ErrUseLastResponse
	}
	return nil
}
