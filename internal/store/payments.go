package store

import (
	"context"
	"slices"

	"github.com/weirhq/weir/internal/hub"
)

// Storing transactions. A record is one transaction at the PSP, a payment what
// the records that belong together fold into. A reference of the batch can name
// both: the payment with that reference, and the record with that identifier.
//
// Most rows of most batches are either new or known to the byte. The first take
// one look-up to find nothing, the second one look-up to find an equal hash;
// only the rest is loaded and compared.

// A paymentBatch is the part of the database that the batch's adjustments touch.
type paymentBatch struct {
	*application
	names map[string]int
	// references lists what the batch names, each once.
	references []reference
	payments   map[int64]*payment
	fresh      []*payment
	changed    []*payment
	stored     []*AdjustmentRow
}

// A reference is an identifier that the batch names.
type reference struct {
	name string
	// payment is the payment with this reference, nil as long as there is none.
	payment *payment
	// home is the payment that the record with this reference is kept under, nil
	// as long as the record is not stored, or not looked for.
	home *payment
	// versions are the record's, in the order of storing.
	versions []VersionRow
	// leadType is the type of the payment's own record in this batch.
	leadType hub.PaymentType
	// unsettled says that the batch shows the record in a state that is not
	// known to the byte.
	unsettled bool
}

// A payment is one that the batch touches.
type payment struct {
	PaymentRow
	loaded bool
	dirty  bool
	// keys are the keys of the adjustments; 0 for those of this batch.
	keys []int64
}

func (a *application) applyAdjustments(ctx context.Context) error {
	shown := a.batch.Adjustments
	if len(shown) == 0 {
		return nil
	}
	b := paymentBatch{
		application: a,
		names:       make(map[string]int, len(shown)),
		references:  make([]reference, 0, len(shown)),
		payments:    map[int64]*payment{},
	}
	hashes := make([]Hash, len(shown))
	for i := range shown {
		hashes[i] = HashOf(shown[i].Raw)
		b.name(&shown[i])
	}
	if err := b.findLeads(ctx); err != nil {
		return err
	}
	b.settle(hashes)
	if err := b.findRelated(ctx); err != nil {
		return err
	}
	unsettled := b.settle(hashes)
	if len(unsettled) == 0 {
		return nil
	}
	if err := b.load(ctx); err != nil {
		return err
	}
	for _, i := range unsettled {
		b.admit(&shown[i], hashes[i])
	}
	return b.write(ctx)
}

// name notes the identifiers in an adjustment.
func (b *paymentBatch) name(shown *hub.PaymentAdjustment) {
	own := b.reference(shown.Reference)
	if !shown.IsLead() {
		b.reference(shown.PaymentReference)
	} else if own.leadType == "" {
		own.leadType = shown.Type
	}
}

// reference returns the entry of a name. It stays in its place once every
// adjustment of the batch has been named.
func (b *paymentBatch) reference(name string) *reference {
	i, found := b.names[name]
	if !found {
		i = len(b.references)
		b.names[name] = i
		b.references = append(b.references, reference{name: name})
	}
	return &b.references[i]
}

// findLeads finds the stored payments with the batch's references, and the
// versions of their own records.
func (b *paymentBatch) findLeads(ctx context.Context) error {
	names := make([]string, len(b.references))
	for i := range b.references {
		names[i] = b.references[i].name
	}
	rows, err := b.tx.FindLeads(ctx, b.stream.ConnectorKey, names)
	for _, row := range rows {
		r := &b.references[row.Place]
		r.payment = b.payment(row.PaymentKey)
		if row.AdjustmentKey != 0 {
			r.home = r.payment
			r.versions = append(r.versions, row)
		}
	}
	return err
}

// findRelated finds the records, among those that are not known yet, that are
// kept under a payment with another reference.
func (b *paymentBatch) findRelated(ctx context.Context) error {
	var names []string
	var places []int
	for i := range b.references {
		if r := &b.references[i]; r.unsettled && r.home == nil {
			names = append(names, r.name)
			places = append(places, i)
		}
	}
	rows, err := b.tx.FindRelated(ctx, b.stream.ConnectorKey, names)
	for _, row := range rows {
		r := &b.references[places[row.Place]]
		r.home = b.payment(row.PaymentKey)
		r.versions = append(r.versions, row)
	}
	return err
}

