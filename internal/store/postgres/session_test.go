package postgres

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
)

func TestNoCursorMovesBack(t *testing.T) {
	t.Parallel()
	db := openDB(t, nil)
	s, connectors := installed(t, db, "acme")
	id := hub.StreamID{Connector: connectors[0].ID, Resource: hub.Transactions}
	for i := range 3 {
		if _, err := s.Apply(t.Context(), batchOf(id, hub.Cursor{Version: int64(i)}, 10*i, 10)); err != nil {
			t.Fatal(err)
		}
	}
	set := func(version int64) error {
		return db.Write(t.Context(), func(tx store.Tx) error {
			row, _, err := tx.StreamRow(t.Context(), id)
			if err != nil {
				return err
			}
			row.Cursor.Version = version
			return tx.UpdateStreams(t.Context(), []*store.StreamRow{&row})
		})
	}
	for _, wrong := range []int64{0, 2, 5} {
		if err := set(wrong); hub.CodeOf(err) != hub.CodeStale {
			t.Errorf("from version 3 to %d: %v", wrong, err)
		}
	}
	for _, right := range []int64{3, 4} {
		if err := set(right); err != nil {
			t.Errorf("to version %d: %v", right, err)
		}
	}
}

// TestTwoReadersOfOneStreamStoreABatchOnce has both at it in the same instant.
func TestTwoReadersOfOneStreamStoreABatchOnce(t *testing.T) {
	t.Parallel()
	db := openDB(t, nil)
	s, connectors := installed(t, db, "acme")
	id := hub.StreamID{Connector: connectors[0].ID, Resource: hub.Transactions}
	for round := range 10 {
		state, err := s.Stream(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		var wait sync.WaitGroup
		var stored, stale [2]int
		for reader := range 2 {
			wait.Go(func() {
				applied, err := s.Apply(t.Context(), batchOf(id, state.Cursor, 10*round, 10))
				if hub.CodeOf(err) == hub.CodeStale && err != nil {
					stale[reader]++
				} else if err != nil {
					t.Error(err)
				}
				stored[reader] = applied.Stored
			})
		}
		wait.Wait()
		if stored[0]+stored[1] != 10 || stale[0]+stale[1] != 1 {
			t.Errorf("round %d: stored %v, stale %v", round, stored, stale)
		}
	}
}

// TestAnAccountAndABeneficiaryThatArriveAtOnceAreTwo is about their identifiers:
// the one that comes second names its type, and neither poll fails.
func TestAnAccountAndABeneficiaryThatArriveAtOnceAreTwo(t *testing.T) {
	t.Parallel()
	db := openDB(t, nil)
	s, connectors := installed(t, db, "acme")
	const rounds, each = 10, 20
	show := func(resource hub.Resource, kind hub.AccountType, round int) error {
		id := hub.StreamID{Connector: connectors[0].ID, Resource: resource}
		b := hub.Batch{Stream: id, Read: hub.Cursor{Version: int64(round)}, SeenAt: time.Now()}
		for i := range each {
			// In opposite orders, so that they also wait for each other.
			n := i
			if kind == hub.External {
				n = each - 1 - i
			}
			b.Accounts = append(b.Accounts, hub.Account{
				Reference: fmt.Sprintf("%d-%d", round, n), Type: kind, CreatedAt: time.Now(), Raw: fmt.Appendf(nil, "%s %d", kind, n),
			})
		}
		_, err := s.Apply(context.Background(), b)
		return err
	}
	for round := range rounds {
		var wait sync.WaitGroup
		wait.Go(func() {
			if err := show(hub.Accounts, hub.Internal, round); err != nil {
				t.Error(err)
			}
		})
		wait.Go(func() {
			if err := show(hub.Beneficiaries, hub.External, round); err != nil {
				t.Error(err)
			}
		})
		wait.Wait()
	}
	plain, typed := 0, 0
	for q := (hub.ListQuery{Limit: 1000}); ; {
		page, err := s.Accounts(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range page.Items {
			if a.ID.Type == "" {
				plain++
			} else {
				typed++
			}
		}
		if q.At = page.Last; !page.HasMore {
			break
		}
	}
	if plain != rounds*each || typed != rounds*each {
		t.Errorf("%d identifiers without a type and %d with one, of %d references", plain, typed, rounds*each)
	}
}

// TestAConnectorThatIsRemovedWhileItIsReadLeavesNothing removes it between the
// batches of readers that go on until they are told that it is gone. What would
// be left is found when the database closes.
func TestAConnectorThatIsRemovedWhileItIsReadLeavesNothing(t *testing.T) {
	t.Parallel()
	db := openDB(t, nil)
	for round := range 3 {
		s, connectors := installed(t, db, fmt.Sprint("acme", round))
		var wait sync.WaitGroup
		for _, resource := range []hub.Resource{hub.Transactions, hub.Accounts} {
			id := hub.StreamID{Connector: connectors[0].ID, Resource: resource}
			wait.Go(func() {
				for i := 0; ; i++ {
					b := batchOf(id, hub.Cursor{Version: int64(i)}, 50*i, 50)
					if resource == hub.Accounts {
						b.Adjustments = nil
						b.Accounts = []hub.Account{{Reference: fmt.Sprint(i), Type: hub.Internal, CreatedAt: time.Now(), Raw: []byte("{}")}}
					}
					if _, err := s.Apply(context.Background(), b); err != nil {
						if hub.CodeOf(err) != hub.CodeNotFound {
							t.Error(err)
						}
						return
					}
				}
			})
		}
		time.Sleep(50 * time.Millisecond)
		if err := s.UninstallConnector(t.Context(), connectors[0].ID); err != nil {
			t.Error(err)
		}
		wait.Wait()
	}
}

// TestAReferenceLongerThanAnIndexTakesIsStoredAsAnyOther has references of 4,000
// bytes that can't be made shorter, and are the same but for their ends.
func TestAReferenceLongerThanAnIndexTakesIsStoredAsAnyOther(t *testing.T) {
	t.Parallel()
	db := openDB(t, nil)
	s, connectors := installed(t, db, "acme")
	id := hub.StreamID{Connector: connectors[0].ID, Resource: hub.Transactions}
	random := rand.New(rand.NewPCG(1, 1))
	var long strings.Builder
	for range 999 {
		long.WriteRune(rune(0x20000 + random.IntN(0xA000)))
	}
	want := []string{long.String() + "a", long.String() + "b", "short"}
	b := batchOf(id, hub.Cursor{}, 0, len(want))
	for i := range b.Adjustments {
		b.Adjustments[i].Reference, b.Adjustments[i].PaymentReference = want[i], want[i]
	}
	b.Rejected = []hub.Rejection{{Reference: want[0], Reason: "bad", Raw: []byte("x")}, {Reference: want[1], Reason: "bad", Raw: []byte("y")}}
	for version, stored := range []int{3, 0} {
		b.Read.Version = int64(version)
		if applied, err := s.Apply(t.Context(), b); err != nil || applied.Stored != stored {
			t.Fatal(applied.Stored, err)
		}
	}
	for _, reference := range want {
		p, err := s.Payment(t.Context(), hub.PaymentID{Connector: id.Connector, Reference: reference, Type: hub.PayIn})
		if err != nil || p.Reference != reference {
			t.Error(err)
		}
		page, err := s.Payments(t.Context(), hub.ListQuery{Filter: hub.CompareText{Field: hub.FieldReference, Operator: hub.Equal, Text: reference}})
		if err != nil || len(page.Items) != 1 {
			t.Error(len(page.Items), err)
		}
	}
	var got []string
	if err := s.Records(t.Context(), id, func(id string, _ []byte) error {
		got = append(got, id)
		return nil
	}); err != nil {
		t.Error(err)
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d records, or in another order", len(got))
	}
}
