package simulator

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// The protocol is what a plain modern PSP offers: wallets, counterparties and
// movements in lists that can be filtered, sorted, skipped and followed by
// cursor; amounts as decimal text beside a currency code; instants as
// microseconds since 1970 for what is opened once and as ISO text for what
// changes. None of it is the contract, and all of it has to be translated.

// Wallet is an account of the customer, as the protocol shows it.
type Wallet struct {
	ID       string            `json:"id"`
	Label    string            `json:"label"`
	OpenedUS int64             `json:"opened_us"`
	Tags     map[string]string `json:"tags,omitempty"`
}

// Counterparty is somebody that money comes from or goes to.
type Counterparty struct {
	ID       string            `json:"id"`
	Holder   string            `json:"holder"`
	OpenedUS int64             `json:"opened_us"`
	Tags     map[string]string `json:"tags,omitempty"`
}

// Money is an amount with as many digits after the point as its currency has.
type Money struct {
	Amount   string `json:"amount"`
	Currency string `json:"currency"`
}

// Movement is one movement of money in its present state.
type Movement struct {
	ID string `json:"id"`
	// Parent is the movement that this one gives back or collects a part of.
	Parent string `json:"parent,omitempty"`
	// ClientReference is the reference of the instruction that it came from.
	ClientReference string `json:"client_reference,omitempty"`
	// Kind and State are words of the PSP's own.
	Kind      string            `json:"kind"`
	State     string            `json:"state"`
	Scheme    string            `json:"scheme,omitempty"`
	Money     Money             `json:"money"`
	From      string            `json:"from,omitempty"`
	To        string            `json:"to,omitempty"`
	BookedAt  time.Time         `json:"booked_at"`
	ChangedAt time.Time         `json:"changed_at"`
	Tags      map[string]string `json:"tags,omitempty"`
}

// Holdings is what a wallet holds, one entry for each of its currencies.
type Holdings struct {
	Wallet string    `json:"wallet"`
	AsOf   time.Time `json:"as_of"`
	Held   []Money   `json:"held"`
}

// List is one page of a list.
type List[T any] struct {
	Data []T `json:"data"`
	// NextCursor asks for what follows; empty at the end of the list.
	NextCursor string `json:"next_cursor,omitempty"`
}

// ListRequest asks for a page of a list.
type ListRequest struct {
	// Since keeps what was opened, or changed, at that instant or later.
	Since time.Time
	// Sort is one of the Sort constants; empty means SortOldest.
	Sort string
	// Skip is the number of records to leave out, Limit the number to return:
	// at most LimitMax, and 50 when it is 0.
	Skip, Limit int
	// Cursor is a NextCursor. It replaces Since and Skip, and holds only in the
	// order of SortOldest.
	Cursor string
}

// The orders of a list, by when a record was opened or changed. The second key
// decides among equal instants.
const (
	SortOldest         = "time,id"
	SortOldestTiesDown = "time,-id"
	SortNewest         = "-time,-id"
	SortNewestTiesUp   = "-time,id"
)

// LimitMax is the largest page of the protocol.
const (
	LimitMax     = 1000
	limitDefault = 50
)

// ErrNotFound is wrapped where there is no record of that name, ErrRequest
// where a request makes no sense, and ErrConflict where a reference was used
// before for something else.
var (
	ErrNotFound = errors.New("not found")
	ErrRequest  = errors.New("bad request")
	ErrConflict = errors.New("conflict")
)

// Wallets lists the wallets.
func (p *PSP) Wallets(_ context.Context, request ListRequest) (List[Wallet], error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return list(&p.walletOrder, request, p.wallet)
}

// Counterparties lists the counterparties.
func (p *PSP) Counterparties(_ context.Context, request ListRequest) (List[Counterparty], error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return list(&p.counterpartyOrder, request, p.counterparty)
}

// Movements lists the movements. On a PSP with moving rows some of them change
// as soon as the page is made.
func (p *PSP) Movements(_ context.Context, request ListRequest) (List[Movement], error) {
	if p.faults.Has(Moving) {
		p.mu.Lock()
		defer p.mu.Unlock()
		defer p.stirUp()
	} else {
		p.mu.RLock()
		defer p.mu.RUnlock()
	}
	return list(&p.movementOrder, request, p.movement)
}

// Holdings returns what a wallet holds.
func (p *PSP) Holdings(_ context.Context, walletID string) (Holdings, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	number, ok := numberOf(walletID, "wal_", len(p.wallets))
	if !ok {
		return Holdings{}, fmt.Errorf("%w: there is no wallet %.40q", ErrNotFound, walletID)
	}
	return p.holdings(number), nil
}

