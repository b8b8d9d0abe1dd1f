package telemetry

import (
	"fmt"
	"slices"
	"strings"
)

// Kind is how a metric behaves.
type Kind string

// The kinds. A counter only grows and begins again at 0 with the process; a
// gauge is what is true now; a histogram counts how long things took.
const (
	Counter   Kind = "counter"
	Gauge     Kind = "gauge"
	Histogram Kind = "histogram"
)

// Metric is one line of the table: a name as Prometheus shows it, and what it
// promises to whoever writes an alert over it.
type Metric struct {
	Name   string
	Kind   Kind
	Labels []string
	// Database says that the value is read from the database, and so is the same
	// wherever it is asked for; others are about one process.
	Database bool
	// Help is one sentence, without a full stop.
	Help string
}

// The labels. None of them has more values than an operator has set up or the
// program knows, and none ever holds an identifier, a URL or a text of an error.
const (
	labelConnector = "connector" // the connector's name, [connectorsMax] of them at the most
	labelResource  = "resource"  // accounts, balances, beneficiaries or transactions
	labelOutcome   = "outcome"   // ok, or why not: a code of package hub, or a word of the metric's own
	labelState     = "state"
	labelKind      = "kind"
	labelRoute     = "route" // the pattern of the API's route, never the path
	labelMethod    = "method"
	labelStatus    = "status"
	labelVersion   = "version"
	labelGo        = "go"
)

// The names, one for each line of the table.
const (
	namePolls          = "weir_polls_total"
	namePollDuration   = "weir_poll_duration_seconds"
	namePollsRunning   = "weir_polls_running"
	nameRows           = "weir_rows_read_total"
	nameVersions       = "weir_versions_stored_total"
	nameLateRows       = "weir_late_rows_total"
	nameRejections     = "weir_rejections_total"
	nameService        = "weir_service_request_duration_seconds"
	nameTransaction    = "weir_store_transaction_duration_seconds"
	nameAPI            = "weir_api_request_duration_seconds"
	nameBuild          = "weir_build_info"
	nameDatabaseUp     = "weir_database_up"
	nameConnectors     = "weir_connectors"
	nameStreams        = "weir_streams"
	nameUnlisted       = "weir_streams_unlisted"
	nameLag            = "weir_stream_lag_seconds"
	nameSuccessAge     = "weir_stream_last_success_age_seconds"
	nameOverdue        = "weir_stream_overdue_seconds"
	nameFailing        = "weir_stream_failing_seconds"
	namePeriod         = "weir_stream_period_seconds"
	namePaused         = "weir_stream_paused"
	nameIncomplete     = "weir_stream_incomplete"
	nameOpenRejections = "weir_stream_open_rejections"
	nameSequence       = "weir_event_last_sequence"
	nameQueueJobs      = "weir_queue_jobs"
	nameQueueOldest    = "weir_queue_oldest_due_seconds"
)

