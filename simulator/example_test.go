package simulator_test

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/weirhq/weir/simulator"
)

// A PSP whose records share instants and are sometimes poisoned, served with
// both faults over HTTP, and the truth that a reader must come to.
func Example() {
	ctx := context.Background()
	options := simulator.Defaults()
	options.Seed = 42
	options.Faults = simulator.FaultsOf(simulator.Ties, simulator.Poison)
	psp, err := simulator.New(options)
	if err != nil {
		panic(err)
	}
	server, err := simulator.Start(ctx, psp, simulator.ServerOptions{
		Service: simulator.ServiceOptions{Seed: options.Seed, Faults: options.Faults},
	})
	if err != nil {
		panic(err)
	}
	defer server.Close()

	psp.Step(100) // life goes on
	psp.Settle()  // and ends

	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.Endpoint+"/accounts?pageSize=100", nil)
	if err != nil {
		panic(err)
	}
	request.Header.Set("Authorization", "Bearer "+server.APIKey)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		panic(err)
	}
	defer response.Body.Close()
	first, err := io.ReadAll(io.LimitReader(response.Body, 30))
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s…\n", first)
	fmt.Println(simulator.DigestOf(psp.Records(simulator.Accounts)).Count, "accounts can be read")
	fmt.Println(psp.Poisoned()[0].Why)
	// Output:
	// [{"id":"wal_000001","accountNa…
	// 15 accounts can be read
	// metadata holds a number
}
