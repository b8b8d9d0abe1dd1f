package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/weirhq/weir/internal/hub"
)

const (
	// askTimeout bounds a question to the API, which answers from its own store.
	askTimeout = 15 * time.Second
	// workTimeout bounds what the API does before it answers: asking a service
	// again, or removing years of data.
	workTimeout = 5 * time.Minute
	// answerBytesMax is far beyond the streams of ten thousand connectors.
	answerBytesMax = 256 << 20
	// keyFileBytesMax bounds what is read of a file that may hold no key at all.
	keyFileBytesMax = 64 << 10
)

// serverFlags say which running core a command talks to.
type serverFlags struct{ url, keyFile string }

func (f *serverFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.url, "server", "http://127.0.0.1:8080", "URL of the API of a running payments core")
	flags.StringVar(&f.keyFile, "server-key-file", "", "file with a key that opens that API, if it asks for one")
}

// open checks the flags. It asks nothing yet.
func (f *serverFlags) open() (*client, error) {
	base, err := parseURL(f.url)
	if err != nil {
		return nil, fmt.Errorf("--server %w", err)
	}
	c := newClient(base)
	if f.keyFile != "" {
		if c.key, err = readKey(f.keyFile); err != nil {
			return nil, fmt.Errorf("--server-key-file: %w", err)
		}
	}
	return c, nil
}

// openFor checks the flags and finds the connector of that name.
func (f *serverFlags) openFor(ctx context.Context, name string) (*client, connectorInfo, error) {
	api, err := f.open()
	if err != nil {
		return nil, connectorInfo{}, err
	}
	connector, err := api.connector(ctx, name)
	return api, connector, err
}

