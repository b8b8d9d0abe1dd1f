package statements

import (
	"math/big"
	"strconv"
	"strings"
)

// detailsMax bounds the transactions that are kept for one entry. A batch of
// more is one movement with its totals: an entry is handed out whole, and the
// memory for it must not grow with the file.
const detailsMax = 20_000

// camtDetails collects the transactions of one entry.
type camtDetails struct {
	kept  []Detail
	count int
	// sum is what they come to in the entry's currency; whole is false when one
	// has no amount or another currency.
	sum   *big.Int
	whole bool
}

// entry reads one Ntry and hands it out.
func (c *camtReader) entry(s *Statement) error {
	mark := c.t.mark()
	defer c.t.reset(mark)
	e := &Entry{Line: c.x.tokenLine, Element: c.where}
	e.Detail.Line = e.Line
	details := camtDetails{sum: new(big.Int), whole: true}
	own := s.Account.Identification()
	n, err := c.subtree(func(entry element) error { return c.detail(entry, own, &details) })
	if err != nil {
		return err
	}
	if err := c.entryCore(n, e); err != nil {
		return err
	}
	t := c.t
	e.ServicerRef = meaningful(t.value(n, "AcctSvcrRef"))
	e.EntryRef = t.value(n, "NtryRef")
	e.Info = oneLine(t.value(n, "AddtlNtryInf"))
	e.Code = c.code(t.child(n, "BkTxCd"))
	if e.Charges, err = c.charges(n); err != nil {
		return err
	}
	c.instructed(t.child(n, "AmtDtls"), &e.Detail)
	batch := t.at(n, "NtryDtls", "Btch")
	if batch == 0 {
		batch = t.child(n, "Btch")
	}
	e.Batch = c.batch(batch)
	e.Batch.DetailCount = details.count
	c.settle(e, &details)
	return deliver(c.to, s, e)
}

// entryCore reads what no entry may lack.
func (c *camtReader) entryCore(n element, e *Entry) (err error) {
	t := c.t
	if e.Minor, e.Currency, err = c.amount(t.child(n, "Amt"), "Amt"); err != nil {
		return err
	}
	if e.Minor == nil {
		return c.failAt(flawf("the entry has no amount"), n, "Amt")
	}
	if e.Credit, err = c.direction(n, ""); err != nil {
		return err
	}
	switch text := t.value(n, "RvslInd"); text {
	case "true", "1":
		e.Reversal = true
	case "", "false", "0":
	default:
		return c.failAt(flawf("%.40q is neither true nor false", text), t.child(n, "RvslInd"), "RvslInd")
	}
	if e.Status, err = c.status(n); err != nil {
		return err
	}
	if e.Booking, err = c.choice(t.child(n, "BookgDt"), "BookgDt"); err != nil {
		return err
	}
	e.Value, err = c.choice(t.child(n, "ValDt"), "ValDt")
	return err
}

// status reads an entry's status, a text at first and a choice later.
func (c *camtReader) status(entry element) (Status, error) {
	t := c.t
	n := t.child(entry, "Sts")
	text := t.value(n, "Cd")
	if text == "" && t.nodes[n].firstChild == 0 {
		text = t.value(n)
	}
	switch text {
	case "BOOK":
		return Booked, nil
	case "PDNG", "FUTR":
		return Pending, nil
	case "INFO":
		return Information, nil
	case "":
		if t.value(n, "Prtry") == "" {
			return UnknownStatus, c.failAt(flawf("the entry has no status; booked can't be told from pending"), entry, "Sts")
		}
	}
	return UnknownStatus, nil
}

// settle decides which are the movements: the entry, or its transactions.
func (c *camtReader) settle(e *Entry, d *camtDetails) {
	if d.count == 1 && len(d.kept) == 1 {
		mergeDetail(&e.Detail, d.kept[0])
		return
	}
	if d.count < 2 || d.count != len(d.kept) || !d.whole || d.sum.Cmp(e.Signed()) != 0 {
		return
	}
	for i := range d.kept {
		if d.kept[i].Currency != e.Currency {
			return
		}
		if d.kept[i].Code == (Code{}) {
			d.kept[i].Code = e.Code
		}
	}
	e.Details = d.kept
}

