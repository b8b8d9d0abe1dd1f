package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/verify"
)

// lookAt has the verifier take its quick look at the service of a connector, and
// puts what it found into the hub's words.
func lookAt(ctx context.Context, c hub.Connector) (hub.Look, error) {
	found, err := verify.QuickLook(ctx, verify.Options{
		Endpoint: c.Config.Endpoint, Key: c.Config.APIKey.Reveal(), Rate: c.Config.RequestsPerSecond,
	})
	if err != nil {
		return hub.Look{}, fmt.Errorf("look at the service of %s: %w", c.Name, err)
	}
	look := hub.Look{State: lookStates[found.State], Sentence: found.Sentence, At: time.Now().UTC()}
	for _, b := range found.Breaches {
		finding := hub.LookFinding{Check: b.Check, Text: b.Text}
		if resource, err := hub.ParseResource(b.List); err == nil {
			finding.Resource = resource
		}
		look.Findings = append(look.Findings, finding)
	}
	return look, nil
}

// lookStates are the verifier's words and the hub's.
var lookStates = map[verify.LookState]hub.LookState{
	verify.Sound:      hub.LookSound,
	verify.KeyRefused: hub.LookRefused,
	verify.Foreign:    hub.LookForeign,
	verify.Unreached:  hub.LookUnreached,
}

// A lookInfo is a look as the API shows it.
type lookInfo struct {
	State    hub.LookState `json:"state"`
	Sentence string        `json:"sentence"`
	Findings []struct {
		Resource *hub.Resource `json:"resource"`
		Text     string        `json:"text"`
	} `json:"findings"`
}

// look asks what was seen of a connector's service; nil where nobody looked.
func (c *client) look(ctx context.Context, connector connectorInfo) (*lookInfo, error) {
	var answer envelope[*lookInfo]
	err := c.get(ctx, connector.path()+"/look", &answer)
	return answer.Data, err
}

// lookText says what a look has found, and nothing where all is well. Without all,
// what streams show by themselves is left to them.
func (t terminal) lookText(look *lookInfo, all bool) string {
	if look == nil || look.State == hub.LookSound && len(look.Findings) == 0 {
		return ""
	}
	most := min(cmp.Or(t.columns, textColumns), textColumns)
	var out strings.Builder
	out.WriteString(wrap("A first look at the service: "+printable(look.Sentence)+".", "", most))
	for _, f := range look.Findings {
		switch {
		case f.Resource == nil:
			out.WriteString(wrap("- "+printable(f.Text), "  ", most))
		case all:
			out.WriteString(wrap("- "+string(*f.Resource)+": "+printable(f.Text), "  ", most))
		}
	}
	return out.String()
}

// withForce says how the command line does what the API's refusal of a look says.
func withForce(err error) error {
	var answer *apiError
	if errors.As(err, &answer) && answer.status == http.StatusBadRequest && strings.Contains(answer.message, `"force": true`) {
		return fmt.Errorf("%w. The option --force does that", err)
	}
	return err
}
