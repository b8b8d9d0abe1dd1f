package archive_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
	"github.com/weirhq/weir/internal/store/sqlite"
	"github.com/weirhq/weir/internal/store/storetest"
)

var seedFlag = flag.Uint64("seed", 0, "seed of the random contents; 0 draws one")

// random draws a seed, or takes the flag's, and prints it where the test fails.
func random(t *testing.T) *rand.Rand {
	t.Helper()
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("run again with -seed %d", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}

var day = time.Date(2024, 11, 23, 10, 0, 0, 0, time.UTC)

// strange are texts that something on the way may take for something else.
var strange = []string{
	"", "plain", "\x00", "a\x00b", "\x01", "\x01\x02", "\x01\x01", "𝄞🏦", "ÅÄÖ é", "\u2028\u2029", "\ufffd", "\\N", `"quoted"`, "back\\slash",
	"line\nfeed", "tab\t", "<&>", "null", "{}", `{"base64":"AA=="}`, "'; DROP TABLE payment; --", "\u007f", "\ufeffmark", " ", "\r\n", "%s",
}

// A filler puts random content into a store.
type filler struct {
	t      *testing.T
	store  *store.Store
	random *rand.Rand
}

func (f *filler) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *filler) text() string {
	if f.random.IntN(3) == 0 {
		return fmt.Sprint("r", f.random.IntN(500))
	}
	return strange[f.random.IntN(len(strange))] + strange[f.random.IntN(len(strange))]
}

// reference is a text that something is called by.
func (f *filler) reference() string { return "x" + f.text() }

func (f *filler) metadata() map[string]string {
	switch f.random.IntN(4) {
	case 0:
		return nil
	case 1:
		return map[string]string{}
	}
	m := map[string]string{}
	for range f.random.IntN(4) {
		m[f.text()] = f.text()
	}
	return m
}

// amount has up to sixty digits.
func (f *filler) amount() hub.Amount {
	digits := strings.Builder{}
	for range 1 + f.random.IntN(60) {
		digits.WriteByte(byte('0' + f.random.IntN(10)))
	}
	a, err := hub.ParseAmount(digits.String())
	f.must(err)
	return a
}

func (f *filler) raw() []byte {
	switch f.random.IntN(3) {
	case 0:
		b := make([]byte, f.random.IntN(300))
		for i := range b {
			b[i] = byte(f.random.UintN(256))
		}
		return b
	case 1:
		return fmt.Appendf(nil, `{"note":%q}`, f.text())
	default:
		return []byte(f.text())
	}
}

func (f *filler) at() time.Time {
	return day.Add(time.Duration(f.random.Int64N(int64(90 * 24 * time.Hour))))
}

func (f *filler) install() hub.ConnectorID {
	id := hub.NewConnectorID(hub.Provider)
	c := hub.Connector{
		ID: id, Name: f.text() + id.Reference, CreatedAt: f.at(),
		Config: hub.Config{
			Endpoint: "http://service.test/" + f.text(), APIKey: hub.NewSecret("key"), PollingPeriod: time.Minute, RequestsPerSecond: f.random.Float64() * 1e3,
			Concurrency: 3,
		},
	}
	f.must(f.store.InstallConnector(f.t.Context(), c))
	return id
}

func (f *filler) apply(id hub.ConnectorID, resource hub.Resource, fill func(*hub.Batch)) {
	f.t.Helper()
	stream := hub.StreamID{Connector: id, Resource: resource}
	state, err := f.store.Stream(f.t.Context(), stream)
	f.must(err)
	b := hub.Batch{Stream: stream, Read: state.Cursor, Next: state.Cursor, SeenAt: f.at(), Requests: 1}
	b.Next.Watermark = f.at()
	for range f.random.IntN(3) {
		b.Rejected = append(b.Rejected, hub.Rejection{Reference: f.text(), StampedAt: f.at(), Reason: f.text(), Raw: f.raw()})
	}
	fill(&b)
	_, err = f.store.Apply(f.t.Context(), b)
	f.must(err)
}

// fill applies batches of everything to some connectors, one of which is
// removed again, and leaves streams paused, failing and rewound.
func (f *filler) fill(batches int) {
	ctx := f.t.Context()
	connectors := []hub.ConnectorID{f.install(), f.install(), f.install()}
	gone := f.install()
	for i := range batches {
		id := connectors[i%len(connectors)]
		if i%10 == 9 {
			id = gone
		}
		f.apply(id, hub.Accounts, f.accounts)
		f.apply(id, hub.Beneficiaries, f.accounts)
		f.apply(id, hub.Balances, f.balances)
		f.apply(id, hub.Transactions, f.transactions)
	}
	f.must(f.store.UninstallConnector(ctx, gone))
	at := func(i int, resource hub.Resource) hub.StreamID {
		return hub.StreamID{Connector: connectors[i], Resource: resource}
	}
	f.must(f.store.Pause(ctx, at(0, hub.Accounts), f.at()))
	f.must(f.store.Rewind(ctx, at(1, hub.Transactions), day.Add(-time.Hour)))
	cause := hub.Errorf(hub.CodeTimeout, "%s", f.text())
	f.must(f.store.FailPoll(ctx, at(2, hub.Balances), 1, f.at(), cause, f.at()))
}

func (f *filler) accounts(b *hub.Batch) {
	kind := hub.Internal
	if b.Stream.Resource == hub.Beneficiaries {
		kind = hub.External
	}
	for range 5 {
		b.Accounts = append(b.Accounts, hub.Account{
			Reference: f.reference(), Type: kind, CreatedAt: f.at(), Name: f.text(), Metadata: f.metadata(), Raw: f.raw(),
		})
	}
}

func (f *filler) balances(b *hub.Batch) {
	for range 5 {
		at := f.at()
		b.Balances = append(b.Balances, hub.Balance{
			Account: hub.AccountID{Connector: b.Stream.Connector, Reference: f.reference()},
			Asset:   "EUR/2", Amount: f.amount(), CreatedAt: at, LastUpdatedAt: at, Raw: f.raw(),
		})
	}
}

func (f *filler) transactions(b *hub.Batch) {
	statuses := []hub.PaymentStatus{hub.Pending, hub.Succeeded, hub.Failed, hub.Refunded}
	for range 20 {
		a := hub.PaymentAdjustment{
			Reference: f.reference(), Type: hub.PayIn, Status: statuses[f.random.IntN(len(statuses))], Scheme: hub.OtherScheme,
			Asset: "BTC/8", Amount: f.amount(), CreatedAt: f.at(), UpdatedAt: f.at(), SourceAccount: f.text(), DestinationAccount: f.text(),
			Metadata: f.metadata(), Raw: f.raw(),
		}
		a.PaymentReference = a.Reference
		if f.random.IntN(5) == 0 {
			a.PaymentReference = f.reference()
		}
		b.Adjustments = append(b.Adjustments, a)
	}
}

// openSQLite opens a database of its own.
func openSQLite(t *testing.T) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(context.Background(), filepath.Join(t.TempDir(), "weir.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() }) // some tests close it before
	return db
}

// filled is a database with random content.
func filled(t *testing.T, batches int) *sqlite.DB {
	t.Helper()
	db := openSQLite(t)
	if _, err := db.PutSetting(t.Context(), "data_key", nil, []byte{0, 1, 2, 0xff}); err != nil {
		t.Fatal(err)
	}
	f := filler{t: t, store: store.New(db, storetest.PlainCipher{}), random: random(t)}
	f.fill(batches)
	return db
}
