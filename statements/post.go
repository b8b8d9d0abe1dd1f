package statements

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"time"

	"github.com/weirhq/weir/wire"
)

// Ranks of what a file tells of a movement. A telling never overwrites one of
// a higher rank: a report that comes late does not make pending again what is
// booked, and the statement has the last word.
const (
	pendingRank = iota + 1
	reportedRank
	statedRank
)

func rankOf(s *Statement, e *Entry) int {
	switch {
	case e.Status != Booked:
		return pendingRank
	case classOf(s.Kind) == finalClass || s.Kind == CSV:
		return statedRank
	}
	return reportedRank
}

// Entry writes one entry: as one row, or as those of its transactions.
func (w *writer) Entry(s *Statement, e *Entry) error {
	o := w.open[s]
	if o.elsewhere {
		return nil
	}
	mark := e.print()
	n, told, err := w.occurrence(s, o, mark)
	if err != nil {
		return err
	}
	id, fresh, err := w.movement(o, e, mark, n, told)
	if err != nil {
		return err
	}
	parts, tell, err := w.form(id, fresh, s, e)
	if err != nil || !tell {
		return err
	}
	w.movements++
	if parts == 0 {
		return w.transaction(s, e, &e.Detail, o, role{id: id, fresh: fresh})
	}
	seen := map[string]int{}
	for i := range e.Details {
		d := &e.Details[i]
		part := d.print()
		seen[part]++
		if err := w.transaction(s, e, d, o, role{id: digest(id, part, strconv.Itoa(seen[part])), part: i + 1, fresh: fresh}); err != nil {
			return err
		}
	}
	return nil
}

// occurrence says which of the movements with one print this is, from 1. Within
// a statement they are counted. Statements of one class never tell of the same
// movement, so each goes on where the others ended. Reports of one day may
// overlap, so each begins again, unless its period begins where another ended.
// told says that the print was told before.
func (w *writer) occurrence(s *Statement, o *openStatement, mark string) (n int, told bool, err error) {
	from, until := w.unix(s.From), w.unix(s.To)
	rows, err := w.sql.rows(`SELECT statement, class, first, count, pass, seen, until FROM claim WHERE account = ? AND print = ?`, o.accountID, mark)
	if err != nil {
		return 0, false, err
	}
	defer rows.Close()
	first, count, seen, known := 1, 0, 0, false
	for rows.Next() {
		var statement, pass, otherUntil int64
		var class, otherFirst, otherCount, otherSeen int
		if err := rows.Scan(&statement, &class, &otherFirst, &otherCount, &pass, &otherSeen, &otherUntil); err != nil {
			return 0, false, err
		}
		told = true
		apart := class != reportClass || otherUntil > 0 && from > 0 && otherUntil <= from
		switch {
		case statement == o.id:
			known, first, count = true, otherFirst, otherCount
			if pass == w.pass {
				seen = otherSeen
			}
		case !known && class == o.class && apart:
			first = max(first, otherFirst+otherCount)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return 0, false, err
	}
	seen++
	err = w.sql.exec(`INSERT INTO claim (account, print, statement, class, first, count, pass, seen, until) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (account, print, statement) DO UPDATE SET count = excluded.count, pass = excluded.pass, seen = excluded.seen`,
		o.accountID, mark, o.id, o.class, first, max(count, seen), w.pass, seen, until)
	return first + seen - 1, told, err
}

// unix is a moment as a number, 0 where there is none or no time of day.
func (w *writer) unix(m Moment) int64 {
	if m.IsZero() || m.IsDate() {
		return 0
	}
	return m.In(w.book.zone).Unix()
}

// movement finds the id of a movement. A booked one takes over the id of the
// pending one that it was; a pending one that comes too late finds it booked.
// fresh says that nothing was told of it before.
func (w *writer) movement(o *openStatement, e *Entry, mark string, n int, told bool) (id string, fresh bool, err error) {
	if told {
		err = w.sql.row(`SELECT id FROM movement WHERE account = ? AND print = ? AND n = ?`, o.accountID, mark, n).Scan(&id)
		if err == nil || !errors.Is(err, sql.ErrNoRows) {
			return id, false, err
		}
	}
	err = nil
	switch e.Status {
	case Booked:
		id, err = w.takeOver(o, e)
	case Pending:
		id, err = w.alreadyBooked(o, e)
	case Information, UnknownStatus:
	}
	if err != nil {
		return "", false, err
	}
	fresh = id == ""
	if fresh {
		id = digest(o.accountID, mark, strconv.Itoa(n))
	}
	if err := w.sql.exec(`INSERT INTO movement (account, print, n, id) VALUES (?, ?, ?, ?)`, o.accountID, mark, n, id); err != nil {
		return "", false, err
	}
	if e.Status != Pending || !fresh {
		return id, fresh, nil
	}
	o.waiting = true
	for _, link := range e.pendingLinks() {
		if err := w.sql.exec(`INSERT INTO pending (account, link, id) VALUES (?, ?, ?)`, o.accountID, link, id); err != nil {
			return "", false, err
		}
	}
	return id, true, nil
}

// takeOver finds the pending movement that an entry books, and settles it.
func (w *writer) takeOver(o *openStatement, e *Entry) (id string, err error) {
	if !o.waiting {
		return "", nil
	}
	for _, link := range e.pendingLinks() {
		err := w.sql.row(`SELECT id FROM pending WHERE account = ? AND link = ? ORDER BY id LIMIT 1`, o.accountID, link).Scan(&id)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return "", err
		}
		return id, w.settle(id)
	}
	return "", nil
}

