package statements

import (
	"math/big"
	"strings"
	"testing"
)

func TestChain(t *testing.T) {
	link := func(number, from, to string, opening, closing int64) Link {
		return Link{Account: "A", Currency: "EUR", Number: number, From: from, To: to, Opening: big.NewInt(opening), Closing: big.NewInt(closing)}
	}
	for _, test := range []struct {
		name  string
		links []Link
		gaps  []string
	}{
		{"in any order", []Link{link("3", "2026-01-03", "2026-01-03", 20, 30), link("1", "2026-01-01", "2026-01-01", 0, 10), link("2", "2026-01-02", "2026-01-02", 10, 20)}, nil},
		{"days without a statement", []Link{link("1", "2026-01-01", "2026-01-01", 0, 10), link("2", "2026-02-09", "2026-02-09", 10, 20)}, nil},
		{"without numbers", []Link{link("", "2026-01-01", "2026-01-01", 0, 10), link("", "2026-01-05", "2026-01-05", 11, 20)}, []string{"2026-01-01 2026-01-05 0.01 EUR"}},
		{"a new year begins at 1", []Link{link("250", "2025-12-31", "2025-12-31", 0, 10), link("1", "2026-01-02", "2026-01-02", 10, 20)}, nil},
		{"movements that cancel out", []Link{link("1", "2026-01-01", "2026-01-01", 0, 10), link("3", "2026-01-03", "2026-01-03", 10, 20)}, []string{"2026-01-01 2026-01-03 number 2"}},
		{"two on one day by number", []Link{link("2", "2026-01-01", "2026-01-01", 10, 20), link("1", "2026-01-01", "2026-01-01", 0, 10)}, nil},
	} {
		gaps := Chain(test.links, nil)
		if len(gaps) != len(test.gaps) {
			t.Errorf("%s: gaps %+v, want %d", test.name, gaps, len(test.gaps))
			continue
		}
		for i, says := range test.gaps {
			all := gaps[i].After + " " + gaps[i].Before + " " + gaps[i].Why
			for _, part := range strings.Fields(says) {
				if !strings.Contains(all, part) {
					t.Errorf("%s: %q does not say %q", test.name, all, part)
				}
			}
		}
	}
}

func TestContractIDsAreSafeInPathsAndNeverMeet(t *testing.T) {
	seen := map[string]string{}
	for _, identification := range []string{"NL05LOCK0300065264", "50880050/0194", "50880050~2f0194", "50880050-0194", "a b", "a%20b", "ä"} {
		id := ContractID(identification)
		if strings.ContainsAny(id, "/?#% ä") {
			t.Errorf("%q becomes %q", identification, id)
		}
		if before, ok := seen[id]; ok {
			t.Errorf("%q and %q both become %q", before, identification, id)
		}
		seen[id] = identification
	}
}

func TestCurrenciesBecomeAssets(t *testing.T) {
	for currency, want := range map[string]string{"EUR": "EUR/2", "JPY": "JPY/0", "KWD": "KWD/3", "CLF": "CLF/4", "DEM": "DEM/2"} {
		if asset, err := Places(nil).Asset(currency); asset != want || err != nil {
			t.Errorf("%s: %q, want %q: %v", currency, asset, want, err)
		}
	}
	if asset, err := (Places{"EUR": 4}).Asset("EUR"); err != nil || asset != "EUR/4" {
		t.Errorf("an override gives %q, %v", asset, err)
	}
}
