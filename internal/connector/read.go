package connector

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/weirhq/weir/internal/hub"
)

// Tiers say how far back the re-reads behind the watermark go, how often they
// begin, and what one poll may spend on them. The zero value means [DefaultTiers].
type Tiers struct {
	NearWindow, NearEvery time.Duration
	DeepWindow, DeepEvery time.Duration
	// NearBudget and DeepBudget are requests a poll.
	NearBudget, DeepBudget int
}

// DefaultTiers go back an hour every ten minutes and a week every day.
func DefaultTiers() Tiers {
	return Tiers{
		NearWindow: time.Hour, NearEvery: 10 * time.Minute, NearBudget: 50,
		DeepWindow: 7 * 24 * time.Hour, DeepEvery: 24 * time.Hour, DeepBudget: 200,
	}
}

// lateMargin widens the near window beyond the latest row that was measured, by a quarter.
const lateMargin = 4

// Read reads a list from where stream's cursor stands to its end, and then the
// part of the re-reads behind the watermark that is due. Everything goes to sink,
// page by page, each with the cursor that holds once it is stored. On an error
// what was put before it stands.
func (c *Client) Read(ctx context.Context, stream hub.Stream, sink hub.Sink) error {
	cursor := stream.Cursor
	noticed := new(findings)
	l := &list{
		client: c, stream: stream.ID, sink: sink, findings: noticed, cursor: &cursor,
		budget: -1, mark: cursor.Watermark, size: c.learnPageSize(ctx),
	}
	l.commit = func(mark time.Time) { cursor.Watermark = mark }
	if err := l.read(ctx); err != nil {
		return err
	}
	fullPages := cursor.Manners.PageSize == 0 && cursor.Manners.RowsMax >= l.size
	noticed.conclude(stream.Findings, l.pages, fullPages)
	if err := c.reread(ctx, stream, l); err != nil {
		return err
	}
	if len(noticed.news) > 0 {
		return l.putCursor(ctx)
	}
	return nil
}

// reread goes behind the watermark for rows that came late. What is left when
// its requests are spent is read at the next poll.
func (c *Client) reread(ctx context.Context, stream hub.Stream, tail *list) error {
	now, cursor, t := c.now(), tail.cursor, c.options.Tiers
	nearWindow := min(max(t.NearWindow, stream.LateMax+stream.LateMax/lateMargin), t.DeepWindow)
	tiers := []struct {
		state         *hub.Reread
		window, every time.Duration
		budget        int
	}{
		{&cursor.Near, nearWindow, t.NearEvery, t.NearBudget},
		{&cursor.Deep, t.DeepWindow, t.DeepEvery, t.DeepBudget},
	}
	for _, tier := range tiers {
		begun := tier.state.StartedAt
		switch {
		case begun.IsZero():
			tier.state.StartedAt = now // the first read of all has just seen everything
			if err := tail.putCursor(ctx); err != nil {
				return err
			}
			continue
		case tier.state.Active():
		case now.Sub(begun) < tier.every || cursor.Watermark.IsZero():
			continue
		default:
			*tier.state = hub.Reread{StartedAt: now, Position: cursor.Watermark.Add(-tier.window), Until: cursor.Watermark}
			cursor.Manners.EndProven = 0 // ask again what lies behind a short page
			if tier.state == &cursor.Deep {
				cursor.Manners = hub.Manners{} // and once a day how the service pages
			}
			if tier.state == &cursor.Deep && stream.ID.Resource != hub.Transactions {
				// A name may change long after the account was made, and no filter shows that.
				tier.state.Position = time.Time{}
			}
		}
		if err := c.rereadTier(ctx, tail, tier.state, tier.budget); err != nil {
			return err
		}
	}
	return nil
}

// rereadTier reads a tier from its position on, as far as the budget goes.
func (c *Client) rereadTier(ctx context.Context, tail *list, state *hub.Reread, budget int) error {
	l := &list{
		client: c, stream: tail.stream, sink: tail.sink, findings: tail.findings, cursor: tail.cursor,
		budget: budget, mark: state.Position, until: state.Until, size: tail.size,
		ascended: tail.ascended, unordered: tail.unordered, unfiltered: tail.unfiltered,
	}
	l.commit = func(mark time.Time) { state.Position = mark }
	err := l.read(ctx)
	if err == nil {
		l.commit = func(time.Time) { *state = hub.Reread{StartedAt: state.StartedAt} }
	}
	if err == nil || errors.Is(err, errBudget) {
		return l.putCursor(ctx)
	}
	return err
}

// Reread reads the rows around one instant again, whatever the cursor: those of
// a record that could not be read when it was first shown.
func (c *Client) Reread(ctx context.Context, stream hub.Stream, at time.Time, sink hub.Sink) error {
	cursor := stream.Cursor
	l := &list{
		client: c, stream: stream.ID, sink: sink, findings: new(findings), cursor: &cursor,
		budget: c.options.Tiers.NearBudget, mark: at, until: at, commit: func(time.Time) {},
		size: c.learnPageSize(ctx),
	}
	if err := l.read(ctx); err != nil && !errors.Is(err, errBudget) {
		return err
	}
	return nil
}

// Translate reads the bytes of one record anew, as they were quarantined. The
// batch holds the record, or rejects it once more.
func (c *Client) Translate(stream hub.StreamID, raw []byte) (hub.Batch, error) {
	p := page{readAt: c.now()}
	p.batch = hub.Batch{Stream: stream, SeenAt: p.readAt}
	var err error
	if stream.Resource == hub.Balances {
		err = p.addBalances(c.id, raw)
	} else {
		err = p.addList(c.id, slices.Concat([]byte{'['}, raw, []byte{']'}))
	}
	return p.batch, err
}
