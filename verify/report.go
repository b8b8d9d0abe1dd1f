package verify

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Result is how one check ended.
type Result struct {
	ID       string    `json:"id"`
	Area     string    `json:"area"`
	Title    string    `json:"title"`
	Mode     Mode      `json:"mode"`
	Severity Severity  `json:"severity"`
	Status   Status    `json:"status"`
	Note     string    `json:"note,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Remedy   string    `json:"remedy,omitempty"`
	Findings []Finding `json:"findings,omitempty"`
	Requests int       `json:"requests"`
	// TookMilliseconds is how long the check took, waiting included.
	TookMilliseconds int64 `json:"tookMilliseconds"`
}

func newResult(c *Check) Result {
	return Result{ID: c.ID, Area: c.Area().Title(), Title: c.Title, Mode: c.Mode, Severity: c.Severity}
}

// take writes the verdict down. A failure of what is no must is a warning.
func (r *Result) take(v Verdict, c *Check) {
	r.Status, r.Note, r.Findings = v.Status, v.Note, v.Findings
	if r.Status == Failed && c.Severity == Should {
		r.Status = Warned
	}
	if r.Status == Failed || r.Status == Warned {
		r.Reason, r.Remedy = c.Reason, c.Remedy
	}
}

// ListFacts is what was read of a list.
type ListFacts struct {
	Name     string `json:"name"`
	Rows     int    `json:"rows"`
	Pages    int    `json:"pages"`
	Complete bool   `json:"complete"`
	Why      string `json:"why,omitempty"`
}

// Report is what a run has found.
type Report struct {
	Endpoint         string    `json:"endpoint"`
	Profile          Profile   `json:"profile"`
	At               time.Time `json:"at"`
	TookMilliseconds int64     `json:"tookMilliseconds"`
	Requests         int       `json:"requests"`
	// WalkRequests is what reading every list once takes.
	WalkRequests int         `json:"walkRequests"`
	Lists        []ListFacts `json:"lists"`
	Results      []Result    `json:"results"`
	Losses       []Loss      `json:"losses"`
	// Judged says that there was something to judge by. Passed says that, and
	// that no must has failed.
	Judged bool `json:"judged"`
	Passed bool `json:"passed"`
	// Verdict is the outcome in words.
	Verdict string `json:"verdict"`
	// Snapshot is what a later run can be compared with, where it was asked for.
	Snapshot *Snapshot `json:"-"`
}

// Of returns the results with the status.
func (r *Report) Of(status Status) []Result {
	return slices.DeleteFunc(slices.Clone(r.Results), func(x Result) bool { return x.Status != status })
}

// Result returns the result of a check, or nil.
func (r *Report) Result(id string) *Result {
	for i := range r.Results {
		if r.Results[i].ID == id {
			return &r.Results[i]
		}
	}
	return nil
}

// report gathers what the run has found.
func (e *Exam) report(losses []Loss) *Report {
	r := &Report{
		Endpoint: e.options.Endpoint, Profile: e.options.Profile, At: e.begun.UTC(), TookMilliseconds: time.Since(e.begun).Milliseconds(),
		Requests: e.client.requests, Results: e.results, Losses: losses, Snapshot: e.snapshot,
	}
	for _, l := range allLists {
		c := e.crawls[l]
		r.Lists = append(r.Lists, ListFacts{Name: l.name, Rows: len(c.live()), Pages: c.pages, Complete: c.complete, Why: c.why})
		r.WalkRequests += c.pages + 1
	}
	r.Judged = e.reached() && len(r.Of(Passed))+len(r.Of(Failed))+len(r.Of(Warned)) > 0
	r.Passed = r.Judged && len(r.Of(Failed)) == 0 && (r.Profile != Reference || r.lost() == 0)
	// A service that lets anybody in is judged even where its lists are no lists.
	if len(r.Of(Failed)) > 0 {
		r.Judged = true
	}
	r.Verdict = r.say(e.unreached())
	r.hide(e.client.hide)
	return r
}

// hide takes the key out of everything that services say: one that repeats it
// must not bring it into a report.
func (r *Report) hide(hide func(string) string) {
	all := func(texts []string) {
		for i := range texts {
			texts[i] = hide(texts[i])
		}
	}
	for i := range r.Results {
		x := &r.Results[i]
		x.Note = hide(x.Note)
		for j := range x.Findings {
			f := &x.Findings[j]
			f.Expected, f.Got, f.Curl = hide(f.Expected), hide(f.Got), hide(f.Curl)
			all(f.Rows)
		}
	}
	for i := range r.Losses {
		l := &r.Losses[i]
		l.Stuck, l.Unknown, l.Sentence = hide(l.Stuck), hide(l.Unknown), hide(l.Sentence)
		all(l.Named)
	}
	for i := range r.Lists {
		r.Lists[i].Why = hide(r.Lists[i].Why)
	}
	r.Verdict = hide(r.Verdict)
}

// lost is what the reference would lose of all lists.
func (r *Report) lost() int {
	n := 0
	for _, l := range r.Losses {
		if l.Unknown == "" {
			n += l.Lost
		}
	}
	return n
}

// say puts the outcome into words.
func (r *Report) say(unreached string) string {
	var parts []string
	failed, warned := r.Of(Failed), r.Of(Warned)
	switch {
	case !r.Judged:
		parts = append(parts, "Could not judge this service: "+unreached+".")
	case len(failed) > 0:
		parts = append(parts, fmt.Sprintf("This service does not pass: %s (%s).",
			plural(len(failed), "promise of the contract fails", "promises of the contract fail"), ids(failed)))
	case !r.Passed:
		parts = append(parts, "This service keeps the contract, and the reference would lose some of its rows all the same.")
	default:
		parts = append(parts, fmt.Sprintf("This service passes: %s.", plural(len(r.Of(Passed)), "check", "checks")))
	}
	if len(warned) > 0 {
		parts = append(parts, fmt.Sprintf("%s (%s).", plural(len(warned), "warning", "warnings"), ids(warned)))
	}
	if n := len(r.Of(Unjudged)); n > 0 && r.Judged {
		parts = append(parts, plural(n, "check", "checks")+" could not be judged.")
	}
	if r.Judged {
		for _, l := range r.Losses {
			if l.Lost > 0 || l.Unknown != "" || l.Stuck != "" || l.List == transactions.name {
				parts = append(parts, l.Sentence)
			}
		}
		if r.Profile == Weir && r.lost() > 0 {
			parts = append(parts, r.weirs())
		}
	}
	return strings.Join(parts, " ")
}

// weirs says how Weir fares with the same service.
func (r *Report) weirs() string {
	for _, l := range r.Lists {
		if !l.Complete {
			return fmt.Sprintf("Weir can't read %s to the end either: %s.", l.Name, l.Why)
		}
	}
	if b1 := r.Result("B1"); b1 != nil && b1.Status == Failed {
		return "Weir reads all of them, and puts aside with the reason what it can't understand."
	}
	return "Weir reads all of them."
}

func ids(results []Result) string {
	var names []string
	for i := range results {
		names = append(names, results[i].ID)
	}
	return strings.Join(names, ", ")
}