func (w *writer) settle(id string) error { return w.sql.exec(`DELETE FROM pending WHERE id = ?`, id) }

// alreadyBooked finds the booked movement that a late pending entry speaks of:
// same reference, money and value date.
func (w *writer) alreadyBooked(o *openStatement, e *Entry) (id string, err error) {
	asset, err := w.book.places.Asset(e.Currency)
	if err != nil {
		return "", err
	}
	for _, ref := range e.references() {
		err := w.sql.row(`SELECT id FROM reference WHERE account = ? AND reference = ? AND sign = ? AND minor = ? AND asset = ? AND valued = ? ORDER BY id LIMIT 1`,
			o.accountID, ref, e.sign(), e.Minor.String(), asset, e.Value.Day()).Scan(&id)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return "", err
		}
		// A part of a movement has no state of its own, until it needs one.
		return id, w.sql.exec(`INSERT OR IGNORE INTO state (id, rank, parts) VALUES (?, ?, 0)`, id, statedRank)
	}
	return "", nil
}

// form says in how many parts a movement is told, as it was the first time: 0
// for the entry itself. tell is false when this telling adds nothing. A
// pending entry is never parted, since what books it may come without details.
func (w *writer) form(id string, fresh bool, s *Statement, e *Entry) (parts int, tell bool, err error) {
	rank := rankOf(s, e)
	var before int
	if !fresh {
		err = w.sql.row(`SELECT rank, parts FROM state WHERE id = ?`, id).Scan(&before, &parts)
	}
	if fresh || errors.Is(err, sql.ErrNoRows) {
		if rank > pendingRank {
			parts = len(e.Details)
		}
		return parts, true, w.sql.exec(`INSERT INTO state (id, rank, parts) VALUES (?, ?, ?)`, id, rank, parts)
	}
	if err != nil || rank < before || parts > 0 && len(e.Details) == 0 {
		return parts, false, err
	}
	if rank > before {
		if err := w.sql.exec(`UPDATE state SET rank = ? WHERE id = ?`, rank, id); err != nil {
			return parts, false, err
		}
		// The same print may have been pending and booked at once; either way
		// nothing is left to wait for.
		if before == pendingRank {
			err = w.settle(id)
		}
	}
	return parts, true, err
}

