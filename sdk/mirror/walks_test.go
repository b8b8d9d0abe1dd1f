package mirror

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/weirhq/weir/sdk"
	"github.com/weirhq/weir/wire"
)

// fill gives the mirror n transactions.
func fill(t *testing.T, m *Mirror, n int, change func(*wire.Transaction)) {
	t.Helper()
	var batch sdk.Batch
	for i := range n {
		batch.Transactions = append(batch.Transactions, movement(fmt.Sprintf("t%03d", i), change))
	}
	give(t, m, batch)
}

func TestTheUnionOfAllPagesIsTheWholeListWhateverThePageSize(t *testing.T) {
	m, _ := fresh(t)
	fill(t, m, 250, nil)
	var whole []string
	for _, row := range listed(t, m) {
		whole = append(whole, row.ID)
	}
	for _, size := range []int{1, 2, 7, 50, 100, 250} {
		for range 2 { // a walk that is walked again shows the same
			var ids []string
			for page := 1; ; page++ {
				rows, err := m.Transactions(t.Context(), wire.ListQuery{Page: page, PageSize: size})
				if err != nil {
					t.Fatal(err)
				}
				for _, row := range rows {
					ids = append(ids, row.ID)
				}
				if len(rows) < size {
					break
				}
			}
			if !slices.Equal(ids, whole) {
				t.Fatalf("pages of %d give %d rows", size, len(ids))
			}
		}
	}
	for _, page := range []int{4, 5, 1 << 62} {
		rows, err := m.Transactions(t.Context(), wire.ListQuery{Page: page, PageSize: 100})
		if err != nil || len(rows) != 0 {
			t.Errorf("page %d: %d rows, %v", page, len(rows), err)
		}
	}
}

func TestTheFilterIsInclusiveToTheMicrosecond(t *testing.T) {
	m, _ := fresh(t)
	fill(t, m, 30, nil)
	all := listed(t, m)
	for from, want := range map[time.Time]int{
		all[10].UpdatedAt: 20, all[10].UpdatedAt.Add(time.Nanosecond): 19, all[10].UpdatedAt.Add(-time.Nanosecond): 20,
		all[0].UpdatedAt.Add(-time.Hour): 30, all[29].UpdatedAt.Add(time.Hour): 0,
	} {
		rows, err := m.Transactions(t.Context(), wire.ListQuery{Page: 1, PageSize: 100, From: from})
		if err != nil || len(rows) != want {
			t.Errorf("from %s: %d rows, %v, want %d", from, len(rows), err, want)
		}
	}
}

// Two callers walk the same list at different speeds while its first rows change.
func TestWalksOfTwoCallersLoseNothingWhileRowsChange(t *testing.T) {
	m, c := fresh(t)
	fill(t, m, 100, nil)
	const size = 10
	seen := [2]map[string]bool{{}, {}}
	for step := range 30 {
		for caller, seen := range seen {
			page := step + 1
			if caller == 1 {
				page = step - 3 // begins later, after rows have moved
			}
			if page < 1 {
				continue
			}
			rows, err := m.Transactions(t.Context(), wire.ListQuery{Page: page, PageSize: size})
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range rows {
				seen[row.ID] = true
			}
		}
		c.at = c.at.Add(time.Second)
		if step < 10 {
			give(t, m, sdk.Batch{Transactions: []wire.Transaction{
				movement(fmt.Sprintf("t%03d", step), func(row *wire.Transaction) { row.Status = wire.StatusRefunded }),
				movement(fmt.Sprintf("t%03d", 50+step), func(row *wire.Transaction) { row.Status = wire.StatusRefunded }),
			}})
		}
	}
	for caller, seen := range seen {
		if len(seen) != 100 {
			t.Errorf("caller %d has seen %d of 100 rows", caller, len(seen))
		}
	}
}

func TestAPageThatCannotBePlacedAfterAStartIsRefusedForAWhile(t *testing.T) {
	c := &clock{time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	path := filepath.Join(t.TempDir(), "mirror.db")
	m := open(t, path, c.now)
	fill(t, m, 30, nil)
	c.at = c.at.Add(time.Second)
	fill(t, m, 5, func(row *wire.Transaction) { row.Status = wire.StatusFailed })
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	m = open(t, path, c.now)
	defer func() { _ = m.Close() }()
	second := wire.ListQuery{Page: 2, PageSize: 10}
	var refused *sdk.Error
	if _, err := m.Transactions(t.Context(), second); !errors.As(err, &refused) || refused.Status != http.StatusServiceUnavailable {
		t.Error(err)
	}
	for page := range 4 {
		if _, err := m.Transactions(t.Context(), wire.ListQuery{Page: page + 1, PageSize: 10}); err != nil && page < 3 {
			t.Errorf("page %d of a walk from the beginning: %v", page+1, err)
		}
	}
	c.at = c.at.Add(2 * walkLife)
	if rows, err := m.Transactions(t.Context(), second); err != nil || len(rows) != 10 {
		t.Error(rows, err)
	}
}

func TestTheMemoryOfWalksIsBounded(t *testing.T) {
	now := time.Now()
	w := newWalks(now.Add(-time.Hour), now)
	for i := range 2000 {
		key := walkKey{table: tableMovement, from: int64(i), size: 1}
		for page := range 1000 {
			w.ended(key, page+1, end{stamp: int64(page), at: now.Add(time.Duration(i) * time.Millisecond)})
		}
	}
	if w.ends > endsMax+1000 || w.ends < endsMax/2 {
		t.Errorf("%d ends", w.ends)
	}
	if _, _, sure := w.start(walkKey{table: tableMovement, size: 1}, 2, "", now.Add(3*time.Second)); sure {
		t.Error("the oldest walk is forgotten and the mirror is sure of it")
	}
}
