// Package api is the payments core over HTTP, for applications and operators:
// connectors, accounts, balances and payments in the form of Formance Payments
// v3, so a client that was written for that API works unchanged, and Weir's
// streams and rejections beside them.
//
// It holds no rules about money and no SQL. It parses a request once, asks the
// store, and writes what the store returned in the API's form; everything that
// it calls is declared in [Store] and [Options]. It neither polls nor decides
// who may reach the port.
//
// Start with [New] and its table of routes. connectors.go, accounts.go,
// payments.go, streams.go and rejections.go each hold one chapter of the API;
// list.go and filter.go what all lists share; guard.go what every request
// passes on its way in. openapi.yaml describes what the v3 form does not.
package api

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/hub"
)

// Store is what the API asks of the store. Its errors carry a [hub.Code]:
// [hub.CodeNotFound] for what is not there, [hub.CodeConflict] for a name that is
// taken, [hub.CodeInvalid] for what can't be done, each with a sentence that
// the API passes on. Any other error is a fault of Weir's own.
type Store interface {
	// InstallConnector stores a connector and its streams.
	InstallConnector(ctx context.Context, connector hub.Connector) error
	Connector(ctx context.Context, id hub.ConnectorID) (hub.Connector, error)
	Connectors(ctx context.Context, query hub.ListQuery) (hub.Page[hub.Connector], error)
	// ConfigureConnector replaces a connector's name and configuration, and its
	// look where there is a new one.
	ConfigureConnector(ctx context.Context, id hub.ConnectorID, name string, config hub.Config, look *hub.Look) error

	Account(ctx context.Context, id hub.AccountID) (hub.Account, error)
	Accounts(ctx context.Context, query hub.ListQuery) (hub.Page[hub.Account], error)
	// Balances lists the history of an account's balances.
	Balances(ctx context.Context, account hub.AccountID, which hub.BalanceQuery, query hub.ListQuery) (hub.Page[hub.Balance], error)
	// Payment returns a payment with its adjustments, the newest state first;
	// Payments lists them without.
	Payment(ctx context.Context, id hub.PaymentID) (hub.Payment, error)
	Payments(ctx context.Context, query hub.ListQuery) (hub.Page[hub.Payment], error)

	Stream(ctx context.Context, id hub.StreamID) (hub.Stream, error)
	// Streams lists the streams of a connector, or of all for the zero
	// identifier, by the connector's name and then by resource.
	Streams(ctx context.Context, connector hub.ConnectorID) ([]hub.Stream, error)
	PollNow(ctx context.Context, id hub.StreamID) error
	Pause(ctx context.Context, id hub.StreamID, at time.Time) error
	Resume(ctx context.Context, id hub.StreamID, at time.Time) error
	Rewind(ctx context.Context, id hub.StreamID, to time.Time) error

	// Rejections lists what a stream could not read: what is still in quarantine
	// only when open is set, else what has been resolved since as well.
	Rejections(ctx context.Context, stream hub.StreamID, query hub.ListQuery, open bool) (hub.Page[hub.Rejection], error)
	Rejection(ctx context.Context, id int64) (hub.Rejection, error)
}

// Options are what [New] makes the API of. Store, Uninstall and Replay are needed.
type Options struct {
	Store Store
	// Uninstall deletes a connector with everything that was read from it, or
	// returns [hub.CodeNotFound]. It may return before the deletion has ended, and
	// is called again when the client asks again. ctx ends with the request.
	Uninstall func(ctx context.Context, id hub.ConnectorID) error
	// Replay reads a rejection again, stores what it has become readable as, and
	// resolves it. It may ask the service; an error with one of the service's
	// codes is told to who asked, as the reason.
	Replay func(ctx context.Context, rejection hub.Rejection) (ReplayResult, error)
	// Look takes a short look at the service of a connector that is about to be
	// stored, within seconds and without changing anything there. That the service
	// does not answer, or not well, is a look like any other; an error is a fault of
	// Weir's own, or that ctx has ended, which it does with the request. nil: nobody looks.
	Look func(ctx context.Context, connector hub.Connector) (hub.Look, error)
	// Checks are what GET /_healthcheck runs, by name; nil means healthy.
	Checks map[string]func(ctx context.Context) error
	// Version is what GET /_info says; empty means "develop".
	Version string
	// Stack is part of the identifiers of tasks; empty means "weir".
	Stack string
	// PollingPeriodDefault stands where a configuration names no period; zero
	// means 30 seconds. PollingPeriodMinimum is the shortest that is taken; zero
	// means one second.
	PollingPeriodDefault time.Duration
	PollingPeriodMinimum time.Duration
	// APIKeys are the keys that open the API; any one of them does. Without keys
	// it is open to everyone who reaches the port.
	APIKeys []hub.Secret
	// LocalOnly refuses requests whose Host names anything but this machine, so
	// that a page in somebody's browser can't reach an open API on loopback by
	// having its own name resolve to it.
	LocalOnly bool
	// Also are handlers that stand behind the API's keys beside its own routes, by
	// the pattern of http.ServeMux: what operators look at, such as "GET /metrics".
	// A browser may give the key as the password of HTTP Basic there.
	Also map[string]http.Handler
	// OperatorsOnly leaves out everything under /v3: for a process that works and
	// whose health and measurements are asked for, but not its data.
	OperatorsOnly bool
	// Routed is told the pattern of the route that each request takes, empty where
	// there is none; nil tells nobody. Its ctx is the request's.
	Routed func(ctx context.Context, pattern string)
	// Logger receives one entry for each fault; nil discards them.
	Logger *slog.Logger
	// Now is the clock; nil means [time.Now].
	Now func() time.Time
}

