package connector

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/hub"
)

// A reader polls a service at instants of the test's own choice.
type reader struct {
	*service
	kept     *memory
	now      time.Time
	pageSize int
}

func newReader(resource hub.Resource) *reader {
	return &reader{service: &service{resource: resource}, kept: newMemory(resource), now: noon, pageSize: 100}
}

// after lets time pass and polls. It returns the number of requests.
func (r *reader) after(t *testing.T, pass time.Duration) int {
	t.Helper()
	r.now = r.now.Add(pass)
	return readAt(t, r.service, r.kept, r.pageSize, func() time.Time { return r.now })
}

// has reports whether the record that was made last but so many is stored.
func (r *reader) has(before int) bool {
	_, ok := r.kept.records[fmt.Sprintf("t%06d", r.made-1-before)]
	return ok
}

func TestTheFirstReadIsNotReadAgainAtOnce(t *testing.T) {
	r := newReader(hub.Transactions)
	r.add(30, noon.Add(-time.Hour), time.Minute)
	if got := r.after(t, 0); got != 1+1 { // and one for what lies behind the first short page of all
		t.Errorf("%d requests", got)
	}
	cursor := r.kept.stream.Cursor
	if !cursor.Near.StartedAt.Equal(noon) || !cursor.Deep.StartedAt.Equal(noon) || cursor.Near.Active() || cursor.Deep.Active() {
		t.Errorf("%+v", cursor)
	}
}

func TestALateRowIsFoundByTheNearReReadAfterTenMinutes(t *testing.T) {
	r := newReader(hub.Transactions)
	r.add(300, noon.Add(-5*time.Hour), time.Minute)
	r.after(t, 0)
	mark := r.kept.stream.Cursor.Watermark
	r.add(1, mark.Add(-50*time.Minute), 0)
	if r.after(t, 9*time.Minute); r.has(0) {
		t.Error("found after nine minutes")
	}
	r.after(t, time.Minute)
	r.mustBeIn(t, r.kept)
	cursor := r.kept.stream.Cursor
	if !cursor.Watermark.Equal(mark) {
		t.Errorf("the re-read moved the watermark from %s to %s", mark, cursor.Watermark)
	}
	if cursor.Near != (hub.Reread{StartedAt: r.now}) {
		t.Errorf("%+v", cursor.Near)
	}
	if got := r.after(t, 9*time.Minute); got != 1 {
		t.Errorf("%d requests between two re-reads", got)
	}
}

func TestALateRowFromFurtherBackIsFoundByTheDeepReReadAfterADay(t *testing.T) {
	r := newReader(hub.Transactions)
	r.add(300, noon.Add(-10*24*time.Hour), 40*time.Minute)
	r.after(t, 0)
	r.add(1, r.newest().Add(-6*24*time.Hour), 0)
	r.add(1, r.newest().Add(-8*24*time.Hour), 0)
	if r.after(t, 23*time.Hour); r.has(1) {
		t.Error("found before a day was over")
	}
	if r.after(t, time.Hour); !r.has(1) {
		t.Error("not found after a day")
	}
	if r.has(0) {
		t.Error("the deep re-read went back for more than its window")
	}
}

func TestTheNearWindowCoversTheLatestRowThatWasMeasured(t *testing.T) {
	for measured, found := range map[time.Duration]bool{0: false, time.Hour: false, 4 * time.Hour: true, 1000 * time.Hour: true} {
		r := newReader(hub.Transactions)
		r.add(300, noon.Add(-10*time.Hour), 2*time.Minute)
		r.after(t, 0)
		r.add(1, r.newest().Add(-4*time.Hour-30*time.Minute), 0)
		r.kept.stream.LateMax = measured
		if r.after(t, 10*time.Minute); r.has(0) != found {
			t.Errorf("measured %s: found is %t", measured, !found)
		}
	}
}

