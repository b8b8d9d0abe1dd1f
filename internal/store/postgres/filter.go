package postgres

import (
	"github.com/weirhq/weir/internal/hub"
)

// columns are what the filter of a list may use, by the names of its fields. An
// empty name means that the list has no such field. Every list joins connector as c.
type columns struct {
	account  string // the alias of the table account
	payment  string // the alias of the table payment
	metadata string
	text     map[hub.TextField]string
	amount   map[hub.AmountField]string
}

// compile adds the condition that a filter comes to. What the list has no column
// for is an error, and never left out.
func (c columns) compile(s *statement, filter hub.Filter) error {
	switch f := filter.(type) {
	case hub.And:
		return c.join(s, f, " AND ", "true")
	case hub.Or:
		return c.join(s, f, " OR ", "false")
	case hub.Not:
		s.add("NOT ")
		return c.compile(s, f.Filter)
	case hub.OfConnector:
		s.add("(c.provider = ? AND c.reference = ?)", encode(f.ID.Provider), encode(f.ID.Reference))
		return nil
	case hub.IsAccount:
		if c.account == "" {
			break
		}
		s.add("(c.provider = ? AND c.reference = ? AND "+c.account+".reference = ? AND "+c.account+".id_type = ?)",
			encode(f.ID.Connector.Provider), encode(f.ID.Connector.Reference), encode(f.ID.Reference), encode(string(f.ID.Type)))
		return nil
	case hub.IsPayment:
		if c.payment == "" {
			break
		}
		s.add("(c.provider = ? AND c.reference = ? AND left("+c.payment+".reference, 600) = left(?, 600) AND "+c.payment+".reference = ? AND ? IN ("+
			c.payment+".id_type, "+c.payment+".type))", encode(f.ID.Connector.Provider), encode(f.ID.Connector.Reference),
			encode(f.ID.Reference), encode(f.ID.Reference), encode(string(f.ID.Type)))
		return nil
	case hub.CompareText:
		return c.compareText(s, f)
	case hub.CompareAmount:
		if column := c.amount[f.Field]; column != "" {
			s.add("("+column+" "+string(f.Operator)+" ?::text::numeric)", f.Amount.String())
			return f.Operator.Check()
		}
	case hub.HasMetadata:
		if c.metadata != "" {
			pair, err := metadata(map[string]string{f.Key: f.Value})
			s.add("("+c.metadata+" IS NOT NULL AND "+c.metadata+" @> ?::text::jsonb)", pair)
			return err
		}
	}
	return unusable(filter)
}

func unusable(filter hub.Filter) error {
	return hub.NotFilterable(filter)
}

func (c columns) join(s *statement, parts []hub.Filter, with, empty string) error {
	if len(parts) == 0 {
		s.add(empty)
		return nil
	}
	s.add("(")
	for i, part := range parts {
		if i > 0 {
			s.add(with)
		}
		if err := c.compile(s, part); err != nil {
			return err
		}
	}
	s.add(")")
	return nil
}

func (c columns) compareText(s *statement, f hub.CompareText) error {
	column := c.text[f.Field]
	if column == "" {
		return unusable(f)
	}
	switch {
	case f.Field == hub.FieldStatus && f.Operator == hub.Equal && isStatus(f.Text):
		// As a literal, so that the planner sees which index knows of it.
		s.add("(" + column + " = '" + f.Text + "')")
	case f.Field == hub.FieldReference && f.Operator == hub.Equal && c.payment != "":
		s.add("(left("+column+", 600) = left(?, 600) AND "+column+" = ?)", encode(f.Text), encode(f.Text))
	default:
		s.add("("+column+" "+string(f.Operator)+" ?)", encode(f.Text))
	}
	return f.Operator.Check()
}

// isStatus reports whether a text may stand in a statement as it is.
func isStatus(text string) bool {
	for i := range len(text) {
		if (text[i] < 'A' || text[i] > 'Z') && text[i] != '_' {
			return false
		}
	}
	return len(text) > 0 && len(text) < 40
}
