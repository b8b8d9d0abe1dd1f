package connector

import (
	"flag"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/hub"
)

var (
	seed  = flag.Uint64("seed", 0, "the seed to begin with in seeded tests")
	seeds = flag.Int("seeds", 2, "how many seeds to try in seeded tests")
)

var noon = time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)

func TestRowsOnOneInstantAcrossAPageAreAllRead(t *testing.T) {
	s := new(service)
	s.add(50, noon, time.Second)
	s.add(130, noon.Add(time.Minute), 0)
	s.add(70, noon.Add(2*time.Minute), time.Second)
	m := newMemory(hub.Transactions)
	read(t, s, m, 100)
	s.mustBeIn(t, m)
}

func TestDateOnlyStampsAreAllRead(t *testing.T) {
	s := new(service)
	midnight := noon.Truncate(24 * time.Hour)
	for day := range 5 {
		s.add(37*(day+1), midnight.AddDate(0, 0, day), 0)
	}
	m := newMemory(hub.Transactions)
	read(t, s, m, 50)
	s.mustBeIn(t, m)
}

func TestARowOlderThanTheNewestIsReadAtTheNextPoll(t *testing.T) {
	s := new(service)
	s.add(250, noon, 300*time.Millisecond)
	m := newMemory(hub.Transactions)
	read(t, s, m, 100)
	m.stream.Cursor.Near.StartedAt = time.Now().Add(-time.Hour)
	s.add(1, s.newest().Add(-5*time.Second), 0)
	read(t, s, m, 100)
	s.mustBeIn(t, m)
}

func TestARowDatedInTheFutureDoesNotStopLaterRows(t *testing.T) {
	s := new(service)
	s.add(120, noon, time.Second)
	s.add(1, time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC), 0)
	m := newMemory(hub.Transactions)
	read(t, s, m, 100)
	if got := m.stream.Cursor.Watermark; !got.Equal(s.records[119].stamp) {
		t.Errorf("watermark = %s, want that of the newest row that is not in the future", got)
	}
	if len(m.stream.Findings) != 1 || m.stream.Findings[0].Code != hub.FindingFutureRows {
		t.Errorf("findings = %v, want the future row", m.stream.Findings)
	}
	s.add(250, noon.Add(time.Hour), time.Second)
	read(t, s, m, 100)
	s.mustBeIn(t, m)
}

func TestAnIdlePollIsOneRequest(t *testing.T) {
	for _, rows := range []int{0, 1, 3, 99, 100, 101, 250} {
		s := new(service)
		s.add(rows, noon, 1500*time.Millisecond)
		m := newMemory(hub.Transactions)
		read(t, s, m, 100)
		if got := read(t, s, m, 100); got != 1 {
			t.Errorf("with %d rows an idle poll took %d requests, want 1", rows, got)
		}
	}
}

func TestDenseDataCostsAtMostAFifthMoreThanItsFullPages(t *testing.T) {
	for size, rows := range map[int]int{100: 30_000, 1000: 60_000} {
		s := new(service)
		s.add(rows, noon, time.Millisecond)
		m := newMemory(hub.Transactions)
		got, pages := read(t, s, m, size), rows/size
		t.Logf("page size %d: %d requests for %d full pages: %.3f", size, got, pages, float64(got)/float64(pages))
		if got*5 > pages*6 {
			t.Errorf("page size %d: %d requests for %d full pages, want at most 1.2 for each", size, got, pages)
		}
		s.mustBeIn(t, m)
	}
}

