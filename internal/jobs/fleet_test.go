package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/jobs"
	"github.com/weirhq/weir/internal/pgtest"
	"github.com/weirhq/weir/internal/store"
)

// ttl is how long a worker of these tests counts as alive: a tenth of the usual,
// and with it every interval of the engine that matters here.
const ttl = 2 * time.Second

// A harbour is what a fleet's members have in common, with a clock of its own.
type harbour struct {
	mu     sync.Mutex
	beats  map[string]time.Time
	claims map[hub.StreamID]string
}

// A member is the fleet as one worker sees it. One that is cut off reaches nobody.
type member struct {
	harbour *harbour
	name    string
	mu      sync.Mutex
	cut     bool
}

var errCutOff = errors.New("the database can't be reached")

func (m *member) reach() (func(), error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cut {
		return nil, errCutOff
	}
	m.harbour.mu.Lock()
	return m.harbour.mu.Unlock, nil
}

func (m *member) setCut(cut bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cut = cut
}

func (h *harbour) alive(name string) bool { return time.Since(h.beats[name]) < ttl }

// Beat implements jobs.Fleet.
func (m *member) Beat(context.Context) (bool, error) {
	done, err := m.reach()
	if err != nil {
		return false, err
	}
	defer done()
	alive := m.harbour.alive(m.name)
	m.harbour.beats[m.name] = time.Now()
	return alive, nil
}

// Claim implements jobs.Fleet.
func (m *member) Claim(_ context.Context, stream hub.StreamID) (bool, error) {
	done, err := m.reach()
	if err != nil {
		return false, err
	}
	defer done()
	holder, held := m.harbour.claims[stream]
	if held && holder != m.name && m.harbour.alive(holder) {
		return false, nil
	}
	m.harbour.claims[stream] = m.name
	return true, nil
}

// Release implements jobs.Fleet.
func (m *member) Release(_ context.Context, stream hub.StreamID) error {
	done, err := m.reach()
	if err != nil {
		return err
	}
	defer done()
	if m.harbour.claims[stream] == m.name {
		delete(m.harbour.claims, stream)
	}
	return nil
}

// Leave implements jobs.Fleet.
func (m *member) Leave(context.Context) error {
	done, err := m.reach()
	if err != nil {
		return err
	}
	defer done()
	delete(m.harbour.beats, m.name)
	for stream, holder := range m.harbour.claims {
		if holder == m.name {
			delete(m.harbour.claims, stream)
		}
	}
	return nil
}

// Live implements jobs.Fleet.
func (m *member) Live(context.Context) (names []string, err error) {
	done, err := m.reach()
	if err != nil {
		return nil, err
	}
	defer done()
	for name := range m.harbour.beats {
		if m.harbour.alive(name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// A dock is one PostgreSQL database with several workers on it, and watches
// that none reads what another reads.
type dock struct {
	dsn     string
	pool    *pgxpool.Pool // of the test itself
	harbour *harbour
	streams []hub.StreamID

	mu      sync.Mutex
	reading map[hub.StreamID]string
	// turn is each stream's next, reads counts polls that were complete, by worker.
	turn  map[hub.StreamID]int64
	reads map[string]int
	lasts map[hub.StreamID]time.Time
	wrong []string
}

func newDock(t *testing.T, dsn string, connectors int) *dock {
	t.Helper()
	d := &dock{
		dsn: dsn, harbour: &harbour{beats: make(map[string]time.Time), claims: make(map[hub.StreamID]string)},
		reading: make(map[hub.StreamID]string), turn: make(map[hub.StreamID]int64),
		reads: make(map[string]int), lasts: make(map[hub.StreamID]time.Time),
	}
	d.pool = d.connect(t)
	if _, _, err := jobs.Migrate(t.Context(), d.pool); err != nil {
		t.Fatal(err)
	}
	for range connectors {
		id := hub.NewConnectorID(hub.Provider)
		for _, resource := range hub.Resources() {
			d.streams = append(d.streams, hub.StreamID{Connector: id, Resource: resource})
		}
	}
	return d
}

func (d *dock) connect(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), d.dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// A ship is one worker.
type ship struct {
	name   string
	engine *jobs.Engine
	member *member
	pool   *pgxpool.Pool
}

// launch starts a worker whose polls are these; nil: they end after a moment.
func (d *dock) launch(t *testing.T, name string, poll func(ctx context.Context, stream hub.StreamID) error, change ...func(*jobs.Options)) *ship {
	t.Helper()
	s := &ship{name: name, member: &member{harbour: d.harbour, name: name}, pool: d.connect(t)}
	options := jobs.Options{
		Postgres: s.pool, Worker: name, Fleet: s.member, TTL: ttl,
		Connectors: func(context.Context) (ids []hub.ConnectorID, err error) {
			for _, stream := range d.streams {
				ids = append(ids, stream.Connector)
			}
			return ids, nil
		},
		Sweep: func(context.Context) error { return nil },
		Poll: func(ctx context.Context, stream hub.StreamID, turn int64) error {
			return d.poll(ctx, s, stream, turn, poll)
		},
	}
	for _, c := range change {
		c(&options)
	}
	var err error
	if s.engine, err = jobs.New(t.Context(), options); err != nil {
		t.Fatal(err)
	}
	if err := s.engine.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.stop(t) })
	return s
}

func (s *ship) stop(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.engine.Stop(ctx); err != nil {
		t.Errorf("stop %s: %v", s.name, err)
	}
}

// poll reads a stream, watched, and schedules the next turn of it.
func (d *dock) poll(ctx context.Context, s *ship, stream hub.StreamID, turn int64, read func(context.Context, hub.StreamID) error) error {
	if !d.begin(s.name, stream, turn) {
		return nil
	}
	err := ctx.Err()
	if read != nil {
		err = read(ctx, stream)
	} else {
		time.Sleep(time.Duration(rand.N(20)) * time.Millisecond)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.reading, stream)
	if err != nil {
		return err
	}
	if err := d.enqueue(ctx, s.engine, s.pool, store.Job{Stream: stream, Turn: turn + 1, DueAt: time.Now().Add(200 * time.Millisecond)}); err != nil {
		return err
	}
	d.turn[stream] = turn + 1
	d.reads[s.name]++
	d.lasts[stream] = time.Now()
	return nil
}

func (d *dock) begin(worker string, stream hub.StreamID, turn int64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if other, busy := d.reading[stream]; busy {
		d.wrong = append(d.wrong, fmt.Sprintf("%s began to read %s while %s read it", worker, stream, other))
	}
	if turn != d.turn[stream] {
		return false // stale
	}
	d.reading[stream] = worker
	return true
}

func (d *dock) enqueue(ctx context.Context, engine *jobs.Engine, pool *pgxpool.Pool, enqueued ...store.Job) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return engine.EnqueueMany(ctx, tx, enqueued) })
}

