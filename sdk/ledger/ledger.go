// Package ledger makes payouts and transfers move money at most once. It stands
// between the contract, whose callers send a request again whenever they are in
// doubt, and a payment service provider, which pays each time it is asked.
//
// You give it two functions: Send asks the provider to move money, Find asks
// whether it has. The ledger writes the request down before Send is called, lets
// one call at a time go on for a key, keeps the answer for good, and gives it
// again to whoever asks again:
//
//	l, err := ledger.Open(ctx, "ledger.db", ledger.Options{})
//	…
//	service.CreatePayout = l.Payouts(ledger.Provider{Send: send, Find: find})
//	…
//	go l.Run(ctx)
//
// # When nobody knows
//
// A call that breaks off, or a process that is killed during one, leaves an
// order of which nobody knows whether it was carried out. It is never just sent
// again: the provider is asked by Find, and only an order that the provider does
// not have, a while after it was sent, is sent once more. Until it is known the
// caller is told PENDING, never an error of its own: an error would say that no
// money has moved.
//
// The same key with another request is a conflict. A refusal is kept as well,
// and repeated. The file is the memory of what was paid: keep it, and back it up.
// One process at a time has it open.
//
// It does not know what becomes of an order after the provider has taken it;
// that is told by the list of transactions, with the order's key as
// relatedTransactionID.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/weirhq/weir/sdk"
	"github.com/weirhq/weir/sdk/internal/sqlitefile"
	"github.com/weirhq/weir/wire"
)

// MetadataID is the metadata key that holds the provider's own id of an order
// whose caller had been given another id before the provider's was known.
const MetadataID = "psp.id"

// How long things may take where the options say nothing.
const (
	// callTimeout bounds one Send or Find.
	callTimeout = 45 * time.Second
	// patience is how long a caller waits before it is told PENDING: less than
	// the ten seconds after which the contract's callers hang up.
	patience = 8 * time.Second
	// settle is how long after sending an order may still arrive at the provider.
	settle = time.Minute
	// resolveEvery is how often Run asks about orders of which nobody knows.
	resolveEvery = 30 * time.Second
)

// Provider is how a provider moves money. A transfer has the form of a payout.
type Provider struct {
	// Send asks the provider to move the money, and returns what it says. Pass the
	// idempotency key on where the provider takes one, and always put it where
	// Find can look for it. What the answer leaves empty is filled in from the
	// request.
	//
	// [sdk.Refused] says that no money has moved and none will, and is kept for
	// good. [NotSent] says that the provider has not got the request. Any other
	// error says that nobody knows.
	Send func(ctx context.Context, request wire.PayoutRequest) (wire.Payout, error)
	// Find looks an order up by its key. Not found must mean that the provider
	// does not have it, not that it can't be listed yet: it may be sent again.
	// nil: the provider can't be asked, and an order of which nobody knows is
	// never sent again. It stays PENDING, and [Ledger.Unresolved] names it to
	// somebody who can find out.
	Find func(ctx context.Context, key string) (payout wire.Payout, found bool, err error)
}

// NotSent marks an error of Send that came before the provider could have got
// the request, such as a refused connection. The caller is told to come again.
func NotSent(err error) error { return &notSentError{err} }

type notSentError struct{ err error }

func (e *notSentError) Error() string { return "not sent: " + e.err.Error() }
func (e *notSentError) Unwrap() error { return e.err }

// Options are what a ledger can be told. The zero value is good.
type Options struct {
	// Logger hears of every order of which nobody knows; nil is [slog.Default].
	Logger *slog.Logger
	// Patience is how long a caller waits before it is told PENDING while the
	// call goes on; 0 means 8 seconds.
	Patience time.Duration
	// Settle is how long after sending an order that the provider does not have
	// may still arrive there; before, it is not sent again. 0 means a minute.
	Settle time.Duration
	// Now is the clock; nil is [time.Now].
	Now func() time.Time
}

// Ledger is an open ledger. It may be used from many goroutines.
type Ledger struct {
	file     *sqlitefile.File
	log      *slog.Logger
	patience time.Duration
	settle   time.Duration
	now      func() time.Time
	// step is told where a call has come to, for the tests that kill it there.
	step func(name string)

	mu        sync.Mutex
	providers map[kind]Provider
	flights   map[string]*flight
	flying    sync.WaitGroup
}