// mergeDetail gives an entry what its only transaction knows. What moved, and
// the bank's reference to it, are the entry's where it has them.
func mergeDetail(into *Detail, d Detail) {
	minor, currency, credit, line := into.Minor, into.Currency, into.Credit, into.Line
	code, ref, charges, instructed, rate := into.Code, into.ServicerRef, into.Charges, into.Instructed, into.Rate
	*into = d
	into.Minor, into.Currency, into.Credit, into.Line = minor, currency, credit, line
	if code != (Code{}) {
		into.Code = code
	}
	if ref != "" {
		into.ServicerRef = ref
	}
	if len(charges) > 0 {
		into.Charges = charges
	}
	if into.Instructed == "" {
		into.Instructed, into.Rate = instructed, rate
	}
}

// detail reads one TxDtls, whose start tag was read, and adds it to its entry's.
func (c *camtReader) detail(entry element, own string, all *camtDetails) error {
	mark := c.t.mark()
	defer c.t.reset(mark)
	where := c.where
	all.count++
	c.where += "/TxDtls[" + strconv.Itoa(all.count) + "]"
	n, err := c.subtree(nil)
	if err != nil {
		return err
	}
	d, err := c.transaction(n, entry, own)
	if err != nil {
		return err
	}
	if d.Minor == nil {
		all.whole = false
	} else {
		all.sum.Add(all.sum, d.Signed())
	}
	if all.count <= detailsMax {
		all.kept = append(all.kept, d)
	}
	c.where = where
	return nil
}

// transaction reads what a TxDtls says.
func (c *camtReader) transaction(n, entry element, own string) (d Detail, err error) {
	t := c.t
	d.Line = t.nodes[n].line
	amount, path := t.child(n, "Amt"), "Amt"
	if amount == 0 {
		amount, path = t.at(n, "AmtDtls", "TxAmt", "Amt"), "AmtDtls/TxAmt/Amt"
	}
	if d.Minor, d.Currency, err = c.amount(amount, path); err != nil {
		return d, err
	}
	from := n
	if t.child(n, "CdtDbtInd") == 0 {
		from = entry
	}
	if d.Credit, err = c.direction(from, ""); err != nil {
		return d, err
	}
	refs := t.child(n, "Refs")
	d.MessageID = meaningful(t.value(refs, "MsgId"))
	d.ServicerRef = meaningful(t.value(refs, "AcctSvcrRef"))
	d.PaymentInfo = meaningful(t.value(refs, "PmtInfId"))
	d.Instruction = meaningful(t.value(refs, "InstrId"))
	d.EndToEnd = meaningful(t.value(refs, "EndToEndId"))
	d.Transaction = meaningful(t.value(refs, "TxId"))
	d.Mandate = meaningful(t.value(refs, "MndtId"))
	d.UETR = t.value(refs, "UETR")
	d.Cheque = meaningful(t.value(refs, "ChqNb"))
	d.Clearing = meaningful(t.value(refs, "ClrSysRef"))
	d.Code = c.code(t.child(n, "BkTxCd"))
	d.Purpose = t.value(n, "Purp", "Cd")
	if d.Purpose == "" {
		d.Purpose = t.value(n, "Purp", "Prtry")
	}
	c.instructed(t.child(n, "AmtDtls"), &d)
	if d.Charges, err = c.charges(n); err != nil {
		return d, err
	}
	c.returned(n, &d)
	c.remittance(t.child(n, "RmtInf"), &d)
	if d.Text == "" {
		d.Text = oneLine(t.value(n, "AddtlTxInf"))
	}
	reversed := t.value(entry, "RvslInd") == "true" || t.value(entry, "RvslInd") == "1"
	d.Party = c.counterparty(n, d.Credit != reversed, own)
	d.CreditorID = t.value(n, "RltdPties", "Cdtr", "Id", "PrvtId", "Othr", "Id")
	if d.CreditorID == "" {
		d.CreditorID = t.value(n, "RltdPties", "Cdtr", "Pty", "Id", "PrvtId", "Othr", "Id")
	}
	return d, nil
}

