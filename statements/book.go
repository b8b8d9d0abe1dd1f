package statements

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"time"

	// The driver of the book's own file.
	_ "modernc.org/sqlite"

	"github.com/weirhq/weir/wire"
)

// Book remembers what the files have told, so that each movement is one row
// however often and by whichever files it is told. It keeps the rows of the
// contract in their present state, in the order of their last change, in one
// SQLite file.
//
// One process uses a Book at a time. Its methods may be called by several
// goroutines; taking files excludes taking files.
type Book struct {
	db *sql.DB
	translation
	options Options
}

// BookOptions are the declared policies of a [Book].
type BookOptions struct {
	Options
	// Zone is where a date begins, and where times without a zone are read.
	// UTC when nil. Changing it changes the dates of movements yet to come, and
	// no others: when a movement came into being never changes.
	Zone *time.Location
}

// schema is the book's own; version 1. It is not shared with anyone, and it
// can be rebuilt by taking all files again.
const schema = `
CREATE TABLE IF NOT EXISTS file (
	sum TEXT PRIMARY KEY, name TEXT NOT NULL, bytes INTEGER NOT NULL, taken_at TEXT NOT NULL, movements INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS account (
	id TEXT PRIMARY KEY, identification TEXT NOT NULL, currency TEXT NOT NULL, created TEXT NOT NULL, balanced_at TEXT NOT NULL DEFAULT '',
	UNIQUE (identification, currency)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS balance (
	account TEXT NOT NULL, asset TEXT NOT NULL, minor TEXT NOT NULL, PRIMARY KEY (account, asset)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS statement (
	id INTEGER PRIMARY KEY, account TEXT NOT NULL, key TEXT NOT NULL, kind INTEGER NOT NULL, number TEXT NOT NULL, page INTEGER NOT NULL,
	day_from TEXT NOT NULL, day_to TEXT NOT NULL, opening TEXT, closing TEXT, entries INTEGER NOT NULL, file TEXT NOT NULL,
	UNIQUE (account, key)
);
CREATE TABLE IF NOT EXISTS claim (
	account TEXT NOT NULL, print TEXT NOT NULL, statement INTEGER NOT NULL, class INTEGER NOT NULL,
	first INTEGER NOT NULL, count INTEGER NOT NULL, pass INTEGER NOT NULL, seen INTEGER NOT NULL, until INTEGER NOT NULL,
	PRIMARY KEY (account, print, statement)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS movement (
	account TEXT NOT NULL, print TEXT NOT NULL, n INTEGER NOT NULL, id TEXT NOT NULL, PRIMARY KEY (account, print, n)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state (
	id TEXT PRIMARY KEY, rank INTEGER NOT NULL, parts INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pending (
	account TEXT NOT NULL, link TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (account, link, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS pending_id ON pending (id);
CREATE TABLE IF NOT EXISTS reference (
	account TEXT NOT NULL, reference TEXT NOT NULL, id TEXT NOT NULL, type TEXT NOT NULL, sign TEXT NOT NULL,
	minor TEXT NOT NULL, asset TEXT NOT NULL, valued TEXT NOT NULL, created TEXT NOT NULL,
	PRIMARY KEY (account, reference, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS record (
	seq INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, id TEXT NOT NULL, body BLOB NOT NULL, UNIQUE (kind, id)
);
CREATE TABLE IF NOT EXISTS finding (
	id INTEGER PRIMARY KEY, file TEXT NOT NULL, line INTEGER NOT NULL, account TEXT NOT NULL, day TEXT NOT NULL, text TEXT NOT NULL,
	UNIQUE (file, line, text)
);`

// OpenBook opens the book in a file, and makes it where there is none.
func OpenBook(ctx context.Context, file string, options BookOptions) (*Book, error) {
	settings := url.Values{"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(5000)"}, "_txlock": {"immediate"}}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath()+"?"+settings.Encode())
	if err != nil {
		return nil, fmt.Errorf("open the book %s: %w", file, err)
	}
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return nil, errors.Join(fmt.Errorf("open the book %s: %w", file, err), db.Close())
	}
	zone := options.Zone
	if zone == nil {
		zone = time.UTC
	}
	return &Book{db: db, translation: translation{options.Places, zone}, options: options.Options}, nil
}

// Close closes the book's file.
func (b *Book) Close() error { return b.db.Close() }

// Row is one row of the contract; exactly one of its parts is set.
type Row struct {
	Account     *wire.Account
	Balances    *wire.Balances
	Beneficiary *wire.Beneficiary
	Transaction *wire.Transaction
}

// recordKind tells the parts of a Row apart in the book.
type recordKind int

