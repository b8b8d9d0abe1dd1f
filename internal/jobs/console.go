package jobs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"riverqueue.com/riverui"
	"riverqueue.com/riverui/uiendpoints"
)

// A console is River's own console. It counts all jobs every ten seconds, those
// that are done included, so it does so only while somebody looks.
type console struct {
	http.Handler
	start func(ctx context.Context) error

	mu      sync.Mutex
	running context.Context //nolint:containedctx // the engine's, from its start to its stop
	stop    context.CancelFunc
	unseen  *time.Timer
}

// unseenMax is how long a console goes on counting when nobody asks.
const unseenMax = 5 * time.Minute

// ServeHTTP implements http.Handler.
func (c *console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.look()
	c.Handler.ServeHTTP(w, r)
}

// look has the console count from now on for unseenMax. One that can't counts on demand.
func (c *console) look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running == nil || c.running.Err() != nil {
		return
	}
	if c.stop != nil && c.unseen.Reset(unseenMax) {
		return
	}
	counting, stop := context.WithCancel(c.running)
	if err := c.start(counting); err != nil {
		stop()
		return
	}
	c.stop, c.unseen = stop, time.AfterFunc(unseenMax, stop)
}

// run lets the console count until ctx ends.
func (c *console) run(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running = ctx
}

// Console returns River's console for operators, to be served below a path such
// as /admin/jobs. It shows jobs and queues, and can pause, retry, cancel and
// delete; pausing a queue there rests a connector beside the hub's own pause.
// It asks nobody who is there: the caller puts it behind the API's
// authentication. Requests from other sites that would change something are
// refused, and it loads nothing from elsewhere. It counts jobs while somebody
// looks, from [Engine.Start] to [Engine.Stop]; call it before.
func (e *Engine) Console(prefix string) (http.Handler, error) {
	var endpoints uiendpoints.Bundle
	if e.postgres != nil {
		endpoints = riverui.NewEndpoints(e.postgres, nil)
	} else {
		endpoints = riverui.NewEndpoints(e.sqlite, nil)
	}
	handler, err := riverui.NewHandler(&riverui.HandlerOpts{Endpoints: endpoints, Logger: e.quiet(), Prefix: prefix})
	if err != nil {
		return nil, fmt.Errorf("make the job engine's console: %w", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.started {
		return nil, errors.New("the job engine's console must be made before the engine starts")
	}
	c := &console{Handler: handler, start: handler.Start}
	e.consoles = append(e.consoles, c)
	return http.NewCrossOriginProtection().Handler(c), nil
}
