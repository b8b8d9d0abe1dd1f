package wire

// TransactionType says which way money goes.
type TransactionType string

// The types of the contract.
const (
	TypePayin    TransactionType = "PAYIN"
	TypePayout   TransactionType = "PAYOUT"
	TypeTransfer TransactionType = "TRANSFER"
	TypeOther    TransactionType = "OTHER"
)

// TransactionTypes lists every type of the contract, in its order.
func TransactionTypes() []TransactionType {
	return []TransactionType{TypePayin, TypePayout, TypeTransfer, TypeOther}
}

// Known reports whether t is one of the contract's types. Case matters.
func (t TransactionType) Known() bool {
	switch t {
	case TypePayin, TypePayout, TypeTransfer, TypeOther:
		return true
	}
	return false
}

// TransactionStatus says how far a movement has come.
type TransactionStatus string

// The statuses of the contract.
const (
	StatusPending         TransactionStatus = "PENDING"
	StatusSucceeded       TransactionStatus = "SUCCEEDED"
	StatusFailed          TransactionStatus = "FAILED"
	StatusCancelled       TransactionStatus = "CANCELLED"
	StatusExpired         TransactionStatus = "EXPIRED"
	StatusRefunded        TransactionStatus = "REFUNDED"
	StatusRefundedFailure TransactionStatus = "REFUNDED_FAILURE"
	StatusRefundReversed  TransactionStatus = "REFUND_REVERSED"
	StatusDispute         TransactionStatus = "DISPUTE"
	StatusDisputeWon      TransactionStatus = "DISPUTE_WON"
	StatusDisputeLost     TransactionStatus = "DISPUTE_LOST"
	StatusAuthorisation   TransactionStatus = "AUTHORISATION"
	StatusCapture         TransactionStatus = "CAPTURE"
	StatusCaptureFailed   TransactionStatus = "CAPTURE_FAILED"
	StatusOther           TransactionStatus = "OTHER"
)

// TransactionStatuses lists every status of the contract, in its order.
func TransactionStatuses() []TransactionStatus {
	return []TransactionStatus{
		StatusPending, StatusSucceeded, StatusFailed, StatusCancelled, StatusExpired,
		StatusRefunded, StatusRefundedFailure, StatusRefundReversed,
		StatusDispute, StatusDisputeWon, StatusDisputeLost,
		StatusAuthorisation, StatusCapture, StatusCaptureFailed, StatusOther,
	}
}

// Known reports whether s is one of the contract's statuses. Case matters.
func (s TransactionStatus) Known() bool {
	switch s {
	case StatusPending, StatusSucceeded, StatusFailed, StatusCancelled, StatusExpired,
		StatusRefunded, StatusRefundedFailure, StatusRefundReversed,
		StatusDispute, StatusDisputeWon, StatusDisputeLost,
		StatusAuthorisation, StatusCapture, StatusCaptureFailed, StatusOther:
		return true
	}
	return false
}
