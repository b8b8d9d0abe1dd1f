package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
)

const connectorColumns = `c.connector_key, c.provider, c.reference, c.name, c.created_at, c.updated_at, COALESCE(c.deleted_at, ''),
	c.endpoint, c.api_key, c.polling_period_ns, c.requests_per_second, c.concurrency, COALESCE(c.look, '')`

func readConnector(scan func(...any) error) (store.ConnectorRow, error) {
	var row store.ConnectorRow
	var createdAt, updatedAt, deletedAt, look string
	var period, concurrency int64
	c := &row.Connector
	err := scan(&row.Key, &c.ID.Provider, &c.ID.Reference, &c.Name, &createdAt, &updatedAt, &deletedAt,
		&c.Config.Endpoint, &row.SealedAPIKey, &period, &c.Config.RequestsPerSecond, &concurrency, &look)
	if err != nil {
		return row, err
	}
	c.ID = connectorID(c.ID.Provider, c.ID.Reference)
	c.Name, c.Config.Endpoint = decode(c.Name), decode(c.Config.Endpoint)
	c.CreatedAt, c.UpdatedAt, row.DeletedAt = store.ParseInstant(createdAt), store.ParseInstant(updatedAt), store.ParseInstant(deletedAt)
	c.Config.PollingPeriod, c.Config.Concurrency = time.Duration(period), int(concurrency)
	if look != "" {
		if err := json.Unmarshal([]byte(look), &c.Look); err != nil {
			return row, fmt.Errorf("stored look at connector %s: %w", c.ID.Reference, err)
		}
	}
	return row, nil
}

// connectorID makes an identifier of what the columns hold.
func connectorID(provider, reference string) hub.ConnectorID {
	return hub.ConnectorID{Provider: decode(provider), Reference: decode(reference)}
}

// lookOrNone writes a look that nobody has taken as the empty text.
func lookOrNone(look *hub.Look) (string, error) {
	if look == nil {
		return "", nil
	}
	b, err := json.Marshal(look)
	return string(b), err
}