// list makes a page of a list.
func list[T any](o *order, request ListRequest, show func(number int) T) (List[T], error) {
	since, limit := instant(math.MinInt64), request.Limit
	if !request.Since.IsZero() {
		// Up to the next microsecond: stamps have no finer part.
		since = instantOf(request.Since.Add(time.Microsecond - 1))
	}
	if limit == 0 {
		limit = limitDefault
	}
	if limit < 0 || limit > LimitMax || request.Skip < 0 {
		return List[T]{}, fmt.Errorf("%w: limit is 1 to %d, skip is not negative", ErrRequest, LimitMax)
	}
	sorted, err := parseSort(request.Sort)
	if err != nil {
		return List[T]{}, err
	}
	skip := request.Skip
	if request.Cursor != "" {
		after, err := parseCursor(request.Cursor)
		if err != nil || sorted != (sorting{}) {
			return List[T]{}, fmt.Errorf("%w: that cursor is none, or not for this order", ErrRequest)
		}
		after.number++
		since, skip = math.MinInt64, o.rank(after)
	}
	places := o.window(since, sorted, skip, limit)
	page := List[T]{Data: make([]T, len(places))}
	for i, at := range places {
		page.Data[i] = show(at.number)
	}
	if len(places) == limit && sorted == (sorting{}) {
		page.NextCursor = places[limit-1].cursor()
	}
	return page, nil
}

func parseSort(text string) (sorting, error) {
	switch text {
	case "", SortOldest:
		return sorting{}, nil
	case SortOldestTiesDown:
		return sorting{tiesDescending: true}, nil
	case SortNewest:
		return sorting{descending: true, tiesDescending: true}, nil
	case SortNewestTiesUp:
		return sorting{descending: true}, nil
	}
	return sorting{}, fmt.Errorf("%w: there is no order %.40q", ErrRequest, text)
}

func (p place) cursor() string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d.%d", p.stamp, p.number))
}

func parseCursor(text string) (place, error) {
	plain, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return place{}, err
	}
	stamp, number, _ := strings.Cut(string(plain), ".")
	at, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return place{}, err
	}
	n, err := strconv.Atoi(number)
	return place{instant(at), n}, err
}

func (p *PSP) wallet(number int) Wallet {
	w := &p.wallets[number]
	return Wallet{
		ID: walletID(number), Label: w.name, OpenedUS: int64(w.opened),
		Tags: map[string]string{"branch": branches[number%len(branches)]},
	}
}

func (p *PSP) counterparty(number int) Counterparty {
	c := &p.counterparties[number]
	return Counterparty{
		ID: counterpartyID(number), Holder: c.name, OpenedUS: int64(c.opened),
		Tags: map[string]string{"country": countries[number%len(countries)]},
	}
}

func (p *PSP) movement(number int) Movement {
	m := &p.movements[number]
	shown := Movement{
		ID: movementID(number), ClientReference: p.references[number],
		Kind: string(m.kind), State: string(m.state), Scheme: m.scheme,
		Money: money(m), From: m.from.id(), To: m.to.id(),
		BookedAt: m.created.Time(), ChangedAt: m.changed.Time(),
		Tags: map[string]string{"order": fmt.Sprintf("A-%06d", number*7919%1_000_000)},
	}
	if m.parent != none {
		shown.Parent = movementID(m.parent)
	}
	if number%16 == 0 {
		shown.Tags["note"] = notes[number/16%len(notes)]
	}
	return shown
}

func money(m *movement) Money {
	return Money{Amount: decimal(m.amount, m.currency.places()), Currency: m.currency.code()}
}

func (p *PSP) holdings(number int) Holdings {
	w := &p.wallets[number]
	shown := Holdings{Wallet: walletID(number), AsOf: w.touched.Time()}
	for i, c := range w.currencies {
		shown.Held = append(shown.Held, Money{Amount: decimal(w.holdings[i], c.places()), Currency: c.code()})
	}
	return shown
}

func (at party) id() string {
	switch {
	case at.number == none:
		return ""
	case at.outside:
		return counterpartyID(at.number)
	}
	return walletID(at.number)
}

var (
	branches  = []string{"Zürich", "東京", "Kuwait City", "New York"}
	countries = []string{"DE", "DK", "JP", "US", "KW", "GB", "PL"}
	notes     = []string{"Grüße & <Dank>", "令和八年", "50 % \"off\"", "line\nbreak\tand tab", "🙂", "back\\slash"}
)
