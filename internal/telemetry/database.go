package telemetry

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/weirhq/weir/internal/hub"
)

const (
	// readTimeout bounds what a scrape may ask of the database: a scrape that
	// waits for longer is given up by Prometheus, which waits ten seconds.
	readTimeout = 3 * time.Second
	// readAgain is how long an answer of the database, or its failure to give
	// one, stands for the scrapes that follow: however many scrape, the database
	// is asked once in this time.
	readAgain = 5 * time.Second
	// connectorsPage is how many connectors are listed at a time.
	connectorsPage = 500
)

// Database is what is asked for the metrics that are about all processes.
type Database interface {
	Streams(ctx context.Context, connector hub.ConnectorID) ([]hub.Stream, error)
	Connectors(ctx context.Context, query hub.ListQuery) (hub.Page[hub.Connector], error)
	LastSequence(ctx context.Context) (int64, error)
}

// Queue is how much work waits.
type Queue struct {
	// Jobs counts those that have not ended, by state.
	Jobs map[string]int64
	// OldestDueAt is when the job was due that waits longest; zero when none waits.
	OldestDueAt time.Time
}

// snapshot is what the database said at one instant.
type snapshot struct {
	at         time.Time
	connectors map[hub.ConnectorID]hub.Connector
	streams    []hub.Stream
	sequence   int64
	queue      Queue
	err        error
}

// A reader asks the database, seldom.
type reader struct {
	database Database
	queue    func(ctx context.Context) (Queue, error)
	now      func() time.Time

	mu   sync.Mutex
	last snapshot
}

// read returns what the database says, or what it said a moment ago. Those who
// ask at the same time share one answer.
func (r *reader) read(ctx context.Context) *snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if age := now.Sub(r.last.at); !r.last.at.IsZero() && age >= 0 && age < readAgain {
		last := r.last
		return &last
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	r.last = snapshot{at: now, connectors: make(map[hub.ConnectorID]hub.Connector)}
	r.last.err = r.fill(ctx, &r.last)
	last := r.last
	return &last
}

func (r *reader) fill(ctx context.Context, s *snapshot) (err error) {
	query := hub.ListQuery{Limit: connectorsPage}
	for {
		page, err := r.database.Connectors(ctx, query)
		if err != nil {
			return err
		}
		for i := range page.Items {
			s.connectors[page.Items[i].ID] = page.Items[i]
		}
		if !page.HasMore {
			break
		}
		query.At = page.Last
	}
	if s.streams, err = r.database.Streams(ctx, hub.ConnectorID{}); err != nil {
		return err
	}
	if s.sequence, err = r.database.LastSequence(ctx); err != nil {
		return err
	}
	if r.queue != nil {
		s.queue, err = r.queue(ctx)
	}
	return err
}

// gauges are the instruments of what the database says.
type gauges struct {
	up, connectors, streams, unlisted  metric.Int64Observable
	lag, age, overdue, failing, period metric.Float64Observable
	paused, incomplete, rejections     metric.Int64Observable
	sequence, jobs                     metric.Int64Observable
	oldest                             metric.Float64Observable
	all                                []metric.Observable
}

// Observe adds the metrics that come from the database. It is to be called once
// at the most, and not at all in a process that others speak for: what it tells
// is the same wherever it is asked for. A nil queue leaves the jobs out.
func (t *Telemetry) Observe(database Database, queue func(ctx context.Context) (Queue, error)) error {
	g, err := t.makeGauges()
	if err != nil {
		return err
	}
	r := &reader{database: database, queue: queue, now: t.now}
	_, err = t.meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		t.tell(o, g, r.read(ctx), queue != nil)
		return nil
	}, g.all...)
	return err
}

