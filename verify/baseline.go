package verify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir/wire"
)

// Snapshot is what one run keeps for a later one to be compared with.
type Snapshot struct {
	Endpoint string    `json:"endpoint"`
	TakenAt  time.Time `json:"takenAt"`
	// SeededAt is the instant of the first row that was put in by a hook.
	SeededAt time.Time `json:"seededAt,omitzero"`
	// Moving says that transactions changed between the walk and the balances, so
	// that the one does not explain the other.
	Moving bool `json:"moving,omitempty"`
	// Lists holds the rows by list and id, Balances the amounts by account and asset.
	Lists    map[string]map[string]SnapshotRow `json:"lists"`
	Balances map[string]SnapshotBalances       `json:"balances"`
	// words are the texts that stand in many rows, once each.
	words map[string]string
}

// SnapshotRow is what is kept of a row.
type SnapshotRow struct {
	CreatedAt   time.Time `json:"createdAt"`
	UpdatedAt   time.Time `json:"updatedAt,omitzero"`
	Sum         string    `json:"sum"`
	Type        string    `json:"type,omitempty"`
	Status      string    `json:"status,omitempty"`
	Amount      string    `json:"amount,omitempty"`
	Currency    string    `json:"currency,omitempty"`
	Source      string    `json:"source,omitempty"`
	Destination string    `json:"destination,omitempty"`
	Related     string    `json:"related,omitempty"`
}

// SnapshotBalances is what is kept of an account's balances.
type SnapshotBalances struct {
	At      time.Time         `json:"at"`
	Amounts map[string]string `json:"amounts"`
}

func newSnapshot(endpoint string, at time.Time) *Snapshot {
	return &Snapshot{Endpoint: endpoint, TakenAt: at.UTC(), Lists: map[string]map[string]SnapshotRow{
		accounts.name: {}, beneficiaries.name: {}, transactions.name: {},
	}, Balances: map[string]SnapshotBalances{}, words: map[string]string{}}
}

// wordsMax bounds what is looked up; what comes later is kept in each row.
const wordsMax = 10_000

// word returns a text of its own: one that is cut out of a row would keep the row.
func (s *Snapshot) word(text string) string {
	if known, ok := s.words[text]; ok {
		return known
	}
	text = strings.Clone(text)
	if len(s.words) < wordsMax {
		s.words[text] = text
	}
	return text
}

func (s *Snapshot) see(r *record) {
	if r.id == "" {
		return
	}
	sum := sha256.Sum256(r.raw)
	row := SnapshotRow{CreatedAt: r.created, UpdatedAt: r.updated, Sum: hex.EncodeToString(sum[:8])}
	if t := r.transaction; t != nil {
		row.Type, row.Status, row.Amount, row.Currency = s.word(string(t.Type)), s.word(string(t.Status)), strings.Clone(string(t.Amount)), s.word(t.Currency)
		row.Source, row.Destination, row.Related = s.word(t.SourceAccountID), s.word(t.DestinationAccountID), strings.Clone(t.RelatedTransactionID)
	}
	s.Lists[r.list.name][strings.Clone(r.id)] = row
}

func (s *Snapshot) seeBalances(account string, b *wire.Balances) {
	amounts := map[string]string{}
	for _, held := range b.Balances {
		amounts[held.Currency] = string(held.Amount)
	}
	s.Balances[account] = SnapshotBalances{b.At, amounts}
}

// compared is the Run of a check that compares with an earlier run.
func compared(id string) func(context.Context, *Exam) Verdict {
	return func(ctx context.Context, e *Exam) Verdict {
		if id[0] == 'I' {
			e.readBalances(ctx)
		}
		return e.compare(id)
	}
}

// comparison is an earlier run beside this one.
type comparison struct {
	exam      *Exam
	old, now  *Snapshot
	findings  []Finding
	judged    int
	note, why string
}

func (e *Exam) compare(id string) Verdict {
	c := &comparison{exam: e, old: e.options.Baseline, now: e.snapshot, why: "nothing of the earlier run can be compared"}
	rule := map[string]func(*comparison){
		"E3": (*comparison).createdAt, "E4": (*comparison).quietChanges, "E5": (*comparison).lateness, "F2": (*comparison).gone,
		"F3": (*comparison).identity, "F4": (*comparison).statuses, "F5": (*comparison).pending,
		"I3": (*comparison).balanceInstants, "I4": (*comparison).balanceSums,
	}[id]
	rule(c)
	verdict := judgeSome(c.judged, c.findings, c.why)
	verdict.Note = strings.TrimSpace(verdict.Note + " " + c.note)
	return verdict
}

