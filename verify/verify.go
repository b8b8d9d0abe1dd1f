// Package verify tells of any integration service what a hub that polls it would
// lose. It is for teams that write such a service, in any language: it asks over
// HTTP, as a hub does, and knows nothing of what is behind.
//
// The promises of the contract stand as data in [Catalogue]: each check has an
// id, a reason and a remedy. [Run] walks every list once, gives each row to the
// checks that look at rows, and then lets each check ask for what it still
// needs, so that a run costs little more than reading the lists. Beside the
// checks stands a prediction: the reference's own polling algorithm, played on
// what the walk has shown, names the rows that it would never store.
//
// What can't be judged is said to be so, with the reason. No check passes
// because there was nothing to see.
//
// It is not a load test, it judges no business rule of a provider, and it
// writes only when it is told to. Start with Run; a check is best read in the file
// of its area.
package verify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir/wire"
)

// Profile is the hub through whose eyes a service is judged.
type Profile string

// The profiles.
const (
	// Weir reads again where there is doubt, and puts aside what it can't read:
	// what the reference would lose is told, and does not fail.
	Weir Profile = "weir"
	// Reference follows the reference's algorithm to the letter: what it would
	// lose fails.
	Reference Profile = "reference"
)

// Options say what to judge and how gently. Endpoint and Key are needed.
type Options struct {
	// Endpoint is the URL of the service, without a slash at its end.
	Endpoint string
	// Key is sent as "Authorization: Bearer KEY".
	Key string
	// Transport carries the requests; nil means the network.
	Transport http.RoundTripper
	// Profile is the hub to judge for; empty means Weir.
	Profile Profile
	// Only, when not empty, names the checks to make. A single letter is an area.
	Only []string
	// Skip names checks not to make, each with the reason.
	Skip map[string]string
	// Quick leaves out what walks the lists to their end: the short look that a
	// hub takes when a connector is installed.
	Quick bool
	// Write, when set, lets the checks of area K move money in a sandbox.
	Write *Write
	// Hooks let the checks that need special data have it.
	Hooks Hooks
	// Baseline is an earlier run to compare with.
	Baseline *Snapshot
	// TakeSnapshot keeps what a later run can be compared with, in
	// [Report.Snapshot]. It takes memory for every row.
	TakeSnapshot bool
	// Lag is how long after its stamp a row may become visible. Zero means the
	// hour that Weir reads again, and nothing at all for the reference.
	Lag time.Duration
	// Timeout bounds the whole run; zero means five minutes. What is not judged
	// by then could not be judged.
	Timeout time.Duration
	// ClientTimeout bounds each request; zero means ten seconds, as in a hub.
	ClientTimeout time.Duration
	// Rate is how many requests are made in a second at most, and RequestsMax how
	// many at all. Zero means no bound.
	Rate        float64
	RequestsMax int
	// Progress, when set, is told how far the run is.
	Progress func(Progress)
	// followHome follows redirects within the endpoint's own host.
	followHome bool
}

// Progress is how far a run is.
type Progress struct {
	// Doing says what is being done, such as "C3" or "walk transactions".
	Doing string
	// Done of Total checks have been made; Rows have been read.
	Done, Total, Rows, Requests int
}

// Hooks reach behind the service, where the one who runs the checks can. Each
// may be nil.
type Hooks struct {
	// Seed puts these transactions into what the service shows, with these ids,
	// amounts and stamps.
	Seed func(context.Context, []wire.Transaction) error
	// Move lets something happen, as it does between two page requests: a
	// transaction changes, one is added, one goes away.
	Move func(context.Context) error
	// Restart ends the service and starts it again.
	Restart func(context.Context) error
	// Down cuts the service off from its provider, or connects it again.
	Down func(ctx context.Context, down bool) error
	// Refuse lets the provider refuse the service's credentials, or take them again.
	Refuse func(ctx context.Context, refuse bool) error
}

