package telemetry

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

// routeOther stands for every path that there is not, since clients make those up.
const routeOther = "other"

type routeKey struct{}

// API returns next with its requests measured, each going on with the trace that
// it came with. next has to tell [Telemetry.Routed] which route it took.
func (t *Telemetry) API(next http.Handler) http.Handler {
	return t.tracing.Handler("request", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began, route := t.now(), routeOther
		answer := &answer{ResponseWriter: w, status: http.StatusOK}
		defer func() {
			t.api.Record(r.Context(), t.seconds(began), metric.WithAttributes(
				attribute.String(labelMethod, methodOf(r)), attribute.String(labelRoute, route),
				attribute.String(labelStatus, strconv.Itoa(answer.status))))
		}()
		next.ServeHTTP(answer, r.WithContext(context.WithValue(r.Context(), routeKey{}, &route)))
	}))
}

// Routed is to be told the pattern of the route that the request of ctx takes,
// such as "GET /v3/payments/{paymentID}"; empty when there is none.
func (t *Telemetry) Routed(ctx context.Context, pattern string) {
	route, ok := ctx.Value(routeKey{}).(*string)
	if !ok || pattern == "" {
		return
	}
	if _, path, found := strings.Cut(pattern, " "); found {
		*route = path
	} else {
		*route = pattern
	}
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.SetName(pattern)
		span.SetAttributes(attribute.String("http.route", *route))
	}
}

// methodOf is the request's method where it is one of the usual; clients may
// send any word.
func methodOf(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	default:
		return "OTHER"
	}
}

// An answer remembers its status.
type answer struct {
	http.ResponseWriter
	status int
	begun  bool
}

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if !a.begun && status >= 200 { // what is below comes before the answer
		a.status, a.begun = status, true
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (a *answer) Write(b []byte) (int, error) {
	a.begun = true
	return a.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController find what the answer itself can't do.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