// begin gives every stream its first job.
func (d *dock) open(t *testing.T, s *ship) {
	t.Helper()
	var first []store.Job
	for _, stream := range d.streams {
		first = append(first, store.Job{Stream: stream, DueAt: time.Now()})
	}
	if err := d.enqueue(t.Context(), s.engine, s.pool, first...); err != nil {
		t.Fatal(err)
	}
}

// await waits until every stream has been read since.
func (d *dock) awaitAll(t *testing.T, since time.Time) time.Duration {
	t.Helper()
	await(t, "every stream to be read", func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		for _, stream := range d.streams {
			if !d.lasts[stream].After(since) {
				return false
			}
		}
		return true
	})
	return time.Since(since)
}

func (d *dock) check(t *testing.T) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, wrong := range d.wrong {
		t.Error(wrong)
	}
}

func (d *dock) readsOf(worker string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.reads[worker]
}

func TestManyWorkersShareTheStreamsAndNeverReadOneTwiceAtOnce(t *testing.T) {
	t.Parallel()
	d := newDock(t, pgtest.Open(t), 5)
	for i := range 3 {
		s := d.launch(t, fmt.Sprintf("worker-%d", i), nil)
		if i == 0 {
			d.open(t, s)
		}
	}
	for i := range 3 {
		name := fmt.Sprintf("worker-%d", i)
		await(t, name+" to read something", func() bool { return d.readsOf(name) > 0 })
	}
	for range 4 {
		d.awaitAll(t, time.Now())
	}
	d.check(t)
}

func TestAWorkerThatIsCutOffStopsReadingBeforeOthersBegin(t *testing.T) {
	t.Parallel()
	d := newDock(t, pgtest.Open(t), 2)
	hang := func(ctx context.Context, _ hub.StreamID) error {
		<-ctx.Done()
		return ctx.Err()
	}
	lost := d.launch(t, "lost", hang)
	d.open(t, lost)
	await(t, "the first worker to read everything", func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return len(d.reading) == len(d.streams)
	})
	d.launch(t, "other", nil)
	lost.member.setCut(true)
	took := d.awaitAll(t, time.Now())
	t.Logf("with a TTL of %s everything was read again %s after the cut", ttl, took.Round(time.Millisecond))
	if took < ttl*7/10-ttl/5 {
		t.Error("the streams were taken from a worker that still was trusted")
	}
	lost.member.setCut(false)
	d.check(t)
}

