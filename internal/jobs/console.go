package jobs

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"riverqueue.com/riverui"
	"riverqueue.com/riverui/uiendpoints"
)

// A console is River's own console with what it counts in the background.
type console interface {
	http.Handler
	Start(ctx context.Context) error
}

// Console returns River's console for operators, to be served below a path such
// as /admin/jobs. It shows jobs and queues, and can pause, retry, cancel and
// delete; pausing a queue there rests a connector beside the hub's own pause.
// It asks nobody who is there: the caller puts it behind the API's
// authentication. Requests from other sites that would change something are
// refused, and it loads nothing from elsewhere. It counts jobs from
// [Engine.Start] to [Engine.Stop]; call it before.
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
	e.consoles = append(e.consoles, handler)
	return http.NewCrossOriginProtection().Handler(handler), nil
}
