package storetest

import (
	"fmt"
	"strings"

	"github.com/weirhq/weir/internal/hub"
)

func rejection(reference, raw string, seconds int) hub.Rejection {
	r := hub.Rejection{Reference: reference, Reason: "amount must be digits", Raw: []byte(raw)}
	if seconds >= 0 {
		r.StampedAt = at(seconds)
	}
	return r
}

// reject applies rejections, seen at an instant, beside readable rows.
func (w *world) reject(seen int, rejected []hub.Rejection, readable ...hub.PaymentAdjustment) hub.Applied {
	w.Helper()
	b := w.batch(hub.Transactions)
	b.SeenAt, b.Rejected, b.Adjustments = at(seen), rejected, readable
	return w.apply(b)
}

// quarantine lists the rejections of transactions as reference:raw.
func (w *world) quarantine(open bool) string {
	w.Helper()
	var out []string
	for _, r := range all(w, func(q hub.ListQuery) (hub.Page[hub.Rejection], error) {
		return w.store.Rejections(w.ctx, w.stream(hub.Transactions), q, open)
	}) {
		out = append(out, r.Reference+":"+string(r.Raw))
	}
	return strings.Join(out, " ")
}

var rejections = map[string]func(*world){
	"ARejectionIsKeptOnce": func(w *world) {
		bad := []hub.Rejection{rejection("a", "bad", 1), rejection("", "worse", -1), rejection("a", "bad", 1)}
		equal(w, "rejected", w.reject(10, bad).Rejected, 2)
		equal(w, "rejected again", w.reject(20, bad).Rejected, 0)
		equal(w, "open", w.state(hub.Transactions).OpenRejections, 2)
		equal(w, "quarantine", w.quarantine(true), ":worse a:bad")
		r, err := w.store.Rejection(w.ctx, 1)
		w.must(err)
		equal(w, "stream", r.Stream, w.stream(hub.Transactions))
		equal(w, "reference", r.Reference, "a")
		equal(w, "stamp", r.StampedAt, at(1))
		equal(w, "reason", r.Reason, "amount must be digits")
		equal(w, "raw", string(r.Raw), "bad")
		equal(w, "first seen", r.FirstSeenAt, at(10))
		equal(w, "last seen", r.LastSeenAt, at(20))
		equal(w, "resolved", r.ResolvedAt.IsZero(), true)
		equal(w, "rejected with other bytes", w.reject(30, []hub.Rejection{rejection("a", "bad 2", 1)}).Rejected, 1)
		equal(w, "open", w.state(hub.Transactions).OpenRejections, 3)
		equal(w, "events", len(w.events()), 0)
		equal(w, "versions", w.state(hub.Transactions).Versions, 0)
	},

	"AReadableVersionResolvesTheRejectionsOfItsRecord": func(w *world) {
		w.reject(10, []hub.Rejection{rejection("a", "bad", 1), rejection("a", "bad 2", 2), rejection("b", "bad", 1)})
		w.reject(20, nil, transaction("a", hub.Pending, 100, 3))
		equal(w, "open", w.quarantine(true), "b:bad")
		equal(w, "all", w.quarantine(false), "b:bad a:bad 2 a:bad")
		equal(w, "open count", w.state(hub.Transactions).OpenRejections, 1)
		r, err := w.store.Rejection(w.ctx, 1)
		w.must(err)
		equal(w, "resolved", r.ResolvedAt, at(20))
		equal(w, "rejected anew", w.reject(30, []hub.Rejection{rejection("a", "bad", 1)}).Rejected, 1)
		equal(w, "open again", w.quarantine(true), "b:bad a:bad")
		equal(w, "open count", w.state(hub.Transactions).OpenRejections, 2)
		w.reject(40, nil, transaction("a", hub.Pending, 100, 3)) // known, and readable all the same
		equal(w, "open after a known version", w.quarantine(true), "b:bad")
	},

	"WithinOneBatchTheLaterStampDecides": func(w *world) {
		w.reject(10, []hub.Rejection{rejection("a", "bad", 5), rejection("b", "bad", 3), rejection("c", "bad", -1)},
			transaction("a", hub.Pending, 1, 4), transaction("b", hub.Pending, 1, 4), transaction("c", hub.Pending, 1, 4))
		equal(w, "open", w.quarantine(true), "a:bad")
		equal(w, "open count", w.state(hub.Transactions).OpenRejections, 1)
	},

	"BytesThatBecomeReadableResolveARejectionWithoutReference": func(w *world) {
		mended := transaction("a", hub.Pending, 1, 4)
		w.reject(10, []hub.Rejection{rejection("", string(mended.Raw), -1), rejection("", "other", -1)})
		w.reject(20, nil, mended)
		equal(w, "open", w.quarantine(true), ":other")
	},

	"AnAccountsRejectionIsResolvedByTheAccount": func(w *world) {
		b := w.batch(hub.Accounts)
		b.Rejected = []hub.Rejection{rejection("a", "bad", 1)}
		w.apply(b)
		w.show(transaction("a", hub.Pending, 1, 1)) // a record of another stream
		equal(w, "open", w.state(hub.Accounts).OpenRejections, 1)
		b = w.batch(hub.Accounts)
		b.Accounts = []hub.Account{account(hub.Internal, "a", "a", 1)}
		w.apply(b)
		equal(w, "open", w.state(hub.Accounts).OpenRejections, 0)
	},

	"ARejectionIsResolvedByHandOnce": func(w *world) {
		w.reject(10, []hub.Rejection{rejection("a", "bad", 1)})
		w.must(w.store.TouchRejection(w.ctx, 1, "currency is missing"))
		r, err := w.store.Rejection(w.ctx, 1)
		w.must(err)
		equal(w, "reason", r.Reason, "currency is missing")
		w.must(w.store.ResolveRejection(w.ctx, 1, at(30)))
		w.must(w.store.ResolveRejection(w.ctx, 1, at(40)))
		r, err = w.store.Rejection(w.ctx, 1)
		w.must(err)
		equal(w, "resolved", r.ResolvedAt, at(30))
		equal(w, "open count", w.state(hub.Transactions).OpenRejections, 0)
		_, err = w.store.Rejection(w.ctx, 99)
		w.refused(err, hub.CodeNotFound, "no rejection 99")
		w.refused(w.store.ResolveRejection(w.ctx, 99, day), hub.CodeNotFound, "no rejection 99")
		w.refused(w.store.TouchRejection(w.ctx, 99, ""), hub.CodeNotFound, "no rejection 99")
	},

	"ManyRejectionsArePagedByTheirOrder": func(w *world) {
		var bad []hub.Rejection
		var want []string
		for i := range 130 {
			bad = append(bad, rejection(fmt.Sprintf("r%03d", i), "bad\x00", i))
			want = append([]string{fmt.Sprintf("r%03d:bad\x00", i)}, want...)
		}
		equal(w, "rejected", w.reject(10, bad).Rejected, 130)
		equal(w, "quarantine", w.quarantine(true), strings.Join(want, " "))
	},
}
