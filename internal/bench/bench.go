// Package bench is what the measurements of "weir bench" have in common: a
// report with its rows, targets and plots in three forms (text for a terminal,
// JSON for programs, one HTML page for everybody else), clients that put a load
// on something for a while, and percentiles of how long each call took.
//
// It measures nothing by itself and knows nothing of payments: what is run, and
// beside which counterpart, is in cmd/weir. Start with [Report] and [Load].
package bench

import (
	"encoding/json"
	"io"
	"time"
)

// A Report is the outcome of one run of one measurement.
type Report struct {
	// Name is the command's own, "ingest"; Title says in a sentence what was measured.
	Name  string `json:"name"`
	Title string `json:"title"`
	// Command is the command line that does it again.
	Command string    `json:"command"`
	At      time.Time `json:"at"`
	Machine Machine   `json:"machine"`
	Rows    []Row     `json:"rows"`
	Plots   []Plot    `json:"plots,omitempty"`
	// Notes are sentences about how the figures came to be and what is in them.
	Notes []string `json:"notes,omitempty"`
}

// A Machine is where a measurement was made, and of what.
type Machine struct {
	Cores       int    `json:"cores"`
	Processor   string `json:"processor,omitempty"`
	MemoryBytes int64  `json:"memoryBytes,omitempty"`
	System      string `json:"system"`
	Go          string `json:"go"`
	Version     string `json:"version"`
	// Commit is empty where the program was built without it.
	Commit string `json:"commit,omitempty"`
	// Load is the mean number of processes that wanted a processor in the minute
	// before the run: who measures on a busy machine should know.
	Load string `json:"load,omitempty"`
}

// A Row is one thing that was measured. What was not measured is zero and left
// out of all forms.
type Row struct {
	Name string `json:"name"`
	// Items is how many were done in Seconds, Unit what they are: "pages".
	Items   int64   `json:"items,omitempty"`
	Unit    string  `json:"unit,omitempty"`
	Seconds float64 `json:"seconds,omitempty"`
	// PerSecond is the rate of the items.
	PerSecond float64 `json:"perSecond,omitempty"`
	// The percentiles say how long one item took, in milliseconds.
	P50Milliseconds float64 `json:"p50Milliseconds,omitempty"`
	P90Milliseconds float64 `json:"p90Milliseconds,omitempty"`
	P99Milliseconds float64 `json:"p99Milliseconds,omitempty"`
	MaxMilliseconds float64 `json:"maxMilliseconds,omitempty"`
	// CPUMicroseconds is the processor time of the measured process for an item.
	CPUMicroseconds float64 `json:"cpuMicroseconds,omitempty"`
	// CorePercent is its share of one core over the whole time.
	CorePercent float64 `json:"corePercent,omitempty"`
	// DatabaseCorePercent is the share of a database server beside it.
	DatabaseCorePercent float64 `json:"databaseCorePercent,omitempty"`
	// PeakRSSBytes is the most memory that the measured process has had so far.
	PeakRSSBytes int64 `json:"peakRSSBytes,omitempty"`
	// Ceiling is the rate of the same work with nothing around it, in the same
	// run; Ratio is how much of it was reached, from 0 to 1.
	Ceiling     float64 `json:"ceilingPerSecond,omitempty"`
	CeilingName string  `json:"ceilingName,omitempty"`
	Ratio       float64 `json:"ratio,omitempty"`
	// Targets are what the row is held against.
	Targets []Target `json:"targets,omitempty"`
}

// A Target is a bound that a row should keep.
type Target struct {
	// Text is the bound in words: "at least 1,000 pages a second".
	Text string `json:"text"`
	Met  bool   `json:"met"`
}

// Rate sets the number of items, the time that they took, and what follows from it.
func (r *Row) Rate(items int64, elapsed time.Duration) {
	r.Items, r.Seconds = items, elapsed.Seconds()
	if elapsed > 0 {
		r.PerSecond = float64(items) / elapsed.Seconds()
	}
}

// Used sets what the measured process spent on the row's items. It comes after [Row.Rate].
func (r *Row) Used(cpu time.Duration) {
	if r.Items > 0 {
		r.CPUMicroseconds = float64(cpu.Microseconds()) / float64(r.Items)
	}
	if r.Seconds > 0 {
		r.CorePercent = 100 * cpu.Seconds() / r.Seconds
	}
}

// DatabaseUsed sets what a database server beside the measured process spent
// meanwhile. It comes after [Row.Rate].
func (r *Row) DatabaseUsed(cpu time.Duration) {
	if r.Seconds > 0 {
		r.DatabaseCorePercent = 100 * cpu.Seconds() / r.Seconds
	}
}

// Latencies sets the percentiles.
func (r *Row) Latencies(l *Latencies) {
	r.P50Milliseconds, r.P90Milliseconds = milliseconds(l.Percentile(50)), milliseconds(l.Percentile(90))
	r.P99Milliseconds, r.MaxMilliseconds = milliseconds(l.Percentile(99)), milliseconds(l.Percentile(100))
}

// Against holds the row's rate against a ceiling that was measured beside it.
func (r *Row) Against(name string, perSecond float64) {
	r.CeilingName, r.Ceiling = name, perSecond
	if perSecond > 0 {
		r.Ratio = r.PerSecond / perSecond
	}
}

// Aim adds a target.
func (r *Row) Aim(text string, met bool) { r.Targets = append(r.Targets, Target{text, met}) }

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// A Plot is a picture of lines over a common axis.
type Plot struct {
	Title string `json:"title"`
	// X and Y name the axes with their units: "seconds", "transactions a second".
	X      string   `json:"x"`
	Y      string   `json:"y"`
	Series []Series `json:"series"`
}

// Series are points that belong together, in the order of X.
type Series struct {
	Name   string  `json:"name"`
	Points []Point `json:"points"`
}

// A Point is a value of Y at X.
type Point struct {
	X float64 `json:"x"`
	Y float64 `json:"y"`
}

// Missed are the targets that were not met, each with the name of its row.
func (r *Report) Missed() []string {
	var missed []string
	for i := range r.Rows {
		for _, target := range r.Rows[i].Targets {
			if !target.Met {
				missed = append(missed, r.Rows[i].Name+": "+target.Text)
			}
		}
	}
	return missed
}

// WriteJSON writes the report as an indented JSON object.
func (r *Report) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(r)
}
