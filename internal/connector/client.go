// Package connector is the generic connector: it calls a customer's integration
// service over package wire's contract and hands what it reads to the core as
// hub.Batch values. It is the one place where the two languages meet.
//
// It decides nothing about when to read (that is internal/poll) and stores
// nothing (that is internal/store). Start with [Client.Read] for the order of a
// reading, then list.go for how a list is read without losing a row, then
// translate.go for what a record becomes.
package connector

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/wire"
)

// The bounds of a call, and why.
const (
	// connectTimeout covers name resolution, TCP and TLS.
	connectTimeout = 5 * time.Second
	// headerTimeout is how long a service may think before it answers.
	headerTimeout = 15 * time.Second
	// callTimeout covers the whole exchange: a body that trickles is cut here.
	callTimeout = 60 * time.Second
	// DefaultRequestsPerSecond and DefaultConcurrency bound the load on a service
	// whose connector names no bounds of its own.
	DefaultRequestsPerSecond = 500
	DefaultConcurrency       = 8
	// capabilitiesTTL is how long an answer about the page size is believed.
	capabilitiesTTL = time.Hour
	// capabilitiesTimeout is short: all streams of the connector wait for the
	// answer, and can do without it.
	capabilitiesTimeout = 5 * time.Second
)

// Options are what all clients of a process have in common. The zero value works.
type Options struct {
	// Version is Weir's own, for the User-Agent header.
	Version string
	// BodyBytesMax bounds one answer after decompression; 0 means wire.MaxBodyBytes.
	BodyBytesMax int64
	// PageSizeMax bounds the pages asked for; 0 means wire.MaxPageSize.
	PageSizeMax int
	// Tiers are the re-reads behind the watermark; the zero value means DefaultTiers.
	Tiers Tiers
	// Transport is used in place of one with the bounds above.
	Transport http.RoundTripper
	// Wrap returns what carries the calls to one connector's service in place of
	// next, so that somebody may watch them; nil: next itself.
	Wrap func(c hub.Connector, next http.RoundTripper) http.RoundTripper
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Clients keeps one client for each connector, so that all of a connector's
// streams share its rate limit, its concurrency limit and its connections.
type Clients struct {
	options Options
	mu      sync.Mutex
	clients map[hub.ConnectorID]*Client
}

// NewClients returns an empty set.
func NewClients(options Options) *Clients {
	return &Clients{options: options, clients: make(map[hub.ConnectorID]*Client)}
}

// For returns the client of c, a new one when its configuration has changed.
func (s *Clients) For(c hub.Connector) *Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.clients[c.ID]; ok && known.config == c.Config {
		return known
	}
	client := New(c, s.options)
	s.clients[c.ID] = client
	return client
}

// Client calls one integration service. It is safe for use by many at once.
type Client struct {
	id       hub.ConnectorID
	config   hub.Config
	endpoint string
	options  Options
	http     *http.Client
	limit    *rate.Limiter
	slots    chan struct{}
	now      func() time.Time
	// standstillMax is the constant of that name, less in tests.
	standstillMax int

	mu         sync.Mutex
	pageSize   int
	pageSizeAt time.Time
}

// New returns a client for c.
func New(c hub.Connector, options Options) *Client {
	requests, concurrency := c.Config.RequestsPerSecond, c.Config.Concurrency
	if requests <= 0 {
		requests = DefaultRequestsPerSecond
	}
	if concurrency <= 0 {
		concurrency = DefaultConcurrency
	}
	if options.BodyBytesMax <= 0 {
		options.BodyBytesMax = wire.MaxBodyBytes
	}
	if options.PageSizeMax <= 0 {
		options.PageSizeMax = wire.MaxPageSize
	}
	if options.Tiers == (Tiers{}) {
		options.Tiers = DefaultTiers()
	}
	if options.Transport == nil {
		options.Transport = newTransport(concurrency)
	}
	if options.Wrap != nil {
		options.Transport = options.Wrap(c, options.Transport)
	}
	client := &Client{
		id:       c.ID,
		config:   c.Config,
		endpoint: strings.TrimRight(c.Config.Endpoint, "/"),
		options:  options,
		limit:    rate.NewLimiter(rate.Limit(requests), concurrency),
		slots:    make(chan struct{}, concurrency),
		now:      options.Now,

		standstillMax: standstillMax,
	}
	client.http = &http.Client{Transport: options.Transport, CheckRedirect: client.stayHome}
	if client.now == nil {
		client.now = time.Now
	}
	return client
}

func newTransport(concurrency int) *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: connectTimeout, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   connectTimeout,
		ResponseHeaderTimeout: headerTimeout,
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConnsPerHost:   concurrency,
		ForceAttemptHTTP2:     true,
		// Four connections are kept for each connector, and a request is short.
		WriteBufferSize: 1 << 10,
	}
}

// learnPageSize asks the service, once an hour, for the page size that it can
// do. A service that does not say has pages of wire.DefaultPageSize; one that
// fails to answer has those that it had.
func (c *Client) learnPageSize(ctx context.Context) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pageSize > 0 && c.now().Sub(c.pageSizeAt) < capabilitiesTTL {
		return c.pageSize
	}
	c.pageSizeAt = c.now()
	ctx, cancel := context.WithTimeout(ctx, capabilitiesTimeout)
	defer cancel()
	answer, err := c.getOnce(ctx, wire.PathCapabilities)
	var failed *callError
	if c.pageSize > 0 && errors.As(err, &failed) && failed.again {
		return c.pageSize
	}
	c.pageSize = wire.DefaultPageSize
	if err == nil {
		if can, err := wire.DecodeCapabilities(answer); err == nil && can.PageSizeMax > 0 {
			c.pageSize = can.PageSizeMax
		}
	}
	c.pageSize = min(c.pageSize, c.options.PageSizeMax)
	return c.pageSize
}

// shrinkPages has pages of half of size asked for from the next poll on, because
// one of size was too large to be read.
func (c *Client) shrinkPages(size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pageSize = max(1, min(c.pageSize, size/2))
}

// sortKey is the key by which the list of a resource is sorted.
func sortKey(resource hub.Resource) wire.SortKey {
	if resource == hub.Transactions {
		return wire.SortUpdatedAt
	}
	return wire.SortCreatedAt
}
