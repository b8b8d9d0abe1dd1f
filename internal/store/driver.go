package store

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/weirhq/weir/internal/hub"
)

// Driver is one kind of database. It holds SQL and no rules: what a row means,
// which rows belong together and when one is worth keeping is decided above it.
// Its operations take and return sets of rows, so that a database behind a
// network needs one round trip for each, however large the batch.
type Driver interface {
	// Write runs f in a transaction and commits when f returns nil. Nothing of it
	// remains when f returns an error or when ctx ends before the commit has begun.
	// Errors of f come back as they are.
	//
	// Where the database takes many writers at once, they are kept apart by what a
	// transaction has read: a stream and a connector that was found is locked until
	// its end. A transaction that has met another one all the same runs f again
	// from the beginning, so f sets what it leaves behind, and adds nothing to it.
	Write(ctx context.Context, f func(Tx) error) error
	// Read runs f on one unchanging view of the database.
	Read(ctx context.Context, f func(View) error) error
	// ReadOne is Read for an f that is expected to call one operation of the view,
	// which then costs a database behind a network one round trip in all. Where f
	// asks for more it runs again from the beginning, as Read would run it: so f
	// sets what it leaves behind, and adds nothing to it.
	ReadOne(ctx context.Context, f func(View) error) error
}

// View is what can be read. Connectors that are being removed, and what
// belongs to them, are in no list; ConnectorRow alone still finds them.
type View interface {
	ConnectorView
	StreamView
	AccountView
	BalanceView
	PaymentView
	RejectionView
	EventView
}

// Tx is a transaction that may change things. It reads what it has written so
// far.
type Tx interface {
	View
	ConnectorTx
	StreamTx
	AccountTx
	BalanceTx
	PaymentTx
	RejectionTx
	EventTx
}

// ConnectorView reads connectors.
type ConnectorView interface {
	// ConnectorRow finds a connector, also one that is being removed. Inside a Tx
	// nobody else can change it until the end.
	ConnectorRow(ctx context.Context, id hub.ConnectorID) (ConnectorRow, bool, error)
	// ConnectorNamed finds the connector with exactly this name.
	ConnectorNamed(ctx context.Context, name string) (ConnectorRow, bool, error)
	// ConnectorPage returns up to limit rows on the far side of a position.
	ConnectorPage(ctx context.Context, q hub.ListQuery) ([]ConnectorRow, error)
	// DeletedConnectors returns those whose removal has begun and not ended.
	DeletedConnectors(ctx context.Context) ([]ConnectorRow, error)
}

// ConnectorTx changes connectors.
type ConnectorTx interface {
	// InsertConnector stores the row and sets its Key.
	InsertConnector(ctx context.Context, row *ConnectorRow) error
	// UpdateConnector replaces all that may change: name, settings, key, instants.
	UpdateConnector(ctx context.Context, row *ConnectorRow) error
	// PurgeConnector removes up to about limit rows of the connector, itself
	// last, and reports whether it is gone.
	PurgeConnector(ctx context.Context, connectorKey int64, limit int) (bool, error)
}

// StreamView reads streams.
type StreamView interface {
	// StreamRow finds a stream. Inside a Tx nobody else can change it until the end.
	StreamRow(ctx context.Context, id hub.StreamID) (StreamRow, bool, error)
	// StreamRows returns the streams of one connector, or of all when the key is
	// 0, in the order of the connectors' names. Inside a Tx nobody else can change
	// them until the end.
	StreamRows(ctx context.Context, connectorKey int64) ([]StreamRow, error)
}

// StreamTx changes streams.
type StreamTx interface {
	InsertStreams(ctx context.Context, rows []*StreamRow) error
	// UpdateStreams replaces everything but the identity. A driver with many
	// writers refuses, with hub.CodeStale, a cursor that is neither the stored
	// version nor the next: no cursor moves back.
	UpdateStreams(ctx context.Context, rows []*StreamRow) error
	// Enqueue hands jobs to the job engine within the transaction; a job that
	// waits already is not added again.
	Enqueue(ctx context.Context, jobs []Job) error
}

