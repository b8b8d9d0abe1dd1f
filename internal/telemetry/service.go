package telemetry

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/weirhq/weir/internal/hub"
)

// Transport returns next with the requests to one connector's service measured,
// and with each request carrying its trace.
func (t *Telemetry) Transport(c hub.Connector, next http.RoundTripper) http.RoundTripper {
	return t.tracing.transport(&transport{telemetry: t, id: c.ID, next: next})
}

type transport struct {
	telemetry *Telemetry
	id        hub.ConnectorID
	next      http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(request *http.Request) (*http.Response, error) {
	began := t.telemetry.now()
	response, err := t.next.RoundTrip(request)
	if err != nil {
		t.ended(request.Context(), began, outcomeOfError(err))
		return response, err
	}
	response.Body = &countedBody{ReadCloser: response.Body, ended: func(err error) {
		outcome := outcomeOfStatus(response.StatusCode)
		if err != nil && outcome == outcomeOK {
			outcome = outcomeOfCut(err)
		}
		t.ended(request.Context(), began, outcome)
	}}
	return response, nil
}

func (t *transport) ended(ctx context.Context, began time.Time, outcome string) {
	t.telemetry.service.Record(ctx, t.telemetry.seconds(began), metric.WithAttributes(
		attribute.String(labelConnector, t.telemetry.labels.of(t.id)), attribute.String(labelOutcome, outcome)))
}

// outcomeOfError names why there was no answer.
func outcomeOfError(err error) string {
	var network net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return outcomeStopped
	case errors.As(err, &network) && network.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return string(hub.CodeTimeout)
	default:
		return string(hub.CodeUnreachable)
	}
}

// outcomeOfCut names why an answer that had begun well did not come to its end.
func outcomeOfCut(err error) string {
	if outcome := outcomeOfError(err); outcome != string(hub.CodeUnreachable) {
		return outcome
	}
	return string(hub.CodeServiceFailed)
}

// outcomeOfStatus names what an answer's status comes to, as package connector does.
func outcomeOfStatus(status int) string {
	switch {
	case status >= 200 && status <= 299:
		return outcomeOK
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return string(hub.CodeKeyRefused)
	case status == http.StatusTooManyRequests:
		return string(hub.CodeRateLimited)
	case status == http.StatusRequestTimeout || status == http.StatusTooEarly || status >= 500:
		return string(hub.CodeServiceFailed)
	case status >= 300 && status < 400:
		return string(hub.CodeRedirected)
	default:
		return string(hub.CodeServiceRefused)
	}
}

// countedBody calls ended once: at its end, when it breaks, or when it is closed.
type countedBody struct {
	io.ReadCloser
	once  sync.Once
	ended func(error)
}

// Read implements io.Reader.
func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		b.once.Do(func() { b.ended(nil) })
	case err != nil:
		b.once.Do(func() { b.ended(err) })
	}
	return n, err
}

// Close implements io.Closer.
func (b *countedBody) Close() error {
	err := b.ReadCloser.Close()
	b.once.Do(func() { b.ended(nil) })
	return err
}