func (t *Telemetry) makeGauges() (*gauges, error) {
	g, failed := new(gauges), error(nil)
	whole := func(name string) metric.Int64Observable {
		i, err := t.meter.Int64ObservableGauge(name, metric.WithDescription(help(name)))
		if err != nil {
			failed = err
		}
		g.all = append(g.all, i)
		return i
	}
	long := func(name string) metric.Float64Observable {
		i, err := t.meter.Float64ObservableGauge(name, metric.WithDescription(help(name)))
		if err != nil {
			failed = err
		}
		g.all = append(g.all, i)
		return i
	}
	g.up, g.connectors, g.streams, g.unlisted = whole(nameDatabaseUp), whole(nameConnectors), whole(nameStreams), whole(nameUnlisted)
	g.lag, g.age, g.overdue = long(nameLag), long(nameSuccessAge), long(nameOverdue)
	g.failing, g.period = long(nameFailing), long(namePeriod)
	g.paused, g.incomplete, g.rejections = whole(namePaused), whole(nameIncomplete), whole(nameOpenRejections)
	g.sequence, g.jobs, g.oldest = whole(nameSequence), whole(nameQueueJobs), long(nameQueueOldest)
	return g, failed
}

// tell observes a snapshot. The instants in it are compared with now, so that an
// answer which is some seconds old still tells the lag of this moment.
func (t *Telemetry) tell(o metric.Observer, g *gauges, s *snapshot, queue bool) {
	if s.err != nil {
		o.ObserveInt64(g.up, 0)
		return
	}
	now := t.now()
	o.ObserveInt64(g.up, 1)
	o.ObserveInt64(g.connectors, int64(len(s.connectors)))
	o.ObserveInt64(g.sequence, s.sequence)
	if queue {
		for state, count := range s.queue.Jobs {
			o.ObserveInt64(g.jobs, count, metric.WithAttributes(attribute.String(labelState, state)))
		}
		o.ObserveFloat64(g.oldest, elapsed(s.queue.OldestDueAt, now))
	}
	states := make(map[hub.StreamState]int64)
	listed := make(map[hub.ConnectorID]bool)
	var unlisted int64
	for i := range s.streams {
		stream := &s.streams[i]
		states[stream.State(now)]++
		id := stream.ID.Connector
		if !listed[id] && len(listed) == connectorsMax {
			unlisted++
			continue
		}
		listed[id] = true
		connector := s.connectors[id] // one installed a moment ago has no name yet
		if connector.Name == "" {
			connector.Name = id.Reference
		}
		tellStream(o, g, stream, connector, now)
	}
	for _, state := range hub.StreamStates() {
		o.ObserveInt64(g.streams, states[state], metric.WithAttributes(attribute.String(labelState, string(state))))
	}
	o.ObserveInt64(g.unlisted, unlisted)
}

func tellStream(o metric.Observer, g *gauges, stream *hub.Stream, connector hub.Connector, now time.Time) {
	of := metric.WithAttributeSet(attribute.NewSet(
		attribute.String(labelConnector, connector.Name), attribute.String(labelResource, string(stream.ID.Resource))))
	paused := !stream.PausedAt.IsZero()
	overdue := 0.0
	if !paused {
		overdue = elapsed(stream.NextDueAt, now)
	}
	success := stream.LastSuccessAt
	if success.IsZero() {
		success = connector.CreatedAt
	}
	o.ObserveFloat64(g.lag, stream.Lag(now).Seconds(), of)
	o.ObserveFloat64(g.age, elapsed(success, now), of)
	o.ObserveFloat64(g.overdue, overdue, of)
	o.ObserveFloat64(g.failing, elapsed(stream.FailingSince, now), of)
	o.ObserveFloat64(g.period, stream.Period.Seconds(), of)
	o.ObserveInt64(g.paused, flag(paused), of)
	o.ObserveInt64(g.incomplete, flag(stream.Gap() != nil), of)
	o.ObserveInt64(g.rejections, stream.OpenRejections, of)
}

// elapsed is the time since an instant; 0 for none, and for one that is to come.
func elapsed(since, now time.Time) float64 {
	if since.IsZero() || since.After(now) {
		return 0
	}
	return now.Sub(since).Seconds()
}

func flag(is bool) int64 {
	if is {
		return 1
	}
	return 0
}
