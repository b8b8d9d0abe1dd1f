package storetest

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/hub"
)

var connectors = map[string]func(*world){
	"AnInstalledConnectorComesBackWithItsStreams": func(w *world) {
		jobs := w.enqueued()
		equal(w, "jobs", len(jobs), 4)
		for i, r := range hub.Resources() {
			equal(w, "job", jobs[i].Stream, w.stream(r))
			equal(w, "due", !jobs[i].DueAt.After(time.Now()), true)
		}
		c, err := w.store.Connector(w.ctx, w.connector)
		w.must(err)
		equal(w, "connector", c, hub.Connector{
			ID: w.connector, Name: "acme", CreatedAt: day, UpdatedAt: day,
			Config: hub.Config{Endpoint: "http://service.test", APIKey: hub.NewSecret("key of acme"), PollingPeriod: time.Minute, Concurrency: 3},
		})
	},

	"ANameIsTakenByItsExactLetters": func(w *world) {
		taken := hub.Connector{ID: hub.NewConnectorID(hub.Provider), Name: "acme"}
		w.refused(w.store.InstallConnector(w.ctx, taken), hub.CodeConflict, `the name "acme" is taken`)
		taken.ID, taken.Name = w.connector, "new"
		w.refused(w.store.InstallConnector(w.ctx, taken), hub.CodeConflict, "there is a connector")
		other := w.install("Acme")
		w.refused(w.store.ConfigureConnector(w.ctx, other, "acme", hub.Config{}, nil), hub.CodeConflict, `the name "acme" is taken`)
		w.must(w.store.ConfigureConnector(w.ctx, other, "Acme", hub.Config{}, nil))
	},

	"AConfigurationIsReplacedWhole": func(w *world) {
		id := w.stream(hub.Accounts)
		w.must(w.store.CompletePoll(w.ctx, id, 1, at(1), true, time.Now().Add(time.Hour)))
		w.must(w.store.FailPoll(w.ctx, w.stream(hub.Transactions), 1, at(1), hub.Errorf(hub.CodeKeyRefused, "no"), time.Now().Add(time.Hour)))
		w.must(w.store.Pause(w.ctx, w.stream(hub.Balances), at(1)))
		w.enqueued()
		config := hub.Config{Endpoint: "http://new.test", APIKey: hub.NewSecret("new"), PollingPeriod: time.Second, RequestsPerSecond: 2.5}
		w.must(w.store.ConfigureConnector(w.ctx, w.connector, "renamed", config, nil))
		c, err := w.store.Connector(w.ctx, w.connector)
		w.must(err)
		equal(w, "name", c.Name, "renamed")
		equal(w, "config", c.Config, config)
		equal(w, "created", c.CreatedAt, day)
		equal(w, "updated", c.UpdatedAt.After(day), true)
		for _, r := range hub.Resources() {
			s := w.state(r)
			equal(w, "period", s.Period, time.Second)
			equal(w, "due soon", s.NextDueAt.Before(time.Now().Add(2*time.Second)), true)
		}
		equal(w, "a failing stream is due at once", !w.state(hub.Transactions).NextDueAt.After(time.Now()), true)
		equal(w, "a stream at rest stays there", w.state(hub.Balances).PausedAt, at(1))
		equal(w, "jobs", len(w.enqueued()), 2)
	},

	"ALookIsKeptWithItsConnectorAndOnTheStreamsItConcerns": func(w *world) {
		look := &hub.Look{State: hub.LookSound, Sentence: "sound", At: day, Findings: []hub.LookFinding{
			{Check: "A1", Text: "whole"}, {Check: "C4", Resource: hub.Transactions, Text: "short \"pages\""},
		}}
		id, config := hub.NewConnectorID(hub.Provider), hub.Config{Endpoint: "http://a.test", PollingPeriod: time.Minute}
		w.must(w.store.InstallConnector(w.ctx, hub.Connector{ID: id, Name: "looked at", Config: config, Look: look}))
		w.connector = id
		seen := func(what string, want *hub.Look, codes ...hub.FindingCode) {
			w.Helper()
			c, err := w.store.Connector(w.ctx, id)
			w.must(err)
			equal(w, what, reflect.DeepEqual(c.Look, want), true)
			var found []hub.FindingCode
			for _, f := range w.state(hub.Transactions).Findings {
				found = append(found, f.Code)
			}
			equal(w, what, fmt.Sprint(found), fmt.Sprint(codes))
			equal(w, what, len(w.state(hub.Accounts).Findings), 0)
		}
		seen("after the installation", look, "LOOK_C4")
		b := w.batch(hub.Transactions)
		b.Findings = []hub.Finding{{Code: hub.FindingPageCapped, Text: "pages are cut", SeenAt: day}}
		w.apply(b)
		seen("after a reading", look, "LOOK_C4", hub.FindingPageCapped)
		w.must(w.store.ConfigureConnector(w.ctx, id, "renamed", config, nil))
		seen("with nothing looked at", look, "LOOK_C4", hub.FindingPageCapped)
		again := &hub.Look{State: hub.LookUnreached, Sentence: "away", At: day, Findings: []hub.LookFinding{
			{Check: "D1", Resource: hub.Transactions, Text: "out of order"},
		}}
		w.must(w.store.ConfigureConnector(w.ctx, id, "renamed", config, again))
		seen("after another look", again, hub.FindingPageCapped, "LOOK_D1")
		config.Endpoint = "http://b.test"
		w.must(w.store.ConfigureConnector(w.ctx, id, "renamed", config, nil))
		seen("at another endpoint that nobody looked at", nil, hub.FindingPageCapped)
		page, err := w.store.Connectors(w.ctx, hub.ListQuery{})
		w.must(err)
		equal(w, "connectors", len(page.Items), 2)
	},

	"AnUnknownConnectorIsASentence": func(w *world) {
		id := hub.NewConnectorID(hub.Provider)
		stream := hub.StreamID{Connector: id, Resource: hub.Accounts}
		_, errConnector := w.store.Connector(w.ctx, id)
		_, errStream := w.store.Stream(w.ctx, stream)
		_, errStreams := w.store.Streams(w.ctx, id)
		_, errAccount := w.store.Account(w.ctx, hub.AccountID{Connector: id, Reference: "a"})
		_, errPayment := w.store.Payment(w.ctx, hub.PaymentID{Connector: id, Reference: "a"})
		_, errReferences := w.store.AccountReferences(w.ctx, id, "", 1)
		_, errRejections := w.store.Rejections(w.ctx, stream, hub.ListQuery{}, true)
		_, errApply := w.store.Apply(w.ctx, hub.Batch{Stream: stream})
		for what, err := range map[string]error{
			"Connector": errConnector, "Stream": errStream, "Streams": errStreams, "Account": errAccount, "Payment": errPayment,
			"AccountReferences": errReferences, "Rejections": errRejections, "Apply": errApply,
			"Configure": w.store.ConfigureConnector(w.ctx, id, "x", hub.Config{}, nil),
			"Uninstall": w.store.UninstallConnector(w.ctx, id),
			"PollNow":   w.store.PollNow(w.ctx, stream),
			"Pause":     w.store.Pause(w.ctx, stream, day),
			"Resume":    w.store.Resume(w.ctx, stream, day),
			"Rewind":    w.store.Rewind(w.ctx, stream, day),
			"Complete":  w.store.CompletePoll(w.ctx, stream, 1, day, true, day),
			"Fail":      w.store.FailPoll(w.ctx, stream, 1, day, nil, day),
			"Records":   w.store.Records(w.ctx, stream, nil),
			"Balances":  w.store.BalanceRecords(w.ctx, id, nil),
		} {
			if hub.CodeOf(err) != hub.CodeNotFound || !strings.Contains(err.Error(), "there is no connector "+id.Reference) {
				w.Errorf("%s: %v", what, err)
			}
		}
	},

	"UninstallingLeavesNothingAndDoesNotTouchNeighbours": func(w *world) {
		neighbour := w.install("neighbour")
		leaving := w.connector
		for _, id := range []hub.ConnectorID{neighbour, leaving, neighbour, leaving} {
			w.connector = id
			w.fill(600)
		}
		sequence, err := w.store.LastSequence(w.ctx)
		w.must(err)
		before := w.dump(neighbour)
		w.must(w.store.UninstallConnector(w.ctx, leaving))
		if after := w.dump(neighbour); after != before {
			w.Error("the neighbour has changed")
		}
		_, err = w.store.Connector(w.ctx, leaving)
		w.refused(err, hub.CodeNotFound, "no connector")
		w.refused(w.store.UninstallConnector(w.ctx, leaving), hub.CodeNotFound, "no connector")
		equal(w, "what is left in the lists", w.mentions(leaving), 0)
		last, err := w.store.LastSequence(w.ctx)
		w.must(err)
		equal(w, "last sequence", last, sequence)

		w.connector = w.install("acme") // the name is free again
		w.show(transaction("after", hub.Pending, 1, 1))
		events := w.events()
		equal(w, "sequence of the next event", events[len(events)-1].Sequence, sequence+1)
	},

	"AnUninstallThatWasCutShortVanishesAtOnceAndIsFinishedLater": func(w *world) {
		w.fill(1200)
		w.show(transaction("whole", hub.Pending, 1, 1))
		leaving := w.connector
		whole := w.payment("whole", hub.PayIn).ID
		neighbour := w.install("neighbour")
		err := w.store.UninstallConnector(&fuse{Context: w.ctx, left: 14}, leaving)
		if err == nil {
			w.Fatal("the uninstall was not cut short; give it less time")
		}
		equal(w, "what is left in the lists", w.mentions(leaving), 0)
		_, err = w.store.Stream(w.ctx, hub.StreamID{Connector: leaving, Resource: hub.Accounts})
		w.refused(err, hub.CodeNotFound, "no connector")
		_, err = w.store.Payment(w.ctx, whole)
		w.refused(err, hub.CodeNotFound, "no connector")
		w.install("acme")
		w.must(w.store.FinishUninstalls(w.ctx))
		w.must(w.store.FinishUninstalls(w.ctx))
		w.refused(w.store.UninstallConnector(w.ctx, leaving), hub.CodeNotFound, "no connector")
		_, err = w.store.Connector(w.ctx, neighbour)
		w.must(err)
	},
}

