package sqlite

import (
	"context"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
)

// FindLeads implements [store.PaymentView].
func (v view) FindLeads(ctx context.Context, connectorKey int64, references []string) ([]store.VersionRow, error) {
	return v.versions(ctx, findLeads, connectorKey, references)
}

// FindRelated implements [store.PaymentView].
func (v view) FindRelated(ctx context.Context, connectorKey int64, references []string) ([]store.VersionRow, error) {
	return v.versions(ctx, findRelated, connectorKey, references)
}

// CROSS JOIN makes SQLite take the named references one by one and look each up.
var (
	findLeads = `WITH named (place, reference) AS (VALUES ` + placeList + `)
		SELECT named.place, p.payment_key, a.adjustment_key, a.updated_at, a.hash
		FROM named CROSS JOIN payment p ON p.connector_key = ? AND p.reference = named.reference
		LEFT JOIN adjustment a ON a.payment_key = p.payment_key AND a.record IS NULL
		ORDER BY named.place, a.adjustment_key`
	findRelated = `WITH named (place, reference) AS (VALUES ` + placeList + `)
		SELECT named.place, a.payment_key, a.adjustment_key, a.updated_at, a.hash
		FROM named CROSS JOIN adjustment a ON a.connector_key = ? AND a.record = named.reference
		ORDER BY named.place, a.adjustment_key`
)

func (v view) versions(ctx context.Context, text string, connectorKey int64, references []string) ([]store.VersionRow, error) {
	var rows []store.VersionRow
	err := eachList(references, func(from int, args []any) error {
		return v.query(ctx, text, func(r row) error {
			rows = append(rows, store.VersionRow{
				Place: from + int(r.int(0)), PaymentKey: r.int(1), AdjustmentKey: r.int(2), UpdatedAt: r.instant(3), Hash: r.hash(4),
			})
			return nil
		}, args...)
	}, connectorKey)
	return rows, err
}

const selectPaymentColumns = `SELECT p.payment_key, p.connector_key, c.provider, c.reference, p.reference, p.id_type, p.created_at, p.type,
	p.status, p.scheme, p.asset, p.initial_amount, p.amount, p.source, p.destination, p.metadata`

const selectPayment = selectPaymentColumns + ` FROM payment p JOIN connector c USING (connector_key)`

func readPayment(r row) (store.PaymentRow, error) {
	p := store.PaymentRow{
		Key: r.int(0), ConnectorKey: r.int(1),
		Payment: hub.Payment{
			ID: hub.PaymentID{
				Connector: hub.ConnectorID{Provider: r.text(2), Reference: r.text(3)},
				Reference: r.text(4), Type: hub.PaymentType(r.text(5)),
			},
			Reference: r.text(4), CreatedAt: r.instant(6), Type: hub.PaymentType(r.text(7)),
			Status: hub.PaymentStatus(r.text(8)), Scheme: hub.Scheme(r.text(9)), Asset: hub.Asset(r.text(10)),
			SourceAccount: r.text(13), DestinationAccount: r.text(14),
		},
	}
	var err error
	if p.InitialAmount, err = amount(r.text(11)); err != nil {
		return p, err
	}
	if p.Amount, err = amount(r.text(12)); err != nil {
		return p, err
	}
	p.Metadata, err = parseMetadata(r, 15)
	return p, err
}

func (v view) payments(ctx context.Context, rows []store.PaymentRow, text string, args ...any) ([]store.PaymentRow, error) {
	err := v.query(ctx, text, func(r row) error {
		p, err := readPayment(r)
		rows = append(rows, p)
		return err
	}, args...)
	return rows, err
}

// PaymentsByKey implements [store.PaymentView].
func (v view) PaymentsByKey(ctx context.Context, paymentKeys []int64) ([]store.PaymentRow, error) {
	var rows []store.PaymentRow
	err := eachList(paymentKeys, func(_ int, args []any) (err error) {
		rows, err = v.payments(ctx, rows, selectPayment+` WHERE p.payment_key IN `+inList, args...)
		return err
	})
	return rows, err
}

