package main

import (
	"context"
	"net"
	"net/http"
	"time"
)

// benchKey opens the services of measurements.
const benchKey = "bench-key"

// A benchServer serves integration services in the measuring process.
type benchServer struct {
	url    string
	server *http.Server
}

// serveBench begins to serve on a free port of loopback.
func serveBench(ctx context.Context, handler http.Handler) (*benchServer, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &benchServer{
		url:    "http://" + listener.Addr().String(),
		server: &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute},
	}
	go s.server.Serve(listener) //nolint:errcheck // ends with close
	return s, nil
}

func (s *benchServer) close() error { return s.server.Close() }
