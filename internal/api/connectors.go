package api

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/weirhq/weir/internal/hub"
)

// capabilities are what the generic connector can do through this API, in the
// reference's words and order. The set is closed: see [errorCode].
var capabilities = []string{"FETCH_ACCOUNTS", "FETCH_BALANCES", "FETCH_EXTERNAL_ACCOUNTS", "FETCH_PAYMENTS"}

// connectorForm is a connector in a list.
type connectorForm struct {
	connectorBase
	Config               configForm `json:"config"`
	ScheduledForDeletion bool       `json:"scheduledForDeletion"`
	Capabilities         []string   `json:"capabilities"`
	UpdatedAt            instant    `json:"updatedAt"`
	// Look is absent where nobody has looked at the service.
	Look *lookForm `json:"look,omitempty"`
}

// connectorBase is a connector where it stands beside something else.
type connectorBase struct {
	ID        hub.ConnectorID `json:"id"`
	Reference string          `json:"reference"`
	Name      string          `json:"name"`
	CreatedAt instant         `json:"createdAt"`
	Provider  string          `json:"provider"`
}

func formConnectorBase(c *hub.Connector) connectorBase {
	return connectorBase{
		ID: c.ID, Reference: c.ID.Reference, Name: c.Name,
		CreatedAt: instant(c.CreatedAt), Provider: c.ID.Provider,
	}
}

func formConnector(c *hub.Connector) connectorForm {
	return connectorForm{
		connectorBase: formConnectorBase(c),
		Config:        formConfig(c),
		Capabilities:  capabilities,
		UpdatedAt:     instant(c.UpdatedAt),
		Look:          formLook(c.Look),
	}
}

var connectorFields = &fieldSet{"connectors", map[string]filterField{
	"id":       connectorField,
	"name":     textField(hub.FieldName, true),
	"provider": lowerField(hub.FieldProvider),
}}

func (a *api) listConnectors(w http.ResponseWriter, r *http.Request) error {
	req, err := readList(w, r, listing{name: "connectors", fields: connectorFields})
	if err != nil {
		return err
	}
	page, err := a.Store.Connectors(r.Context(), req.ListQuery)
	if err != nil {
		return err
	}
	return writePage(w, req, page, formConnector)
}

// installConnector answers once the connector and its streams are stored; they
// are read from then on. Before that the service is looked at, last of all
// checks: nothing is asked of it for what is refused anyway.
func (a *api) installConnector(w http.ResponseWriter, r *http.Request) error {
	if provider := r.PathValue("connector"); !strings.EqualFold(provider, hub.Provider) {
		return invalid("there is no connector %.40q; Weir has one kind, %q, which speaks to your integration service",
			provider, hub.Provider)
	}
	text, err := readBody(w, r, configBytesMax)
	if err != nil {
		return err
	}
	change, err := a.parseConfig(text, nil)
	if err != nil {
		return err
	}
	connector := hub.Connector{ID: hub.NewConnectorID(hub.Provider), Name: change.name, Config: change.config}
	if err := a.nameIsFree(r.Context(), connector.Name, connector.ID); err != nil {
		return err
	}
	if connector.Look, err = a.lookAt(r.Context(), connector, change.force); err != nil {
		return err
	}
	connector.CreatedAt = a.Now().UTC()
	connector.UpdatedAt = connector.CreatedAt
	if err := a.Store.InstallConnector(r.Context(), connector); err != nil {
		return err
	}
	return writeData(w, http.StatusAccepted, connector.ID)
}

// uninstallConnector starts the deletion. Asked again while it runs, it answers
// with the same task, although the connector is in no list any more.
func (a *api) uninstallConnector(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "connectorID", hub.ParseConnectorID)
	if err != nil {
		return err
	}
	if err := a.Uninstall(r.Context(), id); err != nil {
		return err
	}
	return writeData(w, http.StatusAccepted, struct {
		TaskID string `json:"taskID"`
	}{taskID(id, "uninstall-"+a.Stack)})
}

// taskID names a task of a connector. Which kind of thing an identifier names
// is not part of it, so a task's is that of an account with the task's reference.
func taskID(connector hub.ConnectorID, kind string) string {
	reference := kind + "-" + connector.Provider + "-" + connector.Reference
	return hub.AccountID{Connector: connector, Reference: reference}.String()
}

func (a *api) connectorConfig(w http.ResponseWriter, r *http.Request) error {
	connector, err := a.connectorInPath(r)
	if err != nil {
		return err
	}
	config := formConfig(&connector)
	config.Provider = "Generic" // the official client tells configurations apart by this spelling
	return writeData(w, http.StatusOK, config)
}

// configureConnector replaces the whole configuration, as the reference does:
// what is left out falls back to its default. Only the key may be sent as the
// mask that [formConfig] shows, and is then kept. A new endpoint or key is looked at
// as on installation.
func (a *api) configureConnector(w http.ResponseWriter, r *http.Request) error {
	connector, err := a.connectorInPath(r)
	if err != nil {
		return err
	}
	text, err := readBody(w, r, configBytesMax)
	if err != nil {
		return err
	}
	change, err := a.parseConfig(text, &connector.Config)
	if err != nil {
		return err
	}
	if err := a.nameIsFree(r.Context(), change.name, connector.ID); err != nil {
		return err
	}
	look, err := a.lookAgain(r.Context(), connector, change)
	if err != nil {
		return err
	}
	if err := a.Store.ConfigureConnector(r.Context(), connector.ID, change.name, change.config, look); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *api) connectorCapabilities(w http.ResponseWriter, r *http.Request) error {
	if _, err := a.connectorInPath(r); err != nil {
		return err
	}
	return writeData(w, http.StatusOK, capabilities)
}

// connectorsCapabilities is the same as long as the process lives, so clients
// may keep it and ask whether it has changed.
func (a *api) connectorsCapabilities(w http.ResponseWriter, r *http.Request) error {
	body := data[map[string][]string]{map[string][]string{hub.Provider: capabilities}}
	text, err := encodeJSON(body)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	tag := `"` + hex.EncodeToString(sum[:]) + `"`
	w.Header().Set("ETag", tag)
	w.Header().Set("Cache-Control", "public, max-age=3600, must-revalidate")
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return writeJSON(w, http.StatusOK, json.RawMessage(text))
}

// connectorConfigs describes the parameters of a configuration.
func (a *api) connectorConfigs(w http.ResponseWriter, _ *http.Request) error {
	type parameter struct {
		DataType string `json:"dataType"`
		Required bool   `json:"required"`
		Default  string `json:"defaultValue"`
	}
	return writeData(w, http.StatusOK, map[string]map[string]parameter{
		hub.Provider: {
			"name":              {"string", true, ""},
			"endpoint":          {"string", true, ""},
			"apiKey":            {"string", true, ""},
			"pollingPeriod":     {"duration ns", false, a.PollingPeriodDefault.String()},
			"requestsPerSecond": {"number", false, ""},
			"concurrency":       {"unsigned integer", false, ""},
		},
	})
}

// connectorInPath returns the connector that the path names.
func (a *api) connectorInPath(r *http.Request) (hub.Connector, error) {
	id, err := pathID(r, "connectorID", hub.ParseConnectorID)
	if err != nil {
		return hub.Connector{}, err
	}
	return a.Store.Connector(r.Context(), id)
}
