package statements

import (
	"strings"
	"time"
)

// parseSWIFTEntry reads the first line of :61:.
//
//	value date  entry date  mark  funds  amount  type  reference  //bank's reference
//	YYMMDD      [MMDD]      [R]C  [a]    15d     4!c   16x        [//16x]
//
// Banks leave out the entry date, write longer references and no type; the
// money is read exactly or not at all.
func parseSWIFTEntry(line, currency string, places Places) (*Entry, error) {
	e := &Entry{Status: Booked, Batch: Batch{Count: -1}}
	line = strings.TrimSpace(line)
	rest := line
	if len(rest) < 6 {
		return nil, flawf("%.60q is no entry; it begins with its value date YYMMDD", line)
	}
	var err error
	if e.Value, err = parseSWIFTDate(rest[:6]); err != nil {
		return nil, err
	}
	rest = rest[6:]
	e.Booking = e.Value
	if len(rest) >= 4 && isDigits(rest[:4]) {
		if e.Booking, err = entryDate(rest[:4], e.Value); err != nil {
			return nil, err
		}
		rest = rest[4:]
	}
	if rest, err = cutMark(e, rest); err != nil {
		return nil, err
	}
	n := 0
	for n < len(rest) && (isDigit(rest[n]) || rest[n] == ',' || rest[n] == '.') {
		n++
	}
	e.Currency = currency
	if e.Minor, err = parseSWIFTAmount(rest[:n], currency, places); err != nil {
		return nil, err
	}
	rest = rest[n:]
	const typeLength = 4
	if len(rest) >= typeLength && strings.IndexByte("NFS", rest[0]) >= 0 {
		e.Code = Code{Proprietary: rest[:typeLength], Issuer: "SWIFT"}
		e.Return.Is = rest[1:typeLength] == "RTI" && !e.Reversal
		rest = rest[typeLength:]
	}
	customer, bank, _ := strings.Cut(rest, "//")
	e.Customer = meaningful(strings.TrimSpace(customer))
	e.ServicerRef = meaningful(strings.TrimSpace(bank))
	if e.Customer == "KREF+" || e.Customer == "EREF+" {
		e.Customer = "" // the reference stands in :86:
	}
	return e, nil
}

// entryDate reads MMDD. Its year is the one that brings it nearest to the
// value date, which may lie on the other side of the turn of the year.
func entryDate(text string, value Moment) (Moment, error) {
	var best Moment
	var bestAway time.Duration
	for _, year := range []int{value.fields.Year(), value.fields.Year() - 1, value.fields.Year() + 1} {
		m, ok := DateOf(year, time.Month(number(text[:2])), number(text[2:]))
		if !ok {
			continue
		}
		if away := m.fields.Sub(value.fields).Abs(); best.IsZero() || away < bestAway {
			best, bestAway = m, away
		}
	}
	if best.IsZero() {
		return best, flawf("there is no day %q (month and day of the entry)", text)
	}
	return best, nil
}

// cutMark reads the mark: C or D, with R before it for a reversal, or E for
// what is expected; and the funds code, a letter that some banks put behind it.
func cutMark(e *Entry, rest string) (string, error) {
	before := rest
	switch {
	case strings.HasPrefix(rest, "RC"), strings.HasPrefix(rest, "RD"):
		e.Reversal = true
		rest = rest[1:]
	case strings.HasPrefix(rest, "EC"), strings.HasPrefix(rest, "ED"):
		e.Status = Pending
		rest = rest[1:]
	}
	if rest == "" || rest[0] != 'C' && rest[0] != 'D' {
		return "", flawf("%.20q is neither a credit nor a debit; C, D, RC or RD follows the dates", before)
	}
	// The reversal of a credit takes the money back, that of a debit returns it.
	e.Credit = (rest[0] == 'C') != e.Reversal
	rest = rest[1:]
	if len(rest) > 1 && isUpper(rest[0]) && isDigit(rest[1]) {
		rest = rest[1:]
	}
	return rest, nil
}

