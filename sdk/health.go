package sdk

import "encoding/json"

// Health is what a service says of itself at /healthz. Its status is 200 as long
// as the service answers at all: a provider that is down is not mended by
// restarting the service.
type Health struct {
	// Degraded says that something is wrong that somebody should look at.
	Degraded bool
	// Details tells what there is to tell; it is written as JSON. Only callers
	// with a key of the service see it.
	Details any
}

// encode writes the health for a caller that may see the details, or not.
func (h Health) encode(detailed bool) ([]byte, error) {
	body := struct {
		Status  string `json:"status"`
		Details any    `json:"details,omitempty"`
	}{Status: "ok"}
	if h.Degraded {
		body.Status = "degraded"
	}
	if detailed {
		body.Details = h.Details
	}
	return json.Marshal(body)
}
