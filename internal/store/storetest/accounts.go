package storetest

import (
	"strings"
	"time"

	"github.com/weirhq/weir/internal/hub"
)

var accounts = map[string]func(*world){
	"AnAccountIsStoredOnceAndItsVersionsOnceEach": func(w *world) {
		show := func(want int, rows ...hub.Account) {
			w.Helper()
			b := w.batch(hub.Accounts)
			b.Accounts = rows
			equal(w, "stored", w.apply(b).Stored, want)
		}
		show(2, account(hub.Internal, "a", "one", 1), account(hub.Internal, "b", "other", 2))
		show(0, account(hub.Internal, "a", "one", 1))
		show(1, account(hub.Internal, "a", "two", 1))
		show(1, account(hub.Internal, "a", "one", 1))
		show(2, account(hub.Internal, "a", "three", 1), account(hub.Internal, "a", "four", 1), account(hub.Internal, "a", "four", 1))
		a, err := w.store.Account(w.ctx, hub.AccountID{Connector: w.connector, Reference: "a"})
		w.must(err)
		equal(w, "name", a.Name, "four")
		equal(w, "version", a.Version, 5)
		equal(w, "metadata", a.Metadata["k"], "four")
		equal(w, "raw", strings.Contains(string(a.Raw), `"four"`), true)
		equal(w, "created", a.CreatedAt, at(1))
		equal(w, "seen", a.SeenAt, at(1000))
		var names []string
		for _, e := range w.events() {
			names = append(names, e.Account.Name)
			equal(w, "key", e.Key, e.Account.EventKey())
		}
		equal(w, "events", strings.Join(names, " "), "one other two one three four")
	},

	"AnAccountAndABeneficiaryWithOneIdAreTwo": func(w *world) {
		b := w.batch(hub.Beneficiaries)
		b.Accounts = []hub.Account{account(hub.External, "same", "beneficiary", 1)}
		w.apply(b)
		b = w.batch(hub.Accounts)
		b.Accounts = []hub.Account{account(hub.Internal, "same", "account", 2), account(hub.Internal, "alone", "alone", 3)}
		w.apply(b)
		plain := hub.AccountID{Connector: w.connector, Reference: "same"}
		first, err := w.store.Account(w.ctx, plain)
		w.must(err)
		equal(w, "the first keeps the plain identifier", first.Type, hub.External)
		plain.Type = hub.Internal
		second, err := w.store.Account(w.ctx, plain)
		w.must(err)
		equal(w, "the second names its type", second.Type, hub.Internal)
		equal(w, "its identifier", second.ID, plain)
		alone, err := w.store.Account(w.ctx, hub.AccountID{Connector: w.connector, Reference: "alone"})
		w.must(err)
		equal(w, "one without a double", alone.ID.Type, "")
		plain.Type = hub.External
		_, err = w.store.Account(w.ctx, plain)
		w.refused(err, hub.CodeNotFound, `no account "same"`)
		keys := map[string]bool{}
		for _, e := range w.events() {
			keys[e.Key] = true
		}
		equal(w, "keys of events", len(keys), 3)

		b = w.batch(hub.Accounts)
		b.Accounts = []hub.Account{account(hub.Internal, "same", "renamed", 2)}
		w.apply(b)
		plain.Type = hub.Internal
		second, err = w.store.Account(w.ctx, plain)
		w.must(err)
		equal(w, "the identifier after a change", second.ID, plain)
		equal(w, "the name after a change", second.Name, "renamed")
	},

	"TheReferencesOfOwnAccountsComeInOrder": func(w *world) {
		b := w.batch(hub.Accounts)
		for _, id := range []string{"b", "d", "a", "ä", "c", "A"} {
			b.Accounts = append(b.Accounts, account(hub.Internal, id, id, 1))
		}
		w.apply(b)
		b = w.batch(hub.Beneficiaries)
		b.Accounts = []hub.Account{account(hub.External, "bb", "bb", 1), account(hub.External, "a", "a", 1)}
		w.apply(b)
		var got []string
		after := ""
		for {
			some, err := w.store.AccountReferences(w.ctx, w.connector, after, 2)
			w.must(err)
			if len(some) == 0 {
				break
			}
			got = append(got, some...)
			after = some[len(some)-1]
		}
		equal(w, "references", strings.Join(got, " "), "A a b c d ä")
	},

	"OnlyAnAccountThatIsNewCanBeLate": func(w *world) {
		b := w.batch(hub.Accounts)
		b.Next.Watermark = at(100)
		b.Accounts = []hub.Account{account(hub.Internal, "a", "one", 1)}
		w.apply(b)
		b = w.batch(hub.Accounts)
		b.Accounts = []hub.Account{account(hub.Internal, "a", "renamed", 1), account(hub.Internal, "b", "late", 95)}
		applied := w.apply(b)
		equal(w, "stored", applied.Stored, 2)
		equal(w, "late", applied.Late, 1)
		equal(w, "most late", applied.LateMax, 5*time.Second)
	},

	"RecordsOfAccountsAndBeneficiariesAreApart": func(w *world) {
		b := w.batch(hub.Accounts)
		b.Accounts = []hub.Account{account(hub.Internal, "b", "b", 1), account(hub.Internal, "a", "a", 1), account(hub.Internal, "a", "a2", 1)}
		w.apply(b)
		b = w.batch(hub.Beneficiaries)
		b.Accounts = []hub.Account{account(hub.External, "a", "beneficiary", 1)}
		w.apply(b)
		for resource, want := range map[hub.Resource]string{hub.Accounts: "a:a2 b:b", hub.Beneficiaries: "a:beneficiary"} {
			var got []string
			w.must(w.store.Records(w.ctx, w.stream(resource), func(id string, raw []byte) error {
				_, name, _ := strings.Cut(string(raw), `"accountName":"`)
				got = append(got, id+":"+strings.TrimSuffix(name, `"}`))
				return nil
			}))
			equal(w, string(resource), strings.Join(got, " "), want)
		}
	},
}
