package simulator

import (
	"context"
	"iter"
	"math/big"
	"strconv"
	"sync"
	"time"

	"github.com/weirhq/weir/sdk"
	"github.com/weirhq/weir/wire"
)

// Dense is a source of very many transactions for measuring: a thousand rows to
// a second of their own time, each computed from its number, so that a million
// of them take no memory and next to no time. Nothing in it ever changes. It is
// a service by itself, without a PSP behind it.
type Dense struct {
	rows     int
	seed     uint64
	start    time.Time
	interval time.Duration
	accounts []string
	balances func() []wire.Balances
}

// DenseOptions say how dense.
type DenseOptions struct {
	// Rows is the number of transactions.
	Rows int
	Seed uint64
	// Start is the stamp of the first one; zero is the first day of 2026. The
	// others follow at Interval; zero is a millisecond.
	Start    time.Time
	Interval time.Duration
}

// denseAccounts is enough to have transfers, and few enough that their balances
// do not count in a measurement.
const denseAccounts = 4

// NewDense makes a source.
func NewDense(options DenseOptions) *Dense {
	d := &Dense{rows: options.Rows, seed: options.Seed, start: options.Start.UTC(), interval: options.Interval}
	if options.Start.IsZero() {
		d.start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if d.interval <= 0 {
		d.interval = time.Millisecond
	}
	for number := range denseAccounts {
		d.accounts = append(d.accounts, walletID(number))
	}
	d.balances = sync.OnceValue(d.sum)
	return d
}

// Service is the source as the SDK takes it. Logger and page size are the caller's to set.
func (d *Dense) Service(apiKey string) sdk.Service {
	return sdk.Service{
		APIKeys: []string{apiKey},
		Accounts: func(_ context.Context, q wire.ListQuery) ([]wire.Account, error) {
			return sdk.PageOfSorted(d.Accounts(), q, sdk.AccountKey), nil
		},
		Balances: func(_ context.Context, accountID string) (wire.Balances, error) {
			number, ok := numberOf(accountID, "wal_", denseAccounts)
			if !ok {
				return wire.Balances{}, sdk.NotFound("There is no account of that name.")
			}
			return d.balances()[number], nil
		},
		Transactions: func(_ context.Context, q wire.ListQuery) ([]wire.Transaction, error) {
			from, to := d.window(q)
			rows := make([]wire.Transaction, to-from)
			for i := range rows {
				rows[i] = d.Transaction(from + i)
			}
			return rows, nil
		},
	}
}

// window is the numbers of the rows that the query asks for.
func (d *Dense) window(q wire.ListQuery) (from, to int) {
	switch {
	case !q.From.Before(d.start.Add(time.Duration(d.rows) * d.interval)):
		from = d.rows // however far away: the distance may not fit a Duration
	case q.From.After(d.start):
		// The first row at or after the instant.
		from = int((q.From.Sub(d.start) + d.interval - 1) / d.interval)
	}
	from += min(q.Offset(), d.rows-from)
	return from, from + min(q.PageSize, d.rows-from)
}

// Accounts lists the accounts that the transactions are between.
func (d *Dense) Accounts() []wire.Account {
	accounts := make([]wire.Account, len(d.accounts))
	for number, id := range d.accounts {
		opened := d.start.Add(time.Duration(number-denseAccounts) * time.Hour)
		accounts[number] = wire.Account{ID: id, AccountName: walletName(number), CreatedAt: opened}
	}
	return accounts
}

// denseIDDigits pads the numbers in identifiers, so that ids sort as numbers do.
const denseIDDigits = 10

// Transaction is the row of that number, from 0.
func (d *Dense) Transaction(number int) wire.Transaction {
	at := d.start.Add(time.Duration(number) * d.interval)
	id := make([]byte, 0, 32)
	id = append(id, "tx_"...)
	digits := strconv.Itoa(number + 1)
	for range denseIDDigits - len(digits) {
		id = append(id, '0')
	}
	id = append(id, digits...)
	t := wire.Transaction{
		ID: string(id), CreatedAt: at, UpdatedAt: at, Currency: "EUR/2", Scheme: "SEPA_CREDIT",
		Type: wire.TypePayin, Status: wire.StatusSucceeded, Amount: wire.AmountOfInt(d.amount(number)),
		DestinationAccountID: d.accounts[number%denseAccounts],
		Metadata:             map[string]string{"order": "A-" + digits},
	}
	if number%denseTransferOneIn == 0 {
		t.Type, t.SourceAccountID = wire.TypeTransfer, d.accounts[(number+1)%denseAccounts]
	}
	return t
}

// denseTransferOneIn is how many rows there are to one transfer; the others are payins.
const denseTransferOneIn = 10

// amount is of everyday size.
func (d *Dense) amount(number int) int64 {
	const most = 1_000_000
	return 1 + int64(mixNumber(d.seed, number)%most)
}

// mixNumber is mix without the detour over text.
func mixNumber(seed uint64, number int) uint64 {
	return finish(seed ^ uint64(number)*0x9e3779b97f4a7c15) //nolint:gosec // any bits will do
}

// sum adds up the balances, once.
func (d *Dense) sum() []wire.Balances {
	sums := make([]big.Int, denseAccounts)
	var amount big.Int
	for number := range d.rows {
		amount.SetInt64(d.amount(number))
		to := &sums[number%denseAccounts]
		to.Add(to, &amount)
		if number%denseTransferOneIn == 0 {
			from := &sums[(number+1)%denseAccounts]
			from.Sub(from, &amount)
		}
	}
	balances := make([]wire.Balances, denseAccounts)
	at := d.start.Add(time.Duration(d.rows) * d.interval)
	for number, id := range d.accounts {
		balances[number] = wire.Balances{ID: id, AccountID: id, At: at, Balances: []wire.Balance{{
			Amount: wire.AmountOf(&sums[number]), Currency: "EUR/2",
		}}}
	}
	return balances
}

// Records yields the id and the bytes of every record of a resource, as
// [PSP.Records] does. The bytes are good until the next pair.
func (d *Dense) Records(resource string) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		var list []byte
		switch resource {
		case Accounts:
			for _, a := range d.Accounts() {
				list = must(wire.Append(list[:0], []wire.Account{a}))
				if !yield(a.ID, list[1:len(list)-1]) {
					return
				}
			}
		case Balances:
			for _, b := range d.balances() {
				if !yield(b.AccountID+" "+b.Balances[0].Currency, []byte(b.Balances[0].Amount)) {
					return
				}
			}
		case Transactions:
			for number := range d.rows {
				t := d.Transaction(number)
				list = must(wire.Append(list[:0], []wire.Transaction{t}))
				if !yield(t.ID, list[1:len(list)-1]) {
					return
				}
			}
		}
	}
}