func (v view) connectors(ctx context.Context, text string, args ...any) ([]store.ConnectorRow, error) {
	var rows []store.ConnectorRow
	err := v.query(ctx, text, func(scan func(...any) error) error {
		row, err := readConnector(scan)
		rows = append(rows, row)
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

const connectorByID = `SELECT ` + connectorColumns + ` FROM connector c WHERE c.reference = $1 AND c.provider = $2`

// ConnectorRow implements [store.ConnectorView].
func (v view) ConnectorRow(ctx context.Context, id hub.ConnectorID) (store.ConnectorRow, bool, error) {
	return v.connector(ctx, connectorByID, encode(id.Reference), encode(id.Provider))
}

// ConnectorRow implements [store.ConnectorView]. The row stays as it is until the
// transaction ends: whoever reads it here replaces it whole.
func (t *tx) ConnectorRow(ctx context.Context, id hub.ConnectorID) (store.ConnectorRow, bool, error) {
	return t.connector(ctx, connectorByID+` FOR NO KEY UPDATE`, encode(id.Reference), encode(id.Provider))
}

// ConnectorNamed implements [store.ConnectorView].
func (v view) ConnectorNamed(ctx context.Context, name string) (store.ConnectorRow, bool, error) {
	return v.connector(ctx, `SELECT `+connectorColumns+` FROM connector c WHERE c.name = $1 AND c.deleted_at IS NULL`, encode(name))
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
	s, err := connectorList.page(q, "")
	if err != nil {
		return nil, err
	}
	return v.connectors(ctx, s.String(), s.args...)
}

// InsertConnector implements [store.ConnectorTx].
func (t *tx) InsertConnector(ctx context.Context, c *store.ConnectorRow) error {
	look, err := lookOrNone(c.Look)
	if err != nil {
		return err
	}
	return t.insert(ctx, 1, func(_ int, key int64) { c.Key = key },
		`INSERT INTO connector (provider, reference, name, created_at, updated_at, deleted_at,
			endpoint, api_key, polling_period_ns, requests_per_second, concurrency, look)
		VALUES ($1, $2, $3, $4, $5, NULLIF($6::text, ''), $7, $8, $9, $10, $11, NULLIF($12::text, '')) RETURNING connector_key`,
		encode(c.ID.Provider), encode(c.ID.Reference), encode(c.Name), store.FormatInstant(c.CreatedAt), store.FormatInstant(c.UpdatedAt), instantOrNone(c.DeletedAt),
		encode(c.Config.Endpoint), blob(c.SealedAPIKey), int64(c.Config.PollingPeriod), c.Config.RequestsPerSecond, int64(c.Config.Concurrency), look)
}

// UpdateConnector implements [store.ConnectorTx].
func (t *tx) UpdateConnector(ctx context.Context, c *store.ConnectorRow) error {
	look, err := lookOrNone(c.Look)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, `UPDATE connector SET name = $1, updated_at = $2, deleted_at = NULLIF($3::text, ''), endpoint = $4, api_key = $5,
		polling_period_ns = $6, requests_per_second = $7, concurrency = $8, look = NULLIF($9::text, '') WHERE connector_key = $10`,
		encode(c.Name), store.FormatInstant(c.UpdatedAt), instantOrNone(c.DeletedAt), encode(c.Config.Endpoint), blob(c.SealedAPIKey),
		int64(c.Config.PollingPeriod), c.Config.RequestsPerSecond, int64(c.Config.Concurrency), look, c.Key)
	return err
}

// PurgeConnector implements [store.ConnectorTx]. It takes the events first,
// then what they are about, each child before its parent. The streams are locked
// before anything: a batch that is being stored in spite of the removal, because
// it began before, is waited for, and what it stored goes with the next step.
func (t *tx) PurgeConnector(ctx context.Context, connectorKey int64, limit int) (bool, error) {
	const streams = `SELECT stream_key FROM stream WHERE connector_key = $1 ORDER BY stream_key FOR UPDATE`
	if _, err := t.exec(ctx, streams, connectorKey); err != nil {
		return false, err
	}
	steps := []func(context.Context, int64, int64) (bool, error){
		t.purgeEvents, t.purgePayments, t.purgeAccounts, t.purgeBalances, t.purgeRejections,
	}
	for _, step := range steps {
		if done, err := step(ctx, connectorKey, int64(limit)); err != nil || !done {
			return false, err
		}
	}
	for _, text := range []string{
		`DELETE FROM stream_reader WHERE stream_key IN (SELECT stream_key FROM stream WHERE connector_key = $1)`,
		`DELETE FROM stream WHERE connector_key = $1`,
		`DELETE FROM connector WHERE connector_key = $1`,
	} {
		if _, err := t.exec(ctx, text, connectorKey); err != nil {
			return false, err
		}
	}
	return true, nil
}

// purgeStretch is how many events are looked at for each row that may be removed
// in one step: looking is that much cheaper.
const purgeStretch = 10

// purgeEvents looks through the next stretch of the log. Events have no index
// by connector, since nothing else asks for one; the connector's row remembers
// how far the search has come.
func (t *tx) purgeEvents(ctx context.Context, connectorKey, limit int64) (bool, error) {
	var from, last int64
	err := t.query(ctx, `SELECT purged_seq, (SELECT value FROM sequence WHERE name = 'event') FROM connector WHERE connector_key = $1`,
		func(scan func(...any) error) error { return scan(&from, &last) }, connectorKey)
	if err != nil || from >= last {
		return true, err
	}
	to := from + limit*purgeStretch
	if to > last {
		to = last // numbers beyond it may be given to this connector's events yet
	}
	if _, err := t.exec(ctx, `DELETE FROM event WHERE seq > $1 AND seq <= $2 AND connector_key = $3`, from, to, connectorKey); err != nil {
		return false, err
	}
	_, err = t.exec(ctx, `UPDATE connector SET purged_seq = $1 WHERE connector_key = $2`, to, connectorKey)
	return false, err
}

// purge removes rows and reports whether there was none.
func (t *tx) purge(ctx context.Context, text string, args ...any) (bool, error) {
	removed, err := t.exec(ctx, text, args...)
	return removed == 0, err
}

func (t *tx) purgePayments(ctx context.Context, connectorKey, limit int64) (bool, error) {
	// Most payments have a few adjustments; one with very many is removed whole.
	const some = `(SELECT payment_key FROM payment WHERE connector_key + 0 = $1 ORDER BY created_at, payment_key LIMIT $2)`
	if _, err := t.exec(ctx, `DELETE FROM adjustment WHERE payment_key IN `+some, connectorKey, limit/2); err != nil {
		return false, err
	}
	return t.purge(ctx, `DELETE FROM payment WHERE payment_key IN `+some, connectorKey, limit/2)
}

func (t *tx) purgeAccounts(ctx context.Context, connectorKey, limit int64) (bool, error) {
	const some = `(SELECT account_key FROM account WHERE connector_key = $1 ORDER BY reference, type LIMIT $2)`
	if _, err := t.exec(ctx, `DELETE FROM account_version WHERE account_key IN `+some, connectorKey, limit/2); err != nil {
		return false, err
	}
	return t.purge(ctx, `DELETE FROM account WHERE account_key IN `+some, connectorKey, limit/2)
}

func (t *tx) purgeBalances(ctx context.Context, connectorKey, limit int64) (bool, error) {
	return t.purge(ctx, `DELETE FROM balance WHERE balance_key IN
		(SELECT balance_key FROM balance WHERE connector_key + 0 = $1 LIMIT $2)`, connectorKey, limit)
}

func (t *tx) purgeRejections(ctx context.Context, connectorKey, limit int64) (bool, error) {
	return t.purge(ctx, `DELETE FROM rejection WHERE rejection_key IN
		(SELECT r.rejection_key FROM stream s JOIN rejection r USING (stream_key) WHERE s.connector_key = $1 LIMIT $2)`, connectorKey, limit)
}