// WholePayment implements [store.PaymentView].
func (v view) WholePayment(ctx context.Context, connector hub.ConnectorID, reference string) (store.PaymentRow, bool, error) {
	rows, err := v.payments(ctx, nil, selectPaymentColumns+` FROM connector c CROSS JOIN payment p USING (connector_key)
		WHERE c.provider = ? AND c.reference = ? AND c.deleted_at IS NULL AND p.reference = ?`, connector.Provider, connector.Reference, reference)
	if err != nil || len(rows) == 0 {
		return store.PaymentRow{}, false, err
	}
	whole := rows[0]
	err = v.query(ctx, selectAdjustmentColumns+`, a.raw FROM payment p CROSS JOIN adjustment a USING (payment_key)
		WHERE p.payment_key = ? ORDER BY a.adjustment_key`, func(r row) error {
		a, err := readAdjustment(r)
		a.Raw = r.bytes(adjustmentColumns)
		whole.Adjustments = append(whole.Adjustments, a.PaymentAdjustment)
		return err
	}, whole.Key)
	return whole, true, err
}

var paymentList = sharedList{
	columns: selectPaymentColumns, table: "payment p",
	createdAt: "p.created_at", key: "p.payment_key", connector: "p.connector_key",
	filter: columns{
		payment: "p", metadata: "p.metadata",
		text: map[hub.TextField]string{
			hub.FieldReference: "p.reference", hub.FieldType: "p.type", hub.FieldAsset: "p.asset", hub.FieldScheme: "p.scheme",
			hub.FieldStatus: "p.status", hub.FieldSource: "p.source", hub.FieldDestination: "p.destination",
		},
		amount: map[hub.AmountField]string{hub.FieldAmount: "p.amount", hub.FieldInitialAmount: "p.initial_amount"},
		common: map[hub.TextField]string{hub.FieldStatus: "SUCCEEDED"},
	},
}

// PaymentPage implements [store.PaymentView].
func (v view) PaymentPage(ctx context.Context, q hub.ListQuery) ([]store.PaymentRow, error) {
	rows := make([]store.PaymentRow, 0, q.Limit)
	err := v.readPage(ctx, &paymentList, q, func(r row) error {
		p, err := readPayment(r)
		rows = append(rows, p)
		return err
	})
	return rows, err
}

const selectAdjustmentColumns = `SELECT a.adjustment_key, a.payment_key, a.connector_key, p.reference, a.record, a.version, a.created_at,
	a.updated_at, a.type, a.status, a.scheme, a.asset, a.amount, a.source, a.destination, a.metadata, a.seen_at, a.hash`

// adjustmentColumns is how many columns selectAdjustmentColumns has.
const adjustmentColumns = 18

const selectAdjustment = selectAdjustmentColumns + ` FROM payment p JOIN adjustment a USING (payment_key)`

func readAdjustment(r row) (store.AdjustmentRow, error) {
	a := store.AdjustmentRow{
		Key: r.int(0), PaymentKey: r.int(1), ConnectorKey: r.int(2), Hash: r.hash(17),
		PaymentAdjustment: hub.PaymentAdjustment{
			PaymentReference: r.text(3), Reference: r.text(4), Version: int(r.int(5)), CreatedAt: r.instant(6), UpdatedAt: r.instant(7),
			Type: hub.PaymentType(r.text(8)), Status: hub.PaymentStatus(r.text(9)), Scheme: hub.Scheme(r.text(10)),
			Asset: hub.Asset(r.text(11)), SourceAccount: r.text(13), DestinationAccount: r.text(14), SeenAt: r.instant(16),
		},
	}
	if r[4] == nil {
		a.Reference = a.PaymentReference
	}
	var err error
	if a.Amount, err = amount(r.text(12)); err != nil {
		return a, err
	}
	a.Metadata, err = parseMetadata(r, 15)
	return a, err
}

// Adjustments implements [store.PaymentView].
func (v view) Adjustments(ctx context.Context, paymentKeys []int64) ([]store.AdjustmentRow, error) {
	var rows []store.AdjustmentRow
	err := eachList(paymentKeys, func(_ int, args []any) error {
		return v.query(ctx, selectAdjustment+` WHERE p.payment_key IN `+inList+` ORDER BY a.adjustment_key`, func(r row) error {
			a, err := readAdjustment(r)
			rows = append(rows, a)
			return err
		}, args...)
	})
	return rows, err
}

// RawAdjustments implements [store.PaymentView].
func (v view) RawAdjustments(ctx context.Context, adjustmentKeys []int64) (map[int64][]byte, error) {
	raws := make(map[int64][]byte, len(adjustmentKeys))
	err := eachList(adjustmentKeys, func(_ int, args []any) error {
		return v.query(ctx, `SELECT adjustment_key, raw FROM adjustment WHERE adjustment_key IN `+inList, func(r row) error {
			raws[r.int(0)] = r.bytes(1)
			return nil
		}, args...)
	})
	return raws, err
}