// fill gives the connector some of everything.
func (w *world) fill(n int) {
	w.Helper()
	var rows []hub.PaymentAdjustment
	for i := range n {
		rows = append(rows, transaction(fmt.Sprint("p", i), hub.Pending, 1, i), transaction(fmt.Sprint("c", i), hub.Capture, 1, i, of(fmt.Sprint("p", i))))
	}
	w.reject(1, []hub.Rejection{rejection("bad", "bad", 1), rejection("", "worse", 1)}, rows...)
	b := w.batch(hub.Accounts)
	var held []hub.Balance
	for i := range n / 10 {
		b.Accounts = append(b.Accounts, account(hub.Internal, fmt.Sprint("a", i), "one", i), account(hub.Internal, fmt.Sprint("a", i), "two", i))
		held = append(held, w.balance(fmt.Sprint("a", i), "EUR/2", 1, 1), w.balance(fmt.Sprint("a", i), "EUR/2", 2, 2))
	}
	w.apply(b)
	w.hold(held...)
}

// mentions counts what the lists show of a connector.
func (w *world) mentions(id hub.ConnectorID) int {
	w.Helper()
	n := 0
	count := func(of hub.ConnectorID) {
		if of == id {
			n++
		}
	}
	for _, c := range w.connectors() {
		count(c.ID)
	}
	for _, a := range w.accounts() {
		count(a.ID.Connector)
	}
	for _, p := range w.payments() {
		count(p.ID.Connector)
	}
	for _, e := range w.eventsAfter(0, 1000) {
		count(e.Connector)
	}
	list, err := w.store.Streams(w.ctx, hub.ConnectorID{})
	w.must(err)
	for _, s := range list {
		count(s.ID.Connector)
	}
	return n
}
