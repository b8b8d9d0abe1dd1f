// Command stripe is an integration service for Stripe: it speaks the generic
// connector contract over what one Stripe account holds and moves.
//
// source.go reads Stripe for the mirror; contract.go puts Stripe's objects into
// the contract's words. There is nothing else to it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	stripe "github.com/stripe/stripe-go/v85"

	"github.com/weirhq/weir/sdk"
	"github.com/weirhq/weir/sdk/mirror"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8090", "address of the service")
	keyFile := flag.String("api-key-file", "api.key", "file with the keys that open the service, one a line")
	stripeKeyFile := flag.String("stripe-key-file", "stripe.key", "file with a key of Stripe; a restricted one that may read is enough")
	stripeURL := flag.String("stripe-url", stripe.APIURL, "where Stripe's API answers")
	data := flag.String("data", "stripe.db", "file of the mirror")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *listen, *keyFile, *stripeKeyFile, *stripeURL, *data)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "stripe: "+err.Error())
		os.Exit(1)
	}
}

// run pulls and serves until ctx ends.
func run(ctx context.Context, listen, keyFile, stripeKeyFile, stripeURL, data string) (err error) {
	keys, err := os.ReadFile(keyFile)
	if err != nil {
		return fmt.Errorf("read the keys: %w", err)
	}
	stripeKey, err := os.ReadFile(stripeKeyFile)
	if err != nil {
		return fmt.Errorf("read the key of Stripe: %w", err)
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", listen)
	if err != nil {
		return err
	}
	m, err := mirror.Open(ctx, data, mirror.Options{})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	handler, err := newHandler(m, strings.Fields(string(keys)))
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	slog.Default().Info("serving", "service", "http://"+listener.Addr().String())
	ctx, stop := context.WithCancel(ctx)
	var pulling sync.WaitGroup
	pulling.Go(func() { _ = m.Run(ctx, newSource(strings.TrimSpace(string(stripeKey)), stripeURL).sources()...) })
	err = sdk.Serve(ctx, listener, handler)
	stop()
	pulling.Wait()
	return err
}

// newHandler serves the mirror.
func newHandler(m *mirror.Mirror, keys []string) (http.Handler, error) {
	return sdk.New(m.Service(sdk.Service{APIKeys: keys}))
}
