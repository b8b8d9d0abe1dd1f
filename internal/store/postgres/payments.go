package postgres

import (
	"cmp"
	"context"
	"slices"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
)

// FindLeads implements [store.PaymentView].
func (v view) FindLeads(ctx context.Context, connectorKey int64, references []string) ([]store.VersionRow, error) {
	return v.versions(ctx, `SELECT n.place, p.payment_key, COALESCE(a.adjustment_key, 0), COALESCE(a.updated_at, ''), a.hash
		FROM unnest($2::text[]) WITH ORDINALITY AS n (reference, place)
		CROSS JOIN LATERAL (SELECT payment_key FROM payment
			WHERE connector_key = $1 AND left(reference, 600) = left(n.reference, 600) AND reference = n.reference OFFSET 0) p
		LEFT JOIN LATERAL (SELECT adjustment_key, updated_at, hash FROM adjustment
			WHERE payment_key = p.payment_key AND record IS NULL OFFSET 0) a ON true
		ORDER BY n.place, a.adjustment_key`, connectorKey, references)
}

// FindRelated implements [store.PaymentView].
func (v view) FindRelated(ctx context.Context, connectorKey int64, references []string) ([]store.VersionRow, error) {
	return v.versions(ctx, `SELECT n.place, a.payment_key, a.adjustment_key, a.updated_at, a.hash
		FROM unnest($2::text[]) WITH ORDINALITY AS n (reference, place)
		CROSS JOIN LATERAL (SELECT payment_key, adjustment_key, updated_at, hash FROM adjustment
			WHERE connector_key = $1 AND record = n.reference OFFSET 0) a
		ORDER BY n.place, a.adjustment_key`, connectorKey, references)
}

func (v view) versions(ctx context.Context, text string, connectorKey int64, references []string) ([]store.VersionRow, error) {
	if len(references) == 0 {
		return nil, nil
	}
	var rows []store.VersionRow
	var row store.VersionRow
	var place int64
	var updatedAt string
	var hash []byte
	err := v.query(ctx, text, func(scan func(...any) error) error {
		err := scan(&place, &row.PaymentKey, &row.AdjustmentKey, &updatedAt, &hash)
		row.Place, row.UpdatedAt, row.Hash = int(place-1), store.ParseInstant(updatedAt), hashOf(hash)
		rows = append(rows, row)
		return err
	}, connectorKey, encodeAll(references))
	return rows, err
}

const paymentColumns = `p.payment_key, p.connector_key, c.provider, c.reference, p.reference, p.id_type, p.created_at, p.type,
	p.status, p.scheme, p.asset, p.initial_amount::text, p.amount::text, COALESCE(p.source, ''), COALESCE(p.destination, ''),
	COALESCE(p.metadata::text, '')`

const selectPayment = `SELECT ` + paymentColumns + ` FROM payment p JOIN connector c USING (connector_key)`

// A paymentReader takes the columns of one payment after another.
type paymentReader struct {
	key, connectorKey                                                int64
	reference, createdAt, initial, digits, source, destination, meta string
	provider, connector, idType, kind, status, scheme, asset         repeated
}

// columns are where the values of paymentColumns go.
func (r *paymentReader) columns() []any {
	return []any{
		&r.key, &r.connectorKey, &r.provider, &r.connector, &r.reference, &r.idType, &r.createdAt, &r.kind,
		&r.status, &r.scheme, &r.asset, &r.initial, &r.digits, &r.source, &r.destination, &r.meta,
	}
}