// The defaults of [Options].
const (
	DefaultPollingPeriod        = 30 * time.Second
	DefaultPollingPeriodMinimum = time.Second
)

// New returns the API. The handler is safe for concurrent use and reads
// nothing but what [Options] names.
func New(options Options) http.Handler {
	a := &api{Options: options.withDefaults()}
	for _, key := range a.APIKeys {
		a.keys = append(a.keys, sha256.Sum256([]byte(key.Reveal())))
	}
	mux := http.NewServeMux()
	for pattern, serve := range a.routes() {
		if !a.OperatorsOnly || !strings.Contains(pattern, " /v3/") {
			mux.Handle(pattern, a.answer(serve))
		}
	}
	for pattern, serve := range a.Also {
		mux.Handle(pattern, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Del("Content-Type") // it is whatever that handler makes of it
			serve.ServeHTTP(w, r)
		}))
	}
	return a.guard(mux)
}

type api struct {
	Options
	keys [][sha256.Size]byte
}

func (o Options) withDefaults() Options {
	if o.Version == "" {
		o.Version = "develop"
	}
	if o.Stack == "" {
		o.Stack = "weir"
	}
	if o.PollingPeriodDefault == 0 {
		o.PollingPeriodDefault = DefaultPollingPeriod
	}
	if o.PollingPeriodMinimum == 0 {
		o.PollingPeriodMinimum = DefaultPollingPeriodMinimum
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Routed == nil {
		o.Routed = func(context.Context, string) {}
	}
	return o
}

// A handler serves one route. An error that it returns is the answer; it must
// not have written anything before.
type handler func(w http.ResponseWriter, r *http.Request) error

// routes is the whole surface. A collection answers with and without a slash
// at its end, as at the reference; nothing else does.
func (a *api) routes() map[string]handler {
	return map[string]handler{
		"GET /_info":        a.info,
		"GET /_healthcheck": a.healthcheck,
		"GET /openapi.yaml": a.openAPI,

		"GET /v3/connectors":                                a.listConnectors,
		"GET /v3/connectors/{$}":                            a.listConnectors,
		"POST /v3/connectors/install/{connector}":           a.installConnector,
		"GET /v3/connectors/configs":                        a.connectorConfigs,
		"GET /v3/connectors/capabilities":                   a.connectorsCapabilities,
		"DELETE /v3/connectors/{connectorID}":               a.uninstallConnector,
		"GET /v3/connectors/{connectorID}/config":           a.connectorConfig,
		"PATCH /v3/connectors/{connectorID}/config":         a.configureConnector,
		"GET /v3/connectors/{connectorID}/capabilities":     a.connectorCapabilities,
		"GET /v3/connectors/{connectorID}/look":             a.connectorLook,
		"GET /v3/accounts":                                  a.listAccounts,
		"GET /v3/accounts/{$}":                              a.listAccounts,
		"GET /v3/accounts/{accountID}":                      a.account,
		"GET /v3/accounts/{accountID}/balances":             a.listBalances,
		"GET /v3/payments":                                  a.listPayments,
		"GET /v3/payments/{$}":                              a.listPayments,
		"GET /v3/payments/{paymentID}":                      a.payment,
		"GET /v3/streams":                                   a.allStreams,
		"GET /v3/streams/{$}":                               a.allStreams,
		"GET /v3/connectors/{connectorID}/streams":          a.connectorStreams,
		"GET /v3/connectors/{connectorID}/streams/{$}":      a.connectorStreams,
		"GET /v3/connectors/{connectorID}/streams/{stream}": a.stream,

		"POST /v3/connectors/{connectorID}/streams/{stream}/poll":                          a.pollStream,
		"POST /v3/connectors/{connectorID}/streams/{stream}/pause":                         a.pauseStream,
		"POST /v3/connectors/{connectorID}/streams/{stream}/resume":                        a.resumeStream,
		"POST /v3/connectors/{connectorID}/streams/{stream}/rewind":                        a.rewindStream,
		"GET /v3/connectors/{connectorID}/streams/{stream}/rejections":                     a.listRejections,
		"GET /v3/connectors/{connectorID}/streams/{stream}/rejections/{rejection}":         a.rejection,
		"POST /v3/connectors/{connectorID}/streams/{stream}/rejections/{rejection}/replay": a.replayRejection,
	}
}
