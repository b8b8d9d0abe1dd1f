package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/internal/hub"
)

// The names, statuses and instants of the random behaviours are few, so that
// they meet often.
var (
	someNames    = []string{"a", "b", "c", "d", "e"}
	someStatuses = []hub.PaymentStatus{hub.Pending, hub.Succeeded, hub.Failed, hub.Refunded, hub.Capture, hub.Authorisation, hub.Dispute}
	someTypes    = []hub.PaymentType{hub.PayIn, hub.Payout}
	someAssets   = []hub.Asset{"EUR/2", "JPY"}
)

func randomTransaction(random *rand.Rand) hub.PaymentAdjustment {
	return anyTransaction(random.IntN)
}

// anyTransaction makes a transaction out of numbers below a bound.
func anyTransaction(below func(int) int) hub.PaymentAdjustment {
	id := someNames[below(len(someNames))]
	return transaction(id, someStatuses[below(len(someStatuses))], int64(below(3)), below(6), func(a *hub.PaymentAdjustment) {
		a.Type = someTypes[below(len(someTypes))]
		a.Asset = someAssets[below(len(someAssets))]
		a.CreatedAt = at(below(2))
		if below(3) == 0 {
			a.PaymentReference = someNames[below(len(someNames))]
		}
	})
}

// A model keeps what a store should, in the plainest way: no look-ups, no
// loading, everything in order.
type model struct {
	connector hub.ConnectorID
	idTypes   map[string]hub.PaymentType
	payments  map[string][]hub.PaymentAdjustment
	homes     map[string]string
	accounts  map[hub.AccountID][]hub.Account
	balances  map[holding][]hub.Balance
	events    []string
}

type holding struct {
	account hub.AccountID
	asset   hub.Asset
}

func newModel(connector hub.ConnectorID) *model {
	return &model{
		connector: connector, idTypes: map[string]hub.PaymentType{}, payments: map[string][]hub.PaymentAdjustment{},
		homes: map[string]string{}, accounts: map[hub.AccountID][]hub.Account{}, balances: map[holding][]hub.Balance{},
	}
}

func (m *model) id(reference string) hub.PaymentID {
	return hub.PaymentID{Connector: m.connector, Reference: reference, Type: m.idTypes[reference]}
}

// show takes the adjustments of one batch. The first type of a payment is that
// of its own record where the batch that begins it has that record.
func (m *model) show(batch []hub.PaymentAdjustment) {
	for _, shown := range batch {
		home, known := m.homes[shown.Reference]
		if !known {
			home = shown.PaymentReference
		}
		if _, begun := m.idTypes[home]; !begun {
			m.idTypes[home] = shown.Type
			if _, elsewhere := m.homes[home]; !elsewhere {
				lead := slices.IndexFunc(batch, func(a hub.PaymentAdjustment) bool { return a.Reference == home && a.IsLead() })
				if lead >= 0 {
					m.idTypes[home] = batch[lead].Type
				}
			}
		}
		m.homes[shown.Reference] = home
		var stored []hub.PaymentAdjustment
		for _, a := range m.payments[home] {
			if a.Reference == shown.Reference {
				stored = append(stored, a)
			}
		}
		shown.PaymentReference = home
		if hub.Admit(stored, &shown) == hub.Known {
			continue
		}
		m.payments[home] = append(m.payments[home], shown)
		p := hub.Fold(m.id(home), m.payments[home])
		m.events = append(m.events, shown.EventKey(p.ID)+" "+summary(&p))
	}
}

func (m *model) showAccounts(batch []hub.Account) {
	for _, shown := range batch {
		plain := hub.AccountID{Connector: m.connector, Reference: shown.Reference}
		shown.ID = plain
		if first := m.accounts[plain]; len(first) > 0 && first[0].Type != shown.Type {
			shown.ID.Type = shown.Type
		}
		versions := m.accounts[shown.ID]
		if n := len(versions); n > 0 && hub.SameContent(versions[n-1].Raw, shown.Raw) {
			continue
		}
		shown.Version = len(versions) + 1
		m.accounts[shown.ID] = append(versions, shown)
		m.events = append(m.events, shown.EventKey()+" "+shown.Name)
	}
}

// hold takes balances. They belong to the connector's own account, which names
// its type where a beneficiary came first.
func (m *model) hold(batch []hub.Balance) {
	for _, shown := range batch {
		own := shown.Account
		own.Type = hub.Internal
		if m.accounts[own] != nil {
			shown.Account = own
		}
		at := holding{shown.Account, shown.Asset}
		rows := m.balances[at]
		shown.Version = 1
		if n := len(rows); n > 0 {
			newest := &rows[n-1]
			if shown.LastUpdatedAt.Before(newest.LastUpdatedAt) {
				continue
			}
			moved := newest.LastUpdatedAt != shown.LastUpdatedAt
			newest.LastUpdatedAt = shown.LastUpdatedAt
			if newest.Amount.Equal(shown.Amount) {
				if moved {
					m.events = append(m.events, newest.EventKey()+" "+newest.Amount.String())
				}
				continue
			}
			if newest.CreatedAt.Equal(shown.LastUpdatedAt) {
				shown.Version = newest.Version + 1
			}
		}
		m.balances[at] = append(rows, shown)
		m.events = append(m.events, shown.EventKey()+" "+shown.Amount.String())
	}
}

