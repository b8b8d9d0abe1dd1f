// Package wire is the generic connector contract: what Weir and an integration
// service say to each other over HTTP. It holds the JSON types, the paths and
// query parameters, the limits, the error body, and the contract's OpenAPI
// document, and it is the only package that both sides of the wire share.
//
// It is not the core's vocabulary (that is internal/hub) and it holds no rule
// about when to poll or what to store. A reader who wants to know what travels
// starts with [Transaction] and [ListQuery]; one who wants to know what happens
// to a malformed answer starts with [DecodeTransactions].
//
// Decoding is as tolerant as the contract's reference client: the case of keys
// is ignored, unknown fields are kept in the raw bytes and otherwise ignored,
// absent optional fields and a null list are fine. It is exact where money is:
// an amount is a string of decimal digits with an optional sign, of any length,
// and nothing else.
package wire

// Version is the version of the contract that this package speaks, as the
// reference's own document calls it.
const Version = "v0.1"

// Paths of the contract, relative to the endpoint of the integration service.
const (
	PathAccounts      = "/accounts"
	PathBalances      = "/accounts/{accountId}/balances"
	PathBeneficiaries = "/beneficiaries"
	PathTransactions  = "/transactions"
	PathPayouts       = "/payouts"
	PathTransfers     = "/transfers"
	// PathCapabilities is Weir's optional addition: see [Capabilities]. A
	// service that answers 404 there is as good.
	PathCapabilities = "/capabilities"
)

// Limits. They bound what one answer may cost the reader; the contract itself
// names none but the default page size.
const (
	// DefaultPageSize is the page size that every service must accept.
	DefaultPageSize = 100
	// MaxPageSize is the largest page that Weir asks for, whatever a service
	// says it can do: past a thousand rows a page costs memory and saves nothing.
	MaxPageSize = 1000
	// MaxBodyBytes bounds one answer, after decompression.
	MaxBodyBytes = 32 << 20
	// MaxPageRecords bounds the records of one answer. A service that ignores
	// pageSize may send many at once, but a list of a million tiny values is an
	// attack on the reader's memory, not a page.
	MaxPageRecords = 100_000
	// MaxIDBytes bounds every identifier in a record.
	MaxIDBytes = 1024
	// MaxKeyBytes bounds an idempotency key, and a relatedTransactionID, which
	// may hold one. The reference lets a key have 1,000 characters, and a
	// character has up to four bytes.
	MaxKeyBytes = 4000
	// MaxAmountDigits bounds an amount; a longer one is a fault, not money.
	MaxAmountDigits = 100
)
