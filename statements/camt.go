package statements

import (
	"bufio"
	"fmt"
	"strconv"
	"strings"
)

// camtVersionMax is the newest version of the three messages that ISO 20022
// has published.
const camtVersionMax = 13

// camtReader reads a camt.052, .053 or .054 message. The versions differ in
// where things stand, and never put two meanings in one place, so one reader
// looks in each place that any version knows:
//
//   - the message element ends in V01 in version 1;
//   - transactions stand directly below the entry in version 1, below NtryDtls after;
//   - a balance's type is Tp/Cd in version 1, Tp/CdOrPrtry/Cd after;
//   - an account is IBAN, BBAN, UPIC or PrtryAcct in version 1, IBAN or Othr after;
//   - a bank's identifier is BIC up to version 2, BICFI after;
//   - a transaction's amount is in AmtDtls up to version 2, also in Amt after;
//   - charges repeat up to version 3, and are records in one element after;
//   - a status is a text at first and a choice of Cd and Prtry from version 7;
//   - a party is what Dbtr and Cdtr hold up to version 7, and Pty below them after.
//
// Source: the message definitions at iso20022.org, catalogue and archive.
type camtReader struct {
	x       *xmlReader
	t       *xmlTree
	to      Receiver
	options Options
	file    string

	namespace  string
	kind       Kind
	version    int
	header     camtHeader
	statements int
	// where is the element that is being read, for errors.
	where string
	// parents is the way from the element being read up to its entry.
	parents []element
}

// camtHeader is what the group header says about every statement below it.
type camtHeader struct {
	messageID string
	created   Moment
	page      int
	lastPage  bool
}

func readCamt(file string, r *bufio.Reader, options Options, to Receiver) error {
	input, err := xmlInput(r)
	if err != nil {
		return at(err, file, 1, "encoding")
	}
	c := &camtReader{x: newXMLReader(input), t: newXMLTree(), to: to, options: options, file: file}
	return at(c.read(), file, 0, "")
}

// fail gives an error the place where the reader is.
func (c *camtReader) fail(err error) error { return at(err, c.file, c.x.tokenLine, c.where) }

func (c *camtReader) failAt(err error, n element, path string) error {
	line := c.x.tokenLine
	if n != 0 {
		line = c.t.nodes[n].line
	}
	return at(err, c.file, line, strings.TrimPrefix(c.where+"/"+path, "/"))
}

// read finds the messages of a file. A message may stand in an envelope of the
// bank's own, next to a business application header.
func (c *camtReader) read() error {
	documents := 0
	for {
		token, namespace, err := c.x.token()
		if err != nil {
			return c.fail(err)
		}
		switch {
		case token == xmlEnd && documents == 0:
			return c.fail(flawf("the file has no Document of ISO 20022; it is XML, but no camt message"))
		case token == xmlEnd:
			return nil
		case token == xmlOpen && string(c.x.name) == "Document":
			c.where = "Document"
			if err := c.setNamespace(namespace); err != nil {
				return c.fail(err)
			}
			documents++
			if err := c.document(); err != nil {
				return c.fail(err)
			}
			c.where = ""
		}
	}
}

// setNamespace learns from a namespace which message it is.
func (c *camtReader) setNamespace(namespace string) error {
	name, ok := strings.CutPrefix(namespace, "urn:iso:std:iso:20022:tech:xsd:")
	if !ok {
		name, ok = strings.CutPrefix(namespace, "urn:swift:xsd:")
		name = strings.TrimPrefix(name, "$")
	}
	parts := strings.Split(name, ".")
	const wellFormed = "camt.05x.001.nn"
	if !ok || len(name) != len(wellFormed) || len(parts) != 4 {
		return flawf("namespace %.80q is none of camt.052, camt.053 or camt.054; only bank statements are read", namespace)
	}
	switch parts[0] + "." + parts[1] {
	case "camt.052":
		c.kind = Camt052
	case "camt.053":
		c.kind = Camt053
	case "camt.054":
		c.kind = Camt054
	default:
		return flawf("the message is %.40s, no camt.052, camt.053 or camt.054; only bank statements are read", name)
	}
	version, err := strconv.Atoi(parts[3])
	if err != nil || parts[2] != "001" || version < 1 || version > camtVersionMax {
		return flawf("the message is %.40s; versions 1 to %d are known, have the bank send one of them", name, camtVersionMax)
	}
	c.version, c.namespace = version, namespace
	return nil
}