// summary is what a payment comes to.
func summary(p *hub.Payment) string {
	return fmt.Sprint(p.ID.Reference, p.ID.Type, p.Type, p.Status, p.Scheme, p.Asset, p.InitialAmount, p.Amount, p.CreatedAt, len(p.Adjustments))
}

// compare holds the store against the model; the log counts from after on.
func (m *model) compare(w *world, after int64, fatal func(format string, args ...any)) {
	var want, got []string
	for reference, adjustments := range m.payments {
		p := hub.Fold(m.id(reference), adjustments)
		want = append(want, summary(&p))
	}
	for _, p := range w.payments(hub.OfConnector{ID: m.connector}) {
		whole, err := w.store.Payment(w.ctx, p.ID)
		w.must(err)
		p.Adjustments = whole.Adjustments
		got = append(got, summary(&p))
	}
	for id, versions := range m.accounts {
		newest := versions[len(versions)-1]
		want = append(want, fmt.Sprint(id, newest.Type, newest.Name, newest.CreatedAt, newest.Version))
	}
	for _, a := range w.accounts(hub.OfConnector{ID: m.connector}) {
		got = append(got, fmt.Sprint(a.ID, a.Type, a.Name, a.CreatedAt, a.Version))
	}
	for i := range 2 * len(someNames) {
		id := hub.AccountID{Connector: m.connector, Reference: someNames[i/2]}
		if i%2 == 1 {
			id.Type = hub.Internal
		}
		for _, b := range w.balances(id, hub.BalanceQuery{}) {
			got = append(got, fmt.Sprint(id, b.Asset, b.Amount, b.CreatedAt, b.LastUpdatedAt, b.Version))
		}
	}
	for at, rows := range m.balances {
		for _, b := range rows {
			want = append(want, fmt.Sprint(at.account, b.Asset, b.Amount, b.CreatedAt, b.LastUpdatedAt, b.Version))
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		fatal("stored:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	var events []string
	keys := map[string]bool{}
	for i, e := range w.eventsAfter(after, 7) {
		if e.Sequence != after+int64(i+1) || keys[e.Key] {
			fatal("event %d has sequence %d and the key %s, which is a repetition: %v", after+int64(i+1), e.Sequence, e.Key, keys[e.Key])
		}
		keys[e.Key] = true
		switch {
		case e.Payment != nil:
			events = append(events, e.Key+" "+summary(e.Payment))
		case e.Account != nil:
			events = append(events, e.Key+" "+e.Account.Name)
		default:
			events = append(events, e.Key+" "+e.Balance.Amount.String())
		}
	}
	if !slices.Equal(events, m.events) {
		fatal("events:\n%s\nwant:\n%s", strings.Join(events, "\n"), strings.Join(m.events, "\n"))
	}
}

var models = map[string]func(*world){
	"RandomBatchesComeToWhatTheRulesSay": func(w *world) {
		rapid.Check(w.T, func(t *rapid.T) {
			// Every run has a connector of its own, which no other run touches.
			w.connector = w.install(hub.NewUUID())
			m := newModel(w.connector)
			after, err := w.store.LastSequence(w.ctx)
			w.must(err)
			below := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "n") }
			var shown []hub.PaymentAdjustment
			for range 1 + below(6) {
				switch below(4) {
				case 0:
					b := w.batch(hub.Accounts)
					kind := hub.Internal
					if below(2) == 0 {
						b, kind = w.batch(hub.Beneficiaries), hub.External
					}
					for range below(4) {
						b.Accounts = append(b.Accounts, account(kind, someNames[below(5)], someNames[below(3)], below(2)))
					}
					w.apply(b)
					m.showAccounts(b.Accounts)
				case 1:
					b := w.batch(hub.Balances)
					for range below(5) {
						b.Balances = append(b.Balances, w.balance(someNames[below(3)], someAssets[below(2)], int64(below(3)), below(4)))
					}
					w.apply(b)
					m.hold(b.Balances)
				default:
					var batch []hub.PaymentAdjustment
					for range below(8) {
						if len(shown) > 0 && below(3) == 0 {
							batch = append(batch, shown[below(len(shown))]) // shown before
							continue
						}
						batch = append(batch, anyTransaction(below))
					}
					shown = append(shown, batch...)
					w.show(batch...)
					m.show(batch)
				}
			}
			m.compare(w, after, t.Fatalf)
		})
	},
}
