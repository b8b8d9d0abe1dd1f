// Package poll runs one poll of one stream from beginning to end: it takes the
// stream's cursor from the store, has the connector read from there, stores page
// after page as it comes, and schedules the next poll in the transaction that
// ends this one.
//
// It does not know HTTP (that is internal/connector), SQL (internal/store) or
// the job engine that calls it (internal/jobs). Start with [Poller.Once].
package poll

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/weirhq/weir/internal/hub"
)

const (
	// BackoffMax is the longest pause after a failed poll, unless the service
	// itself asks for a longer one.
	BackoffMax = 5 * time.Minute
	// backoffFirst is the pause after the first failure; it doubles from there.
	backoffFirst = 2 * time.Second
	// pauseAskedMax bounds the pause that a service may ask for.
	pauseAskedMax = time.Hour
	// turnMax is how long one poll reads before it lets others have its place.
	// A first read of years of data goes on in the next turn.
	turnMax = 10 * time.Minute
	// standstillMax is how much longer a poll may read whose watermark does not
	// move, so that the next one would begin where it began. It stays below the
	// hour that the job engine leaves a job.
	standstillMax = 40 * time.Minute
	// balancesWait is how soon the balances look again for accounts to be read,
	// while the first of them are still on their way.
	balancesWait = time.Second
)

// Store is what a poll asks of the store.
type Store interface {
	Connector(ctx context.Context, id hub.ConnectorID) (hub.Connector, error)
	Stream(ctx context.Context, id hub.StreamID) (hub.Stream, error)
	AccountReferences(ctx context.Context, connector hub.ConnectorID, after string, limit int) ([]string, error)
	Apply(ctx context.Context, batch hub.Batch) (hub.Applied, error)
	// ApplyNews is Apply unless the batch holds nothing new; then it changes nothing.
	ApplyNews(ctx context.Context, batch hub.Batch) (applied hub.Applied, stored bool, err error)
	CompletePoll(ctx context.Context, id hub.StreamID, turn int64, at time.Time, caughtUp bool, nextDue time.Time) error
	// CompletePollWith is Apply and CompletePoll in one transaction.
	CompletePollWith(
		ctx context.Context, batch hub.Batch, turn int64, at time.Time, caughtUp bool, nextDue time.Time,
	) (hub.Applied, error)
	FailPoll(ctx context.Context, id hub.StreamID, turn int64, at time.Time, cause *hub.Error, nextDue time.Time) error
	PollNow(ctx context.Context, id hub.StreamID) error
}

// Service is what a poll asks of an integration service.
type Service interface {
	// Read reads a list from the stream's cursor to its end and puts it to sink.
	Read(ctx context.Context, stream hub.Stream, sink hub.Sink) error
	// ReadBalances reads the balances of every account.
	ReadBalances(
		ctx context.Context, stream hub.Stream,
		accounts func(ctx context.Context, after string, limit int) ([]string, error), sink hub.Sink,
	) error
}

