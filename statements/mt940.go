package statements

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// swiftReader reads MT940 and MT942 as banks really write them: with the
// envelope of the network or without, with headers of the bank's own between
// the messages, with or without the closing hyphen, in UTF-8 or Windows-1252.
//
// Source: SWIFT User Handbook, Category 9, Cash Management and Customer
// Status, MT940 and MT942; appendix 3 of the DFÜ agreement of Die Deutsche
// Kreditwirtschaft for field 86; the format descriptions of Dutch banks for
// the fields in slashes.
type swiftReader struct {
	lines   *lineReader
	to      Receiver
	options Options
	file    string

	field swiftField
	head  swiftHead
	// s is the statement being read; begun says that it was handed out.
	s     *Statement
	begun bool
	// closed says that the closing balance of the message was read.
	closed bool
	// entry waits for the information that may follow it.
	entry     *Entry
	explained bool
	entries   int
	// carried is a statement whose last page closed with :62M: and which the
	// next message may go on with.
	carried *Statement
	found   int
	// interim is what an envelope or a header said: the message is an MT942.
	interim bool
	// inside says that a line without a tag belongs to a field.
	inside bool
}

// swiftField is one field: its tag, and its lines without it.
type swiftField struct {
	tag   string
	line  int
	lines []string
	size  int
}

// swiftHead is what stands before the opening balance of a message.
type swiftHead struct {
	line            int
	reference       string
	account         Account
	number          string
	page            int
	created         Moment
	currency        string
	interim, opened bool
}

const (
	lineBytesMax  = 64 << 10
	fieldBytesMax = 256 << 10
)

func readSWIFT(file string, r *bufio.Reader, options Options, to Receiver) error {
	s := &swiftReader{lines: &lineReader{r: r}, to: to, options: options, file: file}
	return s.read()
}

func (r *swiftReader) fail(err error) error {
	return at(err, r.file, r.field.line, r.element())
}

func (r *swiftReader) element() string {
	if r.field.tag == "" {
		return ""
	}
	return ":" + r.field.tag + ":"
}

// read cuts the file into fields.
func (r *swiftReader) read() error {
	for {
		line, err := r.lines.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return at(err, r.file, r.lines.number, "")
		}
		if err := r.line(line); err != nil {
			return err
		}
	}
	if err := r.endField(); err != nil {
		return err
	}
	if err := r.endMessage(); err != nil {
		return r.fail(err)
	}
	if r.carried != nil {
		if err := end(r.to, r.carried); err != nil {
			return err
		}
	}
	if r.found == 0 {
		return &FileError{File: r.file, Line: r.lines.number, Problem: "the file has no complete MT940 or MT942 message", Advice: "have it sent again"}
	}
	return nil
}

// line takes one line: the beginning of a field, more of it, or something
// around the messages.
func (r *swiftReader) line(line string) error {
	line = strings.Trim(line, "\x01\x03")
	if strings.HasPrefix(line, "-") && isTrailer(line[1:]) {
		if err := r.endField(); err != nil {
			return err
		}
		r.inside = false
		line = line[1:]
	}
	if !r.inside || strings.HasPrefix(line, "{1:") {
		if i := strings.Index(line, "{4:"); i >= 0 {
			if err := r.endField(); err != nil {
				return err
			}
			r.interim = strings.Contains(line[:i], "{2:O942") || strings.Contains(line[:i], "{2:I942")
			line = line[i+len("{4:"):]
		}
	}
	tag, rest, ok := cutTag([]byte(line))
	if !ok {
		if !r.inside {
			r.interim = r.interim || strings.TrimSpace(line) == "942"
			return nil
		}
		r.field.size += len(line)
		if r.field.size > fieldBytesMax {
			return r.fail(flawf("the field is longer than %d bytes; the file is no statement or is damaged", fieldBytesMax))
		}
		r.field.lines = append(r.field.lines, line)
		return nil
	}
	if err := r.endField(); err != nil {
		return err
	}
	r.inside = true
	r.field = swiftField{tag: tag, line: r.lines.number, lines: append(r.field.lines[:0], string(rest)), size: len(rest)}
	return nil
}