// Table lists every metric of Weir's own. docs/operations.md shows it, and what
// /metrics answers is held against it by a test. Beside these there are go_… and
// process_… as Prometheus' own library writes them.
var Table = []Metric{
	{
		namePolls, Counter,
		[]string{labelConnector, labelResource, labelOutcome},
		false,
		"polls that have ended: ok, more (its time was over before the list was), stopped, stale, or the code of the error",
	},
	{namePollDuration, Histogram, []string{labelResource, labelOutcome}, false, "how long polls took"},
	{namePollsRunning, Gauge, nil, false, "polls that are under way"},
	{nameRows, Counter, []string{labelConnector, labelResource}, false, "records that were read and stored or recognised, readable or not"},
	{nameVersions, Counter, []string{labelConnector, labelResource}, false, "versions of records that were new and are stored"},
	{nameLateRows, Counter, []string{labelConnector, labelResource}, false, "versions that appeared behind the watermark"},
	{nameRejections, Counter, []string{labelConnector, labelResource}, false, "records that were put into quarantine"},
	{
		nameService, Histogram,
		[]string{labelConnector, labelOutcome},
		false,
		"requests to integration services, from the call to the end of the answer: ok, stopped, or the code of the error",
	},
	{
		nameTransaction, Histogram,
		[]string{labelKind, labelOutcome},
		false,
		"transactions of the database, kind read or write: ok, refused (a rule said no), canceled (nobody waits any more) or failed (the database's fault)",
	},
	{nameAPI, Histogram, []string{labelMethod, labelRoute, labelStatus}, false, "requests to the API; route other is a path that there is not"},
	{nameBuild, Gauge, []string{labelVersion, labelGo}, false, "always 1; the labels are Weir's version and Go's"},
	{nameDatabaseUp, Gauge, nil, true, "1 where the database answered this scrape in time, else 0 and all others from the database are missing"},
	{nameConnectors, Gauge, nil, true, "connectors that are installed"},
	{nameStreams, Gauge, []string{labelState}, true, "streams in each state: paused, failing, late, incomplete, reading, idle"},
	{nameUnlisted, Gauge, nil, true, "streams that have no series of their own below, because there are too many connectors"},
	{
		nameLag, Gauge,
		[]string{labelConnector, labelResource},
		true,
		"how far the stored data may be behind the service: since the last success, or behind the watermark while the end is not reached",
	},
	{nameSuccessAge, Gauge, []string{labelConnector, labelResource}, true, "time since the last successful poll, or since the connector was installed where there was none"},
	{nameOverdue, Gauge, []string{labelConnector, labelResource}, true, "how long the next poll has been due; 0 when it is not, and for paused streams"},
	{nameFailing, Gauge, []string{labelConnector, labelResource}, true, "how long the stream has been failing; 0 when it is not"},
	{namePeriod, Gauge, []string{labelConnector, labelResource}, true, "the time between two polls that the connector is set to"},
	{namePaused, Gauge, []string{labelConnector, labelResource}, true, "1 while an operator keeps the stream at rest"},
	{nameIncomplete, Gauge, []string{labelConnector, labelResource}, true, "1 while rows may be missing because of how the service behaves"},
	{nameOpenRejections, Gauge, []string{labelConnector, labelResource}, true, "records in quarantine"},
	{nameSequence, Gauge, nil, true, "number of the newest event in the log, which counts them from 1 without a gap"},
	{nameQueueJobs, Gauge, []string{labelState}, true, "jobs that have not ended: available (due, waiting for a worker), running, scheduled, retryable, pending"},
	{nameQueueOldest, Gauge, nil, true, "how long the job that waits longest has been due; 0 when none is"},
}

// help returns the sentence about a metric. A name without a line is a mistake
// in this package.
func help(name string) string {
	for _, m := range Table {
		if m.Name == name {
			return m.Help
		}
	}
	panic("telemetry: no line in the table for " + name)
}

// Markdown renders the table as docs/operations.md shows it.
func Markdown() string {
	var out strings.Builder
	out.WriteString("| metric | kind | labels | from | what it is |\n| --- | --- | --- | --- | --- |\n")
	for _, m := range Table {
		labels := "-"
		if len(m.Labels) > 0 {
			labels = "`" + strings.Join(m.Labels, "`, `") + "`"
		}
		from := "process"
		if m.Database {
			from = "database"
		}
		fmt.Fprintf(&out, "| `%s` | %s | %s | %s | %s |\n", m.Name, m.Kind, labels, from, m.Help)
	}
	return out.String()
}

// Series lists the names that a query may use: those of the table, and of each
// histogram the three that Prometheus makes of it.
func Series() []string {
	var names []string
	for _, m := range Table {
		if m.Kind == Histogram {
			names = append(names, m.Name+"_bucket", m.Name+"_sum", m.Name+"_count")
		} else {
			names = append(names, m.Name)
		}
	}
	slices.Sort(names)
	return names
}
