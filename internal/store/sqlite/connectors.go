package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
)

const connectorColumns = `c.connector_key, c.provider, c.reference, c.name, c.created_at, c.updated_at, c.deleted_at,
	c.endpoint, c.api_key, c.polling_period_ns, c.requests_per_second, c.concurrency, c.look`

func readConnector(r row) (store.ConnectorRow, error) {
	c := store.ConnectorRow{
		Key: r.int(0),
		Connector: hub.Connector{
			ID:   hub.ConnectorID{Provider: r.text(1), Reference: r.text(2)},
			Name: r.text(3), CreatedAt: r.instant(4), UpdatedAt: r.instant(5),
			Config: hub.Config{
				Endpoint:          r.text(7),
				PollingPeriod:     time.Duration(r.int(9)),
				RequestsPerSecond: r.float(10),
				Concurrency:       int(r.int(11)),
			},
		},
		DeletedAt:    r.instant(6),
		SealedAPIKey: r.bytes(8),
	}
	if look := r.text(12); look != "" {
		if err := json.Unmarshal([]byte(look), &c.Look); err != nil {
			return c, fmt.Errorf("stored look at connector %s: %w", c.ID.Reference, err)
		}
	}
	return c, nil
}

// lookOrNull writes a look as JSON, and none as NULL.
func lookOrNull(look *hub.Look) (any, error) {
	if look == nil {
		return nil, nil
	}
	text, err := json.Marshal(look)
	if err != nil {
		return nil, fmt.Errorf("look at a connector: %w", err)
	}
	return string(text), nil
}

func (v view) connectors(ctx context.Context, text string, args ...any) ([]store.ConnectorRow, error) {
	var rows []store.ConnectorRow
	err := v.query(ctx, text, func(r row) error {
		c, err := readConnector(r)
		rows = append(rows, c)
		return err
	}, args...)
	return rows, err
}

func (v view) connector(ctx context.Context, text string, args ...any) (store.ConnectorRow, bool, error) {
	rows, err := v.connectors(ctx, text, args...)
	if err != nil || len(rows) == 0 {
		return store.ConnectorRow{}, false, err
	}
	return rows[0], true, nil
}

// ConnectorRow implements [store.ConnectorView].
func (v view) ConnectorRow(ctx context.Context, id hub.ConnectorID) (store.ConnectorRow, bool, error) {
	return v.connector(ctx, `SELECT `+connectorColumns+` FROM connector c WHERE c.reference = ? AND c.provider = ?`, id.Reference, id.Provider)
}

// ConnectorNamed implements [store.ConnectorView].
func (v view) ConnectorNamed(ctx context.Context, name string) (store.ConnectorRow, bool, error) {
	return v.connector(ctx, `SELECT `+connectorColumns+` FROM connector c WHERE c.name = ? AND c.deleted_at IS NULL`, name)
}

// DeletedConnectors implements [store.ConnectorView].
func (v view) DeletedConnectors(ctx context.Context) ([]store.ConnectorRow, error) {
	return v.connectors(ctx, `SELECT `+connectorColumns+` FROM connector c WHERE c.deleted_at IS NOT NULL ORDER BY c.connector_key`)
}

var connectorList = list{
	query:     `SELECT ` + connectorColumns + ` FROM connector c WHERE c.deleted_at IS NULL`,
	createdAt: "c.created_at", key: "c.connector_key",
	filter: columns{text: map[hub.TextField]string{hub.FieldName: "c.name", hub.FieldProvider: "c.provider"}},
}

// ConnectorPage implements [store.ConnectorView].
func (v view) ConnectorPage(ctx context.Context, q hub.ListQuery) ([]store.ConnectorRow, error) {
	text, args, err := connectorList.page(q)
	if err != nil {
		return nil, err
	}
	return v.connectors(ctx, text, args...)
}