// isTrailer says whether what follows a hyphen makes it the end of a message:
// nothing, the end of an envelope's block, or the crosses of some banks.
func isTrailer(rest string) bool {
	rest = strings.TrimSpace(rest)
	return rest == "" || rest[0] == '}' || strings.Trim(rest, "X") == ""
}

// swiftTags are the fields that the two messages have, and the one in which
// German banks put what has no field. Anything else that looks like a tag is text.
const swiftTags = " 13 13D 20 21 25 25P 28 28C 34F 60F 60M 61 62F 62M 64 65 86 90C 90D NS "

// cutTag cuts the tag from a line such as ":60F:C200101EUR444,29".
func cutTag(line []byte) (tag string, rest []byte, ok bool) {
	const longest = len(":60F:")
	if len(line) < len(":20:") || line[0] != ':' {
		return "", nil, false
	}
	end := bytes.IndexByte(line[1:min(len(line), longest)], ':')
	if end < 2 {
		return "", nil, false
	}
	tag = string(line[1 : end+1])
	if !strings.Contains(swiftTags, " "+tag+" ") {
		return "", nil, false
	}
	return tag, line[end+2:], true
}

// endField acts on the field that is complete now.
func (r *swiftReader) endField() error {
	if r.field.tag == "" {
		return nil
	}
	err := r.act()
	if err != nil {
		return r.fail(err)
	}
	r.field.tag = ""
	return nil
}

func (r *swiftReader) act() error {
	value := strings.TrimSpace(r.field.lines[0])
	switch r.field.tag {
	case "20":
		if err := r.endMessage(); err != nil {
			return err
		}
		r.head = swiftHead{line: r.field.line, reference: value, interim: r.interim}
	case "25", "25P":
		r.head.account = parseSWIFTAccount(value)
		if r.field.tag == "25P" && len(r.field.lines) > 1 {
			r.head.account.BIC = strings.TrimSpace(r.field.lines[1])
		}
	case "28", "28C":
		number, page, _ := strings.Cut(value, "/")
		r.head.number = strings.TrimSpace(number)
		if n, err := strconv.Atoi(strings.TrimSpace(page)); err == nil && n >= 0 {
			r.head.page = n
		}
	case "13", "13D":
		r.head.interim = true
		r.head.created = parseSWIFTTime(value)
	case "34F":
		r.head.interim = true
		if len(value) >= 3 && r.head.currency == "" {
			r.head.currency = value[:3]
		}
	case "60F", "60M":
		return r.openingBalance(value)
	case "61":
		return r.startEntry()
	case "86":
		return r.explain()
	case "62F", "62M":
		return r.closingBalance(value)
	case "64", "65":
		return r.availableBalance(value)
	case "90C", "90D":
		return r.total(value)
	}
	return nil
}

// openingBalance begins a statement, or goes on with the one whose page before
// this closed with :62M:.
func (r *swiftReader) openingBalance(value string) error {
	if r.s != nil {
		return flawf("a second opening balance in one message; the message before it has no end")
	}
	b, err := r.balance(value)
	if err != nil {
		return err
	}
	b.Type = OpeningBooked
	r.head.opened, r.head.currency, r.head.account.Currency = true, b.Currency, b.Currency
	if c := r.carried; c != nil {
		if r.field.tag == "60M" && c.Account == r.head.account && c.ElectronicNumber == r.head.number {
			r.continueStatement(b)
			return nil
		}
		r.carried = nil
		if err := end(r.to, c); err != nil {
			return err
		}
	}
	return r.openStatement(&b)
}

