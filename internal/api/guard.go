package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/weirhq/weir/internal/hub"
)

// publicPaths answer without a key: what a load balancer asks, and the
// description of the API, which is the same everywhere.
var publicPaths = []string{"/_info", "/_healthcheck", "/openapi.yaml"}

// guard is what every request passes before it reaches its route.
func (a *api) guard(mux *http.ServeMux) http.Handler {
	crossOrigin := http.NewCrossOriginProtection()
	return a.withRequestID(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer a.recoverPanic(w, r)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if a.LocalOnly && !isLocalHost(r.Host) {
			a.fail(w, r, &failure{
				http.StatusForbidden, codeValidation,
				"without an API key Weir answers only requests to localhost; set a key to serve other names",
			})
			return
		}
		if err := crossOrigin.Check(r); err != nil {
			a.fail(w, r, &failure{
				http.StatusForbidden, codeValidation,
				"a page of another origin asked for a change; Weir takes changes from its own origin and from programs only",
			})
			return
		}
		if !slices.Contains(publicPaths, r.URL.Path) && !a.authorized(r, a.isBeside(mux, r)) {
			w.Header().Set("WWW-Authenticate", "Bearer")
			if a.isBeside(mux, r) {
				w.Header().Set("WWW-Authenticate", `Basic realm="Weir: any name, and an API key as the password", charset="UTF-8"`)
			}
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		a.route(mux, w, r)
	}))
}

// route sends the request to its handler. Where there is none, the answers are
// the reference's: a plain 404, and 405 without a body. HEAD is not served.
func (a *api) route(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) {
	serve, pattern := mux.Handler(r)
	a.Routed(r.Context(), pattern)
	switch {
	case pattern != "" && r.Method != http.MethodHead:
		mux.ServeHTTP(w, r)
	case pattern != "":
		w.Header().Set("Allow", http.MethodGet)
		w.WriteHeader(http.StatusMethodNotAllowed)
	default:
		serve.ServeHTTP(&unrouted{ResponseWriter: w}, r)
	}
}

// unrouted lets the mux's own answer to a path without a route through, less
// the text that it gives to a wrong method.
type unrouted struct {
	http.ResponseWriter
	mute bool
}

// WriteHeader passes the status on.
func (u *unrouted) WriteHeader(status int) {
	if status == http.StatusMethodNotAllowed {
		u.mute = true
		u.Header().Set("Content-Type", "application/json")
		u.Header().Del("Content-Length")
		u.Header().Set("Allow", strings.Replace(u.Header().Get("Allow"), "GET, HEAD", "GET", 1))
	}
	u.ResponseWriter.WriteHeader(status)
}

// Write passes the body on, unless there shall be none.
func (u *unrouted) Write(b []byte) (int, error) {
	if u.mute {
		return len(b), nil
	}
	return u.ResponseWriter.Write(b)
}

// answer makes an [http.Handler] of a handler: the error that it returns is
// written, and logged where the fault is ours.
func (a *api) answer(serve handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := serve(w, r); err != nil {
			a.fail(w, r, err)
		}
	})
}

func (a *api) fail(w http.ResponseWriter, r *http.Request, err error) {
	requestID := requestIDOf(r)
	f := failureOf(err, requestID)
	if f.code == codeInternal && !clientIsGone(r, err) {
		a.Logger.LogAttrs(r.Context(), slog.LevelError, "request failed",
			slog.String("request", requestID), slog.String("method", r.Method),
			slog.String("path", r.URL.Path), slog.String("error", err.Error()))
	}
	w.Header().Set("Content-Type", "application/json")
	_ = writeJSON(w, f.status, errorBody{f.code, f.message})
}

// recoverPanic answers for a handler that panicked: a fault of ours, which
// costs one request and not the process.
func (a *api) recoverPanic(w http.ResponseWriter, r *http.Request) {
	thrown := recover()
	if thrown == nil {
		return
	}
	if err, ok := thrown.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(thrown)
	}
	a.fail(w, r, fmt.Errorf("panic: %v\n%s", thrown, debug.Stack()))
}

// isBeside reports whether a request is for what stands beside the API. A
// browser, which sends no Bearer of its own, may show the key there as the
// password of HTTP Basic (RFC 7617); the API itself takes no credentials that a
// browser sends along unasked.
func (a *api) isBeside(mux *http.ServeMux, r *http.Request) bool {
	_, pattern := mux.Handler(r)
	_, beside := a.Also[pattern]
	return beside
}

// authorized reports whether the request carries one of the keys. Every key is
// compared, each in constant time, so the time taken says nothing about them.
func (a *api) authorized(r *http.Request, basic bool) bool {
	if len(a.keys) == 0 {
		return true
	}
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if _, password, ok := r.BasicAuth(); ok && basic {
		key = password
	} else if !strings.EqualFold(scheme, "Bearer") {
		return false
	}
	given := sha256.Sum256([]byte(strings.TrimSpace(key)))
	match := 0
	for _, want := range a.keys {
		match |= subtle.ConstantTimeCompare(given[:], want[:])
	}
	return match == 1
}

// isLocalHost reports whether a Host header names this machine.
func isLocalHost(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.Trim(host, "[]")
	}
	if ip := net.ParseIP(name); ip != nil {
		return ip.IsLoopback()
	}
	name = strings.ToLower(name)
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}

type requestIDKey struct{}

// requestIDLengthMax bounds an identifier that the client brought along.
const requestIDLengthMax = 128

// withRequestID names each request, by the client's X-Request-Id where it sent
// a decent one, and says the name in the answer.
func (a *api) withRequestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("X-Request-Id")
		decent := id != "" && len(id) <= requestIDLengthMax &&
			!strings.ContainsFunc(id, func(c rune) bool { return c <= ' ' || c > '~' })
		if !decent {
			id = hub.NewUUID()
		}
		w.Header().Set("X-Request-Id", id)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id)))
	})
}

func requestIDOf(r *http.Request) string {
	id, _ := r.Context().Value(requestIDKey{}).(string)
	return id
}
