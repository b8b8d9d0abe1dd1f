package statements

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bounds of what is a row.
const (
	columnsMax     = 1000
	recordBytesMax = 1 << 20
	footerMax      = 100
	// csvAccountsMax bounds the accounts that one file may mix: each is a
	// statement that stays open to the end of the file.
	csvAccountsMax = 10_000
)

// csvReader reads movements from rows, as a mapping explains them.
type csvReader struct {
	m       *Mapping
	rows    *recordReader
	to      Receiver
	options Options
	file    string
	// places of the columns in a row, from 0.
	places map[Column]int
	row    []string
	line   int
	number int
	open   map[string]*csvStatement
	order  []*csvStatement
}

// csvStatement is what a file says about one account.
type csvStatement struct {
	s *Statement
	// first and last are the booked balances around the rows so far, in the
	// order of the file.
	first, last *big.Int
}

func readCSV(file string, r *bufio.Reader, options Options, to Receiver) error {
	head, err := r.Peek(headBytes)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return err
	}
	m, err := choose(file, head, options.Mappings)
	if err != nil {
		return err
	}
	c := &csvReader{m: m, to: to, options: options, file: file, open: map[string]*csvStatement{}}
	if c.rows, err = openRecords(r, m); err != nil {
		return at(err, file, 1, "encoding")
	}
	return at(c.read(), file, c.rows.line, "")
}

// choose finds the mapping that a file fits, by its header or its first row.
func choose(file string, head []byte, mappings []*Mapping) (*Mapping, error) {
	var closest error
	fewest := columnsMax + 1
	for _, m := range mappings {
		rows, err := openRecords(bytes.NewReader(head), m)
		if err != nil {
			return nil, err
		}
		missing, err := fits(rows, m, file)
		if err == nil {
			return m, nil
		}
		if missing < fewest {
			fewest, closest = missing, err
		}
	}
	return nil, closest
}

// fits checks the header, or the first row where there is none. missing is how
// much is wrong, for finding the mapping that was meant.
func fits(rows *recordReader, m *Mapping, file string) (missing int, err error) {
	row, line, err := rows.next()
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = flawf("the file ends before its first row; check skip in the mapping")
		}
		return columnsMax, at(err, file, max(line, 1), "")
	}
	if !m.NoHeader {
		_, absent := locate(m, row)
		if len(absent) == 0 {
			return 0, nil
		}
		return len(absent), &FileError{
			File: file, Line: line, Element: "header",
			Problem: fmt.Sprintf("column %s of the mapping %q is not there, the header is %.200q", absent[0], m.Name, strings.Join(row, m.Delimiter)),
			Advice:  "mend the mapping, or have the file sent as before",
		}
	}
	for _, c := range m.columns() {
		if c.Index > len(row) {
			return 1, &FileError{
				File: file, Line: line, Element: c.String(),
				Problem: fmt.Sprintf("the row has %d columns, the mapping %q needs more", len(row), m.Name), Advice: "mend the mapping",
			}
		}
	}
	if _, err := m.moment(row[m.Booking.Index-1]); err != nil || row[m.Booking.Index-1] == "" {
		return 1, &FileError{
			File: file, Line: line, Element: m.Booking.String(),
			Problem: fmt.Sprintf("%.40q is no date of the form %s", row[m.Booking.Index-1], m.Date), Advice: "mend the mapping " + strconv.Quote(m.Name),
		}
	}
	return 0, nil
}

// locate finds the columns in a header. A header that is there twice can't say
// which is meant.
func locate(m *Mapping, header []string) (places map[Column]int, absent []Column) {
	places = map[Column]int{}
	for _, c := range m.columns() {
		if c.Index > 0 {
			places[c] = c.Index - 1
			continue
		}
		i := slices.Index(header, c.Header)
		if i < 0 || slices.Index(header[i+1:], c.Header) >= 0 {
			absent = append(absent, c)
			continue
		}
		places[c] = i
	}
	return places, absent
}

