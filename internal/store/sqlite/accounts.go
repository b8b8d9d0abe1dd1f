package sqlite

import (
	"context"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
)

const selectAccountColumns = `SELECT a.account_key, v.version_key, a.connector_key, c.provider, c.reference, a.reference, a.id_type, a.type,
	v.created_at, v.name, v.metadata, v.version, v.seen_at, v.raw`

const selectAccount = selectAccountColumns + `
	FROM account a JOIN connector c USING (connector_key) JOIN account_version v USING (account_key)`

func readAccount(r row) (store.AccountRow, error) {
	metadata, err := parseMetadata(r, 10)
	return store.AccountRow{
		Key: r.int(0), VersionKey: r.int(1), ConnectorKey: r.int(2),
		Account: hub.Account{
			ID: hub.AccountID{
				Connector: hub.ConnectorID{Provider: r.text(3), Reference: r.text(4)},
				Reference: r.text(5), Type: hub.AccountType(r.text(6)),
			},
			Reference: r.text(5), Type: hub.AccountType(r.text(7)), CreatedAt: r.instant(8), Name: r.text(9),
			Metadata: metadata, Version: int(r.int(11)), SeenAt: r.instant(12), Raw: r.bytes(13),
		},
	}, err
}

func (v view) accounts(ctx context.Context, rows []store.AccountRow, text string, args ...any) ([]store.AccountRow, error) {
	err := v.query(ctx, text, func(r row) error {
		a, err := readAccount(r)
		rows = append(rows, a)
		return err
	}, args...)
	return rows, err
}

// AccountsByReference implements [store.AccountView].
func (v view) AccountsByReference(ctx context.Context, connectorKey int64, references []string) ([]store.AccountRow, error) {
	var rows []store.AccountRow
	err := eachList(references, func(_ int, args []any) (err error) {
		rows, err = v.accounts(ctx, rows, selectAccount+
			` WHERE a.reference IN `+inList+` AND a.connector_key = ? AND v.version = a.version ORDER BY a.reference, a.type`, args...)
		return err
	}, connectorKey)
	return rows, err
}

// AccountVersions implements [store.AccountView].
func (v view) AccountVersions(ctx context.Context, versionKeys []int64) ([]store.AccountRow, error) {
	var rows []store.AccountRow
	err := eachList(versionKeys, func(_ int, args []any) (err error) {
		rows, err = v.accounts(ctx, rows, selectAccount+` WHERE v.version_key IN `+inList, args...)
		return err
	})
	return rows, err
}

var accountList = sharedList{
	columns: selectAccountColumns, table: "account a",
	joins:     " CROSS JOIN account_version v ON v.account_key = a.account_key AND v.version = a.version",
	createdAt: "a.created_at", key: "a.account_key", connector: "a.connector_key",
	filter: columns{
		account: "a", metadata: "v.metadata",
		text: map[hub.TextField]string{hub.FieldReference: "a.reference", hub.FieldType: "a.type", hub.FieldName: "v.name"},
	},
}

// AccountPage implements [store.AccountView].
func (v view) AccountPage(ctx context.Context, q hub.ListQuery) ([]store.AccountRow, error) {
	rows := make([]store.AccountRow, 0, q.Limit)
	err := v.readPage(ctx, &accountList, q, func(r row) error {
		a, err := readAccount(r)
		rows = append(rows, a)
		return err
	})
	return rows, err
}

// InternalReferences implements [store.AccountView].
func (v view) InternalReferences(ctx context.Context, connectorKey int64, after string, limit int) ([]string, error) {
	var references []string
	err := v.query(ctx, `SELECT reference FROM account
		WHERE connector_key = ? AND reference > ? AND type = 'INTERNAL' ORDER BY reference LIMIT ?`, func(r row) error {
		references = append(references, r.text(0))
		return nil
	}, connectorKey, after, int64(limit))
	return references, err
}

// AccountRecords implements [store.AccountView].
func (v view) AccountRecords(ctx context.Context, connectorKey int64, t hub.AccountType, after string, limit int) ([]store.RecordRow, error) {
	return v.records(ctx, `SELECT a.reference, v.raw FROM account a JOIN account_version v USING (account_key, version)
		WHERE a.connector_key = ? AND a.reference > ? AND a.type = ? ORDER BY a.reference LIMIT ?`,
		connectorKey, after, string(t), int64(limit))
}

// InsertAccounts implements [store.AccountTx].
func (t *tx) InsertAccounts(ctx context.Context, rows []*store.AccountRow) (err error) {
	for _, a := range rows {
		a.Key, err = t.insert(ctx, `INSERT INTO account (connector_key, type, reference, id_type, created_at, version) VALUES (?, ?, ?, ?, ?, ?)`,
			a.ConnectorKey, string(a.Type), a.Reference, string(a.ID.Type), store.FormatInstant(a.CreatedAt), int64(a.Version))
		if err != nil {
			return err
		}
	}
	return nil
}

// UpdateAccounts implements [store.AccountTx].
func (t *tx) UpdateAccounts(ctx context.Context, rows []*store.AccountRow) error {
	for _, a := range rows {
		_, err := t.exec(ctx, `UPDATE account SET created_at = ?, version = ? WHERE account_key = ?`,
			store.FormatInstant(a.CreatedAt), int64(a.Version), a.Key)
		if err != nil {
			return err
		}
	}
	return nil
}

// InsertAccountVersions implements [store.AccountTx].
func (t *tx) InsertAccountVersions(ctx context.Context, rows []*store.AccountRow) error {
	for _, a := range rows {
		meta, err := metadata(a.Metadata)
		if err != nil {
			return err
		}
		a.VersionKey, err = t.insert(ctx, `INSERT INTO account_version (account_key, version, name, created_at, metadata, seen_at, raw)
			VALUES (?, ?, ?, ?, ?, ?, ?)`,
			a.Key, int64(a.Version), a.Name, store.FormatInstant(a.CreatedAt), meta, store.FormatInstant(a.SeenAt), blob(a.Raw))
		if err != nil {
			return err
		}
	}
	return nil
}
