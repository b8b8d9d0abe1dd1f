package storetest

import (
	"fmt"
	"strings"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
)

// hold applies balances.
func (w *world) hold(rows ...hub.Balance) hub.Applied {
	w.Helper()
	b := w.batch(hub.Balances)
	b.Balances = rows
	return w.apply(b)
}

// history lists an account's balances as amount@created-updated in seconds.
func (w *world) history(id hub.AccountID, query hub.BalanceQuery) string {
	w.Helper()
	var out []string
	for _, b := range w.balances(id, query) {
		out = append(out, fmt.Sprintf("%s@%d-%d", b.Amount, int(b.CreatedAt.Sub(day).Seconds()), int(b.LastUpdatedAt.Sub(day).Seconds())))
		equal(w, "account", b.Account, id)
	}
	return strings.Join(out, " ")
}

var balances = map[string]func(*world){
	"ABalanceMovesWithItsAmountAndStaysWithout": func(w *world) {
		id := hub.AccountID{Connector: w.connector, Reference: "a"}
		steps := []struct {
			amount  int64
			seconds int
			stored  int
			events  int
			want    string
		}{
			{100, 10, 1, 1, "100@10-10"},
			{100, 10, 0, 0, "100@10-10"},         // nothing new
			{100, 20, 0, 1, "100@10-20"},         // confirmed
			{999, 15, 0, 0, "100@10-20"},         // older than what is known
			{80, 30, 1, 1, "80@30-30 100@10-30"}, // moved; the one before held until then
			{80, 40, 0, 1, "80@30-40 100@10-30"},
			{70, 40, 1, 1, "70@40-40 80@30-40 100@10-30"},          // moved while the instant stood still
			{80, 40, 1, 1, "80@40-40 70@40-40 80@30-40 100@10-30"}, // and back
		}
		events := 0
		for _, step := range steps {
			applied := w.hold(w.balance("a", "EUR/2", step.amount, step.seconds))
			equal(w, step.want+": stored", applied.Stored, step.stored)
			equal(w, "history", w.history(id, hub.BalanceQuery{}), step.want)
			events += step.events
			equal(w, step.want+": events", len(w.events()), events)
		}
		keys := map[string]bool{}
		var shown []string
		for _, e := range w.events() {
			keys[e.Key] = true
			shown = append(shown, fmt.Sprintf("%s@%d", e.Balance.Amount, int(e.Balance.LastUpdatedAt.Sub(day).Seconds())))
		}
		equal(w, "keys", len(keys), events)
		equal(w, "events", strings.Join(shown, " "), "100@10 100@20 80@30 80@40 70@40 80@40")
	},

	"ManyBalancesOfOneHoldingInOneBatchAreTakenInTurn": func(w *world) {
		w.hold(w.balance("a", "EUR/2", 1, 1))
		applied := w.hold(w.balance("a", "EUR/2", 1, 2), w.balance("a", "EUR/2", 2, 3), w.balance("a", "EUR/2", 2, 4),
			w.balance("a", "EUR/2", 3, 5), w.balance("b", "EUR/2", 9, 1), w.balance("a", "USD/2", 7, 1))
		equal(w, "stored", applied.Stored, 4)
		id := hub.AccountID{Connector: w.connector, Reference: "a"}
		equal(w, "history", w.history(id, hub.BalanceQuery{Asset: "EUR/2"}), "3@5-5 2@3-5 1@1-3")
		equal(w, "events", len(w.events()), 1+6)
	},

	"BalancesAreNarrowedByAssetAndTime": func(w *world) {
		id := hub.AccountID{Connector: w.connector, Reference: "a"}
		for i := range 5 {
			w.hold(w.balance("a", "EUR/2", int64(i), 10*i), w.balance("a", "JPY", int64(100+i), 10*i))
		}
		equal(w, "asset", w.history(id, hub.BalanceQuery{Asset: "JPY"}), "104@40-40 103@30-40 102@20-30 101@10-20 100@0-10")
		equal(w, "to", w.history(id, hub.BalanceQuery{Asset: "EUR/2", To: at(15)}), "1@10-20 0@0-10")
		equal(w, "from", w.history(id, hub.BalanceQuery{Asset: "EUR/2", From: at(35)}), "4@40-40 3@30-40")
		equal(w, "the newest holds on", w.history(id, hub.BalanceQuery{Asset: "EUR/2", From: at(99)}), "4@40-40")
		equal(w, "both", w.history(id, hub.BalanceQuery{Asset: "EUR/2", From: at(15), To: at(25)}), "2@20-30 1@10-20")
		equal(w, "unknown account", w.history(hub.AccountID{Connector: w.connector, Reference: "nobody"}, hub.BalanceQuery{}), "")
	},

	"ABalanceBelongsToTheConnectorsOwnAccount": func(w *world) {
		b := w.batch(hub.Beneficiaries)
		b.Accounts = []hub.Account{account(hub.External, "same", "beneficiary", 1)}
		w.apply(b)
		b = w.batch(hub.Accounts)
		b.Accounts = []hub.Account{account(hub.Internal, "same", "account", 1)}
		w.apply(b)
		w.hold(w.balance("same", "EUR/2", 5, 1))
		id := hub.AccountID{Connector: w.connector, Reference: "same"}
		equal(w, "of the beneficiary", w.history(id, hub.BalanceQuery{}), "")
		id.Type = hub.Internal
		equal(w, "of the account", w.history(id, hub.BalanceQuery{}), "5@1-1")
		last := w.events()[2]
		equal(w, "account in the event", last.Balance.Account, id)
	},

	"CurrentBalancesComeInOrder": func(w *world) {
		var want []string
		for i := range 600 {
			id := fmt.Sprintf("acc%03d", 599-i)
			want = append([]string{fmt.Sprintf("%s EUR/2 %d", id, i), fmt.Sprintf("%s JPY %d", id, -i)}, want...)
			if i%200 == 0 {
				w.hold(w.balance(id, "JPY", 12345, 1)) // to be replaced below
			}
		}
		var rows []hub.Balance
		for i := range 600 {
			id := fmt.Sprintf("acc%03d", 599-i)
			rows = append(rows, w.balance(id, "JPY", int64(-i), 2), w.balance(id, "EUR/2", int64(i), 2))
		}
		w.hold(rows...)
		var got []string
		w.must(w.store.BalanceRecords(w.ctx, w.connector, func(b store.CurrentBalance) error {
			got = append(got, fmt.Sprintf("%s %s %s", b.Account, b.Asset, b.Amount))
			return nil
		}))
		equal(w, "balances", strings.Join(got, "\n"), strings.Join(want, "\n"))
	},
}
