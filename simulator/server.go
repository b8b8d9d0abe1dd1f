package simulator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// ServerOptions say what Start starts.
type ServerOptions struct {
	// Service are the options of the integration service. Its PSP and TrapURL
	// are filled in, and an empty APIKey becomes DefaultAPIKey.
	Service ServiceOptions
	// Address is where the integration service listens, PSPAddress where the PSP
	// does. Empty means a free port of loopback.
	Address, PSPAddress string
	// Direct leaves out the hop between the integration service and the PSP. The
	// PSP then does not listen.
	Direct bool
	// Wrap returns what serves in place of the integration service's own handler,
	// so that somebody may watch the requests; nil: the handler itself.
	Wrap func(http.Handler) http.Handler
}

// DefaultAPIKey is a key for demonstrations. It opens nothing but a simulator.
const DefaultAPIKey = "simulator-key"

// Server is a PSP and its integration service, listening.
type Server struct {
	// Endpoint and APIKey are what a connector is installed with.
	Endpoint, APIKey string
	// PSPURL is where the PSP's own protocol is served, under the same key; empty
	// where the server is direct.
	PSPURL string
	// Trap is where redirects lead to.
	Trap *Trap

	servers []*http.Server
	running sync.WaitGroup
}

// Start serves the PSP, its integration service and a trap, each on a port of
// its own, until Close.
func Start(ctx context.Context, psp *PSP, options ServerOptions) (*Server, error) {
	if options.Service.APIKey == "" {
		options.Service.APIKey = DefaultAPIKey
	}
	s := &Server{APIKey: options.Service.APIKey, Trap: new(Trap)}
	service := options.Service
	service.PSP = psp
	var backend Backend = psp
	var err error
	if !options.Direct {
		if s.PSPURL, err = s.listen(ctx, options.PSPAddress, Handler(psp, s.APIKey), service.Logger); err != nil {
			return nil, err
		}
		// One idle connection for each of the streams that may be read at once.
		backend = &Client{URL: s.PSPURL, Key: s.APIKey, HTTP: &http.Client{
			Timeout:   pspTimeout,
			Transport: &http.Transport{MaxIdleConnsPerHost: idleConnections},
		}}
	}
	if service.Faults.Has(Redirects) {
		if service.TrapURL, err = s.listen(ctx, "", s.Trap, service.Logger); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	handler, err := NewService(backend, service)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if options.Wrap != nil {
		handler = options.Wrap(handler)
	}
	if s.Endpoint, err = s.listen(ctx, options.Address, handler, service.Logger); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// pspTimeout is how long an integration service waits for its PSP: less than
// what its own callers wait for it.
const (
	pspTimeout      = 8 * time.Second
	idleConnections = 64
	headerTimeout   = 5 * time.Second
)

// listen serves handler at the address, and returns its URL.
func (s *Server) listen(ctx context.Context, address string, handler http.Handler, logger *slog.Logger) (string, error) {
	if address == "" {
		address = "127.0.0.1:0"
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return "", fmt.Errorf("simulator: listen at %s: %w", address, err)
	}
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout,
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	s.servers = append(s.servers, server)
	s.running.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			logger.ErrorContext(ctx, "the simulator stopped serving", "address", listener.Addr().String(), "error", err)
		}
	})
	return "http://" + listener.Addr().String(), nil
}

// Close ends it all at once, requests under way included.
func (s *Server) Close() error {
	var errs []error
	for _, server := range s.servers {
		errs = append(errs, server.Close())
	}
	s.running.Wait()
	return errors.Join(errs...)
}