// AccountView reads accounts.
type AccountView interface {
	// AccountsByReference returns the accounts of both types with one of the
	// references, in their newest versions.
	AccountsByReference(ctx context.Context, connectorKey int64, references []string) ([]AccountRow, error)
	// AccountVersions returns versions of accounts by their VersionKey.
	AccountVersions(ctx context.Context, versionKeys []int64) ([]AccountRow, error)
	AccountPage(ctx context.Context, q hub.ListQuery) ([]AccountRow, error)
	// InternalReferences returns up to limit references after one, in their order.
	InternalReferences(ctx context.Context, connectorKey int64, after string, limit int) ([]string, error)
	// AccountRecords returns up to limit accounts after a reference, in their order.
	AccountRecords(ctx context.Context, connectorKey int64, t hub.AccountType, after string, limit int) ([]RecordRow, error)
}

// AccountTx changes accounts.
type AccountTx interface {
	// InsertAccounts stores identities and sets their Key.
	InsertAccounts(ctx context.Context, rows []*AccountRow) error
	// UpdateAccounts sets the newest version and the instant of creation.
	UpdateAccounts(ctx context.Context, rows []*AccountRow) error
	// InsertAccountVersions stores versions and sets their VersionKey.
	InsertAccountVersions(ctx context.Context, rows []*AccountRow) error
}

// BalanceView reads balances.
type BalanceView interface {
	// NewestBalances returns the newest balance of every asset of the accounts.
	NewestBalances(ctx context.Context, connectorKey int64, references []string) ([]BalanceRow, error)
	BalancesByKey(ctx context.Context, keys []int64) ([]BalanceRow, error)
	BalancePage(ctx context.Context, connectorKey int64, id hub.AccountID, b hub.BalanceQuery, q hub.ListQuery) ([]BalanceRow, error)
	// CurrentBalances returns up to limit newest balances after one, in the order
	// of account and asset.
	CurrentBalances(ctx context.Context, connectorKey int64, after CurrentBalance, limit int) ([]CurrentBalance, error)
}

// BalanceTx changes balances.
type BalanceTx interface {
	// InsertBalances stores the rows and sets their Key.
	InsertBalances(ctx context.Context, rows []*BalanceRow) error
	// UpdateBalances sets LastUpdatedAt and Newest.
	UpdateBalances(ctx context.Context, rows []*BalanceRow) error
}

// PaymentView reads payments.
type PaymentView interface {
	// FindLeads returns, for each place in references, the payment with that
	// reference and a row for each version of its own record: one row without a
	// version where only refunds or captures of it have been stored.
	FindLeads(ctx context.Context, connectorKey int64, references []string) ([]VersionRow, error)
	// FindRelated returns, for each place in references, the versions of the
	// record that are kept under a payment with another reference.
	FindRelated(ctx context.Context, connectorKey int64, references []string) ([]VersionRow, error)
	PaymentsByKey(ctx context.Context, paymentKeys []int64) ([]PaymentRow, error)
	// WholePayment finds the payment with a reference, and returns it with all of
	// its adjustments and their Raw, in the order of storing.
	WholePayment(ctx context.Context, connector hub.ConnectorID, reference string) (PaymentRow, bool, error)
	// Adjustments returns those of the payments, without Raw, in the order of storing.
	Adjustments(ctx context.Context, paymentKeys []int64) ([]AdjustmentRow, error)
	// RawAdjustments returns the raw bytes of adjustments.
	RawAdjustments(ctx context.Context, adjustmentKeys []int64) (map[int64][]byte, error)
	PaymentPage(ctx context.Context, q hub.ListQuery) ([]PaymentRow, error)
	// LeadRecords and RelatedRecords return the newest versions of up to limit
	// records after a reference, in their order: of payments' own records, and of
	// the others. A payment without its own record comes with Raw nil.
	LeadRecords(ctx context.Context, connectorKey int64, after string, limit int) ([]RecordRow, error)
	RelatedRecords(ctx context.Context, connectorKey int64, after string, limit int) ([]RecordRow, error)
}

// PaymentTx changes payments.
type PaymentTx interface {
	// InsertPayments stores the rows and sets their Key.
	InsertPayments(ctx context.Context, rows []*PaymentRow) error
	// UpdatePayments replaces everything but the identity.
	UpdatePayments(ctx context.Context, rows []*PaymentRow) error
	// InsertAdjustments stores the rows and sets their Key.
	InsertAdjustments(ctx context.Context, rows []*AdjustmentRow) error
}

