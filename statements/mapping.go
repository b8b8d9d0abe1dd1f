package statements

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// Mapping explains the CSV files of one bank or program. It is written in YAML:
//
//	name: Wehrbank
//	delimiter: ";"
//	encoding: windows-1252
//	skip: 4
//	decimal: ","
//	thousands: "."
//	date: DD.MM.YYYY
//	newest_first: true
//	account: {value: DE57700100800123456789}
//	currency: {column: Währung}
//	booking: Buchungstag
//	amount: Betrag
//	indicator: {column: S/H, debit: [S], credit: [H]}
//	balance: Saldo
//	text: [Buchungstext, Verwendungszweck]
//
// A column is named by its header, or by its number from 1 where there is none.
type Mapping struct {
	// Name is for messages.
	Name string `yaml:"name"`
	// Delimiter is one character, ";" unless told. Quote is one character, or
	// "none"; a double quotation mark unless told.
	Delimiter string `yaml:"delimiter"`
	Quote     string `yaml:"quote"`
	// Encoding is UTF-8 unless told.
	Encoding string `yaml:"encoding"`
	// Skip is the number of lines before the header or first row, Footer that
	// of rows after the last movement.
	Skip   int `yaml:"skip"`
	Footer int `yaml:"footer"`
	// NoHeader says that the first row is a movement.
	NoHeader bool `yaml:"no_header"`
	// Decimal and Thousands are the signs in amounts, "," and none unless told.
	Decimal   string `yaml:"decimal"`
	Thousands string `yaml:"thousands"`
	// Date is the form of dates: DD, MM, YYYY or YY, and hh, mm, ss for times.
	Date string `yaml:"date"`
	// Zone is the IANA name of the zone of times; without it, they are read in
	// the zone of the source. A date has no zone.
	Zone string `yaml:"zone"`
	// NewestFirst says that the rows go backwards in time.
	NewestFirst bool `yaml:"newest_first"`

	Account  Constant `yaml:"account"`
	Currency Constant `yaml:"currency"`

	Booking Column `yaml:"booking"`
	Value   Column `yaml:"value"`
	// Amount is signed, or unsigned beside Indicator; or Debit and Credit hold
	// the amounts of either direction.
	Amount    Column    `yaml:"amount"`
	Debit     Column    `yaml:"debit"`
	Credit    Column    `yaml:"credit"`
	Indicator Indicator `yaml:"indicator"`
	// Balance is the booked balance after the row.
	Balance Column `yaml:"balance"`
	// ID are the columns that together identify a movement within its account.
	// Without them a row is known by what it says, and true twins by counting.
	ID []Column `yaml:"id"`
	// Status tells booked rows from pending ones.
	Status StatusColumn `yaml:"status"`

	Text         []Column `yaml:"text"`
	PartyName    Column   `yaml:"party_name"`
	PartyAccount Column   `yaml:"party_account"`
	PartyBIC     Column   `yaml:"party_bic"`
	EndToEnd     Column   `yaml:"end_to_end"`
	Mandate      Column   `yaml:"mandate"`
	CreditorID   Column   `yaml:"creditor_id"`
	Code         Column   `yaml:"code"`
	Purpose      Column   `yaml:"purpose"`
	Info         Column   `yaml:"info"`

	layout string
	zone   *time.Location
}

// Column names a column by its header or by its number from 1.
type Column struct {
	Header string
	Index  int
}

// UnmarshalYAML reads a header or a number.
func (c *Column) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: a column is a header or a number", node.Line)
	}
	if node.Tag == "!!int" {
		index, err := strconv.Atoi(node.Value)
		if err != nil || index < 1 || index > columnsMax {
			return fmt.Errorf("line %d: columns are numbered from 1 to %d", node.Line, columnsMax)
		}
		c.Index = index
		return nil
	}
	c.Header = node.Value
	return nil
}

func (c Column) isSet() bool { return c != Column{} }

func (c Column) String() string {
	if c.Index > 0 {
		return "column " + strconv.Itoa(c.Index)
	}
	return strconv.Quote(c.Header)
}

// Constant is a value for the whole file, or a column.
type Constant struct {
	Value  string `yaml:"value"`
	Column Column `yaml:"column"`
}

// Indicator is a column that says which way an amount goes.
type Indicator struct {
	Column Column   `yaml:"column"`
	Debit  []string `yaml:"debit"`
	Credit []string `yaml:"credit"`
}

// StatusColumn is a column that says whether a row is booked. Rows whose text
// is in Pending are pending, those in Ignore are left out, others are booked.
type StatusColumn struct {
	Column  Column   `yaml:"column"`
	Pending []string `yaml:"pending"`
	Ignore  []string `yaml:"ignore"`
}

// ParseMapping reads a mapping file and says what is missing from it. A key
// that it does not know is an error: a misspelt one would change amounts.
func ParseMapping(name string, text []byte) (*Mapping, error) {
	m := &Mapping{}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(m); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("the file is empty")
		}
		return nil, fmt.Errorf("mapping %s: %w", name, err)
	}
	if m.Name == "" {
		m.Name = name
	}
	if err := m.complete(); err != nil {
		return nil, fmt.Errorf("mapping %s: %w", name, err)
	}
	return m, nil
}

