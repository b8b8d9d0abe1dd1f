package connector

import (
	"testing"
	"time"

	"github.com/weirhq/weir/internal/hub"
)

func TestAPoisonedRowCostsNoOtherWhereverItStands(t *testing.T) {
	for _, m := range []manners{{}, {UnstableTies: true}, {NoStampFirst: true}, {NoStampLast: true}} {
		for _, size := range []int{2, 3, 7, 100} {
			for at := range 30 {
				s := &service{manners: m, random: lot(uint64(at))}
				s.add(8, noon, time.Second)
				s.add(9, noon.Add(8*time.Second), 0)
				s.add(13, noon.Add(9*time.Second), 100*time.Millisecond)
				s.poison(at, at)
				kept := newMemory(hub.Transactions)
				read(t, s, kept, size)
				s.add(5, s.newest(), 0)
				read(t, s, kept, size)
				if s.mustBeIn(t, kept); t.Failed() {
					t.Fatalf("%+v, pages of %d, row %d", m, size, at)
				}
			}
		}
	}
}

func TestAGroupOfPoisonedRowsIsReadToItsEnd(t *testing.T) {
	for _, m := range []manners{{}, {NoStampFirst: true}, {NoStampLast: true}} {
		s := &service{manners: m}
		s.add(1000, noon, 10*time.Millisecond)
		for i := 200; i < 480; i++ {
			s.poison(i, i)
		}
		kept := newMemory(hub.Transactions)
		read(t, s, kept, 100)
		s.mustBeIn(t, kept)
		if len(kept.rejected) != 280 {
			t.Errorf("%+v: %d rows in quarantine, want 280", m, len(kept.rejected))
		}
	}
}

func TestPagesJoinOnlyWhereNoRowCanLieBetween(t *testing.T) {
	at := func(key string, second int) row { return row{key, noon.Add(time.Duration(second) * time.Second)} }
	without := row{key: "p"}
	run := []row{at("a", 1), at("b", 2), without, at("c", 3), at("d", 3)}
	for name, test := range map[string]struct {
		page   []row
		beyond int
		joined bool
	}{
		"before the last ties":               {[]row{at("b", 2), without, at("c", 3), at("d", 3), at("e", 4)}, 1, true},
		"at the last ties":                   {[]row{at("c", 3), at("d", 3), at("e", 4)}, 0, false},
		"beyond":                             {[]row{at("e", 4)}, 0, false},
		"a row that was not there":           {[]row{at("x", 2), at("c", 3), at("d", 3)}, 0, false},
		"nothing more":                       {nil, 0, true},
		"without a stamp, before the ties":   {[]row{without, at("c", 3), at("d", 3), at("e", 4)}, 0, false},
		"without a stamp, then an older one": {[]row{without, at("b", 2), at("c", 3), at("d", 3), at("e", 4)}, 1, true},
		"without any stamp":                  {[]row{without}, 0, false},
	} {
		c := coverage{sizeMax: 10}
		c.add(run)
		if beyond, joined := c.join(test.page); joined != test.joined || len(beyond) != test.beyond {
			t.Errorf("%s: %v, %t", name, beyond, joined)
		}
	}
}