func (c *camtReader) returned(n element, d *Detail) {
	t := c.t
	info := t.child(n, "RtrInf")
	if info == 0 {
		return
	}
	d.Return.Is = true
	for _, path := range [][]string{{"Rsn", "Cd"}, {"Rsn", "Prtry"}, {"RtrRsn", "Cd"}, {"RtrRsn", "Prtry"}} {
		if d.Return.Reason == "" {
			d.Return.Reason = t.value(info, path...)
		}
	}
	d.Return.Info = t.values(info, "AddtlInf")
	if d.Return.Info == "" {
		d.Return.Info = t.values(info, "AddtlRtrRsnInf")
	}
}

func (c *camtReader) remittance(n element, d *Detail) {
	t := c.t
	texts := []string{t.values(n, "Ustrd")}
	for strd := t.child(n, "Strd"); strd != 0; strd = t.next(strd) {
		for _, path := range [][]string{{"CdtrRefInf", "Ref"}, {"CdtrRefInf", "CdtrRef"}} {
			if d.CreditorRef == "" {
				d.CreditorRef = t.value(strd, path...)
			}
		}
		texts = append(texts, t.values(strd, "AddtlRmtInf"))
	}
	d.Text = oneLine(strings.Join(texts, " "))
}

// counterparty reads the other side: who paid a credit, who was paid by a
// debit. For a reversal the file names the parties of the payment that is
// undone, so that they are the other way round. Where the account that comes
// out is the statement's own, the file sees it the other way, and so do we.
func (c *camtReader) counterparty(n element, payer bool, own string) Party {
	t := c.t
	parties, agents := t.child(n, "RltdPties"), t.child(n, "RltdAgts")
	read := func(role string) Party {
		party := t.child(parties, role)
		if inner := t.child(party, "Pty"); inner != 0 {
			party = inner
		} else if agent := t.at(party, "Agt", "FinInstnId"); agent != 0 {
			party = agent
		}
		ultimate := t.child(parties, "Ultmt"+role)
		if inner := t.child(ultimate, "Pty"); inner != 0 {
			ultimate = inner
		}
		return Party{
			Name:     oneLine(t.value(party, "Nm")),
			Account:  c.accountID(t.child(parties, role+"Acct")),
			BIC:      c.bank(t.at(agents, role+"Agt", "FinInstnId")),
			Ultimate: oneLine(t.value(ultimate, "Nm")),
		}
	}
	debtor, creditor := read("Dbtr"), read("Cdtr")
	party, other := creditor, debtor
	if payer {
		party, other = debtor, creditor
	}
	if party.Account == own && other.Account != own && other != (Party{}) {
		return other
	}
	return party
}

func (c *camtReader) batch(n element) Batch {
	b := Batch{Count: -1}
	if n == 0 {
		return b
	}
	b.MessageID = c.t.value(n, "MsgId")
	b.PaymentInfo = c.t.value(n, "PmtInfId")
	if text := c.t.value(n, "NbOfTxs"); text != "" {
		if count, err := strconv.Atoi(text); err == nil {
			b.Count = count
		}
	}
	return b
}

func (c *camtReader) code(n element) Code {
	t := c.t
	return Code{
		Domain:      t.value(n, "Domn", "Cd"),
		Family:      t.value(n, "Domn", "Fmly", "Cd"),
		SubFamily:   t.value(n, "Domn", "Fmly", "SubFmlyCd"),
		Proprietary: t.value(n, "Prtry", "Cd"),
		Issuer:      t.value(n, "Prtry", "Issr"),
	}
}

