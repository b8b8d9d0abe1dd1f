package bench

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// A column is one figure of a row, as people read it; empty where there is none.
type column struct {
	name string
	text func(*Row) string
}

// columns are all figures of a row in the order of reading.
var columns = []column{
	{"items", func(r *Row) string {
		if r.Items == 0 {
			return ""
		}
		return strings.TrimSpace(thousands(float64(r.Items)) + " " + r.Unit)
	}},
	{"seconds", func(r *Row) string { return figure(r.Seconds) }},
	{"a second", func(r *Row) string { return figure(r.PerSecond) }},
	{"p50 ms", func(r *Row) string { return figure(r.P50Milliseconds) }},
	{"p90 ms", func(r *Row) string { return figure(r.P90Milliseconds) }},
	{"p99 ms", func(r *Row) string { return figure(r.P99Milliseconds) }},
	{"max ms", func(r *Row) string { return figure(r.MaxMilliseconds) }},
	{"CPU µs each", func(r *Row) string { return figure(r.CPUMicroseconds) }},
	{"of a core", func(r *Row) string { return percent(r.CorePercent) }},
	{"database", func(r *Row) string { return percent(r.DatabaseCorePercent) }},
	{"peak RSS", func(r *Row) string {
		if r.PeakRSSBytes == 0 {
			return ""
		}
		return fmt.Sprintf("%.0f MB", float64(r.PeakRSSBytes)/1e6)
	}},
	{"ceiling", func(r *Row) string { return figure(r.Ceiling) }},
	{"ratio", func(r *Row) string { return percent(100 * r.Ratio) }},
}

// used are the columns in which at least one row has something.
func (r *Report) used() []column {
	var used []column
	for _, c := range columns {
		for i := range r.Rows {
			if c.text(&r.Rows[i]) != "" {
				used = append(used, c)
				break
			}
		}
	}
	return used
}

// WriteText writes the report for a terminal: a table, then the targets, then
// what is to be known about the figures.
func (r *Report) WriteText(w io.Writer) error {
	fmt.Fprintf(w, "%s\n%s\n\n", r.Title, r.Machine)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	used := r.used()
	width := 0
	for i := range r.Rows {
		width = max(width, len([]rune(r.Rows[i].Name)))
	}
	heads := make([]string, len(used))
	for i, c := range used {
		heads[i] = c.name
	}
	fmt.Fprintf(table, "%-*s\t%s\t\n", width, "", strings.Join(heads, "\t"))
	for i := range r.Rows {
		texts := make([]string, len(used))
		for j, c := range used {
			texts[j] = c.text(&r.Rows[i])
		}
		fmt.Fprintf(table, "%-*s\t%s\t\n", width, r.Rows[i].Name, strings.Join(texts, "\t"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, name := range r.ceilings() {
		fmt.Fprintf(w, "ceiling  %s\n", name)
	}
	for i := range r.Rows {
		for _, target := range r.Rows[i].Targets {
			fmt.Fprintf(w, "%s  %s: %s\n", verdict(target.Met), r.Rows[i].Name, target.Text)
		}
	}
	for _, note := range r.Notes {
		fmt.Fprintf(w, "note     %s\n", note)
	}
	return nil
}

// ceilings are the names of the ceilings, each once.
func (r *Report) ceilings() []string {
	var names []string
	for i := range r.Rows {
		if name := r.Rows[i].CeilingName; name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func verdict(met bool) string {
	if met {
		return "met    "
	}
	return "MISSED "
}

// String is the machine in one line.
func (m Machine) String() string {
	parts := []string{strconv.Itoa(m.Cores) + " cores"}
	if m.Processor != "" {
		parts = append(parts, m.Processor)
	}
	if m.MemoryBytes > 0 {
		parts = append(parts, fmt.Sprintf("%.0f GB of memory", float64(m.MemoryBytes)/1e9))
	}
	parts = append(parts, m.System, m.Go, "weir "+m.Version)
	if m.Commit != "" {
		parts = append(parts, "commit "+m.Commit)
	}
	if m.Load != "" {
		parts = append(parts, "load before the run "+m.Load)
	}
	return strings.Join(parts, ", ")
}

// figure writes a number with as many digits as are worth reading; nothing for 0.
func figure(x float64) string {
	switch {
	case x == 0:
		return ""
	case x >= 100:
		return thousands(x)
	case x >= 10:
		return strconv.FormatFloat(x, 'f', 1, 64)
	default:
		return strconv.FormatFloat(x, 'f', 2, 64)
	}
}

func percent(x float64) string {
	switch {
	case x == 0:
		return ""
	case x < 10:
		return fmt.Sprintf("%.1f %%", x)
	default:
		return fmt.Sprintf("%.0f %%", x)
	}
}

// thousands writes a whole number with a comma after every third digit.
func thousands(x float64) string {
	digits := strconv.FormatInt(int64(math.Round(x)), 10)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}
