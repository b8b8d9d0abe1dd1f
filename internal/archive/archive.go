// Package archive carries everything that a store holds out of one database and
// into another, of the same kind or of the other: connectors with their keys
// (which stay encrypted), streams with their cursors, accounts, balances,
// payments, every version with its bytes, the log of events with its numbers,
// and what waits in quarantine.
//
// An archive is text, a JSON object on each line, each with one name that says
// what it is:
//
//	{"weir_archive":{"format":1,"program":"…","database":"sqlite","at":"…","tables":[{"name":"payment","rows":2,"columns":[…]},…]}}
//	{"payment":{"payment_key":1,"connector_key":1,"reference":"tx-1",…}}
//	{"payment":{"payment_key":2,"connector_key":1,"reference":"tx-2",…}}
//	{"end":{"table":"payment","rows":2,"sha256":"…"}}
//	{"total":{"rows":2,"content":"…","sha256":"…"}}
//
// The tables come in the order in which they are filled, their rows in the
// order of their keys, their columns in the order of the first line; a column
// without a value is left out. The sum of a table is over the lines of its rows,
// "content" over the lines of all ends, so that it names what is in a database
// whichever it is and whenever it was written, and the last sum over every line
// before its own.
//
// It is no backup of the key file, without which the keys of connectors stay
// unreadable, and it has no opinion on what rows mean.
//
// Start with [Export] and [Open].
package archive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"time"

	"github.com/weirhq/weir/internal/store"
)

// format is the version of the form of archives. It grows when a reader that
// knows the last one would misunderstand the new one; a column more is no reason.
const format = 1

// rowsStep is how many rows go by between two reports of progress.
const rowsStep = 1000

// Source is a database that is read.
type Source interface {
	// ReadTables runs f on one unchanging view of all tables.
	ReadTables(ctx context.Context, f func(store.TableView) error) error
}

// Target is a database that is filled.
type Target interface {
	// LoadTables runs f in one transaction on an empty database, commits when it
	// returns nil and else leaves the database empty. It refuses one that is not.
	LoadTables(ctx context.Context, f func(store.TableTx) error) error
}

// Progress is told now and then how many of all rows are done.
type Progress func(done, total int64)

// Summary is what was carried.
type Summary struct {
	// Rows are all rows, Bytes all bytes of the archive before compression.
	Rows, Bytes int64
	// Content names what the tables hold: two databases have the same one if
	// they hold the same.
	Content string
	Tables  []TableSummary
}

// TableSummary is what was carried of one table.
type TableSummary struct {
	Name string
	Rows int64
}

// header is the first line of an archive.
type header struct {
	Format   int           `json:"format"`
	Program  string        `json:"program"`
	Database string        `json:"database"`
	At       time.Time     `json:"at"`
	Tables   []headerTable `json:"tables"`
}

// headerTable announces a table. Rows are counted on the same view that is
// exported, so that progress is known from the beginning.
type headerTable struct {
	Name    string   `json:"name"`
	Rows    int64    `json:"rows"`
	Columns []string `json:"columns"`
}

// end closes a table.
type end struct {
	Table  string `json:"table"`
	Rows   int64  `json:"rows"`
	SHA256 string `json:"sha256"`
}

// total closes an archive.
type total struct {
	Rows    int64  `json:"rows"`
	Content string `json:"content"`
	SHA256  string `json:"sha256"`
}

// line is a line that is not a row. One of the fields is set.
type line struct {
	Header *header `json:"weir_archive,omitempty"`
	End    *end    `json:"end,omitempty"`
	Total  *total  `json:"total,omitempty"`
}

// sums are the checksums of an archive as far as it has been written or read.
type sums struct {
	table, content, all hash.Hash
	rows, bytes         int64
}

func newSums() *sums {
	return &sums{table: sha256.New(), content: sha256.New(), all: sha256.New()}
}

// row takes the line of a row.
func (s *sums) row(line []byte) {
	s.table.Write(line)
	s.rows++
	s.other(line)
}

// end takes the line that closes a table.
func (s *sums) end(line []byte) {
	s.content.Write(line)
	s.table.Reset()
	s.other(line)
}

// other takes any other line.
func (s *sums) other(line []byte) {
	s.all.Write(line)
	s.bytes += int64(len(line))
}

func sum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }
