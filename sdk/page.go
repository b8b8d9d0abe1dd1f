package sdk

import (
	"slices"
	"sort"
	"time"

	"github.com/weirhq/weir/wire"
)

// Key gives a row's place in its list: first by instant, then by id.
type Key[T any] func(row *T) (at time.Time, id string)

// AccountKey orders accounts.
func AccountKey(a *wire.Account) (time.Time, string) { return a.CreatedAt, a.ID }

// BeneficiaryKey orders beneficiaries.
func BeneficiaryKey(b *wire.Beneficiary) (time.Time, string) { return b.CreatedAt, b.ID }

// TransactionKey orders transactions.
func TransactionKey(t *wire.Transaction) (time.Time, string) { return t.UpdatedAt, t.ID }

// Page returns the rows that the query asks for, as the contract wants them: at
// or after q.From, in order of key, page by page. It does not change rows, and
// looks at all of them: where they are many, keep them sorted with [Sort] and
// use [PageOfSorted].
func Page[T any](rows []T, q wire.ListQuery, key Key[T]) []T {
	for i := 1; i < len(rows); i++ {
		if before(&rows[i], &rows[i-1], key) {
			rows = slices.Clone(rows)
			Sort(rows, key)
			break
		}
	}
	return PageOfSorted(rows, q, key)
}

// Sort sorts rows as [Page] does.
func Sort[T any](rows []T, key Key[T]) {
	sort.SliceStable(rows, func(i, j int) bool { return before(&rows[i], &rows[j], key) })
}

// PageOfSorted is [Page] for rows that are in order already. It costs the same
// however many they are. The page is a part of rows, not a copy.
func PageOfSorted[T any](rows []T, q wire.ListQuery, key Key[T]) []T {
	if !q.From.IsZero() {
		start := sort.Search(len(rows), func(i int) bool {
			at, _ := key(&rows[i])
			return !at.Before(q.From)
		})
		rows = rows[start:]
	}
	start := min(q.Offset(), len(rows))
	stop := start + min(max(q.PageSize, 0), len(rows)-start)
	return rows[start:stop:stop]
}

func before[T any](a, b *T, key Key[T]) bool {
	atA, idA := key(a)
	atB, idB := key(b)
	if order := atA.Compare(atB); order != 0 {
		return order < 0
	}
	return idA < idB
}
