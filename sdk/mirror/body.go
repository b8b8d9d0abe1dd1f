package mirror

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/weirhq/weir/wire"
)

// Rows are kept in a form of the mirror's own: fields one after the other, each
// with its length. The same row gives the same bytes, so that comparing bodies
// compares rows, and reading a thousand of them costs a tenth of reading JSON.

// bodyForm is the first byte of a body. Another form gets another number.
const bodyForm = 1

var errBody = errors.New("a row in the mirror's file can't be read: the file is damaged")

// writer appends a body.
type writer struct{ buf []byte }

func newWriter() *writer { return &writer{buf: []byte{bodyForm}} }

func (w *writer) text(s string) {
	w.buf = binary.AppendUvarint(w.buf, uint64(len(s)))
	w.buf = append(w.buf, s...)
}

func (w *writer) time(t time.Time) {
	w.buf = binary.AppendVarint(w.buf, t.Unix())
	w.buf = binary.AppendUvarint(w.buf, uint64(t.Nanosecond())) //nolint:gosec // from 0 to 999,999,999
}

func (w *writer) metadata(metadata map[string]string) {
	keys := make([]string, 0, len(metadata))
	for key := range metadata {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	w.buf = binary.AppendUvarint(w.buf, uint64(len(keys)))
	for _, key := range keys {
		w.text(key)
		w.text(metadata[key])
	}
}

// reader reads a body. Its texts are parts of the body's one string.
type reader struct {
	rest string
	bad  bool
}

func newReader(body []byte) *reader {
	if len(body) == 0 || body[0] != bodyForm {
		return &reader{bad: true}
	}
	return &reader{rest: string(body[1:])}
}

// number reads what AppendUvarint has written.
func (r *reader) number() uint64 {
	var n uint64
	for i := 0; i < len(r.rest) && i < binary.MaxVarintLen64; i++ {
		c := r.rest[i]
		n |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			r.rest = r.rest[i+1:]
			return n
		}
	}
	r.bad, r.rest = true, ""
	return 0
}

func (r *reader) text() string {
	n := r.number()
	if n > uint64(len(r.rest)) {
		r.bad, r.rest = true, ""
		return ""
	}
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

func (r *reader) time() time.Time {
	n := r.number()
	seconds := int64(n >> 1)
	if n&1 != 0 {
		seconds = ^seconds
	}
	return time.Unix(seconds, int64(r.number())).UTC() //nolint:gosec // from 0 to 999,999,999
}

func (r *reader) metadata() map[string]string {
	n := r.number()
	if n == 0 || n > uint64(len(r.rest)) {
		r.bad = r.bad || n > 0
		return nil
	}
	metadata := make(map[string]string, n)
	for range n {
		key := r.text()
		metadata[key] = r.text()
	}
	return metadata
}

// err reports whether all was read, and no more.
func (r *reader) err() error {
	if r.bad || r.rest != "" {
		return errBody
	}
	return nil
}

func accountBody(a *wire.Account) []byte {
	w := newWriter()
	w.text(a.ID)
	w.text(a.AccountName)
	w.metadata(a.Metadata)
	return w.buf
}

func readAccount(stamp time.Time, body []byte) (wire.Account, error) {
	r := newReader(body)
	a := wire.Account{ID: r.text(), AccountName: r.text(), Metadata: r.metadata(), CreatedAt: stamp}
	return a, r.err()
}

func beneficiaryBody(b *wire.Beneficiary) []byte {
	w := newWriter()
	w.text(b.ID)
	w.text(b.OwnerName)
	w.metadata(b.Metadata)
	return w.buf
}

func readBeneficiary(stamp time.Time, body []byte) (wire.Beneficiary, error) {
	r := newReader(body)
	b := wire.Beneficiary{ID: r.text(), OwnerName: r.text(), Metadata: r.metadata(), CreatedAt: stamp}
	return b, r.err()
}

func transactionBody(t *wire.Transaction) []byte {
	w := newWriter()
	w.text(t.ID)
	w.text(t.RelatedTransactionID)
	w.time(t.CreatedAt)
	w.text(t.Currency)
	w.text(t.Scheme)
	w.text(string(t.Type))
	w.text(string(t.Status))
	w.text(string(t.Amount))
	w.text(t.SourceAccountID)
	w.text(t.DestinationAccountID)
	w.metadata(t.Metadata)
	return w.buf
}

func readTransaction(stamp time.Time, body []byte) (wire.Transaction, error) {
	r := newReader(body)
	t := wire.Transaction{
		ID: r.text(), RelatedTransactionID: r.text(), CreatedAt: r.time(), Currency: r.text(), Scheme: r.text(),
		Type: wire.TransactionType(r.text()), Status: wire.TransactionStatus(r.text()), Amount: wire.Amount(r.text()),
		SourceAccountID: r.text(), DestinationAccountID: r.text(), Metadata: r.metadata(), UpdatedAt: stamp,
	}
	return t, r.err()
}

func balancesBody(entries []wire.Balance) []byte {
	w := newWriter()
	for _, entry := range entries {
		w.text(string(entry.Amount))
		w.text(entry.Currency)
	}
	return w.buf
}

func readBalances(body []byte) ([]wire.Balance, error) {
	r := newReader(body)
	var entries []wire.Balance
	for r.rest != "" {
		entries = append(entries, wire.Balance{Amount: wire.Amount(r.text()), Currency: r.text()})
	}
	return entries, r.err()
}