func TestAReReadGoesOnWhereItsRequestsWereSpentAndEnds(t *testing.T) {
	r := newReader(hub.Transactions)
	r.pageSize = 10
	r.add(5000, noon.Add(-100*time.Hour), time.Minute)
	r.after(t, 0)
	mark := r.kept.stream.Cursor.Watermark
	first, last := r.records[0].stamp.Add(time.Second), mark.Add(-time.Second)
	r.add(1, first, 0)
	r.add(1, last, 0)
	r.now = r.now.Add(24 * time.Hour)
	polls, position := 0, time.Time{}
	for done := false; !done; done = !r.kept.stream.Cursor.Deep.Active() {
		if got := r.after(t, time.Second); got > 1+50+200+10 {
			t.Errorf("a poll of %d requests", got)
		}
		cursor := r.kept.stream.Cursor
		if polls++; polls > 10 || !cursor.Watermark.Equal(mark) || cursor.Deep.Active() && !cursor.Deep.Position.After(position) {
			t.Fatalf("poll %d: %+v", polls, cursor)
		}
		position = cursor.Deep.Position
	}
	if polls < 2 {
		t.Error("the re-read was no longer than its budget")
	}
	r.mustBeIn(t, r.kept)
}

func TestAGroupLargerThanTheBudgetIsReadAgainToItsEnd(t *testing.T) {
	r := newReader(hub.Transactions)
	r.pageSize = 2
	for day := range 3 {
		r.add(300, noon.Truncate(24*time.Hour).AddDate(0, 0, day-4), 0)
	}
	r.after(t, 0)
	r.add(1, r.records[0].stamp, 0)
	r.add(1, r.records[400].stamp, 0)
	r.now = r.now.Add(24 * time.Hour)
	for range 4 {
		r.after(t, time.Second)
	}
	r.mustBeIn(t, r.kept)
}

func TestAnAccountThatIsRenamedIsNoticedByTheDeepReRead(t *testing.T) {
	for _, resource := range []hub.Resource{hub.Accounts, hub.Beneficiaries} {
		r := newReader(resource)
		r.add(400, noon.AddDate(-2, 0, 0), 24*time.Hour)
		r.after(t, 0)
		r.change(7, r.records[7].stamp, 12345)
		if r.after(t, 23*time.Hour); r.kept.records["t000007"] == r.records[7].raw {
			t.Error("a near re-read went back to the beginning")
		}
		r.after(t, time.Hour)
		r.mustBeIn(t, r.kept)
	}
}

func TestATransactionOfLongAgoIsNotReadAgain(t *testing.T) {
	r := newReader(hub.Transactions)
	r.add(1000, noon.AddDate(-2, 0, 0), 12*time.Hour)
	r.after(t, 0)
	if got := r.after(t, 24*time.Hour); got > 10 {
		t.Errorf("%d requests", got)
	}
}

func TestAReReadThatFailsGoesOnWhereItStood(t *testing.T) {
	r := newReader(hub.Transactions)
	r.add(5000, noon.Add(-100*time.Hour), time.Minute)
	r.after(t, 0)
	r.add(1, r.newest().Add(-time.Minute), 0)
	r.now = r.now.Add(24 * time.Hour)
	failing := http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if len(r.requests) > 20 {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		r.ServeHTTP(w, q)
	})
	r.requests = nil
	client := dial(failing, 100, func() time.Time { return r.now })
	mustBe(t, client.Read(t.Context(), r.kept.stream, r.kept), hub.CodeKeyRefused, "read transactions")
	stood := r.kept.stream.Cursor.Deep
	if !stood.Active() || !stood.Position.After(r.records[1000].stamp) {
		t.Fatalf("%+v", stood)
	}
	if got := r.after(t, time.Second); got > 50 {
		t.Errorf("%d requests to go on", got)
	}
	r.mustBeIn(t, r.kept)
}

func TestARecordIsReadAgainAtItsInstantWithoutMovingTheCursor(t *testing.T) {
	r := newReader(hub.Transactions)
	r.add(500, noon.Add(-10*time.Hour), time.Minute)
	r.poison(250, 3)
	r.after(t, 0)
	if r.kept.records["t000250"] != "" {
		t.Fatal("it was not poisoned")
	}
	at := r.records[250].stamp
	r.change(250, at, 7)
	before := r.kept.stream.Cursor
	r.requests = nil
	if err := dial(r.service, 100, nil).Reread(t.Context(), r.kept.stream, at, r.kept); err != nil {
		t.Fatal(err)
	}
	if r.mustBeIn(t, r.kept); len(r.requests) != 1 {
		t.Errorf("%d requests", len(r.requests))
	}
	if r.kept.stream.Cursor != before {
		t.Errorf("the cursor moved from %+v to %+v", before, r.kept.stream.Cursor)
	}
}
