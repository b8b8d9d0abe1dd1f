package archive_test

import (
	"testing"

	"github.com/weirhq/weir/internal/archive"
	"github.com/weirhq/weir/internal/pgtest"
	"github.com/weirhq/weir/internal/store"
	"github.com/weirhq/weir/internal/store/postgres"
	"github.com/weirhq/weir/internal/store/storetest"
)

func openPostgres(t *testing.T) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Options{DSN: pgtest.Open(t), Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// both carries an archive into a database and out again.
func both(t *testing.T, text string, into interface {
	archive.Source
	archive.Target
},
) string {
	t.Helper()
	if _, err := load(t, text, into); err != nil {
		t.Fatal(err)
	}
	again, _ := export(t, into)
	return again
}

func TestFromSQLiteToPostgreSQLAndBackNothingChanges(t *testing.T) {
	first, _ := export(t, filled(t, 30))
	second := both(t, first, openPostgres(t))
	same(t, "the archive of PostgreSQL", second, first)
	same(t, "the archive of SQLite again", both(t, second, openSQLite(t)), first)
}

func TestFromPostgreSQLToSQLiteAndBackNothingChanges(t *testing.T) {
	db := openPostgres(t)
	if _, err := db.PutSetting(t.Context(), "data_key", nil, []byte{0, 1, 2, 0xff}); err != nil {
		t.Fatal(err)
	}
	f := filler{t: t, store: store.New(db, storetest.PlainCipher{}), random: random(t)}
	f.fill(30)
	first, _ := export(t, db)
	second := both(t, first, openSQLite(t))
	same(t, "the archive of SQLite", second, first)
	same(t, "the archive of PostgreSQL again", both(t, second, openPostgres(t)), first)
}

// What is stored after a move gets keys and numbers of its own.
func TestAStoreGoesOnInTheOtherDatabase(t *testing.T) {
	from := filled(t, 6)
	text, _ := export(t, from)
	db := openPostgres(t)
	if _, err := load(t, text, db); err != nil {
		t.Fatal(err)
	}
	s := store.New(db, storetest.PlainCipher{})
	last, err := s.LastSequence(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f := filler{t: t, store: s, random: random(t)}
	f.fill(6)
	events, err := s.Events(t.Context(), last, 1000)
	if err != nil || len(events) == 0 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	for i := range events {
		if events[i].Sequence != last+1+int64(i) {
			t.Fatalf("the event %d follows on %d", events[i].Sequence, last+int64(i))
		}
	}
}