func TestAGroupBehindAnIgnoredPageIsReportedAndTheRestIsRead(t *testing.T) {
	s := &service{manners: manners{IgnoresPage: true, Cap: 100}}
	s.add(50, noon, time.Second)
	s.add(130, noon.Add(time.Hour), 0)
	s.add(70, noon.Add(2*time.Hour), time.Second)
	m := newMemory(hub.Transactions)
	read(t, s, m, 100)
	i := slices.IndexFunc(m.stream.Findings, func(f hub.Finding) bool { return f.Code == hub.FindingPageIgnored })
	if i < 0 || !m.stream.Findings[i].Incomplete {
		t.Fatalf("findings = %v, want one that says that the list can't be read completely", m.stream.Findings)
	}
	t.Log(m.stream.Findings[i].Text)
	if m.stream.Cursor.Watermark.After(noon.Add(time.Hour)) {
		t.Errorf("the watermark %s passed rows that could not be read", m.stream.Cursor.Watermark)
	}
	for _, r := range s.records[180:] {
		if m.records[r.id] == "" {
			t.Errorf("row %s after the group was not read", r.id)
		}
	}
	s.manners = manners{}
	read(t, s, m, 100)
	s.mustBeIn(t, m)
	if len(m.stream.Findings) != 0 {
		t.Errorf("findings = %v after the service was mended, want none", m.stream.Findings)
	}
}

func TestAPageOutOfWhichRowsWereLeftIsNotTheEnd(t *testing.T) {
	s := &service{manners: manners{HidesEvery: 9}}
	s.add(50, noon, time.Second)
	s.add(350, noon.Add(time.Minute), 0)
	s.add(350, noon.Add(2*time.Minute), time.Second)
	m := newMemory(hub.Transactions)
	read(t, s, m, 100)
	s.mustBeIn(t, m)
}

func TestRowsThatChangeWheneverTheyAreShownAreSettled(t *testing.T) {
	s := &service{manners: manners{Volatile: true}}
	s.add(350, noon, 0)
	s.add(50, noon.Add(time.Minute), time.Second)
	m := newMemory(hub.Transactions)
	if got := read(t, s, m, 100); got > 20 {
		t.Errorf("%d requests", got)
	}
	if len(m.records) != 400 || len(m.stream.Findings) != 0 || !m.stream.Cursor.Watermark.Equal(s.newest()) {
		t.Errorf("%d records, watermark %s, %v", len(m.records), m.stream.Cursor.Watermark, m.stream.Findings)
	}
}

func TestAListThatGrowsWhileItsEndIsSoughtIsNotTakenForCapped(t *testing.T) {
	s := new(service)
	s.add(3, noon, time.Second)
	s.before = func(request int) {
		if request <= 5 {
			s.add(1, s.newest().Add(time.Second), 0)
		}
	}
	m := newMemory(hub.Transactions)
	read(t, s, m, 100)
	s.mustBeIn(t, m)
	if got := m.stream.Cursor.Manners.PageSize; got != 0 {
		t.Errorf("pages of %d are asked for", got)
	}
}

func TestAMendedServiceIsAskedForFullPagesAgainAfterADay(t *testing.T) {
	s := &service{manners: manners{Cap: 40}}
	s.add(300, noon, time.Second)
	m := newMemory(hub.Transactions)
	read(t, s, m, 100)
	if _, ok := m.finding(hub.FindingPageCapped); !ok {
		t.Fatal("the cap was not found")
	}
	s.manners = manners{}
	later := time.Now().Add(25 * time.Hour)
	for range 2 {
		s.add(300, s.newest(), time.Second)
		readAt(t, s, m, 100, func() time.Time { return later })
	}
	s.mustBeIn(t, m)
	if f, ok := m.finding(hub.FindingPageCapped); ok || m.stream.Cursor.Manners.PageSize != 0 {
		t.Errorf("pages of %d, %s", m.stream.Cursor.Manners.PageSize, f.Text)
	}
}

func TestALastPageThatIsShownAgainIsNotTakenForAnIgnoredPage(t *testing.T) {
	for _, rows := range []int{1, 2, 99, 100, 101, 200} {
		for _, step := range []time.Duration{0, time.Second} {
			s := &service{manners: manners{RepeatsLast: true}}
			s.add(rows, noon, step)
			m := newMemory(hub.Transactions)
			read(t, s, m, 100)
			s.mustBeIn(t, m)
			if f, ok := m.finding(hub.FindingPageIgnored); ok {
				t.Errorf("%d rows %s apart: %s", rows, step, f.Text)
			}
		}
	}
}

