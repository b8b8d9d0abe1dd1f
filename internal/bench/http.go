package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// callTimeout is how long one answer may take. It is far beyond what anybody
// would wait for; it only keeps a measurement from hanging.
const callTimeout = time.Minute

// A Conn is one client's connection to an HTTP server, kept alive between
// calls. It does as little as it can, because what the client spends is lost to
// the server beside it: no redirects, no compression, no chunked answers.
// One goroutine at a time may use it.
type Conn struct {
	// Key is sent along where it is not empty, as "Authorization: Bearer KEY".
	Key  string
	conn net.Conn
	in   *bufio.Reader
	host string
	out  bytes.Buffer
	body []byte
}

// Dial connects to a server by the beginning of its URL: "http://127.0.0.1:8080".
func Dial(ctx context.Context, base string) (*Conn, error) {
	host, found := strings.CutPrefix(base, "http://")
	if !found {
		return nil, fmt.Errorf("%s is not the URL of a plain HTTP server", base)
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, err
	}
	return &Conn{conn: conn, in: bufio.NewReaderSize(conn, 64<<10), host: host}, nil
}

// Close closes the connection.
func (c *Conn) Close() error { return c.conn.Close() }

// Get asks for a path and returns the body, which is good until the next call.
// Any status but 200 is an error.
func (c *Conn) Get(path string) ([]byte, error) {
	if err := c.conn.SetDeadline(time.Now().Add(callTimeout)); err != nil {
		return nil, err
	}
	c.out.Reset()
	c.out.WriteString("GET " + path + " HTTP/1.1\r\nHost: " + c.host + "\r\nAccept: application/json\r\n")
	if c.Key != "" {
		c.out.WriteString("Authorization: Bearer " + c.Key + "\r\n")
	}
	c.out.WriteString("\r\n")
	if _, err := c.conn.Write(c.out.Bytes()); err != nil {
		return nil, err
	}
	status, length, err := c.head()
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", path, err)
	}
	if cap(c.body) < length {
		c.body = make([]byte, length)
	}
	c.body = c.body[:length]
	if _, err := io.ReadFull(c.in, c.body); err != nil {
		return nil, fmt.Errorf("GET %s: %w", path, err)
	}
	if !strings.HasPrefix(status, "HTTP/1.1 200 ") {
		return nil, fmt.Errorf("GET %s: %s: %.200s", path, status, c.body)
	}
	return c.body, nil
}

// head reads the first line and the headers of an answer.
func (c *Conn) head() (status string, length int, err error) {
	length = -1
	for number := 0; ; number++ {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return status, 0, err
		}
		line = bytes.TrimSuffix(line, []byte("\r\n"))
		if number == 0 {
			status = string(line)
			continue
		}
		if len(line) == 0 {
			break
		}
		if name, value, _ := bytes.Cut(line, []byte(": ")); bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return status, 0, err
			}
		}
	}
	if length < 0 {
		return status, 0, errors.New("the answer does not say how long it is")
	}
	return status, length, nil
}
