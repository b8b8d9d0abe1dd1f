package api

import (
	"cmp"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/weirhq/weir/internal/hub"
)

// The bounds of a configuration. The first is the reference's; the others keep
// out what no service means and a limiter would take at its word.
const (
	configBytesMax       = 500_000
	nameLengthMin        = 3
	nameLengthMax        = 500
	requestsPerSecondMin = 0.01
	requestsPerSecondMax = 100_000
	concurrencyMax       = 1_000
	portMax              = 65_535
)

// configForm is a connector's configuration in an answer. The key is shown as
// stars: reading is a smaller right than knowing the key.
type configForm struct {
	APIKey            hub.Secret `json:"apiKey"`
	Endpoint          string     `json:"endpoint"`
	Name              string     `json:"name"`
	PollingPeriod     string     `json:"pollingPeriod"`
	RequestsPerSecond float64    `json:"requestsPerSecond,omitempty"`
	Concurrency       int        `json:"concurrency,omitempty"`
	Provider          string     `json:"provider,omitempty"`
}

func formConfig(c *hub.Connector) configForm {
	return configForm{
		APIKey:            c.Config.APIKey,
		Endpoint:          c.Config.Endpoint,
		Name:              c.Name,
		PollingPeriod:     c.Config.PollingPeriod.String(),
		RequestsPerSecond: c.Config.RequestsPerSecond,
		Concurrency:       c.Config.Concurrency,
	}
}

// configRequest is a configuration as it is sent. provider and pageSize, which
// the official client adds, are passed over like anything unknown.
type configRequest struct {
	Name              string  `json:"name"`
	Endpoint          string  `json:"endpoint"`
	APIKey            string  `json:"apiKey"`
	PollingPeriod     string  `json:"pollingPeriod"`
	RequestsPerSecond float64 `json:"requestsPerSecond"`
	Concurrency       int     `json:"concurrency"`
	// Force takes what a look at the service would refuse. It is not kept.
	Force bool `json:"force"`
}

// A configChange is a configuration that was asked for, valid as far as it can
// be without asking the service.
type configChange struct {
	name   string
	config hub.Config
	force  bool
}

// parseConfig reads a configuration and refuses it with a sentence about the
// first thing that is wrong with it. stored is the one that it replaces, nil
// for a new connector.
func (a *api) parseConfig(text []byte, stored *hub.Config) (configChange, error) {
	var req configRequest
	var config hub.Config
	if err := decodeBody(text, &req); err != nil {
		return configChange{}, err
	}
	if err := checkName(req.Name); err != nil {
		return configChange{}, err
	}
	var err error
	if config.Endpoint, err = parseEndpoint(req.Endpoint); err != nil {
		return configChange{}, err
	}
	if config.APIKey, err = parseAPIKey(req.APIKey, config.Endpoint, stored); err != nil {
		return configChange{}, err
	}
	if config.PollingPeriod, err = a.parsePeriod(req.PollingPeriod); err != nil {
		return configChange{}, err
	}
	if rate := req.RequestsPerSecond; rate != 0 && (rate < requestsPerSecondMin || rate > requestsPerSecondMax) {
		return configChange{}, invalid("requestsPerSecond must lie between %v and %v; leave it out for the default",
			requestsPerSecondMin, requestsPerSecondMax)
	}
	if req.Concurrency < 0 || req.Concurrency > concurrencyMax {
		return configChange{}, invalid("concurrency must lie between 1 and %d; leave it out for the default", concurrencyMax)
	}
	config.RequestsPerSecond, config.Concurrency = req.RequestsPerSecond, req.Concurrency
	return configChange{name: req.Name, config: config, force: req.Force}, nil
}

func checkName(name string) error {
	length := utf8.RuneCountInString(name)
	switch {
	case name == "":
		return invalid("name is required")
	case length < nameLengthMin || length > nameLengthMax:
		return invalid("name must have %d to %d characters, not %d", nameLengthMin, nameLengthMax, length)
	case strings.ContainsFunc(name, unicode.IsControl):
		return invalid("name must not hold control characters")
	}
	return nil
}

// parseEndpoint returns the URL without a slash at its end. What is wrong with
// it is said without showing it, since it may hold a password.
func parseEndpoint(text string) (string, error) {
	if text == "" {
		return "", invalid("endpoint is required: the URL of your integration service, such as https://psp.example.com/v1")
	}
	endpoint, err := url.Parse(text)
	switch {
	case err != nil || (endpoint.Scheme != "http" && endpoint.Scheme != "https") || endpoint.Hostname() == "":
		return "", invalid("endpoint must be a URL that begins with http:// or https:// and names a host")
	case portOf(endpoint) > portMax:
		return "", invalid("endpoint names a port beyond %d", portMax)
	case endpoint.User != nil:
		return "", invalid("endpoint must not hold a user or password; the service is shown the apiKey")
	case endpoint.RawQuery != "" || endpoint.ForceQuery || strings.Contains(text, "#"):
		return "", invalid("endpoint must not have a query or a fragment; the paths of the contract are put at its end")
	}
	return strings.TrimRight(endpoint.String(), "/"), nil
}

// portOf returns the port that a URL names, 0 for none.
func portOf(endpoint *url.URL) int {
	port, err := strconv.Atoi(cmp.Or(endpoint.Port(), "0"))
	if err != nil {
		return math.MaxInt // digits alone can only fail by their number
	}
	return port
}

// parseAPIKey returns the key, or the stored one where the mask was sent. A
// stored key stays with the host that it was given for: whoever may change a
// configuration could otherwise have it sent to a host of their own.
func parseAPIKey(text, endpoint string, stored *hub.Config) (hub.Secret, error) {
	masked := text == hub.Secret{}.String()
	switch {
	case text == "":
		return hub.Secret{}, invalid("apiKey is required: the key that your integration service expects")
	case masked && stored == nil:
		return hub.Secret{}, invalid("apiKey is the mask that Weir shows in place of a key; send the key itself")
	case masked && !sameOrigin(endpoint, stored.Endpoint):
		return hub.Secret{}, invalid("apiKey must be sent again when the endpoint moves to another host")
	case masked:
		return stored.APIKey, nil
	case strings.TrimSpace(text) != text:
		return hub.Secret{}, invalid("apiKey must not begin or end with white space")
	case strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' }):
		return hub.Secret{}, invalid("apiKey must consist of visible ASCII characters, since it travels in a header")
	}
	return hub.NewSecret(text), nil
}

func sameOrigin(a, b string) bool {
	x, errX := url.Parse(a)
	y, errY := url.Parse(b)
	return errX == nil && errY == nil && x.Scheme == y.Scheme && strings.EqualFold(x.Host, y.Host)
}

func (a *api) parsePeriod(text string) (time.Duration, error) {
	if text == "" {
		return a.PollingPeriodDefault, nil
	}
	period, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return 0, invalid("pollingPeriod must be a duration such as %q or %q", "30s", "5m")
	case period < a.PollingPeriodMinimum:
		return 0, invalid("pollingPeriod must be at least %s", a.PollingPeriodMinimum)
	}
	return period, nil
}
