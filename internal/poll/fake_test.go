package poll

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/hub"
)

// A memory is a store of streams that keeps the batches it is given.
type memory struct {
	mu        sync.Mutex
	connector hub.Connector
	streams   map[hub.Resource]*hub.Stream
	accounts  []string
	batches   []hub.Batch
	// apply, when set, is asked before each batch is kept.
	apply func(hub.Batch) (hub.Applied, error)
	// completed and failed count the ends of polls, caughtUp is what the last said.
	completed, failed int
	caughtUp          bool
	// atOnce counts polls whose last batch was stored with their end.
	atOnce  int
	dialled int
}

var connectorID = hub.ConnectorID{Provider: hub.Provider, Reference: "acme"}

const period = 10 * time.Second

func newMemory() *memory {
	m := &memory{connector: hub.Connector{ID: connectorID, Name: "acme"}, streams: make(map[hub.Resource]*hub.Stream)}
	for _, resource := range hub.Resources() {
		m.streams[resource] = &hub.Stream{ID: id(resource), Period: period, Turn: 1}
	}
	return m
}

func id(resource hub.Resource) hub.StreamID {
	return hub.StreamID{Connector: connectorID, Resource: resource}
}

// Connector implements Store.
func (m *memory) Connector(context.Context, hub.ConnectorID) (hub.Connector, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.connector.ID.IsZero() {
		return hub.Connector{}, hub.Errorf(hub.CodeNotFound, "there is no such connector")
	}
	return m.connector, nil
}

// Stream implements Store.
func (m *memory) Stream(_ context.Context, id hub.StreamID) (hub.Stream, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if stream := m.streams[id.Resource]; stream != nil {
		return *stream, nil
	}
	return hub.Stream{}, hub.Errorf(hub.CodeNotFound, "there is no such stream")
}

// AccountReferences implements Store.
func (m *memory) AccountReferences(_ context.Context, _ hub.ConnectorID, after string, limit int) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, found := slices.BinarySearch(m.accounts, after)
	if found {
		i++
	}
	return m.accounts[i:min(i+limit, len(m.accounts))], nil
}

