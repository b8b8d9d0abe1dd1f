package telemetry

import (
	"sync"

	"github.com/weirhq/weir/internal/hub"
)

// connectorsMax bounds the connectors that have series of their own. A thousand
// are some ten thousand series a metric, which Prometheus takes in its stride;
// ten times as many would cost it, and each scrape, more than they tell. The
// totals go on to count them all.
const connectorsMax = 1000

// others is the label of the connectors beyond connectorsMax.
const others = "(others)"

// labels know the connectors' names. A name is what an operator says, and what
// stands on a dashboard; identifiers say nothing to anybody.
type labels struct {
	mu    sync.RWMutex
	names map[hub.ConnectorID]string
	// used are the labels given away since the process began. A metric does not
	// forget a series, so a name that is used no more still counts.
	used map[string]bool
}

// learn takes a connector's name to heart.
func (l *labels) learn(c hub.Connector) {
	l.mu.RLock()
	known := l.names[c.ID] == c.Name && c.Name != ""
	l.mu.RUnlock()
	if known {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	name := c.Name
	if name == "" {
		name = c.ID.Reference
	}
	if !l.used[name] && len(l.used) >= connectorsMax {
		delete(l.names, c.ID)
		return
	}
	l.used[name] = true
	l.names[c.ID] = name
}

// of returns the label of a connector, [others] for one that was not learned or
// came too late.
func (l *labels) of(id hub.ConnectorID) string {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if name, ok := l.names[id]; ok {
		return name
	}
	return others
}
