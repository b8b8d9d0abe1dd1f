package sdk

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// How long a server waits for others. A caller that sends nothing must not hold
// a connection; an answer may take as long as a slow provider needs.
const (
	headerTimeout   = 10 * time.Second
	requestTimeout  = 30 * time.Second
	answerTimeout   = functionTimeout + 30*time.Second
	idleTimeout     = 2 * time.Minute
	shutdownTimeout = 30 * time.Second
	headerBytesMax  = 64 << 10
)

// ListenAndServe serves the handler at addr, for example "127.0.0.1:8080",
// until ctx ends. See [Serve].
func ListenAndServe(ctx context.Context, addr string, handler http.Handler) error {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("sdk: listen at %s: %w", addr, err)
	}
	return Serve(ctx, listener, handler)
}

// Serve serves the handler until ctx ends. Then it takes no more requests, lets
// those under way finish for up to 30 seconds, and returns nil. It closes the
// listener. Its timeouts keep slow and silent callers from piling up.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      answerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerBytesMax,
	}
	stopped := make(chan error, 1)
	go func() { stopped <- server.Serve(listener) }()
	select {
	case err := <-stopped:
		return fmt.Errorf("sdk: serve at %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		return errors.Join(fmt.Errorf("sdk: requests were cut off at shutdown: %w", err), server.Close())
	}
	return nil
}