const (
	defaultTimeout = 5 * time.Minute
	// weirLag is how far behind its watermark Weir reads again every few minutes.
	weirLag = time.Hour
	// skewMax is what clocks may differ by before it counts as wrong.
	skewMax = 5 * time.Second
)

// Exam is one run over one service: what has been fetched and noticed so far.
type Exam struct {
	options  Options
	client   *client
	contract *contract
	crawls   map[*list]*crawl
	notes    map[string]*note
	looks    []func(*Exam, *record)
	sights   *sights
	sheets   map[*list][]*observation
	balances []*held
	begun    time.Time
	checks   []Check
	results  []Result
	rowsSeen int
	snapshot *Snapshot
	seedings map[string]error
	orders   *orders
	// repeated counts the requests that asked again because rows may have moved.
	repeated int
	// sealed says that the data was moved by us, so that what is seen from now on
	// is not what was walked.
	sealed bool
	// mending says that rows come out of order, because they were missed before.
	mending bool
}

// Run judges a service. Its error says why it could not begin; a service that
// does not answer, or not as it should, is a [Report] like any other, in which
// nothing has passed.
func Run(ctx context.Context, options Options) (*Report, error) {
	report, _, err := run(ctx, options)
	return report, err
}

func run(ctx context.Context, options Options) (*Report, *Exam, error) {
	if err := options.check(); err != nil {
		return nil, nil, err
	}
	rules, err := loadContract()
	if err != nil {
		return nil, nil, err
	}
	if options.Timeout <= 0 {
		options.Timeout = defaultTimeout
	}
	outer := ctx
	ctx, cancel := context.WithTimeout(ctx, options.Timeout)
	defer cancel()
	e := newExam(options, rules)
	defer e.client.close()
	e.readAll(ctx)
	for i := range e.checks {
		e.progress(e.checks[i].ID)
		e.results = append(e.results, e.judge(ctx, &e.checks[i]))
	}
	if outer.Err() != nil {
		return nil, nil, outer.Err()
	}
	e.progress("predict what would be lost")
	report := e.report(e.predict(ctx))
	return report, e, nil
}

func newExam(options Options, rules *contract) *Exam {
	e := &Exam{
		options: options, client: newClient(&options), contract: rules, begun: time.Now(), checks: Catalogue(),
		crawls: map[*list]*crawl{}, notes: map[string]*note{}, sheets: map[*list][]*observation{},
		sights: newSights(), seedings: map[string]error{},
	}
	if options.TakeSnapshot || options.Baseline != nil {
		e.snapshot = newSnapshot(options.Endpoint, e.begun)
	}
	for _, check := range e.checks {
		if check.look != nil {
			e.looks = append(e.looks, check.look)
		}
	}
	return e
}

func (o *Options) check() error {
	u, err := url.Parse(o.Endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return errors.New("verify: the endpoint must be an absolute URL such as https://psp.example.com/weir")
	}
	if u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return errors.New("verify: the endpoint must have no query, no fragment and no password in it")
	}
	if o.Key == "" {
		return errors.New("verify: a key is needed, for no service should be open to anybody")
	}
	if o.Profile == "" {
		o.Profile = Weir
	}
	if o.Profile != Weir && o.Profile != Reference {
		return fmt.Errorf("verify: there is no profile %q; there are %s and %s", o.Profile, Weir, Reference)
	}
	for id, reason := range o.Skip {
		if strings.TrimSpace(reason) == "" {
			return fmt.Errorf("verify: to skip %s a reason is needed", id)
		}
		if !known(id) {
			return fmt.Errorf("verify: there is no check %q to skip", id)
		}
	}
	for _, id := range o.Only {
		if !known(id) {
			return fmt.Errorf("verify: there is no check and no area %q", id)
		}
	}
	return nil
}

