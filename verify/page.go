package verify

import (
	_ "embed"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"html/template"
	"io"
	"regexp"
	"strings"
)

//go:embed report.html
var pageText string

// page is the report as one page: no script, nothing from elsewhere.
var page = template.Must(template.New("report").Funcs(template.FuncMap{
	"mark":      func(s Status) string { return mark[s] },
	"isBad":     func(s Status) bool { return s == Failed || s == Warned },
	"class":     func(s Status) string { return strings.ReplaceAll(string(s), " ", "-") },
	"thousands": thousands,
	"sentences": sentences,
}).Parse(pageText))

// HTML writes the report as one page that needs nothing else, to be read by
// people who do not run commands, and to be printed.
func (r *Report) HTML(w io.Writer) error { return page.Execute(w, r) }

// sentenceEnd is a full stop with another sentence after it. In a stamp or an
// amount no space follows.
var sentenceEnd = regexp.MustCompile(`\. [A-Z0-9]`)

// sentences takes a text apart, so that the first of them can stand out.
func sentences(text string) []string {
	var all []string
	for {
		end := sentenceEnd.FindStringIndex(text)
		if end == nil {
			return append(all, text)
		}
		all, text = append(all, text[:end[0]+1]), text[end[0]+2:]
	}
}

// Counts are the numbers of results by status, in the order of the page.
func (r *Report) Counts() []struct {
	Status Status
	Count  int
} {
	var counts []struct {
		Status Status
		Count  int
	}
	for _, status := range statusOrder {
		counts = append(counts, struct {
			Status Status
			Count  int
		}{status, len(r.Of(status))})
	}
	return counts
}

// JSON writes the report for programs.
func (r *Report) JSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

// The form of JUnit, as far as build servers read it.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Skipped  int          `xml:"skipped,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Time    string        `xml:"time,attr"`
		Failure *junitMessage `xml:"failure,omitempty"`
		Skipped *junitMessage `xml:"skipped,omitempty"`
		Output  string        `xml:"system-out,omitempty"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// JUnit writes the report for build servers. A warning is a test that passes and
// says something, or with strict one that fails; what could not be judged is
// skipped.
func (r *Report) JUnit(w io.Writer, strict bool) error {
	whole := junitSuites{Name: "weir verify " + r.Endpoint}
	for _, group := range r.Groups() {
		suite := junitSuite{Name: group.Title}
		for i := range group.Results {
			x := &group.Results[i]
			c := junitCase{Class: "weir." + x.ID[:1], Name: x.ID + " " + x.Title, Time: fmt.Sprintf("%d.%03d", x.TookMilliseconds/1000, x.TookMilliseconds%1000)}
			var detail strings.Builder
			x.detail(&detail)
			switch {
			case x.Status == Failed, x.Status == Warned && strict:
				c.Failure = &junitMessage{Message: x.Reason, Text: detail.String()}
				suite.Failures++
			case x.Status == Warned:
				c.Output = detail.String()
			case x.Status == Skipped, x.Status == Unjudged:
				c.Skipped = &junitMessage{Message: string(x.Status) + ": " + x.Note}
				suite.Skipped++
			default:
				c.Output = x.Note
			}
			suite.Cases = append(suite.Cases, c)
		}
		suite.Tests = len(suite.Cases)
		whole.Tests, whole.Failures, whole.Skipped = whole.Tests+suite.Tests, whole.Failures+suite.Failures, whole.Skipped+suite.Skipped
		whole.Suites = append(whole.Suites, suite)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(whole); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
