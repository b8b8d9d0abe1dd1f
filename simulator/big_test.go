package simulator

import (
	"runtime"
	"testing"
	"time"
)

func TestAMillionTransactionsWouldFitAGigabyte(t *testing.T) {
	const count = 50_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	psp := newPSP(t, func(o *Options) { o.Transactions, o.Interval = count, time.Millisecond })
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := (after.HeapAlloc - before.HeapAlloc) / uint64(psp.Len()); each > 1000 {
		t.Errorf("a transaction takes %d bytes", each)
	} else {
		t.Logf("a transaction takes %d bytes", each)
	}
	if span := psp.Clock().Sub(psp.start.Time()); span > count*time.Millisecond {
		t.Errorf("%d transactions take %s of the PSP's time", count, span)
	}
}

func BenchmarkLife(b *testing.B) {
	psp, err := New(Options{Accounts: 12, Beneficiaries: 40})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		psp.Step(1)
	}
}