// Poller runs polls. It is safe for use by many at once.
type Poller struct {
	// Store and Dial are needed. Dial returns the service of a connector.
	Store Store
	Dial  func(hub.Connector) Service
	// RetryAfter returns the pause that a service has asked for with an error of
	// its Read; nil: services ask for none.
	RetryAfter func(error) time.Duration
	// BackoffMax stands in for the constant of that name; 0: the constant.
	BackoffMax time.Duration
	// Stopping is closed when the process begins to stop: polls end after the page
	// that they have in hand, and their streams are due at once, for the next
	// worker. nil: only a context ends a poll early.
	Stopping <-chan struct{}
	// Logger receives an entry when a stream begins to fail and when it recovers.
	Logger *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// errTurnOver ends a poll that has read for long enough, or whose process stops;
// it is no failure.
var errTurnOver = errors.New("the poll has had its time")

// Once runs the poll of one turn of a stream. A poll that fails is recorded on
// the stream with the time of the next attempt, and is no error of Once; nor is
// a stream that is gone, at rest or in another turn by now. Called again for the
// same turn it reads again and stores nothing twice.
func (p *Poller) Once(ctx context.Context, id hub.StreamID, turn int64) error {
	stream, err := p.Store.Stream(ctx, id)
	if hub.CodeOf(err) == hub.CodeNotFound {
		return nil
	}
	if err != nil {
		return fmt.Errorf("poll %s: %w", id, err)
	}
	if stream.Turn != turn || !stream.PausedAt.IsZero() {
		return nil
	}
	connector, err := p.Store.Connector(ctx, id.Connector)
	if err == nil {
		err = p.run(ctx, connector, stream)
	}
	if code := hub.CodeOf(err); err != nil && (code == hub.CodeStale || code == hub.CodeNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("poll %s: %w", id, err)
	}
	return nil
}

// run reads and ends the poll as the reading ended. It is hub.CodeStale when
// somebody has rewound the stream under us, and scheduled its next poll.
func (p *Poller) run(ctx context.Context, connector hub.Connector, stream hub.Stream) error {
	stored, last, err := p.read(ctx, connector, stream)
	if ctx.Err() != nil {
		return ctx.Err() // we are stopping; the turn stands
	}
	if err := p.wakeBalances(ctx, stream.ID, stored); err != nil {
		return err
	}
	switch {
	case err == nil || errors.Is(err, errTurnOver):
		with, err := p.complete(ctx, connector, stream, last, err == nil)
		if err == nil {
			return p.wakeBalances(ctx, stream.ID, with)
		}
		if cause, ok := errors.AsType[*storingError](err); ok && hub.CodeOf(err) != hub.CodeStale && hub.CodeOf(err) != hub.CodeNotFound {
			return p.fail(ctx, connector, stream, stored, notStored(stream.ID, cause.error))
		}
		return err
	case hub.CodeOf(err) == hub.CodeStale:
		return err
	default:
		return p.fail(ctx, connector, stream, stored, err)
	}
}

// A storingError is why the last batch of a poll could not be stored with its end.
type storingError struct{ error }

// Unwrap returns what went wrong.
func (e *storingError) Unwrap() error { return e.error }

// read reads and stores, one beside the other, and returns how many versions
// were new, and a last batch that is to be stored with the end of the poll.
func (p *Poller) read(ctx context.Context, connector hub.Connector, stream hub.Stream) (stored int, last *hub.Batch, err error) {
	r := record(ctx, p.Store, stream, p.now().Add(turnMax), p.now, p.Stopping)
	service := p.Dial(connector)
	if stream.ID.Resource == hub.Balances {
		accounts := func(ctx context.Context, after string, limit int) ([]string, error) {
			return p.Store.AccountReferences(ctx, connector.ID, after, limit)
		}
		err = service.ReadBalances(ctx, stream, accounts, r)
	} else {
		err = service.Read(ctx, stream, r)
	}
	stored, last, storing := r.close(ctx, err == nil || errors.Is(err, errTurnOver))
	if storing != nil {
		err = storing // what could not be stored explains what could not be put
	}
	return stored, last, err
}

// complete ends a poll that has read what it could: to the end of the list, or
// for as long as it may. The last batch, where there is one, is stored with it;
// complete returns how many versions in it were new.
func (p *Poller) complete(
	ctx context.Context, connector hub.Connector, stream hub.Stream, last *hub.Batch, ended bool,
) (stored int, err error) {
	now := p.now()
	next := now
	if ended {
		next = nextDue(stream, now)
	}
	if stream.ID.Resource == hub.Balances {
		coming, none, err := p.accountsComing(ctx, connector.ID)
		if err != nil {
			return 0, err
		}
		ended = ended && !coming
		if none {
			next = now.Add(min(balancesWait, stream.Period))
		}
	}
	if last != nil {
		applied, err := p.Store.CompletePollWith(ctx, *last, stream.Turn, now, ended, next)
		if err != nil {
			return 0, &storingError{err}
		}
		stored = applied.Stored
	} else if err := p.Store.CompletePoll(ctx, stream.ID, stream.Turn, now, ended, next); err != nil {
		return 0, err
	}
	if !stream.FailingSince.IsZero() {
		p.log().Info("stream recovered", "connector", connector.Name, "stream", stream.ID.Resource,
			"failingSince", stream.FailingSince, "failures", stream.ConsecutiveFailures)
	}
	return stored, nil
}

// nextDue is when a stream is read again that was read to its end: a period after
// it was due, so that what it waited for a worker does not add up. One that was
// late by more than half of a period, or asked for earlier than it was due, is
// read a period from now.
func nextDue(stream hub.Stream, now time.Time) time.Time {
	if late := now.Sub(stream.NextDueAt); late >= 0 && late <= stream.Period/2 {
		return stream.NextDueAt.Add(stream.Period)
	}
	return now.Add(stream.Period)
}

// accountsComing reports whether the first accounts are still being read, so
// that there are balances to come, and whether none of them is stored yet. A poll
// of the balances that ended before the last accounts came has not read all;
// those accounts wake the balances before the accounts count as read.
func (p *Poller) accountsComing(ctx context.Context, connector hub.ConnectorID) (coming, none bool, err error) {
	accounts, err := p.Store.Stream(ctx, hub.StreamID{Connector: connector, Resource: hub.Accounts})
	if err != nil || !accounts.LastSuccessAt.IsZero() || !accounts.FailingSince.IsZero() || !accounts.PausedAt.IsZero() {
		return false, false, err
	}
	known, err := p.Store.AccountReferences(ctx, connector, "", 1)
	return true, len(known) == 0, err
}

// wakeBalances has the balances of accounts read that have just become known.
// Without new versions of accounts it does nothing.
func (p *Poller) wakeBalances(ctx context.Context, stream hub.StreamID, stored int) error {
	if stream.Resource != hub.Accounts || stored == 0 {
		return nil
	}
	err := p.Store.PollNow(ctx, hub.StreamID{Connector: stream.Connector, Resource: hub.Balances})
	if hub.CodeOf(err) == hub.CodeInvalid {
		return nil // an operator has paused them
	}
	return err
}

// fail ends a poll that could not be finished and says when it is tried again.
func (p *Poller) fail(ctx context.Context, connector hub.Connector, stream hub.Stream, stored int, cause error) error {
	described := hub.Errorf(hub.CodeOf(cause), "%w", cause)
	now := p.now()
	failures := stream.ConsecutiveFailures
	if stored > 0 {
		failures = 0 // it gets on, if with interruptions
	}
	pause := p.backoff(failures)
	if p.RetryAfter != nil {
		pause = max(pause, min(p.RetryAfter(cause), pauseAskedMax))
	}
	if stream.FailingSince.IsZero() {
		p.log().Warn("stream fails", "connector", connector.Name, "stream", stream.ID.Resource,
			"code", described.Code, "error", cause, "nextAttempt", now.Add(pause))
	}
	return p.Store.FailPoll(ctx, stream.ID, stream.Turn, now, described, now.Add(pause))
}

// backoff is the pause after failures polls have failed before this one: twice as
// long each time up to a bound, and anything between a half and the whole of it,
// so that connectors which failed together don't come back together.
func (p *Poller) backoff(failures int) time.Duration {
	bound := p.BackoffMax
	if bound == 0 {
		bound = BackoffMax
	}
	pause := min(backoffFirst, bound)
	for range failures {
		if pause = min(2*pause, bound); pause == bound {
			break
		}
	}
	return pause/2 + rand.N(pause/2+1) //nolint:gosec // jitter, not a secret
}

func (p *Poller) now() time.Time {
	if p.Now != nil {
		return p.Now()
	}
	return time.Now()
}

func (p *Poller) log() *slog.Logger {
	if p.Logger != nil {
		return p.Logger
	}
	return slog.New(slog.DiscardHandler)
}
