package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/weirhq/weir/wire"
)

// metadataBytesMax bounds one value of metadata. A hub keeps and indexes them;
// a document belongs elsewhere.
const metadataBytesMax = 64 << 10

var schemaChecks = []Check{
	{
		ID: "B1", Mode: Reads, Severity: Must,
		Title:  "Every row is valid",
		Reason: "The reference's client gives up the whole page, for ever, over one row; Weir puts the row aside.",
		Remedy: "Give every required field, as the contract's document says, and answer a list as a JSON list, [] when it is empty.",
		Run:    checkRows, look: lookRow,
	},
	{
		ID: "B2", Mode: Reads, Severity: Must,
		Title:  "Types and statuses are the contract's",
		Reason: "A word that is not known makes the page unreadable for the reference, and the payment's state unknown for Weir.",
		Remedy: "Translate every word of the provider; what has no word in the contract is OTHER.",
		Run:    byLooking("B2"), look: lookWords,
	},
	{
		ID: "B3", Mode: Reads, Severity: Should,
		Title:  "Rows hold no fields that nobody reads",
		Reason: "What stands in a field that the contract does not have is kept in the raw bytes and seen by nobody.",
		Remedy: "Put it into metadata, or leave it out.",
		Run:    byLooking("B3"), look: lookExtra,
	},
	{
		ID: "B4", Mode: Reads, Severity: Must,
		Title:  "Fields are spelt exactly: sourceAccountID in lists",
		Reason: "A reader that minds the case takes the field for absent, and the payment has lost its account.",
		Remedy: "Write …ID in lists and …Id in payouts and transfers.",
		Run:    byLooking("B4"), look: lookCase,
	},
	{
		ID: "B5", Mode: Reads, Severity: Should,
		Title:  "Metadata is text, text is UTF-8, and every id works in a path",
		Reason: "A number in metadata fails a page, other encodings lose letters, and an account whose id breaks the path has no balances.",
		Remedy: "Write metadata values as strings, encode in UTF-8, and decode the path's id.",
		Run:    checkText, look: lookText,
	},
	{
		ID: "B6", Mode: Reads, Severity: Should,
		Title:  "Nothing found is 200 with an empty list",
		Reason: "A refusal looks like a service that is down, and is asked again and again.",
		Remedy: "Answer 200 and [] where no row fits.",
		Run:    checkEmpty,
	},
}

func lookRow(e *Exam, r *record) {
	e.saw("B1")
	switch {
	case r.keys == nil:
		e.object("B1", r, "object", "every row to be an object", "a row that is none: "+clip(string(r.raw), 60))
		return
	case r.err != nil:
		e.object("B1", r, firstWord(r.err.Error()), "a row that can be used", clip(r.err.Error(), 160))
		return
	case repeatsKey(r):
		e.object("B1", r, "twice", "every field once", clip(strings.Join(r.flaws, "; "), 160))
	}
	for _, field := range slices.Sorted(maps.Keys(r.list.fields)) {
		raw, given := r.keys[field]
		isNull := string(bytes.TrimSpace(raw)) == "null"
		if r.list.fields[field] == required && (!given || isNull) && !spelt(r, field) {
			e.object("B1", r, "required "+field, field+" in every row", "rows without "+field)
		}
	}
	n := e.noted("B1").seen
	if sample(n - 1) {
		if why := e.contract.objection(schemaOf[r.list], r.raw); why != "" {
			e.object("B1", r, "document "+firstWord(why), "rows that the contract's document allows", why)
		}
	}
}

// repeatsKey reports a field that stands twice, which reads as its last value.
func repeatsKey(r *record) bool {
	return slices.ContainsFunc(r.flaws, func(flaw string) bool { return strings.Contains(flaw, "twice") })
}

// spelt reports whether the row has the field in another spelling, which is B4's affair.
func spelt(r *record, field string) bool {
	for key := range r.keys {
		if key != field && strings.EqualFold(key, field) {
			return true
		}
	}
	return false
}

func firstWord(text string) string {
	word, _, _ := strings.Cut(text, " ")
	return word
}

