package simulator

import (
	"container/heap"
	"context"
	"slices"
	"time"
)

// Life is a queue of events. Playing one moves the clock to it, changes the
// books, and usually puts what follows from it into the queue: a deposit that
// is processing will settle or be declined, one that has settled may be
// returned in parts or charged back. story.go says what follows from what.

// event is something that is going to happen.
type event struct {
	// at is when it becomes visible; late is how long before that it happened.
	at, late instant
	// sequence keeps events of one moment in the order in which they were planned.
	sequence int
	act      act
	// number is the movement concerned. It must still be in the state was;
	// otherwise something else came first, and this does not happen.
	number  int
	was, is state
}

// act is a kind of event.
type act int

const (
	// actArrive is the next new movement, and plans the one after it.
	actArrive act = iota
	// actAppear is a new movement that happened before and is seen only now.
	actAppear
	// actBecome takes a movement from one state to another.
	actBecome
	// actPart moves a part of a movement, by a movement of its own.
	actPart
)

// queue is a heap of events.
type queue []event

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].sequence < q[j].sequence
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push is for package heap.
func (q *queue) Push(e any) { *q = append(*q, e.(event)) } //nolint:errcheck // push gives nothing else

// Pop is for package heap.
func (q *queue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

// The shape of what comes late: the delays are between two intervals, so that
// something newer is already there, and sixty; with the default interval,
// between twelve minutes and six hours.
const (
	lateOneIn = 25
	lateMin   = 2
	lateMax   = 60
	// tieGrain is how many intervals pass between two batches, where the PSP
	// does its work in batches and a batch has one stamp.
	tieGrain = 50
)

// push plans an event.
func (p *PSP) push(e event) {
	p.planned++
	e.sequence = p.planned
	heap.Push(&p.queue, e)
}

// plan pushes what follows from something, after a time that is drawn around so
// many intervals. What came late has its consequences after it was seen, or
// lateness would add up.
func (p *PSP) plan(e event, intervals float64) {
	wait := p.rand.ExpFloat64() * intervals * float64(p.interval)
	e.at = p.clock + max(instant(wait), p.interval/10, 1)
	if p.faults.Has(Ties) {
		grain := tieGrain * p.interval
		e.at = e.at.floor(grain) + grain
	}
	if p.faults.Has(Late) && p.rand.IntN(lateOneIn) == 0 {
		e.late = p.lateness()
		e.at += e.late
	}
	p.push(e)
}

func (p *PSP) lateness() instant {
	return lateMin*p.interval + instant(p.rand.Int64N(int64((lateMax-lateMin)*p.interval)))
}

// Step plays the next n events and returns how many it played: fewer where the
// next one lies after Now, none once life is settled.
func (p *PSP) Step(n int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	played := 0
	for played < n && p.next(p.horizon()) {
		played++
	}
	return played
}

// Advance plays everything that happens within d and moves the clock on by as
// much, though not past Now. It returns the number of events.
func (p *PSP) Advance(d time.Duration) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.advance(p.clock + instant(d.Microseconds()))
}

// CatchUp plays everything that should have happened by Now. A PSP that lives
// by its own clock has nothing to catch up with.
func (p *PSP) CatchUp() int {
	if p.now == nil {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.advance(p.horizon())
}

func (p *PSP) advance(to instant) int {
	to = min(to, p.horizon())
	played := 0
	for p.next(to) {
		played++
	}
	if !p.over {
		p.clock = max(p.clock, to)
	}
	return played
}

// Live plays so many events a second until ctx ends or life is settled. Where
// life lies behind Now it runs faster than time does, days in a minute, and when
// it has caught up it goes on as time does.
func (p *PSP) Live(ctx context.Context, perSecond int) {
	ticker := time.NewTicker(time.Second / time.Duration(max(perSecond, 1)))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			p.Step(1)
		}
		p.mu.RLock()
		over := p.over
		p.mu.RUnlock()
		if over {
			return
		}
	}
}

// Settle ends life: no more events, and no more rows that move while they are
// read. What has happened already and was only not visible yet becomes visible,
// so what the PSP shows from now on is what a reader must come to. Orders of
// clients are still taken. Settling twice is settling once.
func (p *PSP) Settle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	pending := slices.Clone(p.queue)
	slices.SortFunc(pending, func(a, b event) int { return a.sequence - b.sequence })
	for _, e := range pending {
		if e.late > 0 && e.at-e.late <= p.clock {
			e.at, e.late = p.clock, p.clock-(e.at-e.late)
			p.play(e)
		}
	}
	p.over, p.queue = true, nil
}

