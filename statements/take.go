package statements

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/weirhq/weir/wire"
)

// Input is a file to be taken. It is read twice: once to know that all of it
// is good, and once to take it.
type Input struct {
	Name string
	Open func() (io.ReadCloser, error)
}

// Taken says what became of a file.
type Taken struct {
	// Sum is the SHA-256 of the content in hexadecimal.
	Sum string
	// Again says that a file with this content was taken before; nothing was done.
	Again bool
	// Statements and Movements are what it holds, Bytes its size.
	Statements, Movements int
	Bytes                 int64
	// Findings are what a person should know about it.
	Findings []Finding
}

// ErrChanged says that a file was written to while it was read. It can be
// tried again when it has settled.
var ErrChanged = errors.New("the file changed while it was read")

// Take takes a file whole or not at all. A [FileError] says that the file
// itself is bad; any other error that it can be tried again. Taking a file
// again does nothing.
func (b *Book) Take(ctx context.Context, in Input) (Taken, error) {
	survey := &survey{}
	sum, size, err := b.readThrough(in, survey)
	var bad *FileError
	if errors.As(err, &bad) {
		return Taken{Sum: sum}, err
	}
	if err != nil {
		return Taken{}, fmt.Errorf("read %s: %w", in.Name, err)
	}
	taken := Taken{Sum: sum, Bytes: size, Statements: len(survey.facts)}
	var known int
	if err := b.db.QueryRowContext(ctx, `SELECT count(*) FROM file WHERE sum = ?`, sum).Scan(&known); err != nil {
		return Taken{}, fmt.Errorf("take %s: %w", in.Name, err)
	}
	if known > 0 {
		taken.Again = true
		return taken, nil
	}
	if err := b.apply(ctx, in, survey, &taken); err != nil {
		return Taken{Sum: sum}, fmt.Errorf("take %s: %w", in.Name, err)
	}
	return taken, nil
}

// readThrough reads a file to its end, and returns the sum and size of all of it.
func (b *Book) readThrough(in Input, to Receiver) (sum string, size int64, err error) {
	file, err := in.Open()
	if err != nil {
		return "", 0, err
	}
	defer file.Close()
	counted := &summing{r: file, h: sha256.New()}
	err = Read(in.Name, counted, b.options, to)
	if _, drainErr := io.Copy(io.Discard, counted); drainErr != nil && err == nil {
		err = drainErr
	}
	return hex.EncodeToString(counted.h.Sum(nil)), counted.n, err
}

// summing hashes what is read through it.
type summing struct {
	r io.Reader
	h hash.Hash
	n int64
}

func (s *summing) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	_, _ = s.h.Write(p[:n])
	s.n += int64(n)
	return n, err
}

// apply reads the file a second time, in one transaction.
func (b *Book) apply(ctx context.Context, in Input, survey *survey, taken *Taken) error {
	tx, err := b.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	w, err := newWriter(ctx, b, tx, survey)
	if err != nil {
		return err
	}
	w.file = in.Name
	if sum, _, err := b.readThrough(in, w); err != nil || sum != taken.Sum {
		if err == nil || sum != taken.Sum {
			return ErrChanged
		}
		return err
	}
	taken.Movements, taken.Findings = w.movements, w.findings
	if _, err := tx.ExecContext(ctx, `INSERT INTO file (sum, name, bytes, taken_at, movements) VALUES (?, ?, ?, ?, ?)`,
		taken.Sum, in.Name, taken.Bytes, time.Now().UTC().Format(time.RFC3339), w.movements); err != nil {
		return err
	}
	return tx.Commit()
}

// facts are what a statement turns out to be at its end, known from the first
// reading when the second begins.
type facts struct {
	account Account
	link    Link
	entries int
}

// survey is the Receiver of the first reading: it keeps a few facts about each
// statement, in the order in which they begin.
type survey struct {
	facts []facts
	index map[*Statement]int
	count map[*Statement]int
}

// statementsMax bounds the statements of one file.
const statementsMax = 100_000

// Begin keeps the statement's place.
func (v *survey) Begin(s *Statement) error {
	if len(v.facts) == statementsMax {
		return flawf("the file has more than %d statements; split it", statementsMax)
	}
	if v.index == nil {
		v.index, v.count = map[*Statement]int{}, map[*Statement]int{}
	}
	v.index[s] = len(v.facts)
	v.facts = append(v.facts, facts{})
	return nil
}

// Entry counts.
func (v *survey) Entry(s *Statement, _ *Entry) error {
	v.count[s]++
	return nil
}