// supplement reads the further lines of :61:, which some banks use for the
// original amount and their charges, and others for a name.
func supplement(e *Entry, lines []string, places Places) {
	text := oneLine(strings.Join(lines, " "))
	if text == "" {
		return
	}
	e.Info = text
	for _, part := range strings.Split(text, "/") {
		if len(part) < len("EUR0") || !isDigit(part[3]) {
			continue
		}
		before, _, _ := strings.Cut(text, "/"+part)
		switch {
		case strings.HasSuffix(before, "/OCMT"):
			e.Instructed = part[3:] + " " + part[:3]
		case strings.HasSuffix(before, "/CHGS"):
			if minor, err := parseSWIFTAmount(part[3:], part[:3], places); err == nil {
				e.Charges = append(e.Charges, Charge{Minor: minor, Currency: part[:3]})
			}
		}
	}
}

// explainEntry reads :86: in the structure that it has: that of German banks,
// that of Dutch ones, or none.
func explainEntry(e *Entry, lines []string) {
	joined := strings.TrimSpace(strings.Join(lines, ""))
	if code, rest, ok := germanInfo(joined); ok {
		explainGerman(e, code, rest)
		return
	}
	if fields := slashFields(lines); fields != nil {
		explainSlashes(e, fields)
		return
	}
	text := oneLine(strings.Join(lines, " "))
	e.Text = text
	account, name, _ := strings.Cut(text, " ")
	if isIBAN(account) {
		e.Party.Account = account
		e.Party.Name = firstLineName(lines, name)
	}
}

// firstLineName is the name that follows an account in the first line.
func firstLineName(lines []string, all string) string {
	_, name, ok := strings.Cut(oneLine(lines[0]), " ")
	if ok && len(lines) > 1 {
		return name
	}
	if len(lines) == 1 {
		return "" // name and text can't be told apart
	}
	return all
}

// germanInfo recognizes "166?00GUTSCHRIFT?10…": a code of three digits and
// then subfields of two digits, parted by one character.
func germanInfo(text string) (code, rest string, ok bool) {
	if len(text) < 6 || !isDigits(text[:3]) || isDigit(text[3]) || text[3] == ' ' || !isDigits(text[4:6]) {
		return "", "", false
	}
	first := text[4:6]
	if first != "00" && first != "10" && first != "20" && first != "30" && first != "32" {
		return "", "", false
	}
	return text[:3], text[3:], true
}

// germanReturns are the codes of returns: of direct debits and of transfers.
const germanReturns = " 108 109 159 181 184 "

// explainGerman reads the subfields of appendix 3 of the DFÜ agreement.
func explainGerman(e *Entry, code, rest string) {
	separator := rest[:1]
	var texts, names []string
	booking, prima, textKey := "", "", ""
	for _, part := range strings.Split(rest[1:], separator) {
		if len(part) < 2 || !isDigits(part[:2]) {
			if n := len(texts); n > 0 {
				texts[n-1] += separator + part // the sign stood in the text
			}
			continue
		}
		number, value := part[:2], part[2:]
		switch {
		case number == "00":
			booking = strings.TrimSpace(value)
		case number == "10":
			prima = strings.TrimSpace(value)
		case number >= "20" && number <= "29", number >= "60" && number <= "63":
			texts = append(texts, value)
		case number == "30":
			e.Party.BIC = strings.TrimSpace(value)
		case number == "31":
			e.Party.Account = strings.TrimSpace(value)
		case number == "32", number == "33":
			names = append(names, value)
		case number == "34":
			textKey = strings.TrimSpace(value)
		case number == "38":
			if account := strings.TrimSpace(value); isIBAN(account) || e.Party.Account == "" {
				e.Party.Account = account
			}
		}
	}
	e.Party.Name = oneLine(strings.Join(names, ""))
	e.Code.Text = booking
	e.Code.Proprietary = strings.Trim(e.Code.Proprietary+"+"+code+"+"+prima, "+")
	e.Code.Issuer = "DK"
	if strings.Contains(germanReturns, " "+code+" ") {
		e.Return = Return{Is: true, Reason: textKey}
	}
	sepaFields(e, texts)
}

// sepaKeys begin the parts of a remittance text in German statements.
var sepaKeys = []string{"EREF+", "KREF+", "MREF+", "CRED+", "DEBT+", "COAM+", "OAMT+", "SVWZ+", "ABWA+", "ABWE+", "IBAN+", "BIC+", "MTLG:"}

