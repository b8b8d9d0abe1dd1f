package connector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/wire"
)

const (
	// attempts is how often a read is tried before the poll fails: a walk over
	// hundreds of pages must not be lost to one dropped connection.
	attempts = 4
	// retryDelay is the pause before the second attempt; it doubles, with jitter.
	retryDelay = 100 * time.Millisecond
	// waitMax is the longest that a call waits in place because the service says
	// when to come back; past it the poll ends and the stream waits instead.
	waitMax = 5 * time.Second
	// redirectsMax bounds the redirects followed within the service's own host.
	redirectsMax = 5
	// detailBytesMax bounds how much of a service's own words is passed on.
	detailBytesMax = 500
	// keyPartMin is how much of the key, from its beginning, is hidden as well as
	// the whole of it: words that are quoted may break off inside.
	keyPartMin = 12
)

// A callError is a call that failed, with what the caller does next.
type callError struct {
	why *hub.Error
	// again says that the same call may succeed a moment later.
	again bool
	// after is the pause that the service asks for; 0 when it names none.
	after time.Duration
}

// RetryAfter returns the pause that a service has asked for in the call that
// failed with err, 0 when it named none.
func RetryAfter(err error) time.Duration {
	var failed *callError
	if errors.As(err, &failed) {
		return failed.after
	}
	return 0
}

func (e *callError) Error() string { return e.why.Message }

func (e *callError) Unwrap() error { return e.why }

// get reads path, which may carry a query, and returns the body. What may
// succeed a moment later is tried again, a few times and ever more slowly.
func (c *Client) get(ctx context.Context, path string) ([]byte, error) {
	delay := retryDelay
	for attempt := 1; ; attempt++ {
		body, err := c.getOnce(ctx, path)
		var failed *callError
		if err == nil || attempt == attempts || !errors.As(err, &failed) || !failed.again || failed.after > waitMax {
			return body, err
		}
		pause := failed.after
		if pause == 0 {
			pause = delay/2 + rand.N(delay) //nolint:gosec // jitter, not a secret
			delay *= 2
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, err
		}
	}
}

func (c *Client) getOnce(ctx context.Context, path string) ([]byte, error) {
	if err := c.limit.Wait(ctx); err != nil {
		return nil, hub.Errorf(hub.CodeTimeout, "wait for the connector's rate limit: %w", err)
	}
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return nil, hub.Errorf(hub.CodeTimeout, "wait for one of the connector's %d calls at once: %w", cap(c.slots), ctx.Err())
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.endpoint+path, http.NoBody)
	if err != nil {
		return nil, hub.Errorf(hub.CodeInvalid, "the endpoint %q is not a URL: %w", c.endpoint, err)
	}
	c.sign(request)
	response, err := c.http.Do(request)
	if err != nil {
		return nil, c.transportError(err)
	}
	defer response.Body.Close()
	return c.readAnswer(response)
}

// sign adds the headers of every call.
func (c *Client) sign(request *http.Request) {
	request.Header.Set("Authorization", "Bearer "+c.config.APIKey.Reveal())
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "weir/"+c.options.Version)
	request.Header.Set("X-Request-Id", hub.NewUUID())
}

// stayHome follows redirects within the host that was called and no others: the
// key belongs to that host.
func (c *Client) stayHome(next *http.Request, via []*http.Request) error {
	home := via[0].URL
	if !strings.EqualFold(next.URL.Host, home.Host) || next.URL.Scheme != home.Scheme {
		return hub.Errorf(hub.CodeRedirected,
			"the service redirects to %s, another host, port or scheme than the endpoint's; the API key is not sent there. Install the connector with the address that answers itself",
			c.hide(next.URL.Redacted()))
	}
	if len(via) > redirectsMax {
		return hub.Errorf(hub.CodeRedirected, "the service redirected %d times in a row; check its endpoint", len(via))
	}
	return nil
}

// readAnswer returns the body of a success, within its bound.
func (c *Client) readAnswer(response *http.Response) ([]byte, error) {
	if response.StatusCode < 200 || response.StatusCode > 299 {
		detail, _ := io.ReadAll(io.LimitReader(response.Body, 64<<10))
		return nil, c.statusError(response, detail)
	}
	limit := c.options.BodyBytesMax
	body, err := readAll(io.LimitReader(response.Body, limit+1), min(response.ContentLength, limit))
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return nil, &callError{again: true, why: hub.Errorf(hub.CodeTimeout, "the service did not send its answer in time: %d bytes came in %s", len(body), callTimeout)}
	case err != nil:
		return nil, &callError{again: true, why: hub.Errorf(hub.CodeServiceFailed, "the service's answer was cut after %d bytes: %w", len(body), err)}
	case int64(len(body)) > limit:
		return nil, hub.Errorf(hub.CodeTooLarge,
			"the service's answer is larger than %d MiB after decompression; a page of a list should be far smaller. Check that it honours pageSize", limit>>20)
	}
	return body, nil
}

