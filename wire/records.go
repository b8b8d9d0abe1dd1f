package wire

import "time"

// Account is an account that the customer holds at the PSP.
type Account struct {
	// ID is the PSP's own identifier, unique among the accounts of a service.
	ID string `json:"id"`
	// AccountName is the name that people know the account by.
	AccountName string `json:"accountName"`
	// CreatedAt orders the list. It never changes.
	CreatedAt time.Time `json:"createdAt"`
	// Metadata is free text by key.
	Metadata map[string]string `json:"metadata,omitempty"`
}

// Beneficiary is somebody else's account, to which payouts can go.
type Beneficiary struct {
	// ID is the PSP's own identifier, unique among the beneficiaries of a service.
	ID string `json:"id"`
	// CreatedAt orders the list. It never changes.
	CreatedAt time.Time `json:"createdAt"`
	// OwnerName is the name of the account's holder.
	OwnerName string `json:"ownerName"`
	// Metadata is free text by key.
	Metadata map[string]string `json:"metadata,omitempty"`
}

// Balances is what one account holds, one entry for each asset.
type Balances struct {
	// ID identifies the answer. Nothing depends on it.
	ID string `json:"id"`
	// AccountID is the account that holds the balances.
	AccountID string `json:"accountID"`
	// At is the instant for which the balances are true. It moves whenever an
	// amount does, and never backwards.
	At time.Time `json:"at"`
	// Balances has one entry for each asset that the account has ever held.
	Balances []Balance `json:"balances"`
}

// Balance is an amount of one asset.
type Balance struct {
	// Amount is in the asset's minor unit and may be negative.
	Amount Amount `json:"amount"`
	// Currency is the asset in UMN, for example "USD/2".
	Currency string `json:"currency"`
}

// Transaction is one movement at the PSP in its present state.
type Transaction struct {
	// ID is the PSP's own identifier of the movement.
	ID string `json:"id"`
	// RelatedTransactionID names the movement that this one belongs to: the
	// payment that is refunded or captured, or the idempotency key of the payout
	// that caused it. Empty when there is none.
	RelatedTransactionID string `json:"relatedTransactionID,omitempty"`
	// CreatedAt is when the movement came into being. It never changes.
	CreatedAt time.Time `json:"createdAt"`
	// UpdatedAt orders the list and moves on every change.
	UpdatedAt time.Time `json:"updatedAt"`
	// Currency is the asset in UMN, for example "USD/2".
	Currency string `json:"currency"`
	// Scheme is the payment scheme, for example "SEPA_CREDIT"; may be empty.
	Scheme string `json:"scheme,omitempty"`
	// Type says which way the money goes.
	Type TransactionType `json:"type"`
	// Status says how far it has come.
	Status TransactionStatus `json:"status"`
	// Amount is in the asset's minor unit.
	Amount Amount `json:"amount"`
	// SourceAccountID and DestinationAccountID name accounts or beneficiaries of
	// the same service. Either may be empty.
	SourceAccountID      string `json:"sourceAccountID,omitempty"`
	DestinationAccountID string `json:"destinationAccountID,omitempty"`
	// Metadata is free text by key.
	Metadata map[string]string `json:"metadata,omitempty"`
}

// PayoutRequest asks for money to be sent from an account to a beneficiary.
type PayoutRequest struct {
	// IdempotencyKey is chosen by the caller. The same key never moves money twice.
	IdempotencyKey string `json:"idempotencyKey"`
	// Amount is in the asset's minor unit and above zero.
	Amount Amount `json:"amount"`
	// Currency is the asset in UMN, for example "USD/2".
	Currency string `json:"currency"`
	// SourceAccountID is the account that pays. Lists spell the key
	// "sourceAccountID"; requests and their answers spell it "sourceAccountId".
	SourceAccountID string `json:"sourceAccountId"`
	// DestinationAccountID is the beneficiary, or for a transfer the account, that is paid.
	DestinationAccountID string `json:"destinationAccountId"`
	// Description is free text; always present, possibly empty.
	Description string `json:"description"`
	// Metadata is free text by key.
	Metadata map[string]string `json:"metadata,omitempty"`
}

// TransferRequest asks for money to be moved between two accounts of the
// customer. It has the form of a [PayoutRequest].
type TransferRequest PayoutRequest

// Payout is the state of a payout as the service answers it, to the first
// request and to every repetition.
type Payout struct {
	// ID is the PSP's own identifier.
	ID string `json:"id"`
	// IdempotencyKey, Amount, Currency and the accounts echo the request.
	IdempotencyKey       string `json:"idempotencyKey"`
	Amount               Amount `json:"amount"`
	Currency             string `json:"currency"`
	SourceAccountID      string `json:"sourceAccountId"`
	DestinationAccountID string `json:"destinationAccountId"`
	// Description echoes the request; may be empty.
	Description string `json:"description,omitempty"`
	// Status says how far it has come.
	Status TransactionStatus `json:"status"`
	// CreatedAt is when the PSP accepted it.
	CreatedAt time.Time `json:"createdAt"`
	// UpdatedAt is optional.
	UpdatedAt time.Time `json:"updatedAt,omitzero"`
	// Metadata is free text by key.
	Metadata map[string]string `json:"metadata,omitempty"`
}

// Transfer is the state of a transfer. It has the form of a [Payout].
type Transfer Payout

// Error is the body of every answer that is not a success. The contract
// spells its keys with capitals.
type Error struct {
	// Title is the short name of what went wrong.
	Title string `json:"Title"`
	// Detail says what to do about it.
	Detail string `json:"Detail"`
}

// Capabilities is the answer of GET /capabilities, Weir's optional addition to
// the contract. A client that does not ask loses nothing but speed.
type Capabilities struct {
	// Version is the contract's version that the service speaks.
	Version string `json:"version"`
	// PageSizeMax is the largest pageSize that the service serves in full.
	PageSizeMax int `json:"pageSizeMax"`
	// Resources names the lists and actions that the service has: "accounts",
	// "balances", "beneficiaries", "transactions", "payouts", "transfers".
	Resources []string `json:"resources"`
}
