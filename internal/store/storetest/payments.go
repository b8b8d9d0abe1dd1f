package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/hub"
)

var payments = map[string]func(*world){
	"ApplyingTwiceStoresOnce": func(w *world) {
		rows := []hub.PaymentAdjustment{transaction("a", hub.Pending, 100, 1), transaction("b", hub.Succeeded, 200, 2)}
		equal(w, "stored at first", w.show(rows...).Stored, 2)
		equal(w, "stored again", w.show(rows...).Stored, 0)
		equal(w, "payments", len(w.payments()), 2)
		equal(w, "events", len(w.events()), 2)
		equal(w, "versions of the stream", w.state(hub.Transactions).Versions, 2)
		equal(w, "requests of the stream", w.state(hub.Transactions).Requests, 2)
	},

	"AStaleCursorWritesNothing": func(w *world) {
		stale := w.batch(hub.Transactions)
		stale.Adjustments = []hub.PaymentAdjustment{transaction("stale", hub.Pending, 1, 1)}
		w.show(transaction("a", hub.Pending, 100, 1))
		before := w.dump(w.connector)
		_, err := w.store.Apply(w.ctx, stale)
		w.refused(err, hub.CodeStale, "read by somebody else")
		if after := w.dump(w.connector); after != before {
			w.Errorf("something was written:\n%s\nbefore:\n%s", after, before)
		}
	},

	"TheCursorIsStoredWithTheRows": func(w *world) {
		b := w.batch(hub.Transactions)
		b.Adjustments = []hub.PaymentAdjustment{transaction("a", hub.Pending, 100, 1)}
		b.Next.Watermark = at(1)
		b.Next.Near = hub.Reread{StartedAt: at(2), Position: at(3), Until: at(4)}
		b.Next.Manners.PageSize = 50
		applied := w.apply(b)
		stored := w.state(hub.Transactions).Cursor
		equal(w, "the cursor", stored, applied.Cursor)
		b.Next.Version = b.Read.Version + 1
		equal(w, "the cursor that was given", stored, b.Next)
	},

	"AStatusMayReturn": func(w *world) {
		for i, status := range []hub.PaymentStatus{hub.Pending, hub.Failed, hub.Pending} {
			equal(w, fmt.Sprintf("stored at step %d", i), w.show(transaction("a", status, 100, i)).Stored, 1)
		}
		p := w.payment("a", hub.PayIn)
		equal(w, "status", p.Status, hub.Pending)
		equal(w, "adjustments", len(p.Adjustments), 3)
		equal(w, "version of the second PENDING", p.Adjustments[0].Version, 2)
	},

	"AnOlderVersionIsKeptOnceAndDoesNotOverwrite": func(w *world) {
		w.show(transaction("a", hub.Succeeded, 100, 20))
		older := transaction("a", hub.Pending, 90, 10)
		equal(w, "stored at first", w.show(older).Stored, 1)
		equal(w, "stored again", w.show(older).Stored, 0)
		equal(w, "stored with the newest", w.show(older, transaction("a", hub.Succeeded, 100, 20)).Stored, 0)
		p := w.payment("a", hub.PayIn)
		equal(w, "status", p.Status, hub.Succeeded)
		equal(w, "adjustments", len(p.Adjustments), 2)
		equal(w, "the newest adjustment", p.Adjustments[0].Status, hub.Succeeded)
	},

	"HowARecordIsWrittenMakesNoVersion": func(w *world) {
		first := transaction("a", hub.Pending, 100, 1)
		first.Raw = []byte(`{"id":"a","updatedAt":"2024-11-23T10:00:01Z","amount":"100"}`)
		again := first
		again.Raw = []byte(`{ "amount": "0100", "id": "a", "updatedAt": "2024-11-23T11:00:01+01:00" }`)
		w.show(first)
		equal(w, "stored", w.show(again).Stored, 0)
		equal(w, "raw", string(w.payment("a", hub.PayIn).Adjustments[0].Raw), string(first.Raw))
	},

	"AChangeUnderOneStampIsStoredAndReported": func(w *world) {
		w.show(transaction("a", hub.Pending, 100, 1))
		applied := w.show(transaction("a", hub.Pending, 120, 1))
		equal(w, "stored", applied.Stored, 1)
		equal(w, "amount", w.payment("a", hub.PayIn).Amount.String(), "120")
		w.found(hub.Transactions, hub.FindingStampReused, `first "a"`)
	},

	"TwoVersionsInOneBatchAreTwo": func(w *world) {
		applied := w.show(transaction("a", hub.Succeeded, 100, 2), transaction("a", hub.Pending, 100, 1), transaction("a", hub.Succeeded, 100, 2))
		equal(w, "stored", applied.Stored, 2)
		p := w.payment("a", hub.PayIn)
		equal(w, "status", p.Status, hub.Succeeded)
		equal(w, "adjustments", len(p.Adjustments), 2)
	},

	"ParentsAndChildrenMayComeInAnyOrder": func(w *world) {
		parent := transaction("p", hub.Succeeded, 100, 1)
		refund := transaction("r", hub.Refunded, 30, 2, of("p"), created(2), typed(hub.Payout))
		capture := transaction("c", hub.Capture, 5, 3, of("p"), created(3))
		rows := []hub.PaymentAdjustment{parent, refund, capture}
		for i, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
			for _, together := range []bool{true, false} {
				name := fmt.Sprintf("%d %v", i, together)
				w.connector = w.install(name)
				var batch []hub.PaymentAdjustment
				for _, n := range order {
					if batch = append(batch, rows[n]); !together {
						w.show(rows[n])
					}
				}
				if together {
					w.show(batch...)
				}
				p := w.payment("p", hub.PayIn)
				equal(w, name+": initial amount", p.InitialAmount.String(), "100")
				equal(w, name+": amount", p.Amount.String(), "75")
				equal(w, name+": type", p.Type, hub.PayIn)
				equal(w, name+": adjustments", len(p.Adjustments), 3)
			}
		}
	},

	"AChildBeforeItsParentStandsInForIt": func(w *world) {
		w.show(transaction("r", hub.Refunded, 30, 2, of("p"), typed(hub.Payout)))
		early := w.payment("p", hub.Payout)
		equal(w, "type", early.Type, hub.Payout)
		w.show(transaction("p", hub.Succeeded, 100, 1))
		p := w.payment("p", hub.Payout)
		equal(w, "identifier", p.ID, early.ID)
		equal(w, "type", p.Type, hub.PayIn)
		equal(w, "found by the present type", w.payment("p", hub.PayIn).ID, early.ID)
		equal(w, "amount", p.Amount.String(), "70")
		equal(w, "payments", len(w.payments()), 1)
	},

	"AChangedTypeMakesNoSecondPayment": func(w *world) {
		w.show(transaction("a", hub.Pending, 100, 1, typed(hub.OtherPayment)))
		w.show(transaction("a", hub.Succeeded, 100, 2, typed(hub.Transfer)))
		equal(w, "payments", len(w.payments()), 1)
		p := w.payment("a", hub.OtherPayment)
		equal(w, "type in the identifier", p.ID.Type, hub.OtherPayment)
		equal(w, "type", p.Type, hub.Transfer)
		_, err := w.store.Payment(w.ctx, hub.PaymentID{Connector: w.connector, Reference: "a", Type: hub.Payout})
		w.refused(err, hub.CodeNotFound, `no payment "a" of type PAYOUT`)
	},

	"ARecordStaysWithItsFirstParent": func(w *world) {
		w.show(transaction("p", hub.Succeeded, 100, 1), transaction("q", hub.Succeeded, 100, 1), transaction("r", hub.Refunded, 30, 2, of("p")))
		w.show(transaction("r", hub.Refunded, 40, 3, of("q")))
		equal(w, "amount of the first parent", w.payment("p", hub.PayIn).Amount.String(), "60")
		equal(w, "amount of the second", w.payment("q", hub.PayIn).Amount.String(), "100")
		w.found(hub.Transactions, hub.FindingParentChanged, `first "r"`)

		w.show(transaction("r", hub.Refunded, 50, 4))
		equal(w, "amount once it names nobody", w.payment("p", hub.PayIn).Amount.String(), "50")
		w.show(transaction("q", hub.Succeeded, 110, 5, of("p")))
		equal(w, "amount of a parent that became a child", w.payment("q", hub.PayIn).Amount.String(), "110")
		equal(w, "payments", len(w.payments()), 2)
	},

	"RawIsByteExact": func(w *world) {
		raws := [][]byte{
			[]byte("{ \"id\" :\t\"a\",\r\n\"x\":\"\\u0000\" }"),
			[]byte("{\"id\":\"b\",\"nul\":\"\x00\x01\"}"),
			[]byte(`{"id":"c","amount":"123456789012345678901234567890","big":123456789012345678901234567890.10}`),
			[]byte("{\"id\":\"d\",\"x\":\"\xff\xfe\"}"),
			[]byte("{}"),
		}
		var rows []hub.PaymentAdjustment
		for i, raw := range raws {
			rows = append(rows, transaction(string(rune('a'+i)), hub.Pending, 1, i, func(a *hub.PaymentAdjustment) { a.Raw = raw }))
		}
		w.show(rows...)
		equal(w, "stored again", w.show(rows...).Stored, 0)
		for i, raw := range raws {
			got := w.payment(string(rune('a'+i)), hub.PayIn).Adjustments[0].Raw
			equal(w, fmt.Sprintf("raw %d", i), string(got), string(raw))
			equal(w, fmt.Sprintf("raw %d in the event", i), string(w.events()[i].Payment.Adjustments[0].Raw), string(raw))
		}
	},

	"EveryFieldComesBack": func(w *world) {
		digits := strings.Repeat("9", 40)
		amount, err := hub.ParseAmount("-" + digits)
		w.must(err)
		a := transaction("NUL\x00 ' \" \\ % ü \u2028 日本", hub.DisputeWon, 0, 0, of("parent \x00"), typed(hub.Payout))
		a.Amount, a.Scheme, a.Asset = amount, "SEPA_DEBIT", "COIN"
		a.CreatedAt = time.Date(1, 2, 3, 4, 5, 6, 7, time.FixedZone("", 3600))
		a.UpdatedAt = time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC)
		a.SourceAccount, a.DestinationAccount = "from \x00", "to"
		a.Metadata = map[string]string{"": "", "k\x00": "v\"\\", "日": "本\u2028"}
		w.show(a)
		p := w.payment("parent \x00", hub.Payout)
		got := p.Adjustments[0]
		equal(w, "reference", got.Reference, a.Reference)
		equal(w, "payment reference", got.PaymentReference, a.PaymentReference)
		equal(w, "type", got.Type, a.Type)
		equal(w, "status", got.Status, a.Status)
		equal(w, "scheme", got.Scheme, a.Scheme)
		equal(w, "asset", got.Asset, a.Asset)
		equal(w, "amount", got.Amount.String(), "-"+digits)
		equal(w, "created", got.CreatedAt, a.CreatedAt.UTC())
		equal(w, "updated", got.UpdatedAt, a.UpdatedAt)
		equal(w, "source", got.SourceAccount, a.SourceAccount)
		equal(w, "destination", got.DestinationAccount, a.DestinationAccount)
		equal(w, "metadata", fmt.Sprintf("%q", got.Metadata), fmt.Sprintf("%q", a.Metadata))
		equal(w, "seen", got.SeenAt, at(1000))
		equal(w, "initial amount of the payment", p.InitialAmount.String(), "-"+digits)
		equal(w, "source of the payment", p.SourceAccount, a.SourceAccount)
		equal(w, "metadata of the payment", fmt.Sprintf("%q", p.Metadata), fmt.Sprintf("%q", a.Metadata))
	},

	"AbsentMetadataAndEmptyMetadataAreTwoThings": func(w *world) {
		w.show(transaction("absent", hub.Pending, 1, 1), transaction("empty", hub.Pending, 1, 1, func(a *hub.PaymentAdjustment) { a.Metadata = map[string]string{} }))
		equal(w, "absent", w.payment("absent", hub.PayIn).Metadata == nil, true)
		equal(w, "empty", w.payment("empty", hub.PayIn).Metadata == nil, false)
	},

	"TheNewestStateComesFirst": func(w *world) {
		w.show(transaction("a", hub.Succeeded, 100, 30), transaction("a", hub.Pending, 100, 10))
		w.show(transaction("r", hub.Refunded, 1, 20, of("a")), transaction("a", hub.Dispute, 100, 30))
		var statuses []string
		for _, a := range w.payment("a", hub.PayIn).Adjustments {
			statuses = append(statuses, string(a.Status))
		}
		equal(w, "order", strings.Join(statuses, " "), "DISPUTE SUCCEEDED REFUNDED PENDING")
	},

	"EventsHaveNoGapAndOneKeyForEachChange": func(w *world) {
		w.show(transaction("a", hub.Pending, 100, 1), transaction("b", hub.Capture, 40, 2, of("a")), transaction("c", hub.Capture, 60, 2, of("a")))
		w.show(transaction("a", hub.Pending, 100, 1), transaction("a", hub.Succeeded, 100, 3))
		w.show(transaction("a", hub.Pending, 100, 4))
		b := w.batch(hub.Accounts)
		b.Accounts = []hub.Account{account(hub.Internal, "a", "one", 1), account(hub.Internal, "a", "two", 1)}
		w.apply(b)
		b = w.batch(hub.Balances)
		b.Balances = []hub.Balance{w.balance("a", "EUR/2", 1, 1), w.balance("a", "EUR/2", 2, 1), w.balance("a", "EUR/2", 1, 1), w.balance("a", "EUR/2", 1, 2)}
		w.apply(b)

		events := w.events()
		equal(w, "events", len(events), 5+2+4)
		keys := map[string]bool{}
		for i, e := range events {
			equal(w, "sequence", e.Sequence, int64(i+1))
			equal(w, "connector", e.Connector, w.connector)
			equal(w, "instant", e.At, at(1000))
			keys[e.Key] = true
		}
		equal(w, "keys", len(keys), len(events))
		last, err := w.store.LastSequence(w.ctx)
		w.must(err)
		equal(w, "last sequence", last, 11)
		count, err := w.store.EventCount(w.ctx)
		w.must(err)
		equal(w, "count", count, 11)
	},

	"AnEventShowsThePaymentAsItWasThen": func(w *world) {
		w.show(transaction("a", hub.Authorisation, 100, 1))
		w.show(transaction("c1", hub.Capture, 60, 2, of("a")), transaction("c2", hub.Capture, 40, 3, of("a")))
		var amounts []string
		for _, e := range w.events() {
			amounts = append(amounts, e.Payment.InitialAmount.String()+"/"+e.Payment.Amount.String()+"/"+string(e.Payment.Status))
			last := e.Payment.Adjustments[len(e.Payment.Adjustments)-1]
			equal(w, "key", e.Key, last.EventKey(e.Payment.ID))
		}
		equal(w, "amounts", strings.Join(amounts, " "), "100/0/AUTHORISATION 100/60/CAPTURE 100/100/CAPTURE")
	},

	"RowsBehindTheWatermarkAreLate": func(w *world) {
		b := w.batch(hub.Transactions)
		b.Next.Watermark = at(100)
		b.Adjustments = []hub.PaymentAdjustment{transaction("early", hub.Pending, 1, 50)} // no watermark yet: not late
		applied := w.apply(b)
		equal(w, "late before there was a watermark", applied.Late, 0)

		applied = w.show(
			transaction("early", hub.Pending, 1, 50),   // known
			transaction("early", hub.Pending, 1, 40),   // an older version
			transaction("early", hub.Succeeded, 1, 70), // 30 s late
			transaction("other", hub.Succeeded, 1, 90), // 10 s late
			transaction("there", hub.Succeeded, 1, 100),
		)
		equal(w, "stored", applied.Stored, 4)
		equal(w, "late", applied.Late, 2)
		equal(w, "most late", applied.LateMax, 30*time.Second)
		s := w.state(hub.Transactions)
		equal(w, "late rows of the stream", s.LateRows, 2)
		equal(w, "most late of the stream", s.LateMax, 30*time.Second)
		w.found(hub.Transactions, hub.FindingLateRows, "2 so far, at most 30s behind")
	},

	"FindingsAreMergedAndTakenBack": func(w *world) {
		b := w.batch(hub.Transactions)
		b.Findings = []hub.Finding{{Code: hub.FindingPageCapped, Text: "pages hold 50", SeenAt: at(1)}, {Code: hub.FindingPageRepeated, Text: "twice", Incomplete: true}}
		w.apply(b)
		b = w.batch(hub.Transactions)
		b.Findings = []hub.Finding{hub.FindingPageRepeated.Withdraw(), {Code: hub.FindingPageCapped, Text: "pages hold 40", SeenAt: at(2)}}
		w.apply(b)
		findings := w.state(hub.Transactions).Findings
		equal(w, "findings", len(findings), 1)
		equal(w, "finding", findings[0], hub.Finding{Code: hub.FindingPageCapped, Text: "pages hold 40", SeenAt: at(2)})
	},

	"APaymentOfAnotherConnectorIsAnother": func(w *world) {
		w.show(transaction("a", hub.Pending, 100, 1))
		first := w.connector
		w.connector = w.install("other")
		equal(w, "stored", w.show(transaction("a", hub.Pending, 100, 1)).Stored, 1)
		list := w.payments()
		equal(w, "payments", len(list), 2)
		equal(w, "connectors", list[0].ID.Connector == w.connector && list[1].ID.Connector == first, true)
	},

	"RecordsAreReadInTheOrderOfTheirIdentifiers": func(w *world) {
		var rows []hub.PaymentAdjustment
		var want []string
		for i := range 1200 {
			id := fmt.Sprintf("%04d", i*7919%1200)
			a := transaction(id, hub.Pending, int64(i), 1)
			if i%3 == 0 {
				a = transaction(id, hub.Capture, int64(i), 1, of("parent"+id[:2]))
			}
			rows = append(rows, a)
			want = append(want, id+" "+string(a.Raw))
		}
		w.show(rows...)
		newest := transaction("0001", hub.Failed, 1, 5)
		w.show(newest, transaction("0001", hub.Pending, 7, 2))
		slices.Sort(want)
		want[1] = "0001 " + string(newest.Raw)
		var got []string
		w.must(w.store.Records(w.ctx, w.stream(hub.Transactions), func(id string, raw []byte) error {
			got = append(got, id+" "+string(raw))
			return nil
		}))
		equal(w, "records", strings.Join(got, "\n"), strings.Join(want, "\n"))
	},

	"ABatchOfManyRowsOfOnePaymentIsStored": func(w *world) {
		rows := []hub.PaymentAdjustment{transaction("p", hub.Authorisation, 1000, 0)}
		for i := range 700 {
			rows = append(rows, transaction(fmt.Sprintf("c%d", i), hub.Capture, 1, i+1, of("p")))
		}
		w.show(rows...)
		equal(w, "stored again", w.show(rows...).Stored, 0)
		equal(w, "amount", w.payment("p", hub.PayIn).Amount.String(), "700")
	},
}

// found asserts that a stream has a finding whose text holds the words.
func (w *world) found(resource hub.Resource, code hub.FindingCode, words string) {
	w.Helper()
	for _, f := range w.state(resource).Findings {
		if f.Code == code {
			if !strings.Contains(f.Text, words) || f.SeenAt != at(1000) {
				w.Errorf("finding %s: %q at %s, want %q", code, f.Text, f.SeenAt, words)
			}
			return
		}
	}
	w.Errorf("no finding %s: %v", code, w.state(resource).Findings)
}