// document reads the message inside a Document.
func (c *camtReader) document() error {
	c.header = camtHeader{lastPage: true}
	before := c.statements
	depth := len(c.x.starts)
	message := ""
	for len(c.x.starts) >= depth {
		token, namespace, err := c.x.token()
		if err != nil {
			return err
		}
		if token == xmlClose && len(c.x.starts) == depth && c.statements == before {
			c.where = message
			return flawf("the message has no %s; it tells of no account, have the bank send it again", c.statementName())
		}
		if token != xmlOpen {
			continue
		}
		if namespace != c.namespace {
			if err := c.x.skipElement(); err != nil {
				return err
			}
			continue
		}
		switch name := c.t.intern(c.x.name); name {
		case "GrpHdr":
			c.where = name
			if err := c.groupHeader(); err != nil {
				return err
			}
		case "Stmt", "Rpt", "Ntfctn":
			c.statements++
			c.where = fmt.Sprintf("%s[%d]", name, c.statements)
			if err := c.statement(); err != nil {
				return err
			}
			c.where = message
		default:
			if !strings.HasPrefix(name, "BkToCstmr") {
				if err := c.x.skipElement(); err != nil {
					return err
				}
				continue
			}
			message, c.where = name, name
		}
	}
	if c.statements == before {
		c.where = message
		return flawf("the message has no %s; it tells of no account, have the bank send it again", c.statementName())
	}
	return nil
}

func (c *camtReader) statementName() string {
	switch c.kind {
	case Camt052:
		return "Rpt"
	case Camt054:
		return "Ntfctn"
	case Camt053, MT940, MT942, CSV:
	}
	return "Stmt"
}

func (c *camtReader) groupHeader() error {
	mark := c.t.mark()
	defer c.t.reset(mark)
	n, err := c.subtree(nil)
	if err != nil {
		return err
	}
	c.header.messageID = c.t.value(n, "MsgId")
	if c.header.created, err = c.moment(n, "CreDtTm"); err != nil {
		return err
	}
	c.header.page, c.header.lastPage, err = c.pagination(c.t.child(n, "MsgPgntn"))
	return err
}

// pagination reads a page number; a message of one page has none worth naming.
func (c *camtReader) pagination(n element) (page int, last bool, err error) {
	if n == 0 {
		return 0, true, nil
	}
	text := c.t.value(n, "PgNb")
	page, err = strconv.Atoi(text)
	if err != nil || page < 0 {
		return 0, true, c.failAt(flawf("page %.40q is no number", text), n, c.t.nodes[n].name+"/PgNb")
	}
	return page, c.t.value(n, "LastPgInd") != "false" && c.t.value(n, "LastPgInd") != "0", nil
}

// Bounds of what one entry without its transactions, or one element of a
// statement's head, may hold.
const (
	treeNodesMax = 200_000
	treeTextMax  = 32 << 20
)

