package connector

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/weirhq/weir/internal/hub"
)

// pipes is a listener in memory: a service behind it speaks real HTTP, and its
// time may be synctest's.
type pipes chan net.Conn

// Accept implements net.Listener.
func (p pipes) Accept() (net.Conn, error) {
	if conn, ok := <-p; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

// Close implements net.Listener.
func (p pipes) Close() error {
	close(p)
	return nil
}

// Addr implements net.Listener.
func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "unix"} }

// overPipes returns a client of handler with the deadlines of the real
// transport. It must be called inside a synctest bubble.
func overPipes(t *testing.T, handler http.HandlerFunc) *Client {
	t.Helper()
	listener := make(pipes)
	server := &http.Server{Handler: handler}
	go server.Serve(listener)
	transport := newTransport(DefaultConcurrency)
	transport.Proxy = nil
	transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		listener <- far
		return near, nil
	}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
	})
	client := connect("http://psp.example", Options{Transport: transport})
	client.pageSize, client.pageSizeAt = 100, client.now()
	return client
}

// connect returns a client of a service at endpoint.
func connect(endpoint string, options Options) *Client {
	config := hub.Config{Endpoint: endpoint, APIKey: hub.NewSecret(testKey), RequestsPerSecond: 1e6}
	return New(hub.Connector{Config: config}, options)
}

// serve starts a service on loopback.
func serve(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

// transactions is the stream of the tests that are about the calls alone.
var transactions = hub.StreamID{Connector: hub.ConnectorID{Provider: hub.Provider, Reference: "c"}, Resource: hub.Transactions}

// mustBe fails the test unless err has the code, says each of texts, and does
// not give the key away.
func mustBe(t *testing.T, err error, code hub.Code, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %s", code)
	}
	if got := hub.CodeOf(err); got != code {
		t.Errorf("code %s, want %s: %v", got, code, err)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q does not say %q", err, text)
		}
	}
	if strings.Contains(err.Error(), testKey[:8]) {
		t.Errorf("the key is in the error: %v", err)
	}
}
