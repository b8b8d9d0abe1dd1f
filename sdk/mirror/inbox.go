package mirror

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/weirhq/weir/sdk"
)

const (
	// deliveriesAtOnce is how many deliveries one pull reads.
	deliveriesAtOnce = 100
	// deliveryBytesMax bounds a delivery where the inbox names no bound.
	deliveryBytesMax = 1 << 20
	// inboxEvery is how long a delivery waits at most when it woke nobody.
	inboxEvery = 5 * time.Second
	// A delivery that could not be read is read again after a time that doubles
	// between these, for as long as it takes.
	deliveryAgainLeast, deliveryAgainMost = 5 * time.Second, time.Hour
)

// Delivery is a webhook as it came.
type Delivery struct {
	// Number counts the deliveries of all inboxes, in the order in which they came.
	Number   int64
	Received time.Time
	Header   http.Header
	Body     []byte
}

// Inbox takes a provider's webhooks. Each is stored as it came before the
// provider gets its answer, so a crash or a mistake of Read loses none.
type Inbox struct {
	// Name is the name of its source.
	Name string
	// Verify checks that the raw body is the provider's; see [HMAC]. It is
	// needed: anybody can send to an address.
	Verify func(header http.Header, body []byte) error
	// Read makes rows of a delivery, or asks the provider for what it only names.
	// Next, More and Scan are ignored. Where it fails, the delivery waits and is
	// read again; the others go on.
	Read func(ctx context.Context, delivery Delivery) (sdk.Batch, error)
	// BytesMax bounds a body; 0 means a megabyte.
	BytesMax int64
}

// Inbox returns the handler that the provider sends to and the source that reads
// what came. Mount the handler beside the service's; it answers 204 when the
// delivery is on the disk, 401 when Verify refuses it.
func (m *Mirror) Inbox(inbox Inbox) (http.Handler, Source) {
	wake := make(chan struct{}, 1)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, err := m.receive(r, inbox)
		if err != nil {
			m.log.WarnContext(r.Context(), "a delivery was not taken", "source", inbox.Name, "status", status, "error", err.Error())
		}
		w.WriteHeader(status)
		select {
		case wake <- struct{}{}:
		default: // it is awake
		}
	})
	source := Source{Name: inbox.Name, Every: inboxEvery, wake: wake}
	source.read = func(ctx context.Context, _ string) (pulled, error) { return m.readInbox(ctx, inbox) }
	return handler, source
}

// receive stores a delivery.
func (m *Mirror) receive(r *http.Request, inbox Inbox) (status int, err error) {
	if r.Method != http.MethodPost {
		return http.StatusMethodNotAllowed, fmt.Errorf("it was sent by %s", r.Method)
	}
	bytesMax := inbox.BytesMax
	if bytesMax <= 0 {
		bytesMax = deliveryBytesMax
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, bytesMax))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return http.StatusRequestEntityTooLarge, err
	}
	if err != nil {
		return http.StatusBadRequest, err
	}
	if inbox.Verify == nil {
		return http.StatusUnauthorized, errors.New("the inbox has no Verify")
	}
	if err := inbox.Verify(r.Header, body); err != nil {
		return http.StatusUnauthorized, err
	}
	header, err := json.Marshal(r.Header)
	if err != nil {
		return http.StatusBadRequest, err
	}
	now := m.now().UnixMicro()
	_, err = m.file.Write.ExecContext(r.Context(), `INSERT INTO delivery (inbox, received, header, body, due) VALUES (?, ?, ?, ?, ?)`,
		inbox.Name, now, string(header), body, now)
	if err != nil {
		return http.StatusInternalServerError, err
	}
	return http.StatusNoContent, nil
}

