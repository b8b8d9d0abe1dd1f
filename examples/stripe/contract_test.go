package main

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	stripe "github.com/stripe/stripe-go/v85"

	"github.com/weirhq/weir/wire"
)

// constants reads the values of a type's constants in the client library's own
// source, so that an update of the library that knows more fails the tests.
func constants(t *testing.T, file, typeName string) []string {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.Dir}}", "github.com/stripe/stripe-go/v85").Output()
	if err != nil {
		t.Fatal(err)
	}
	source, err := parser.ParseFile(token.NewFileSet(), filepath.Join(strings.TrimSpace(string(dir)), file), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	ast.Inspect(source, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if name, ok := spec.Type.(*ast.Ident); ok && name.Name == typeName {
			value, _ := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			values = append(values, value)
		}
		return true
	})
	if len(values) == 0 {
		t.Fatalf("%s has no constants of %s", file, typeName)
	}
	return values
}

func TestEveryTypeOfBalanceTransactionHasAMeaning(t *testing.T) {
	named := constants(t, "balancetransaction.go", "BalanceTransactionType")
	for _, name := range named {
		if _, known := meanings[stripe.BalanceTransactionType(name)]; !known {
			t.Errorf("the type %s has no meaning: give it one in meanings.go", name)
		}
	}
	if len(named) != len(meanings) {
		t.Errorf("there are %d meanings for %d types", len(meanings), len(named))
	}
}

func TestEveryStatusOfABalanceTransactionHasAMeaning(t *testing.T) {
	var words []stripe.BalanceTransactionStatus
	for _, name := range constants(t, "balancetransaction.go", "BalanceTransactionStatus") {
		words = append(words, stripe.BalanceTransactionStatus(name))
	}
	if err := statuses.Check(words...); err != nil {
		t.Error(err)
	}
}

// Each is Stripe's JSON, for the client library decides what becomes of it.
func TestABalanceTransactionIsPutIntoTheContractsWords(t *testing.T) {
	for name, test := range map[string]struct{ said, want string }{
		"a charge": {
			`{"id":"txn_1","type":"charge","amount":1250,"currency":"eur","status":"pending","source":{"object":"charge","id":"ch_1"}}`,
			"PAYIN PENDING 1250 EUR/2  -> own",
		},
		"a currency without decimals": {
			`{"id":"txn_1","type":"charge","amount":500,"currency":"jpy","status":"available"}`,
			"PAYIN SUCCEEDED 500 JPY/0  -> own",
		},
		"a currency that kept its decimals at Stripe": {
			`{"id":"txn_1","type":"charge","amount":500,"currency":"ugx","status":"available"}`,
			"PAYIN SUCCEEDED 500 UGX/2  -> own",
		},
		"a refund": {
			`{"id":"txn_2","type":"refund","amount":-250,"currency":"eur","status":"available","source":{"object":"refund","id":"re_1","charge":{"id":"ch_1","balance_transaction":"txn_1"}}}`,
			"PAYIN REFUNDED 250 EUR/2  -> own relates to txn_1",
		},
		"a payout": {
			`{"id":"txn_3","type":"payout","amount":-9000,"currency":"eur","status":"available","source":{"object":"payout","id":"po_1","destination":"ba_1","balance_transaction":"txn_3"}}`,
			"PAYOUT SUCCEEDED 9000 EUR/2 own -> ba_1",
		},
		"a payout that came back": {
			`{"id":"txn_4","type":"payout_failure","amount":9000,"currency":"eur","status":"available","source":{"object":"payout","id":"po_1","destination":"ba_1","balance_transaction":"txn_3"}}`,
			"PAYOUT FAILED 9000 EUR/2 own -> ba_1 relates to txn_3",
		},
		"a transfer": {
			`{"id":"txn_5","type":"transfer","amount":-70,"currency":"eur","status":"available","source":{"object":"transfer","id":"tr_1","destination":"acct_2","balance_transaction":"txn_5"}}`,
			"TRANSFER SUCCEEDED 70 EUR/2 own -> acct_2",
		},
		"a fee": {
			`{"id":"txn_6","type":"stripe_fee","amount":-30,"currency":"eur","status":"available"}`,
			"OTHER SUCCEEDED 30 EUR/2 own -> ",
		},
		"a type that nobody knows yet": {
			`{"id":"txn_7","type":"novelty","amount":1,"currency":"eur","status":"settling"}`,
			"OTHER OTHER 1 EUR/2  -> own",
		},
		"a currency that nobody knows": {
			`{"id":"txn_8","type":"charge","amount":1,"currency":"zzz","status":"available"}`,
			"   ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var said stripe.BalanceTransaction
			if err := json.Unmarshal([]byte(test.said), &said); err != nil {
				t.Fatal(err)
			}
			if got := short(contractTransaction(&said, "own")); strings.TrimSpace(got) != strings.TrimSpace(test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// short writes a transaction in a line; one that is to be put aside is empty.
func short(row wire.Transaction) string {
	if row.CreatedAt.IsZero() {
		return ""
	}
	text := strings.Join([]string{string(row.Type), string(row.Status), string(row.Amount), row.Currency, row.SourceAccountID, "->", row.DestinationAccountID}, " ")
	if row.RelatedTransactionID != "" {
		text += " relates to " + row.RelatedTransactionID
	}
	return text
}

func TestABalanceIsWhatIsAvailableAndWhatIsPending(t *testing.T) {
	var said stripe.Balance
	err := json.Unmarshal([]byte(`{"available":[{"amount":-120,"currency":"eur"},{"amount":5,"currency":"jpy"}],"pending":[{"amount":1000,"currency":"eur"}]}`), &said)
	if err != nil {
		t.Fatal(err)
	}
	got, err := contractBalances("acct_1", &said)
	if err != nil || len(got.Balances) != 2 || got.Balances[0] != (wire.Balance{Amount: "880", Currency: "EUR/2"}) ||
		got.Balances[1] != (wire.Balance{Amount: "5", Currency: "JPY/0"}) {
		t.Errorf("got %+v, %v; want 8.80 euros and 5 yen", got, err)
	}
}