// known reports whether text is the id of a check, or the letter of an area.
func known(text string) bool {
	return slices.ContainsFunc(Catalogue(), func(c Check) bool { return c.ID == text || string(c.Area()) == text })
}

func (o *Options) lag() time.Duration {
	switch {
	case o.Lag > 0:
		return o.Lag
	case o.Profile == Reference:
		return 0
	}
	return weirLag
}

// readAll seeds what hooks can seed, and walks every list.
func (e *Exam) readAll(ctx context.Context) {
	e.seed(ctx)
	for _, l := range allLists {
		if !e.options.Quick {
			e.progress("walk " + l.name)
			if c := e.walk(ctx, l); len(c.rows) > 0 {
				e.filter(ctx, c)
			}
			continue
		}
		e.glance(ctx, l)
	}
	if e.snapshot != nil {
		// Balances are compared with the movements that were walked, so they are
		// read before time passes, and before a hook moves the data.
		e.readBalances(ctx)
		e.snapshot.Moving = e.hasMoved(ctx)
	}
}

// glance reads the first page of a list, which is all that a quick look takes.
func (e *Exam) glance(ctx context.Context, l *list) {
	c := &crawl{list: l, size: wire.DefaultPageSize, begun: time.Now()}
	e.crawls[l] = c
	first := e.sheet(ctx, l, window{page: 1, size: c.size})
	if first.err != nil {
		c.failed, c.why = first.answer, first.err.Error()
		return
	}
	c.pages, c.complete = 1, len(first.rows) < c.size
	if len(first.rows) > c.size {
		c.oversize = len(first.rows)
	}
	e.take(c, first)
}

// look gives a row to every check that looks at rows.
func (e *Exam) look(r *record) {
	e.rowsSeen++
	for _, look := range e.looks {
		look(e, r)
	}
	e.sights.see(r)
	if e.snapshot != nil {
		e.snapshot.see(r)
	}
}

// judge makes one check, unless there is a reason not to.
func (e *Exam) judge(ctx context.Context, check *Check) Result {
	result := newResult(check)
	verdict := e.wanted(check)
	if verdict.Status == "" {
		begun, before := time.Now(), e.client.requests
		verdict = e.safely(ctx, check)
		result.TookMilliseconds, result.Requests = time.Since(begun).Milliseconds(), e.client.requests-before
		if verdict.Status != Passed && ctx.Err() != nil {
			verdict = unjudged("the time for the whole run was used up")
		}
	}
	result.take(verdict, check)
	return result
}

// safely turns a mistake of a check into something that could not be judged.
func (e *Exam) safely(ctx context.Context, check *Check) (verdict Verdict) {
	if ctx.Err() != nil {
		return unjudged("the time for the whole run was used up")
	}
	defer func() {
		if p := recover(); p != nil {
			verdict = unjudged(fmt.Sprintf("the check itself broke: %v", p))
		}
	}()
	return check.Run(ctx, e)
}

// wanted says why a check is not to be made; its status is empty when it is.
func (e *Exam) wanted(check *Check) Verdict {
	if reason, ok := e.options.Skip[check.ID]; ok {
		return skipped(reason)
	}
	if len(e.options.Only) > 0 && !slices.Contains(e.options.Only, check.ID) && !slices.Contains(e.options.Only, string(check.Area())) {
		return skipped(notAsked)
	}
	switch {
	case e.options.Quick && !quickChecks[check.ID]:
		return skipped("it is no part of a quick look")
	case check.Mode == Writes && e.options.Write == nil:
		return skipped("it moves money: it is made with leave to write, in a sandbox")
	case check.Mode == Compares && e.options.Baseline == nil:
		return skipped("it needs an earlier run to compare with")
	}
	if check.Area() != Auth && !e.reached() {
		return unjudged("no list could be read: " + e.unreached())
	}
	return Verdict{}
}

