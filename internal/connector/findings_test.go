package connector

import (
	"testing"

	"github.com/weirhq/weir/internal/hub"
)

func TestReadingTakesBackWhatALookFoundAndReadingKnowsBetter(t *testing.T) {
	known := []hub.Finding{
		{Code: hub.LookCode("C4"), Text: "short pages"}, {Code: hub.LookCode("D1"), Text: "no order"}, {Code: hub.LookCode("G4"), Text: "no decimals"},
	}
	tests := []struct {
		name      string
		notices   hub.FindingCode
		pages     int
		fullPages bool
		left      []hub.FindingCode
	}{
		{"one page says little", "", 1, false, []hub.FindingCode{"LOOK_C4", "LOOK_D1", "LOOK_G4"}},
		{"full pages in order", "", 3, true, []hub.FindingCode{"LOOK_G4"}},
		{"short pages in order", hub.FindingPageCapped, 3, false, []hub.FindingCode{"LOOK_G4", hub.FindingPageCapped}},
		{"full pages out of order", hub.FindingNotAscending, 3, true, []hub.FindingCode{"LOOK_G4", hub.FindingNotAscending}},
	}
	for _, test := range tests {
		noticed := new(findings)
		if test.notices != "" {
			noticed.add(test.notices, false, "seen")
		}
		noticed.conclude(known, test.pages, test.fullPages)
		left := map[hub.FindingCode]bool{}
		for _, f := range hub.MergeFindings(known, noticed.take(noon)) {
			left[f.Code] = true
		}
		for _, code := range test.left {
			if !left[code] {
				t.Errorf("%s: %s is gone", test.name, code)
			}
		}
		if len(left) != len(test.left) {
			t.Errorf("%s: left is %v, want %v", test.name, left, test.left)
		}
	}
}
