package verify

import (
	"context"
	"slices"
)

// Mode is what a check needs in order to judge.
type Mode string

// The modes.
const (
	// Reads needs nothing but a key that may read.
	Reads Mode = "reads"
	// Seeds needs data of a special kind, or data that moves while it is read.
	// Such a check judges by what the service happens to hold, and by [Hooks].
	Seeds Mode = "seeds"
	// Writes sends payouts and transfers to a sandbox.
	Writes Mode = "writes"
	// Compares needs an earlier run to compare with: see [Options.Baseline].
	Compares Mode = "compares"
)

// Severity is what it costs when a check fails.
type Severity string

// The severities.
const (
	// Must marks a check whose failure loses data, money or secrets.
	Must Severity = "must"
	// Should marks one whose failure is a nuisance, or a loss with other
	// readers than Weir. It warns.
	Should Severity = "should"
)

// Area groups the checks; it is the letter that their ids begin with.
type Area string

// The areas.
const (
	Auth       Area = "A"
	Schema     Area = "B"
	Paging     Area = "C"
	Order      Area = "D"
	Clock      Area = "E"
	Identity   Area = "F"
	Money      Area = "G"
	References Area = "H"
	Balances   Area = "I"
	Errors     Area = "J"
	Transfers  Area = "K"
	Load       Area = "L"
)

// Title is the area in words.
func (a Area) Title() string {
	return map[Area]string{
		Auth: "Transport and keys", Schema: "Form of the rows", Paging: "Paging", Order: "Order and filter",
		Clock: "Time", Identity: "Identity and life", Money: "Money", References: "References",
		Balances: "Balances", Errors: "Errors", Transfers: "Payouts and transfers", Load: "Load",
	}[a]
}

// A Check is one promise of the contract and the way to test it from outside.
type Check struct {
	// ID is stable for ever: an area's letter and a number.
	ID       string
	Mode     Mode
	Severity Severity
	// Title says what holds when the check passes.
	Title string
	// Reason says what is lost when it does not hold.
	Reason string
	// Remedy says what to do about it.
	Remedy string
	// Run judges the service. It asks for what no other check has fetched
	// already, within the budget of the exam.
	Run func(context.Context, *Exam) Verdict

	// look sees every row of every list once, as it is walked, and notes what is
	// wrong with it.
	look func(*Exam, *record)
}

// Area is the check's area.
func (c *Check) Area() Area { return Area(c.ID[:1]) }

// Catalogue lists every check, in order.
func Catalogue() []Check {
	return slices.Concat(
		authChecks, schemaChecks, pagingChecks, orderChecks, clockChecks, identityChecks, moneyChecks,
		referenceChecks, balanceChecks, errorChecks, transferChecks, loadChecks,
	)
}

// Status is how a check ended.
type Status string

// The statuses. Only the first two are judgements of the service.
const (
	Passed Status = "passed"
	Failed Status = "failed"
	// Warned is what the failure of a check is called that is no must.
	Warned Status = "warned"
	// Skipped says that somebody did not want the check to be made, or that it
	// needs what was not given: leave to write, an earlier run.
	Skipped Status = "skipped"
	// Unjudged says that the service gave nothing to judge by. It is never a pass.
	Unjudged Status = "could not judge"
)

// A Verdict is what a check has to say.
type Verdict struct {
	Status Status
	// Note is a sentence: why it was not judged, or what is worth knowing.
	Note string
	// Findings are what is wrong, where something is.
	Findings []Finding
}

// A Finding is one thing that is wrong.
type Finding struct {
	// Expected and Got are short sentences.
	Expected string `json:"expected"`
	Got      string `json:"got"`
	// Rows are the rows concerned, by list and id: the first of RowCount.
	Rows     []string `json:"rows,omitempty"`
	RowCount int      `json:"rowCount,omitempty"`
	// Curl shows it again. The key is taken from the variable WEIR_KEY.
	Curl string `json:"curl,omitempty"`
}

// rowsNamedMax bounds the rows that a finding names: enough to see what they
// have in common.
const rowsNamedMax = 10

func pass() Verdict { return Verdict{Status: Passed} }

func passWith(note string) Verdict { return Verdict{Status: Passed, Note: note} }

func unjudged(why string) Verdict { return Verdict{Status: Unjudged, Note: why} }

func skipped(why string) Verdict { return Verdict{Status: Skipped, Note: why} }

// judge passes when there are no findings.
func judge(findings []Finding) Verdict {
	if len(findings) == 0 {
		return pass()
	}
	return Verdict{Status: Failed, Findings: findings}
}

// judgeSome is judge where there may have been nothing to judge by.
func judgeSome(judged int, findings []Finding, why string) Verdict {
	if judged == 0 && len(findings) == 0 {
		return unjudged(why)
	}
	return judge(findings)
}
