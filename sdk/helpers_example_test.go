package sdk_test

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/weirhq/weir/sdk"
	"github.com/weirhq/weir/wire"
)

// A provider's JSON becomes a transaction, with nothing guessed.
func Example_translate() {
	var charge struct {
		Reference string      `json:"reference"`
		Value     json.Number `json:"value"` // never float64
		Currency  string      `json:"currency"`
		Booked    string      `json:"booked"`
		State     string      `json:"state"`
	}
	_ = json.Unmarshal([]byte(`{"reference":"A/17","value":12.50,"currency":"EUR","booked":"2026-01-31","state":"settled"}`), &charge)

	currencies := sdk.Currencies{"USDC": 6}
	times := sdk.Times{Zone: time.UTC, Dates: sdk.DateStart}
	statuses := sdk.NewStatusTable(nil, map[string]wire.TransactionStatus{"settled": wire.StatusSucceeded})

	amount, asset, err := currencies.Money(charge.Value.String(), charge.Currency)
	if err != nil {
		fmt.Println(err)
		return
	}
	booked, err := times.Parse(charge.Booked)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(sdk.ID(charge.Reference, charge.Booked), amount, asset, booked, statuses.Status(charge.State))
	// Output: A~2f17:2026-01-31 1250 EUR/2 2026-01-31 00:00:00 +0000 UTC SUCCEEDED
}