// complete fills what was not told and checks the rest.
func (m *Mapping) complete() error {
	for _, setting := range []struct {
		name  string
		value *string
		none  string
		other string
	}{{"delimiter", &m.Delimiter, ";", ""}, {"quote", &m.Quote, `"`, "none"}, {"decimal", &m.Decimal, ",", ""}} {
		if *setting.value == "" {
			*setting.value = setting.none
		}
		if len(*setting.value) != 1 && *setting.value != setting.other {
			return fmt.Errorf("%s must be one ASCII character, not %q", setting.name, *setting.value)
		}
	}
	if m.Decimal != "," && m.Decimal != "." || m.Thousands == m.Decimal {
		return fmt.Errorf("decimal must be a comma or a point, and thousands another sign: %q and %q", m.Decimal, m.Thousands)
	}
	if m.Delimiter == m.Quote || strings.ContainsAny(m.Delimiter, "\r\n") {
		return errors.New("delimiter and quote must differ")
	}
	if _, err := transcode(strings.NewReader(""), m.Encoding); err != nil {
		return err
	}
	if m.Skip < 0 || m.Footer < 0 || m.Footer > footerMax {
		return fmt.Errorf("skip and footer count lines, footer at most %d", footerMax)
	}
	if err := m.completeDate(); err != nil {
		return err
	}
	return m.completeColumns()
}

func (m *Mapping) completeDate() (err error) {
	if m.layout, err = layout(m.Date); err != nil {
		return err
	}
	if m.Zone != "" {
		if m.zone, err = time.LoadLocation(m.Zone); err != nil {
			return fmt.Errorf("zone %q is not known; it is a name such as Europe/Berlin", m.Zone)
		}
	}
	return nil
}

func (m *Mapping) completeColumns() error {
	for _, c := range []struct {
		name string
		c    Constant
	}{{"account", m.Account}, {"currency", m.Currency}} {
		if (c.c.Value == "") != c.c.Column.isSet() {
			return fmt.Errorf("%s needs a value or a column, and not both", c.name)
		}
	}
	if !m.Booking.isSet() {
		return errors.New("booking is missing: the column of the booking date")
	}
	split := m.Debit.isSet() && m.Credit.isSet()
	if m.Debit.isSet() != m.Credit.isSet() || split == m.Amount.isSet() {
		return errors.New("either amount, or both debit and credit must be named")
	}
	if i := m.Indicator; i.Column.isSet() && (split || len(i.Debit) == 0 || len(i.Credit) == 0) {
		return errors.New("indicator needs amount beside it, and the texts that mean debit and credit")
	}
	for _, c := range m.columns() {
		if m.NoHeader && c.Header != "" {
			return fmt.Errorf("the file has no header, so column %q needs a number", c.Header)
		}
	}
	return nil
}

// columns are all that are named, in no order that matters.
func (m *Mapping) columns() []Column {
	all := []Column{
		m.Account.Column, m.Currency.Column, m.Booking, m.Value, m.Amount, m.Debit, m.Credit, m.Indicator.Column,
		m.Balance, m.Status.Column, m.PartyName, m.PartyAccount, m.PartyBIC, m.EndToEnd, m.Mandate, m.CreditorID,
		m.Code, m.Purpose, m.Info,
	}
	all = append(append(all, m.ID...), m.Text...)
	return slices.DeleteFunc(all, func(c Column) bool { return !c.isSet() })
}

// layout turns DD.MM.YYYY into the form of package time.
func layout(form string) (string, error) {
	if !strings.Contains(form, "DD") || !strings.Contains(form, "MM") || !strings.Contains(form, "YY") {
		return "", fmt.Errorf("date %q must have DD, MM and YYYY or YY, such as DD.MM.YYYY", form)
	}
	return strings.NewReplacer("YYYY", "2006", "YY", "06", "MM", "01", "DD", "02", "hh", "15", "mm", "04", "ss", "05").Replace(form), nil
}

// moment reads a cell; the zero Moment for an empty one.
func (m *Mapping) moment(text string) (Moment, error) {
	if text == "" {
		return Moment{}, nil
	}
	t, err := time.Parse(m.layout, text)
	if err != nil || t.Year() < yearMin || t.Year() > yearMax {
		return Moment{}, flawf("%.40q is no date of the form %s", text, m.Date)
	}
	if !strings.Contains(m.Date, "hh") {
		return Moment{t, dateOnly}, nil
	}
	if m.zone != nil {
		return Moment{time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, m.zone), instant}, nil
	}
	return Moment{t, local}, nil
}

// plain makes of an amount as the mapping describes it digits with a decimal
// sign, and says whether it is below zero.
func (m *Mapping) plain(text string) (digits string, negative bool, err error) {
	s := strings.NewReplacer(" ", "", "\u00a0", "", "\u202f", "", "\u2212", "-").Replace(text)
	if m.Thousands == "'" {
		s = strings.ReplaceAll(s, "’", "'")
	}
	switch {
	case strings.HasPrefix(s, "(") && strings.HasSuffix(s, ")"):
		s, negative = s[1:len(s)-1], true
	case strings.HasPrefix(s, "-"):
		s, negative = s[1:], true
	case strings.HasPrefix(s, "+"):
		s = s[1:]
	case strings.HasSuffix(s, "-"):
		s, negative = s[:len(s)-1], true
	case strings.HasSuffix(s, "+"):
		s = s[:len(s)-1]
	}
	thousands := strings.TrimSpace(m.Thousands)
	whole, fraction, hasFraction := strings.Cut(s, m.Decimal)
	if thousands != "" && strings.Contains(whole, thousands) {
		groups := strings.Split(whole, thousands)
		for i, group := range groups {
			if len(group) > 3 || i > 0 && len(group) != 3 || group == "" {
				return "", false, flawf("amount %.40q is not grouped in thousands by %q; check thousands and decimal in the mapping", text, thousands)
			}
		}
		whole = strings.Join(groups, "")
	}
	if hasFraction {
		whole += m.Decimal + fraction
	}
	return whole, negative, nil
}