// readAll is io.ReadAll into a buffer of the size that the service announced.
func readAll(r io.Reader, size int64) ([]byte, error) {
	body := make([]byte, 0, max(size+1, 4096))
	for {
		n, err := r.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if errors.Is(err, io.EOF) {
			return body, nil
		}
		if err != nil {
			return body, err
		}
		if len(body) == cap(body) {
			body = append(body, 0)[:len(body)]
		}
	}
}

// transportError names what kept a call from being answered.
func (c *Client) transportError(err error) error {
	var refused *hub.Error
	if errors.As(err, &refused) {
		return &callError{again: true, why: refused} // one instance of several may answer so
	}
	var trouble *url.Error
	timeout := false
	if errors.As(err, &trouble) {
		timeout, err = trouble.Timeout(), trouble.Err // without the URL, which the caller names better
	}
	said := c.hide(err.Error()) // Go quotes what it can't read
	if timeout {
		return &callError{again: true, why: hub.Errorf(hub.CodeTimeout, "the service did not answer in time: %s", said)}
	}
	return &callError{again: true, why: hub.Errorf(hub.CodeUnreachable,
		"the service at %s could not be reached: %s. Check that it runs and that the endpoint is right", c.endpoint, said)}
}

// unreadable says why an answer is not what the contract says.
func (c *Client) unreadable(why error) error {
	return hub.Errorf(hub.CodeUnreadable, "the service's answer can't be read: %s. Check that the endpoint is that of an integration service", c.hide(why.Error()))
}

// statusError names what an answer means that is not a success, in the
// service's own words where it has some.
func (c *Client) statusError(response *http.Response, body []byte) error {
	e := &callError{after: retryAfter(response.Header.Get("Retry-After"), c.now())}
	status, said := response.StatusCode, c.said(body)
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		e.why = hub.Errorf(hub.CodeKeyRefused, "the service refused the API key (status %d)%s. Set the connector's key to one that the service knows", status, said)
	case status == http.StatusTooManyRequests:
		e.again = true
		e.why = hub.Errorf(hub.CodeRateLimited, "the service asks to be called less often (status 429)%s", said)
	case status == http.StatusRequestTimeout || status == http.StatusTooEarly || status >= 500:
		e.again = true
		e.why = hub.Errorf(hub.CodeServiceFailed, "the service failed (status %d)%s", status, said)
	case status >= 300 && status < 400:
		e.why = hub.Errorf(hub.CodeRedirected, "the service answered status %d, which is no answer to a read; check the endpoint", status)
	default:
		e.why = hub.Errorf(hub.CodeServiceRefused, "the service refused the request (status %d)%s", status, said)
	}
	return e
}

// said quotes the Title and Detail of an error body.
func (c *Client) said(body []byte) string {
	e, ok := wire.DecodeError(body)
	if !ok {
		return ""
	}
	text := strings.TrimSpace(e.Title)
	if detail := strings.TrimSpace(e.Detail); detail != "" {
		text = strings.TrimPrefix(text+": "+detail, ": ")
	}
	if text == "" {
		return ""
	}
	if text = c.hide(text); len(text) > detailBytesMax {
		text = strings.ToValidUTF8(text[:detailBytesMax], "") + "…"
	}
	return fmt.Sprintf("; it says: %q", text)
}

// hide takes the key out of words in which the service has had a hand.
func (c *Client) hide(text string) string {
	key := c.config.APIKey.Reveal()
	for _, form := range []string{key, url.QueryEscape(key), url.PathEscape(key)} {
		for n := len(form); n > 0 && n >= min(len(form), keyPartMin); n-- {
			text = strings.ReplaceAll(text, form[:n], "***")
		}
	}
	return text
}

// retryAfter reads the header of that name: seconds or an HTTP date (RFC 9110, 10.2.3).
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(value); err == nil && seconds >= 0 {
		return time.Duration(min(seconds, 24*3600)) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil && at.After(now) {
		return min(at.Sub(now), 24*time.Hour)
	}
	return 0
}

// pathEscape writes an identifier as one segment of a path.
func pathEscape(id string) string {
	if id == "." || id == ".." {
		return strings.ReplaceAll(id, ".", "%2E")
	}
	return url.PathEscape(id)
}