// kind tells the two sorts of orders apart.
type kind string

const (
	payout   kind = "payout"
	transfer kind = "transfer"
)

// Open opens the ledger in the file at path and makes it when there is none.
func Open(ctx context.Context, path string, options Options) (*Ledger, error) {
	file, err := sqlitefile.Open(ctx, path, sqlitefile.Kind{ID: applicationID, Name: "ledger", Steps: schema})
	if err != nil {
		return nil, err
	}
	l := &Ledger{
		file: file, log: options.Logger, patience: options.Patience, settle: options.Settle, now: options.Now,
		step: func(string) {}, providers: map[kind]Provider{}, flights: map[string]*flight{},
	}
	if l.log == nil {
		l.log = slog.Default()
	}
	if l.patience <= 0 {
		l.patience = patience
	}
	if l.settle <= 0 {
		l.settle = settle
	}
	if l.now == nil {
		l.now = time.Now
	}
	return l, nil
}

// Close waits for calls that are under way and closes the file.
func (l *Ledger) Close() error {
	l.flying.Wait()
	return l.file.Close()
}

// Payouts returns the function for [sdk.Service.CreatePayout].
func (l *Ledger) Payouts(provider Provider) func(context.Context, wire.PayoutRequest) (wire.Payout, error) {
	l.register(payout, provider)
	return func(ctx context.Context, request wire.PayoutRequest) (wire.Payout, error) {
		return l.create(ctx, payout, request)
	}
}

// Transfers returns the function for [sdk.Service.CreateTransfer].
func (l *Ledger) Transfers(provider Provider) func(context.Context, wire.TransferRequest) (wire.Transfer, error) {
	l.register(transfer, provider)
	return func(ctx context.Context, request wire.TransferRequest) (wire.Transfer, error) {
		answer, err := l.create(ctx, transfer, wire.PayoutRequest(request))
		return wire.Transfer(answer), err
	}
}

func (l *Ledger) register(k kind, provider Provider) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.providers[k] = provider
}

// create answers one request.
func (l *Ledger) create(ctx context.Context, k kind, request wire.PayoutRequest) (wire.Payout, error) {
	if err := request.Validate(); err != nil {
		return wire.Payout{}, &sdk.Error{Status: 400, Title: "Bad request", Detail: err.Error()}
	}
	o, err := newOrder(k, request, l.now())
	if err != nil {
		return wire.Payout{}, err
	}
	l.step("begun")
	f := l.fly(o)
	timer := time.NewTimer(l.patience)
	defer timer.Stop()
	select {
	case <-f.done:
	case <-timer.C:
	case <-ctx.Done():
	}
	// What is answered is what is on the disk, whoever has put it there.
	answer, err := l.answer(context.WithoutCancel(ctx), o)
	l.step("answered")
	return answer, err
}

// flight is one call for a key, which everybody who asks meanwhile shares.
type flight struct{ done chan struct{} }

// fly joins the call that is under way for the order's key, or begins one.
func (l *Ledger) fly(o order) *flight {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.flights[o.key()]; f != nil {
		return f
	}
	f := &flight{make(chan struct{})}
	l.flights[o.key()] = f
	l.flying.Go(func() {
		defer func() {
			if p := recover(); p != nil {
				l.log.Error("an order came to a panic; it is looked up before it is sent again", "key", o.key(), "error", fmt.Sprint(p))
			}
			l.mu.Lock()
			delete(l.flights, o.key())
			l.mu.Unlock()
			close(f.done)
		}()
		// The call goes on when the caller hangs up.
		ctx, cancel := context.WithTimeout(context.Background(), 2*callTimeout)
		defer cancel()
		l.carryOut(ctx, o)
	})
	return f
}

