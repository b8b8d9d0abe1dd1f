package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/weirhq/weir/internal/hub"
)

// Outcomes that are no code of package hub.
const (
	outcomeOK      = "ok"
	outcomeMore    = "more"
	outcomeStopped = "stopped"
	outcomeStale   = "stale"
)

// A poll is what is known so far of a poll that is under way. It travels in the
// poll's context, so that those who store and ask for it know whose it is. What
// it counts is written by the goroutine that stores, and read once that has ended.
type poll struct {
	stream              hub.StreamID
	pages, rows, stored int
	outcome             string
}

type pollKey struct{}

func pollOf(ctx context.Context) *poll {
	p, _ := ctx.Value(pollKey{}).(*poll)
	return p
}

// Poll runs once, which is the poll of one turn of a stream, and tells how it
// ended. A turn that was over before it began is not counted.
func (t *Telemetry) Poll(
	ctx context.Context, id hub.StreamID, turn int64, once func(ctx context.Context, id hub.StreamID, turn int64) error,
) error {
	p := &poll{stream: id}
	began := t.now()
	ctx, span := t.tracing.start(context.WithValue(ctx, pollKey{}, p), "poll "+string(id.Resource),
		attribute.String("weir.resource", string(id.Resource)), attribute.Int64("weir.turn", turn))
	t.pollsRunning.Add(ctx, 1)
	err := once(ctx, id, turn)
	t.pollsRunning.Add(ctx, -1)
	outcome := p.endedAs(ctx, err)
	t.endSpan(span, p, outcome)
	if outcome == outcomeStale && p.pages == 0 {
		return err
	}
	resource, ended := attribute.String(labelResource, string(id.Resource)), attribute.String(labelOutcome, outcome)
	t.polls.Add(ctx, 1, metric.WithAttributes(t.connector(id), resource, ended))
	t.pollDuration.Record(ctx, t.seconds(began), metric.WithAttributes(resource, ended))
	return err
}

// endedAs names the end of a poll. One that was neither completed nor failed has
// lost its turn to somebody else, unless there was no telling how it went.
func (p *poll) endedAs(ctx context.Context, err error) string {
	switch {
	case p.outcome != "":
		return p.outcome
	case ctx.Err() != nil:
		return outcomeStopped
	case err != nil:
		return string(hub.CodeOf(err))
	default:
		return outcomeStale
	}
}

func (t *Telemetry) endSpan(span trace.Span, p *poll, outcome string) {
	if span.IsRecording() {
		span.SetAttributes(
			attribute.String("weir.connector", t.labels.of(p.stream.Connector)), // its name is known by now
			attribute.Int("weir.pages", p.pages), attribute.Int("weir.rows", p.rows),
			attribute.Int("weir.stored", p.stored), attribute.String("weir.outcome", outcome))
		markFailed(span, outcome != outcomeOK && outcome != outcomeMore && outcome != outcomeStopped && outcome != outcomeStale)
	}
	span.End()
}

// Completed is to be told when the poll of ctx has been completed: ended where
// the list was read to its end.
func (t *Telemetry) Completed(ctx context.Context, ended bool) {
	if p := pollOf(ctx); p != nil {
		if p.outcome = outcomeMore; ended {
			p.outcome = outcomeOK
		}
	}
}

// Failed is to be told when the failure of the poll of ctx has been recorded.
func (t *Telemetry) Failed(ctx context.Context, cause *hub.Error) {
	if p := pollOf(ctx); p != nil {
		p.outcome = string(cause.Code)
	}
}

// Dialed is to be told whose service is about to be asked, before it is.
func (t *Telemetry) Dialed(c hub.Connector) { t.labels.learn(c) }

// Apply runs apply, which stores a batch in one transaction, and counts what it came to.
func (t *Telemetry) Apply(
	ctx context.Context, batch hub.Batch, apply func(context.Context, hub.Batch) (hub.Applied, error),
) (hub.Applied, error) {
	ctx, span := t.tracing.start(ctx, "apply "+string(batch.Stream.Resource))
	applied, err := apply(ctx, batch)
	if span.IsRecording() {
		span.SetAttributes(attribute.Int("weir.rows", batch.Rows()), attribute.Int("weir.stored", applied.Stored))
		markFailed(span, err != nil)
	}
	span.End()
	if err != nil {
		return applied, err
	}
	t.stored(ctx, &batch, applied)
	return applied, nil
}

func (t *Telemetry) stored(ctx context.Context, batch *hub.Batch, applied hub.Applied) {
	rows := batch.Rows()
	if p := pollOf(ctx); p != nil {
		p.pages++
		p.rows += rows
		p.stored += applied.Stored
	}
	if rows == 0 {
		return
	}
	of := metric.WithAttributeSet(attribute.NewSet(
		t.connector(batch.Stream), attribute.String(labelResource, string(batch.Stream.Resource))))
	t.rows.Add(ctx, int64(rows), of)
	t.versions.Add(ctx, int64(applied.Stored), of)
	t.lateRows.Add(ctx, int64(applied.Late), of)
	t.rejections.Add(ctx, int64(applied.Rejected), of)
}

func (t *Telemetry) connector(id hub.StreamID) attribute.KeyValue {
	return attribute.String(labelConnector, t.labels.of(id.Connector))
}

// Transaction is to be told of each transaction of the database: its kind, read
// or write, when it began, and how it ended.
func (t *Telemetry) Transaction(ctx context.Context, kind string, began time.Time, err error) {
	t.transaction.Record(ctx, t.seconds(began), metric.WithAttributes(
		attribute.String(labelKind, kind), attribute.String(labelOutcome, transactionOutcome(ctx, err))))
}

// transactionOutcome tells the database's faults from answers of the rules that
// run inside of a transaction.
func transactionOutcome(ctx context.Context, err error) string {
	switch {
	case err == nil:
		return outcomeOK
	case hub.CodeOf(err) != hub.CodeInternal:
		return "refused"
	case ctx.Err() != nil:
		return "canceled"
	default:
		return "failed"
	}
}
