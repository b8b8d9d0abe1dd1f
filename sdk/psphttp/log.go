package psphttp

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// redacted stands where a secret was.
const redacted = "[redacted]"

// secretWords are parts of the names that secrets go by.
var secretWords = []string{"authorization", "cookie", "token", "secret", "password", "signature", "apikey", "api-key", "api_key", "credential", "client_id", "assertion"}

// secretName reports whether what goes by the name is a secret.
func secretName(name string) bool {
	name = strings.ToLower(name)
	if name == "key" || name == "sig" || name == "code" {
		return true
	}
	for _, word := range secretWords {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// Redact takes secrets out of a log: values that go by a secret's name, and
// those in headers, queries and URLs. It is for [slog.HandlerOptions].ReplaceAttr
// of a service's own logger.
func Redact(_ []string, attr slog.Attr) slog.Attr {
	if secretName(attr.Key) {
		return slog.String(attr.Key, redacted)
	}
	switch value := attr.Value.Any().(type) {
	case http.Header:
		return slog.Any(attr.Key, redactValues(value))
	case url.Values:
		return slog.Any(attr.Key, redactValues(value))
	case *url.URL:
		return slog.String(attr.Key, redactURL(value))
	}
	return attr
}

func redactValues[M ~map[string][]string](values M) M {
	clean := make(M, len(values))
	for name, all := range values {
		if clean[name] = all; secretName(name) {
			clean[name] = []string{redacted}
		}
	}
	return clean
}

// redactURL is the URL without a password and without secrets in its query.
func redactURL(u *url.URL) string {
	if u == nil {
		return ""
	}
	clean := *u
	clean.User = nil
	clean.Fragment = ""
	if clean.RawQuery != "" {
		clean.RawQuery = redactValues(clean.Query()).Encode()
	}
	return clean.String()
}

// logAttempt writes one line for each attempt. Bodies are never logged.
func (t *transport) logAttempt(ctx context.Context, request *http.Request, answer *http.Response, err error, attempt int, begun time.Time, again bool) {
	level := slog.LevelDebug
	if again {
		level = slog.LevelWarn
	}
	if !t.log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("method", request.Method), slog.String("url", redactURL(request.URL)),
		slog.Int("attempt", attempt), slog.Duration("took", time.Since(begun)), slog.Bool("again", again),
	}
	if err != nil {
		attrs = append(attrs, slog.String("error", err.Error()))
	} else {
		attrs = append(attrs, slog.Int("status", answer.StatusCode))
	}
	t.log.LogAttrs(ctx, level, "provider", attrs...)
}
