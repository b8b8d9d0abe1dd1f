package connector

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/wire"
)

const (
	// balancesChunk is how many accounts are read, and stored, at a time.
	balancesChunk = 100
	// refusalsNamed is how many accounts a finding names whose balances could not be read.
	refusalsNamed = 3
)

// ReadBalances reads the balances of every account once, in chunks whose
// accounts are read side by side, as many at once as the connector allows. An
// account that the service refuses costs the others nothing and is named in a
// finding; when it refuses all of them, that is an error. accounts returns the
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
	noticed.conclude(stream.Findings, 1)
	if len(noticed.news) == 0 {
		return nil
	}
	now := c.now()
	return sink.Put(ctx, hub.Batch{Stream: stream.ID, Next: stream.Cursor, SeenAt: now, Findings: noticed.take(now)})
}

// readChunk reads the balances of a few accounts side by side.
func (c *Client) readChunk(ctx context.Context, stream hub.Stream, accounts []string, refused *refusals) (page, error) {
	bodies, errs := make([][]byte, len(accounts)), make([]error, len(accounts))
	next := make(chan int)
	var readers sync.WaitGroup
	for range min(cap(c.slots), len(accounts)) {
		readers.Go(func() {
			for i := range next {
				bodies[i], errs[i] = c.get(ctx, balancesPath(accounts[i]))
			}
		})
	}
	for i := range accounts {
		next <- i
	}
	close(next)
	readers.Wait()

	p := page{readAt: c.now()}
	p.batch = hub.Batch{Stream: stream.ID, Next: stream.Cursor, SeenAt: p.readAt, Requests: len(accounts)}
	for i, err := range errs {
		if err == nil {
			err = p.addBalances(c.id, bodies[i])
		}
		switch hub.CodeOf(err) {
		case hub.CodeServiceRefused, hub.CodeServiceFailed, hub.CodeUnreadable, hub.CodeTooLarge:
			refused.add(accounts[i], err)
		default:
			if err != nil {
				return page{}, fmt.Errorf("read the balances of account %s: %w", quoteID(accounts[i]), err)
			}
		}
	}
	return p, nil
}

func balancesPath(account string) string {
	return strings.Replace(wire.PathBalances, "{accountId}", pathEscape(account), 1)
}

// addBalances adds the answer for one account. The account that the answer names
// is the one that holds the balances, as at the reference.
func (p *page) addBalances(connector hub.ConnectorID, body []byte) error {
	record, err := wire.DecodeBalances(body)
	if err != nil {
		return hub.Errorf(hub.CodeUnreadable, "the service's answer can't be read: %w", err)
	}
	if record.Err != nil {
		rejection, _ := reject(p.batch.Stream, record.Raw, record.Err, p.readAt)
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
}

func (r *refusals) add(account string, err error) {
	if r.count++; r.count == 1 {
		r.first = fmt.Errorf("read the balances of account %s: %w", quoteID(account), err)
	}
	if len(r.texts) < refusalsNamed {
		r.texts = append(r.texts, quoteID(account)+": "+err.Error())
	}
}
