package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/hub"
)

// accountForm is an account, the customer's own or an external one.
type accountForm struct {
	ID           hub.AccountID     `json:"id"`
	ConnectorID  hub.ConnectorID   `json:"connectorID"`
	Connector    *connectorBase    `json:"connector,omitempty"`
	Provider     string            `json:"provider"`
	Reference    string            `json:"reference"`
	CreatedAt    instant           `json:"createdAt"`
	Type         hub.AccountType   `json:"type"`
	Name         *string           `json:"name"`
	DefaultAsset *hub.Asset        `json:"defaultAsset"`
	Metadata     map[string]string `json:"metadata"`
	Raw          json.RawMessage   `json:"raw"`
}

func formAccount(account *hub.Account, connector *connectorBase) accountForm {
	return accountForm{
		ID:          account.ID,
		ConnectorID: account.ID.Connector,
		Connector:   connector,
		Provider:    account.ID.Connector.Provider,
		Reference:   account.Reference,
		CreatedAt:   instant(account.CreatedAt),
		Type:        account.Type,
		Name:        optionalText(account.Name),
		Metadata:    metadataOf(account.Metadata),
		Raw:         rawObject(account.Raw),
	}
}

var accountFields = &fieldSet{"accounts", map[string]filterField{
	"id": identifierField(hub.ParseAccountID, func(id hub.AccountID) hub.Filter {
		return hub.IsAccount{ID: id}
	}),
	"reference":                  textField(hub.FieldReference, true),
	"connector_id":               connectorField,
	"type":                       textField(hub.FieldType, true),
	"name":                       textField(hub.FieldName, true),
	"default_asset":              absentField(true),
	"psu_id":                     absentField(true),
	"open_banking_connection_id": absentField(true),
	"metadata[]":                 metadataField,
}}

func (a *api) listAccounts(w http.ResponseWriter, r *http.Request) error {
	req, err := readList(w, r, listing{name: "accounts", fields: accountFields})
	if err != nil {
		return err
	}
	page, err := a.Store.Accounts(r.Context(), req.ListQuery)
	if err != nil {
		return err
	}
	connectors, err := a.connectorsOf(r.Context(), page.Items)
	if err != nil {
		return err
	}
	return writePage(w, req, page, func(account *hub.Account) accountForm {
		return formAccount(account, connectors[account.ID.Connector])
	})
}

func (a *api) account(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "accountID", hub.ParseAccountID)
	if err != nil {
		return err
	}
	account, err := a.Store.Account(r.Context(), id)
	if err != nil {
		return err
	}
	connectors, err := a.connectorsOf(r.Context(), []hub.Account{account})
	if err != nil {
		return err
	}
	return writeData(w, http.StatusOK, formAccount(&account, connectors[account.ID.Connector]))
}

// connectorsOf returns the connectors of some accounts, each asked for once.
// One that is being uninstalled meanwhile is left out.
func (a *api) connectorsOf(ctx context.Context, accounts []hub.Account) (map[hub.ConnectorID]*connectorBase, error) {
	connectors := map[hub.ConnectorID]*connectorBase{}
	for i := range accounts {
		id := accounts[i].ID.Connector
		if _, known := connectors[id]; known {
			continue
		}
		connector, err := a.Store.Connector(ctx, id)
		switch {
		case err == nil:
			base := formConnectorBase(&connector)
			connectors[id] = &base
		case hub.CodeOf(err) == hub.CodeNotFound:
			connectors[id] = nil
		default:
			return nil, err
		}
	}
	return connectors, nil
}

// balanceForm is one balance of an account's history. The user of a payment
// service is always there and always empty, as at the reference.
type balanceForm struct {
	AccountID     hub.AccountID `json:"accountID"`
	CreatedAt     instant       `json:"createdAt"`
	LastUpdatedAt instant       `json:"lastUpdatedAt"`
	Asset         hub.Asset     `json:"asset"`
	Balance       hub.Amount    `json:"balance"`
	UserID        string        `json:"psuID"`
}

func formBalance(balance *hub.Balance) balanceForm {
	return balanceForm{
		AccountID:     balance.Account,
		CreatedAt:     instant(balance.CreatedAt),
		LastUpdatedAt: instant(balance.LastUpdatedAt),
		Asset:         balance.Asset,
		Balance:       balance.Amount,
	}
}

// listBalances lists an account's balances, newest first. The names of the
// instants are those of the reference's server and those of its document.
func (a *api) listBalances(w http.ResponseWriter, r *http.Request) error {
	id, err := hub.ParseAccountID(r.PathValue("accountID"))
	if err != nil {
		return invalid("accountID: %s", err) // here the reference says VALIDATION, not INVALID_ID
	}
	req, err := readList(w, r, listing{
		name: "balances", scope: "/" + id.String(),
		params: []string{"asset", "from", "to", "fromTimestamp", "toTimestamp"},
	})
	if err != nil {
		return err
	}
	which := hub.BalanceQuery{Asset: hub.Asset(req.params.Get("asset"))}
	if which.From, err = instantParam(req.params, "from", "fromTimestamp"); err != nil {
		return err
	}
	if which.To, err = instantParam(req.params, "to", "toTimestamp"); err != nil {
		return err
	}
	page, err := a.Store.Balances(r.Context(), id, which, req.ListQuery)
	if hub.CodeOf(err) == hub.CodeNotFound {
		// An account that is not known, or whose connector is not, has no balances.
		page, err = hub.Page[hub.Balance]{}, nil
	}
	if err != nil {
		return err
	}
	return writePage(w, req, page, formBalance)
}

// instantParam returns the first of the named parameters that is set, or the
// zero time. A plus sign that nobody escaped arrives as a space.
func instantParam(params url.Values, names ...string) (time.Time, error) {
	for _, name := range names {
		text := params.Get(name)
		if text == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339Nano, strings.ReplaceAll(text, " ", "+"))
		if err != nil {
			return at, invalid("invalid '%s' query param: it must be an instant such as 2024-05-01T10:20:30Z", name)
		}
		return at.UTC(), nil
	}
	return time.Time{}, nil
}
