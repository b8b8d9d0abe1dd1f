package mirror

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/weirhq/weir/sdk"
)

// A provider with a cursor needs none of these: its cursor is the position.

// Pages walks a list to whose end new rows are added, by page number from 1.
// The function sets More where there is a page behind this one; Next is set for
// it. The last page is read again in each round, until there is one behind it.
func Pages(fetch func(ctx context.Context, page int) (sdk.Batch, error)) sdk.Pull {
	return func(ctx context.Context, position string) (sdk.Batch, error) {
		page, err := count(position, 1)
		if err != nil {
			return sdk.Batch{}, err
		}
		batch, err := fetch(ctx, page)
		if batch.More {
			page++
		}
		batch.Next = strconv.Itoa(page)
		return batch, err
	}
}

// Offsets walks a list to whose end new rows are added, by the number of entries
// to skip. The function also returns how many entries of the provider it has
// read, which may be more than it made rows of. It sets More where it has not
// seen the end; Next is set for it.
func Offsets(fetch func(ctx context.Context, offset int) (batch sdk.Batch, entries int, err error)) sdk.Pull {
	return func(ctx context.Context, position string) (sdk.Batch, error) {
		offset, err := count(position, 0)
		if err != nil {
			return sdk.Batch{}, err
		}
		batch, entries, err := fetch(ctx, offset)
		batch.Next = strconv.Itoa(offset + entries)
		return batch, err
	}
}

// count reads a position that is a number.
func count(position string, first int) (int, error) {
	if position == "" {
		return first, nil
	}
	n, err := strconv.Atoi(position)
	if err != nil || n < first {
		return 0, fmt.Errorf("the position %.40q is not one of this source; was the source's name used for another?", position)
	}
	return n, nil
}

// at reads and writes positions that hold more than a number.
func at[T any](position string, into *T) error {
	if position == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(position), into); err != nil {
		return fmt.Errorf("the position %.40q is not one of this source; was the source's name used for another?", position)
	}
	return nil
}

func positionText[T any](position T) string {
	text, _ := json.Marshal(position) // our own structs of texts, numbers and times
	return string(text)
}

// FullScan makes a walk that ends into one that is walked again and again, from
// its beginning to its end, so that changes anywhere in the list are found by
// comparing. Where a provider offers no better way it is the only one; beside a
// better one it finds what that has missed. What two complete scans in a row do
// not show is marked as vanished, and kept.
//
// The walk says by More that it has not ended.
func FullScan(walk sdk.Pull) sdk.Pull {
	type scan struct {
		Number int64  `json:"scan"`
		Inner  string `json:"at,omitempty"`
	}
	return func(ctx context.Context, position string) (sdk.Batch, error) {
		here := scan{Number: 1}
		if err := at(position, &here); err != nil {
			return sdk.Batch{}, err
		}
		batch, err := walk(ctx, here.Inner)
		batch.Scan, batch.ScanComplete = here.Number, !batch.More
		if batch.More {
			here.Inner = batch.Next
		} else {
			here = scan{Number: here.Number + 1}
		}
		batch.Next = positionText(here)
		return batch, err
	}
}

// topMax is how many of a list's newest rows a drain remembers: where the newest
// is deleted, the next ones still tell where the last drain began.
const topMax = 10

// NewestFirst drains a list that the provider shows newest first. Each round
// goes from the newest row back until it meets a row that was at the top when
// the last round began, and to the list's end the first time. The function is
// given a cursor, empty for the top; it sets Next to the next one, and More
// where the list goes on.
//
// A change of an old row does not bring it to the top, so it is found only by
// another source beside this one: a webhook, or a [FullScan] at a longer period.
func NewestFirst(fetch func(ctx context.Context, cursor string) (sdk.Batch, error)) sdk.Pull {
	type drain struct {
		// Known were at the top when the last complete round began, Top when this
		// one did.
		Known  []string `json:"known,omitempty"`
		Top    []string `json:"top,omitempty"`
		Cursor string   `json:"at,omitempty"`
	}
	return func(ctx context.Context, position string) (sdk.Batch, error) {
		var here drain
		if err := at(position, &here); err != nil {
			return sdk.Batch{}, err
		}
		batch, err := fetch(ctx, here.Cursor)
		if err != nil {
			return batch, err
		}
		ids := idsOf(&batch)
		if here.Cursor == "" {
			here.Top = ids[:min(len(ids), topMax)]
		}
		met := slices.ContainsFunc(ids, func(id string) bool { return slices.Contains(here.Known, id) })
		if here.Cursor = batch.Next; met || !batch.More {
			if len(here.Top) > 0 {
				here.Known = here.Top
			}
			here.Top, here.Cursor, batch.More = nil, "", false
		}
		batch.Next = positionText(here)
		return batch, nil
	}
}

// idsOf are the ids of the rows of a batch in its order, list by list.
func idsOf(batch *sdk.Batch) []string {
	var ids []string
	for i := range batch.Transactions {
		ids = append(ids, batch.Transactions[i].ID)
	}
	for i := range batch.Accounts {
		ids = append(ids, batch.Accounts[i].ID)
	}
	for i := range batch.Beneficiaries {
		ids = append(ids, batch.Beneficiaries[i].ID)
	}
	return ids
}

// Windows reads a provider that can filter by time: window after window from
// Begin until now, and then in each round the last stretch again, because rows
// come late.
type Windows struct {
	// Fetch reads what falls from from, inclusive, to to. A window may need more
	// than one answer: Fetch sets More, and the Next that it is given as cursor;
	// the cursor is empty at the window's beginning.
	Fetch func(ctx context.Context, from, to time.Time, cursor string) (sdk.Batch, error)
	// Begin is where the first window begins: when the provider's data does.
	Begin time.Time
	// Length is how long a window is; 0 means a day.
	Length time.Duration
	// Again is how far behind now each round begins; 0 means an hour. Make it as
	// long as rows and changes come late.
	Again time.Duration
	// Now is the clock; nil is [time.Now].
	Now func() time.Time
}

// Pull is an [sdk.Pull].
func (w Windows) Pull(ctx context.Context, position string) (sdk.Batch, error) {
	type window struct {
		From   time.Time `json:"from"`
		To     time.Time `json:"to,omitzero"`
		Cursor string    `json:"at,omitempty"`
	}
	now := time.Now
	if w.Now != nil {
		now = w.Now
	}
	here := window{From: w.Begin}
	if err := at(position, &here); err != nil {
		return sdk.Batch{}, err
	}
	length := orDefault(w.Length, 24*time.Hour)
	if here.To.IsZero() {
		here.To = here.From.Add(length)
		if present := now().UTC(); here.To.After(present) {
			here.To = present
		}
	}
	batch, err := w.Fetch(ctx, here.From, here.To, here.Cursor)
	if err != nil {
		return batch, err
	}
	switch reached := here.To.Before(here.From.Add(length)); {
	case batch.More:
		here.Cursor = batch.Next
	case reached:
		here = window{From: here.To.Add(-orDefault(w.Again, time.Hour))}
		if here.From.Before(w.Begin) {
			here.From = w.Begin
		}
	default:
		here = window{From: here.To}
		batch.More = true
	}
	batch.Next = positionText(here)
	return batch, nil
}