// RejectionView reads rejections.
type RejectionView interface {
	// FindRejections returns those with the references and bytes of the samples.
	FindRejections(ctx context.Context, streamKey int64, samples []RejectionRow) ([]RejectionRow, error)
	// OpenRejections returns the unresolved ones with one of the references, and
	// those without a reference that have one of the hashes; without Raw.
	OpenRejections(ctx context.Context, streamKey int64, references []string, hashes []Hash) ([]RejectionRow, error)
	RejectionRow(ctx context.Context, id int64) (RejectionRow, bool, error)
	RejectionPage(ctx context.Context, streamKey int64, q hub.ListQuery, open bool) ([]RejectionRow, error)
}

// RejectionTx changes rejections.
type RejectionTx interface {
	InsertRejections(ctx context.Context, rows []*RejectionRow) error
	// UpdateRejections sets Reason, LastSeenAt and ResolvedAt.
	UpdateRejections(ctx context.Context, rows []*RejectionRow) error
}

// EventView reads the log.
type EventView interface {
	EventRows(ctx context.Context, after int64, limit int) ([]EventRow, error)
	EventCount(ctx context.Context) (int64, error)
	LastSequence(ctx context.Context) (int64, error)
}

// EventTx writes the log.
type EventTx interface {
	// AppendEvents gives the rows the next numbers, without a gap, and in such a
	// way that nobody who has read a number finds a lower one later. From here to
	// the commit nobody else can append, so it comes last in a transaction.
	AppendEvents(ctx context.Context, rows []EventRow) error
}

// Hash is the first half of the SHA-256 of a record's bytes. It tells cheaply
// that a record is known; where two differ, the bytes themselves are compared.
type Hash [16]byte

// HashOf returns the hash of a record's bytes.
func HashOf(raw []byte) Hash {
	sum := sha256.Sum256(raw)
	return Hash(sum[:16])
}

// ConnectorRow is a connector with its key still sealed.
type ConnectorRow struct {
	Key int64
	// Connector lacks the API key.
	hub.Connector
	SealedAPIKey []byte
	// DeletedAt is set once its removal has begun.
	DeletedAt time.Time
}

// StreamRow is a stream.
type StreamRow struct {
	Key          int64
	ConnectorKey int64
	hub.Stream
}

// AccountRow is a version of an account.
type AccountRow struct {
	Key          int64
	VersionKey   int64
	ConnectorKey int64
	hub.Account
}

// BalanceRow is a balance.
type BalanceRow struct {
	Key          int64
	ConnectorKey int64
	// Newest says that no later balance of the account and asset is stored.
	Newest bool
	hub.Balance
}

// PaymentRow is a payment without its adjustments.
type PaymentRow struct {
	Key          int64
	ConnectorKey int64
	hub.Payment
}

// AdjustmentRow is an adjustment.
type AdjustmentRow struct {
	Key          int64
	PaymentKey   int64
	ConnectorKey int64
	Hash         Hash
	hub.PaymentAdjustment
}

// VersionRow is what must be known of a stored version to recognise it.
type VersionRow struct {
	// Place is the index of the reference that was asked for.
	Place      int
	PaymentKey int64
	// AdjustmentKey is 0 where the payment has no version of the record.
	AdjustmentKey int64
	UpdatedAt     time.Time
	Hash          Hash
}

// RejectionRow is a rejection.
type RejectionRow struct {
	StreamKey int64
	Hash      Hash
	hub.Rejection
}

// EventRow is an entry of the log before its payload is derived.
type EventRow struct {
	Sequence     int64
	Type         hub.EventType
	ConnectorKey int64
	Connector    hub.ConnectorID
	// Subject is the key of an adjustment, of a version of an account, or of a balance.
	Subject int64
	// PaymentKey is the adjustment's, on reading.
	PaymentKey int64
	At         time.Time
	// LastUpdatedAt is the balance's at the time of the event.
	LastUpdatedAt time.Time
}

// RecordRow is the newest version of a record.
type RecordRow struct {
	Reference string
	Raw       []byte
}
