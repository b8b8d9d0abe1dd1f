package simulator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"strings"
	"time"

	"github.com/weirhq/weir/sdk"
	"github.com/weirhq/weir/wire"
)

// Backend is what the integration service asks of the PSP. A [Client] asks over
// HTTP, as a service in real life does; a [PSP] is asked directly, where a second
// hop would only cost time.
type Backend interface {
	Wallets(context.Context, ListRequest) (List[Wallet], error)
	Counterparties(context.Context, ListRequest) (List[Counterparty], error)
	Movements(context.Context, ListRequest) (List[Movement], error)
	Holdings(ctx context.Context, walletID string) (Holdings, error)
	Withdraw(context.Context, Instruction) (Receipt, error)
	Move(context.Context, Instruction) (Receipt, error)
}

// ServiceOptions say how an integration service behaves.
type ServiceOptions struct {
	// APIKey is what callers must send.
	APIKey string
	// Faults are what is wrong with the service. Those of the data are the PSP's
	// and mean nothing here, so one set may be given to both.
	Faults Faults
	// Seed decides which requests go wrong.
	Seed uint64
	// PSP knows which records are poisoned or flawed. Nil means none.
	PSP *PSP
	// TrapURL is the other host that redirects lead to; see [Trap]. Without one
	// there are no redirects.
	TrapURL string
	// RetryAfter is what the service asks for when it is busy; zero means the
	// shortest that can be written, which is no time at all or, as a date, up to
	// a second.
	RetryAfter time.Duration
	// SlowFor is how long a slow answer takes. Zero means 40 milliseconds.
	SlowFor time.Duration
	// Logger is the service's; nil means that it does not log.
	Logger *slog.Logger
}

