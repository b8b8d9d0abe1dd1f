package mirror

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir/sdk"
	"github.com/weirhq/weir/wire"
)

// Progress is what one pull did.
type Progress struct {
	// Rows is how many rows the source gave; New, Changed and Vanished count what
	// they did to the mirror. Rejected rows are put aside; Stale ones are older
	// than what the mirror has, by the provider's own stamps.
	Rows, New, Changed, Vanished, Rejected, Stale int
	// More says that the source has more to give at once.
	More bool
}

// pulled is a batch with what has to happen in the transaction that stores it.
type pulled struct {
	sdk.Batch
	settle func(ctx context.Context, tx *sql.Tx) error
}

// applying is one transaction that stores a batch.
type applying struct {
	m        *Mirror
	tx       *sql.Tx
	source   string
	scan     int64
	now      time.Time
	last     lastStamps
	counts   counts
	progress Progress
	// moved says that a transaction has left its place.
	moved bool
	// wrote says that there is something to commit.
	wrote bool
}

// apply stores the batch and the new position in one transaction, or neither.
func (m *Mirror) apply(ctx context.Context, source, position string, batch pulled) (Progress, error) {
	m.writing.Lock()
	defer m.writing.Unlock()
	m.waitUntil(ctx, youngest(batch.Transactions))
	tx, err := m.file.Write.BeginTx(ctx, nil)
	if err != nil {
		return Progress{}, err
	}
	defer tx.Rollback()
	a := &applying{m: m, tx: tx, source: source, scan: batch.Scan, now: m.now(), last: m.last, progress: Progress{Rows: batch.Len(), More: batch.More}}
	if err := a.store(ctx, position, batch); err != nil {
		return Progress{}, err
	}
	if !a.wrote {
		return a.progress, nil
	}
	m.waitUntil(ctx, time.UnixMicro(max(a.last.account, a.last.beneficiary, a.last.movement)))
	if a.moved {
		m.walks.rowMoved(m.now())
	}
	if err := tx.Commit(); err != nil {
		return Progress{}, err
	}
	m.last = a.last
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts.add(a.counts)
	return a.progress, nil
}

// add adds what a transaction has changed.
func (c *counts) add(d counts) {
	c.Accounts += d.Accounts
	c.Beneficiaries += d.Beneficiaries
	c.Transactions += d.Transactions
	c.Balances += d.Balances
	c.Rejections += d.Rejections
}

// youngest is the latest createdAt.
func youngest(rows []wire.Transaction) time.Time {
	var latest time.Time
	for i := range rows {
		if rows[i].CreatedAt.After(latest) {
			latest = rows[i].CreatedAt
		}
	}
	return latest
}

// store is the transaction from its beginning to just before its commit.
func (a *applying) store(ctx context.Context, position string, batch pulled) error {
	if err := a.step(ctx, position, batch); err != nil {
		return err
	}
	if err := putAll(ctx, a, &accountKind, birthOrder(batch.Accounts, sdk.AccountKey)); err != nil {
		return err
	}
	if err := putAll(ctx, a, &beneficiaryKind, birthOrder(batch.Beneficiaries, sdk.BeneficiaryKey)); err != nil {
		return err
	}
	born := func(t *wire.Transaction) (time.Time, string) { return t.CreatedAt, t.ID }
	if err := putAll(ctx, a, &transactionKind, birthOrder(batch.Transactions, born)); err != nil {
		return err
	}
	for _, balances := range batch.Balances {
		if err := a.putBalances(ctx, balances); err != nil {
			return err
		}
	}
	if batch.ScanComplete {
		if err := a.endScan(ctx); err != nil {
			return err
		}
	}
	if batch.settle != nil {
		a.wrote = true
		if err := batch.settle(ctx, a.tx); err != nil {
			return err
		}
	}
	if a.moved {
		_, err := a.tx.ExecContext(ctx, `UPDATE life SET moved_at = ?`, a.now.UnixMicro())
		return err
	}
	return nil
}

// birthOrder puts rows in the order in which they were born: a refund is served
// after its payment, whichever of them the source gave first. Rows of one
// instant, and the versions of one row, stay in the source's order.
func birthOrder[T any](rows []T, key sdk.Key[T]) []T {
	byBirth := func(a, b T) int {
		bornA, _ := key(&a)
		bornB, _ := key(&b)
		return bornA.Compare(bornB)
	}
	if !slices.IsSortedFunc(rows, byBirth) {
		rows = slices.Clone(rows)
		slices.SortStableFunc(rows, byBirth)
	}
	return rows
}

// errMoved says that two runs of one source were under way.
var errMoved = errors.New("the source's position was moved meanwhile")

// step moves the source's position on.
func (a *applying) step(ctx context.Context, position string, batch pulled) error {
	stored, err := positionOf(ctx, a.tx, a.source)
	if err != nil {
		return err
	}
	if stored != position {
		return errMoved
	}
	if batch.Next == position && batch.Len() == 0 {
		return nil
	}
	a.wrote = a.wrote || batch.Next != position
	_, err = a.tx.ExecContext(ctx, `INSERT INTO source (name, position, pulls, rows) VALUES (?, ?, 1, ?)
		ON CONFLICT DO UPDATE SET position = excluded.position, pulls = pulls + 1, rows = rows + excluded.rows`,
		a.source, batch.Next, batch.Len())
	return err
}