// object makes one finding of rows that are wrong in the same way.
func (c *comparison) object(expected, got string, rows []string) {
	if len(rows) == 0 {
		return
	}
	slices.Sort(rows)
	c.findings = append(c.findings, Finding{
		Expected: expected, Got: got, RowCount: len(rows), Rows: rows[:min(len(rows), rowsNamedMax)],
	})
}

// both calls see for every row that both runs have shown.
func (c *comparison) both(see func(list, id string, old, now SnapshotRow)) {
	for name, rows := range c.old.Lists {
		for id, old := range rows {
			if now, ok := c.now.Lists[name][id]; ok {
				c.judged++
				see(name, id, old, now)
			}
		}
	}
}

func (c *comparison) createdAt() {
	var rows []string
	got := ""
	c.both(func(list, id string, old, now SnapshotRow) {
		if !old.CreatedAt.Equal(now.CreatedAt) {
			rows = append(rows, list+" "+clip(id, 80))
			got = fmt.Sprintf("%s was %s and is %s", "createdAt", instant(old.CreatedAt), instant(now.CreatedAt))
		}
	})
	c.object("createdAt as it was", got, rows)
}

func (c *comparison) quietChanges() {
	var rows []string
	c.both(func(list, id string, old, now SnapshotRow) {
		if list == transactions.name && old.UpdatedAt.Equal(now.UpdatedAt) && old.Sum != now.Sum {
			rows = append(rows, list+" "+clip(id, 80))
		}
	})
	c.object("updatedAt to move when a row changes", "rows that changed under the stamp that they had", rows)
}

// lateness finds rows that have appeared, or changed, behind what was the
// newest stamp of the earlier run.
func (c *comparison) lateness() {
	var watermark time.Time
	for _, row := range c.old.Lists[transactions.name] {
		if row.UpdatedAt.After(watermark) && !row.UpdatedAt.After(c.old.TakenAt.Add(skewMax)) {
			watermark = row.UpdatedAt
		}
	}
	allowed := c.exam.options.lag()
	var rows []string
	worst := time.Duration(0)
	for id, now := range c.now.Lists[transactions.name] {
		old, known := c.old.Lists[transactions.name][id]
		if known && old.UpdatedAt.Equal(now.UpdatedAt) {
			continue
		}
		c.judged++
		if lag := watermark.Sub(now.UpdatedAt); lag > 0 {
			worst = max(worst, lag)
			if lag > allowed {
				rows = append(rows, transactions.name+" "+clip(id, 80))
			}
		}
	}
	c.why = "nothing has changed since the earlier run"
	c.note = fmt.Sprintf("The latest row came %s behind the newest.", worst.Round(time.Millisecond))
	c.object(fmt.Sprintf("new rows and changes to be at most %s older than the newest row that was visible", allowed),
		fmt.Sprintf("rows up to %s older", worst.Round(time.Millisecond)), rows)
}

func (c *comparison) gone() {
	for _, l := range allLists {
		crawl := c.exam.crawls[l]
		if !crawl.complete || crawl.unmended {
			continue
		}
		var rows []string
		for id := range c.old.Lists[l.name] {
			c.judged++
			if _, ok := c.now.Lists[l.name][id]; !ok {
				rows = append(rows, l.name+" "+clip(id, 80))
			}
		}
		c.object("every row of the earlier run", "rows that are gone", rows)
	}
}

func (c *comparison) identity() {
	var rows []string
	differ := func(old, now string) bool { return old != "" && old != now }
	c.both(func(list, id string, old, now SnapshotRow) {
		if differ(old.Currency, now.Currency) || differ(old.Source, now.Source) || differ(old.Destination, now.Destination) {
			rows = append(rows, list+" "+clip(id, 80))
		}
	})
	c.object("the currency and the accounts that they had", "rows that have others", rows)
}

// lockedIn says which statuses a movement may not come to from where it is.
func lockedIn(old, now wire.TransactionStatus) bool {
	if old == now {
		return false
	}
	switch old {
	case wire.StatusFailed, wire.StatusCancelled, wire.StatusExpired:
		return true
	case wire.StatusPending, wire.StatusAuthorisation, wire.StatusOther:
		return false
	}
	// What has happened can be returned, refunded or disputed, but not be open again.
	switch now {
	case wire.StatusPending, wire.StatusAuthorisation, wire.StatusCancelled, wire.StatusExpired:
		return true
	}
	return false
}