// charges reads the fees of an entry or a transaction: one for each Chrgs in
// older versions, one for each Rcrd in newer ones.
func (c *camtReader) charges(n element) ([]Charge, error) {
	t := c.t
	var all []Charge
	add := func(n element) error {
		minor, currency, err := c.amount(t.child(n, "Amt"), "Chrgs/Amt")
		if err != nil || minor == nil {
			return err
		}
		charge := Charge{
			Minor: minor, Currency: currency, Credit: t.value(n, "CdtDbtInd") == "CRDT",
			Included: t.value(n, "ChrgInclInd") == "true" || t.value(n, "ChrgInclInd") == "1",
			Type:     t.value(n, "Tp", "Cd"),
		}
		if charge.Type == "" {
			charge.Type = t.value(n, "Tp", "Prtry", "Id")
		}
		all = append(all, charge)
		return nil
	}
	for charge := t.child(n, "Chrgs"); charge != 0; charge = t.next(charge) {
		if err := add(charge); err != nil {
			return nil, err
		}
		for record := t.child(charge, "Rcrd"); record != 0; record = t.next(record) {
			if err := add(record); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// instructed keeps the amount before conversion as the file writes it.
func (c *camtReader) instructed(n element, d *Detail) {
	t := c.t
	amount := t.at(n, "InstdAmt", "Amt")
	if amount == 0 {
		return
	}
	d.Instructed = t.value(amount) + " " + t.currency(amount)
	for _, from := range []string{"TxAmt", "InstdAmt", "CntrValAmt"} {
		if d.Rate == "" {
			d.Rate = t.value(n, from, "CcyXchg", "XchgRate")
		}
	}
}

// amount reads an amount with its currency; nil where the element is absent.
func (c *camtReader) amount(n element, path string) (*big.Int, string, error) {
	if n == 0 {
		return nil, "", nil
	}
	currency := c.t.currency(n)
	if currency == "" {
		return nil, "", c.failAt(flawf("the amount has no currency; the attribute Ccy is missing"), n, path)
	}
	minor, err := c.options.Places.minor(c.t.value(n), currency, '.')
	if err != nil {
		return nil, "", c.failAt(err, n, path)
	}
	return minor, currency, nil
}

// direction reads CdtDbtInd below n: true for a credit.
func (c *camtReader) direction(n element, path string) (bool, error) {
	switch text := c.t.value(n, "CdtDbtInd"); text {
	case "CRDT":
		return true, nil
	case "DBIT":
		return false, nil
	case "":
		return false, c.failAt(flawf("it is not said whether it is a credit or a debit"), n, strings.TrimPrefix(path+"/CdtDbtInd", "/"))
	default:
		return false, c.failAt(flawf("%.40q is neither CRDT nor DBIT", text), c.t.child(n, "CdtDbtInd"), strings.TrimPrefix(path+"/CdtDbtInd", "/"))
	}
}

// moment reads a date and time at a path below n; zero where it is absent.
func (c *camtReader) moment(n element, path ...string) (Moment, error) {
	n = c.t.at(n, path...)
	text := c.t.value(n)
	if text == "" {
		return Moment{}, nil
	}
	m, err := parseISO(text)
	if err != nil {
		return m, c.failAt(err, n, c.t.nodes[n].name)
	}
	return m, nil
}

// choice reads an element that holds Dt or DtTm.
func (c *camtReader) choice(n element, path string) (Moment, error) {
	if n == 0 {
		return Moment{}, nil
	}
	inner := c.t.child(n, "Dt")
	if inner == 0 {
		inner = c.t.child(n, "DtTm")
	}
	if inner == 0 {
		inner = n
	}
	m, err := parseISO(c.t.value(inner))
	if err != nil {
		return m, c.failAt(err, inner, path)
	}
	return m, nil
}

// meaningful leaves out what banks write where there is no reference.
func meaningful(text string) string {
	switch strings.ToUpper(text) {
	case "NOTPROVIDED", "NOT PROVIDED", "NONREF", "NOTAVAILABLE", "NOREF":
		return ""
	}
	return text
}