// End keeps the facts.
func (v *survey) End(s *Statement) error {
	f := facts{account: s.Account, entries: v.count[s]}
	f.link = Link{Currency: s.Account.Currency, Kind: s.Kind, Number: s.Number(), Page: s.Page, From: s.From.Day(), To: s.To.Day(), File: s.File}
	if opening, ok := s.Opening(); ok {
		f.link.Opening, f.link.From = opening.Minor, opening.At.Day()
	}
	if closing, ok := s.Closing(); ok {
		f.link.Closing, f.link.To = closing.Minor, closing.At.Day()
	}
	v.facts[v.index[s]] = f
	delete(v.index, s)
	delete(v.count, s)
	return nil
}

// writer is the Receiver of the second reading: it writes the rows.
type writer struct {
	book   *Book
	survey *survey
	sql    *statementsSQL
	file   string
	// pass tells this taking from those before it.
	pass  int64
	begun int
	open  map[*Statement]*openStatement
	// parties are beneficiaries that are known, with their ids.
	parties map[party]string

	movements int
	findings  []Finding
}

// openStatement is a statement that is being written.
type openStatement struct {
	facts
	// id is the statement's in the book, accountID the contract's account.
	id        int64
	accountID string
	class     int
	// elsewhere says that the same statement came before in another format: its
	// entries are known, under other texts.
	elsewhere bool
	// waiting says that the account may have pending movements.
	waiting bool
}

// Classes of statements: within a class, and only there, two statements never
// tell of one movement; reports of the day may.
const (
	finalClass = iota + 1
	notificationClass
	reportClass
)

func classOf(kind Kind) int {
	switch kind {
	case Camt053, MT940:
		return finalClass
	case Camt054:
		return notificationClass
	case Camt052, MT942, CSV:
	}
	return reportClass
}

func newWriter(ctx context.Context, b *Book, tx *sql.Tx, survey *survey) (*writer, error) {
	w := &writer{book: b, survey: survey, open: map[*Statement]*openStatement{}, parties: map[party]string{}, sql: &statementsSQL{ctx: ctx, tx: tx}}
	err := w.sql.row(`SELECT count(*) + 1 FROM file`).Scan(&w.pass)
	return w, err
}

// Begin finds the account and the place of the statement in the book.
func (w *writer) Begin(s *Statement) error {
	if w.begun == len(w.survey.facts) {
		return ErrChanged
	}
	o := &openStatement{facts: w.survey.facts[w.begun], class: classOf(s.Kind)}
	w.begun++
	w.open[s] = o
	if err := w.account(s, o); err != nil {
		return err
	}
	// An account that begins during the file is no stranger's from then on.
	clear(w.parties)
	if err := w.sql.row(`SELECT EXISTS (SELECT 1 FROM pending WHERE account = ?)`, o.accountID).Scan(&o.waiting); err != nil {
		return err
	}
	return w.statement(s, o)
}

// account finds the id of the statement's account. The first currency that an
// identification is seen with has the plain id; where one IBAN holds several,
// the others carry theirs behind a point.
func (w *writer) account(s *Statement, o *openStatement) error {
	identification := o.account.Identification()
	err := w.sql.row(`SELECT id FROM account WHERE identification = ? AND currency = ?`, identification, o.account.Currency).Scan(&o.accountID)
	if err == nil || !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	var others int
	if err := w.sql.row(`SELECT count(*) FROM account WHERE identification = ?`, identification).Scan(&others); err != nil {
		return err
	}
	o.accountID = ContractID(identification)
	if others > 0 {
		o.accountID += "." + o.account.Currency
	}
	created := w.book.accountCreated(s, o)
	return w.sql.exec(`INSERT INTO account (id, identification, currency, created) VALUES (?, ?, ?, ?)`,
		o.accountID, identification, o.account.Currency, stamp(created))
}

// accountCreated is the earliest that the first statement knows of the account.
func (b *Book) accountCreated(s *Statement, o *openStatement) time.Time {
	for _, m := range []Moment{s.From, s.Created, s.To} {
		if !m.IsZero() {
			return m.In(b.zone)
		}
	}
	for _, day := range []string{o.link.From, o.link.To} {
		if m, err := parseISO(day); err == nil {
			return m.In(b.zone)
		}
	}
	return time.Date(yearMin, 1, 1, 0, 0, 0, 0, time.UTC) // the file knows no date at all
}