// hasFailed reports whether a check that was made before this one has failed.
func (e *Exam) hasFailed(id string) bool {
	return slices.ContainsFunc(e.results, func(r Result) bool { return r.ID == id && r.Status == Failed })
}

// quickChecks are those that a first page and a few questions can answer.
var quickChecks = map[string]bool{
	"A1": true, "A4": true, "A5": true, "B1": true, "B2": true, "B4": true, "C4": true, "D1": true, "D5": true,
	"D9": true, "E1": true, "E2": true, "G1": true, "G3": true, "G4": true, "J1": true,
}

// reached reports whether any list could be read.
func (e *Exam) reached() bool {
	return slices.ContainsFunc(allLists, func(l *list) bool { return e.crawls[l] != nil && e.crawls[l].failed == nil })
}

// unreached says why no list could be.
func (e *Exam) unreached() string {
	for _, l := range allLists {
		if c := e.crawls[l]; c != nil && c.failed != nil {
			return c.why
		}
	}
	return "nothing was asked"
}

func (e *Exam) progress(doing string) {
	if e.options.Progress != nil {
		e.options.Progress(Progress{
			Doing: doing, Done: len(e.results), Total: len(e.checks), Rows: e.rowsSeen, Requests: e.client.requests,
		})
	}
}

// advance tells of a page that was walked.
func (e *Exam) advance(c *crawl) {
	if c.pages%10 == 0 {
		e.progress("walk " + c.list.name)
	}
}

// lists are those that could be read and hold a row.
func (e *Exam) lists() []*crawl {
	var found []*crawl
	for _, l := range allLists {
		if c := e.crawls[l]; c != nil && c.failed == nil && len(c.rows) > 0 {
			found = append(found, c)
		}
	}
	return found
}

// paged are the lists whose pages can be told apart.
func (e *Exam) paged() []*crawl {
	return slices.DeleteFunc(e.lists(), func(c *crawl) bool { return !c.works() })
}

// noRows is why a check of rows could not judge.
const noRows = "the service shows no row to judge by"

// note is what looking at rows has shown to one check.
type note struct {
	seen     int
	findings map[string]*Finding
	order    []string
}

// saw counts a row, or a part of one, that the check could judge.
func (e *Exam) saw(id string) { e.noted(id).seen++ }

func (e *Exam) noted(id string) *note {
	if e.notes[id] == nil {
		e.notes[id] = &note{findings: map[string]*Finding{}}
	}
	return e.notes[id]
}

// kindsMax bounds how many kinds of findings a check reports.
const kindsMax = 6

// object notes what is wrong with a row. Rows that are wrong in the same way
// make one finding.
func (e *Exam) object(id string, r *record, kind, expected, got string) {
	n := e.noted(id)
	f := n.findings[kind]
	if f == nil {
		if len(n.order) == kindsMax {
			kind = n.order[kindsMax-1]
			f = n.findings[kind]
		} else {
			f = &Finding{Expected: expected, Got: got, Curl: e.client.curl(r.list.ask(window{page: max(r.page, 1), size: e.sizeOf(r.list)}))}
			n.findings[kind], n.order = f, append(n.order, kind)
		}
	}
	f.RowCount++
	if len(f.Rows) < rowsNamedMax {
		f.Rows = append(f.Rows, r.name())
	}
}

func (e *Exam) sizeOf(l *list) int {
	if c := e.crawls[l]; c != nil {
		return c.size
	}
	return wire.DefaultPageSize
}

// noticed is the verdict of a check that looks at rows.
func (e *Exam) noticed(id string) Verdict {
	n := e.noted(id)
	var findings []Finding
	for _, kind := range n.order {
		findings = append(findings, *n.findings[kind])
	}
	return judgeSome(n.seen, findings, noRows)
}

// byLooking is the Run of a check that needs no more than its look.
func byLooking(id string) func(context.Context, *Exam) Verdict {
	return func(_ context.Context, e *Exam) Verdict { return e.noticed(id) }
}