// Apply implements Store. Unless the test says otherwise each row is a new version.
func (m *memory) Apply(_ context.Context, batch hub.Batch) (hub.Applied, error) {
	applied := hub.Applied{Stored: batch.Rows() - len(batch.Rejected), Rejected: len(batch.Rejected)}
	if m.apply != nil {
		var err error
		if applied, err = m.apply(batch); err != nil {
			return hub.Applied{}, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	stream := m.streams[batch.Stream.Resource]
	if batch.Read.Version != stream.Cursor.Version {
		return hub.Applied{}, hub.Errorf(hub.CodeStale, "the cursor has moved on")
	}
	stream.Cursor = batch.Next
	stream.Cursor.Version = batch.Read.Version + 1
	applied.Cursor = stream.Cursor
	m.batches = append(m.batches, batch)
	for i := range batch.Accounts {
		m.accounts = append(m.accounts, batch.Accounts[i].Reference)
	}
	return applied, nil
}

// ApplyNews implements Store. What has no rows is no news.
func (m *memory) ApplyNews(ctx context.Context, batch hub.Batch) (applied hub.Applied, stored bool, err error) {
	if batch.Rows() == 0 {
		return hub.Applied{}, false, nil
	}
	applied, err = m.Apply(ctx, batch)
	return applied, err == nil, err
}

// CompletePoll implements Store.
func (m *memory) CompletePoll(_ context.Context, id hub.StreamID, turn int64, at time.Time, caughtUp bool, nextDue time.Time) error {
	return m.end(id, turn, func(s *hub.Stream) {
		m.completed++
		m.caughtUp = caughtUp
		s.LastSuccessAt, s.NextDueAt = at, nextDue
		s.FailingSince, s.ConsecutiveFailures, s.LastError = time.Time{}, 0, nil
	})
}

// CompletePollWith implements Store.
func (m *memory) CompletePollWith(
	ctx context.Context, batch hub.Batch, turn int64, at time.Time, caughtUp bool, nextDue time.Time,
) (hub.Applied, error) {
	applied, err := m.Apply(ctx, batch)
	if err != nil {
		return applied, err
	}
	m.atOnce++
	return applied, m.CompletePoll(ctx, batch.Stream, turn, at, caughtUp, nextDue)
}

// FailPoll implements Store.
func (m *memory) FailPoll(_ context.Context, id hub.StreamID, turn int64, at time.Time, cause *hub.Error, nextDue time.Time) error {
	return m.end(id, turn, func(s *hub.Stream) {
		m.failed++
		if s.FailingSince.IsZero() {
			s.FailingSince = at
		}
		s.ConsecutiveFailures++
		s.LastError, s.NextDueAt = cause, nextDue
	})
}

// PollNow implements Store.
func (m *memory) PollNow(_ context.Context, id hub.StreamID) error {
	if stream, err := m.Stream(nil, id); err != nil || !stream.PausedAt.IsZero() { //nolint:staticcheck // it is not used
		return hub.Errorf(hub.CodeInvalid, "the stream is paused")
	}
	return m.end(id, m.streams[id.Resource].Turn, func(s *hub.Stream) { s.NextDueAt = time.Now() })
}

func (m *memory) end(id hub.StreamID, turn int64, change func(*hub.Stream)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	stream := m.streams[id.Resource]
	if stream == nil {
		return hub.Errorf(hub.CodeNotFound, "there is no such stream")
	}
	if stream.Turn != turn {
		return hub.Errorf(hub.CodeStale, "turn %d is over", turn)
	}
	stream.Turn++
	change(stream)
	return nil
}

// A reading is a service that is read as the test has it.
type reading func(ctx context.Context, stream hub.Stream, sink hub.Sink) error

// Read implements Service.
func (r reading) Read(ctx context.Context, stream hub.Stream, sink hub.Sink) error {
	return r(ctx, stream, sink)
}

// ReadBalances implements Service: one batch for each account.
func (r reading) ReadBalances(
	ctx context.Context, stream hub.Stream,
	accounts func(ctx context.Context, after string, limit int) ([]string, error), sink hub.Sink,
) error {
	if r != nil {
		return r(ctx, stream, sink)
	}
	for after := ""; ; {
		chunk, err := accounts(ctx, after, 1)
		if err != nil || len(chunk) == 0 {
			return err
		}
		after = chunk[0]
		balance := hub.Balance{Account: hub.AccountID{Connector: connectorID, Reference: after}}
		if err := sink.Put(ctx, hub.Batch{Stream: stream.ID, Next: stream.Cursor, Balances: []hub.Balance{balance}}); err != nil {
			return err
		}
	}
}

// poller returns a poller of m whose service is read so.
func (m *memory) poller(read reading) *Poller {
	return &Poller{Store: m, Dial: func(hub.Connector) Service {
		m.dialled++
		return read
	}}
}

// once runs the present turn of a stream.
func (m *memory) once(t *testing.T, p *Poller, resource hub.Resource) hub.Stream {
	t.Helper()
	if err := p.Once(t.Context(), id(resource), m.streams[resource].Turn); err != nil {
		t.Fatal(err)
	}
	return *m.streams[resource]
}

// pages puts so many pages of a few transactions each, a second apart, whose
// watermark moves by a minute each.
func pages(n int) reading {
	return func(ctx context.Context, stream hub.Stream, sink hub.Sink) error {
		for range n {
			stream.Cursor.Watermark = stream.Cursor.Watermark.Add(time.Minute)
			if err := sink.Put(ctx, page(stream)); err != nil {
				return err
			}
			time.Sleep(time.Second)
		}
		return nil
	}
}

func page(stream hub.Stream) hub.Batch {
	return hub.Batch{Stream: stream.ID, Next: stream.Cursor, Adjustments: make([]hub.PaymentAdjustment, heldRowsMax+1)}
}

// failing is a service that fails before the first page.
func failing(err error) reading {
	return func(context.Context, hub.Stream, hub.Sink) error { return err }
}

var errDown = hub.Errorf(hub.CodeServiceFailed, "the service failed (status 503)")

// askingError carries the pause that a service asks for.
type askingError time.Duration

// Error implements error.
func (e askingError) Error() string { return "come back later" }

func retryAfter(err error) time.Duration {
	var asking askingError
	if errors.As(err, &asking) {
		return time.Duration(asking)
	}
	return 0
}

// lines counts the log's lines that hold text.
func lines(log *strings.Builder, text string) int { return strings.Count(log.String(), text) }