// subtree reads the element that was opened last into the tree. Where detail is
// set, it is called for each transaction of an entry, which is then forgotten.
func (c *camtReader) subtree(detail func(entry element) error) (element, error) {
	root := c.t.add(0, c.x.xmlScanner)
	c.parents = append(c.parents[:0], root)
	for len(c.parents) > 0 {
		token, namespace, err := c.x.token()
		if err != nil {
			return 0, err
		}
		parent := c.parents[len(c.parents)-1]
		switch token {
		case xmlOpen:
			if namespace != c.namespace {
				if err := c.x.skipElement(); err != nil {
					return 0, err
				}
				continue
			}
			if detail != nil && len(c.parents) <= 2 && string(c.x.name) == "TxDtls" {
				above := append([]element(nil), c.parents...)
				if err := detail(root); err != nil {
					return 0, err
				}
				c.parents = append(c.parents[:0], above...)
				continue
			}
			c.parents = append(c.parents, c.t.add(parent, c.x.xmlScanner))
			if len(c.t.nodes) > treeNodesMax || len(c.t.text) > treeTextMax {
				return 0, flawf("the element holds more than %d elements or %d bytes; it is no statement's", treeNodesMax, treeTextMax)
			}
		case xmlClose:
			c.parents = c.parents[:len(c.parents)-1]
		case xmlText:
			if c.t.nodes[parent].firstChild == 0 {
				c.t.addText(parent, c.x.text)
			}
		case xmlEnd:
		}
	}
	return root, nil
}

// statement reads one Stmt, Rpt or Ntfctn.
func (c *camtReader) statement() error {
	s := &Statement{
		Kind: c.kind, Version: c.version, File: c.file, Line: c.x.tokenLine,
		MessageID: c.header.messageID, Created: c.header.created,
		LastPage: c.header.lastPage, Summary: noSummary,
	}
	if c.header.page > 1 || !c.header.lastPage {
		s.Page = c.header.page
	}
	where, begun, entries := c.where, false, 0
	depth := len(c.x.starts)
	for {
		token, namespace, err := c.x.token()
		if err != nil {
			return err
		}
		if token == xmlClose && len(c.x.starts) < depth {
			break
		}
		if token != xmlOpen {
			continue
		}
		if namespace != c.namespace {
			if err := c.x.skipElement(); err != nil {
				return err
			}
			continue
		}
		if string(c.x.name) != "Ntry" {
			if err := c.statementPart(s); err != nil {
				return err
			}
			continue
		}
		if !begun {
			begun = true
			if err := c.begin(s); err != nil {
				return err
			}
		}
		entries++
		c.where = where + "/Ntry[" + strconv.Itoa(entries) + "]"
		if err := c.entry(s); err != nil {
			return err
		}
		c.where = where
	}
	if !begun {
		if err := c.begin(s); err != nil {
			return err
		}
	}
	return end(c.to, s)
}

// begin checks that the head of a statement is complete and hands it out.
func (c *camtReader) begin(s *Statement) error {
	if s.Account.Identification() == "" {
		c.where += "/Acct"
		return flawf("the statement names no account; without one its entries belong nowhere")
	}
	for _, b := range s.Balances {
		if s.Account.Currency == "" && (b.Type == OpeningBooked || b.Type == PreviouslyClosedBooked) {
			s.Account.Currency = b.Currency
		}
	}
	if s.Account.Currency == "" && len(s.Balances) > 0 {
		s.Account.Currency = s.Balances[0].Currency
	}
	return begin(c.to, s)
}

// statementPart reads one element of a statement that is not an entry.
func (c *camtReader) statementPart(s *Statement) error {
	mark := c.t.mark()
	defer c.t.reset(mark)
	n, err := c.subtree(nil)
	if err != nil {
		return err
	}
	t := c.t
	switch t.nodes[n].name {
	case "Id":
		s.ID = t.value(n)
	case "ElctrncSeqNb":
		s.ElectronicNumber = t.value(n)
	case "LglSeqNb":
		s.LegalNumber = t.value(n)
	case "StmtPgntn", "RptPgntn", "NtfctnPgntn":
		s.Page, s.LastPage, err = c.pagination(n)
	case "CreDtTm":
		s.Created, err = c.moment(n)
	case "FrToDt":
		if s.From, err = c.moment(n, "FrDtTm"); err == nil {
			s.To, err = c.moment(n, "ToDtTm")
		}
	case "CpyDplctInd":
		s.Copy = t.value(n)
	case "Acct":
		s.Account = c.account(n)
	case "Bal":
		var b Balance
		if b, err = c.balance(n); err == nil {
			s.Balances = append(s.Balances, b)
		}
	case "TxsSummry":
		s.Summary, err = c.summary(n, s)
	case "AddtlStmtInf", "AddtlRptInf", "AddtlNtfctnInf":
		s.Info = oneLine(t.value(n))
	}
	return err
}

