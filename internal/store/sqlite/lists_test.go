package sqlite

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
)

// fillPayments stores payments of one connector through the driver alone.
func fillPayments(t *testing.T, db *DB, connector *store.ConnectorRow, payments ...hub.Payment) {
	t.Helper()
	err := db.Write(t.Context(), func(tx store.Tx) error {
		if connector.Key == 0 {
			connector.Connector = hub.Connector{ID: hub.NewConnectorID(hub.Provider), Name: hub.NewUUID()}
			if err := tx.InsertConnector(t.Context(), connector); err != nil {
				return err
			}
		}
		rows := make([]*store.PaymentRow, len(payments))
		for i := range payments {
			rows[i] = &store.PaymentRow{ConnectorKey: connector.Key, Payment: payments[i]}
		}
		return tx.InsertPayments(t.Context(), rows)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func pageOf(t *testing.T, db *DB, q hub.ListQuery) (rows []store.PaymentRow) {
	t.Helper()
	err := db.Read(t.Context(), func(v store.View) (err error) {
		rows, err = v.PaymentPage(t.Context(), q)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// Metadata may come from another database, which writes JSON in its own way.
func TestMetadataAreFoundHoweverTheirJSONIsWritten(t *testing.T) {
	db, err := Open(t.Context(), filepath.Join(t.TempDir(), "weir.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var connector store.ConnectorRow
	values := []string{"", "plain", "with \"quotes\"", `back\slash`, "<html> & 'more'", "a/b", "Zürich", "line\nbreak", "\u2028", "😀", `x","k":"y`}
	for _, value := range values {
		fillPayments(t, db, &connector, hub.Payment{Reference: value, Metadata: map[string]string{"k": value, "other": "plain2"}})
	}
	escape := func(text string) string {
		var b strings.Builder
		for _, unit := range text {
			if unit > 0xffff {
				return fmt.Sprintf("%q", text) // no pairs of halves here
			}
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
		return `"` + b.String() + `"`
	}
	for i, value := range values {
		if got := pageOf(t, db, hub.ListQuery{Limit: 100, Filter: hub.HasMetadata{Key: "k", Value: value}}); len(got) != 1 || got[0].Reference != value {
			t.Errorf("%q: %d payments are found as we write them", value, len(got))
		}
		if strings.ContainsFunc(value, isEscaped) {
			err := db.write(context.Background(), func(tx *tx) error {
				_, err := tx.exec(t.Context(), "UPDATE payment SET metadata = ? WHERE payment_key = ?", `{ "k" : `+escape(value)+` }`, int64(i+1))
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := pageOf(t, db, hub.ListQuery{Limit: 100, Filter: hub.HasMetadata{Key: "k", Value: value}}); len(got) != 1 {
				t.Errorf("%q: %d payments are found as another may write them", value, len(got))
			}
		}
	}
}

// A PSP that dates its payments to the day has very many of one instant.
func TestAPageIsReadWithoutWalkingThroughAllOfItsInstant(t *testing.T) {
	db, err := Open(t.Context(), filepath.Join(t.TempDir(), "weir.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var connectors [3]store.ConnectorRow
	const payments = 300
	for number := range payments {
		fillPayments(t, db, &connectors[number%3], hub.Payment{
			Reference: fmt.Sprint(number), CreatedAt: day.AddDate(0, 0, number/100), Status: "PENDING",
		})
	}
	for _, filter := range []hub.Filter{nil, hub.OfConnector{ID: connectors[1].ID}, hub.CompareText{Field: hub.FieldStatus, Operator: hub.Equal, Text: "PENDING"}} {
		query := hub.ListQuery{Limit: 7, Filter: filter}
		seen := 0
		last := int64(payments + 1)
		for {
			rows := pageOf(t, db, query)
			for i := range rows {
				if rows[i].Key >= last {
					t.Fatalf("%v: payment %d comes after %d", filter, rows[i].Key, last)
				}
				last = rows[i].Key
			}
			if seen += len(rows); len(rows) < query.Limit {
				break
			}
			query.At = hub.Position{CreatedAt: rows[len(rows)-1].CreatedAt, Key: last}
		}
		want := payments
		if _, one := filter.(hub.OfConnector); one {
			want /= 3
		}
		if seen != want {
			t.Errorf("%v: %d payments were read, want %d", filter, seen, want)
		}
	}
	db.eachSession(func(s *session) {
		for text := range s.prepared {
			if strings.Contains(text, "(p.created_at, p.payment_key)") {
				t.Errorf("a condition on the pair walks through the whole instant: %s", text)
			}
		}
	})
}
