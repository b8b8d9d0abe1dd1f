package hub

import "time"

// Provider is the one kind of connector that Weir has.
const Provider = "generic"

// Connector is one installed connection to an integration service.
type Connector struct {
	ID        ConnectorID `json:"id"`
	Name      string      `json:"name"`
	CreatedAt time.Time   `json:"createdAt"`
	UpdatedAt time.Time   `json:"updatedAt"`
	Config    Config      `json:"-"`
	// Look is what was seen of the service when it got this configuration; nil
	// where nobody has looked.
	Look *Look `json:"-"`
}

// Config is what a connector needs to reach its integration service.
type Config struct {
	// Endpoint is the base URL of the service, without a trailing slash.
	Endpoint string
	// APIKey travels as "Authorization: Bearer <key>" and nowhere else.
	APIKey Secret
	// PollingPeriod is the time between the ends of two polls of a stream.
	PollingPeriod time.Duration
	// RequestsPerSecond bounds the calls to the service; 0 means the default.
	RequestsPerSecond float64
	// Concurrency bounds the calls that are under way at once; 0 means the default.
	Concurrency int
}

// Secret is text that must not be shown. It prints as stars, in every format
// and in JSON; only [Secret.Reveal] gives it away.
type Secret struct{ text string }

// NewSecret wraps text.
func NewSecret(text string) Secret { return Secret{text} }

// Reveal returns the text itself.
func (s Secret) Reveal() string { return s.text }

// String hides the text.
func (s Secret) String() string { return "***" }

// GoString hides the text.
func (s Secret) GoString() string { return "***" }

// MarshalText hides the text.
func (s Secret) MarshalText() ([]byte, error) { return []byte("***"), nil }
