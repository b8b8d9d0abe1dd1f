// Package storetest is the behaviour that every driver of the store must have,
// as tests whose names say it. A driver's own test calls [Run] with a function
// that opens a fresh database, and adds what is peculiar to that database.
//
// Each file is a chapter: payments.go, accounts.go, balances.go, rejections.go,
// streams.go, connectors.go and lists.go hold one behaviour a test; crash.go cuts
// transactions short; model.go compares random batches with a memory that keeps
// the rules in the plainest way.
package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
)

// Enqueue stands in for a job engine: it takes a job within a transaction.
type Enqueue func(ctx context.Context, job store.Job) error

// Open makes a store on a fresh database, which is closed when the test ends.
type Open func(t *testing.T, enqueue Enqueue) *store.Store

// Run runs every behaviour, each on a store of its own.
func Run(t *testing.T, open Open) {
	t.Helper()
	for _, chapter := range []map[string]func(*world){
		payments, accounts, balances, rejections, streams, connectors, lists, crashes, models,
	} {
		for name, behave := range chapter {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				behave(newWorld(t, open))
			})
		}
	}
}

// PlainCipher seals nothing, for tests that have nothing to hide. It keeps the
// binding, and so fails where a secret is opened in another place.
type PlainCipher struct{}

// Seal returns the binding and the text.
func (PlainCipher) Seal(text, binding []byte) ([]byte, error) {
	return fmt.Appendf(nil, "%s\x00%s", binding, text), nil
}

// Open returns the text that was sealed with the binding.
func (PlainCipher) Open(sealed, binding []byte) ([]byte, error) {
	text, found := strings.CutPrefix(string(sealed), string(binding)+"\x00")
	if !found {
		return nil, fmt.Errorf("sealed for another place than %s", binding)
	}
	return []byte(text), nil
}

// day is when everything in these tests begins; it has to be past.
var day = time.Date(2024, 11, 23, 10, 0, 0, 0, time.UTC)

// at is an instant so many seconds later.
func at(seconds int) time.Time { return day.Add(time.Duration(seconds) * time.Second) }

// A world is a store with one connector in it.
type world struct {
	*testing.T
	ctx       context.Context
	store     *store.Store
	connector hub.ConnectorID
	// jobs are those enqueued and committed; enqueueError makes enqueuing fail.
	jobs         []store.Job
	enqueueError error
}

func newWorld(t *testing.T, open Open) *world {
	t.Helper()
	w := &world{T: t, ctx: t.Context()}
	w.store = open(t, func(_ context.Context, job store.Job) error {
		w.jobs = append(w.jobs, job)
		return w.enqueueError
	})
	w.connector = w.install("acme")
	return w
}