// continueStatement joins the page that begins here to the statement before it.
func (r *swiftReader) continueStatement(b Balance) {
	r.s, r.carried, r.begun, r.closed = r.carried, nil, true, false
	last := len(r.s.Balances) - 1
	for last >= 0 && r.s.Balances[last].Type != InterimBooked {
		last--
	}
	if before := r.s.Balances[last]; before.Minor.Cmp(b.Minor) != 0 || before.Currency != b.Currency {
		r.s.Notes = append(r.s.Notes, "page "+strconv.Itoa(r.head.page)+" opens with "+r.options.Places.decimal(b.Minor, b.Currency)+
			", the page before it closed with "+r.options.Places.decimal(before.Minor, before.Currency))
	}
	r.s.Balances = r.s.Balances[:last]
	r.s.Page, r.s.LastPage = r.head.page, true
}

// openStatement makes a statement of the head of a message.
func (r *swiftReader) openStatement(opening *Balance) error {
	if r.head.account.Identification() == "" {
		return flawf("no account was named before; a statement needs its :25: first")
	}
	s := &Statement{
		Kind: MT942, File: r.file, Line: r.head.line, ID: r.head.reference, Account: r.head.account,
		ElectronicNumber: r.head.number, Created: r.head.created, LastPage: true, Summary: noSummary,
	}
	if r.head.page > 1 {
		s.Page = r.head.page
	}
	if opening != nil {
		s.From = opening.At
		s.Balances = append(s.Balances, *opening)
		if !r.head.interim {
			s.Kind = MT940
		}
	}
	s.Account.Currency = r.head.currency
	r.s, r.begun, r.closed, r.entries = s, false, false, 0
	r.found++
	return nil
}

// start makes sure that there is a statement for what is read now. An MT942
// has no opening balance; a message that is not known to be one needs it.
func (r *swiftReader) start() error {
	if r.s == nil {
		if r.head.account.Identification() == "" {
			return flawf("no account was named before; a statement needs its :25: first")
		}
		if !r.head.interim {
			return flawf("no opening balance was read before; an MT940 needs its :60F:, an MT942 its :34F: or :13D:")
		}
		if c := r.carried; c != nil {
			r.carried = nil
			if err := end(r.to, c); err != nil {
				return err
			}
		}
		if err := r.openStatement(nil); err != nil {
			return err
		}
	}
	if r.begun {
		return nil
	}
	r.begun = true
	return begin(r.to, r.s)
}

// startEntry reads :61: and keeps it until it is known what explains it.
func (r *swiftReader) startEntry() error {
	if err := r.start(); err != nil {
		return err
	}
	if err := r.flushEntry(); err != nil {
		return err
	}
	if r.s.Account.Currency == "" {
		return flawf("the currency is not known; neither :60F: nor :34F: was read before")
	}
	e, err := parseSWIFTEntry(r.field.lines[0], r.s.Account.Currency, r.options.Places)
	if err != nil {
		return err
	}
	r.entries++
	e.Line, e.Detail.Line = r.field.line, r.field.line
	e.Element = ":61:[" + strconv.Itoa(r.entries) + "]"
	if r.s.Kind == MT942 {
		e.Status = Pending
	}
	supplement(e, r.field.lines[1:], r.options.Places)
	r.entry, r.explained = e, false
	return nil
}

// explain reads :86:, which explains the entry before it, or the statement.
func (r *swiftReader) explain() error {
	if r.entry != nil && !r.explained {
		r.explained = true
		explainEntry(r.entry, r.field.lines)
		return nil
	}
	if r.s != nil {
		r.s.Info = oneLine(r.s.Info + " " + strings.Join(r.field.lines, " "))
	}
	return nil
}

func (r *swiftReader) flushEntry() error {
	e := r.entry
	if e == nil {
		return nil
	}
	r.entry = nil
	if e.Party.Account == r.s.Account.Identification() {
		e.Party.Account = ""
	}
	return deliver(r.to, r.s, e)
}