const (
	accountRecord recordKind = iota + 1
	balancesRecord
	beneficiaryRecord
	transactionRecord
)

// Rows returns rows that changed after a position, the oldest change first, at
// most limit, and the position behind them. Position 0 is the beginning. A row
// that changed twice comes once, in its present state, at its last change.
// Asking again from the same position is safe.
func (b *Book) Rows(ctx context.Context, after int64, limit int) (rows []Row, next int64, err error) {
	next = after
	found, err := b.db.QueryContext(ctx, `SELECT seq, kind, body FROM record WHERE seq > ? ORDER BY seq LIMIT ?`, after, limit)
	if err != nil {
		return nil, after, fmt.Errorf("read rows after %d: %w", after, err)
	}
	defer found.Close()
	for found.Next() {
		var kind recordKind
		var body []byte
		if err := found.Scan(&next, &kind, &body); err != nil {
			return nil, after, fmt.Errorf("read rows after %d: %w", after, err)
		}
		row, err := decodeRow(kind, body)
		if err != nil {
			return nil, after, fmt.Errorf("read row %d: %w", next, err)
		}
		rows = append(rows, row)
	}
	if err := found.Err(); err != nil {
		return nil, after, fmt.Errorf("read rows after %d: %w", after, err)
	}
	return rows, next, nil
}

func decodeRow(kind recordKind, body []byte) (Row, error) {
	var row Row
	var into any
	switch kind {
	case accountRecord:
		row.Account = new(wire.Account)
		into = row.Account
	case balancesRecord:
		row.Balances = new(wire.Balances)
		into = row.Balances
	case beneficiaryRecord:
		row.Beneficiary = new(wire.Beneficiary)
		into = row.Beneficiary
	case transactionRecord:
		row.Transaction = new(wire.Transaction)
		into = row.Transaction
	default:
		return row, fmt.Errorf("kind %d is not known", kind)
	}
	return row, json.Unmarshal(body, into)
}

// Finding is something about a file that a person should know: a statement that
// does not add up, a page that does not follow, the same statement in another format.
type Finding struct {
	File    string
	Line    int
	Account string
	// Day is YYYY-MM-DD, empty when the file does not tell.
	Day  string
	Text string
}

// Findings returns what was found, the oldest first.
func (b *Book) Findings(ctx context.Context) ([]Finding, error) {
	rows, err := b.db.QueryContext(ctx, `SELECT file, line, account, day, text FROM finding ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("read findings: %w", err)
	}
	defer rows.Close()
	var all []Finding
	for rows.Next() {
		var f Finding
		if err := rows.Scan(&f.File, &f.Line, &f.Account, &f.Day, &f.Text); err != nil {
			return nil, fmt.Errorf("read findings: %w", err)
		}
		all = append(all, f)
	}
	return all, rows.Err()
}

// Gaps returns the places where the final statements of an account do not
// chain, over all accounts. It is worked out anew each time, so a gap closes
// when the statement that was missing comes.
func (b *Book) Gaps(ctx context.Context) ([]Gap, error) {
	rows, err := b.db.QueryContext(ctx, `SELECT s.account, a.currency, s.kind, s.number, s.page, s.day_from, s.day_to, s.opening, s.closing, s.file
		FROM statement s JOIN account a ON a.id = s.account WHERE s.kind IN (?, ?) ORDER BY s.account, s.id`, Camt053, MT940)
	if err != nil {
		return nil, fmt.Errorf("read statements: %w", err)
	}
	defer rows.Close()
	var gaps []Gap
	var links []Link
	flush := func() {
		gaps = append(gaps, Chain(links, b.places)...)
		links = nil
	}
	for rows.Next() {
		var l Link
		var opening, closing sql.NullString
		if err := rows.Scan(&l.Account, &l.Currency, &l.Kind, &l.Number, &l.Page, &l.From, &l.To, &opening, &closing, &l.File); err != nil {
			return nil, fmt.Errorf("read statements: %w", err)
		}
		l.Opening, l.Closing = storedInt(opening), storedInt(closing)
		if len(links) > 0 && links[0].Account != l.Account {
			flush()
		}
		links = append(links, l)
	}
	flush()
	return gaps, rows.Err()
}

// storedInt reads an amount that the book wrote; nil for none.
func storedInt(text sql.NullString) *big.Int {
	if !text.Valid {
		return nil
	}
	n, _ := new(big.Int).SetString(text.String, 10)
	return n
}

// nullable writes an amount or none.
func nullable(n *big.Int) sql.NullString {
	if n == nil {
		return sql.NullString{}
	}
	return sql.NullString{String: n.String(), Valid: true}
}