// payment is what the columns hold.
func (r *paymentReader) payment() (row store.PaymentRow, err error) {
	row.Key, row.ConnectorKey = r.key, r.connectorKey
	p := &row.Payment
	p.Reference = decode(r.reference)
	p.ID = hub.PaymentID{Connector: connectorID(string(r.provider), string(r.connector)), Reference: p.Reference, Type: hub.PaymentType(r.idType.decode())}
	p.CreatedAt, p.Type, p.Status = store.ParseInstant(r.createdAt), hub.PaymentType(r.kind.decode()), hub.PaymentStatus(r.status.decode())
	p.Scheme, p.Asset = hub.Scheme(r.scheme.decode()), hub.Asset(r.asset.decode())
	p.SourceAccount, p.DestinationAccount = decode(r.source), decode(r.destination)
	if p.InitialAmount, err = amount(r.initial); err != nil {
		return row, err
	}
	if p.Amount, err = amount(r.digits); err != nil {
		return row, err
	}
	p.Metadata, err = parseMetadata(r.meta)
	return row, err
}

// payments reads up to about n payments: so much memory is made ready.
func (v view) payments(ctx context.Context, n int, text string, args ...any) ([]store.PaymentRow, error) {
	rows := make([]store.PaymentRow, 0, n)
	var reader paymentReader
	columns := reader.columns()
	err := v.query(ctx, text, func(scan func(...any) error) error {
		if err := scan(columns...); err != nil {
			return err
		}
		p, err := reader.payment()
		rows = append(rows, p)
		return err
	}, args...)
	return rows, err
}

// PaymentsByKey implements [store.PaymentView].
func (v view) PaymentsByKey(ctx context.Context, paymentKeys []int64) ([]store.PaymentRow, error) {
	if len(paymentKeys) == 0 {
		return nil, nil
	}
	return v.payments(ctx, len(paymentKeys), selectPayment+` WHERE p.payment_key = ANY ($1::bigint[])`, paymentKeys)
}

// WholePayment implements [store.PaymentView]. Each row is the payment with one
// of its adjustments, of which it has at least one.
func (v view) WholePayment(ctx context.Context, connector hub.ConnectorID, reference string) (whole store.PaymentRow, found bool, err error) {
	var payment paymentReader
	var adjustment adjustmentReader
	var raw []byte
	columns := slices.Concat(payment.columns(), adjustment.columns(), []any{&raw})
	var rows []store.AdjustmentRow
	err = v.query(ctx, wholePayment, func(scan func(...any) error) (err error) {
		if err := scan(columns...); err != nil {
			return err
		}
		if !found {
			if whole, err = payment.payment(); err != nil {
				return err
			}
			// The payment is the same on every row.
			clear(columns[:len(payment.columns())])
			found = true
		}
		row, err := adjustment.adjustment()
		row.Raw = raw
		rows = append(rows, row)
		return err
	}, encode(connector.Reference), encode(connector.Provider), encode(reference))
	inOrderOfStoring(rows)
	for i := range rows {
		whole.Adjustments = append(whole.Adjustments, rows[i].PaymentAdjustment)
	}
	return whole, found, err
}

const wholePayment = `SELECT ` + paymentColumns + `, ` + adjustmentColumns + `, a.raw
	FROM (SELECT connector_key, provider, reference FROM connector WHERE reference = $1 AND provider = $2 AND deleted_at IS NULL OFFSET 0) c
	CROSS JOIN LATERAL (SELECT * FROM payment
		WHERE connector_key = c.connector_key AND left(reference, 600) = left($3, 600) AND reference = $3 OFFSET 0) p
	CROSS JOIN LATERAL (SELECT * FROM adjustment WHERE payment_key = p.payment_key OFFSET 0) a`

var paymentList = list{
	query:     `SELECT ` + paymentColumns + ` FROM payment p ` + connectorOfRow("p") + ` WHERE true`,
	createdAt: "p.created_at", key: "p.payment_key", connector: "p.connector_key",
	filter: columns{
		payment: "p", metadata: "p.metadata",
		text: map[hub.TextField]string{
			hub.FieldReference: "p.reference", hub.FieldType: "p.type", hub.FieldAsset: "p.asset", hub.FieldScheme: "p.scheme",
			hub.FieldStatus: "p.status", hub.FieldSource: "p.source", hub.FieldDestination: "p.destination",
		},
		amount: map[hub.AmountField]string{hub.FieldAmount: "p.amount", hub.FieldInitialAmount: "p.initial_amount"},
	},
}