// InsertConnector implements [store.ConnectorTx].
func (t *tx) InsertConnector(ctx context.Context, c *store.ConnectorRow) error {
	look, err := lookOrNull(c.Look)
	if err != nil {
		return err
	}
	c.Key, err = t.insert(ctx, `INSERT INTO connector (provider, reference, name, created_at, updated_at, deleted_at,
		endpoint, api_key, polling_period_ns, requests_per_second, concurrency, look)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		c.ID.Provider, c.ID.Reference, c.Name, store.FormatInstant(c.CreatedAt), store.FormatInstant(c.UpdatedAt), instantOrNull(c.DeletedAt),
		c.Config.Endpoint, blob(c.SealedAPIKey), int64(c.Config.PollingPeriod), c.Config.RequestsPerSecond, int64(c.Config.Concurrency), look)
	return err
}

// UpdateConnector implements [store.ConnectorTx].
func (t *tx) UpdateConnector(ctx context.Context, c *store.ConnectorRow) error {
	look, err := lookOrNull(c.Look)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, `UPDATE connector SET name = ?, updated_at = ?, deleted_at = ?, endpoint = ?, api_key = ?,
		polling_period_ns = ?, requests_per_second = ?, concurrency = ?, look = ? WHERE connector_key = ?`,
		c.Name, store.FormatInstant(c.UpdatedAt), instantOrNull(c.DeletedAt), c.Config.Endpoint, blob(c.SealedAPIKey),
		int64(c.Config.PollingPeriod), c.Config.RequestsPerSecond, int64(c.Config.Concurrency), look, c.Key)
	return err
}

// PurgeConnector implements [store.ConnectorTx]. It takes the events first,
// then what they are about, each child before its parent.
func (t *tx) PurgeConnector(ctx context.Context, connectorKey int64, limit int) (bool, error) {
	steps := []func(context.Context, int64, int64) (bool, error){
		t.purgeEvents, t.purgePayments, t.purgeAccounts, t.purgeBalances, t.purgeRejections,
	}
	for _, step := range steps {
		if done, err := step(ctx, connectorKey, int64(limit)); err != nil || !done {
			return false, err
		}
	}
	if _, err := t.exec(ctx, `DELETE FROM stream WHERE connector_key = ?`, connectorKey); err != nil {
		return false, err
	}
	_, err := t.exec(ctx, `DELETE FROM connector WHERE connector_key = ?`, connectorKey)
	return true, err
}

// purgeStretch is how many events are looked at for each row that may be removed
// in one step: looking is that much cheaper.
const purgeStretch = 10

// purgeEvents looks through the next stretch of the log. Events have no index
// by connector, since nothing else asks for one; the connector's row remembers
// how far the search has come.
func (t *tx) purgeEvents(ctx context.Context, connectorKey, limit int64) (bool, error) {
	var from, last int64
	err := t.query(ctx, `SELECT purged_seq, (SELECT value FROM sequence WHERE name = 'event') FROM connector WHERE connector_key = ?`,
		func(r row) error {
			from, last = r.int(0), r.int(1)
			return nil
		}, connectorKey)
	if err != nil || from >= last {
		return true, err
	}
	to := from + limit*purgeStretch
	if _, err := t.exec(ctx, `DELETE FROM event WHERE seq > ? AND seq <= ? AND connector_key = ?`, from, to, connectorKey); err != nil {
		return false, err
	}
	_, err = t.exec(ctx, `UPDATE connector SET purged_seq = ? WHERE connector_key = ?`, to, connectorKey)
	return false, err
}

// purge removes rows and reports whether there was none.
func (t *tx) purge(ctx context.Context, text string, args ...any) (bool, error) {
	result, err := t.exec(ctx, text, args...)
	if err != nil {
		return false, err
	}
	removed, err := result.RowsAffected()
	return removed == 0, err
}

func (t *tx) purgePayments(ctx context.Context, connectorKey, limit int64) (bool, error) {
	// Most payments have a few adjustments; one with very many is removed whole.
	const some = `(SELECT payment_key FROM payment WHERE connector_key = ? ORDER BY reference LIMIT ?)`
	if _, err := t.exec(ctx, `DELETE FROM adjustment WHERE payment_key IN `+some, connectorKey, limit/2); err != nil {
		return false, err
	}
	return t.purge(ctx, `DELETE FROM payment WHERE payment_key IN `+some, connectorKey, limit/2)
}

func (t *tx) purgeAccounts(ctx context.Context, connectorKey, limit int64) (bool, error) {
	const some = `(SELECT account_key FROM account WHERE connector_key = ? ORDER BY reference, type LIMIT ?)`
	if _, err := t.exec(ctx, `DELETE FROM account_version WHERE account_key IN `+some, connectorKey, limit/2); err != nil {
		return false, err
	}
	return t.purge(ctx, `DELETE FROM account WHERE account_key IN `+some, connectorKey, limit/2)
}

func (t *tx) purgeBalances(ctx context.Context, connectorKey, limit int64) (bool, error) {
	return t.purge(ctx, `DELETE FROM balance WHERE balance_key IN
		(SELECT balance_key FROM balance WHERE connector_key = ? LIMIT ?)`, connectorKey, limit)
}

func (t *tx) purgeRejections(ctx context.Context, connectorKey, limit int64) (bool, error) {
	return t.purge(ctx, `DELETE FROM rejection WHERE rejection_key IN
		(SELECT r.rejection_key FROM stream s JOIN rejection r USING (stream_key) WHERE s.connector_key = ? LIMIT ?)`, connectorKey, limit)
}
