package verify_test

import (
	"testing"
	"time"

	"github.com/weirhq/weir/simulator"
	"github.com/weirhq/weir/verify"
)

func TestARunOverRowsThatNeverRestKeepsToItsRequests(t *testing.T) {
	for _, rows := range []int{100, 300, 1000, 2000} {
		for _, seed := range []uint64{1, 2, 3} {
			options := simulator.Defaults()
			options.Seed, options.Faults, options.Transactions = seed, simulator.FaultsOf(simulator.Moving), rows
			psp, err := simulator.New(options)
			if err != nil {
				t.Fatal(err)
			}
			server, err := simulator.Start(t.Context(), psp, simulator.ServerOptions{
				Service: simulator.ServiceOptions{Faults: options.Faults, Seed: seed}, Direct: true,
			})
			if err != nil {
				t.Fatal(err)
			}
			report, err := verify.Run(t.Context(), verify.Options{Endpoint: server.Endpoint, Key: server.APIKey, Timeout: time.Minute})
			_ = server.Close()
			if err != nil {
				t.Fatal(err)
			}
			if most := report.WalkRequests*3/2 + 200; report.Requests > most {
				t.Errorf("%d rows, seed %d: %d requests, the most is %d", rows, seed, report.Requests, most)
			}
		}
	}
}
