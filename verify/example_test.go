package verify_test

import (
	"context"
	"fmt"
	"os"

	"github.com/weirhq/weir/simulator"
	"github.com/weirhq/weir/verify"
)

// A service whose pages are short makes the reference wait for days, and loses
// nothing.
func ExampleRun() {
	ctx := context.Background()
	faults := simulator.FaultsOf(simulator.ShortPages)
	psp, err := simulator.New(simulator.Options{Seed: 1, Accounts: 3, Beneficiaries: 10, Transactions: 250})
	if err != nil {
		fmt.Println(err)
		return
	}
	server, err := simulator.Start(ctx, psp, simulator.ServerOptions{Service: simulator.ServiceOptions{Faults: faults}, Direct: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()

	report, err := verify.Run(ctx, verify.Options{Endpoint: server.Endpoint, Key: server.APIKey})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, result := range report.Of(verify.Failed) {
		fmt.Println(result.ID, result.Title)
		fmt.Println("got", result.Findings[0].Got)
		fmt.Println("remedy:", result.Remedy)
	}
	fmt.Println(report.Losses[0].Sentence)
	// Output:
	// C4 A page holds as many rows as were asked for
	// got 50 rows, while there are more
	// remedy: Return pageSize rows as long as there are so many, or refuse the size with 400. 100 must work.
	// Polled by a hub that follows the reference's algorithm, this service would lose none of 250 transactions; it would take 6 polls, 1h40m0s at least, to read the rest.
}

// What was predicted can be read by programs, and by people.
func ExampleReport_Text() {
	report := verify.Report{
		Endpoint: "https://psp.example.com/weir", Profile: verify.Weir, Requests: 1, Judged: true, Passed: true, Verdict: "This service passes: 1 check.",
		Results: []verify.Result{{ID: "A4", Area: verify.Auth.Title(), Title: "the key opens the service", Status: verify.Passed}},
	}
	if err := report.Text(os.Stdout, nil); err != nil {
		fmt.Println(err)
	}
	// Output:
	// Transport and keys
	//   ok   A4   the key opens the service
	//
	// 1 request in 0s, judged for weir
	//
	// This service passes: 1 check.
}