// records reads pairs of a reference and bytes.
func (v view) records(ctx context.Context, text string, args ...any) ([]store.RecordRow, error) {
	var rows []store.RecordRow
	err := v.query(ctx, text, func(r row) error {
		rows = append(rows, store.RecordRow{Reference: r.text(0), Raw: r.bytes(1)})
		return nil
	}, args...)
	return rows, err
}

// LeadRecords implements [store.PaymentView].
func (v view) LeadRecords(ctx context.Context, connectorKey int64, after string, limit int) ([]store.RecordRow, error) {
	return v.records(ctx, `SELECT p.reference,
		(SELECT a.raw FROM adjustment a WHERE a.payment_key = p.payment_key AND a.record IS NULL
		 ORDER BY a.updated_at DESC, a.adjustment_key DESC LIMIT 1)
		FROM payment p WHERE p.connector_key = ? AND p.reference > ? ORDER BY p.reference LIMIT ?`, connectorKey, after, int64(limit))
}

// RelatedRecords implements [store.PaymentView].
func (v view) RelatedRecords(ctx context.Context, connectorKey int64, after string, limit int) ([]store.RecordRow, error) {
	return v.records(ctx, `SELECT r.record,
		(SELECT a.raw FROM adjustment a WHERE a.connector_key = r.connector_key AND a.record = r.record
		 ORDER BY a.updated_at DESC, a.adjustment_key DESC LIMIT 1)
		FROM (SELECT DISTINCT connector_key, record FROM adjustment WHERE connector_key = ? AND record > ? ORDER BY record LIMIT ?) r
		ORDER BY r.record`, connectorKey, after, int64(limit))
}

// InsertPayments implements [store.PaymentTx].
func (t *tx) InsertPayments(ctx context.Context, rows []*store.PaymentRow) error {
	for _, p := range rows {
		meta, err := metadata(p.Metadata)
		if err != nil {
			return err
		}
		p.Key, err = t.insert(ctx, `INSERT INTO payment (connector_key, reference, id_type, created_at, type, status, scheme, asset,
			initial_amount, amount, source, destination, metadata) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			p.ConnectorKey, p.Reference, string(p.ID.Type), store.FormatInstant(p.CreatedAt), string(p.Type), string(p.Status), string(p.Scheme),
			string(p.Asset), p.InitialAmount.String(), p.Amount.String(), textOrNull(p.SourceAccount),
			textOrNull(p.DestinationAccount), meta)
		if err != nil {
			return err
		}
	}
	return nil
}

// UpdatePayments implements [store.PaymentTx].
func (t *tx) UpdatePayments(ctx context.Context, rows []*store.PaymentRow) error {
	for _, p := range rows {
		meta, err := metadata(p.Metadata)
		if err != nil {
			return err
		}
		_, err = t.exec(ctx, `UPDATE payment SET created_at = ?, type = ?, status = ?, scheme = ?, asset = ?, initial_amount = ?,
			amount = ?, source = ?, destination = ?, metadata = ? WHERE payment_key = ?`,
			store.FormatInstant(p.CreatedAt), string(p.Type), string(p.Status), string(p.Scheme), string(p.Asset), p.InitialAmount.String(),
			p.Amount.String(), textOrNull(p.SourceAccount), textOrNull(p.DestinationAccount), meta, p.Key)
		if err != nil {
			return err
		}
	}
	return nil
}

// InsertAdjustments implements [store.PaymentTx].
func (t *tx) InsertAdjustments(ctx context.Context, rows []*store.AdjustmentRow) error {
	for _, a := range rows {
		meta, err := metadata(a.Metadata)
		if err != nil {
			return err
		}
		var record any
		if !a.IsLead() {
			record = a.Reference
		}
		a.Key, err = t.insert(ctx, `INSERT INTO adjustment (payment_key, connector_key, record, version, created_at, updated_at, type, status,
			scheme, asset, amount, source, destination, metadata, seen_at, hash, raw) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			a.PaymentKey, a.ConnectorKey, record, int64(a.Version), store.FormatInstant(a.CreatedAt), store.FormatInstant(a.UpdatedAt), string(a.Type), string(a.Status),
			string(a.Scheme), string(a.Asset), a.Amount.String(), textOrNull(a.SourceAccount), textOrNull(a.DestinationAccount),
			meta, store.FormatInstant(a.SeenAt), a.Hash[:], blob(a.Raw))
		if err != nil {
			return err
		}
	}
	return nil
}
