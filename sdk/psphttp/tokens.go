package psphttp

import (
	"context"
	"net/http"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

const (
	// tokenTimeout bounds one request for a token.
	tokenTimeout = 30 * time.Second
	// tokenEarly is how long before its end a token is replaced.
	tokenEarly = 30 * time.Second
)

// tokens holds the token of a client. The library's own source does the same
// for as long as a token lives; it can't be told that the provider has ended one
// early, and who waits for it can't stop waiting.
type tokens struct {
	config *clientcredentials.Config
	client *http.Client
	// turn is held by who looks at the token or asks for one: one at a time.
	turn  chan struct{}
	token *oauth2.Token
}

func newTokens(config *clientcredentials.Config, base http.RoundTripper) *tokens {
	return &tokens{config: config, client: &http.Client{Transport: base, Timeout: tokenTimeout, CheckRedirect: sameHost}, turn: make(chan struct{}, 1)}
}

// get returns a token that is good for a while.
func (t *tokens) get(ctx context.Context) (string, error) {
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	defer func() { <-t.turn }()
	if t.token != nil && t.token.AccessToken != "" && (t.token.Expiry.IsZero() || time.Until(t.token.Expiry) > tokenEarly) {
		return t.token.AccessToken, nil
	}
	token, err := t.config.Token(context.WithValue(ctx, oauth2.HTTPClient, t.client))
	if err != nil {
		return "", err
	}
	t.token = token
	return token.AccessToken, nil
}

// drop forgets the token that the provider has refused, unless another one has
// taken its place already.
func (t *tokens) drop(refused string) {
	t.turn <- struct{}{}
	defer func() { <-t.turn }()
	if t.token != nil && t.token.AccessToken == refused {
		t.token = nil
	}
}