func (r *swiftReader) closingBalance(value string) error {
	if r.s == nil || r.closed {
		return flawf("there is no open statement that this could close; its :60F: is missing")
	}
	if err := r.start(); err != nil {
		return err
	}
	if err := r.flushEntry(); err != nil {
		return err
	}
	b, err := r.balance(value)
	if err != nil {
		return err
	}
	b.Type = ClosingBooked
	if r.field.tag == "62M" {
		b.Type = InterimBooked
		r.s.LastPage = false
	}
	r.s.To = b.At
	r.s.Balances = append(r.s.Balances, b)
	r.closed = true
	return nil
}

func (r *swiftReader) availableBalance(value string) error {
	if r.s == nil {
		return flawf("there is no open statement that this could belong to; its :60F: is missing")
	}
	b, err := r.balance(value)
	if err != nil {
		return err
	}
	b.Type = ClosingAvailable
	if r.field.tag == "65" {
		b.Type = ForwardAvailable
	}
	r.s.Balances = append(r.s.Balances, b)
	return nil
}

// total reads :90C: and :90D:, the number and sum of an MT942's entries.
func (r *swiftReader) total(value string) error {
	if r.head.currency == "" {
		digits := strings.TrimLeft(value, "0123456789")
		if len(digits) >= 3 {
			r.head.currency = digits[:3]
		}
	}
	r.head.interim = r.head.interim || !r.head.opened
	if err := r.start(); err != nil {
		return err
	}
	if err := r.flushEntry(); err != nil {
		return err
	}
	rest := strings.TrimLeft(value, "0123456789")
	count, err := strconv.Atoi(value[:len(value)-len(rest)])
	if err != nil || len(rest) < len("EUR0") {
		return flawf("%.40q is no total; it should be a number, a currency and an amount, such as 2EUR10,00", value)
	}
	minor, err := r.swiftAmount(rest[3:], rest[:3])
	if err != nil {
		return err
	}
	if r.field.tag == "90C" {
		r.s.Summary.CreditCount, r.s.Summary.Credits = count, minor
	} else {
		r.s.Summary.DebitCount, r.s.Summary.Debits = count, minor
	}
	return nil
}

// endMessage ends what the message before has told. A statement that closed
// with an interim balance waits for its next page.
func (r *swiftReader) endMessage() error {
	s := r.s
	if s == nil {
		if r.head.account.Identification() == "" {
			return nil
		}
		// An MT942 of a day on which nothing happened has no more than a head.
		if !r.head.interim {
			return flawf("the message that begins on line %d has no opening balance :60F:; it was cut off, have it sent again", r.head.line)
		}
		if err := r.start(); err != nil {
			return err
		}
		s = r.s
	}
	if err := r.start(); err != nil {
		return err
	}
	if err := r.flushEntry(); err != nil {
		return err
	}
	if s.Kind == MT940 && !r.closed {
		return flawf("the statement that begins on line %d has no closing balance :62F:; it was cut off, have it sent again", s.Line)
	}
	r.s, r.head = nil, swiftHead{}
	if s.Kind == MT940 && !s.LastPage {
		r.carried = s
		return nil
	}
	return end(r.to, s)
}

// balance reads the form that all balances share: direction, date, currency, amount.
func (r *swiftReader) balance(value string) (b Balance, err error) {
	const shortest = len("C200101EUR0")
	if len(value) < shortest || value[0] != 'C' && value[0] != 'D' {
		return b, flawf("%.40q is no balance; it should be C or D, a date, a currency and an amount, such as C200131EUR12,50", value)
	}
	if b.At, err = parseSWIFTDate(value[1:7]); err != nil {
		return b, err
	}
	b.Currency, b.Line = value[7:10], r.field.line
	if b.Minor, err = r.swiftAmount(value[10:], b.Currency); err != nil {
		return b, err
	}
	if value[0] == 'D' {
		b.Minor.Neg(b.Minor)
	}
	return b, nil
}

// swiftAmount reads an amount with a decimal comma. Some banks write a point,
// and where there is no comma there can be no doubt about it.
func (r *swiftReader) swiftAmount(text, currency string) (*big.Int, error) {
	return parseSWIFTAmount(text, currency, r.options.Places)
}

