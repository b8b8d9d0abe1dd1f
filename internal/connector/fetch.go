package connector

import (
	"context"
	"crypto/sha256"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/wire"
)

// fetch reads one page of a list and translates it.
func (c *Client) fetch(ctx context.Context, stream hub.StreamID, ask wire.ListQuery) (page, error) {
	ask.Sort = sortKey(stream.Resource)
	body, err := c.get(ctx, listPath(stream.Resource)+"?"+ask.Encode())
	if err != nil {
		if hub.CodeOf(err) == hub.CodeTooLarge {
			c.shrinkPages(ask.PageSize)
		}
		return page{}, err
	}
	p := page{asked: ask, readAt: c.now()}
	p.batch = hub.Batch{Stream: stream, SeenAt: p.readAt}
	if err := p.addList(c.id, body); err != nil {
		return page{}, c.unreadable(err)
	}
	return p, nil
}

func listPath(resource hub.Resource) string {
	switch resource {
	case hub.Accounts:
		return wire.PathAccounts
	case hub.Beneficiaries:
		return wire.PathBeneficiaries
	default:
		return wire.PathTransactions
	}
}

// addList adds the records of a list, each on its own.
func (p *page) addList(connector hub.ConnectorID, body []byte) error {
	switch p.batch.Stream.Resource {
	case hub.Accounts:
		records, err := wire.DecodeAccounts(body)
		p.batch.Accounts = make([]hub.Account, 0, len(records))
		addRecords(p, records, func(r *wire.Record[wire.Account]) row {
			p.batch.Accounts = append(p.batch.Accounts, account(connector, r))
			return row{r.Value.ID, r.Value.CreatedAt}
		})
		return err
	case hub.Beneficiaries:
		records, err := wire.DecodeBeneficiaries(body)
		p.batch.Accounts = make([]hub.Account, 0, len(records))
		addRecords(p, records, func(r *wire.Record[wire.Beneficiary]) row {
			p.batch.Accounts = append(p.batch.Accounts, beneficiary(connector, r))
			return row{r.Value.ID, r.Value.CreatedAt}
		})
		return err
	default:
		records, err := wire.DecodeTransactions(body)
		p.batch.Adjustments = make([]hub.PaymentAdjustment, 0, len(records))
		addRecords(p, records, func(r *wire.Record[wire.Transaction]) row {
			p.batch.Adjustments = append(p.batch.Adjustments, adjustment(r))
			return row{r.Value.ID, r.Value.UpdatedAt}
		})
		return err
	}
}

// addRecords translates the records that can be used and rejects the others.
func addRecords[T any](p *page, records []wire.Record[T], translate func(*wire.Record[T]) row) {
	p.rows = make([]row, 0, len(records))
	for i := range records {
		r := &records[i]
		if r.Err != nil {
			p.reject(r.Raw, r.Err)
			continue
		}
		at := translate(r)
		p.rows = append(p.rows, at)
		p.noteFlaws(at.key, r.Flaws)
	}
}

// reject puts a record that can't be used into quarantine. It keeps its place in
// the list: by its identifier where it has one, else by its bytes.
func (p *page) reject(raw []byte, why error) {
	rejection, stamp := reject(p.batch.Stream, raw, why, p.readAt)
	key := rejection.Reference
	if key == "" {
		sum := sha256.Sum256(raw)
		key = string(sum[:])
	}
	p.rows = append(p.rows, row{key, stamp})
	p.batch.Rejected = append(p.batch.Rejected, rejection)
}

// noteFlaws reports the first record of a page that was read although it is not
// as the contract says.
func (p *page) noteFlaws(id string, flaws []string) {
	if len(flaws) == 0 || len(p.batch.Findings) > 0 {
		return
	}
	p.batch.Findings = []hub.Finding{{
		Code:   hub.FindingUnknownValues,
		Text:   "records are read that are not as the contract says; the newest such page has " + quoteID(id) + ": " + flaws[0],
		SeenAt: p.readAt,
	}}
}
