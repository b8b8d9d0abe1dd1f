package storetest

import (
	"fmt"
	"strings"

	"github.com/weirhq/weir/internal/hub"
)

var lists = map[string]func(*world){
	"ListsArePagedForthAndBackWhileRowsArrive": func(w *world) {
		const n = 50
		for i := range n {
			w.show(transaction(fmt.Sprintf("%03d", i), hub.Pending, 1, 1, created(i/3))) // three share an instant
		}
		page := func(q hub.ListQuery) hub.Page[hub.Payment] {
			w.Helper()
			p, err := w.store.Payments(w.ctx, q)
			w.must(err)
			return p
		}
		q := hub.ListQuery{Limit: 8}
		var forth []hub.Page[hub.Payment]
		var got []string
		for i := 0; ; i++ {
			p := page(q)
			forth = append(forth, p)
			for _, item := range p.Items {
				got = append(got, item.Reference)
			}
			if !p.HasMore {
				break
			}
			q.At = p.Last
			// Newer ones arrive above, and one more where the reader has been.
			w.show(transaction(fmt.Sprintf("new%d", i), hub.Pending, 1, 1, created(1000+i)))
		}
		var want []string
		for i := n - 1; i >= 0; i-- {
			want = append(want, fmt.Sprintf("%03d", i))
		}
		equal(w, "forth", strings.Join(got, " "), strings.Join(want, " "))

		for i := len(forth) - 1; i > 0; i-- {
			back := page(hub.ListQuery{Limit: 8, At: forth[i].First, Backward: true})
			equal(w, fmt.Sprintf("page %d, back", i-1), references(back), references(forth[i-1]))
			equal(w, "first", back.First, forth[i-1].First)
			equal(w, "last", back.Last, forth[i-1].Last)
			equal(w, "more above", back.HasMore, true) // what has arrived meanwhile
		}
		top := page(hub.ListQuery{Limit: 100, At: forth[0].First, Backward: true})
		equal(w, "above the first page", len(top.Items), len(forth)-1)
		equal(w, "more above that", top.HasMore, false)
	},

	"AnEmptyListIsAPage": func(w *world) {
		page, err := w.store.Payments(w.ctx, hub.ListQuery{})
		w.must(err)
		equal(w, "items", page.Items != nil && len(page.Items) == 0, true)
		equal(w, "more", page.HasMore, false)
		equal(w, "first", page.First.IsZero(), true)
	},

	"EveryListIsNewestFirst": func(w *world) {
		w.install("b")
		w.install("c")
		b := w.batch(hub.Accounts)
		b.Accounts = []hub.Account{account(hub.Internal, "old", "x", 1), account(hub.Internal, "new", "x", 3), account(hub.Internal, "mid", "x", 2)}
		w.apply(b)
		w.hold(w.balance("old", "EUR/2", 1, 1), w.balance("old", "EUR/2", 2, 2), w.balance("old", "JPY", 1, 3))
		var got []string
		for _, c := range w.connectors() {
			got = append(got, c.Name)
		}
		for _, a := range w.accounts() {
			got = append(got, a.Reference)
		}
		for _, b := range w.balances(hub.AccountID{Connector: w.connector, Reference: "old"}, hub.BalanceQuery{}) {
			got = append(got, string(b.Asset)+"="+b.Amount.String())
		}
		equal(w, "order", strings.Join(got, " "), "c b acme new mid old JPY=1 EUR/2=2 EUR/2=1")
	},

	"PaymentsAreFiltered": func(w *world) {
		change := func(source string, metadata map[string]string) func(*hub.PaymentAdjustment) {
			return func(a *hub.PaymentAdjustment) { a.SourceAccount, a.Metadata = source, metadata }
		}
		w.show(
			transaction("a", hub.Pending, 5, 1, created(1), change("s1", nil)),
			transaction("b", hub.Succeeded, -40, 1, created(2), typed(hub.Payout), change("", map[string]string{"k'\"": "v"})),
			transaction("c", hub.Succeeded, 300, 1, created(3), change("s2", map[string]string{"k'\"": "w"})),
			transaction("d", hub.Failed, -9, 1, created(4), change("s1", map[string]string{"x": "v"})),
		)
		other := w.connector
		w.connector = w.install("other")
		w.show(transaction("e", hub.Pending, 5, 1, created(5)))
		w.connector = other
		text := func(f hub.TextField, op hub.Operator, s string) hub.Filter {
			return hub.CompareText{Field: f, Operator: op, Text: s}
		}
		amount := func(op hub.Operator, n int64) hub.Filter {
			return hub.CompareAmount{Field: hub.FieldAmount, Operator: op, Amount: hub.NewAmount(n)}
		}
		for _, test := range []struct {
			name   string
			filter hub.Filter
			want   string
		}{
			{"nothing", nil, "e d c b a"},
			{"empty and", hub.And{}, "e d c b a"},
			{"empty or", hub.Or{}, ""},
			{"connector", hub.OfConnector{ID: w.connector}, "d c b a"},
			{"payment", hub.IsPayment{ID: hub.PaymentID{Connector: w.connector, Reference: "b", Type: hub.Payout}}, "b"},
			{"payment of another type", hub.IsPayment{ID: hub.PaymentID{Connector: w.connector, Reference: "b", Type: hub.PayIn}}, ""},
			{"reference", text(hub.FieldReference, hub.Equal, "c"), "c"},
			{"reference after", text(hub.FieldReference, hub.Greater, "c"), "e d"},
			{"reference to", text(hub.FieldReference, hub.LessOrEqual, "c"), "c b a"},
			{"type", text(hub.FieldType, hub.Equal, "PAYOUT"), "b"},
			{"status", text(hub.FieldStatus, hub.Equal, "SUCCEEDED"), "c b"},
			{"asset", text(hub.FieldAsset, hub.Equal, "EUR/2"), "e d c b a"},
			{"scheme", text(hub.FieldScheme, hub.Equal, "SEPA"), ""},
			{"source", text(hub.FieldSource, hub.Equal, "s1"), "d a"},
			{"not", hub.Not{Filter: text(hub.FieldStatus, hub.Equal, "SUCCEEDED")}, "e d a"},
			{"and", hub.And{hub.OfConnector{ID: w.connector}, text(hub.FieldStatus, hub.Equal, "PENDING")}, "a"},
			{"or", hub.Or{text(hub.FieldReference, hub.Equal, "a"), text(hub.FieldReference, hub.Equal, "d")}, "d a"},
			{"amount", amount(hub.Equal, 300), "c"},
			{"amount below 5", amount(hub.Less, 5), "d b"},
			{"amount to 5", amount(hub.LessOrEqual, 5), "e d b a"},
			{"amount above 40", amount(hub.Greater, 40), "c"},
			{"amount from 5", amount(hub.GreaterOrEqual, 5), "e c a"},
			{"amount below -9", amount(hub.Less, -9), "b"},
			{"amount to -9", amount(hub.LessOrEqual, -9), "d b"},
			{"amount above -10", amount(hub.Greater, -10), "e d c a"},
			{"initial amount", hub.CompareAmount{Field: hub.FieldInitialAmount, Operator: hub.Less, Amount: hub.NewAmount(0)}, "d b"},
			{"metadata", hub.HasMetadata{Key: "k'\"", Value: "v"}, "b"},
			{"not metadata", hub.Not{Filter: hub.HasMetadata{Key: "k'\"", Value: "v"}}, "e d c a"},
		} {
			var got []string
			q := hub.ListQuery{Limit: 2, Filter: test.filter}
			for more := true; more; {
				page, err := w.store.Payments(w.ctx, q)
				if err != nil {
					w.Fatalf("%s: %v", test.name, err)
				}
				for _, p := range page.Items {
					got = append(got, p.Reference)
				}
				q.At, more = page.Last, page.HasMore
			}
			equal(w, test.name, strings.Join(got, " "), test.want)
		}
		_, err := w.store.Payments(w.ctx, hub.ListQuery{Filter: text(hub.FieldName, hub.Equal, "x")})
		w.refused(err, hub.CodeInvalid, "can't be filtered by the field name")
		_, err = w.store.Payments(w.ctx, hub.ListQuery{Filter: text(hub.FieldType, "; DROP", "x")})
		w.refused(err, hub.CodeInvalid, `no operator "; DROP"`)
		_, err = w.store.Payments(w.ctx, hub.ListQuery{Filter: hub.CompareAmount{Field: hub.FieldAmount, Operator: "~", Amount: hub.NewAmount(1)}})
		w.refused(err, hub.CodeInvalid, `no operator "~"`)
	},

	"AccountsAndConnectorsAreFiltered": func(w *world) {
		w.install("other")
		b := w.batch(hub.Accounts)
		b.Accounts = []hub.Account{account(hub.Internal, "a", "one", 1), account(hub.Internal, "b", "two", 2)}
		w.apply(b)
		b = w.batch(hub.Beneficiaries)
		b.Accounts = []hub.Account{account(hub.External, "a", "three", 3)}
		w.apply(b)
		accounts := func(f hub.Filter) string {
			w.Helper()
			page, err := w.store.Accounts(w.ctx, hub.ListQuery{Limit: 10, Filter: f})
			w.must(err)
			var got []string
			for _, a := range page.Items {
				got = append(got, a.Name)
			}
			return strings.Join(got, " ")
		}
		plain := hub.AccountID{Connector: w.connector, Reference: "a"}
		typed := hub.AccountID{Connector: w.connector, Reference: "a", Type: hub.External}
		equal(w, "account", accounts(hub.IsAccount{ID: plain}), "one")
		equal(w, "account with a type", accounts(hub.IsAccount{ID: typed}), "three")
		equal(w, "type", accounts(hub.CompareText{Field: hub.FieldType, Operator: hub.Equal, Text: "INTERNAL"}), "two one")
		equal(w, "name", accounts(hub.CompareText{Field: hub.FieldName, Operator: hub.Equal, Text: "two"}), "two")
		equal(w, "metadata", accounts(hub.HasMetadata{Key: "k", Value: "three"}), "three")
		equal(w, "connector", accounts(hub.OfConnector{ID: hub.NewConnectorID(hub.Provider)}), "")
		_, err := w.store.Accounts(w.ctx, hub.ListQuery{Filter: hub.IsPayment{}})
		w.refused(err, hub.CodeInvalid, "can't be filtered by a payment")

		connectors := func(f hub.Filter) string {
			w.Helper()
			page, err := w.store.Connectors(w.ctx, hub.ListQuery{Limit: 10, Filter: f})
			w.must(err)
			var got []string
			for _, c := range page.Items {
				got = append(got, c.Name)
			}
			return strings.Join(got, " ")
		}
		equal(w, "connector", connectors(hub.OfConnector{ID: w.connector}), "acme")
		equal(w, "name", connectors(hub.CompareText{Field: hub.FieldName, Operator: hub.Equal, Text: "other"}), "other")
		equal(w, "provider", connectors(hub.CompareText{Field: hub.FieldProvider, Operator: hub.Equal, Text: "generic"}), "other acme")
	},
}

func references(page hub.Page[hub.Payment]) string {
	var out []string
	for _, p := range page.Items {
		out = append(out, p.Reference)
	}
	return strings.Join(out, " ")
}