func (b *paymentBatch) payment(key int64) *payment {
	p, found := b.payments[key]
	if !found {
		p = &payment{PaymentRow: PaymentRow{Key: key}}
		b.payments[key] = p
	}
	return p
}

// settle returns the places of the shown adjustments that are not known to the
// byte, and marks their records.
func (b *paymentBatch) settle(hashes []Hash) []int {
	for i := range b.references {
		b.references[i].unsettled = false
	}
	var places []int
	for i := range hashes {
		shown := &b.batch.Adjustments[i]
		r := b.reference(shown.Reference)
		// Where one state of a record needs a closer look, so do all that the
		// batch shows: each is compared with what the one before it left.
		if r.unsettled || !isKnown(r.versions, shown, hashes[i]) {
			r.unsettled = true
			places = append(places, i)
		}
	}
	return places
}

// isKnown is what hub.Admit would say of a state that was shown byte for byte
// before: the newest version is known, and so is any older than the newest.
func isKnown(stored []VersionRow, shown *hub.PaymentAdjustment, hash Hash) bool {
	if len(stored) == 0 {
		return false
	}
	newest := &stored[0]
	for i := range stored {
		if !stored[i].UpdatedAt.Before(newest.UpdatedAt) {
			newest = &stored[i]
		}
	}
	if !shown.UpdatedAt.Before(newest.UpdatedAt) {
		return newest.Hash == hash
	}
	return slices.ContainsFunc(stored, func(v VersionRow) bool { return v.Hash == hash })
}

// load reads the payments that the unsettled records belong to, whole, and the
// bytes of those records.
func (b *paymentBatch) load(ctx context.Context) error {
	var paymentKeys, adjustmentKeys []int64
	want := func(p *payment) {
		if p != nil && !p.loaded {
			p.loaded = true
			paymentKeys = append(paymentKeys, p.Key)
		}
	}
	for i := range b.batch.Adjustments {
		shown := &b.batch.Adjustments[i]
		r := b.reference(shown.Reference)
		if !r.unsettled {
			continue
		}
		if r.home != nil {
			want(r.home)
		} else {
			want(b.reference(shown.PaymentReference).payment)
		}
		for _, version := range r.versions {
			adjustmentKeys = append(adjustmentKeys, version.AdjustmentKey)
		}
	}
	if len(paymentKeys) == 0 {
		return nil
	}
	rows, err := b.tx.PaymentsByKey(ctx, paymentKeys)
	if err != nil {
		return err
	}
	for i := range rows {
		b.payments[rows[i].Key].PaymentRow = rows[i]
	}
	adjustments, err := b.tx.Adjustments(ctx, paymentKeys)
	if err != nil {
		return err
	}
	raws, err := b.tx.RawAdjustments(ctx, adjustmentKeys)
	if err != nil {
		return err
	}
	for i := range adjustments {
		row := &adjustments[i]
		row.Raw = raws[row.Key]
		p := b.payments[row.PaymentKey]
		p.Adjustments = append(p.Adjustments, row.PaymentAdjustment)
		p.keys = append(p.keys, row.Key)
	}
	return nil
}

// admit gives a shown adjustment to its payment where it is worth keeping.
func (b *paymentBatch) admit(shown *hub.PaymentAdjustment, hash Hash) {
	r := b.reference(shown.Reference)
	if r.home == nil {
		r.home = b.home(shown)
	}
	p := r.home
	row := &AdjustmentRow{ConnectorKey: b.stream.ConnectorKey, Hash: hash, PaymentAdjustment: *shown}
	row.PaymentReference = p.Reference
	row.SeenAt = b.batch.SeenAt

	verdict := hub.Admit(recordOf(p.Adjustments, shown.Reference), &row.PaymentAdjustment)
	switch verdict {
	case hub.Known:
		return
	case hub.Conflicting:
		b.conflicts.add(shown.Reference)
	case hub.New, hub.Older:
	}
	if shown.PaymentReference != p.Reference {
		b.moved.add(shown.Reference)
	}
	b.noteStored(shown.UpdatedAt, verdict != hub.Older)
	p.Adjustments = append(p.Adjustments, row.PaymentAdjustment)
	if !p.dirty && p.Key != 0 {
		b.changed = append(b.changed, p)
	}
	p.dirty = true
	row.PaymentKey = p.Key
	b.stored = append(b.stored, row)
}

