package ledger

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/weirhq/weir/sdk"
	"github.com/weirhq/weir/wire"
)

// applicationID stands in the header of a ledger's file: "Ledg" in ASCII.
const applicationID = 0x4c656467

// schema makes the table. What was released is frozen; changes are new steps.
var schema = []string{`
CREATE TABLE intent (
	key         TEXT PRIMARY KEY,
	kind        TEXT NOT NULL,
	fingerprint BLOB NOT NULL,
	request     BLOB NOT NULL,    -- as the contract writes it
	created_at  INTEGER NOT NULL, -- microseconds since 1970
	state       TEXT NOT NULL CHECK (state IN ('sending', 'unsent', 'done', 'refused')),
	sent_at     INTEGER NOT NULL, -- when it was last begun to be sent
	told        INTEGER NOT NULL DEFAULT 0, -- whether a caller has been told PENDING
	answer      BLOB              -- what the provider said, or why it refused
);
CREATE INDEX intent_open ON intent (created_at) WHERE state IN ('sending', 'unsent');
`}

// The states of an order. One that is sending may have been carried out.
const (
	stateSending = "sending"
	stateUnsent  = "unsent"
	stateDone    = "done"
	stateRefused = "refused"
)

// order is a request with what has become of it.
type order struct {
	kind        kind
	request     wire.PayoutRequest
	encoded     []byte
	fingerprint [sha256.Size]byte
	createdAt   time.Time
	state       string
	sentAt      time.Time
	told        bool
	answer      []byte
}

// newOrder makes an order of a request. Requests that mean the same have one
// fingerprint, however they were written.
func newOrder(k kind, request wire.PayoutRequest, now time.Time) (order, error) {
	encoded, err := wire.Encode(request)
	if err != nil {
		return order{}, err
	}
	return order{
		kind: k, request: request, encoded: encoded, createdAt: now.UTC().Truncate(time.Microsecond),
		fingerprint: sha256.Sum256(append([]byte(k+" "), encoded...)),
	}, nil
}

func (o *order) key() string { return o.request.IdempotencyKey }

// settled reports whether it is known what has become of the order.
func (o *order) settled() bool { return o.state == stateDone || o.state == stateRefused }

// errStored is wrapped by errors about what is in the file.
var errStored = errors.New("the ledger's file is damaged")

