package hub

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// shown is a version with bytes as a service would send them.
func shown(minutes int, status PaymentStatus, amount int64) PaymentAdjustment {
	a := show("p", minutes, status, amount)
	a.Raw = fmt.Appendf(nil, `{"id":"p","status":%q,"amount":"%d","updatedAt":%q}`, status, amount, a.UpdatedAt.Format(time.RFC3339))
	return a
}

// admit offers versions one after the other and returns the verdicts.
func admit(stored []PaymentAdjustment, offered ...PaymentAdjustment) ([]PaymentAdjustment, []Verdict) {
	var verdicts []Verdict
	for _, o := range offered {
		v := Admit(stored, &o)
		if verdicts = append(verdicts, v); v != Known {
			stored = append(stored, o)
		}
	}
	return stored, verdicts
}

func TestAdmitKeepsWhatDiffersFromTheNewest(t *testing.T) {
	for _, c := range []struct {
		name    string
		offered []PaymentAdjustment
		want    []Verdict
	}{
		{"the same twice", []PaymentAdjustment{shown(0, Pending, 1), shown(0, Pending, 1)}, []Verdict{New, Known}},
		{"a status that returns", []PaymentAdjustment{shown(0, Pending, 1), shown(1, Failed, 1), shown(2, Pending, 1)}, []Verdict{New, New, New}},
		{"an older version, once", []PaymentAdjustment{shown(2, Succeeded, 1), shown(1, Pending, 1), shown(1, Pending, 1)}, []Verdict{New, Older, Known}},
		{"only the stamp moved", []PaymentAdjustment{shown(0, Pending, 1), shown(1, Pending, 1)}, []Verdict{New, New}},
		{"a change under one stamp", []PaymentAdjustment{shown(0, Pending, 1), shown(0, Succeeded, 1), shown(0, Succeeded, 1)}, []Verdict{New, Conflicting, Known}},
	} {
		if _, got := admit(nil, c.offered...); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestVersionsWithOneIdentifierAreNumbered(t *testing.T) {
	stored, _ := admit(nil, shown(0, Pending, 1), shown(1, Failed, 1), shown(2, Pending, 1), shown(3, Pending, 2))
	payment := PaymentID{Connector: generic, Reference: "p", Type: PayIn}
	seen := map[string]bool{}
	for i := range stored {
		key := stored[i].EventKey(payment)
		if seen[key] {
			t.Errorf("adjustment %d has the key of an earlier one", i)
		}
		seen[key] = true
	}
	if stored[0].Version != 1 || stored[2].Version != 2 || stored[3].Version != 3 {
		t.Errorf("versions %d, %d, %d, want 1, 2, 3", stored[0].Version, stored[2].Version, stored[3].Version)
	}
}

func TestHowAThingIsSaidIsNotWhatIsSaid(t *testing.T) {
	for _, c := range []struct {
		name, a, b string
		same       bool
	}{
		{"key order and space", `{"a":1,"b":"x"}`, ` { "b" : "x", "a" : 1 } `, true},
		{"the offset of an instant", `{"createdAt":"2024-05-01T12:00:00+02:00"}`, `{"createdAt":"2024-05-01T10:00:00Z"}`, true},
		{"leading zeros", `{"amount":"007"}`, `{"amount":"7"}`, true},
		{"another amount", `{"amount":"7"}`, `{"amount":"8"}`, false},
		{"a large number", `{"x":9007199254740993}`, `{"x":9007199254740992}`, false},
		{"a field more", `{"a":1}`, `{"a":1,"b":null}`, false},
		{"no object", `[1]`, `[ 1]`, false},
	} {
		if got := SameContent([]byte(c.a), []byte(c.b)); got != c.same {
			t.Errorf("%s: same = %t, want %t", c.name, got, c.same)
		}
	}
}

func TestAmountsOfAnySizeAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`-?[1-9][0-9]{0,60}`).Draw(t, "amount")
		a, err := ParseAmount(text)
		if err != nil {
			t.Fatal(err)
		}
		json, err := a.MarshalJSON()
		if err != nil || string(json) != text || a.String() != text {
			t.Fatalf("%s came back as %s, %v", text, json, err)
		}
		var back Amount
		if err := back.UnmarshalJSON(json); err != nil || !back.Equal(a) {
			t.Fatalf("%s was read back as %s, %v", text, back, err)
		}
		if !a.Add(a).Sub(a).Equal(a) {
			t.Fatalf("%s + itself - itself is another amount", text)
		}
	})
	var zero Amount
	for _, bad := range []string{`"5"`, "1.5", "1e3", "", "null"} {
		if err := zero.UnmarshalJSON([]byte(bad)); err == nil {
			t.Errorf("%s was read as an amount", bad)
		}
	}
}

func TestABalanceThatChangesUnderOneInstantHasMoved(t *testing.T) {
	newest := &Balance{Amount: NewAmount(5), LastUpdatedAt: morning}
	for _, c := range []struct {
		minutes int
		amount  int64
		want    BalanceChange
	}{{-1, 9, BalanceStale}, {0, 5, BalanceSame}, {1, 5, BalanceSame}, {0, 9, BalanceMoved}, {1, 9, BalanceMoved}} {
		shown := &Balance{Amount: NewAmount(c.amount), LastUpdatedAt: morning.Add(time.Duration(c.minutes) * time.Minute)}
		if got := CompareBalance(newest, shown); got != c.want {
			t.Errorf("%d after %d minutes: %v, want %v", c.amount, c.minutes, got, c.want)
		}
	}
}

func TestAFindingReplacesItsKindUntilItIsWithdrawn(t *testing.T) {
	found := MergeFindings(nil, []Finding{{Code: FindingLateRows, Text: "one"}, {Code: FindingFutureRows, Text: "two"}})
	found = MergeFindings(found, []Finding{{Code: FindingLateRows, Text: "three"}})
	if len(found) != 2 || found[1].Text != "three" {
		t.Errorf("findings = %v, want the later text once", found)
	}
	if found = MergeFindings(found, []Finding{FindingLateRows.Withdraw()}); len(found) != 1 || found[0].Code != FindingFutureRows {
		t.Errorf("findings = %v, want the withdrawn one gone", found)
	}
}