// transaction writes one row.
func (w *writer) transaction(s *Statement, e *Entry, d *Detail, o *openStatement, r role) error {
	r.accountID = o.accountID
	if r.created = w.book.createdAt(s, e); r.created.IsZero() {
		r.created = w.book.accountCreated(s, o)
	}
	if err := w.counterparty(d, &r); err != nil {
		return err
	}
	if err := w.relate(e, d, &r); err != nil {
		return err
	}
	row, err := w.book.transactionRow(s, e, d, r)
	if err != nil {
		return err
	}
	if !r.fresh {
		if err := w.keepIdentity(&row); err != nil {
			return err
		}
	}
	if e.Status == Booked && row.RelatedTransactionID == "" {
		for _, ref := range d.references() {
			if err := w.sql.exec(`INSERT OR IGNORE INTO reference (account, reference, id, type, sign, minor, asset, valued, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
				o.accountID, ref, row.ID, row.Type, d.sign(), d.Minor.String(), row.Currency, e.Value.Day(), stamp(row.CreatedAt)); err != nil {
				return err
			}
		}
	}
	if r.fresh {
		return w.add(transactionRecord, row.ID, row)
	}
	return w.put(transactionRecord, row.ID, row)
}

// keepIdentity gives a row what must never change once it was told: when it
// came into being, its type, and what it belongs to.
func (w *writer) keepIdentity(row *wire.Transaction) error {
	var body []byte
	err := w.sql.row(`SELECT body FROM record WHERE kind = ? AND id = ?`, transactionRecord, row.ID).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	var before wire.Transaction
	if err := json.Unmarshal(body, &before); err != nil {
		return fmt.Errorf("read transaction %s: %w", row.ID, err)
	}
	row.CreatedAt = before.CreatedAt
	if row.UpdatedAt.Before(row.CreatedAt) {
		row.UpdatedAt = row.CreatedAt
	}
	row.Type = before.Type
	if row.RelatedTransactionID != before.RelatedTransactionID {
		row.RelatedTransactionID = before.RelatedTransactionID
		row.SourceAccountID, row.DestinationAccountID = before.SourceAccountID, before.DestinationAccountID
		if row.Status == wire.StatusRefunded {
			row.Status = wire.StatusSucceeded
		}
	}
	return nil
}

// party is what a beneficiary is found by.
type party struct{ account, bic, currency string }

// partiesMax bounds the beneficiaries that are remembered while a file is
// taken; beyond, they are looked up.
const partiesMax = 10_000

// counterparty finds whether the other side is an account of the customer, and
// enters it as a beneficiary where it is not.
func (w *writer) counterparty(d *Detail, r *role) error {
	if d.Party.Account == "" {
		return nil
	}
	key := party{d.Party.Account, d.Party.BIC, d.Currency}
	if id, ok := w.parties[key]; ok {
		r.other = id
		return nil
	}
	var own string
	err := w.sql.row(`SELECT id FROM account WHERE identification = ? ORDER BY currency = ? DESC, id LIMIT 1`, d.Party.Account, d.Currency).Scan(&own)
	if err == nil {
		if own != r.accountID {
			r.other, r.ours = own, true
		}
		return nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	r.other = beneficiaryID(d.Party)
	if r.other == "" {
		return nil
	}
	if len(w.parties) < partiesMax {
		w.parties[key] = r.other
	}
	var known int
	if err := w.sql.row(`SELECT count(*) FROM record WHERE kind = ? AND id = ?`, beneficiaryRecord, r.other).Scan(&known); err != nil || known > 0 {
		return err
	}
	return w.put(beneficiaryRecord, r.other, beneficiaryRow(r.other, d.Party, r.created))
}

// relate finds the movement that a return or reversal undoes, by the
// references that both carry. Where several could be meant and none has the
// same amount alone, nothing is said: a wrong relation is worse than none.
func (w *writer) relate(e *Entry, d *Detail, r *role) error {
	if e.Status != Booked || !d.Return.Is && !e.Reversal {
		return nil
	}
	asset, err := w.book.places.Asset(d.Currency)
	if err != nil {
		return err
	}
	opposite := Detail{Credit: !d.Credit}
	for _, ref := range d.references() {
		found, err := w.originals(d, r, ref, opposite.sign(), asset)
		if err != nil {
			return err
		}
		if found == nil {
			continue
		}
		r.related, r.relatedType = found.id, found.kind
		// The reader of the contract wants the parent to be the older one.
		if !r.created.After(found.created) {
			r.created = found.created.Add(time.Microsecond)
		}
		return nil
	}
	return nil
}

// original is a movement that may have been undone.
type original struct {
	id      string
	kind    wire.TransactionType
	minor   *big.Int
	created time.Time
}

// originals finds the one movement of the opposite direction that carries a
// reference and is large enough; nil when there is none, or no single one.
func (w *writer) originals(d *Detail, r *role, ref, sign, asset string) (*original, error) {
	rows, err := w.sql.rows(`SELECT id, type, minor, created FROM reference WHERE account = ? AND reference = ? AND sign = ? AND asset = ? AND id <> ?`,
		r.accountID, ref, sign, asset, r.id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var equal, larger []*original
	for rows.Next() {
		var o original
		var minor sql.NullString
		var created string
		if err := rows.Scan(&o.id, &o.kind, &minor, &created); err != nil {
			return nil, err
		}
		if o.created, err = time.Parse(stampLayout, created); err != nil {
			return nil, err
		}
		o.minor = storedInt(minor)
		switch o.minor.Cmp(d.Minor) {
		case 0:
			equal = append(equal, &o)
		case 1:
			larger = append(larger, &o)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	switch {
	case len(equal) == 1:
		return equal[0], nil
	case len(equal) == 0 && len(larger) == 1:
		return larger[0], nil
	}
	return nil, nil //nolint:nilnil // no single original is an answer, not an error
}