// statement finds the statement in the book, or enters it.
func (w *writer) statement(s *Statement, o *openStatement) error {
	l := o.link
	key := digest(fmt.Sprint(o.class), l.Number, l.To, fmt.Sprint(l.Page))
	// Some banks write number 0 and one id into all their statements; then the
	// balances tell two of one day apart.
	if _, counted := sequence(l.Number); !counted || o.class != finalClass {
		key = digest(fmt.Sprint(o.class), s.Kind.String(), s.ID, l.Number, l.To, s.Created.String(), fmt.Sprint(l.Page),
			nullable(l.Opening).String, nullable(l.Closing).String)
	}
	if s.ID == "" && l.Number == "" {
		key = digest("file", w.file, fmt.Sprint(o.class), l.From, l.To, fmt.Sprint(o.entries))
	}
	err := w.sql.row(`SELECT id FROM statement WHERE account = ? AND key = ?`, o.accountID, key).Scan(&o.id)
	if err == nil || !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if known, err := w.sameElsewhere(s, o); err != nil || known {
		return err
	}
	return w.sql.row(`INSERT INTO statement (account, key, kind, number, page, day_from, day_to, opening, closing, entries, file)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`, o.accountID, key, s.Kind, l.Number, l.Page, l.From, l.To,
		nullable(l.Opening), nullable(l.Closing), o.entries, w.file).Scan(&o.id)
}

// sameElsewhere finds a final statement with the same balances on the same day
// and as many entries: the same one, under another number or in another
// format. In the same format its entries are recognized; in another their
// texts differ, and they would come out twice.
func (w *writer) sameElsewhere(s *Statement, o *openStatement) (bool, error) {
	l := o.link
	if o.class != finalClass || l.Opening == nil || l.Closing == nil || o.entries == 0 {
		return false, nil
	}
	var kind Kind
	var file string
	err := w.sql.row(`SELECT id, kind, file FROM statement WHERE account = ? AND day_to = ? AND opening = ? AND closing = ? AND entries = ? AND kind IN (?, ?)`,
		o.accountID, l.To, l.Opening.String(), l.Closing.String(), o.entries, Camt053, MT940).Scan(&o.id, &kind, &file)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if kind != s.Kind {
		o.elsewhere = true
		return true, w.find(s, o, fmt.Sprintf("this is the statement that came as %s in %s; its entries are not told a second time", kind, file))
	}
	return true, nil
}

// End writes what is known at the end of a statement: the account with its
// balances, and whether the statement adds up.
func (w *writer) End(s *Statement) error {
	o := w.open[s]
	delete(w.open, s)
	if p := s.Proof(w.book.places); p.Verdict == Differs {
		if err := w.find(s, o, p.Why); err != nil {
			return err
		}
	}
	for _, note := range s.Notes {
		if err := w.find(s, o, note); err != nil {
			return err
		}
	}
	return w.balances(s, o)
}

// find keeps a finding.
func (w *writer) find(s *Statement, o *openStatement, text string) error {
	f := Finding{File: w.file, Line: s.Line, Account: o.accountID, Day: o.link.To, Text: text}
	w.findings = append(w.findings, f)
	return w.sql.exec(`INSERT OR IGNORE INTO finding (file, line, account, day, text) VALUES (?, ?, ?, ?, ?)`, f.File, f.Line, f.Account, f.Day, f.Text)
}

// balances writes the account and its balances, unless what is known is newer.
func (w *writer) balances(s *Statement, o *openStatement) error {
	var created, balancedAt string
	if err := w.sql.row(`SELECT created, balanced_at FROM account WHERE id = ?`, o.accountID).Scan(&created, &balancedAt); err != nil {
		return err
	}
	at := ""
	for _, b := range s.Balances {
		if b.Type == ClosingBooked || b.Type == InterimBooked {
			at = max(at, stamp(w.book.closedAt(s, b)))
		}
	}
	if balancedAt != "" && at < balancedAt {
		return nil
	}
	createdAt, err := time.Parse(stampLayout, created)
	if err != nil {
		return err
	}
	account := s.Account
	account.Currency = o.account.Currency
	row, err := w.book.accountRow(o.accountID, account, createdAt, s.Balances)
	if err != nil {
		return err
	}
	if at == "" && balancedAt != "" {
		return nil
	}
	if err := w.put(accountRecord, row.ID, row); err != nil || at == "" {
		return err
	}
	return w.putBalances(s, o, at)
}