// home returns the payment that a record seen for the first time belongs to,
// and begins it where there is none yet.
func (b *paymentBatch) home(shown *hub.PaymentAdjustment) *payment {
	r := b.reference(shown.PaymentReference)
	if r.payment != nil {
		return r.payment
	}
	idType := shown.Type
	if r.leadType != "" && r.home == nil {
		idType = r.leadType
	}
	r.payment = &payment{loaded: true, PaymentRow: PaymentRow{
		ConnectorKey: b.stream.ConnectorKey,
		Payment: hub.Payment{
			ID:        hub.PaymentID{Connector: b.stream.ID.Connector, Reference: r.name, Type: idType},
			Reference: r.name,
		},
	}}
	b.fresh = append(b.fresh, r.payment)
	return r.payment
}

// recordOf returns the adjustments of one record, in the order of storing. The
// common case of a payment with one record costs no copy.
func recordOf(adjustments []hub.PaymentAdjustment, record string) []hub.PaymentAdjustment {
	other := func(a hub.PaymentAdjustment) bool { return a.Reference != record }
	if !slices.ContainsFunc(adjustments, other) {
		return adjustments
	}
	return slices.DeleteFunc(slices.Clone(adjustments), other)
}

// write folds what has changed and writes it down.
func (b *paymentBatch) write(ctx context.Context) error {
	if err := b.tx.InsertPayments(ctx, foldAll(b.fresh)); err != nil {
		return err
	}
	if err := b.tx.UpdatePayments(ctx, foldAll(b.changed)); err != nil {
		return err
	}
	for _, row := range b.stored {
		if row.PaymentKey == 0 {
			row.PaymentKey = b.reference(row.PaymentReference).payment.Key
		}
	}
	if err := b.tx.InsertAdjustments(ctx, b.stored); err != nil {
		return err
	}
	b.events = slices.Grow(b.events, len(b.stored))
	for _, row := range b.stored {
		b.announce(hub.SavedPayment, row.Key)
	}
	return nil
}

func foldAll(payments []*payment) []*PaymentRow {
	rows := make([]*PaymentRow, len(payments))
	for i, p := range payments {
		p.Payment = hub.Fold(p.ID, p.Adjustments)
		rows[i] = &p.PaymentRow
	}
	return rows
}

// Reading payments.

// Payment returns a payment with its adjustments, the newest state first, or
// hub.CodeNotFound. It is found by the type that it was first seen with, which
// is part of its identifier, and by the type that it has now.
func (s *Store) Payment(ctx context.Context, id hub.PaymentID) (hub.Payment, error) {
	var p hub.Payment
	err := s.driver.ReadOne(ctx, func(v View) error {
		row, found, err := v.WholePayment(ctx, id.Connector, id.Reference)
		if err != nil {
			return err
		}
		if !found || id.Type != row.ID.Type && id.Type != row.Type {
			if _, err := findConnector(ctx, v, id.Connector); err != nil {
				return err
			}
			return hub.Errorf(hub.CodeNotFound, "there is no payment %q of type %s at connector %s",
				shorten(id.Reference), id.Type, id.Connector.Reference)
		}
		p = row.Payment
		slices.SortStableFunc(p.Adjustments, func(a, b hub.PaymentAdjustment) int { return a.UpdatedAt.Compare(b.UpdatedAt) })
		slices.Reverse(p.Adjustments)
		return nil
	})
	return p, err
}

// Payments lists the payments of all connectors, the newest first by CreatedAt,
// without their adjustments.
func (s *Store) Payments(ctx context.Context, q hub.ListQuery) (hub.Page[hub.Payment], error) {
	q = clamp(q)
	var page hub.Page[hub.Payment]
	err := s.driver.ReadOne(ctx, func(v View) error {
		rows, err := v.PaymentPage(ctx, more(q))
		if err != nil {
			return err
		}
		page, err = pageOf(q, rows, func(r *PaymentRow) hub.Position {
			return hub.Position{CreatedAt: r.CreatedAt, Key: r.Key}
		}, func(r *PaymentRow) (hub.Payment, error) { return r.Payment, nil })
		return err
	})
	return page, err
}