func (c *camtReader) account(n element) Account {
	t := c.t
	a := Account{
		Currency: t.value(n, "Ccy"),
		Owner:    oneLine(t.value(n, "Ownr", "Nm")),
		Name:     oneLine(t.value(n, "Nm")),
		Servicer: oneLine(t.value(n, "Svcr", "FinInstnId", "Nm")),
		BIC:      c.bank(t.at(n, "Svcr", "FinInstnId")),
	}
	id := c.accountID(n)
	if isIBAN(id) {
		a.IBAN = id
	} else {
		a.Other = id
	}
	return a
}

// accountID reads the identification of an account in any version.
func (c *camtReader) accountID(account element) string {
	id := c.t.child(account, "Id")
	for _, path := range [][]string{{"IBAN"}, {"Othr", "Id"}, {"BBAN"}, {"UPIC"}, {"PrtryAcct", "Id"}} {
		if text := c.t.value(id, path...); text != "" {
			if compact := strings.ReplaceAll(text, " ", ""); isIBAN(compact) {
				return compact
			}
			return text
		}
	}
	return ""
}

// bank reads the identifier of a financial institution in any version.
func (c *camtReader) bank(n element) string {
	for _, path := range [][]string{{"BICFI"}, {"BIC"}, {"CmbndId", "BIC"}, {"ClrSysMmbId", "MmbId"}, {"ClrSysMmbId", "Id"}} {
		if text := c.t.value(n, path...); text != "" {
			return text
		}
	}
	return ""
}

func (c *camtReader) balance(n element) (b Balance, err error) {
	t := c.t
	b.Line = t.nodes[n].line
	for _, path := range [][]string{{"Tp", "CdOrPrtry", "Cd"}, {"Tp", "Cd"}, {"Tp", "CdOrPrtry", "Prtry"}, {"Tp", "Prtry"}} {
		if text := t.value(n, path...); text != "" && b.Type == "" {
			b.Type = BalanceType(text)
		}
	}
	credit, err := c.direction(n, "Bal")
	if err != nil {
		return b, err
	}
	if b.Minor, b.Currency, err = c.amount(t.child(n, "Amt"), "Bal/Amt"); err != nil {
		return b, err
	}
	if b.Minor == nil {
		return b, c.failAt(flawf("the balance has no amount"), n, "Bal/Amt")
	}
	if !credit {
		b.Minor.Neg(b.Minor)
	}
	b.At, err = c.choice(t.child(n, "Dt"), "Bal/Dt")
	return b, err
}

// summary reads the totals that a statement gives for its entries. Its amounts
// have no currency of their own; they are left out while the account's is unknown.
func (c *camtReader) summary(n element, s *Statement) (Summary, error) {
	t := c.t
	m := noSummary
	currency := s.Account.Currency
	if currency == "" && len(s.Balances) > 0 {
		currency = s.Balances[0].Currency
	}
	for _, part := range []struct {
		name  string
		count *int
	}{{"TtlNtries", &m.Count}, {"TtlCdtNtries", &m.CreditCount}, {"TtlDbtNtries", &m.DebitCount}} {
		total := t.child(n, part.name)
		if text := t.value(total, "NbOfNtries"); text != "" {
			count, err := strconv.Atoi(text)
			if err != nil {
				return m, c.failAt(flawf("%.40q is no number", text), total, "TxsSummry/"+part.name+"/NbOfNtries")
			}
			*part.count = count
		}
		text := t.value(total, "Sum")
		if text == "" || currency == "" {
			continue
		}
		minor, err := c.options.Places.minor(text, currency, '.')
		if err != nil {
			return m, c.failAt(err, total, "TxsSummry/"+part.name+"/Sum")
		}
		switch part.name {
		case "TtlCdtNtries":
			m.Credits = minor
		case "TtlDbtNtries":
			m.Debits = minor
		}
	}
	return m, nil
}
