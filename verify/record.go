package verify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"math"
	"net/url"
	"strconv"
	"time"

	"github.com/weirhq/weir/wire"
)

// list is one of the three lists of the contract.
type list struct {
	name string
	path string
	key  wire.SortKey
	// fields are the keys that the contract knows, with what it demands of each.
	fields map[string]fieldKind
	decode func([]byte) ([]record, error)
}

type fieldKind int

const (
	optional fieldKind = iota
	required
)

var (
	accounts = &list{
		name: "accounts", path: wire.PathAccounts, key: wire.SortCreatedAt,
		fields: map[string]fieldKind{"id": required, "accountName": required, "createdAt": required, "metadata": optional},
		decode: func(body []byte) ([]record, error) {
			rows, err := wire.DecodeAccounts(body)
			return records(rows, err, func(r *record, a *wire.Account) { r.id, r.created, r.metadata = a.ID, a.CreatedAt, a.Metadata })
		},
	}
	beneficiaries = &list{
		name: "beneficiaries", path: wire.PathBeneficiaries, key: wire.SortCreatedAt,
		fields: map[string]fieldKind{"id": required, "ownerName": required, "createdAt": required, "metadata": optional},
		decode: func(body []byte) ([]record, error) {
			rows, err := wire.DecodeBeneficiaries(body)
			return records(rows, err, func(r *record, b *wire.Beneficiary) { r.id, r.created, r.metadata = b.ID, b.CreatedAt, b.Metadata })
		},
	}
	transactions = &list{
		name: "transactions", path: wire.PathTransactions, key: wire.SortUpdatedAt,
		fields: map[string]fieldKind{
			"id": required, "createdAt": required, "updatedAt": required, "currency": required, "type": required,
			"status": required, "amount": required, "relatedTransactionID": optional, "scheme": optional,
			"sourceAccountID": optional, "destinationAccountID": optional, "metadata": optional,
		},
		decode: func(body []byte) ([]record, error) {
			rows, err := wire.DecodeTransactions(body)
			return records(rows, err, func(r *record, t *wire.Transaction) {
				r.id, r.created, r.updated, r.metadata, r.transaction = t.ID, t.CreatedAt, t.UpdatedAt, t.Metadata, t
			})
		},
	}
	// allLists is the order in which they are walked: what transactions name is
	// asked for after them, so that it is there.
	allLists = []*list{transactions, beneficiaries, accounts}
)

// record is one row as it came.
type record struct {
	list     *list
	page     int
	raw      []byte
	err      error
	flaws    []string
	id       string
	created  time.Time
	updated  time.Time
	metadata map[string]string
	// transaction is set for transactions.
	transaction *wire.Transaction
	// keys are the fields of the object as they were spelt; nil where the row is
	// no object. They are read only for rows that are looked at.
	keys map[string]json.RawMessage
}

func records[T any](rows []wire.Record[T], err error, fill func(*record, *T)) ([]record, error) {
	if err != nil {
		return nil, err
	}
	list := make([]record, len(rows))
	for i := range rows {
		r := &list[i]
		r.raw, r.err, r.flaws = rows[i].Raw, rows[i].Err, rows[i].Flaws
		fill(r, &rows[i].Value)
		if r.err != nil {
			r.id, r.created, r.updated = wire.Peek(r.raw)
		}
	}
	return list, nil
}

// stamp is the instant that the list is sorted by.
func (r *record) stamp() time.Time {
	if r.list.key == wire.SortUpdatedAt {
		return r.updated
	}
	return r.created
}

// name is how findings call the row.
func (r *record) name() string {
	if r.id == "" {
		return r.list.name + " (no id) " + clip(string(r.raw), 60)
	}
	return r.list.name + " " + clip(r.id, 80)
}

// open reads the fields, for those who look at how they are written.
func (r *record) open() {
	if json.Unmarshal(r.raw, &r.keys) != nil {
		r.keys = nil
	}
}