// parseURL checks an absolute URL and returns it without a slash at its end. It
// does not repeat it, for it may hold a password.
func parseURL(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "":
		return "", errors.New("is not an absolute URL; write one such as https://psp.example.com/weir")
	case u.User != nil:
		return "", errors.New("holds a user or password; leave it out, keys come from files")
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#"):
		return "", errors.New("has a query or a fragment; leave it out, paths are put at the end")
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// readKey returns the first line of a file.
func readKey(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("can't read the key: %w; name the file that holds it", err)
	}
	if info.IsDir() {
		return "", fmt.Errorf("%s is a folder; name the file in it that holds the key", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("can't read the key: %w; give this user the right to", err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(file, keyFileBytesMax))
	if err != nil {
		return "", fmt.Errorf("can't read the key: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	if line = strings.TrimSpace(line); line == "" {
		return "", fmt.Errorf("%s holds no key; write the key on its first line", path)
	}
	return line, nil
}

// A client asks the API of a running payments core.
type client struct {
	base, key string
	http      *http.Client
	// ahead is how far the clock of the core is ahead of ours, by its last answer.
	ahead time.Duration
}

// newClient returns a client without a key. It follows no redirects: the key
// belongs to the server that was named.
func newClient(base string) *client {
	return &client{base: base, http: &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// now is the time at the core, so that "in 5 seconds" is true there.
func (c *client) now() time.Time { return time.Now().Add(c.ahead) }

// An apiError is what the API answered instead of doing what it was asked.
type apiError struct {
	status  int
	message string
}

func (e *apiError) Error() string { return e.message }

// isStatus reports whether err is the API's answer with this status.
func isStatus(err error, status int) bool {
	var answer *apiError
	return errors.As(err, &answer) && answer.status == status
}

func (c *client) get(ctx context.Context, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return c.call(ctx, http.MethodGet, path, nil, into)
}

// do has the API do something; body and into may be nil.
func (c *client) do(ctx context.Context, method, path string, body, into any) error {
	ctx, cancel := context.WithTimeout(ctx, workTimeout)
	defer cancel()
	return c.call(ctx, method, path, body, into)
}

func (c *client) call(ctx context.Context, method, path string, body, into any) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "weir/"+version)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.key != "" {
		request.Header.Set("Authorization", "Bearer "+c.key)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return c.unanswered(err)
	}
	defer response.Body.Close()
	if at, err := http.ParseTime(response.Header.Get("Date")); err == nil {
		if c.ahead = time.Until(at); c.ahead.Abs() < 2*time.Second {
			c.ahead = 0 // the header knows whole seconds only
		}
	}
	answer, err := io.ReadAll(io.LimitReader(response.Body, answerBytesMax))
	if err != nil {
		return c.unanswered(err)
	}
	return c.read(response, answer, into)
}

// unanswered says what kept the API from answering.
func (c *client) unanswered(err error) error {
	var trouble *url.Error
	if errors.As(err, &trouble) {
		if trouble.Timeout() {
			return fmt.Errorf("the payments core at %s did not answer in time; look at the log of weir serve", c.base)
		}
		err = trouble.Err
	}
	return fmt.Errorf(`no payments core answers at %s: %w. Start one with "weir serve", or name another with --server`, c.base, err)
}

// read decodes an answer into into, or makes an error of it.
func (c *client) read(response *http.Response, answer []byte, into any) error {
	status := response.StatusCode
	var said struct {
		Message string `json:"errorMessage"`
	}
	switch {
	case status == http.StatusUnauthorized && c.key == "":
		return &apiError{status, fmt.Sprintf("the payments core at %s asks for a key; name the file that holds one with --server-key-file", c.base)}
	case status == http.StatusUnauthorized:
		return &apiError{status, fmt.Sprintf("the payments core at %s refused the key; name the file that holds another with --server-key-file", c.base)}
	case status >= 300 && status < 400:
		return &apiError{status, fmt.Sprintf("what answers at %s redirects to %s; name the core itself with --server", c.base, printable(response.Header.Get("Location")))}
	case status >= 400 && json.Unmarshal(answer, &said) == nil && said.Message != "":
		return &apiError{status, printable(said.Message)}
	case status >= 200 && status < 300 && into == nil:
		return nil
	case status >= 200 && status < 300 && json.Unmarshal(answer, into) == nil:
		return nil
	}
	return &apiError{status, fmt.Sprintf("what answers at %s is not Weir's API (status %d for %s %s); check --server",
		c.base, status, response.Request.Method, response.Request.URL.Path)}
}

// A page is the API's envelope of a list, an envelope that of one thing.
type (
	page[T any] struct {
		Cursor struct {
			HasMore bool   `json:"hasMore"`
			Next    string `json:"next"`
			Data    []T    `json:"data"`
		} `json:"cursor"`
	}
	envelope[T any] struct {
		Data T `json:"data"`
	}
)

// A connector is an installed connector as the API shows it.
type connectorInfo struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Config struct {
		Endpoint string `json:"endpoint"`
	} `json:"config"`
}

// path is where the connector stands in the API.
func (c *connectorInfo) path() string { return "/v3/connectors/" + c.ID }

// connector finds a connector by its name or, failing that, its identifier.
func (c *client) connector(ctx context.Context, name string) (connectorInfo, error) {
	found, err := c.connectorWhere(ctx, "name", name)
	if _, notID := hub.ParseConnectorID(name); err == nil && found == nil && notID == nil {
		found, err = c.connectorWhere(ctx, "id", name)
	}
	if err != nil {
		return connectorInfo{}, err
	}
	if found == nil {
		return connectorInfo{}, fmt.Errorf(`there is no connector %q; "weir status" names those there are`, name)
	}
	return *found, nil
}

func (c *client) connectorWhere(ctx context.Context, key, value string) (*connectorInfo, error) {
	filter, err := json.Marshal(map[string]map[string]string{"$match": {key: value}})
	if err != nil {
		return nil, err
	}
	var list page[connectorInfo]
	err = c.get(ctx, "/v3/connectors?pageSize=1&query="+url.QueryEscape(string(filter)), &list)
	if err != nil || len(list.Cursor.Data) == 0 {
		return nil, err
	}
	return &list.Cursor.Data[0], nil
}

// streams lists the streams of a connector, or of all where path is empty.
func (c *client) streams(ctx context.Context, path string) ([]streamInfo, error) {
	if path == "" {
		path = "/v3"
	}
	var list envelope[[]streamInfo]
	err := c.get(ctx, path+"/streams", &list)
	return list.Data, err
}

// A streamInfo is a stream as the API shows it; openapi.yaml of internal/api
// says what the fields mean.
type streamInfo struct {
	ConnectorID         string          `json:"connectorID"`
	ConnectorName       string          `json:"connectorName"`
	Resource            hub.Resource    `json:"resource"`
	State               hub.StreamState `json:"state"`
	Summary             string          `json:"summary"`
	NextDueAt           *time.Time      `json:"nextDueAt"`
	PausedAt            *time.Time      `json:"pausedAt"`
	CaughtUp            bool            `json:"caughtUp"`
	LagSeconds          int64           `json:"lagSeconds"`
	LastPollAt          *time.Time      `json:"lastPollAt"`
	LastSuccessAt       *time.Time      `json:"lastSuccessAt"`
	FailingSince        *time.Time      `json:"failingSince"`
	ConsecutiveFailures int             `json:"consecutiveFailures"`
	LastError           *streamError    `json:"lastError"`
	OpenRejections      int64           `json:"openRejections"`
	Versions            int64           `json:"versions"`
	Requests            int64           `json:"requests"`
	LateRows            int64           `json:"lateRows"`
	LateMaxSeconds      int64           `json:"lateMaxSeconds"`
	Findings            []findingInfo   `json:"findings"`
}

type findingInfo struct {
	Text       string `json:"text"`
	Incomplete bool   `json:"incomplete"`
}

type streamError struct {
	Code    hub.Code `json:"code"`
	Message string   `json:"message"`
}
