package simulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/weirhq/weir/wire"
)

// naiveReader reads transactions as the contract's reference client does: it
// remembers the stamp of the last row that it kept, asks from the second of
// that stamp, keeps what is later, and takes a page that is not full for the end.
type naiveReader struct {
	server *Server
	state  time.Time
	stored []json.RawMessage
}

const naivePageSize = 100

func (r *naiveReader) poll(t *testing.T) {
	t.Helper()
	for more := true; more; {
		var kept []json.RawMessage
		more = false
		for number := 1; ; number++ {
			rows := page(t, r.server, Transactions, query(Transactions, number, naivePageSize, r.state.Truncate(time.Second)))
			for _, raw := range rows {
				if _, _, updatedAt := wire.Peek(raw); updatedAt.After(r.state) {
					kept = append(kept, raw)
				}
			}
			if len(kept) >= naivePageSize {
				more = len(kept) > naivePageSize || len(rows) == naivePageSize
				kept = kept[:naivePageSize]
				break
			}
			if len(rows) < naivePageSize {
				break
			}
		}
		if len(kept) > 0 {
			_, _, r.state = wire.Peek(kept[len(kept)-1])
		}
		r.stored = append(r.stored, kept...)
	}
}

// missing reads a life naively, as it goes on, and counts what was lost.
func missing(t *testing.T, faults Faults) int {
	t.Helper()
	psp := newPSP(t, func(o *Options) { o.Transactions, o.Faults = 1500, faults })
	reader := naiveReader{server: start(t, psp, faults)}
	for range 20 {
		reader.poll(t)
		psp.Step(60)
	}
	psp.Settle()
	reader.poll(t)
	stored := map[string][]byte{}
	for id, raw := range byID(t, reader.stored) {
		stored[id] = raw
	}
	lost := 0
	for id, raw := range psp.Records(Transactions) {
		if !bytes.Equal(stored[id], raw) {
			lost++
		}
	}
	return lost
}

func TestANaiveReaderLosesNothingOnAnHonestService(t *testing.T) {
	if lost := missing(t, 0); lost != 0 {
		t.Errorf("%d transactions are lost", lost)
	}
}

func TestANaiveReaderLosesTies(t *testing.T) {
	if lost := missing(t, FaultsOf(Ties)); lost < 10 {
		t.Errorf("only %d transactions are lost", lost)
	}
}

func TestANaiveReaderLosesRowsOfOneDay(t *testing.T) {
	if lost := missing(t, FaultsOf(DateOnly)); lost < 10 {
		t.Errorf("only %d transactions are lost", lost)
	}
}

func TestANaiveReaderLosesLateRows(t *testing.T) {
	if lost := missing(t, FaultsOf(Late)); lost < 10 {
		t.Errorf("only %d transactions are lost", lost)
	}
}

func TestANaiveReaderStopsAtAShortPage(t *testing.T) {
	if lost := missing(t, FaultsOf(ShortPages)); lost < 100 {
		t.Errorf("only %d transactions are lost", lost)
	}
}

// stubbornReader reads a list to its end in the dearest way: all of it, again
// and again, until two walks in a row have shown nothing new. What it can't
// read is not readable.
type stubbornReader struct {
	server *Server
	// shown is every record that it was ever shown, by its bytes.
	shown map[string]bool
}

func (r *stubbornReader) read(t *testing.T, resource string) {
	t.Helper()
	for calm := 0; calm < 2; calm++ {
		var before []json.RawMessage
		for number := 1; ; number++ {
			rows := r.page(t, resource, number)
			if samePage(rows, before) {
				// The page before once more: a slip, or the end.
				rows = r.page(t, resource, number)
			}
			if len(rows) == 0 || samePage(rows, before) {
				break
			}
			for _, raw := range rows {
				if !r.shown[string(raw)] {
					r.shown[string(raw)], calm = true, -1
				}
			}
			before = rows
		}
	}
}

func samePage(a, b []json.RawMessage) bool {
	return slices.EqualFunc(a, b, func(x, y json.RawMessage) bool { return bytes.Equal(x, y) })
}

// page asks, in pages that no service finds too long, until an answer comes whole.
func (r *stubbornReader) page(t *testing.T, resource string, number int) []json.RawMessage {
	t.Helper()
	return page(t, r.server, resource, query(resource, number, pageCap, time.Time{}))
}

func TestWhatAMixLeavesReadableCanBeReadToTheLastByte(t *testing.T) {
	for seed := uint64(1); seed <= 50; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			faults := Mix(seed)
			psp := newPSP(t, func(o *Options) { o.Seed, o.Transactions, o.Faults = seed, 400, faults })
			server, err := Start(t.Context(), psp, ServerOptions{Direct: true, Service: ServiceOptions{
				Seed: seed, Faults: faults, SlowFor: time.Millisecond,
			}})
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			psp.Step(100)
			psp.Settle()
			for _, resource := range []string{Accounts, Beneficiaries, Transactions} {
				reader := stubbornReader{server, map[string]bool{}}
				reader.read(t, resource)
				checkShown(t, psp, resource, reader.shown)
			}
			if keys := server.Trap.Keys(); len(keys) > 0 {
				t.Errorf("the trap saw %v", keys)
			}
			if t.Failed() {
				t.Logf("faults: %s", faults)
			}
		})
	}
}

// checkShown compares what was shown with what the PSP has, poison included.
func checkShown(t *testing.T, psp *PSP, resource string, shown map[string]bool) {
	t.Helper()
	want := map[string]bool{}
	for _, raw := range psp.Records(resource) {
		want[string(raw)] = true
	}
	for _, poisoned := range psp.Poisoned() {
		if poisoned.Resource == resource {
			want[string(poisoned.Raw)] = true
		}
	}
	for raw := range want {
		if !shown[raw] {
			t.Errorf("of the %s this was not shown: %s", resource, raw)
			break
		}
	}
	if len(shown) != len(want) {
		t.Errorf("%d of %d %s were shown", len(shown), len(want), resource)
	}
}

func TestAServiceThatIgnoresThePageHidesTheEndOfALargeGroup(t *testing.T) {
	psp, server := faulty(t, 1500, Ties, PageIgnored)
	reader := naiveReader{server: server}
	groups := map[time.Time]int{}
	for _, m := range psp.Transactions() {
		groups[m.UpdatedAt]++
	}
	for at, size := range groups {
		if size <= naivePageSize {
			continue
		}
		first := page(t, reader.server, Transactions, query(Transactions, 1, naivePageSize, at))
		second := page(t, reader.server, Transactions, query(Transactions, 2, naivePageSize, at))
		if _, _, last := wire.Peek(second[len(second)-1]); !last.Equal(at) || !slices.Equal(ids(first), ids(second)) {
			t.Errorf("of a group of %d there is more than one page", size)
		}
		return
	}
	t.Error("no group is larger than a page")
}