// record writes the order down as being sent, unless its key is known; then it
// returns what is written.
func (l *Ledger) record(ctx context.Context, o order) (stored order, fresh bool, err error) {
	now := l.now()
	result, err := l.file.Write.ExecContext(ctx, `INSERT INTO intent (key, kind, fingerprint, request, created_at, state, sent_at)
		VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		o.key(), string(o.kind), o.fingerprint[:], o.encoded, o.createdAt.UnixMicro(), stateSending, now.UnixMicro())
	if err != nil {
		return order{}, false, err
	}
	added, err := result.RowsAffected()
	if err != nil {
		return order{}, false, err
	}
	stored, err = l.stored(ctx, o.key())
	return stored, added == 1, err
}

// stored reads what is written of a key; [sql.ErrNoRows] says nothing.
func (l *Ledger) stored(ctx context.Context, key string) (order, error) {
	var o order
	var kindText string
	var fingerprint []byte
	var created, sent int64
	err := l.file.Read.QueryRowContext(ctx, `SELECT kind, fingerprint, request, created_at, state, sent_at, told, answer FROM intent WHERE key = ?`, key).
		Scan(&kindText, &fingerprint, &o.encoded, &created, &o.state, &sent, &o.told, &o.answer)
	if err != nil {
		return o, err
	}
	record, err := wire.DecodePayoutRequest(o.encoded)
	if err == nil {
		err = record.Err
	}
	if err != nil || copy(o.fingerprint[:], fingerprint) != len(o.fingerprint) {
		return o, fmt.Errorf("%w: the order %.40q can't be read", errStored, key)
	}
	o.kind, o.request = kind(kindText), record.Value
	o.createdAt, o.sentAt = time.UnixMicro(created).UTC(), time.UnixMicro(sent).UTC()
	return o, nil
}

func (l *Ledger) markSending(ctx context.Context, key string) error {
	return l.update(ctx, `UPDATE intent SET state = 'sending', sent_at = ? WHERE key = ? AND state IN ('sending', 'unsent')`, l.now().UnixMicro(), key)
}

func (l *Ledger) markUnsent(ctx context.Context, key string) error {
	return l.update(ctx, `UPDATE intent SET state = 'unsent' WHERE key = ? AND state = 'sending'`, key)
}

// keep keeps what the provider has said. What is no answer of the contract is
// an error, and then nobody knows.
func (l *Ledger) keep(ctx context.Context, o order, answer wire.Payout) error {
	fill(&answer, &o.request, l.now())
	if err := answer.Validate(); err != nil {
		return fmt.Errorf("the provider's answer can't be used: %w", err)
	}
	encoded, err := wire.Encode(answer)
	if err != nil {
		return err
	}
	return l.update(ctx, `UPDATE intent SET state = 'done', answer = ? WHERE key = ? AND state = 'sending'`, encoded, o.key())
}

// fill completes an answer from its request.
func fill(answer *wire.Payout, request *wire.PayoutRequest, now time.Time) {
	for _, pair := range []struct {
		answer  *string
		request string
	}{
		{&answer.IdempotencyKey, request.IdempotencyKey},
		{(*string)(&answer.Amount), string(request.Amount)},
		{&answer.Currency, request.Currency},
		{&answer.SourceAccountID, request.SourceAccountID},
		{&answer.DestinationAccountID, request.DestinationAccountID},
		{&answer.Description, request.Description},
		{(*string)(&answer.Status), string(wire.StatusPending)},
	} {
		if *pair.answer == "" {
			*pair.answer = pair.request
		}
	}
	if answer.CreatedAt.IsZero() {
		answer.CreatedAt = now.UTC().Truncate(time.Microsecond)
	}
}

// storedRefusal is a refusal in the file.
type storedRefusal struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
}

func (l *Ledger) keepRefusal(ctx context.Context, o order, refusal *sdk.Error) error {
	encoded, err := json.Marshal(storedRefusal{refusal.Status, refusal.Title, refusal.Detail})
	if err != nil {
		return err
	}
	return l.update(ctx, `UPDATE intent SET state = 'refused', answer = ? WHERE key = ? AND state = 'sending'`, encoded, o.key())
}

func (l *Ledger) update(ctx context.Context, statement string, args ...any) error {
	// What was learned is written down even when the time for learning is over.
	_, err := l.file.Write.ExecContext(context.WithoutCancel(ctx), statement, args...)
	return err
}

// answer is what a caller is told: what is known, or PENDING, which is noted so
// that the order keeps the id that the caller was given.
func (l *Ledger) answer(ctx context.Context, o order) (wire.Payout, error) {
	if err := l.update(ctx, `UPDATE intent SET told = 1 WHERE key = ? AND state = 'sending' AND fingerprint = ? AND told = 0`, o.key(), o.fingerprint[:]); err != nil {
		return wire.Payout{}, sdk.Unavailable("The state of the order can't be told now.", time.Second)
	}
	stored, err := l.stored(ctx, o.key())
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return wire.Payout{}, sdk.Unavailable("The order could not be written down, so it was not sent.", time.Second)
	case err != nil:
		return wire.Payout{}, err
	case stored.fingerprint != o.fingerprint:
		return wire.Payout{}, sdk.Conflict(fmt.Sprintf("The idempotency key %.40q was used before for another request.", o.key()))
	}
	return stored.result()
}

// result is the order as a caller sees it.
func (o *order) result() (wire.Payout, error) {
	switch o.state {
	case stateRefused:
		var refusal storedRefusal
		if err := json.Unmarshal(o.answer, &refusal); err != nil {
			return wire.Payout{}, fmt.Errorf("%w: the refusal of %.40q can't be read", errStored, o.key())
		}
		return wire.Payout{}, &sdk.Error{Status: refusal.Status, Title: refusal.Title, Detail: refusal.Detail}
	case stateUnsent:
		if !o.told {
			return wire.Payout{}, sdk.Unavailable("The provider could not be reached, and the order was not sent.", time.Second)
		}
	case stateDone:
		record, err := wire.DecodePayout(o.answer)
		if err != nil || record.Err != nil {
			return wire.Payout{}, fmt.Errorf("%w: the answer to %.40q can't be read", errStored, o.key())
		}
		answer := record.Value
		if o.told && answer.ID != o.ownID() {
			if answer.Metadata == nil {
				answer.Metadata = map[string]string{}
			}
			answer.Metadata[MetadataID] = answer.ID
			answer.ID, answer.CreatedAt = o.ownID(), o.createdAt
		}
		return answer, nil
	}
	answer := wire.Payout{ID: o.ownID(), Status: wire.StatusPending, CreatedAt: o.createdAt}
	fill(&answer, &o.request, o.createdAt)
	return answer, nil
}

// ownID is the order's id where a caller has to be told one before the provider
// has. It stays the order's id.
func (o *order) ownID() string { return sdk.ID("order", o.key()) }

// OpenOrder is an order of which nobody knows yet what has become of it.
type OpenOrder struct {
	// Kind is "payout" or "transfer".
	Kind      string
	Request   wire.PayoutRequest
	CreatedAt time.Time
	// SentAt is when it was last begun to be sent.
	SentAt time.Time
}

// Unresolved returns the orders of which nobody knows, oldest first. Orders that
// are being sent at this moment are among them.
func (l *Ledger) Unresolved(ctx context.Context) ([]OpenOrder, error) {
	rows, err := l.file.Read.QueryContext(ctx, `SELECT key FROM intent
		WHERE state IN ('sending', 'unsent') AND (state = 'sending' OR told = 1) ORDER BY created_at`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var keys []string
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	orders := make([]OpenOrder, 0, len(keys))
	for _, key := range keys {
		o, err := l.stored(ctx, key)
		if err != nil {
			return nil, err
		}
		orders = append(orders, OpenOrder{string(o.kind), o.request, o.createdAt, o.sentAt})
	}
	return orders, nil
}