// horizon is the last moment that may be played.
func (p *PSP) horizon() instant {
	if p.now == nil {
		return endOfTime
	}
	return instantOf(p.now())
}

const endOfTime instant = 1 << 62

// next plays the next event unless it lies after until.
func (p *PSP) next(until instant) bool {
	if p.over || len(p.queue) == 0 || p.queue[0].at > until {
		return false
	}
	e := heap.Pop(&p.queue).(event) //nolint:errcheck // the queue holds nothing else
	p.play(e)
	return true
}

// play makes the event happen.
func (p *PSP) play(e event) {
	p.clock = max(p.clock, e.at)
	at := e.at - e.late
	if e.late == 0 {
		at = p.stamp(at)
	}
	switch e.act {
	case actArrive:
		p.arrive(at)
	case actAppear:
		p.begin(at)
	case actBecome, actPart:
		m := &p.movements[e.number]
		switch {
		case m.state != e.was:
		case p.shown(at) <= m.changed:
			// A change moves the stamp: it waits until the stamp can move.
			e.at = max(e.at, m.changed+p.unit()+e.late) + p.interval
			p.push(e)
		case e.act == actBecome:
			p.become(e.number, e.is, at)
		default:
			p.movePart(e.number, e.is, at)
		}
	}
}

// arrive lets a new movement begin and plans the next arrival.
func (p *PSP) arrive(at instant) {
	next := event{at: at + max(instant(p.rand.ExpFloat64()*float64(p.interval)), 1), act: actArrive}
	if p.faults.Has(Ties) && p.tied() {
		next.at = at
	}
	p.push(next)
	if p.faults.Has(Late) && p.rand.IntN(lateOneIn) == 0 {
		late := p.lateness()
		p.push(event{at: at + late, late: late, act: actAppear})
		return
	}
	switch p.rand.IntN(400) {
	case 0:
		p.openWallet(at)
	case 1, 2, 3, 4:
		p.openCounterparty(at)
	}
	p.begin(at)
}

// tied reports whether the next arrival shares the present moment. Most bursts
// are a handful; some are several hundred, more than any page.
func (p *PSP) tied() bool {
	if p.burst > 0 {
		p.burst--
		return p.burst > 0
	}
	switch draw := p.rand.IntN(300); {
	case draw == 0, p.begun == firstBurst:
		p.burst = 150 + p.rand.IntN(200)
	case draw < 12:
		p.burst = 2 + p.rand.IntN(20)
	}
	return p.burst > 0
}

// firstBurst is the arrival at which a PSP with ties has its first large burst,
// early, so that the smallest history has one.
const firstBurst = 30

// stamp gives the moment of something that happens at t. On an honest PSP no
// two are equal.
func (p *PSP) stamp(t instant) instant {
	if !p.faults.Has(Ties) {
		t = max(t, p.moment+1)
	}
	p.moment = max(p.moment, t)
	p.clock = max(p.clock, t)
	return t
}

// shown is the moment as the PSP shows it.
func (p *PSP) shown(t instant) instant {
	if p.faults.Has(DateOnly) {
		return t.floor(day)
	}
	return t
}

// unit is the least by which a shown stamp can move.
func (p *PSP) unit() instant {
	if p.faults.Has(DateOnly) {
		return day
	}
	return 1
}

// future is the stamp of a record that is dated in the next century but one.
// Some share a stamp.
func (p *PSP) future() instant {
	p.futures++
	return instantOf(time.Date(2099, 1, 1, p.futures/2, 0, 0, 0, time.UTC))
}

// stirUp changes a few old movements, as happens on a busy PSP between two
// pages of a walk: what stood at the front of the list moves to its end, and
// every offset behind it is off by one.
func (p *PSP) stirUp() {
	if !p.faults.Has(Moving) || p.over || p.stir > stirMax {
		return
	}
	p.next(p.horizon())
	for range 1 + p.rand.IntN(3) {
		number := p.rand.IntN(max(len(p.movements), 1))
		if number >= len(p.movements) || p.clock+1 > p.horizon() {
			return
		}
		m := &p.movements[number]
		at := p.stamp(p.clock + 1)
		if m.kind == deposit && m.state == settled && m.parent == none && m.poison == sound &&
			m.moved.Sign() == 0 && p.shown(at) > m.changed {
			p.stir++
			p.become(number, chargedBack, at)
		}
	}
}

// stirMax bounds how often a walk is disturbed, so that a reader that never
// stops walking ends all the same.
const stirMax = 2000
