package poll_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/connector"
	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/poll"
	"github.com/weirhq/weir/internal/store"
	"github.com/weirhq/weir/internal/store/sqlite"
	"github.com/weirhq/weir/internal/store/storetest"
)

// A psp is an integration service with a few hundred records.
type psp struct {
	mu     sync.Mutex
	rows   int
	status int // of every answer, where it is no success
}

func (p *psp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.status != 0 {
		w.WriteHeader(p.status)
		return
	}
	query := r.URL.Query()
	page, _ := strconv.Atoi(query.Get("page"))
	size, _ := strconv.Atoi(query.Get("pageSize"))
	from, _ := time.Parse(time.RFC3339, query.Get("updatedAtFrom")+query.Get("createdAtFrom"))
	rows := []json.RawMessage{}
	add := func(n int, form string) {
		for i := range n {
			at := time.Date(2024, 5, 1, 12, 0, i, 0, time.UTC)
			if !at.Before(from) {
				rows = append(rows, json.RawMessage(fmt.Sprintf(form, fmt.Sprint(i), at.Format(time.RFC3339))))
			}
		}
	}
	switch {
	case r.URL.Path == "/transactions":
		add(p.rows, `{"id":"t%[1]s","createdAt":"%[2]s","updatedAt":"%[2]s","currency":"EUR/2","type":"PAYIN","status":"SUCCEEDED","amount":"1"}`)
	case r.URL.Path == "/accounts":
		add(3, `{"id":"a%[1]s","createdAt":"%[2]s","accountName":"Account"}`)
	case strings.HasSuffix(r.URL.Path, "/balances"):
		id := strings.Split(r.URL.Path, "/")[2]
		fmt.Fprintf(w, `{"id":%q,"accountID":%q,"at":"2024-05-01T12:00:00Z","balances":[{"amount":"5","currency":"EUR/2"}]}`, id, id)
		return
	default:
		http.NotFound(w, r)
		return
	}
	begin := min((page-1)*size, len(rows))
	_ = json.NewEncoder(w).Encode(rows[begin:min(begin+size, len(rows))])
}

func (p *psp) set(rows, status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rows, p.status = rows, status
}

// install returns a poller over a real service, connector, store and database.
func install(t *testing.T, p *psp) (*poll.Poller, *store.Store, hub.ConnectorID) {
	t.Helper()
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "weir.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	kept := store.New(db, storetest.PlainCipher{})
	c := hub.Connector{
		ID: hub.NewConnectorID(hub.Provider), Name: "acme", CreatedAt: time.Now(), UpdatedAt: time.Now(),
		Config: hub.Config{Endpoint: server.URL, APIKey: hub.NewSecret("the key of acme"), PollingPeriod: time.Minute},
	}
	if err := kept.InstallConnector(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	clients := connector.NewClients(connector.Options{})
	return &poll.Poller{
		Store: kept, RetryAfter: connector.RetryAfter,
		Dial: func(c hub.Connector) poll.Service { return clients.For(c) },
	}, kept, c.ID
}

// once runs the present turn of a stream and returns how it stands.
func once(t *testing.T, p *poll.Poller, kept *store.Store, id hub.StreamID) hub.Stream {
	t.Helper()
	stream, err := kept.Stream(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Once(t.Context(), id, stream.Turn); err != nil {
		t.Fatal(err)
	}
	if stream, err = kept.Stream(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	return stream
}

func TestPollsOfARealServiceEndInARealDatabase(t *testing.T) {
	service := &psp{rows: 250}
	p, kept, id := install(t, service)
	transactions := hub.StreamID{Connector: id, Resource: hub.Transactions}

	stream := once(t, p, kept, transactions)
	if stream.Versions != 250 || !stream.CaughtUp || stream.LastError != nil || stream.Requests < 3 {
		t.Fatalf("after the first poll: %+v", stream)
	}
	service.set(250, http.StatusServiceUnavailable)
	stream = once(t, p, kept, transactions)
	if stream.ConsecutiveFailures != 1 || stream.LastError.Code != hub.CodeServiceFailed ||
		!strings.HasPrefix(stream.LastError.Message, "read transactions: page 1: the service failed (status 503)") {
		t.Errorf("while it is down: %+v, %v", stream, stream.LastError)
	}
	service.set(400, 0)
	stream = once(t, p, kept, transactions)
	if stream.Versions != 400 || stream.LastError != nil || !stream.FailingSince.IsZero() {
		t.Errorf("after it came back: %+v", stream)
	}
	if err := kept.Rewind(t.Context(), transactions, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if stream = once(t, p, kept, transactions); stream.Versions != 400 || !stream.CaughtUp {
		t.Errorf("after a rewind: %+v", stream)
	}
}

func TestBalancesOfARealServiceFollowItsAccounts(t *testing.T) {
	p, kept, id := install(t, &psp{})
	balances, accounts := hub.StreamID{Connector: id, Resource: hub.Balances}, hub.StreamID{Connector: id, Resource: hub.Accounts}
	if stream := once(t, p, kept, balances); stream.Versions != 0 || stream.CaughtUp {
		t.Errorf("balances before accounts: %+v", stream)
	}
	if stream := once(t, p, kept, accounts); stream.Versions != 3 {
		t.Errorf("accounts: %+v", stream)
	}
	if stream := once(t, p, kept, balances); stream.Versions != 3 || !stream.CaughtUp {
		t.Errorf("balances: %+v", stream)
	}
	if err := kept.UninstallConnector(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if err := p.Once(t.Context(), balances, 1); err != nil {
		t.Errorf("a poll of a connector that is gone: %v", err)
	}
}
