package wire

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Body is what travels in one request or answer.
type Body interface {
	[]Account | []Beneficiary | []Transaction | Balances | Payout | Transfer |
		PayoutRequest | TransferRequest | Error | Capabilities
}

// Encode writes body in the contract's form: the exact casing of its keys, a
// list that is never null, times in UTC, amounts without a plus sign or leading
// zeros, metadata sorted by key. The same body gives the same bytes. An error
// names what JSON can't hold: text that is not UTF-8, a year past 9999.
// It does not check the contract's rules; Validate does.
func Encode[B Body](body B) ([]byte, error) { return Append(nil, body) }

// Append is [Encode] into the end of dst, which saves the allocation where the
// caller keeps a buffer. On an error the result is of no use.
func Append[B Body](dst []byte, body B) ([]byte, error) {
	w := writer{buf: dst}
	switch body := any(body).(type) {
	case []Account:
		appendList(&w, body, (*writer).account)
	case []Beneficiary:
		appendList(&w, body, (*writer).beneficiary)
	case []Transaction:
		appendList(&w, body, (*writer).transaction)
	case Balances:
		w.balances(&body)
	case Payout:
		w.payout(&body)
	case Transfer:
		w.payout((*Payout)(&body))
	case PayoutRequest:
		w.payoutRequest(&body)
	case TransferRequest:
		w.payoutRequest((*PayoutRequest)(&body))
	case Error:
		w.open()
		w.text("Title", body.Title)
		w.text("Detail", body.Detail)
		w.close()
	case Capabilities:
		w.capabilities(&body)
	}
	return w.buf, w.err
}

// writer appends JSON. It keeps the first error and goes on.
type writer struct {
	buf []byte
	err error
	// sorted is kept from one metadata to the next.
	sorted []string
}

func appendList[T any](w *writer, rows []T, write func(*writer, *T)) {
	w.buf = append(w.buf, '[')
	for i := range rows {
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		write(w, &rows[i])
		if w.err != nil {
			w.err = fmt.Errorf("record %d of the list: %w", i+1, w.err)
			return
		}
	}
	w.buf = append(w.buf, ']')
}

func (w *writer) account(a *Account) {
	w.open()
	w.text("id", a.ID)
	w.text("accountName", a.AccountName)
	w.time("createdAt", a.CreatedAt)
	w.metadata(a.Metadata)
	w.close()
}

func (w *writer) beneficiary(b *Beneficiary) {
	w.open()
	w.text("id", b.ID)
	w.time("createdAt", b.CreatedAt)
	w.text("ownerName", b.OwnerName)
	w.metadata(b.Metadata)
	w.close()
}

func (w *writer) transaction(t *Transaction) {
	w.open()
	w.text("id", t.ID)
	w.optional("relatedTransactionID", t.RelatedTransactionID)
	w.time("createdAt", t.CreatedAt)
	w.time("updatedAt", t.UpdatedAt)
	w.text("currency", t.Currency)
	w.optional("scheme", t.Scheme)
	w.text("type", string(t.Type))
	w.text("status", string(t.Status))
	w.amount(t.Amount)
	w.optional("sourceAccountID", t.SourceAccountID)
	w.optional("destinationAccountID", t.DestinationAccountID)
	w.metadata(t.Metadata)
	w.close()
}

func (w *writer) balances(b *Balances) {
	w.open()
	w.text("id", b.ID)
	w.text("accountID", b.AccountID)
	w.time("at", b.At)
	w.key("balances")
	appendList(w, b.Balances, func(w *writer, entry *Balance) {
		w.open()
		w.amount(entry.Amount)
		w.text("currency", entry.Currency)
		w.close()
	})
	w.close()
}

func (w *writer) payout(p *Payout) {
	w.open()
	w.text("id", p.ID)
	w.text("idempotencyKey", p.IdempotencyKey)
	w.amount(p.Amount)
	w.text("currency", p.Currency)
	w.text("sourceAccountId", p.SourceAccountID)
	w.text("destinationAccountId", p.DestinationAccountID)
	w.optional("description", p.Description)
	w.text("status", string(p.Status))
	w.time("createdAt", p.CreatedAt)
	if !p.UpdatedAt.IsZero() {
		w.time("updatedAt", p.UpdatedAt)
	}
	w.metadata(p.Metadata)
	w.close()
}

func (w *writer) payoutRequest(p *PayoutRequest) {
	w.open()
	w.text("idempotencyKey", p.IdempotencyKey)
	w.amount(p.Amount)
	w.text("currency", p.Currency)
	w.text("sourceAccountId", p.SourceAccountID)
	w.text("destinationAccountId", p.DestinationAccountID)
	w.text("description", p.Description)
	w.metadata(p.Metadata)
	w.close()
}

func (w *writer) capabilities(c *Capabilities) {
	w.open()
	w.text("version", c.Version)
	w.key("pageSizeMax")
	w.buf = strconv.AppendInt(w.buf, int64(c.PageSizeMax), 10)
	w.key("resources")
	appendList(w, c.Resources, func(w *writer, name *string) { w.quote("resources", *name) })
	w.close()
}

func (w *writer) open()  { w.buf = append(w.buf, '{') }
func (w *writer) close() { w.buf = append(w.buf, '}') }

// key begins a member. The names are ours and need no escape.
func (w *writer) key(name string) {
	if w.buf[len(w.buf)-1] != '{' {
		w.buf = append(w.buf, ',')
	}
	w.buf = append(w.buf, '"')
	w.buf = append(w.buf, name...)
	w.buf = append(w.buf, '"', ':')
}

func (w *writer) text(name, value string) {
	w.key(name)
	w.quote(name, value)
}

func (w *writer) optional(name, value string) {
	if value != "" {
		w.text(name, value)
	}
}

// quote appends text; name is for the error.
func (w *writer) quote(name, value string) {
	quoted, err := jsontext.AppendQuote(w.buf, value)
	w.buf = quoted
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("%s must be valid UTF-8: %.40q", name, value)
	}
}

func (w *writer) time(name string, t time.Time) {
	w.key(name)
	t = t.UTC()
	if year := t.Year(); (year < 0 || year > 9999) && w.err == nil {
		w.err = fmt.Errorf("%s must be between the years 0 and 9999, not in %d", name, year)
	}
	w.buf = append(w.buf, '"')
	w.buf = t.AppendFormat(w.buf, time.RFC3339Nano)
	w.buf = append(w.buf, '"')
}

// amount writes what is no amount as it stands, so that a bad one is seen
// where it is read and not mended on the way.
func (w *writer) amount(a Amount) {
	if !a.Valid() {
		w.text("amount", string(a))
		return
	}
	w.key("amount")
	w.buf = append(w.buf, '"')
	w.buf = a.appendCanonical(w.buf)
	w.buf = append(w.buf, '"')
}

func (w *writer) metadata(metadata map[string]string) {
	if len(metadata) == 0 {
		return
	}
	w.key("metadata")
	w.open()
	w.sorted = w.sorted[:0]
	for key := range metadata {
		w.sorted = append(w.sorted, key)
	}
	slices.Sort(w.sorted)
	for i, key := range w.sorted {
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		w.quote("metadata", key)
		w.buf = append(w.buf, ':')
		w.quote("metadata", metadata[key])
	}
	w.close()
}
