package connector

import (
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/hub"
)

// A life is a service whose records come late, move, go, are dated in the
// future or can't be read, while it is polled again and again and not every poll
// comes to its end.
type life struct {
	*service
	random *rand.Rand
	now    time.Time
	kept   *memory
	size   int
}

func (l *life) clock() time.Time { return l.now }

func newLife(random *rand.Rand, m manners) *life {
	sizes := []int{1, 2, 3, 7, 100}
	switch {
	case m.UnstableTies:
		sizes = sizes[3:] // by ones and twos, a group that is never in order is beyond luck
	case m.HidesEvery > 0:
		sizes = sizes[4:] // a page whose rows are all left out is the end for all who see it
	}
	l := &life{
		service: &service{manners: m, random: random},
		random:  random, now: noon.AddDate(0, 0, 3), kept: newMemory(hub.Transactions),
		size: sizes[random.IntN(len(sizes))],
	}
	at := noon
	for range 1 + random.IntN(4) {
		step := []time.Duration{0, 0, time.Microsecond, time.Millisecond, 300 * time.Millisecond, time.Second, time.Hour}[random.IntN(7)]
		n := 1 + random.IntN(3*min(l.size, 40))
		l.add(n, at, step)
		at = at.Add(time.Duration(n)*step + time.Duration(random.IntN(3))*time.Second)
	}
	return l
}

// happen lets one thing happen to the service's records.
func (l *life) happen() {
	one := l.random.IntN(len(l.records))
	switch l.random.IntN(12) {
	case 0: // late, anywhere within the last hours
		l.add(1+l.random.IntN(3), l.newest().Add(-time.Duration(l.random.IntN(7200))*time.Second), 0)
	case 1: // late, and into a group
		l.add(1, l.records[one].stamp, 0)
	case 2, 3, 4:
		l.change(one, l.now.Add(-time.Duration(l.random.IntN(2000))*time.Millisecond), l.random.IntN(1e6))
	case 5:
		l.add(1, l.now.Add(time.Duration(l.random.IntN(7200))*time.Second), 0)
	case 6:
		if len(l.records) > 1 {
			l.records = append(l.records[:one:one], l.records[one+1:]...)
		}
	case 7:
		l.poison(one, l.random.IntN(4))
	case 8:
		l.add(1+l.random.IntN(2*min(l.size, 20)), l.now.Truncate(time.Second), 0)
	default:
		l.add(1+l.random.IntN(5), l.now.Add(-time.Second), 100*time.Millisecond)
	}
}

// poll reads once, with things happening meanwhile when busy, and lets time pass.
func (l *life) poll(t *testing.T, busy bool, pass time.Duration) {
	t.Helper()
	happened := 0
	l.before = nil
	if busy {
		l.before = func(int) {
			l.now = l.now.Add(10 * time.Millisecond)
			for l.random.IntN(3) == 0 && happened < 40 {
				happened++
				l.happen()
			}
		}
	}
	refused := -1
	if busy && l.random.IntN(2) == 0 {
		refused = 1 + l.random.IntN(40)
	}
	client := dial(refuseAt(l.service, refused), l.size, l.clock)
	l.requests, l.kept.new = nil, 0
	if err := client.Read(t.Context(), l.kept.stream, l.kept); err != nil && hub.CodeOf(err) != hub.CodeKeyRefused {
		t.Fatal(err)
	}
	if mark := l.kept.stream.Cursor.Watermark; mark.After(l.now) {
		t.Errorf("the watermark %s passed now", mark)
	}
	l.now = l.now.Add(pass)
}

// refuseAt refuses the request of that number.
func refuseAt(s *service, number int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if len(s.requests) == number {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		s.ServeHTTP(w, r)
	}
}

// settleDown polls until both re-reads have come and gone.
func (l *life) settleDown(t *testing.T) {
	t.Helper()
	l.poll(t, false, 3*time.Hour) // what is dated in the future becomes present
	for range 2 {
		l.now = l.now.Add(25 * time.Hour)
		l.poll(t, false, 0)
		for i := 0; l.kept.stream.Cursor.Near.Active() || l.kept.stream.Cursor.Deep.Active(); i++ {
			if i > 200 {
				t.Fatal("the re-reads do not end")
			}
			l.poll(t, false, time.Second)
		}
	}
}

func TestWhatAServiceHasInTheEndIsStored(t *testing.T) {
	all := map[string]manners{
		"honest":                  {},
		"caps pages":              {Cap: 40},
		"caps what it has cut":    {Cap: 5, CapCountsAsked: true},
		"has one page size":       {FixedSize: 6},
		"filters by date":         {DateFilter: true},
		"filters exclusively":     {Exclusive: true},
		"ignores the filter":      {IgnoresFilter: true},
		"descending":              {Descending: true},
		"repeats its last page":   {RepeatsLast: true},
		"shows every page twice":  {EveryTwice: true},
		"shows pages wrongly":     {Slips: true},
		"no stamp first":          {NoStampFirst: true},
		"no stamp last":           {NoStampLast: true},
		"leaves rows out":         {HidesEvery: 9},
		"orders ties anew":        {UnstableTies: true},
		"orders ties anew, wrong": {UnstableTies: true, Slips: true},
	}
	for name, m := range all {
		t.Run(name, func(t *testing.T) {
			for i := range *seeds {
				from := *seed + uint64(i)
				l := newLife(lot(from), m)
				for range 4 {
					l.poll(t, true, time.Duration(l.random.IntN(900))*time.Second)
				}
				l.settleDown(t)
				l.mustBeIn(t, l.kept)
				if t.Failed() {
					t.Fatalf("page size %d: -seed %d", l.size, from)
				}
			}
		})
	}
}

// lot draws from a seed.
func lot(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 3)) }
