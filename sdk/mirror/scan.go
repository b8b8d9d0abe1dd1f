package mirror

import (
	"context"
	"fmt"
	"time"
)

// missedScansMax is how many complete scans in a row must miss a row before it
// counts as vanished. One would do for a provider that pages without a slip;
// with most, a row that moves during the walk is missed now and then.
const missedScansMax = 2

// sight notes that a scan has seen the row.
func (a *applying) sight(ctx context.Context, list, id string) error {
	if a.scan <= 0 {
		return nil
	}
	a.wrote = true
	return a.exec(ctx, a.m.stmts.sight, a.source, list, id, a.scan)
}

// endScan counts what a complete scan has missed and marks what has vanished.
func (a *applying) endScan(ctx context.Context) error {
	a.wrote = true
	if _, err := a.tx.ExecContext(ctx, `UPDATE sighting SET missed = missed + 1 WHERE source = ? AND scan < ?`, a.source, a.scan); err != nil {
		return err
	}
	rows, err := a.tx.QueryContext(ctx, `SELECT list, id FROM sighting WHERE source = ? AND missed = ? AND scan < ? ORDER BY list, id`,
		a.source, missedScansMax, a.scan)
	if err != nil {
		return err
	}
	defer rows.Close()
	var gone [][2]string
	for rows.Next() {
		var list, id string
		if err := rows.Scan(&list, &id); err != nil {
			return err
		}
		gone = append(gone, [2]string{list, id})
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, row := range gone {
		if err := a.vanish(ctx, row[0], row[1]); err != nil {
			return fmt.Errorf("mark %.40q of %s as vanished: %w", row[1], row[0], err)
		}
	}
	return nil
}

func (a *applying) vanish(ctx context.Context, list, id string) error {
	switch list {
	case tableAccount:
		return markVanished(ctx, a, &accountKind, id)
	case tableBeneficiary:
		return markVanished(ctx, a, &beneficiaryKind, id)
	}
	return markVanished(ctx, a, &transactionKind, id)
}

// markVanished changes the row's metadata, which is a change like any other.
// When the row comes back, its metadata is the source's again.
func markVanished[T any](ctx context.Context, a *applying, k *kind[T], id string) error {
	stamp, version, body, err := a.find(ctx, k.table, id)
	if err != nil {
		return err
	}
	row, err := k.read(time.UnixMicro(stamp).UTC(), body)
	if err != nil {
		return err
	}
	k.mark(&row, MetadataVanishedAt, a.now.UTC().Format(time.RFC3339))
	a.progress.Vanished++
	if !k.moves {
		return a.exec(ctx, a.m.stmts.rewrite[k.table], version, k.body(&row), stamp)
	}
	a.moved = true
	return a.exec(ctx, a.m.stmts.move[k.table], stampNow(k.last(&a.last), a.now), version, k.body(&row), stamp)
}
