package verify

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// order puts what needs attention first.
var statusOrder = []Status{Failed, Warned, Unjudged, Skipped, Passed}

func (s Status) rank() int { return slices.Index(statusOrder, s) }

// Group is an area with its results, the worst first.
type Group struct {
	Title   string
	Results []Result
}

// Count is how many of the group's results have the status.
func (g Group) Count(status Status) int {
	n := 0
	for i := range g.Results {
		if g.Results[i].Status == status {
			n++
		}
	}
	return n
}

// Groups are the results by area: the areas with failures first, and within an
// area the failures first.
func (r *Report) Groups() []Group {
	var groups []Group
	for _, result := range r.Results {
		if len(groups) == 0 || groups[len(groups)-1].Title != result.Area {
			groups = append(groups, Group{Title: result.Area})
		}
		last := &groups[len(groups)-1]
		last.Results = append(last.Results, result)
	}
	for i := range groups {
		slices.SortStableFunc(groups[i].Results, func(a, b Result) int { return cmp.Compare(a.Status.rank(), b.Status.rank()) })
	}
	slices.SortStableFunc(groups, func(a, b Group) int {
		if c := cmp.Compare(b.Count(Failed), a.Count(Failed)); c != 0 {
			return c
		}
		return cmp.Compare(b.Count(Warned), a.Count(Warned))
	})
	return groups
}

// notAsked is why most checks are skipped where only some are asked for. They
// are left out of the text.
const notAsked = "only other checks were asked for"

// mark is the status as it stands before a line.
var mark = map[Status]string{Failed: "FAIL", Warned: "warn", Unjudged: "?", Skipped: "-", Passed: "ok"}

// Text writes the report for people. paint may colour a text by the status of
// its check; nil leaves it as it is.
func (r *Report) Text(w io.Writer, paint func(Status, string) string) error {
	if paint == nil {
		paint = func(_ Status, text string) string { return text }
	}
	var text strings.Builder
	for _, group := range r.Groups() {
		group.Results = slices.DeleteFunc(group.Results, func(x Result) bool { return x.Note == notAsked })
		if len(group.Results) == 0 {
			continue
		}
		fmt.Fprintf(&text, "%s\n", group.Title)
		group.write(&text, paint)
		text.WriteByte('\n')
	}
	for _, l := range r.Lists {
		state := "read to its end"
		if !l.Complete {
			state = "not read to its end: " + l.Why
		}
		fmt.Fprintf(&text, "%-14s %s, %s\n", l.Name, plural(l.Rows, "row", "rows"), state)
	}
	fmt.Fprintf(&text, "%s in %s, judged for %s\n\n", plural(r.Requests, "request", "requests"), r.Took().Round(100*time.Millisecond), r.Profile)
	outcome := Failed
	switch {
	case !r.Judged:
		outcome = Unjudged
	case r.Passed:
		outcome = Passed
	}
	text.WriteString(paint(outcome, r.Verdict) + "\n")
	_, err := io.WriteString(w, text.String())
	return err
}

// write writes the lines of the group. What was skipped for one reason shares one.
func (g Group) write(text *strings.Builder, paint func(Status, string) string) {
	for i := 0; i < len(g.Results); i++ {
		x := &g.Results[i]
		status := paint(x.Status, fmt.Sprintf("%-4s", mark[x.Status]))
		if x.Status == Skipped {
			names := x.ID
			for ; i+1 < len(g.Results) && g.Results[i+1].Status == Skipped && g.Results[i+1].Note == x.Note; i++ {
				names += ", " + g.Results[i+1].ID
			}
			fmt.Fprintf(text, "  %s %-4s (%s)\n", status, names, x.Note)
			continue
		}
		fmt.Fprintf(text, "  %s %-4s %s", status, x.ID, x.Title)
		if x.Note != "" {
			fmt.Fprintf(text, " (%s)", x.Note)
		}
		text.WriteByte('\n')
		if x.Status == Failed || x.Status == Warned {
			x.detail(text)
		}
	}
}

// Took is how long the run took.
func (r *Report) Took() time.Duration { return time.Duration(r.TookMilliseconds) * time.Millisecond }

// detail writes what is wrong, below the check's line.
func (r *Result) detail(text *strings.Builder) {
	for i := range r.Findings {
		f := &r.Findings[i]
		fmt.Fprintf(text, "            expected  %s\n            got       %s\n", f.Expected, f.Got)
		if rows := f.Named(); rows != "" {
			fmt.Fprintf(text, "            rows      %s\n", rows)
		}
		if f.Curl != "" {
			fmt.Fprintf(text, "            again     %s\n", f.Curl)
		}
	}
	fmt.Fprintf(text, "            why       %s\n            remedy    %s\n", r.Reason, r.Remedy)
}

// Named lists the rows that the finding names, and how many there are.
func (f *Finding) Named() string {
	if len(f.Rows) == 0 {
		return ""
	}
	text := strings.Join(f.Rows, ", ")
	if f.RowCount > len(f.Rows) {
		text += fmt.Sprintf(", … (%s)", thousands(f.RowCount))
	}
	return text
}