// PaymentPage implements [store.PaymentView].
func (v view) PaymentPage(ctx context.Context, q hub.ListQuery) ([]store.PaymentRow, error) {
	more, args, none, err := v.narrow(ctx, paymentList, q.Filter)
	if err != nil || none {
		return nil, err
	}
	s, err := paymentList.page(q, more, args...)
	if err != nil {
		return nil, err
	}
	return v.payments(ctx, q.Limit, s.String(), s.planned(q)...)
}

const adjustmentColumns = `a.adjustment_key, a.payment_key, a.connector_key, p.reference, COALESCE(a.record, p.reference), a.version, a.created_at,
	a.updated_at, a.type, a.status, a.scheme, a.asset, a.amount::text, COALESCE(a.source, ''), COALESCE(a.destination, ''),
	COALESCE(a.metadata::text, ''), a.seen_at, a.hash`

// An adjustmentReader takes the columns of one adjustment after another.
type adjustmentReader struct {
	key, paymentKey, connectorKey, version                                                                        int64
	payment, record, createdAt, updatedAt, kind, status, scheme, asset, digits, source, destination, meta, seenAt string
	hash                                                                                                          []byte
}

// columns are where the values of adjustmentColumns go.
func (r *adjustmentReader) columns() []any {
	return []any{
		&r.key, &r.paymentKey, &r.connectorKey, &r.payment, &r.record, &r.version, &r.createdAt, &r.updatedAt, &r.kind, &r.status,
		&r.scheme, &r.asset, &r.digits, &r.source, &r.destination, &r.meta, &r.seenAt, &r.hash,
	}
}

// adjustment is what the columns hold.
func (r *adjustmentReader) adjustment() (row store.AdjustmentRow, err error) {
	row.Key, row.PaymentKey, row.ConnectorKey, row.Hash = r.key, r.paymentKey, r.connectorKey, hashOf(r.hash)
	a := &row.PaymentAdjustment
	a.PaymentReference, a.Reference, a.Version = decode(r.payment), decode(r.record), int(r.version)
	a.CreatedAt, a.UpdatedAt, a.SeenAt = store.ParseInstant(r.createdAt), store.ParseInstant(r.updatedAt), store.ParseInstant(r.seenAt)
	a.Type, a.Status, a.Scheme = hub.PaymentType(decode(r.kind)), hub.PaymentStatus(decode(r.status)), hub.Scheme(decode(r.scheme))
	a.Asset, a.SourceAccount, a.DestinationAccount = hub.Asset(decode(r.asset)), decode(r.source), decode(r.destination)
	if a.Amount, err = amount(r.digits); err != nil {
		return row, err
	}
	a.Metadata, err = parseMetadata(r.meta)
	return row, err
}

// Adjustments implements [store.PaymentView].
func (v view) Adjustments(ctx context.Context, paymentKeys []int64) ([]store.AdjustmentRow, error) {
	if len(paymentKeys) == 0 {
		return nil, nil
	}
	var rows []store.AdjustmentRow
	var reader adjustmentReader
	columns := reader.columns()
	err := v.query(ctx, `SELECT `+adjustmentColumns+`
		FROM payment p JOIN adjustment a USING (payment_key) WHERE p.payment_key = ANY ($1::bigint[])`, func(scan func(...any) error) error {
		if err := scan(columns...); err != nil {
			return err
		}
		a, err := reader.adjustment()
		rows = append(rows, a)
		return err
	}, paymentKeys)
	inOrderOfStoring(rows)
	return rows, err
}

func inOrderOfStoring(rows []store.AdjustmentRow) {
	slices.SortFunc(rows, func(a, b store.AdjustmentRow) int { return cmp.Compare(a.Key, b.Key) })
}

