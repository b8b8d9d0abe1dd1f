package sdk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/weirhq/weir/wire"
)

// orderBytesMax bounds the body of a payout or transfer.
const orderBytesMax = 1 << 20

// newRoutes lays out the paths of the contract and the service's own.
func (h *handler) newRoutes() map[string]route {
	s := &h.service
	return map[string]route{
		wire.PathAccounts: {http.MethodGet, list(h, wire.SortCreatedAt, s.Accounts, AccountKey,
			(*wire.Account).Validate, encode[[]wire.Account])},
		wire.PathBeneficiaries: {http.MethodGet, list(h, wire.SortCreatedAt, s.Beneficiaries, BeneficiaryKey,
			(*wire.Beneficiary).Validate, encode[[]wire.Beneficiary])},
		wire.PathTransactions: {http.MethodGet, list(h, wire.SortUpdatedAt, s.Transactions, TransactionKey,
			(*wire.Transaction).Validate, encode[[]wire.Transaction])},
		wire.PathBalances:     {http.MethodGet, h.balances},
		wire.PathPayouts:      {http.MethodPost, h.createPayout},
		wire.PathTransfers:    {http.MethodPost, h.createTransfer},
		wire.PathCapabilities: {http.MethodGet, h.capabilities},
		pathOpenAPI:           {http.MethodGet, h.openAPI},
	}
}

// list makes the route of one list. A service without it has an empty one: a
// hub that knows no capabilities asks for every list, and an error there would
// look like a service that is down.
func list[T any](
	h *handler, sortKey wire.SortKey, rows func(context.Context, wire.ListQuery) ([]T, error), key Key[T],
	validate func(*T) error, encode func(int, []T) (answer, error),
) func(context.Context, *http.Request, string) (answer, error) {
	return func(ctx context.Context, r *http.Request, _ string) (answer, error) {
		q, err := wire.ParseListQuery(r.URL.Query(), sortKey)
		if err != nil {
			return answer{}, badRequest(err.Error())
		}
		if q.PageSize > h.service.PageSizeMax {
			return answer{}, badRequest(fmt.Sprintf("pageSize must be at most %d, not %d", h.service.PageSizeMax, q.PageSize))
		}
		if rows == nil {
			return encode(http.StatusOK, nil)
		}
		page, err := rows(ctx, q)
		if err != nil {
			return answer{}, err
		}
		for i := range page {
			if err := validate(&page[i]); err != nil {
				_, id := key(&page[i])
				return answer{}, broken("Record %d of the page, with the id %.40q, can't be served: %v.", i+1, id, err)
			}
		}
		if why := suspicion(page, q, key); why != "" {
			h.log.WarnContext(ctx, "the list is not as the contract says", "path", r.URL.Path, "why", why, "request_id", RequestID(ctx))
		}
		return encode(http.StatusOK, page)
	}
}

// suspicion says what is wrong with a page as a whole. It is served all the
// same: a careful hub copes with it, and a hub that does not is no worse off than
// with nothing.
func suspicion[T any](page []T, q wire.ListQuery, key Key[T]) string {
	if len(page) > q.PageSize {
		return fmt.Sprintf("it has %d rows where %d were asked for", len(page), q.PageSize)
	}
	var last time.Time
	for i := range page {
		at, id := key(&page[i])
		if at.Before(q.From) {
			return fmt.Sprintf("%s of %.40q is before the %s that was asked for", q.Sort, id, q.Sort.From())
		}
		if at.Before(last) {
			return fmt.Sprintf("it is not in order of %s: see %.40q", q.Sort, id)
		}
		last = at
	}
	return ""
}

func (h *handler) balances(ctx context.Context, _ *http.Request, accountID string) (answer, error) {
	if len(accountID) > wire.MaxIDBytes {
		return answer{}, badRequest(fmt.Sprintf("The account id must have at most %d bytes.", wire.MaxIDBytes))
	}
	balances := wire.Balances{ID: accountID, AccountID: accountID, At: h.started}
	if h.service.Balances != nil {
		var err error
		if balances, err = h.service.Balances(ctx, accountID); err != nil {
			return answer{}, err
		}
		if balances.ID == "" {
			balances.ID = accountID
		}
		if err := balancesError(&balances, accountID); err != nil {
			return answer{}, broken("The balances of %.40q can't be served: %v.", accountID, err)
		}
	}
	return encode(http.StatusOK, balances)
}

