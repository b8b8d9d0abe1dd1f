// Package hub is the vocabulary of the payments core and its pure rules: what a
// connector, an account, a balance, a payment and an adjustment are, when a
// record that was shown is new, and what a payment amounts to once everything
// shown about it is folded together.
//
// It is a leaf: it imports the standard library alone, reads no clock, opens no
// file and speaks to no network, so each rule can be read and tested by itself.
// What travels to an integration service is in package wire; what is written to
// a database is in internal/store.
//
// Start with [Payment] and [PaymentAdjustment], then read [Fold], which makes
// the one out of the other, and [Admit], which decides what is worth keeping.
package hub
