package simulator

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// instructionBytesMax and answerBytesMax bound what either side reads.
const (
	instructionBytesMax = 1 << 20
	answerBytesMax      = 64 << 20
)

// keyHeader is where the protocol has its key, unlike the contract.
const keyHeader = "X-Api-Key"

// problem is the body of the protocol's errors.
type problem struct {
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// codes are the protocol's names for errors, with the status each has.
var codes = []struct {
	err    error
	code   string
	status int
}{
	{ErrNotFound, "not_found", http.StatusNotFound},
	{ErrRequest, "bad_request", http.StatusUnprocessableEntity},
	{ErrConflict, "conflict", http.StatusConflict},
}

// Handler answers the PSP's protocol over HTTP, to those who send the key in
// the header X-Api-Key.
func Handler(psp *PSP, key string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/wallets", serveList(psp.Wallets))
	mux.HandleFunc("GET /v1/counterparties", serveList(psp.Counterparties))
	mux.HandleFunc("GET /v1/movements", serveList(psp.Movements))
	mux.HandleFunc("GET /v1/wallets/{id}/holdings", func(w http.ResponseWriter, r *http.Request) {
		reply(w)(psp.Holdings(r.Context(), r.PathValue("id")))
	})
	mux.HandleFunc("POST /v1/withdrawals", serveInstruction(psp.Withdraw))
	mux.HandleFunc("POST /v1/moves", serveInstruction(psp.Move))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get(keyHeader)), []byte(key)) != 1 {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func serveList[T any](rows func(context.Context, ListRequest) (List[T], error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		request, err := parseListRequest(r.URL.Query())
		if err != nil {
			reply(w)(nil, fmt.Errorf("%w: %w", ErrRequest, err))
			return
		}
		reply(w)(rows(r.Context(), request))
	}
}

func serveInstruction(send func(context.Context, Instruction) (Receipt, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var i Instruction
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, instructionBytesMax)).Decode(&i); err != nil {
			reply(w)(nil, fmt.Errorf("%w: %w", ErrRequest, err))
			return
		}
		reply(w)(send(r.Context(), i))
	}
}

// reply writes a value, or the error in its place.
func reply(w http.ResponseWriter) func(value any, err error) {
	return func(value any, err error) {
		w.Header().Set("Content-Type", "application/json")
		if err != nil {
			var p problem
			p.Error.Code, p.Error.Message = "internal", err.Error()
			status := http.StatusInternalServerError
			for _, known := range codes {
				if errors.Is(err, known.err) {
					p.Error.Code, status = known.code, known.status
				}
			}
			w.WriteHeader(status)
			value = p
		}
		_ = json.NewEncoder(w).Encode(value) // the caller may have gone
	}
}

func (request ListRequest) values() url.Values {
	values := url.Values{}
	if !request.Since.IsZero() {
		values.Set("since", request.Since.UTC().Format(time.RFC3339Nano))
	}
	if request.Sort != "" {
		values.Set("sort", request.Sort)
	}
	if request.Cursor != "" {
		values.Set("cursor", request.Cursor)
	}
	values.Set("skip", strconv.Itoa(request.Skip))
	values.Set("limit", strconv.Itoa(request.Limit))
	return values
}

func parseListRequest(values url.Values) (ListRequest, error) {
	request := ListRequest{Sort: values.Get("sort"), Cursor: values.Get("cursor")}
	var err error
	if since := values.Get("since"); since != "" {
		if request.Since, err = time.Parse(time.RFC3339Nano, since); err != nil {
			return request, err
		}
	}
	for name, into := range map[string]*int{"skip": &request.Skip, "limit": &request.Limit} {
		if text := values.Get(name); text != "" {
			if *into, err = strconv.Atoi(text); err != nil {
				return request, err
			}
		}
	}
	return request, nil
}

// Client asks a PSP over HTTP, as an integration service does.
type Client struct {
	// URL is where the protocol is served, without a slash at the end.
	URL string
	Key string
	// HTTP is used for the requests.
	HTTP *http.Client
}

// Wallets lists the wallets.
func (c *Client) Wallets(ctx context.Context, request ListRequest) (List[Wallet], error) {
	return get[List[Wallet]](ctx, c, "/v1/wallets?"+request.values().Encode())
}

// Counterparties lists the counterparties.
func (c *Client) Counterparties(ctx context.Context, request ListRequest) (List[Counterparty], error) {
	return get[List[Counterparty]](ctx, c, "/v1/counterparties?"+request.values().Encode())
}

// Movements lists the movements.
func (c *Client) Movements(ctx context.Context, request ListRequest) (List[Movement], error) {
	return get[List[Movement]](ctx, c, "/v1/movements?"+request.values().Encode())
}

// Holdings returns what a wallet holds.
func (c *Client) Holdings(ctx context.Context, walletID string) (Holdings, error) {
	return get[Holdings](ctx, c, "/v1/wallets/"+url.PathEscape(walletID)+"/holdings")
}

// Withdraw sends money to a counterparty.
func (c *Client) Withdraw(ctx context.Context, i Instruction) (Receipt, error) {
	return post[Receipt](ctx, c, "/v1/withdrawals", i)
}

// Move moves money between two wallets.
func (c *Client) Move(ctx context.Context, i Instruction) (Receipt, error) {
	return post[Receipt](ctx, c, "/v1/moves", i)
}

func get[T any](ctx context.Context, c *Client, path string) (T, error) {
	return do[T](ctx, c, http.MethodGet, path, nil)
}

func post[T any](ctx context.Context, c *Client, path string, body any) (T, error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return *new(T), err
	}
	return do[T](ctx, c, http.MethodPost, path, encoded)
}

// do sends a request and reads its answer, or the error in its place.
func do[T any](ctx context.Context, c *Client, method, path string, body []byte) (value T, err error) {
	request, err := http.NewRequestWithContext(ctx, method, c.URL+path, bytes.NewReader(body)) //nolint:gosec // the address is the caller's own PSP
	if err != nil {
		return value, err
	}
	request.Header.Set(keyHeader, c.Key)
	response, err := c.HTTP.Do(request) //nolint:gosec // as above
	if err != nil {
		return value, err
	}
	defer response.Body.Close()
	answer := json.NewDecoder(io.LimitReader(response.Body, answerBytesMax))
	if response.StatusCode == http.StatusOK {
		err = answer.Decode(&value)
		return value, err
	}
	var p problem
	_ = answer.Decode(&p) // an unreadable one leaves the status to say it all
	for _, known := range codes {
		if known.code == p.Error.Code {
			return value, fmt.Errorf("%w: %s", known.err, p.Error.Message)
		}
	}
	return value, fmt.Errorf("%s %s: status %d %s", method, path, response.StatusCode, p.Error.Message)
}