// carryOut brings an order as far as it can be brought now. What it comes to is
// on the disk.
func (l *Ledger) carryOut(ctx context.Context, o order) {
	l.mu.Lock()
	provider := l.providers[o.kind]
	l.mu.Unlock()
	stored, fresh, err := l.record(ctx, o)
	if err != nil {
		l.log.ErrorContext(ctx, "an order could not be written down; it was not sent", "key", o.key(), "error", err.Error())
		return
	}
	l.step("recorded")
	switch {
	case stored.fingerprint != o.fingerprint, stored.settled():
		return
	case fresh:
		l.send(ctx, provider, stored, false)
		return
	case stored.state == stateUnsent:
		l.sendAgain(ctx, provider, stored)
		return
	}
	found, err := l.lookUp(ctx, provider, stored)
	if err != nil || found || provider.Find == nil || l.now().Sub(stored.sentAt) < l.settle {
		return
	}
	l.log.WarnContext(ctx, "the provider does not have an order that was sent; it is sent again", "key", stored.key(), "sent_at", stored.sentAt)
	l.sendAgain(ctx, provider, stored)
}

// sendAgain notes that the order is being sent before it is.
func (l *Ledger) sendAgain(ctx context.Context, provider Provider, o order) {
	if err := l.markSending(ctx, o.key()); err != nil {
		l.log.ErrorContext(ctx, "an order could not be written down; it was not sent again", "key", o.key(), "error", err.Error())
		return
	}
	l.step("recorded again")
	l.send(ctx, provider, o, true)
}

// send calls the provider and keeps what it says.
func (l *Ledger) send(ctx context.Context, provider Provider, o order, again bool) {
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	answer, err := provider.Send(call, o.request)
	l.step("sent")
	if err == nil {
		err = l.keep(ctx, o, answer)
	}
	var refusal *sdk.Error
	var notSent *notSentError
	switch {
	case err == nil:
	case errors.As(err, &notSent):
		l.log.WarnContext(ctx, "an order could not be sent", "key", o.key(), "error", err.Error())
		err = l.markUnsent(ctx, o.key())
	case errors.As(err, &refusal) && final(refusal.Status):
		if again {
			// The provider may refuse it because it has it already.
			if found, err := l.lookUp(ctx, provider, o); found || err != nil {
				return
			}
		}
		err = l.keepRefusal(ctx, o, refusal)
	default:
		l.log.WarnContext(ctx, "nobody knows what became of an order", "key", o.key(), "error", err.Error())
		_, _ = l.lookUp(ctx, provider, o) // it is looked up again later
		err = nil
	}
	if err != nil {
		l.log.ErrorContext(ctx, "what became of an order could not be written down", "key", o.key(), "error", err.Error())
	}
	l.step("kept")
}

// final reports whether a status says that nothing was done and nothing will be.
// The others say to come again, or that the provider did not know who asked.
func final(status int) bool {
	switch status {
	case 401, 403, 407, 408, 409, 421, 423, 425, 429:
		return false
	}
	return status >= 400 && status < 500
}

// lookUp asks the provider for the order and keeps what it has.
func (l *Ledger) lookUp(ctx context.Context, provider Provider, o order) (found bool, err error) {
	if provider.Find == nil {
		return false, nil
	}
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	answer, found, err := provider.Find(call, o.key())
	if err == nil && found {
		err = l.keep(ctx, o, answer)
	}
	if err != nil {
		l.log.WarnContext(ctx, "an order could not be looked up", "key", o.key(), "error", err.Error())
		return false, err
	}
	l.step("looked up")
	return found, nil
}

// Run asks about the orders of which nobody knows, every half minute, until ctx
// ends. It returns nil then.
func (l *Ledger) Run(ctx context.Context) error {
	ticker := time.NewTicker(resolveEvery)
	defer ticker.Stop()
	for {
		if err := l.Resolve(ctx); err != nil && ctx.Err() == nil {
			l.log.ErrorContext(ctx, "orders could not be resolved", "error", err.Error())
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Resolve asks once about each order of which nobody knows and whose caller was
// told PENDING or has not come back.
func (l *Ledger) Resolve(ctx context.Context) error {
	orders, err := l.Unresolved(ctx)
	if err != nil {
		return err
	}
	for _, open := range orders {
		o, err := newOrder(kind(open.Kind), open.Request, open.CreatedAt)
		if err != nil {
			return err
		}
		f := l.fly(o)
		select {
		case <-f.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