func (c *csvReader) read() error {
	if c.m.NoHeader {
		c.places, _ = locate(c.m, nil)
	} else {
		header, _, err := c.rows.next()
		if err != nil {
			return err
		}
		c.places, _ = locate(c.m, header)
	}
	type held struct {
		row  []string
		line int
	}
	var waiting []held
	for {
		row, line, err := c.rows.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return at(err, c.file, line, "")
		}
		waiting = append(waiting, held{row, line})
		if len(waiting) <= c.m.Footer {
			continue
		}
		c.row, c.line = waiting[0].row, waiting[0].line
		waiting = waiting[1:]
		if err := c.movement(); err != nil {
			return err
		}
	}
	for _, open := range c.order {
		c.close(open)
		if err := end(c.to, open.s); err != nil {
			return err
		}
	}
	if c.number == 0 && c.m.Account.Value == "" {
		return flawf("the file has no row; nothing is known of any account")
	}
	return nil
}

// cell is the text of a column in this row, empty when the mapping has none.
func (c *csvReader) cell(column Column) string {
	i, ok := c.places[column]
	if !ok || i >= len(c.row) {
		return ""
	}
	return oneLine(c.row[i])
}

func (c *csvReader) fail(err error, column Column) error {
	return at(err, c.file, c.line, column.String())
}

func (c *csvReader) constant(k Constant) string {
	if k.Value != "" {
		return k.Value
	}
	return c.cell(k.Column)
}

// movement hands out one row.
func (c *csvReader) movement() error {
	for column, i := range c.places {
		if i >= len(c.row) && column != c.m.Info {
			return c.fail(flawf("the row has %d columns, and this one is number %d; a delimiter may stand in a text without quotation marks", len(c.row), i+1), column)
		}
	}
	status := c.cell(c.m.Status.Column)
	if c.m.Status.Column.isSet() && slices.Contains(c.m.Status.Ignore, status) {
		return nil
	}
	c.number++
	e := &Entry{Status: Booked, Line: c.line, Element: "row " + strconv.Itoa(c.number), Batch: Batch{Count: -1}}
	e.Detail.Line = c.line
	if slices.Contains(c.m.Status.Pending, status) && c.m.Status.Column.isSet() {
		e.Status = Pending
	}
	open, err := c.statement()
	if err != nil {
		return err
	}
	e.Currency = c.constant(c.m.Currency)
	if err := c.money(e); err != nil {
		return err
	}
	if e.Booking, err = c.m.moment(c.cell(c.m.Booking)); err != nil {
		return c.fail(err, c.m.Booking)
	}
	if e.Booking.IsZero() && e.Status == Booked {
		return c.fail(flawf("the booking date is missing"), c.m.Booking)
	}
	if e.Value, err = c.m.moment(c.cell(c.m.Value)); err != nil {
		return c.fail(err, c.m.Value)
	}
	c.describe(e)
	c.balance(open, e)
	return deliver(c.to, open.s, e)
}

// statement finds the statement that the row belongs to, and begins it when it
// is the account's first row.
func (c *csvReader) statement() (*csvStatement, error) {
	id := strings.ReplaceAll(c.constant(c.m.Account), " ", "")
	if id == "" {
		return nil, c.fail(flawf("the account is missing"), c.m.Account.Column)
	}
	currency := c.constant(c.m.Currency)
	if open, ok := c.open[id+"\n"+currency]; ok {
		return open, nil
	}
	if len(c.open) == csvAccountsMax {
		return nil, c.fail(flawf("the file has more than %d accounts", csvAccountsMax), c.m.Account.Column)
	}
	s := &Statement{Kind: CSV, File: c.file, Line: c.line, Account: Account{Currency: currency}, LastPage: true, Summary: noSummary}
	if isIBAN(id) {
		s.Account.IBAN = id
	} else {
		s.Account.Other = c.constant(c.m.Account)
	}
	open := &csvStatement{s: s}
	c.open[id+"\n"+currency] = open
	c.order = append(c.order, open)
	return open, begin(c.to, s)
}