// balancesError says what can't be true of the balances of an account.
func balancesError(b *wire.Balances, accountID string) error {
	if err := b.Validate(); err != nil {
		return err
	}
	if b.AccountID != accountID {
		return fmt.Errorf("accountID is %.40q", b.AccountID)
	}
	seen := make(map[string]bool, len(b.Balances))
	for _, balance := range b.Balances {
		if seen[balance.Currency] {
			return fmt.Errorf("%s has more than one entry", balance.Currency)
		}
		seen[balance.Currency] = true
	}
	return nil
}

func (h *handler) createPayout(ctx context.Context, r *http.Request, _ string) (answer, error) {
	if h.service.CreatePayout == nil {
		return answer{}, NotFound("This service makes no payouts.")
	}
	request, err := readOrder(r, wire.DecodePayoutRequest)
	if err != nil {
		return answer{}, err
	}
	payout, err := h.service.CreatePayout(ctx, request)
	if err != nil {
		return answer{}, err
	}
	echo(&payout, &request)
	if err := payout.Validate(); err != nil {
		return answer{}, broken("The answer to the payout %.40q can't be served: %v.", request.IdempotencyKey, err)
	}
	return encode(http.StatusCreated, payout)
}

func (h *handler) createTransfer(ctx context.Context, r *http.Request, _ string) (answer, error) {
	if h.service.CreateTransfer == nil {
		return answer{}, NotFound("This service makes no transfers.")
	}
	request, err := readOrder(r, wire.DecodeTransferRequest)
	if err != nil {
		return answer{}, err
	}
	transfer, err := h.service.CreateTransfer(ctx, request)
	if err != nil {
		return answer{}, err
	}
	echo((*wire.Payout)(&transfer), (*wire.PayoutRequest)(&request))
	if err := transfer.Validate(); err != nil {
		return answer{}, broken("The answer to the transfer %.40q can't be served: %v.", request.IdempotencyKey, err)
	}
	return encode(http.StatusCreated, transfer)
}

// readOrder reads the body of a request to move money. What is merely odd in a
// list is refused here: of a key given twice nobody knows which one was meant.
func readOrder[T any](r *http.Request, decode func([]byte) (wire.Record[T], error)) (order T, err error) {
	if contentType := r.Header.Get("Content-Type"); contentType != "" {
		if kind, _, err := mime.ParseMediaType(contentType); err != nil || kind != "application/json" {
			return order, &Error{Status: http.StatusUnsupportedMediaType, Title: "Unsupported media type", Detail: "Send the request as application/json."}
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, orderBytesMax))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return order, &Error{Status: http.StatusRequestEntityTooLarge, Title: "Too large", Detail: fmt.Sprintf("The body must have at most %d bytes.", orderBytesMax)}
	}
	if err != nil {
		return order, badRequest("The body could not be read to its end.")
	}
	record, err := decode(body)
	switch {
	case err != nil:
		return order, badRequest(err.Error())
	case record.Err != nil:
		return order, badRequest(record.Err.Error())
	case len(record.Flaws) > 0:
		return order, badRequest(record.Flaws[0])
	}
	return record.Value, nil
}

// echo fills in what the answer leaves empty and the request has.
func echo(p *wire.Payout, request *wire.PayoutRequest) {
	for _, pair := range []struct {
		answer  *string
		request string
	}{
		{&p.IdempotencyKey, request.IdempotencyKey},
		{(*string)(&p.Amount), string(request.Amount)},
		{&p.Currency, request.Currency},
		{&p.SourceAccountID, request.SourceAccountID},
		{&p.DestinationAccountID, request.DestinationAccountID},
		{&p.Description, request.Description},
	} {
		if *pair.answer == "" {
			*pair.answer = pair.request
		}
	}
}

func (h *handler) capabilities(context.Context, *http.Request, string) (answer, error) {
	return encode(http.StatusOK, wire.Capabilities{
		Version: wire.Version, PageSizeMax: h.service.PageSizeMax, Resources: h.service.resources(),
	})
}

func (h *handler) openAPI(context.Context, *http.Request, string) (answer, error) {
	return answer{status: http.StatusOK, contentType: "application/yaml", body: wire.OpenAPI()}, nil
}
