package statements

import "math/big"

// Status says how sure an entry is.
type Status int

// The statuses of an entry.
const (
	// UnknownStatus is one that the file names and we do not know.
	UnknownStatus Status = iota
	// Booked is final: the entry is part of the booked balance.
	Booked
	// Pending will probably be booked.
	Pending
	// Information is for information only and moves nothing.
	Information
)

// Entry is one movement on an account, as its statement shows it.
type Entry struct {
	// Detail says what moved and between whom. Where the file describes exactly
	// one transaction below the entry, its references and parties are here.
	Detail
	Status Status
	// Reversal says that the entry undoes an earlier one. Its direction is its own.
	Reversal bool
	// Booking and Value are when it was booked and when it counts for interest.
	Booking, Value Moment
	// EntryRef is the entry's reference within the statement.
	EntryRef string
	// Info is the bank's remark to the entry.
	Info string
	// Batch is set when the entry stands for several transactions.
	Batch Batch
	// Details are the transactions of the entry where there are several whose
	// amounts add up to it exactly: then they are the movements, and the entry
	// is not counted beside them. Otherwise it is empty and the entry counts.
	Details []Detail
	// RunningBalance is the booked balance after the entry, where the file has one.
	RunningBalance *big.Int
	// Line is where the entry begins, Element its path in the file.
	Line    int
	Element string
}

// Detail is one transaction: an amount, its direction, its references and who
// is on the other side.
type Detail struct {
	// Minor is the amount in minor units of Currency, never below zero.
	Minor    *big.Int
	Currency string
	// Credit says that the account received it.
	Credit bool
	// Code is the bank's classification.
	Code Code
	// ServicerRef is the reference that the account's bank gave it.
	ServicerRef string
	// The references of the payment itself, from the parties and banks along
	// its way. Placeholders such as NOTPROVIDED and NONREF are left out.
	EndToEnd, Instruction, Transaction, Mandate, UETR, PaymentInfo, MessageID, Cheque, Clearing, Customer string
	// Text is the remittance information; its lines are joined with blanks.
	Text string
	// CreditorRef is a structured reference, such as one by ISO 11649.
	CreditorRef string
	// Purpose is the purpose code, CreditorID the scheme's identification of the creditor.
	Purpose, CreditorID string
	// Party is the other side.
	Party Party
	// Instructed is the amount before conversion and charges, as the file
	// writes it, with its currency; Rate is the exchange rate, as it writes it.
	Instructed, Rate string
	// Charges are those that the file names.
	Charges []Charge
	// Return is set when the transaction is a return of an earlier one.
	Return Return
	// Line is where it stands.
	Line int
}

// Signed is the amount with its direction: below zero when money left the account.
func (d *Detail) Signed() *big.Int {
	if d.Credit {
		return d.Minor
	}
	return new(big.Int).Neg(d.Minor)
}

// Code classifies a transaction.
type Code struct {
	// Domain, Family and SubFamily are ISO 20022 bank transaction codes.
	Domain, Family, SubFamily string
	// Proprietary is the bank's own code, Issuer whose list it is from. SWIFT
	// type codes such as NTRF stand here with the issuer SWIFT.
	Proprietary, Issuer string
	// Text is what people call it.
	Text string
}

// Party is somebody with an account.
type Party struct {
	Name string
	// Account is an IBAN, or what the bank has instead.
	Account string
	// BIC is that of the party's bank, or the bank's national code.
	BIC string
	// Ultimate is the name of the party behind the party.
	Ultimate string
}

// Charge is a fee. It is information: whether the entry's amount includes it
// is the bank's affair, and the entry's amount is what moved.
type Charge struct {
	Minor    *big.Int
	Currency string
	Credit   bool
	// Included says that the file says that the entry's amount includes it.
	Included bool
	Type     string
}

// Batch is what an entry says about the transactions that it stands for.
type Batch struct {
	MessageID, PaymentInfo string
	// Count is the number of transactions, -1 where it is not given.
	Count int
	// DetailCount is the number that the file describes below the entry.
	DetailCount int
}

// Return says that a transaction sends an earlier one back.
type Return struct {
	Is bool
	// Reason is the scheme's code, such as AC04; Info what the bank adds.
	Reason, Info string
}

// Receiver is given what a file says, in the file's order. An error of a
// method ends the reading and is returned as it is.
type Receiver interface {
	// Begin is called before the entries of a statement. What stands behind
	// them in the file, such as an MT940's closing balance, is not there yet.
	Begin(*Statement) error
	// Entry is called for each entry. The entry belongs to the receiver.
	Entry(*Statement, *Entry) error
	// End is called behind the last entry; the statement is complete.
	End(*Statement) error
}

// begin, entry and end hand out and keep the statement's own count.
func begin(to Receiver, s *Statement) error { return to.Begin(s) }

func deliver(to Receiver, s *Statement, e *Entry) error {
	if s.Account.Currency == "" {
		s.Account.Currency = e.Currency
	}
	s.sum.add(s, e)
	return to.Entry(s, e)
}

func end(to Receiver, s *Statement) error { return to.End(s) }