// install adds a connector.
func (w *world) install(name string) hub.ConnectorID {
	w.Helper()
	id := hub.NewConnectorID(hub.Provider)
	w.must(w.store.InstallConnector(w.ctx, hub.Connector{
		ID: id, Name: name, CreatedAt: day,
		Config: hub.Config{Endpoint: "http://service.test", APIKey: hub.NewSecret("key of " + name), PollingPeriod: time.Minute, Concurrency: 3},
	}))
	return id
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// refused asserts that err carries a code and a sentence with the words.
func (w *world) refused(err error, code hub.Code, words string) {
	w.Helper()
	switch {
	case err == nil:
		w.Fatalf("no error; want %s: …%s…", code, words)
	case hub.CodeOf(err) != code || !strings.Contains(err.Error(), words):
		w.Fatalf("%s: %v\nwant %s: …%s…", hub.CodeOf(err), err, code, words)
	}
}

func equal[T comparable](w *world, what string, got, want T) {
	w.Helper()
	if got != want {
		w.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// stream names a stream of the world's connector.
func (w *world) stream(resource hub.Resource) hub.StreamID {
	return hub.StreamID{Connector: w.connector, Resource: resource}
}

// state returns a stream as it is now.
func (w *world) state(resource hub.Resource) hub.Stream {
	w.Helper()
	s, err := w.store.Stream(w.ctx, w.stream(resource))
	w.must(err)
	return s
}

// batch begins a batch for a stream as it stands now.
func (w *world) batch(resource hub.Resource) hub.Batch {
	w.Helper()
	cursor := w.state(resource).Cursor
	return hub.Batch{Stream: w.stream(resource), Read: cursor, Next: cursor, SeenAt: at(1000), Requests: 1}
}

func (w *world) apply(b hub.Batch) hub.Applied {
	w.Helper()
	applied, err := w.store.Apply(w.ctx, b)
	w.must(err)
	return applied
}

// show applies transactions.
func (w *world) show(adjustments ...hub.PaymentAdjustment) hub.Applied {
	w.Helper()
	b := w.batch(hub.Transactions)
	b.Adjustments = adjustments
	return w.apply(b)
}

// payment returns the payment with a reference, found by its first type.
func (w *world) payment(reference string, t hub.PaymentType) hub.Payment {
	w.Helper()
	p, err := w.store.Payment(w.ctx, hub.PaymentID{Connector: w.connector, Reference: reference, Type: t})
	w.must(err)
	return p
}

// all pages through a list to its end; a filter may narrow it.
func all[T any](w *world, list func(hub.ListQuery) (hub.Page[T], error), filter ...hub.Filter) []T {
	w.Helper()
	var items []T
	q := hub.ListQuery{Limit: 7}
	if len(filter) > 0 {
		q.Filter = hub.And(filter)
	}
	for {
		page, err := list(q)
		w.must(err)
		items = append(items, page.Items...)
		if !page.HasMore {
			return items
		}
		q.At = page.Last
	}
}

func (w *world) payments(filter ...hub.Filter) []hub.Payment {
	w.Helper()
	return all(w, func(q hub.ListQuery) (hub.Page[hub.Payment], error) { return w.store.Payments(w.ctx, q) }, filter...)
}

func (w *world) accounts(filter ...hub.Filter) []hub.Account {
	w.Helper()
	return all(w, func(q hub.ListQuery) (hub.Page[hub.Account], error) { return w.store.Accounts(w.ctx, q) }, filter...)
}

func (w *world) balances(id hub.AccountID, query hub.BalanceQuery) []hub.Balance {
	w.Helper()
	return all(w, func(q hub.ListQuery) (hub.Page[hub.Balance], error) { return w.store.Balances(w.ctx, id, query, q) })
}

func (w *world) connectors() []hub.Connector {
	w.Helper()
	return all(w, func(q hub.ListQuery) (hub.Page[hub.Connector], error) { return w.store.Connectors(w.ctx, q) })
}

// events reads the whole log, a few at a time.
func (w *world) events() []hub.Event {
	w.Helper()
	return w.eventsAfter(0, 7)
}

func (w *world) eventsAfter(after int64, limit int) []hub.Event {
	w.Helper()
	var events []hub.Event
	for {
		more, err := w.store.Events(w.ctx, after, limit)
		w.must(err)
		if len(more) == 0 {
			return events
		}
		events = append(events, more...)
		after = more[len(more)-1].Sequence
	}
}

// transaction is a state of a record that is its payment's own. The status may
// be followed by how the test changes it.
func transaction(id string, status hub.PaymentStatus, amount int64, seconds int, change ...func(*hub.PaymentAdjustment)) hub.PaymentAdjustment {
	a := hub.PaymentAdjustment{
		PaymentReference: id, Reference: id, Type: hub.PayIn, Status: status, Scheme: hub.OtherScheme, Asset: "EUR/2",
		Amount: hub.NewAmount(amount), CreatedAt: day, UpdatedAt: at(seconds),
	}
	for _, c := range change {
		c(&a)
	}
	if a.Raw == nil {
		a.Raw = rawOf(&a)
	}
	return a
}

// of makes the record one of another payment.
func of(parent string) func(*hub.PaymentAdjustment) {
	return func(a *hub.PaymentAdjustment) { a.PaymentReference = parent }
}

// typed gives the record a type.
func typed(t hub.PaymentType) func(*hub.PaymentAdjustment) {
	return func(a *hub.PaymentAdjustment) { a.Type = t }
}

// created gives the record an instant of creation.
func created(seconds int) func(*hub.PaymentAdjustment) {
	return func(a *hub.PaymentAdjustment) { a.CreatedAt = at(seconds) }
}

func rawOf(a *hub.PaymentAdjustment) []byte {
	return fmt.Appendf(nil, `{"id":%q,"relatedTransactionID":%q,"type":%q,"status":%q,"amount":"%s","currency":%q,"createdAt":%q,"updatedAt":%q}`,
		a.Reference, a.PaymentReference, a.Type, a.Status, a.Amount, a.Asset, a.CreatedAt.Format(time.RFC3339Nano), a.UpdatedAt.Format(time.RFC3339Nano))
}

func account(t hub.AccountType, id, name string, seconds int) hub.Account {
	return hub.Account{
		Reference: id, Type: t, CreatedAt: at(seconds), Name: name, Metadata: map[string]string{"k": name},
		Raw: fmt.Appendf(nil, `{"id":%q,"createdAt":%q,"accountName":%q}`, id, at(seconds).Format(time.RFC3339Nano), name),
	}
}

func (w *world) balance(id string, asset hub.Asset, amount int64, seconds int) hub.Balance {
	return hub.Balance{
		Account: hub.AccountID{Connector: w.connector, Reference: id}, Asset: asset, Amount: hub.NewAmount(amount),
		CreatedAt: at(seconds), LastUpdatedAt: at(seconds), Raw: []byte(`{"accountID":"` + id + `"}`),
	}
}

// dump is everything that a connector has in the store, as text to compare. The
// numbers of events are left out, for another connector may use some.
func (w *world) dump(connector hub.ConnectorID) string {
	w.Helper()
	var out strings.Builder
	line := func(what string, v any) {
		b, err := json.Marshal(v)
		w.must(err)
		fmt.Fprintf(&out, "%s %s\n", what, b)
	}
	list, err := w.store.Streams(w.ctx, connector)
	w.must(err)
	for _, s := range list {
		line("stream", s)
		for _, r := range all(w, func(q hub.ListQuery) (hub.Page[hub.Rejection], error) {
			return w.store.Rejections(w.ctx, s.ID, q, false)
		}) {
			line("rejection", r)
		}
	}
	for _, a := range w.accounts(hub.OfConnector{ID: connector}) {
		line("account", []any{a, a.Version, a.SeenAt, string(a.Raw)})
	}
	for _, p := range w.payments(hub.OfConnector{ID: connector}) {
		whole, err := w.store.Payment(w.ctx, p.ID)
		w.must(err)
		line("payment", []any{whole, whole.SourceAccount, whole.DestinationAccount, whole.Adjustments})
	}
	w.must(w.store.BalanceRecords(w.ctx, connector, func(b store.CurrentBalance) error {
		line("balance", b)
		id := hub.AccountID{Connector: connector, Reference: b.Account}
		for _, row := range w.balances(id, hub.BalanceQuery{}) {
			line("was", []any{row, row.Version})
		}
		return nil
	}))
	for _, e := range w.eventsAfter(0, 1000) {
		if e.Connector == connector {
			line("event", []any{e.Type, e.At, e.Key, e.Account, e.Balance, e.Payment})
		}
	}
	return out.String()
}
