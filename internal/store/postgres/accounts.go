package postgres

import (
	"context"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
)

const selectAccountColumns = `SELECT a.account_key, v.version_key, a.connector_key, c.provider, c.reference, a.reference, a.id_type, a.type,
	v.created_at, v.name, COALESCE(v.metadata::text, ''), v.version, v.seen_at, v.raw `

func readAccount(scan func(...any) error) (store.AccountRow, error) {
	var row store.AccountRow
	var provider, reference, idType, kind, createdAt, meta, seenAt string
	var version int64
	a := &row.Account
	err := scan(&row.Key, &row.VersionKey, &row.ConnectorKey, &provider, &reference, &a.Reference, &idType, &kind,
		&createdAt, &a.Name, &meta, &version, &seenAt, &a.Raw)
	if err != nil {
		return row, err
	}
	a.Reference, a.Name, a.Type, a.Version = decode(a.Reference), decode(a.Name), hub.AccountType(decode(kind)), int(version)
	a.ID = hub.AccountID{Connector: connectorID(provider, reference), Reference: a.Reference, Type: hub.AccountType(decode(idType))}
	a.CreatedAt, a.SeenAt = store.ParseInstant(createdAt), store.ParseInstant(seenAt)
	a.Metadata, err = parseMetadata(meta)
	return row, err
}

func (v view) accounts(ctx context.Context, text string, args ...any) ([]store.AccountRow, error) {
	var rows []store.AccountRow
	err := v.query(ctx, text, func(scan func(...any) error) error {
		a, err := readAccount(scan)
		rows = append(rows, a)
		return err
	}, args...)
	return rows, err
}

// AccountsByReference implements [store.AccountView].
func (v view) AccountsByReference(ctx context.Context, connectorKey int64, references []string) ([]store.AccountRow, error) {
	if len(references) == 0 {
		return nil, nil
	}
	return v.accounts(ctx, selectAccountColumns+`FROM (SELECT DISTINCT unnest($2::text[]) COLLATE "C" AS reference) n
		CROSS JOIN LATERAL (SELECT * FROM account WHERE connector_key = $1 AND reference = n.reference OFFSET 0) a
		JOIN account_version v ON v.account_key = a.account_key AND v.version = a.version
		JOIN connector c ON c.connector_key = a.connector_key
		ORDER BY a.reference, a.type`, connectorKey, encodeAll(references))
}

// AccountVersions implements [store.AccountView].
func (v view) AccountVersions(ctx context.Context, versionKeys []int64) ([]store.AccountRow, error) {
	if len(versionKeys) == 0 {
		return nil, nil
	}
	return v.accounts(ctx, selectAccountColumns+`FROM account_version v JOIN account a USING (account_key)
		JOIN connector c USING (connector_key) WHERE v.version_key = ANY ($1::bigint[])`, versionKeys)
}

var accountList = list{
	query: selectAccountColumns + `FROM account a ` + connectorOfRow("a") + `
		JOIN account_version v ON v.account_key = a.account_key AND v.version = a.version WHERE true`,
	createdAt: "a.created_at", key: "a.account_key", connector: "a.connector_key",
	filter: columns{
		account: "a", metadata: "v.metadata",
		text: map[hub.TextField]string{hub.FieldReference: "a.reference", hub.FieldType: "a.type", hub.FieldName: "v.name"},
	},
}

// AccountPage implements [store.AccountView].
func (v view) AccountPage(ctx context.Context, q hub.ListQuery) ([]store.AccountRow, error) {
	more, args, none, err := v.narrow(ctx, accountList, q.Filter)
	if err != nil || none {
		return nil, err
	}
	s, err := accountList.page(q, more, args...)
	if err != nil {
		return nil, err
	}
	return v.accounts(ctx, s.String(), s.planned(q)...)
}

// InternalReferences implements [store.AccountView].
func (v view) InternalReferences(ctx context.Context, connectorKey int64, after string, limit int) ([]string, error) {
	var references []string
	err := v.query(ctx, `SELECT reference FROM account
		WHERE connector_key = $1 AND reference > $2 AND type = 'INTERNAL' ORDER BY reference LIMIT $3`, func(scan func(...any) error) error {
		var reference string
		err := scan(&reference)
		references = append(references, decode(reference))
		return err
	}, connectorKey, encode(after), int64(limit))
	return references, err
}

// AccountRecords implements [store.AccountView].
func (v view) AccountRecords(ctx context.Context, connectorKey int64, t hub.AccountType, after string, limit int) ([]store.RecordRow, error) {
	return v.records(ctx, `SELECT a.reference, v.raw FROM account a JOIN account_version v USING (account_key, version)
		WHERE a.connector_key = $1 AND a.reference > $2 AND a.type = $3 ORDER BY a.reference LIMIT $4`,
		connectorKey, encode(after), encode(string(t)), int64(limit))
}

// InsertAccounts implements [store.AccountTx].
func (t *tx) InsertAccounts(ctx context.Context, rows []*store.AccountRow) error {
	if len(rows) == 0 {
		return nil
	}
	texts, numbers := arraysOf[string](4, len(rows)), arraysOf[int64](2, len(rows))
	for i, a := range rows {
		setAll(texts, i, encode(string(a.Type)), encode(a.Reference), encode(string(a.ID.Type)), store.FormatInstant(a.CreatedAt))
		setAll(numbers, i, a.ConnectorKey, int64(a.Version))
	}
	return t.insert(ctx, len(rows), func(i int, key int64) { rows[i].Key = key },
		`INSERT INTO account (connector_key, version, type, reference, id_type, created_at)
		SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[]) RETURNING account_key`,
		numbers[0], numbers[1], texts[0], texts[1], texts[2], texts[3])
}

// UpdateAccounts implements [store.AccountTx].
func (t *tx) UpdateAccounts(ctx context.Context, rows []*store.AccountRow) error {
	if len(rows) == 0 {
		return nil
	}
	numbers, createdAt := arraysOf[int64](2, len(rows)), make([]string, len(rows))
	for i, a := range rows {
		setAll(numbers, i, a.Key, int64(a.Version))
		createdAt[i] = store.FormatInstant(a.CreatedAt)
	}
	_, err := t.exec(ctx, `UPDATE account a SET created_at = u.created_at, version = u.version
		FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS u (account_key, version, created_at) WHERE a.account_key = u.account_key`,
		numbers[0], numbers[1], createdAt)
	return err
}

// InsertAccountVersions implements [store.AccountTx].
func (t *tx) InsertAccountVersions(ctx context.Context, rows []*store.AccountRow) error {
	if len(rows) == 0 {
		return nil
	}
	texts, numbers, raws := arraysOf[string](4, len(rows)), arraysOf[int64](2, len(rows)), make([][]byte, len(rows))
	for i, a := range rows {
		meta, err := metadata(a.Metadata)
		if err != nil {
			return err
		}
		setAll(texts, i, encode(a.Name), store.FormatInstant(a.CreatedAt), meta, store.FormatInstant(a.SeenAt))
		setAll(numbers, i, a.Key, int64(a.Version))
		raws[i] = blob(a.Raw)
	}
	return t.insert(ctx, len(rows), func(i int, key int64) { rows[i].VersionKey = key },
		`INSERT INTO account_version (account_key, version, name, created_at, metadata, seen_at, raw)
		SELECT account_key, version, name, created_at, NULLIF(metadata, '')::jsonb, seen_at, raw
		FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[])
			AS u (account_key, version, name, created_at, metadata, seen_at, raw) RETURNING version_key`,
		numbers[0], numbers[1], texts[0], texts[1], texts[2], texts[3], raws)
}
