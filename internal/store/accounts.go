package store

import (
	"context"

	"github.com/weirhq/weir/internal/hub"
)

// An accountName tells accounts apart: a beneficiary may carry the reference of
// an account.
type accountName struct {
	reference   string
	accountType hub.AccountType
}

// An accountBatch is the part of the database that the batch's accounts touch.
type accountBatch struct {
	*application
	// newest holds the newest version of each account, those of the batch included.
	newest map[accountName]*AccountRow
	// identities are the accounts that are new or have a new version.
	identities     map[accountName]*AccountRow
	fresh, changed []*AccountRow
	versions       []*AccountRow
}

// applyAccounts stores the accounts or beneficiaries of the batch. They carry no
// instant of change, so a version is new when it differs from the one before.
func (a *application) applyAccounts(ctx context.Context) error {
	shown := a.batch.Accounts
	if len(shown) == 0 {
		return nil
	}
	references := make([]string, len(shown))
	for i := range shown {
		references[i] = shown[i].Reference
	}
	rows, err := a.tx.AccountsByReference(ctx, a.stream.ConnectorKey, references)
	if err != nil {
		return err
	}
	b := accountBatch{
		application: a,
		newest:      make(map[accountName]*AccountRow, len(rows)+len(shown)),
		identities:  map[accountName]*AccountRow{},
	}
	for i := range rows {
		b.newest[accountName{rows[i].Reference, rows[i].Type}] = &rows[i]
	}
	for i := range shown {
		b.admit(&shown[i])
	}
	return b.write(ctx)
}

// admit keeps what is shown of an account where it is new.
func (b *accountBatch) admit(shown *hub.Account) {
	name := accountName{shown.Reference, shown.Type}
	before := b.newest[name]
	row := &AccountRow{ConnectorKey: b.stream.ConnectorKey, Account: *shown}
	row.SeenAt = b.batch.SeenAt
	switch {
	case before == nil:
		row.Version = 1
		row.ID = hub.AccountID{Connector: b.stream.ID.Connector, Reference: row.Reference}
		if b.newest[accountName{row.Reference, otherType(row.Type)}] != nil {
			row.ID.Type = row.Type
		}
		identity := *row
		b.identities[name] = &identity
		b.fresh = append(b.fresh, &identity)
	case hub.SameContent(before.Raw, row.Raw):
		return
	default:
		row.Key, row.ID, row.Version = before.Key, before.ID, before.Version+1
		if b.identities[name] == nil {
			identity := *before
			b.identities[name] = &identity
			b.changed = append(b.changed, &identity)
		}
		b.identities[name].Version, b.identities[name].CreatedAt = row.Version, row.CreatedAt
	}
	// A later version carries the createdAt of the first, so only a first one
	// can be late.
	b.noteStored(row.CreatedAt, before == nil)
	b.newest[name] = row
	b.versions = append(b.versions, row)
}

func (b *accountBatch) write(ctx context.Context) error {
	if err := b.tx.InsertAccounts(ctx, b.fresh); err != nil {
		return err
	}
	if err := b.tx.UpdateAccounts(ctx, b.changed); err != nil {
		return err
	}
	for _, row := range b.versions {
		row.Key = b.identities[accountName{row.Reference, row.Type}].Key
	}
	if err := b.tx.InsertAccountVersions(ctx, b.versions); err != nil {
		return err
	}
	for _, row := range b.versions {
		b.announce(hub.SavedAccount, row.VersionKey)
	}
	return nil
}

func otherType(t hub.AccountType) hub.AccountType {
	if t == hub.Internal {
		return hub.External
	}
	return hub.Internal
}

// Account returns an account in its newest version, or hub.CodeNotFound.
func (s *Store) Account(ctx context.Context, id hub.AccountID) (hub.Account, error) {
	var account hub.Account
	err := s.driver.Read(ctx, func(v View) error {
		connector, err := findConnector(ctx, v, id.Connector)
		if err != nil {
			return err
		}
		rows, err := v.AccountsByReference(ctx, connector.Key, []string{id.Reference})
		for i := range rows {
			if rows[i].ID.Type == id.Type {
				account = rows[i].Account
				return err
			}
		}
		if err != nil {
			return err
		}
		return hub.Errorf(hub.CodeNotFound, "there is no account %q at connector %s", shorten(id.Reference), id.Connector.Reference)
	})
	return account, err
}

// Accounts lists the accounts and beneficiaries of all connectors, the newest
// first by CreatedAt.
func (s *Store) Accounts(ctx context.Context, q hub.ListQuery) (hub.Page[hub.Account], error) {
	q = clamp(q)
	var page hub.Page[hub.Account]
	err := s.driver.ReadOne(ctx, func(v View) error {
		rows, err := v.AccountPage(ctx, more(q))
		if err != nil {
			return err
		}
		page, err = pageOf(q, rows, func(r *AccountRow) hub.Position {
			return hub.Position{CreatedAt: r.CreatedAt, Key: r.Key}
		}, func(r *AccountRow) (hub.Account, error) { return r.Account, nil })
		return err
	})
	return page, err
}

// AccountReferences returns up to limit references of a connector's own accounts
// that come after one in the order of their bytes; "" begins.
func (s *Store) AccountReferences(ctx context.Context, connector hub.ConnectorID, after string, limit int) ([]string, error) {
	var references []string
	err := s.driver.Read(ctx, func(v View) error {
		row, err := findConnector(ctx, v, connector)
		if err != nil {
			return err
		}
		references, err = v.InternalReferences(ctx, row.Key, after, limit)
		return err
	})
	return references, err
}