func parseSWIFTAmount(text, currency string, places Places) (*big.Int, error) {
	text = strings.TrimSpace(text)
	point := byte(',')
	if strings.IndexByte(text, ',') < 0 && strings.Count(text, ".") == 1 {
		point = '.'
	}
	return places.minor(text, currency, point)
}

// parseSWIFTAccount reads :25:. Before the account may stand the bank's
// identifier, behind it the currency; both are cut off. A national bank code
// before the account stays: without it the number is not unique.
func parseSWIFTAccount(value string) Account {
	var a Account
	value = strings.TrimPrefix(value, "/")
	if bic, rest, ok := strings.Cut(value, "/"); ok && isBIC(bic) && rest != "" {
		a.BIC, value = bic, rest
	}
	compact := strings.ReplaceAll(value, " ", "")
	if n := len(compact) - 3; n > 0 && !isIBAN(compact) && isIBAN(compact[:n]) && isUpper(compact[n]) {
		compact = compact[:n]
	}
	if isIBAN(compact) {
		a.IBAN = compact
		return a
	}
	if n := len(value) - 3; n > 0 && (value[n-1] == ' ' || isDigit(value[n-1])) {
		if _, err := Places(nil).Of(value[n:]); err == nil {
			value = strings.TrimSpace(value[:n])
		}
	}
	a.Other = value
	return a
}

// parseSWIFTDate reads YYMMDD. Years from 80 on are of the last century, as
// the handbook says.
func parseSWIFTDate(text string) (Moment, error) {
	if len(text) != 6 || !isDigits(text) {
		return Moment{}, flawf("%.10q is no date of the form YYMMDD", text)
	}
	const century = 80
	year := 2000 + number(text[:2])
	if number(text[:2]) >= century {
		year -= 100
	}
	m, ok := DateOf(year, time.Month(number(text[2:4])), number(text[4:6]))
	if !ok {
		return m, flawf("there is no day %.10q", text)
	}
	return m, nil
}

// parseSWIFTTime reads :13D: and :13:, YYMMDDHHMM with an offset or without.
// It is information only, and left out when it can't be read.
func parseSWIFTTime(text string) Moment {
	if t, err := time.Parse("0601021504-0700", text); err == nil {
		return Moment{t, instant}
	}
	const withoutOffset = len("2601311230")
	if len(text) >= withoutOffset {
		if t, err := time.Parse("0601021504", text[:withoutOffset]); err == nil {
			return Moment{t, local}
		}
	}
	return Moment{}
}

// lineReader reads lines of text in UTF-8 or, where a line is not, in
// Windows-1252, of which Latin-1's letters are a part.
type lineReader struct {
	r      *bufio.Reader
	number int
	buf    []byte
}

func (l *lineReader) next() (string, error) {
	l.buf = l.buf[:0]
	l.number++
	for {
		part, err := l.r.ReadSlice('\n')
		l.buf = append(l.buf, part...)
		if len(l.buf) > lineBytesMax {
			return "", flawf("the line is longer than %d bytes; the file is no statement or is damaged", lineBytesMax)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil && (!errors.Is(err, io.EOF) || len(l.buf) == 0) {
			l.number-- // there is no such line
			return "", err
		}
		break
	}
	line := bytes.TrimRight(l.buf, "\r\n")
	if l.number == 1 {
		line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
	}
	if bytes.IndexByte(line, 0) >= 0 {
		return "", flawf("the line holds a NUL byte; the file is damaged, or in UTF-16")
	}
	if utf8.Valid(line) {
		return string(line), nil
	}
	upper := []rune(windows1252Upper)
	var out strings.Builder
	for _, c := range line {
		if c < utf8.RuneSelf {
			out.WriteByte(c)
		} else {
			out.WriteRune(upper[c-utf8.RuneSelf])
		}
	}
	return out.String(), nil
}