// sepaFields parts a remittance text by its keys. A key begins a subfield; what
// follows may run over several, which were cut without regard to words.
func sepaFields(e *Entry, texts []string) {
	key := ""
	values := map[string]string{}
	for _, text := range texts {
		for _, k := range sepaKeys {
			if strings.HasPrefix(text, k) {
				key, text = k, text[len(k):]
				break
			}
		}
		values[key] += text
	}
	get := func(key string) string { return meaningful(oneLine(values[key])) }
	e.EndToEnd, e.Mandate, e.CreditorID = get("EREF+"), get("MREF+"), get("CRED+")
	if ref := get("KREF+"); ref != "" {
		e.Customer = ref
	}
	for _, ultimate := range []string{"ABWA+", "ABWE+"} {
		if name := get(ultimate); name != "" {
			e.Party.Ultimate = name
		}
	}
	if account := get("IBAN+"); account != "" && e.Party.Account == "" {
		e.Party.Account = account
	}
	if bic := get("BIC+"); bic != "" && e.Party.BIC == "" {
		e.Party.BIC = bic
	}
	if original := get("OAMT+"); original != "" {
		e.Instructed = original
	}
	e.Text = oneLine(values[""] + " " + values["SVWZ+"] + " " + values["MTLG:"])
}

// slashKeys are the code words that stand between slashes in :86: of Dutch
// and other banks.
const slashKeys = " TRTP IBAN BIC NAME REMI EREF MARF CSID CNTP PREF RTRN ISDT ORDP BENM PURP ULTC ULTD ULTB ADDR SVCL IREF TRCD OCMT EXCH CHGS "

// slashField is one code word with its text.
type slashField struct{ key, value string }

// slashFields parts "/TRTP/…/IBAN/…" at the known code words; nil when the text
// does not begin with one. Lines were cut at a width, so they are joined as
// they are.
func slashFields(lines []string) []slashField {
	text := strings.TrimSpace(strings.Join(lines, ""))
	if !strings.HasPrefix(text, "/") {
		return nil
	}
	var fields []slashField
	fresh := false
	for _, part := range strings.Split(text[1:], "/") {
		n := len(fields)
		switch {
		case part != "" && strings.Contains(slashKeys, " "+part+" "):
			fields, fresh = append(fields, slashField{key: part}), true
		case n == 0:
			return nil
		case fresh:
			fields[n-1].value, fresh = part, false
		default:
			fields[n-1].value += "/" + part
		}
	}
	for i := range fields {
		fields[i].value = strings.TrimSpace(strings.TrimRight(fields[i].value, "/"))
	}
	return fields
}

func explainSlashes(e *Entry, fields []slashField) {
	for _, f := range fields {
		switch f.key {
		case "TRTP":
			e.Code.Text = f.value
		case "IBAN":
			e.Party.Account = f.value
		case "BIC":
			e.Party.BIC = f.value
		case "NAME":
			e.Party.Name = oneLine(f.value)
		case "EREF":
			e.EndToEnd = meaningful(f.value)
		case "MARF":
			e.Mandate = meaningful(f.value)
		case "CSID":
			e.CreditorID = f.value
		case "PREF":
			e.PaymentInfo = meaningful(f.value)
		case "IREF":
			e.Instruction = meaningful(f.value)
		case "PURP":
			e.Purpose = strings.TrimPrefix(f.value, "CD/")
		case "ULTC", "ULTD", "ULTB":
			e.Party.Ultimate = oneLine(strings.TrimPrefix(f.value, "NAME/"))
		case "RTRN":
			e.Return = Return{Is: true, Reason: f.value}
		case "OCMT":
			e.Instructed = f.value
		case "EXCH":
			e.Rate = f.value
		case "CNTP":
			explainCounterparty(e, f.value)
		case "REMI":
			explainRemittance(e, f.value)
		}
	}
}

// explainCounterparty reads /CNTP/account/bank/name/town/.
func explainCounterparty(e *Entry, value string) {
	parts := strings.Split(value, "/")
	for i, into := range []*string{&e.Party.Account, &e.Party.BIC, &e.Party.Name} {
		if i < len(parts) && parts[i] != "" {
			*into = oneLine(parts[i])
		}
	}
}

// explainRemittance reads /REMI/, plain, USTD//text or STRD/issuer/reference.
func explainRemittance(e *Entry, value string) {
	switch {
	case strings.HasPrefix(value, "USTD/"):
		value = strings.Trim(value[len("USTD/"):], "/")
	case strings.HasPrefix(value, "STRD/"):
		_, e.CreditorRef, _ = strings.Cut(value[len("STRD/"):], "/")
		value = ""
	}
	e.Text = oneLine(value)
}
