// Package mirror keeps a local copy of what a payment service provider shows,
// and serves the contract from there. It is for the many providers that can't
// do what the contract asks: list by time of change, page without rows slipping
// away, keep an order.
//
// You write a [sdk.Pull] for each list of the provider: rows from a position on,
// and the next position. The mirror stores both in one transaction, compares
// the rows with what it has, and gives each change of a row a stamp of its own.
// So its lists have no ties, no late rows and no order that changes, whatever
// the provider does:
//
//	m, err := mirror.Open(ctx, "mirror.db", mirror.Options{})
//	…
//	handler, err := sdk.New(m.Service(sdk.Service{APIKeys: []string{key}}))
//	…
//	go m.Run(ctx, mirror.Source{Name: "charges", Pull: charges, Every: time.Minute})
//	err = sdk.ListenAndServe(ctx, "127.0.0.1:8080", handler)
//
// # What happens to stamps
//
// The updatedAt of a transaction is when the mirror saw the change, to the
// microsecond: unique, ever increasing in the order of the commits, never ahead
// of the clock. When the clock is set back, stamps go on from the last one, a
// microsecond apart, until it has caught up. The provider's own stamp is kept in
// the metadata, under [MetadataUpdatedAt]. The createdAt of a transaction is the
// provider's, as it was first shown; a provider that changes it later is kept in
// the metadata, under [MetadataCreatedAt].
//
// Accounts and beneficiaries are listed by createdAt, so it must be unique and
// increase in the order in which they appear. It is what the provider says
// where that is later than the last one, and a microsecond after the last one
// where it is not; what the provider said is then in the metadata.
//
// # What is kept
//
// The newest version of each row, for good. What a full scan no longer finds
// stays and is marked in its metadata, under [MetadataVanishedAt]. A row that the
// contract does not allow is put aside with the reason and holds nothing up.
//
// It is not a history and not a ledger: a hub keeps every version, and package
// sdk/ledger makes payouts safe. It is for one process at a time, and the file
// can be deleted: the next pulls fill a new one, and a hub reads all of it as
// changes.
//
// sources.go has the ways to walk a provider, inbox.go takes its webhooks,
// folder.go its files.
package mirror

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/weirhq/weir/sdk/internal/sqlitefile"
)

// Metadata keys under which the mirror keeps what it could not serve in the
// field itself. Instants are RFC 3339 in UTC.
const (
	// MetadataCreatedAt is the createdAt that the provider says, where the one
	// that is served differs.
	MetadataCreatedAt = "psp.createdAt"
	// MetadataUpdatedAt is the provider's own stamp of the version.
	MetadataUpdatedAt = "psp.updatedAt"
	// MetadataVanishedAt is when a full scan no longer found the row.
	MetadataVanishedAt = "psp.vanishedAt"
)

// Options are what a mirror can be told. The zero value is good.
type Options struct {
	// Logger hears of each pull that brought or lost something; nil is
	// [slog.Default].
	Logger *slog.Logger
	// Now is the clock; nil is [time.Now].
	Now func() time.Time
}

// Mirror is an open mirror. It may be used from many goroutines.
type Mirror struct {
	file *sqlitefile.File
	log  *slog.Logger
	now  func() time.Time
	// sleep waits on the clock that now reads.
	sleep func(ctx context.Context, d time.Duration)
	// walks remembers where pages ended.
	walks *walks
	stmts statements

	// writing is held by who writes, and guards the stamps.
	writing sync.Mutex
	last    lastStamps

	// mu guards what Health tells.
	mu      sync.Mutex
	sources map[string]*sourceState
	counts  counts
}

// counts are rows by list, and rejections.
type counts struct {
	Accounts      int `json:"accounts"`
	Beneficiaries int `json:"beneficiaries"`
	Transactions  int `json:"transactions"`
	Balances      int `json:"balances"`
	Rejections    int `json:"rejections"`
}