// RawAdjustments implements [store.PaymentView].
func (v view) RawAdjustments(ctx context.Context, adjustmentKeys []int64) (map[int64][]byte, error) {
	raws := make(map[int64][]byte, len(adjustmentKeys))
	if len(adjustmentKeys) == 0 {
		return raws, nil
	}
	err := v.query(ctx, `SELECT adjustment_key, raw FROM adjustment WHERE adjustment_key = ANY ($1::bigint[])`, func(scan func(...any) error) error {
		var key int64
		var raw []byte
		err := scan(&key, &raw)
		raws[key] = raw
		return err
	}, adjustmentKeys)
	return raws, err
}

// records reads pairs of a reference and bytes.
func (v view) records(ctx context.Context, text string, args ...any) ([]store.RecordRow, error) {
	var rows []store.RecordRow
	err := v.query(ctx, text, func(scan func(...any) error) error {
		var row store.RecordRow
		err := scan(&row.Reference, &row.Raw)
		row.Reference = decode(row.Reference)
		rows = append(rows, row)
		return err
	}, args...)
	return rows, err
}

// LeadRecords implements [store.PaymentView]. The index knows the first 600
// characters: the walk takes all that share those of the last one, and puts what
// it has taken in order.
func (v view) LeadRecords(ctx context.Context, connectorKey int64, after string, limit int) ([]store.RecordRow, error) {
	return v.records(ctx, `SELECT p.reference,
		(SELECT a.raw FROM adjustment a WHERE a.payment_key = p.payment_key AND a.record IS NULL
		 ORDER BY a.updated_at DESC, a.adjustment_key DESC LIMIT 1)
		FROM (SELECT payment_key, reference FROM payment
			WHERE connector_key = $1 AND left(reference, 600) >= left($2, 600) AND reference > $2
			ORDER BY left(reference, 600) FETCH FIRST $3 ROWS WITH TIES) p
		ORDER BY p.reference`, connectorKey, encode(after), int64(limit))
}

// RelatedRecords implements [store.PaymentView].
func (v view) RelatedRecords(ctx context.Context, connectorKey int64, after string, limit int) ([]store.RecordRow, error) {
	return v.records(ctx, `SELECT r.record,
		(SELECT a.raw FROM adjustment a WHERE a.connector_key = $1 AND a.record = r.record
		 ORDER BY a.updated_at DESC, a.adjustment_key DESC LIMIT 1)
		FROM (SELECT DISTINCT record FROM adjustment WHERE connector_key = $1 AND record > $2 ORDER BY record LIMIT $3) r
		ORDER BY r.record`, connectorKey, encode(after), int64(limit))
}

// InsertPayments implements [store.PaymentTx].
func (t *tx) InsertPayments(ctx context.Context, rows []*store.PaymentRow) error {
	if len(rows) == 0 {
		return nil
	}
	args, keys, err := paymentValues(rows)
	if err != nil {
		return err
	}
	for i, p := range rows {
		keys[i] = p.ConnectorKey
	}
	return t.insert(ctx, len(rows), func(i int, key int64) { rows[i].Key = key },
		`INSERT INTO payment (connector_key, reference, id_type, created_at, type, status, scheme, asset, initial_amount, amount,
			source, destination, metadata)
		SELECT connector_key, reference, id_type, created_at, type, status, scheme, asset, initial_amount::numeric, amount::numeric,
			NULLIF(source, ''), NULLIF(destination, ''), NULLIF(metadata, '')::jsonb
		FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
			$11::text[], $12::text[], $13::text[]) AS u (connector_key, reference, id_type, created_at, type, status, scheme, asset,
			initial_amount, amount, source, destination, metadata) RETURNING payment_key`, args...)
}

