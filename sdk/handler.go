package sdk

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/weirhq/weir/wire"
)

// functionTimeout bounds one call of the customer's functions.
const functionTimeout = time.Minute

// requestIDMax bounds a request id that a caller chose.
const requestIDMax = 128

// Paths of the service's own, beside those of the contract.
const (
	pathHealth  = "/healthz"
	pathOpenAPI = "/openapi.yaml"
)

// handler is the service as an [http.Handler].
type handler struct {
	service Service
	keys    [][sha256.Size]byte
	log     *slog.Logger
	routes  map[string]route
	// started stands in for an instant where there is none to tell.
	started time.Time
}

// route is what answers at a path. accountID is the path's, where it has one.
type route struct {
	method string
	serve  func(ctx context.Context, r *http.Request, accountID string) (answer, error)
}

// ServeHTTP answers one request: a request id, the key, the route, the answer,
// a line in the log.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begun := time.Now()
	id := requestID(r)
	w.Header().Set("X-Request-Id", id)
	a, err := h.answer(r, id)
	if err != nil {
		e := answerable(err, id)
		a = h.errorAnswer(e, a.header)
		h.logFailure(r, id, e.Status, err)
	}
	status, size := a.write(w, r)
	a.release()
	level := slog.LevelInfo
	if r.URL.Path == pathHealth {
		level = slog.LevelDebug
	}
	h.log.LogAttrs(r.Context(), level, "request",
		slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Int("status", status),
		slog.Int("bytes", size), slog.Duration("took", time.Since(begun)), slog.String("request_id", id))
}

// logFailure tells the service's operator what the caller is not told.
func (h *handler) logFailure(r *http.Request, id string, status int, err error) {
	level := slog.LevelWarn
	if status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	h.log.LogAttrs(r.Context(), level, "request failed",
		slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Int("status", status),
		slog.String("error", err.Error()), slog.String("request_id", id))
}

// answer finds the route and calls it. The key comes before anything that
// could tell what the service has.
func (h *handler) answer(r *http.Request, id string) (a answer, err error) {
	defer func() {
		if p := recover(); p != nil {
			a, err = answer{}, fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	path, accountID := splitPath(r.URL)
	if path == pathHealth {
		return h.health(r)
	}
	if !h.authorized(r) {
		return answer{header: http.Header{"Www-Authenticate": {"Bearer"}}}, errUnauthorized
	}
	route, found := h.routes[path]
	if !found {
		return answer{}, NotFound("This service has no such path. Its contract is at " + pathOpenAPI + ".")
	}
	if r.Method != route.method && (r.Method != http.MethodHead || route.method != http.MethodGet) {
		allow := route.method
		if allow == http.MethodGet {
			allow += ", " + http.MethodHead
		}
		return answer{header: http.Header{"Allow": {allow}}}, &Error{Status: http.StatusMethodNotAllowed, Title: "Method not allowed", Detail: "This path takes " + allow + "."}
	}
	ctx := context.WithValue(r.Context(), requestIDKey{}, id)
	ctx = context.WithValue(ctx, connectionKey{}, connection(r))
	if r.Method == http.MethodPost {
		ctx = context.WithoutCancel(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, functionTimeout)
	defer cancel()
	return route.serve(ctx, r, accountID)
}

// health needs no key, and tells more to those who have one.
func (h *handler) health(r *http.Request) (answer, error) {
	var health Health
	if h.service.Health != nil {
		ctx, cancel := context.WithTimeout(r.Context(), functionTimeout)
		defer cancel()
		health = h.service.Health(ctx)
	}
	body, err := health.encode(h.authorized(r))
	return jsonAnswer(http.StatusOK, body), err
}

// errUnauthorized says the same whatever was wrong with the key.
var errUnauthorized = &Error{
	Status: http.StatusUnauthorized, Title: "Unauthorized",
	Detail: "Send a key of this service as: Authorization: Bearer KEY.", aboutCaller: true,
}

// splitPath gives the path with the account id taken out of it. More than one
// leading slash is as good as one: a client whose endpoint ends in a slash sends
// two, and a redirect would turn its POST into a GET. An id with a slash that the
// client did not escape is understood too.
func splitPath(u *url.URL) (path, accountID string) {
	path = "/" + strings.TrimLeft(u.EscapedPath(), "/")
	prefix, suffix, _ := strings.Cut(wire.PathBalances, "{accountId}")
	if len(path) > len(prefix)+len(suffix) && strings.HasPrefix(path, prefix) && strings.HasSuffix(path, suffix) {
		if id, err := url.PathUnescape(path[len(prefix) : len(path)-len(suffix)]); err == nil {
			return wire.PathBalances, id
		}
	}
	return path, ""
}

// authorized compares the key with every key of the service, in the same time
// whichever of them it is.
func (h *handler) authorized(r *http.Request) bool {
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	given := fingerprint(strings.TrimSpace(key))
	match := 0
	for _, known := range h.keys {
		match |= subtle.ConstantTimeCompare(given[:], known[:])
	}
	return match == 1 && strings.EqualFold(scheme, "Bearer")
}

// fingerprint makes keys of one length, so that comparing them tells nothing.
func fingerprint(key string) [sha256.Size]byte { return sha256.Sum256([]byte(key)) }

type connectionKey struct{}

// Connection names the connection of the request that a function is called for.
// Its requests come one after the other, so they are likely one caller's. It is
// empty where that can't be said: through a proxy, or over HTTP/2.
func Connection(ctx context.Context) string {
	name, _ := ctx.Value(connectionKey{}).(string)
	return name
}

func connection(r *http.Request) string {
	if r.ProtoMajor > 1 {
		return ""
	}
	for _, header := range []string{"Via", "Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-Ip"} {
		if r.Header.Get(header) != "" {
			return ""
		}
	}
	return r.RemoteAddr
}

type requestIDKey struct{}

// RequestID gives the id of the request that a function is called for: the
// X-Request-Id of the caller, or one of the service's own. It is in the
// service's log and, for a Weir hub, in the hub's too.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// requestID takes the caller's id when it can be put into a header and a log.
func requestID(r *http.Request) string {
	id := r.Header.Get("X-Request-Id")
	if id == "" || len(id) > requestIDMax || strings.IndexFunc(id, func(c rune) bool { return c <= ' ' || c > '~' }) >= 0 {
		return rand.Text()
	}
	return id
}
