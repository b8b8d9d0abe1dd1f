// Package statements reads bank statement files and proves what they say:
// ISO 20022 camt.052, .053 and .054, SWIFT MT940 and MT942, and CSV by a
// mapping file. It turns a folder of such files into the rows of the generic
// connector contract, so that a bank that only sends files looks like a
// provider that never loses, repeats or rounds anything.
//
// It does not talk HTTP and keeps no feed of its own: a mirror (sdk/mirror) serves what
// [Source.Pull] gives. It does not fetch files from banks either; whoever
// does puts them into the folder.
//
// A reader who wants to know what a file can say starts with [Statement] and
// [Entry]; one who wants to read a file, with [Read]; how one movement stays
// one, whichever files tell of it, with [Book]; and how files come in and bad
// ones go out, with [Folder].
//
// Amounts are exact integers throughout. Where a file says something that
// can't be kept exactly, it is refused with its line and element, never rounded.
package statements

import (
	"math/big"
	"strconv"
)

// Kind is the format of a statement, which also says how final it is.
type Kind int

// The kinds of statement.
const (
	// Camt052 is an account report during the day.
	Camt052 Kind = iota + 1
	// Camt053 is a statement at the end of a period.
	Camt053
	// Camt054 is a notification of single movements.
	Camt054
	// MT940 is a statement at the end of a period.
	MT940
	// MT942 is a report during the day.
	MT942
	// CSV is an export, of which only the mapping file knows the meaning.
	CSV
)

// String is the name that the field uses.
func (k Kind) String() string {
	switch k {
	case Camt052:
		return "camt.052"
	case Camt053:
		return "camt.053"
	case Camt054:
		return "camt.054"
	case MT940:
		return "MT940"
	case MT942:
		return "MT942"
	case CSV:
		return "CSV"
	}
	return "kind " + strconv.Itoa(int(k))
}

// Final reports whether statements of this kind divide an account's movements
// among themselves: each movement stands in one of them, and each opens where
// the one before closed. Reports, notifications and exports may overlap.
func (k Kind) Final() bool { return k == Camt053 || k == MT940 }

// Account is how a statement names the account that it is about.
type Account struct {
	// IBAN is set when the identification is one, with right check digits.
	IBAN string
	// Other is the bank's own identification where there is no IBAN.
	Other string
	// Currency is the account's, ISO 4217.
	Currency string
	// BIC is the servicer's; Servicer its name. Both may be empty.
	BIC, Servicer string
	// Owner and Name are the holder and the product's or account's name.
	Owner, Name string
}

// Identification is the IBAN, or the bank's own where there is none.
func (a Account) Identification() string {
	if a.IBAN != "" {
		return a.IBAN
	}
	return a.Other
}

// Statement is one statement, report or notification: what stands around its
// entries. The entries themselves are handed out one by one, see [Receiver].
type Statement struct {
	Kind Kind
	// Version is that of the camt message, 1 to 13; 0 for other kinds.
	Version int
	// File and Line are where the statement begins.
	File string
	Line int
	// MessageID names the message that carried it, ID the statement itself.
	MessageID, ID string
	Account       Account
	// ElectronicNumber and LegalNumber count the statements of an account, in
	// the bank's own way; empty where the file has none.
	ElectronicNumber, LegalNumber string
	// Page is the page of a statement that comes in several, 0 where it does
	// not; LastPage is false when more are to come.
	Page     int
	LastPage bool
	// Copy is the bank's mark of a copy or duplicate: COPY, CODU or DUPL.
	Copy string
	// Created is when the bank wrote it; From and To are the period.
	Created, From, To Moment
	// Balances are in the file's order.
	Balances []Balance
	// Summary is what the file says that its entries add up to.
	Summary Summary
	// Info is the bank's remark to the statement.
	Info string
	// Notes are what was read all the same, though it is not as it should be.
	Notes []string

	sum tally
}

// Number is the statement's place in its account's sequence: the electronic
// number, else the legal one.
func (s *Statement) Number() string {
	if s.ElectronicNumber != "" {
		return s.ElectronicNumber
	}
	return s.LegalNumber
}

// Balance returns the last balance of a type in the account's currency.
func (s *Statement) Balance(kinds ...BalanceType) (Balance, bool) {
	for _, kind := range kinds {
		for i := len(s.Balances) - 1; i >= 0; i-- {
			b := s.Balances[i]
			if b.Type == kind && (b.Currency == s.Account.Currency || s.Account.Currency == "") {
				return b, true
			}
		}
	}
	return Balance{}, false
}

// Opening is the booked balance before the first entry.
func (s *Statement) Opening() (Balance, bool) {
	return s.Balance(OpeningBooked, PreviouslyClosedBooked)
}

// Closing is the booked balance after the last entry.
func (s *Statement) Closing() (Balance, bool) {
	return s.Balance(ClosingBooked, InterimBooked)
}

// BalanceType is an ISO 20022 balance type code. Other formats are translated.
type BalanceType string

// The balance types that the package understands; others are kept as they are.
const (
	OpeningBooked          BalanceType = "OPBD"
	PreviouslyClosedBooked BalanceType = "PRCD"
	ClosingBooked          BalanceType = "CLBD"
	InterimBooked          BalanceType = "ITBD"
	OpeningAvailable       BalanceType = "OPAV"
	ClosingAvailable       BalanceType = "CLAV"
	InterimAvailable       BalanceType = "ITAV"
	ForwardAvailable       BalanceType = "FWAV"
	Expected               BalanceType = "XPCD"
)

// Balance is what the account held at a moment, by one way of counting.
type Balance struct {
	Type BalanceType
	// Minor is in minor units of Currency; below zero when the account is overdrawn.
	Minor    *big.Int
	Currency string
	At       Moment
	// Line is where it stands.
	Line int
}

// Summary holds the totals that a file gives for its own entries. A nil amount
// and a negative count mean that it gives none.
type Summary struct {
	Count, CreditCount, DebitCount int
	// Credits and Debits are in minor units of the account's currency.
	Credits, Debits *big.Int
}

// noSummary is the summary of a file that gives none.
var noSummary = Summary{Count: -1, CreditCount: -1, DebitCount: -1}