// UpdatePayments implements [store.PaymentTx].
func (t *tx) UpdatePayments(ctx context.Context, rows []*store.PaymentRow) error {
	if len(rows) == 0 {
		return nil
	}
	args, keys, err := paymentValues(rows)
	if err != nil {
		return err
	}
	for i, p := range rows {
		keys[i] = p.Key
	}
	_, err = t.exec(ctx, `UPDATE payment p SET created_at = u.created_at, type = u.type, status = u.status, scheme = u.scheme, asset = u.asset,
			initial_amount = u.initial_amount::numeric, amount = u.amount::numeric, source = NULLIF(u.source, ''),
			destination = NULLIF(u.destination, ''), metadata = NULLIF(u.metadata, '')::jsonb
		FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
			$11::text[], $12::text[], $13::text[]) AS u (payment_key, reference, id_type, created_at, type, status, scheme, asset,
			initial_amount, amount, source, destination, metadata) WHERE p.payment_key = u.payment_key`, args...)
	return err
}

// paymentValues are the columns of payments, in the order of the statements
// above. The first, keys, is for the caller to fill.
func paymentValues(rows []*store.PaymentRow) (args []any, keys []int64, err error) {
	texts := arraysOf[string](12, len(rows))
	for i, p := range rows {
		meta, err := metadata(p.Metadata)
		if err != nil {
			return nil, nil, err
		}
		setAll(texts, i, encode(p.Reference), encode(string(p.ID.Type)), store.FormatInstant(p.CreatedAt), encode(string(p.Type)), encode(string(p.Status)),
			encode(string(p.Scheme)), encode(string(p.Asset)), p.InitialAmount.String(), p.Amount.String(), encode(p.SourceAccount),
			encode(p.DestinationAccount), meta)
	}
	keys = make([]int64, len(rows))
	args = append(args, keys)
	for _, column := range texts {
		args = append(args, column)
	}
	return args, keys, nil
}

// InsertAdjustments implements [store.PaymentTx].
func (t *tx) InsertAdjustments(ctx context.Context, rows []*store.AdjustmentRow) error {
	if len(rows) == 0 {
		return nil
	}
	n := len(rows)
	texts, numbers, hashes, raws := arraysOf[string](12, n), arraysOf[int64](3, n), make([][]byte, n), make([][]byte, n)
	for i, a := range rows {
		meta, err := metadata(a.Metadata)
		if err != nil {
			return err
		}
		record := ""
		if !a.IsLead() {
			record = encode(a.Reference)
		}
		setAll(texts, i, record, store.FormatInstant(a.CreatedAt), store.FormatInstant(a.UpdatedAt), encode(string(a.Type)), encode(string(a.Status)),
			encode(string(a.Scheme)), encode(string(a.Asset)), a.Amount.String(), encode(a.SourceAccount), encode(a.DestinationAccount),
			meta, store.FormatInstant(a.SeenAt))
		setAll(numbers, i, a.PaymentKey, a.ConnectorKey, int64(a.Version))
		hashes[i], raws[i] = a.Hash[:], blob(a.Raw)
	}
	args := []any{numbers[0], numbers[1], numbers[2]}
	for _, column := range texts {
		args = append(args, column)
	}
	return t.insert(ctx, n, func(i int, key int64) { rows[i].Key = key },
		`INSERT INTO adjustment (payment_key, connector_key, version, record, created_at, updated_at, type, status, scheme, asset, amount,
			source, destination, metadata, seen_at, hash, raw)
		SELECT payment_key, connector_key, version, NULLIF(record, ''), created_at, updated_at, type, status, scheme, asset, amount::numeric,
			NULLIF(source, ''), NULLIF(destination, ''), NULLIF(metadata, '')::jsonb, seen_at, hash, raw
		FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
			$11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::bytea[], $17::bytea[]) AS u (payment_key, connector_key, version,
			record, created_at, updated_at, type, status, scheme, asset, amount, source, destination, metadata, seen_at, hash, raw)
		RETURNING adjustment_key`, append(args, hashes, raws)...)
}