func checkRows(_ context.Context, e *Exam) Verdict {
	verdict := e.noticed("B1")
	for _, l := range allLists {
		c := e.crawls[l]
		if c.failed == nil || !c.failed.okStatus() {
			continue
		}
		verdict.Status = Failed
		verdict.Findings = append(verdict.Findings, Finding{
			Expected: "a JSON list of " + l.name, Got: c.why, Curl: e.client.curl(c.failed.asked),
		})
	}
	for _, c := range e.crawls {
		if a := c.blank; a != nil && string(bytes.TrimSpace(a.body)) == "null" {
			verdict.Status = Failed
			verdict.Findings = append(verdict.Findings, Finding{
				Expected: "[] for a list without rows", Got: "null", Curl: e.client.curl(a.asked),
			})
		}
	}
	return verdict
}

// okStatus reports a success whose body could not be read.
func (a *answer) okStatus() bool { return a.status >= 200 && a.status < 300 }

func lookWords(e *Exam, r *record) {
	if r.transaction == nil || r.keys == nil {
		return
	}
	e.saw("B2")
	if word, isText := r.text("type"); isText && !wire.TransactionType(word).Known() {
		e.object("B2", r, "type "+clip(word, 40), "type to be one of PAYIN, PAYOUT, TRANSFER, OTHER", fmt.Sprintf("type %q", clip(word, 40)))
	}
	if word, isText := r.text("status"); isText && !wire.TransactionStatus(word).Known() {
		e.object("B2", r, "status "+clip(word, 40), "status to be one of the contract's, such as PENDING or SUCCEEDED", fmt.Sprintf("status %q", clip(word, 40)))
	}
}

func lookExtra(e *Exam, r *record) {
	if r.keys == nil {
		return
	}
	e.saw("B3")
	for key := range r.keys {
		if _, known := r.list.fields[key]; !known && !knownOtherwise(r.list, key) {
			e.object("B3", r, key, "the fields of the contract", fmt.Sprintf("a field %q", clip(key, 60)))
		}
	}
}

func knownOtherwise(l *list, key string) bool {
	for field := range l.fields {
		if strings.EqualFold(field, key) {
			return true
		}
	}
	return false
}

func lookCase(e *Exam, r *record) {
	if r.keys == nil {
		return
	}
	e.saw("B4")
	for key := range r.keys {
		for field := range r.list.fields {
			if key != field && strings.EqualFold(key, field) {
				e.object("B4", r, key, fmt.Sprintf("the field to be spelt %q", field), fmt.Sprintf("%q", clip(key, 60)))
			}
		}
	}
}

func lookText(e *Exam, r *record) {
	e.saw("B5")
	if !utf8.Valid(r.raw) {
		e.object("B5", r, "utf8", "text in UTF-8", "bytes that are not")
	}
	var metadata map[string]json.RawMessage
	if json.Unmarshal(r.keys["metadata"], &metadata) != nil {
		return
	}
	for key, raw := range metadata {
		raw = bytes.TrimSpace(raw)
		if len(raw) > 0 && raw[0] != '"' && string(raw) != "null" {
			e.object("B5", r, "value", "metadata values that are strings", fmt.Sprintf("%q is %s", clip(key, 40), clip(string(raw), 40)))
		}
		if len(raw) > metadataBytesMax {
			e.object("B5", r, "long", fmt.Sprintf("metadata values of at most %d bytes", metadataBytesMax), fmt.Sprintf("%q has %d", clip(key, 40), len(raw)))
		}
	}
}

// checkText adds to what the rows show the ids that are hard on a path.
func checkText(ctx context.Context, e *Exam) Verdict {
	verdict := e.noticed("B5")
	for _, id := range e.sights.oddAccounts {
		asked := request{path: balancesPath(id)}
		a := e.client.read(ctx, asked, nil)
		if a.err == nil && a.status != http.StatusOK {
			verdict.Status = Failed
			verdict.Findings = append(verdict.Findings, Finding{
				Expected: "the balances of every account in the list", Got: a.describe(),
				Rows: []string{"accounts " + clip(id, 80)}, RowCount: 1, Curl: e.client.curl(asked),
			})
		}
	}
	return verdict
}

func checkEmpty(ctx context.Context, e *Exam) Verdict {
	var findings []Finding
	judged := 0
	for _, c := range e.lists() {
		s := e.future(ctx, c.list)
		if s.answer.err != nil && !s.answer.okStatus() {
			continue
		}
		judged++
		if s.answer.status != http.StatusOK {
			findings = append(findings, Finding{
				Expected: "200 and [] where no row fits", Got: s.answer.describe(), Curl: s.curl(e, c.list),
			})
		}
	}
	return judgeSome(judged, findings, noRows)
}
