package connector

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/wire"
)

const (
	// balancesChunk is how many accounts are read, and stored, at a time.
	balancesChunk = 100
	// refusalsNamed is how many accounts a finding names whose balances could not be read.
	refusalsNamed = 3
	// failuresMax is how many accounts in a row a service may fail to answer for
	// before it counts as failing itself and is left alone.
	failuresMax = 20
)

// ReadBalances reads the balances of every account once, in chunks whose
// accounts are read side by side, as many at once as the connector allows. An
// account that the service refuses costs the others nothing and is named in a
// finding; when it refuses all of them, or fails for one after the other, that
// is an error. accounts returns the
// references of up to limit accounts that follow after, in order.
func (c *Client) ReadBalances(
	ctx context.Context, stream hub.Stream,
	accounts func(ctx context.Context, after string, limit int) ([]string, error), sink hub.Sink,
) error {
	var refused refusals
	read, after := 0, ""
	for {
		chunk, err := accounts(ctx, after, balancesChunk)
		if err != nil {
			return err
		}
		if len(chunk) == 0 {
			break
		}
		p, err := c.readChunk(ctx, stream, chunk, &refused)
		if err != nil {
			return err
		}
		if err := sink.Put(ctx, p.batch); err != nil {
			return err
		}
		read, after = read+len(chunk), chunk[len(chunk)-1]
	}
	if read > 0 && refused.count == read {
		return refused.first
	}
	noticed := new(findings)
	if refused.count > 0 {
		noticed.add(hub.FindingBalanceRefused, true, "the balances of %d of %d accounts could not be read, so their last ones stand: %s",
			refused.count, read, strings.Join(refused.texts, "; "))
	}
	noticed.conclude(stream.Findings, 1, false)
	if len(noticed.news) == 0 {
		return nil
	}
	now := c.now()
	return sink.Put(ctx, hub.Batch{Stream: stream.ID, Next: stream.Cursor, SeenAt: now, Findings: noticed.take(now)})
}

// readChunk reads the balances of a few accounts side by side.
func (c *Client) readChunk(ctx context.Context, stream hub.Stream, accounts []string, refused *refusals) (page, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	bodies, errs := make([][]byte, len(accounts)), make([]error, len(accounts))
	next := make(chan int)
	var readers sync.WaitGroup
	for range min(cap(c.slots), len(accounts)) {
		readers.Go(func() {
			for i := range next {
				bodies[i], errs[i] = c.get(ctx, balancesPath(accounts[i]))
				if refused.all(errs[i]) {
					stop(ofAccount(accounts[i], errs[i]))
				}
			}
		})
	}
	for i := range accounts {
		next <- i
	}
	close(next)
	readers.Wait()
	if ctx.Err() != nil {
		return page{}, context.Cause(ctx)
	}

	p := page{readAt: c.now()}
	p.batch = hub.Batch{Stream: stream.ID, Next: stream.Cursor, SeenAt: p.readAt, Requests: len(accounts)}
	for i, err := range errs {
		if err == nil {
			if err = p.addBalances(c.id, bodies[i]); err != nil {
				err = c.unreadable(err)
			}
		}
		if err != nil {
			refused.add(accounts[i], err)
		}
	}
	return p, nil
}

func ofAccount(account string, err error) error {
	return fmt.Errorf("read the balances of account %s: %w", quoteID(account), err)
}

func balancesPath(account string) string {
	return strings.Replace(wire.PathBalances, "{accountId}", pathEscape(account), 1)
}

// addBalances adds the answer for one account. The account that the answer names
// is the one that holds the balances, as at the reference.
func (p *page) addBalances(connector hub.ConnectorID, body []byte) error {
	record, err := wire.DecodeBalances(body)
	if err != nil {
		return err
	}
	if why := record.Err; why != nil {
		rejection, _ := reject(p.batch.Stream, record.Raw, why, p.readAt)
		rejection.Reference = record.Value.AccountID
		p.batch.Rejected = append(p.batch.Rejected, rejection)
		return nil
	}
	p.batch.Balances = append(p.batch.Balances, balances(connector, &record)...)
	p.noteFlaws(record.Value.AccountID, record.Flaws)
	return nil
}

// Refusals gathers the accounts whose balances a service would not show.
type refusals struct {
	count int
	first error
	texts []string
	// failures counts the accounts in a row that the service failed to answer for.
	failures atomic.Int32
}

// all reports whether the outcome of one account's call holds for all accounts:
// a key is refused for every one, and so many failures are no account's own.
func (r *refusals) all(err error) bool {
	if err == nil {
		r.failures.Store(0)
		return false
	}
	switch hub.CodeOf(err) {
	case hub.CodeServiceRefused, hub.CodeTooLarge:
		return false
	case hub.CodeServiceFailed, hub.CodeTimeout:
		return r.failures.Add(1) >= failuresMax
	default:
		return true
	}
}

func (r *refusals) add(account string, err error) {
	if r.count++; r.count == 1 {
		r.first = ofAccount(account, err)
	}
	if len(r.texts) < refusalsNamed {
		r.texts = append(r.texts, quoteID(account)+": "+err.Error())
	}
}