// queryer is a transaction or a pool.
type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func positionOf(ctx context.Context, q queryer, source string) (position string, err error) {
	err = q.QueryRowContext(ctx, `SELECT position FROM source WHERE name = ?`, source).Scan(&position)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return position, err
}

func putAll[T any](ctx context.Context, a *applying, k *kind[T], rows []T) error {
	for i := range rows {
		if err := put(ctx, a, k, rows[i]); err != nil {
			return fmt.Errorf("store %.40q as %s: %w", k.id(&rows[i]), k.table, err)
		}
	}
	return nil
}

// put stores one row when it is new or has changed.
func put[T any](ctx context.Context, a *applying, k *kind[T], row T) error {
	s := &a.m.stmts
	stamp, version, body, err := a.find(ctx, k.table, k.id(&row))
	found := err == nil
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if err := a.sight(ctx, k.table, k.id(&row)); err != nil {
		return err
	}
	said := versionOf(k.version(&row))
	if found && said != 0 && said < version {
		a.progress.Stale++
		return nil
	}
	version = max(version, said)
	given := row
	last := *k.last(&a.last) // a row that is refused uses no stamp up
	var old *T
	if found {
		before, err := k.read(time.UnixMicro(stamp).UTC(), body)
		if err != nil {
			return err
		}
		old = &before
	} else {
		stamp = k.birth(&row, &last, a.now)
	}
	k.settle(&row, old, time.UnixMicro(stamp).UTC())
	if err := k.validate(&row); err != nil {
		return a.reject(ctx, k.table, k.id(&given), shown(given), err)
	}
	fresh := k.body(&row)
	switch {
	case !found:
		*k.last(&a.last) = last
		a.progress.New++
		*k.count(&a.counts)++
		err = a.exec(ctx, s.insert[k.table], stamp, k.id(&row), version, fresh)
	case bytes.Equal(fresh, body):
		return nil
	case k.moves:
		a.progress.Changed++
		a.moved = true
		err = a.exec(ctx, s.move[k.table], stampNow(k.last(&a.last), a.now), version, fresh, stamp)
	default:
		a.progress.Changed++
		err = a.exec(ctx, s.rewrite[k.table], version, fresh, stamp)
	}
	a.wrote = true
	if err != nil {
		return err
	}
	return a.accept(ctx, k.table, k.id(&row))
}

// find reads what is stored of a row; [sql.ErrNoRows] says nothing.
func (a *applying) find(ctx context.Context, table, id string) (stamp, version int64, body []byte, err error) {
	stmt := a.tx.StmtContext(ctx, a.m.stmts.find[table])
	defer stmt.Close()
	err = stmt.QueryRowContext(ctx, id).Scan(&stamp, &version, &body)
	return stamp, version, body, err
}

// exec runs a prepared statement in the transaction.
func (a *applying) exec(ctx context.Context, prepared *sql.Stmt, args ...any) error {
	stmt := a.tx.StmtContext(ctx, prepared)
	defer stmt.Close()
	_, err := stmt.ExecContext(ctx, args...)
	return err
}

// versionOf is the provider's stamp as a number that grows with it; 0 is none.
func versionOf(said time.Time) int64 {
	if said.IsZero() {
		return 0
	}
	return said.UnixMicro()
}

// shown is a row as text for people.
func shown(row any) string {
	text, err := json.Marshal(row)
	if err != nil {
		return fmt.Sprintf("%+v", row)
	}
	return string(text)
}

// reject puts a row aside, once for each content.
func (a *applying) reject(ctx context.Context, list, id, body string, why error) error {
	a.progress.Rejected++
	result, err := a.tx.ExecContext(ctx, `INSERT INTO rejection (list, id, body, reason, source, at) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT DO NOTHING`, list, strings.ToValidUTF8(id, "\uFFFD"), strings.ToValidUTF8(body, "\uFFFD"), why.Error(), a.source, a.now.UnixMicro())
	if err != nil {
		return err
	}
	if added, err := result.RowsAffected(); err != nil || added == 0 {
		return err
	}
	a.wrote = true
	a.counts.Rejections++
	a.m.log.WarnContext(ctx, "a row that the contract does not allow was put aside", "source", a.source, "list", list, "id", id, "error", why.Error())
	return nil
}

// accept drops what was put aside of a row that is good now.
func (a *applying) accept(ctx context.Context, list, id string) error {
	a.m.mu.Lock()
	none := a.m.counts.Rejections+a.counts.Rejections == 0
	a.m.mu.Unlock()
	if none {
		return nil
	}
	result, err := a.tx.ExecContext(ctx, `DELETE FROM rejection WHERE list = ? AND id = ?`, list, id)
	if err != nil {
		return err
	}
	gone, err := result.RowsAffected()
	a.counts.Rejections -= int(gone)
	return err
}