func TestTheWatermarkWaitsUntilTheOrderOfAListIsKnown(t *testing.T) {
	s := &service{manners: manners{Descending: true}}
	s.add(150, noon, time.Second)
	s.add(100, noon.Add(time.Hour), 0)
	m := newMemory(hub.Transactions)
	s.requests = nil
	client := dial(refuseAt(s, 1), 100, nil)
	mustBe(t, client.Read(t.Context(), m.stream, m), hub.CodeKeyRefused)
	if len(m.records) != 100 || !m.stream.Cursor.Watermark.IsZero() {
		t.Errorf("after %d records the watermark is %s", len(m.records), m.stream.Cursor.Watermark)
	}
	read(t, s, m, 100)
	s.mustBeIn(t, m)
}

func TestEveryMannerOfPagingIsReadCompletely(t *testing.T) {
	all := map[string]manners{
		"honest":                     {},
		"caps pages":                 {Cap: 40},
		"caps what it has cut":       {Cap: 40, CapCountsAsked: true},
		"has one page size":          {FixedSize: 30},
		"sends more than asked for":  {FixedSize: 400},
		"ignores the filter":         {IgnoresFilter: true},
		"filters by date":            {DateFilter: true},
		"filters exclusively":        {Exclusive: true},
		"descending":                 {Descending: true},
		"descending and capped":      {Descending: true, Cap: 40, CapCountsAsked: true},
		"descending, no filter":      {Descending: true, IgnoresFilter: true},
		"repeats its last page":      {RepeatsLast: true},
		"repeats its last capped":    {RepeatsLast: true, Cap: 40},
		"orders ties anew each time": {UnstableTies: true},
	}
	for name, m := range all {
		t.Run(name, func(t *testing.T) {
			for i := range *seeds {
				from := *seed + uint64(i)
				random := rand.New(rand.NewPCG(from, 1))
				s := &service{manners: m, random: random}
				draw(s, random)
				kept := newMemory(hub.Transactions)
				for range 3 {
					read(t, s, kept, 100)
					s.add(random.IntN(120), s.newest(), 40*time.Millisecond)
				}
				// A list as long as the pages are capped looks as if it ended there
				// until its end is doubted again.
				later := time.Now().Add(time.Hour)
				for range 2 {
					readAt(t, s, kept, 100, func() time.Time { return later })
				}
				s.mustBeIn(t, kept)
				if t.Failed() {
					t.Fatalf("-seed %d", from)
				}
			}
		})
	}
}

func TestRowsThatMoveUnderAWalkAreNotLost(t *testing.T) {
	for i := range 3 * *seeds {
		from := *seed + uint64(i)
		random := rand.New(rand.NewPCG(from, 2))
		s := new(service)
		draw(s, random)
		s.add(2000, s.newest(), time.Millisecond)
		moves := 0
		s.before = func(request int) {
			for range random.IntN(3) {
				if moves++; moves > 300 {
					return
				}
				s.change(random.IntN(len(s.records)), noon.AddDate(0, 1, 0).Add(time.Duration(request)*time.Millisecond), request)
			}
		}
		m := newMemory(hub.Transactions)
		read(t, s, m, 100)
		s.before = nil
		read(t, s, m, 100)
		s.mustBeIn(t, m)
		if t.Failed() {
			t.Fatalf("-seed %d", from)
		}
	}
}

// draw fills a service with sparse rows, dense rows and ties, as the seed has it.
func draw(s *service, random *rand.Rand) {
	at := noon
	for range 1 + random.IntN(6) {
		steps := []time.Duration{0, time.Microsecond, time.Millisecond, 100 * time.Millisecond, time.Second, time.Hour}
		step := steps[random.IntN(len(steps))]
		n := 1 + random.IntN(250)
		s.add(n, at, step)
		at = at.Add(time.Duration(n)*step + time.Duration(random.IntN(3))*time.Second)
	}
}