// readInbox reads the deliveries that are due. That they were read is stored with
// their rows.
func (m *Mirror) readInbox(ctx context.Context, inbox Inbox) (pulled, error) {
	deliveries, tries, err := m.dueDeliveries(ctx, inbox.Name)
	if err != nil || len(deliveries) == 0 {
		return pulled{}, err
	}
	var batch pulled
	type outcome struct {
		due    any
		reason string
	}
	outcomes := make([]outcome, len(deliveries))
	for i, delivery := range deliveries {
		rows, err := inbox.Read(ctx, delivery)
		if err != nil {
			m.log.WarnContext(ctx, "a delivery could not be read", "source", inbox.Name, "number", delivery.Number, "tries", tries[i]+1, "error", err.Error())
			again := min(deliveryAgainLeast<<min(tries[i], 20), deliveryAgainMost)
			outcomes[i] = outcome{due: m.now().Add(again).UnixMicro(), reason: err.Error()}
			continue
		}
		batch.Accounts = append(batch.Accounts, rows.Accounts...)
		batch.Beneficiaries = append(batch.Beneficiaries, rows.Beneficiaries...)
		batch.Transactions = append(batch.Transactions, rows.Transactions...)
		batch.Balances = append(batch.Balances, rows.Balances...)
	}
	batch.More = len(deliveries) == deliveriesAtOnce
	batch.settle = func(ctx context.Context, tx *sql.Tx) error {
		for i, delivery := range deliveries {
			_, err := tx.ExecContext(ctx, `UPDATE delivery SET due = ?, reason = ?, tries = tries + 1 WHERE number = ?`,
				outcomes[i].due, outcomes[i].reason, delivery.Number)
			if err != nil {
				return err
			}
		}
		return nil
	}
	return batch, nil
}

func (m *Mirror) dueDeliveries(ctx context.Context, inbox string) (deliveries []Delivery, tries []int, err error) {
	rows, err := m.file.Read.QueryContext(ctx, `SELECT number, received, header, body, tries FROM delivery
		WHERE inbox = ? AND due <= ? ORDER BY number LIMIT ?`, inbox, m.now().UnixMicro(), deliveriesAtOnce)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var d Delivery
		var received int64
		var header string
		var tried int
		if err := rows.Scan(&d.Number, &received, &header, &d.Body, &tried); err != nil {
			return nil, nil, err
		}
		if err := json.Unmarshal([]byte(header), &d.Header); err != nil {
			return nil, nil, fmt.Errorf("the header of delivery %d: %w", d.Number, err)
		}
		d.Received = time.UnixMicro(received).UTC()
		deliveries, tries = append(deliveries, d), append(tries, tried)
	}
	return deliveries, tries, rows.Err()
}

// HMAC checks a signature over the raw body, the way most providers sign:
// a header holds the HMAC of the body under a shared secret.
type HMAC struct {
	// Header names the header that holds the signature.
	Header string
	// Secrets are the shared secrets; two are good while one replaces the other.
	Secrets [][]byte
	// Prefix stands before the signature, for example "sha256=". It may be empty.
	Prefix string
	// Base64 says that the signature is written in base64, not in hexadecimal.
	Base64 bool
	// Hash is the hash; nil is SHA-256.
	Hash func() hash.Hash
}

// Verify is what [Inbox] wants. The comparison takes the same time whatever the
// signature is.
func (h HMAC) Verify(header http.Header, body []byte) error {
	text, prefixed := strings.CutPrefix(header.Get(h.Header), h.Prefix)
	decode := hex.DecodeString
	if h.Base64 {
		decode = base64.StdEncoding.DecodeString
	}
	signature, err := decode(text)
	if err != nil || !prefixed || len(signature) == 0 {
		return fmt.Errorf("the header %s holds no signature", h.Header)
	}
	newHash := sha256.New
	if h.Hash != nil {
		newHash = h.Hash
	}
	good := false
	for _, secret := range h.Secrets {
		if len(secret) == 0 {
			return fmt.Errorf("the secret for the header %s is empty: anybody could sign", h.Header)
		}
		mac := hmac.New(newHash, secret)
		_, _ = mac.Write(body) // a hash takes everything
		good = hmac.Equal(mac.Sum(nil), signature) || good
	}
	if !good {
		return errors.New("the signature is not the provider's")
	}
	return nil
}
