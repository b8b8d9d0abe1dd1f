package main

import (
	stripe "github.com/stripe/stripe-go/v85"

	"github.com/weirhq/weir/wire"
)

var (
	payin    = meaning{kind: wire.TypePayin}
	payout   = meaning{kind: wire.TypePayout}
	transfer = meaning{kind: wire.TypeTransfer}
	other    = meaning{kind: wire.TypeOther}

	refund        = meaning{kind: wire.TypePayin, undoes: true, status: wire.StatusRefunded}
	refundFailed  = meaning{kind: wire.TypePayin, undoes: true, status: wire.StatusRefundReversed}
	payoutFailed  = meaning{kind: wire.TypePayout, undoes: true, status: wire.StatusFailed}
	payoutBack    = meaning{kind: wire.TypePayout, undoes: true, status: wire.StatusCancelled}
	transferBack  = meaning{kind: wire.TypeTransfer, undoes: true, status: wire.StatusRefunded}
	transferFails = meaning{kind: wire.TypeTransfer, undoes: true, status: wire.StatusFailed}
)

// meanings has every type that the client library names; a test compares the
// two. OTHER is an answer as well: it moves money, and is neither paid in, nor
// paid out, nor transferred.
var meanings = map[stripe.BalanceTransactionType]meaning{
	stripe.BalanceTransactionTypeCharge: payin, stripe.BalanceTransactionTypePayment: payin, stripe.BalanceTransactionTypeTopup: payin,
	stripe.BalanceTransactionTypeRefund: refund, stripe.BalanceTransactionTypePaymentRefund: refund,
	stripe.BalanceTransactionTypePaymentFailureRefund: refund, stripe.BalanceTransactionTypeRefundFailure: refundFailed,

	stripe.BalanceTransactionTypePayout: payout, stripe.BalanceTransactionTypePayoutCancel: payoutBack,
	stripe.BalanceTransactionTypePayoutFailure: payoutFailed,

	stripe.BalanceTransactionTypeTransfer: transfer, stripe.BalanceTransactionTypeTransferCancel: transferBack,
	stripe.BalanceTransactionTypeTransferRefund: transferBack, stripe.BalanceTransactionTypeTransferFailure: transferFails,
	stripe.BalanceTransactionTypeConnectCollectionTransfer: transfer,

	stripe.BalanceTransactionTypeAdjustment: other, stripe.BalanceTransactionTypeAdvance: other,
	stripe.BalanceTransactionTypeAdvanceFunding: other, stripe.BalanceTransactionTypeAnticipationRepayment: other,
	stripe.BalanceTransactionTypeApplicationFee: other, stripe.BalanceTransactionTypeApplicationFeeRefund: other,
	stripe.BalanceTransactionTypeClimateOrderPurchase: other, stripe.BalanceTransactionTypeClimateOrderRefund: other,
	stripe.BalanceTransactionTypeContribution:             other,
	stripe.BalanceTransactionTypeIssuingAuthorizationHold: other, stripe.BalanceTransactionTypeIssuingAuthorizationRelease: other,
	stripe.BalanceTransactionTypeIssuingDispute: other, stripe.BalanceTransactionTypeIssuingTransaction: other,
	stripe.BalanceTransactionTypeObligationOutbound: other, stripe.BalanceTransactionTypeObligationReversalInbound: other,
	stripe.BalanceTransactionTypePaymentNetworkReserveHold: other, stripe.BalanceTransactionTypePaymentNetworkReserveRelease: other,
	stripe.BalanceTransactionTypePaymentReversal: other, stripe.BalanceTransactionTypePaymentUnreconciled: other,
	stripe.BalanceTransactionTypePayoutMinimumBalanceHold: other, stripe.BalanceTransactionTypePayoutMinimumBalanceRelease: other,
	stripe.BalanceTransactionTypeReserveHold: other, stripe.BalanceTransactionTypeReserveRelease: other,
	stripe.BalanceTransactionTypeReserveTransaction: other, stripe.BalanceTransactionTypeReservedFunds: other,
	stripe.BalanceTransactionTypeStripeBalancePaymentDebit: other, stripe.BalanceTransactionTypeStripeBalancePaymentDebitReversal: other,
	stripe.BalanceTransactionTypeStripeFee: other, stripe.BalanceTransactionTypeStripeFxFee: other,
	stripe.BalanceTransactionTypeTaxFee: other, stripe.BalanceTransactionTypeTopupReversal: other,
}
