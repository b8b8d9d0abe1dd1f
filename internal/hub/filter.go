package hub

import (
	"fmt"
	"slices"
)

// Filter is a condition on the rows of a list, already valid: its identifiers
// are parsed and its fields belong to the list. It is one of [And], [Or],
// [Not], [OfConnector], [IsAccount], [IsPayment], [CompareText],
// [CompareAmount] and [HasMetadata].
type Filter interface{ isFilter() }

// And is true where each of its parts is, and so where it has none.
type And []Filter

// Or is true where one of its parts is. Without parts it is never true.
type Or []Filter

// Not is true where its part is not.
type Not struct{ Filter Filter }

// OfConnector is true of the rows of one connector; in the list of connectors,
// of that connector itself.
type OfConnector struct{ ID ConnectorID }

// IsAccount is true of one account.
type IsAccount struct{ ID AccountID }

// IsPayment is true of one payment.
type IsPayment struct{ ID PaymentID }

// CompareText holds a text field against a text, by the order of its bytes. A
// row that lacks the field is never a match, as in SQL.
type CompareText struct {
	Field    TextField
	Operator Operator
	Text     string
}

// CompareAmount holds an amount field against an amount.
type CompareAmount struct {
	Field    AmountField
	Operator Operator
	Amount   Amount
}

// HasMetadata is true of rows whose metadata have the key with exactly this value.
type HasMetadata struct{ Key, Value string }

func (And) isFilter()           {}
func (Or) isFilter()            {}
func (Not) isFilter()           {}
func (OfConnector) isFilter()   {}
func (IsAccount) isFilter()     {}
func (IsPayment) isFilter()     {}
func (CompareText) isFilter()   {}
func (CompareAmount) isFilter() {}
func (HasMetadata) isFilter()   {}

// Operator is a way to compare.
type Operator string

// The operators.
const (
	Equal          Operator = "="
	Less           Operator = "<"
	LessOrEqual    Operator = "<="
	Greater        Operator = ">"
	GreaterOrEqual Operator = ">="
)

// Check refuses what is no operator, with CodeInvalid: a database that makes one
// a part of its language must not be handed anything else.
func (o Operator) Check() error {
	switch o {
	case Equal, Less, LessOrEqual, Greater, GreaterOrEqual:
		return nil
	}
	return Errorf(CodeInvalid, "there is no operator %q", o)
}

// ConnectorOf returns the connector that every row of a filter belongs to, and
// false where the filter does not say so.
func ConnectorOf(filter Filter) (ConnectorID, bool) {
	switch f := filter.(type) {
	case OfConnector:
		return f.ID, true
	case IsAccount:
		return f.ID.Connector, true
	case IsPayment:
		return f.ID.Connector, true
	case And:
		for _, part := range f {
			if id, found := ConnectorOf(part); found {
				return id, true
			}
		}
	}
	return ConnectorID{}, false
}

// AsksForReference reports whether every row of a filter has one certain reference.
func AsksForReference(filter Filter) bool {
	switch f := filter.(type) {
	case CompareText:
		return f.Field == FieldReference && f.Operator == Equal
	case IsAccount, IsPayment:
		return true
	case And:
		return slices.ContainsFunc(f, AsksForReference)
	}
	return false
}

// NotFilterable is the error of a list that has no such thing as a filter asks for.
func NotFilterable(filter Filter) error {
	what := fmt.Sprintf("%T", filter)
	switch f := filter.(type) {
	case CompareText:
		what = "the field " + string(f.Field)
	case CompareAmount:
		what = "the field " + string(f.Field)
	case HasMetadata:
		what = "metadata"
	case IsAccount:
		what = "an account"
	case IsPayment:
		what = "a payment"
	}
	return Errorf(CodeInvalid, "this list can't be filtered by %s", what)
}

// TextField is a field of a row that holds text. Which list has which:
//
//   - connectors: name, provider
//   - accounts: reference, type, name
//   - payments: reference, type, asset, scheme, status, source account, destination account
type TextField string

// The text fields.
const (
	FieldReference TextField = "reference"
	FieldType      TextField = "type"
	FieldName      TextField = "name"
	FieldProvider  TextField = "provider"
	FieldAsset     TextField = "asset"
	FieldScheme    TextField = "scheme"
	FieldStatus    TextField = "status"
	// FieldSource and FieldDestination are the references of the accounts at the PSP.
	FieldSource      TextField = "source_account"
	FieldDestination TextField = "destination_account"
)

// AmountField is a field of a payment that holds an amount.
type AmountField string

// The amount fields.
const (
	FieldAmount        AmountField = "amount"
	FieldInitialAmount AmountField = "initial_amount"
)
