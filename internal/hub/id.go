package hub

import (
	"crypto/rand"
	"encoding"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

// Identifiers of the API are an encoding, not a key: base64 (URL alphabet, no
// padding) of a compact JSON object with its keys in byte order. Clients of the
// reference build them on their own, so the bytes are part of the API. Weir
// stores none of them; each type below encodes on the way out and parses on the
// way in.

// ErrID is wrapped by every error of the identifier parsers.
var ErrID = errors.New("not an identifier of this API")

// ConnectorID names one installed connector.
type ConnectorID struct {
	// Provider is the kind of connector, in lower case; Weir has "generic".
	Provider string
	// Reference is a UUID in its usual text form.
	Reference string
}

// AccountID names an account of a connector, internal or external.
type AccountID struct {
	Connector ConnectorID
	Reference string
	// Type is set only where an account and a beneficiary of one connector carry
	// the same reference: the one that was stored second names its type, so the
	// first keeps the identifier that the reference would give it.
	Type AccountType
}

// PaymentID names a payment of a connector.
type PaymentID struct {
	Connector ConnectorID
	Reference string
	// Type is the type that the payment was first seen with. It stays in the
	// identifier when the payment's type changes.
	Type PaymentType
}

// PaymentAdjustmentID names one adjustment of a payment.
type PaymentAdjustmentID struct {
	Payment   PaymentID
	CreatedAt time.Time
	Reference string
	Status    PaymentStatus
	// Version counts from 1 the adjustments that agree in all the fields above.
	// The first is encoded without it, as the reference does.
	Version int
}

// NewConnectorID returns a fresh identifier for a connector of provider.
func NewConnectorID(provider string) ConnectorID {
	return ConnectorID{Provider: provider, Reference: NewUUID()}
}

// NewUUID returns a random UUID, version 4 of RFC 9562.
func NewUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, by its contract
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// IsZero reports whether the identifier names nothing.
func (id ConnectorID) IsZero() bool { return id == ConnectorID{} }

// String returns the API's form.
func (id ConnectorID) String() string { return encodeID(id) }

// String returns the API's form.
func (id AccountID) String() string { return encodeID(id) }

// String returns the API's form.
func (id PaymentID) String() string { return encodeID(id) }

// String returns the API's form.
func (id PaymentAdjustmentID) String() string { return encodeID(id) }

// AppendText appends the API's form.
func (id ConnectorID) AppendText(b []byte) ([]byte, error) {
	var canonical [idBytesUsual]byte
	return appendID(b, id.appendJSON(canonical[:0])), nil
}

// AppendText appends the API's form.
func (id AccountID) AppendText(b []byte) ([]byte, error) {
	var canonical [idBytesUsual]byte
	return appendID(b, id.appendJSON(canonical[:0])), nil
}

// AppendText appends the API's form.
func (id PaymentID) AppendText(b []byte) ([]byte, error) {
	var canonical [idBytesUsual]byte
	return appendID(b, id.appendJSON(canonical[:0])), nil
}

// AppendText appends the API's form.
func (id PaymentAdjustmentID) AppendText(b []byte) ([]byte, error) {
	var canonical [idBytesUsual]byte
	return appendID(b, id.appendJSON(canonical[:0])), nil
}

// MarshalText returns the API's form.
func (id ConnectorID) MarshalText() ([]byte, error) { return id.AppendText(nil) }

// MarshalText returns the API's form.
func (id AccountID) MarshalText() ([]byte, error) { return id.AppendText(nil) }

// MarshalText returns the API's form.
func (id PaymentID) MarshalText() ([]byte, error) { return id.AppendText(nil) }

// MarshalText returns the API's form.
func (id PaymentAdjustmentID) MarshalText() ([]byte, error) { return id.AppendText(nil) }

func (id ConnectorID) appendJSON(b []byte) []byte {
	b = appendString(append(b, `{"Provider":`...), id.Provider)
	b = appendString(append(b, `,"Reference":`...), id.Reference)
	return append(b, '}')
}

func (id AccountID) appendJSON(b []byte) []byte {
	b = id.Connector.appendJSON(append(b, `{"ConnectorID":`...))
	b = appendString(append(b, `,"Reference":`...), id.Reference)
	if id.Type != "" {
		b = appendString(append(b, `,"Type":`...), string(id.Type))
	}
	return append(b, '}')
}

func (id PaymentID) appendJSON(b []byte) []byte {
	b = id.Connector.appendJSON(append(b, `{"ConnectorID":`...))
	b = appendString(append(b, `,"Reference":`...), id.Reference)
	b = appendString(append(b, `,"Type":`...), string(id.Type))
	return append(b, '}')
}

func (id PaymentAdjustmentID) appendJSON(b []byte) []byte {
	b = appendString(append(b, `{"CreatedAt":`...), id.CreatedAt.UTC().Format(time.RFC3339Nano))
	b = id.Payment.appendJSON(append(b, `,"PaymentID":`...))
	b = appendString(append(b, `,"Reference":`...), id.Reference)
	b = appendString(append(b, `,"Status":`...), string(id.Status))
	if id.Version > 1 {
		b = strconv.AppendInt(append(b, `,"Version":`...), int64(id.Version), 10)
	}
	return append(b, '}')
}

// ParseConnectorID reads what [ConnectorID.String] writes.
func ParseConnectorID(s string) (ConnectorID, error) {
	var id ConnectorID
	err := decodeID(s, &id)
	return id, err
}

// ParseAccountID reads what [AccountID.String] writes.
func ParseAccountID(s string) (AccountID, error) {
	var id struct {
		ConnectorID ConnectorID
		Reference   string
		Type        AccountType
	}
	err := decodeID(s, &id)
	return AccountID{Connector: id.ConnectorID, Reference: id.Reference, Type: id.Type}, err
}

// ParsePaymentID reads what [PaymentID.String] writes.
func ParsePaymentID(s string) (PaymentID, error) {
	var id struct {
		ConnectorID ConnectorID
		Reference   string
		Type        PaymentType
	}
	err := decodeID(s, &id)
	return PaymentID{Connector: id.ConnectorID, Reference: id.Reference, Type: id.Type}, err
}

// idBytesUsual is room for the JSON of most identifiers, so that encoding one
// needs no memory of its own. The buffers of that size stand in the methods of
// each identifier: handed to a method of a type that is not known until the
// program runs, even by a generic function, they would not stay on the stack.
const idBytesUsual = 256

func encodeID(id encoding.TextAppender) string {
	b, _ := id.AppendText(nil) // identifiers always encode
	return string(b)
}

func appendID(b, canonical []byte) []byte { return base64.RawURLEncoding.AppendEncode(b, canonical) }

func decodeID(s string, into any) error {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrID, err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("%w: %w", ErrID, err)
	}
	return nil
}

// appendString writes s as the reference's canonical JSON does: only the quote,
// the backslash and control characters are escaped, everything else is raw UTF-8.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\b':
			b = append(b, `\b`...)
		case c == '\t':
			b = append(b, `\t`...)
		case c == '\n':
			b = append(b, `\n`...)
		case c == '\f':
			b = append(b, `\f`...)
		case c == '\r':
			b = append(b, `\r`...)
		case c < ' ':
			b = append(b, `\u00`...)
			b = append(b, hex[c>>4], hex[c&15])
		case c < utf8.RuneSelf:
			b = append(b, c)
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			b = utf8.AppendRune(b, r) // broken UTF-8 becomes U+FFFD, as JSON needs
			i += size
			continue
		}
		i++
	}
	return append(b, '"')
}