// money reads the amount and its direction in the way that the mapping tells.
func (c *csvReader) money(e *Entry) (err error) {
	var negative bool
	column := c.m.Amount
	if !column.isSet() {
		debit, credit := c.cell(c.m.Debit), c.cell(c.m.Credit)
		switch {
		case debit != "" && credit != "" && !isZeroAmount(debit) && !isZeroAmount(credit):
			return c.fail(flawf("there is a debit of %.40q and a credit of %.40q in one row", debit, credit), c.m.Credit)
		case credit == "" || debit != "" && isZeroAmount(credit):
			column = c.m.Debit
		default:
			column, e.Credit = c.m.Credit, true
		}
	}
	if e.Minor, negative, err = c.amount(column, e.Currency); err != nil {
		return err
	}
	switch indicator := c.m.Indicator; {
	case indicator.Column.isSet():
		text := c.cell(indicator.Column)
		e.Credit = slices.Contains(indicator.Credit, text)
		if !e.Credit && !slices.Contains(indicator.Debit, text) {
			return c.fail(flawf("%.40q is neither in debit nor in credit of the mapping", text), indicator.Column)
		}
		if negative {
			return c.fail(flawf("the amount has a sign, and the direction a column of its own"), column)
		}
	case column == c.m.Amount:
		e.Credit = !negative
	case e.Credit && negative:
		return c.fail(flawf("a credit is below zero"), column)
	}
	return nil
}

// isZeroAmount says whether a cell holds nothing but a written zero.
func isZeroAmount(text string) bool { return strings.Trim(text, "0,.-+ ") == "" }

// amount reads a cell as minor units without a sign.
func (c *csvReader) amount(column Column, currency string) (minor *big.Int, negative bool, err error) {
	text := c.cell(column)
	if text == "" {
		return nil, false, c.fail(flawf("the amount is missing"), column)
	}
	digits, negative, err := c.m.plain(text)
	if err != nil {
		return nil, false, c.fail(err, column)
	}
	minor, err = c.options.Places.minor(digits, currency, c.m.Decimal[0])
	if err != nil {
		return nil, false, c.fail(err, column)
	}
	return minor, negative, nil
}

// describe reads what surrounds the money.
func (c *csvReader) describe(e *Entry) {
	m := c.m
	var id, text []string
	for _, column := range m.ID {
		id = append(id, c.cell(column))
	}
	for _, column := range m.Text {
		text = append(text, c.cell(column))
	}
	if strings.Join(id, "") != "" {
		e.ServicerRef = strings.Join(id, "/")
	}
	e.Text = oneLine(strings.Join(text, " "))
	e.Party = Party{Name: c.cell(m.PartyName), Account: c.cell(m.PartyAccount), BIC: c.cell(m.PartyBIC)}
	e.EndToEnd, e.Mandate = meaningful(c.cell(m.EndToEnd)), meaningful(c.cell(m.Mandate))
	e.CreditorID, e.Purpose, e.Info = c.cell(m.CreditorID), c.cell(m.Purpose), c.cell(m.Info)
	if code := c.cell(m.Code); code != "" {
		e.Code = Code{Proprietary: code, Issuer: m.Name}
	}
}

// balance keeps the running balance and notes the first that does not follow.
// A cell that is empty or can't be read leaves the proof open there; it is
// never needed to move money.
func (c *csvReader) balance(open *csvStatement, e *Entry) {
	s := open.s
	if s.From.IsZero() || e.Booking.before(s.From) {
		s.From = e.Booking
	}
	if s.To.before(e.Booking) {
		s.To = e.Booking
	}
	if !c.m.Balance.isSet() || e.Status != Booked || c.cell(c.m.Balance) == "" {
		return
	}
	after, negative, err := c.amount(c.m.Balance, e.Currency)
	if err != nil {
		s.Notes = append(s.Notes, err.Error())
		return
	}
	if negative {
		after.Neg(after)
	}
	e.RunningBalance = after
	before := new(big.Int).Sub(after, e.Signed())
	// near is the end of this row that touches the row before it in the file.
	near, far := before, after
	if c.m.NewestFirst {
		near, far = after, before
	}
	if open.first == nil {
		open.first = near
	} else if open.last.Cmp(near) != 0 && s.sum.brokenLine == 0 {
		s.sum.brokenLine, s.sum.brokenBy = c.line, new(big.Int).Sub(near, open.last)
	}
	open.last = far
}

// close gives a statement the balances that its rows have told.
func (c *csvReader) close(open *csvStatement) {
	if open.first == nil {
		return
	}
	opening, closing := open.first, open.last
	if c.m.NewestFirst {
		opening, closing = closing, opening
	}
	currency := open.s.Account.Currency
	open.s.Balances = []Balance{
		{Type: OpeningBooked, Minor: opening, Currency: currency, At: open.s.From, Line: open.s.Line},
		{Type: ClosingBooked, Minor: closing, Currency: currency, At: open.s.To, Line: c.line},
	}
}