// NewService makes the integration service between the PSP and the contract. It
// translates, and stores nothing: sorting, filtering and skipping are the PSP's.
func NewService(psp Backend, options ServiceOptions) (http.Handler, error) {
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	m := &manners{faults: options.Faults, seed: options.Seed, served: map[string]int{}}
	handler, err := sdk.New(sdk.Service{
		APIKeys:       []string{options.APIKey},
		Accounts:      listFunc(m, Accounts, psp.Wallets, account),
		Beneficiaries: listFunc(m, Beneficiaries, psp.Counterparties, beneficiary),
		Transactions:  listFunc(m, Transactions, psp.Movements, transaction),
		Balances: func(ctx context.Context, id string) (wire.Balances, error) {
			holdings, err := psp.Holdings(ctx, id)
			if err != nil {
				return wire.Balances{}, answerable(err)
			}
			return balances(&holdings)
		},
		CreatePayout: func(ctx context.Context, request wire.PayoutRequest) (wire.Payout, error) {
			return instruct(ctx, psp.Withdraw, &request)
		},
		CreateTransfer: func(ctx context.Context, request wire.TransferRequest) (wire.Transfer, error) {
			transfer, err := instruct(ctx, psp.Move, (*wire.PayoutRequest)(&request))
			return wire.Transfer(transfer), err
		},
		Logger: options.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("simulator: %w", err)
	}
	return newTransport(handler, options), nil
}

// listFunc makes a list of the contract out of one of the PSP's.
func listFunc[P, W any](
	m *manners, resource string, fetch func(context.Context, ListRequest) (List[P], error), translate func(*P) (W, error),
) func(context.Context, wire.ListQuery) ([]W, error) {
	ask := func(ctx context.Context, request ListRequest) ([]P, error) {
		page, err := fetch(ctx, request)
		return page.Data, err
	}
	return func(ctx context.Context, q wire.ListQuery) ([]W, error) {
		found, err := bent(ctx, m, resource, q, ask)
		if err != nil {
			return nil, answerable(err)
		}
		rows := make([]W, len(found))
		for i := range found {
			if rows[i], err = translate(&found[i]); err != nil {
				return nil, err
			}
		}
		return rows, nil
	}
}

// answerable gives an error of the PSP its place in the contract.
func answerable(err error) error {
	switch {
	case errors.Is(err, ErrNotFound):
		return sdk.NotFound(err.Error())
	case errors.Is(err, ErrConflict):
		return sdk.Conflict(err.Error())
	case errors.Is(err, ErrRequest):
		return sdk.Refused(err.Error())
	}
	return fmt.Errorf("ask the PSP: %w", errors.Join(err, sdk.Unavailable("The PSP did not answer.", 0)))
}

// The words of the PSP in the words of the contract.
var (
	typeOf = map[kind]wire.TransactionType{
		deposit: wire.TypePayin, withdrawal: wire.TypePayout, internal: wire.TypeTransfer, fee: wire.TypeOther,
	}
	statusOf = map[state]wire.TransactionStatus{
		processing: wire.StatusPending, settled: wire.StatusSucceeded, declined: wire.StatusFailed,
		voided: wire.StatusCancelled, lapsed: wire.StatusExpired,
		reserved: wire.StatusAuthorisation, collected: wire.StatusCapture, collectFailed: wire.StatusCaptureFailed,
		returned: wire.StatusRefunded, returnFailed: wire.StatusRefundedFailure, returnUndone: wire.StatusRefundReversed,
		chargedBack: wire.StatusDispute, chargebackWon: wire.StatusDisputeWon, chargebackLost: wire.StatusDisputeLost,
		underReview: wire.StatusOther,
	}
)

func account(w *Wallet) (wire.Account, error) {
	return wire.Account{ID: w.ID, AccountName: w.Label, CreatedAt: time.UnixMicro(w.OpenedUS).UTC(), Metadata: w.Tags}, nil
}

func beneficiary(c *Counterparty) (wire.Beneficiary, error) {
	return wire.Beneficiary{ID: c.ID, OwnerName: c.Holder, CreatedAt: time.UnixMicro(c.OpenedUS).UTC(), Metadata: c.Tags}, nil
}

func transaction(m *Movement) (wire.Transaction, error) {
	amount, asset, err := fromMoney(m.Money)
	if err != nil {
		return wire.Transaction{}, fmt.Errorf("movement %s: %w", m.ID, err)
	}
	shown := wire.Transaction{
		ID: m.ID, RelatedTransactionID: m.Parent, CreatedAt: m.BookedAt, UpdatedAt: m.ChangedAt,
		Currency: asset, Scheme: strings.ToUpper(m.Scheme), Type: typeOf[kind(m.Kind)], Status: statusOf[state(m.State)],
		Amount: amount, SourceAccountID: m.From, DestinationAccountID: m.To, Metadata: m.Tags,
	}
	if shown.RelatedTransactionID == "" {
		shown.RelatedTransactionID = m.ClientReference
	}
	return shown, nil
}

func balances(h *Holdings) (wire.Balances, error) {
	shown := wire.Balances{ID: h.Wallet, AccountID: h.Wallet, At: h.AsOf, Balances: make([]wire.Balance, len(h.Held))}
	for i, held := range h.Held {
		var err error
		if shown.Balances[i].Amount, shown.Balances[i].Currency, err = fromMoney(held); err != nil {
			return wire.Balances{}, fmt.Errorf("holdings of %s: %w", h.Wallet, err)
		}
	}
	return shown, nil
}

// instruct passes a payout or transfer on. The PSP keeps one receipt for each
// reference, so a repetition is answered as the first time.
func instruct(
	ctx context.Context, send func(context.Context, Instruction) (Receipt, error), request *wire.PayoutRequest,
) (wire.Payout, error) {
	money, err := toMoney(request.Amount, request.Currency)
	if err != nil {
		return wire.Payout{}, sdk.Refused(err.Error())
	}
	receipt, err := send(ctx, Instruction{
		Reference: request.IdempotencyKey, From: request.SourceAccountID, To: request.DestinationAccountID,
		Money: money, Text: request.Description, Tags: request.Metadata,
	})
	if err != nil {
		return wire.Payout{}, answerable(err)
	}
	m := &receipt.Movement
	return wire.Payout{
		ID: m.ID, Status: statusOf[state(m.State)], CreatedAt: m.BookedAt, UpdatedAt: m.ChangedAt,
		Metadata: receipt.Instruction.Tags,
	}, nil
}

// fromMoney gives the amount and asset of the contract.
func fromMoney(m Money) (wire.Amount, string, error) {
	places, err := placesOf(m.Currency)
	if err != nil {
		return "", "", err
	}
	units, err := parseDecimal(m.Amount, places)
	if err != nil {
		return "", "", err
	}
	return wire.AmountOf(units), asset(m.Currency, places), nil
}

// toMoney is the way back.
func toMoney(amount wire.Amount, of string) (Money, error) {
	code, _, _ := strings.Cut(of, "/")
	places, err := placesOf(code)
	if err != nil {
		return Money{}, err
	}
	if of != asset(code, places) {
		return Money{}, fmt.Errorf("%s has %d digits after the point: it is written %s", code, places, asset(code, places))
	}
	var units *big.Int
	if units, err = amount.Int(); err != nil {
		return Money{}, err
	}
	return Money{Amount: decimal(units, places), Currency: code}, nil
}
