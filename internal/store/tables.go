package store

import (
	"context"
	"slices"
)

// TableView reads whole tables, as they are stored, on one unchanging view of
// the database. It is for those who carry everything to another place, such as
// package archive; whoever wants to know what the rows mean uses a [View].
type TableView interface {
	// CountRows returns how many rows a table has.
	CountRows(ctx context.Context, t *Table) (int64, error)
	// EachRow calls each with the rows of a table in the order of its key, which
	// is its first column. A row has a value for each of the table's columns, in
	// their order and of the type that the [Kind] says, or nil. It is good until
	// each returns; so are its bytes.
	EachRow(ctx context.Context, t *Table, each func(row []any) error) error
}

// TableTx fills tables.
type TableTx interface {
	TableView
	// InsertRows stores rows of the form of EachRow with the keys that they have,
	// in the order of [Tables]: a row comes after those that it refers to.
	InsertRows(ctx context.Context, t *Table, rows [][]any) error
}

// Kind is what a column holds.
type Kind int

// The kinds, and the Go type of their values.
const (
	Integer  Kind = iota // int64
	Number               // float64
	Flag                 // bool
	Text                 // string, of any characters
	Instant              // string: UTC, nine digits of the second, years 0000 to 9999
	Digits               // string: an amount
	Document             // string: JSON; the order of names may change between databases
	Raw                  // []byte, a record as it came: mostly text
	Binary               // []byte, a hash or what was encrypted
)

// Column is a column of a table.
type Column struct {
	Name string
	Kind Kind
	// Null says that it may have no value, which is then nil.
	Null bool
}

// Table is a table with the same name and columns on every database.
type Table struct {
	Name string
	// Columns begin with the key.
	Columns []Column
}

// Column returns the place of a column; -1 when there is none of that name.
func (t *Table) Column(name string) int {
	return slices.IndexFunc(t.Columns, func(c Column) bool { return c.Name == name })
}

// CounterTable names the table of counters: the last number given to an event,
// and the last keys of connectors and rejections, which are never given twice.
// It has these rows on every database, wherever the database itself counts.
const CounterTable = "sequence"

// The counters.
const (
	EventCounter     = "event"
	ConnectorCounter = "connector"
	RejectionCounter = "rejection"
)

// Whether a column may be null, in the declarations below.
const (
	never  = false
	orNull = true
)

// Tables are all that a database holds, but for what each process makes anew:
// jobs, which follow from the streams, and the job engine's own tables. They are
// in the order in which they can be filled. A column that is added to the
// migrations is added here, at the end of its table; a test of each driver
// compares the two.
var Tables = []*Table{
	{"setting", []Column{{"name", Text, never}, {"value", Binary, never}}},
	{CounterTable, []Column{{"name", Text, never}, {"value", Integer, never}}},
	{"connector", []Column{
		{"connector_key", Integer, never},
		{"provider", Text, never},
		{"reference", Text, never},
		{"name", Text, never},
		{"created_at", Instant, never},
		{"updated_at", Instant, never},
		{"deleted_at", Instant, orNull},
		{"purged_seq", Integer, never},
		{"endpoint", Text, never},
		{"api_key", Binary, never},
		{"polling_period_ns", Integer, never},
		{"requests_per_second", Number, never},
		{"concurrency", Integer, never},
		{"look", Document, orNull},
	}},
	{"stream", []Column{
		{"stream_key", Integer, never},
		{"connector_key", Integer, never},
		{"resource", Text, never},
		{"period_ns", Integer, never},
		{"next_due_at", Instant, never},
		{"turn", Integer, never},
		{"paused_at", Instant, orNull},
		{"cursor_version", Integer, never},
		{"cursor", Document, never},
		{"caught_up", Flag, never},
		{"last_poll_at", Instant, orNull},
		{"last_success_at", Instant, orNull},
		{"failing_since", Instant, orNull},
		{"consecutive_failures", Integer, never},
		{"error_code", Text, orNull},
		{"error_message", Text, orNull},
		{"versions", Integer, never},
		{"requests", Integer, never},
		{"open_rejections", Integer, never},
		{"late_max_ns", Integer, never},
		{"late_rows", Integer, never},
		{"findings", Document, never},
	}},
	{"account", []Column{
		{"account_key", Integer, never},
		{"connector_key", Integer, never},
		{"type", Text, never},
		{"reference", Text, never},
		{"id_type", Text, never},
		{"created_at", Instant, never},
		{"version", Integer, never},
	}},
	{"account_version", []Column{
		{"version_key", Integer, never},
		{"account_key", Integer, never},
		{"version", Integer, never},
		{"name", Text, never},
		{"created_at", Instant, never},
		{"metadata", Document, orNull},
		{"seen_at", Instant, never},
		{"raw", Raw, never},
	}},
	{"balance", []Column{
		{"balance_key", Integer, never},
		{"connector_key", Integer, never},
		{"account", Text, never},
		{"id_type", Text, never},
		{"asset", Text, never},
		{"amount", Digits, never},
		{"created_at", Instant, never},
		{"last_updated_at", Instant, never},
		{"version", Integer, never},
		{"newest", Flag, never},
		{"raw", Raw, never},
	}},
	{"payment", []Column{
		{"payment_key", Integer, never},
		{"connector_key", Integer, never},
		{"reference", Text, never},
		{"id_type", Text, never},
		{"created_at", Instant, never},
		{"type", Text, never},
		{"status", Text, never},
		{"scheme", Text, never},
		{"asset", Text, never},
		{"initial_amount", Digits, never},
		{"amount", Digits, never},
		{"source", Text, orNull},
		{"destination", Text, orNull},
		{"metadata", Document, orNull},
	}},
	{"adjustment", []Column{
		{"adjustment_key", Integer, never},
		{"payment_key", Integer, never},
		{"connector_key", Integer, never},
		{"record", Text, orNull},
		{"version", Integer, never},
		{"created_at", Instant, never},
		{"updated_at", Instant, never},
		{"type", Text, never},
		{"status", Text, never},
		{"scheme", Text, never},
		{"asset", Text, never},
		{"amount", Digits, never},
		{"source", Text, orNull},
		{"destination", Text, orNull},
		{"metadata", Document, orNull},
		{"seen_at", Instant, never},
		{"hash", Binary, never},
		{"raw", Raw, never},
	}},
	{"event", []Column{
		{"seq", Integer, never},
		{"kind", Integer, never},
		{"connector_key", Integer, never},
		{"subject", Integer, never},
		{"at", Instant, orNull},
		{"last_updated_at", Instant, orNull},
	}},
	{"rejection", []Column{
		{"rejection_key", Integer, never},
		{"stream_key", Integer, never},
		{"reference", Text, never},
		{"hash", Binary, never},
		{"stamped_at", Instant, orNull},
		{"reason", Text, never},
		{"raw", Raw, never},
		{"first_seen_at", Instant, never},
		{"last_seen_at", Instant, never},
		{"resolved_at", Instant, orNull},
	}},
}

// TableNamed returns the table of that name, nil when there is none.
func TableNamed(name string) *Table {
	for _, t := range Tables {
		if t.Name == name {
			return t
		}
	}
	return nil
}