// recordReader reads rows. It is tolerant of quotation marks inside texts that
// are not quoted, which banks do not double, and exact about everything else.
type recordReader struct {
	r         *bufio.Reader
	delimiter byte
	quote     byte
	line      int
	buf       []byte
}

// openRecords opens the rows of a file and skips the lines before them.
func openRecords(r io.Reader, m *Mapping) (*recordReader, error) {
	input, err := transcode(r, m.Encoding)
	if err != nil {
		return nil, err
	}
	rows := &recordReader{r: bufio.NewReader(input), delimiter: m.Delimiter[0]}
	if m.Quote != "none" {
		rows.quote = m.Quote[0]
	}
	if mark, _ := rows.r.Peek(3); string(mark) == "\xef\xbb\xbf" {
		_, _ = rows.r.Discard(len(mark))
	}
	for range m.Skip {
		if _, err := rows.physicalLine(); errors.Is(err, io.EOF) {
			break // the row that is missing then is the error to tell
		} else if err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// physicalLine reads one line with its end.
func (r *recordReader) physicalLine() ([]byte, error) {
	r.buf = r.buf[:0]
	for {
		part, err := r.r.ReadSlice('\n')
		r.buf = append(r.buf, part...)
		if len(r.buf) > recordBytesMax {
			return nil, flawf("the row is longer than %d bytes; the file is no CSV or is damaged", recordBytesMax)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil && (!errors.Is(err, io.EOF) || len(r.buf) == 0) {
			return nil, err
		}
		r.line++
		if !utf8.Valid(r.buf) || bytes.IndexByte(r.buf, 0) >= 0 {
			return nil, flawf("the row is not in the encoding of the mapping; name the right one, such as windows-1252")
		}
		return r.buf, nil
	}
}

// next reads a row that is not blank, and the line on which it begins.
func (r *recordReader) next() (row []string, line int, err error) {
	for {
		text, err := r.physicalLine()
		if err != nil {
			return nil, r.line, err
		}
		line = r.line
		row, err = r.split(string(text))
		if err != nil {
			return nil, line, err
		}
		if strings.Trim(strings.Join(row, ""), " \t\u00a0") != "" {
			return row, line, nil
		}
	}
}

// split cuts a row into cells. A quoted cell may go on over lines.
func (r *recordReader) split(text string) ([]string, error) {
	var row []string
	for {
		if len(row) == columnsMax {
			return nil, flawf("the row has more than %d columns", columnsMax)
		}
		if r.quote != 0 && text != "" && text[0] == r.quote {
			cell, rest, err := r.quoted(text[1:])
			if err != nil {
				return nil, err
			}
			row, text = append(row, cell), rest
		} else {
			i := strings.IndexAny(text, string(r.delimiter)+"\r\n")
			if i < 0 {
				i = len(text)
			}
			row, text = append(row, text[:i]), text[i:]
		}
		if text == "" || text[0] != r.delimiter {
			if rest := strings.TrimRight(text, "\r\n"); rest != "" {
				return nil, flawf("%.40q follows a closing quotation mark; the row is damaged", rest)
			}
			return row, nil
		}
		text = text[1:]
	}
}

// quoted reads to the end of a quoted cell; a doubled mark stands for one.
func (r *recordReader) quoted(text string) (cell, rest string, err error) {
	var out strings.Builder
	for {
		i := strings.IndexByte(text, r.quote)
		if i >= 0 {
			out.WriteString(text[:i])
			text = text[i+1:]
			if text == "" || text[0] != r.quote {
				return out.String(), text, nil
			}
			out.WriteByte(r.quote)
			text = text[1:]
			continue
		}
		out.WriteString(text)
		if out.Len() > recordBytesMax {
			return "", "", flawf("a quoted text is longer than %d bytes; a closing quotation mark is missing", recordBytesMax)
		}
		more, err := r.physicalLine()
		if errors.Is(err, io.EOF) {
			return "", "", flawf("the file ends inside a quoted text; a closing quotation mark is missing")
		}
		if err != nil {
			return "", "", err
		}
		text = string(more)
	}
}