// text is a field that should be a string.
func (r *record) text(field string) (text string, isString bool) {
	raw := bytes.TrimSpace(r.keys[field])
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	return text, json.Unmarshal(raw, &text) == nil
}

// place is what is remembered of a row: enough to know it again and to know
// where it stood. There is one for every row of a list, so it is packed into
// forty bytes.
type place struct {
	// id is the hash of the row's id. It tells rows apart, and so it is whole; sum,
	// the hash of the bytes, only has to differ between two versions of one row.
	id  uint64
	sum uint32
	// page is negative where the row does not stand there any more.
	page int32
	// stamp is in nanoseconds since 1970; noStamp where there is none.
	stamp int64
	// amount and asset, as a hash, are those of a transaction; amount is noAmount
	// where it has none, or one that does not fit, and asset then is zero.
	amount int64
	asset  uint32
	// unreadable and unplaced say what the reference's client makes of the row:
	// it fails the page, or it passes the row by.
	unreadable, unplaced bool
	// guessed says that the row shows no stamp, and has its neighbour's.
	guessed bool
}

const (
	noStamp  = math.MinInt64
	noAmount = math.MinInt64
)

var seed = maphash.MakeSeed()

func hash(text string) uint64 { return maphash.String(seed, text) }

// place of the row. A row without an id is known by its bytes.
func (r *record) place() place {
	whole := maphash.Bytes(seed, r.raw)
	p := place{id: whole, sum: uint32(whole), stamp: nanos(r.stamp()), page: int32(min(r.page, math.MaxInt32))} //nolint:gosec // bounded, or meant to be cut
	if r.id != "" {
		p.id = hash(r.id)
	}
	p.amount = noAmount
	if t := r.transaction; t != nil && r.err == nil {
		p.asset = uint32(hash(t.Currency)) | 1 //nolint:gosec // meant to be cut
		if n, fits := t.Amount.Int64(); fits {
			p.amount = n
		}
	}
	p.unreadable, p.unplaced = referenceReading(r)
	return p
}

func nanos(t time.Time) int64 {
	switch {
	case t.IsZero():
		return noStamp
	case t.Year() >= 2262:
		return math.MaxInt64
	case t.Year() <= 1678:
		return noStamp + 1
	}
	return t.UnixNano()
}

// window is one page of a list as it is asked for.
type window struct {
	page, size int
	// from is the filter's text; empty means none.
	from string
}

func (l *list) query(w window) url.Values {
	values := url.Values{
		"page": {strconv.Itoa(w.page)}, "pageSize": {strconv.Itoa(w.size)}, "sort": {string(l.key) + ":asc"},
	}
	if w.from != "" {
		values.Set(l.key.From(), w.from)
	}
	return values
}

func (l *list) ask(w window) request { return request{path: l.path, query: l.query(w)} }

// parse reads the rows of an answer.
func (l *list) parse(body []byte, page int) ([]record, error) {
	rows, err := l.decode(body)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		rows[i].list, rows[i].page = l, page
	}
	return rows, nil
}

// sheet is a page that was read.
type sheet struct {
	window window
	answer *answer
	rows   []record
	err    error
}

func (s *sheet) curl(e *Exam, l *list) string { return e.client.curl(l.ask(s.window)) }

// ids are the rows' ids, as hashes, in their order.
func (s *sheet) ids() []uint64 {
	ids := make([]uint64, len(s.rows))
	for i := range s.rows {
		ids[i] = s.rows[i].place().id
	}
	return ids
}

func (s *sheet) same(other *sheet) bool { return bytes.Equal(s.answer.body, other.answer.body) }

// instant writes a filter's instant in full.
func instant(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// second writes it as hubs do, cut to the second.
func second(t time.Time) string { return t.UTC().Truncate(time.Second).Format(time.RFC3339) }

func nameRows(rows []record) []string {
	var names []string
	for i := range rows {
		if i == rowsNamedMax {
			break
		}
		names = append(names, rows[i].name())
	}
	return names
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%s %s", thousands(n), many)
}

// thousands writes 1,234,567.
func thousands(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
