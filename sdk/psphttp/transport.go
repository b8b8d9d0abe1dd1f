package psphttp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// pauseLeast and pauseMost bound the pause between two attempts, which doubles.
	pauseLeast, pauseMost = 250 * time.Millisecond, 10 * time.Second
	// retryAfterMost is the longest pause of the provider's choice that is waited
	// for; after a longer one the answer is handed to the caller.
	retryAfterMost = time.Minute
	// bodyBytesMax bounds the body of a request, which is kept to be sent again.
	bodyBytesMax = 32 << 20
)

// transport sends requests of one client.
type transport struct {
	base              http.RoundTripper
	log               *slog.Logger
	tokens            *tokens
	sign              func(*http.Request, []byte) error
	attempts          int
	idempotencyHeader string
	limit             *rate.Limiter

	mu sync.Mutex
	// until is when the provider wants to hear of us again.
	until time.Time
}

// notSentError is an error before anything has left for the provider.
type notSentError struct{ err error }

func (e *notSentError) Error() string { return e.err.Error() }
func (e *notSentError) Unwrap() error { return e.err }

// NotSent reports whether the error of a request came before any of it has left
// for the provider, in any attempt: nothing can have happened there.
func NotSent(err error) bool {
	var notSent *notSentError
	return errors.As(err, &notSent)
}

// RoundTrip sends the request until it has an answer to hand on.
func (t *transport) RoundTrip(request *http.Request) (*http.Response, error) {
	body, err := readBody(request)
	if err != nil {
		return nil, &notSentError{err}
	}
	ctx := request.Context()
	left := false // whether anything has left in any attempt
	renewed := false
	for attempt := 1; ; attempt++ {
		begun := time.Now()
		answer, token, err := t.attempt(request, body)
		left = left || !NotSent(err)
		if err == nil && answer.StatusCode == http.StatusUnauthorized && t.tokens != nil && !renewed {
			renewed = true
			t.tokens.drop(token)
			discard(answer)
			continue
		}
		pause, again := t.again(request, answer, err, attempt)
		t.logAttempt(ctx, request, answer, err, attempt, begun, again)
		if !again {
			return answer, keepNotSent(err, left)
		}
		if deadline, set := ctx.Deadline(); set && time.Until(deadline) < pause {
			return answer, keepNotSent(err, left)
		}
		if err == nil {
			discard(answer)
		}
		if waitErr := wait(ctx, pause); waitErr != nil {
			return nil, keepNotSent(&notSentError{waitErr}, left)
		}
	}
}

// keepNotSent takes the mark off an error when an earlier attempt has left.
func keepNotSent(err error, left bool) error {
	var notSent *notSentError
	if left && errors.As(err, &notSent) {
		return notSent.err
	}
	return err
}

// readBody takes the body out of the request, to be sent as often as needed.
func readBody(request *http.Request) ([]byte, error) {
	if request.Body == nil || request.Body == http.NoBody {
		return nil, nil
	}
	body, err := io.ReadAll(io.LimitReader(request.Body, bodyBytesMax+1))
	err = errors.Join(err, request.Body.Close())
	if err == nil && len(body) > bodyBytesMax {
		err = fmt.Errorf("the body must have at most %d bytes", bodyBytesMax)
	}
	return body, err
}

// attempt sends the request once, and returns the token that it carried.
func (t *transport) attempt(request *http.Request, body []byte) (answer *http.Response, token string, err error) {
	ctx := request.Context()
	if err := t.turn(ctx); err != nil {
		return nil, "", &notSentError{fmt.Errorf("wait for a turn: %w", err)}
	}
	sent := request.Clone(ctx)
	if body != nil {
		sent.Body, sent.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		sent.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	}
	if t.tokens != nil {
		if token, err = t.tokens.get(ctx); err != nil {
			return nil, "", &notSentError{fmt.Errorf("get a token: %w", err)}
		}
		sent.Header.Set("Authorization", "Bearer "+token)
	}
	if t.sign != nil {
		if err := t.sign(sent, body); err != nil {
			return nil, "", &notSentError{fmt.Errorf("sign the request: %w", err)}
		}
	}
	answer, err = t.base.RoundTrip(sent)
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		err = &notSentError{err}
	}
	return answer, token, err
}

// turn waits for the rate, and for as long as the provider has asked for.
func (t *transport) turn(ctx context.Context) error {
	t.mu.Lock()
	pause := time.Until(t.until)
	t.mu.Unlock()
	if err := wait(ctx, pause); err != nil {
		return err
	}
	return t.limit.Wait(ctx)
}

// again decides whether to send the request again, and after what pause.
func (t *transport) again(request *http.Request, answer *http.Response, err error, attempt int) (time.Duration, bool) {
	pause := min(pauseLeast<<min(attempt-1, 10), pauseMost)
	pause = rand.N(pause) + 1 //nolint:gosec // spreads load, hides nothing
	if err != nil {
		last := attempt >= t.attempts || request.Context().Err() != nil
		var refused *net.OpError
		unreachable := NotSent(err) && errors.As(err, &refused)
		return pause, !last && (unreachable || !NotSent(err) && t.repeatable(request))
	}
	told := retryAfter(answer.Header.Get("Retry-After"), time.Now())
	if answer.StatusCode == http.StatusTooManyRequests && told > 0 {
		t.mu.Lock()
		t.until = time.Now().Add(min(told, retryAfterMost))
		t.mu.Unlock()
	}
	switch answer.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return max(pause, told), attempt < t.attempts && told <= retryAfterMost && t.repeatable(request)
	}
	return 0, false
}

// repeatable reports whether doing the request twice is doing it once: by
// RFC 9110, section 9.2.2, or because it carries an idempotency key.
func (t *transport) repeatable(request *http.Request) bool {
	switch request.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	return request.Header.Get(t.idempotencyHeader) != ""
}

// retryAfter reads the header in both of its forms, seconds and a date; 0 is none.
func retryAfter(header string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

// discard reads a short answer to its end, so that its connection can be used
// again, and closes it.
func discard(answer *http.Response) {
	const worthReading = 64 << 10
	_, _ = io.CopyN(io.Discard, answer.Body, worthReading) // a broken answer is dropped all the same
	_ = answer.Body.Close()
}

func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