// putBalances writes the closing balance of each asset, with those of assets
// that this statement does not tell.
func (w *writer) putBalances(s *Statement, o *openStatement, at string) error {
	closing := map[string]Balance{}
	for _, b := range s.Balances {
		if b.Type == ClosingBooked || b.Type == InterimBooked && closing[b.Currency].Type != ClosingBooked {
			closing[b.Currency] = b
		}
	}
	for currency, b := range closing {
		asset, err := w.book.places.Asset(currency)
		if err != nil {
			return err
		}
		if err := w.sql.exec(`INSERT INTO balance (account, asset, minor) VALUES (?, ?, ?)
			ON CONFLICT (account, asset) DO UPDATE SET minor = excluded.minor`, o.accountID, asset, b.Minor.String()); err != nil {
			return err
		}
	}
	atTime, err := time.Parse(stampLayout, at)
	if err != nil {
		return err
	}
	row := wire.Balances{ID: o.accountID, AccountID: o.accountID, At: atTime}
	found, err := w.sql.rows(`SELECT asset, minor FROM balance WHERE account = ? ORDER BY asset`, o.accountID)
	if err != nil {
		return err
	}
	defer found.Close()
	for found.Next() {
		var entry wire.Balance
		if err := found.Scan(&entry.Currency, &entry.Amount); err != nil {
			return err
		}
		row.Balances = append(row.Balances, entry)
	}
	if err := found.Err(); err != nil {
		return err
	}
	if err := w.sql.exec(`UPDATE account SET balanced_at = ? WHERE id = ?`, at, o.accountID); err != nil {
		return err
	}
	return w.put(balancesRecord, row.ID, row)
}

// put writes a row of the contract at the end of the changes, unless it is
// there as it is.
func (w *writer) put(kind recordKind, id string, row any) error {
	body, err := json.Marshal(row)
	if err != nil {
		return err
	}
	var same bool
	err = w.sql.row(`SELECT body = ? FROM record WHERE kind = ? AND id = ?`, body, kind, id).Scan(&same)
	if err != nil && !errors.Is(err, sql.ErrNoRows) || same {
		return err
	}
	if err == nil {
		if err := w.sql.exec(`DELETE FROM record WHERE kind = ? AND id = ?`, kind, id); err != nil {
			return err
		}
	}
	return w.sql.exec(`INSERT INTO record (kind, id, body) VALUES (?, ?, ?)`, kind, id, body)
}

// add writes a row that can't be there yet.
func (w *writer) add(kind recordKind, id string, row any) error {
	body, err := json.Marshal(row)
	if err != nil {
		return err
	}
	return w.sql.exec(`INSERT INTO record (kind, id, body) VALUES (?, ?, ?)`, kind, id, body)
}

// stampLayout has one length, so that its texts sort as the instants do.
const stampLayout = "2006-01-02T15:04:05.000000000Z"

func stamp(t time.Time) string { return t.UTC().Format(stampLayout) }

// statementsSQL keeps the prepared statements of one transaction.
type statementsSQL struct {
	ctx      context.Context
	tx       *sql.Tx
	prepared map[string]*sql.Stmt
}

func (p *statementsSQL) prepare(query string) (*sql.Stmt, error) {
	if stmt, ok := p.prepared[query]; ok {
		return stmt, nil
	}
	stmt, err := p.tx.PrepareContext(p.ctx, query)
	if err != nil {
		return nil, fmt.Errorf("prepare %.60q: %w", query, err)
	}
	if p.prepared == nil {
		p.prepared = map[string]*sql.Stmt{}
	}
	p.prepared[query] = stmt
	return stmt, nil
}

func (p *statementsSQL) exec(query string, args ...any) error {
	stmt, err := p.prepare(query) //nolint:sqlclosecheck // the transaction closes its statements
	if err == nil {
		_, err = stmt.ExecContext(p.ctx, args...)
	}
	return err
}

// scanner is a row, or the error of preparing for it.
type scanner interface{ Scan(into ...any) error }

type failed struct{ err error }

// Scan returns the error.
func (f failed) Scan(...any) error { return f.err }

func (p *statementsSQL) row(query string, args ...any) scanner {
	stmt, err := p.prepare(query) //nolint:sqlclosecheck // the transaction closes its statements
	if err != nil {
		return failed{err}
	}
	return stmt.QueryRowContext(p.ctx, args...)
}

func (p *statementsSQL) rows(query string, args ...any) (*sql.Rows, error) {
	stmt, err := p.prepare(query) //nolint:sqlclosecheck // the transaction closes its statements
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(p.ctx, args...)
}