func TestAJobWhoseAnswerWasLostIsGivenBack(t *testing.T) {
	t.Parallel()
	d := newDock(t, pgtest.Open(t), 1)
	s := d.launch(t, "worker", nil)
	// What a fetch leaves behind whose answer never arrived: running here, unknown here.
	due := store.Job{Stream: d.streams[0], DueAt: time.Now().Add(time.Hour)}
	if err := d.enqueue(t.Context(), s.engine, s.pool, due); err != nil {
		t.Fatal(err)
	}
	_, err := d.pool.Exec(t.Context(), `UPDATE river_job SET state = 'running', attempt = 1,
		attempted_at = now() - interval '1 minute', attempted_by = ARRAY['worker'] WHERE kind = 'poll'`)
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the job to be run", func() bool { return d.readsOf("worker") > 0 })
	var attempt int
	if err := d.pool.QueryRow(t.Context(), `SELECT attempt FROM river_job ORDER BY id LIMIT 1`).Scan(&attempt); err != nil {
		t.Fatal(err)
	}
	if attempt != 1 {
		t.Errorf("the job counts %d attempts, want the one that was really made", attempt)
	}
}

func TestAStopHandsOverWhatHangs(t *testing.T) {
	t.Parallel()
	d := newDock(t, pgtest.Open(t), 2)
	hang := func(ctx context.Context, _ hub.StreamID) error {
		<-ctx.Done()
		return ctx.Err()
	}
	first := d.launch(t, "first", hang)
	d.open(t, first)
	await(t, "the first worker to read everything", func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return len(d.reading) == len(d.streams)
	})
	d.launch(t, "second", nil)
	begun := time.Now()
	first.stop(t)
	stopped := time.Since(begun)
	took := d.awaitAll(t, begun)
	t.Logf("the stop took %s, everything was read %s after it began", stopped.Round(time.Millisecond), took.Round(time.Millisecond))
	if stopped > 5*time.Second || took > stopped+3*time.Second {
		t.Error("that is too long")
	}
	var failed int
	if err := d.pool.QueryRow(t.Context(), `SELECT count(*) FROM river_job WHERE attempt > 1 OR cardinality(errors) > 0`).Scan(&failed); err != nil {
		t.Fatal(err)
	}
	if failed > 0 {
		t.Errorf("%d jobs count the stop as an attempt or an error", failed)
	}
	d.check(t)
}

func TestWorkGoesOnAfterPostgreSQLWasRestarted(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t, pgtest.Options{})
	d := newDock(t, server.Database(t), 3)
	for i := range 2 {
		s := d.launch(t, fmt.Sprintf("worker-%d", i), nil)
		if i == 0 {
			d.open(t, s)
		}
	}
	for range 2 {
		d.awaitAll(t, time.Now())
		server.Restart(t)
		took := d.awaitAll(t, time.Now())
		t.Logf("everything was read again %s after the restart", took.Round(time.Millisecond))
	}
	d.check(t)
}

func TestAProcessThatOnlyInsertsGivesWorkToOthersAtOnce(t *testing.T) {
	t.Parallel()
	d := newDock(t, pgtest.Open(t), 2)
	api := d.launch(t, "api", nil, func(o *jobs.Options) { o.InsertOnly, o.Fleet = true, nil })
	worker := d.launch(t, "worker", nil)
	begun := time.Now()
	d.open(t, api)
	t.Logf("the first polls ended after %s", d.awaitAll(t, begun).Round(time.Millisecond))
	if d.readsOf("api") > 0 || d.readsOf(worker.name) == 0 {
		t.Errorf("the API read %d times, the worker %d", d.readsOf("api"), d.readsOf(worker.name))
	}
	d.check(t)
}

func TestWithoutListenJobsAreFoundByAsking(t *testing.T) {
	t.Parallel()
	d := newDock(t, pgtest.Open(t), 2)
	worker := d.launch(t, "worker", nil, func(o *jobs.Options) { o.PollOnly = true })
	d.open(t, worker)
	d.awaitAll(t, time.Now())
	var listeners int
	if err := d.pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query ILIKE 'LISTEN%'`).Scan(&listeners); err != nil {
		t.Fatal(err)
	}
	if listeners > 0 {
		t.Error("a connection listens")
	}
}

func TestAnEngineRefusesTablesThatAreBehind(t *testing.T) {
	t.Parallel()
	pool, err := pgxpool.New(t.Context(), pgtest.Open(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	_, err = jobs.New(t.Context(), jobs.Options{Postgres: pool})
	if hub.CodeOf(err) != hub.CodeInvalid {
		t.Errorf("an empty database: %v", err)
	}
	for _, want := range [][2]int{{0, 8}, {8, 8}} {
		from, to, err := jobs.Migrate(t.Context(), pool)
		if err != nil || from != want[0] || to != want[1] {
			t.Errorf("migrated from %d to %d: %v, want %v", from, to, err, want)
		}
	}
	if _, err = jobs.New(t.Context(), jobs.Options{Postgres: pool}); err != nil {
		t.Error(err)
	}
}