// Open opens the mirror in the file at path and makes it when there is none.
// One process at a time has a mirror open; a second is refused.
func Open(ctx context.Context, path string, options Options) (*Mirror, error) {
	file, err := sqlitefile.Open(ctx, path, sqlitefile.Kind{ID: applicationID, Name: "mirror", Steps: schema})
	if err != nil {
		return nil, err
	}
	m := &Mirror{file: file, log: options.Logger, now: options.Now, sleep: sleep, sources: map[string]*sourceState{}}
	if m.log == nil {
		m.log = slog.Default()
	}
	if m.now == nil {
		m.now = time.Now
	}
	if err := m.load(ctx); err != nil {
		_ = file.Close() // the first error is the one to tell
		return nil, fmt.Errorf("open the mirror %s: %w", path, err)
	}
	return m, nil
}

// load reads what is kept in memory: the last stamps, the counts, and when a row
// last changed its place.
func (m *Mirror) load(ctx context.Context) error {
	row := m.file.Read.QueryRowContext(ctx, `SELECT
		(SELECT coalesce(max(stamp), 0) FROM account), (SELECT count(*) FROM account),
		(SELECT coalesce(max(stamp), 0) FROM beneficiary), (SELECT count(*) FROM beneficiary),
		(SELECT coalesce(max(stamp), 0) FROM movement), (SELECT count(*) FROM movement),
		(SELECT count(*) FROM balance), (SELECT count(*) FROM rejection),
		(SELECT moved_at FROM life)`)
	var movedAt int64
	if err := row.Scan(&m.last.account, &m.counts.Accounts, &m.last.beneficiary, &m.counts.Beneficiaries,
		&m.last.movement, &m.counts.Transactions, &m.counts.Balances, &m.counts.Rejections, &movedAt); err != nil {
		return err
	}
	since := m.now()
	if m.counts.Transactions == 0 {
		since = time.Time{} // nobody can be in the middle of a walk
	}
	m.walks = newWalks(since, time.UnixMicro(movedAt))
	return m.stmts.prepare(ctx, m.file)
}

// Close closes the file. Nothing may be under way.
func (m *Mirror) Close() error { return m.file.Close() }

// statements are prepared once. Those of the writer run in its transactions.
type statements struct {
	find, insert, move, rewrite, page map[string]*sql.Stmt
	sight                             *sql.Stmt
}

// prepare prepares the statements for each of the tables with rows of a list.
func (s *statements) prepare(ctx context.Context, file *sqlitefile.File) error {
	*s = statements{
		find: map[string]*sql.Stmt{}, insert: map[string]*sql.Stmt{}, move: map[string]*sql.Stmt{},
		rewrite: map[string]*sql.Stmt{}, page: map[string]*sql.Stmt{},
	}
	for _, table := range []string{tableAccount, tableBeneficiary, tableMovement} {
		for _, statement := range []struct {
			keep map[string]*sql.Stmt
			pool *sql.DB
			text string
		}{
			{s.find, file.Write, `SELECT stamp, version, body FROM ` + table + ` WHERE id = ?`},
			{s.insert, file.Write, `INSERT INTO ` + table + ` (stamp, id, version, body) VALUES (?, ?, ?, ?)`},
			{s.move, file.Write, `UPDATE ` + table + ` SET stamp = ?, version = ?, body = ? WHERE stamp = ?`},
			{s.rewrite, file.Write, `UPDATE ` + table + ` SET version = ?, body = ? WHERE stamp = ?`},
			{s.page, file.Read, `SELECT stamp, body FROM ` + table + ` WHERE stamp > ? ORDER BY stamp LIMIT ? OFFSET ?`},
		} {
			prepared, err := statement.pool.PrepareContext(ctx, statement.text) //nolint:sqlclosecheck // closed with the file
			if err != nil {
				return err
			}
			statement.keep[table] = prepared
		}
	}
	var err error
	s.sight, err = file.Write.PrepareContext(ctx, `INSERT INTO sighting (source, list, id, scan) VALUES (?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET scan = excluded.scan, missed = 0`)
	return err
}
