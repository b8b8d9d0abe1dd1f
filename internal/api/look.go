package api

import (
	"context"
	"net/http"

	"github.com/weirhq/weir/internal/hub"
)

// lookForm is what was seen of a connector's service when it got its
// configuration.
type lookForm struct {
	State    hub.LookState     `json:"state"`
	Sentence string            `json:"sentence"`
	At       instant           `json:"at"`
	Findings []lookFindingForm `json:"findings"`
}

type lookFindingForm struct {
	Check    string  `json:"check"`
	Resource *string `json:"resource"`
	Text     string  `json:"text"`
}

// formLook is nil where nobody has looked.
func formLook(look *hub.Look) *lookForm {
	if look == nil {
		return nil
	}
	form := &lookForm{look.State, look.Sentence, instant(look.At), make([]lookFindingForm, 0, len(look.Findings))}
	for _, f := range look.Findings {
		form.Findings = append(form.Findings, lookFindingForm{f.Check, optionalText(string(f.Resource)), f.Text})
	}
	return form
}

// connectorLook shows the look at one connector; its data is null where nobody
// has looked.
func (a *api) connectorLook(w http.ResponseWriter, r *http.Request) error {
	connector, err := a.connectorInPath(r)
	if err != nil {
		return err
	}
	return writeData(w, http.StatusOK, formLook(connector.Look))
}

// lookAt has a connector's service looked at before the connector is stored, and
// refuses one that can't work unless it is forced. The look comes back either way
// where it was forced; nil where this API looks at nothing.
func (a *api) lookAt(ctx context.Context, connector hub.Connector, force bool) (*hub.Look, error) {
	if a.Look == nil {
		return nil, nil
	}
	look, err := a.Look(ctx, connector)
	if err != nil {
		return nil, err
	}
	if look.State.Blocks() && !force {
		return nil, invalid(`%s; mend that, or send "force": true beside the configuration to have it taken all the same`, look.Sentence)
	}
	return &look, nil
}

// lookAgain is lookAt for a connector that gets another configuration. It looks
// where the endpoint or the key is new, and where there may be news: the last look
// was not content. Only what is new is ever refused.
func (a *api) lookAgain(ctx context.Context, stored hub.Connector, change configChange) (*hub.Look, error) {
	isNew := change.config.Endpoint != stored.Config.Endpoint || change.config.APIKey != stored.Config.APIKey
	wasContent := stored.Look == nil || stored.Look.State == hub.LookSound && len(stored.Look.Findings) == 0
	if !isNew && wasContent {
		return nil, nil
	}
	stored.Name, stored.Config = change.name, change.config
	return a.lookAt(ctx, stored, change.force || !isNew)
}

// nameIsFree refuses a name that another connector has, before anything is asked
// of a service; the store, which has the last word, refuses it again.
func (a *api) nameIsFree(ctx context.Context, name string, except hub.ConnectorID) error {
	page, err := a.Store.Connectors(ctx, hub.ListQuery{
		Limit: 1, Filter: hub.CompareText{Field: hub.FieldName, Operator: hub.Equal, Text: name},
	})
	if err != nil || len(page.Items) == 0 || page.Items[0].ID == except {
		return err
	}
	return hub.Errorf(hub.CodeConflict, "the name %q is taken by connector %s; choose another", name, page.Items[0].ID.Reference)
}