func (c *comparison) statuses() {
	var rows []string
	got := ""
	c.both(func(list, id string, old, now SnapshotRow) {
		if lockedIn(wire.TransactionStatus(old.Status), wire.TransactionStatus(now.Status)) {
			rows = append(rows, list+" "+clip(id, 80))
			got = fmt.Sprintf("%s after %s", now.Status, old.Status)
		}
	})
	c.object("statuses that follow from those before", got, rows)
}

func (c *comparison) pending() {
	c.why = "no movement was pending in the earlier run and is gone now"
	now := c.now.Lists[transactions.name]
	var rows []string
	for id, old := range c.old.Lists[transactions.name] {
		if _, kept := now[id]; kept || old.Status != string(wire.StatusPending) {
			continue
		}
		c.judged++
		named, like := false, false
		for newID, row := range now {
			if _, known := c.old.Lists[transactions.name][newID]; known {
				continue
			}
			named = named || row.Related == id
			like = like || row.Amount == old.Amount && row.Currency == old.Currency && row.Source == old.Source && row.Destination == old.Destination
		}
		if like && !named {
			rows = append(rows, transactions.name+" "+clip(id, 80))
		}
	}
	c.object("the movement that replaces a pending one to name it", "a new movement that is alike and names nothing", rows)
}

func (c *comparison) balanceInstants() {
	c.why = noBalances
	var back, still []string
	for account, old := range c.old.Balances {
		now, ok := c.now.Balances[account]
		if !ok {
			continue
		}
		c.judged++
		if now.At.Before(old.At) {
			back = append(back, "accounts "+clip(account, 80))
		} else if now.At.Equal(old.At) && !maps.Equal(old.Amounts, now.Amounts) {
			still = append(still, "accounts "+clip(account, 80))
		}
	}
	c.object("at not to go back", "an earlier one than in the earlier run", back)
	c.object("at to move when an amount does", "other amounts under the same instant", still)
}

// balanceSums compares what balances changed by with what new movements say. It
// judges only accounts to which nothing else has happened: how a provider counts
// what is pending or disputed is its own affair.
func (c *comparison) balanceSums() {
	if c.old.Moving || c.now.Moving {
		c.why = "transactions changed while the balances were read; compare at a quiet time"
		return
	}
	c.why = "no account has new settled movements and nothing else"
	sums := map[string]map[string]*big.Int{}
	unclear := map[string]bool{}
	for id, now := range c.now.Lists[transactions.name] {
		old, known := c.old.Lists[transactions.name][id]
		if known && old.Sum == now.Sum {
			continue
		}
		amount, ok := new(big.Int).SetString(now.Amount, 10)
		if known || !ok || now.Status != string(wire.StatusSucceeded) || now.Related != "" || amount.Sign() < 0 {
			unclear[now.Source], unclear[now.Destination] = true, true
			continue
		}
		add(sums, now.Destination, now.Currency, amount)
		add(sums, now.Source, now.Currency, new(big.Int).Neg(amount))
	}
	var rows []string
	got, expected := "", ""
	for account, old := range c.old.Balances {
		now, ok := c.now.Balances[account]
		if !ok || unclear[account] || sums[account] == nil {
			continue
		}
		for asset, sum := range sums[account] {
			before, okBefore := new(big.Int).SetString(amountOr0(old.Amounts[asset]), 10)
			after, okAfter := new(big.Int).SetString(amountOr0(now.Amounts[asset]), 10)
			if !okBefore || !okAfter {
				continue
			}
			c.judged++
			if change := after.Sub(after, before); change.Cmp(sum) != 0 {
				rows = append(rows, "accounts "+clip(account, 80))
				expected, got = fmt.Sprintf("%s to change by %s, as the new movements say", asset, sum), "a change by "+change.String()
			}
		}
	}
	c.object(expected, got, rows)
}

func add(sums map[string]map[string]*big.Int, account, asset string, amount *big.Int) {
	if account == "" {
		return
	}
	if sums[account] == nil {
		sums[account] = map[string]*big.Int{}
	}
	if sums[account][asset] == nil {
		sums[account][asset] = new(big.Int)
	}
	sums[account][asset].Add(sums[account][asset], amount)
}

func amountOr0(text string) string {
	if text == "" {
		return "0"
	}
	return text
}
