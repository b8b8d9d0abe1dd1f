package simulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/wire"
)

// faulty is a PSP and its service with the faults, and as many transactions.
func faulty(t *testing.T, transactions int, faults ...Fault) (*PSP, *Server) {
	t.Helper()
	set := FaultsOf(faults...)
	psp := newPSP(t, func(o *Options) { o.Transactions, o.Faults = transactions, set })
	return psp, start(t, psp, set)
}

// ids are those of the records, "" for one that shows none.
func ids(records []json.RawMessage) []string {
	list := make([]string, len(records))
	for i, raw := range records {
		list[i], _, _ = wire.Peek(raw)
	}
	return list
}

// stamps are those that transactions are sorted by.
func stamps(records []json.RawMessage) []time.Time {
	list := make([]time.Time, len(records))
	for i, raw := range records {
		_, _, list[i] = wire.Peek(raw)
	}
	return list
}

// get100 asks for a page of transactions from the beginning.
func get100(t *testing.T, server *Server, number int) []json.RawMessage {
	t.Helper()
	return page(t, server, Transactions, query(Transactions, number, 100, time.Time{}))
}

func TestTiesShareOneInstantAcrossPages(t *testing.T) {
	_, server := faulty(t, 2500, Ties)
	groups := map[time.Time]int{}
	largest := 0
	for _, at := range stamps(walk(t, server, Transactions, 1000)) {
		groups[at]++
		largest = max(largest, groups[at])
	}
	if largest < 150 {
		t.Errorf("the largest group of ties has %d transactions", largest)
	}
	for _, resource := range []string{Accounts, Beneficiaries} {
		records := page(t, server, resource, query(resource, 1, 10, time.Time{}))
		_, first, _ := wire.Peek(records[0])
		if _, last, _ := wire.Peek(records[9]); !last.Equal(first) {
			t.Errorf("%s do not share an instant: %s, %s", resource, first, last)
		}
	}
}

func TestDateOnlyStampsAreMidnightsInFullForm(t *testing.T) {
	psp, server := faulty(t, 400, DateOnly)
	for i, at := range stamps(walk(t, server, Transactions, 1000)) {
		if !at.Equal(at.Truncate(24 * time.Hour)) {
			t.Fatalf("row %d is stamped %s", i, at)
		}
	}
	checkSums(t, psp)
}

func TestLateRowsAppearBehindNewerOnes(t *testing.T) {
	psp := newPSP(t, func(o *Options) { o.Transactions, o.Faults = 0, FaultsOf(Late) })
	var newest time.Time
	known := map[string]bool{}
	latest := time.Duration(0)
	for range 500 {
		psp.Step(2)
		for _, m := range psp.Transactions() {
			version := m.ID + string(m.Status)
			if !known[version] && m.UpdatedAt.Before(newest) {
				latest = max(latest, newest.Sub(m.UpdatedAt))
			}
			known[version] = true
			if m.UpdatedAt.After(newest) {
				newest = m.UpdatedAt
			}
		}
	}
	if latest < time.Hour || latest > lateMax*defaultInterval+time.Hour {
		t.Errorf("the latest row came %s behind", latest)
	}
}

func TestMovingRowsHideOthersFromAWalk(t *testing.T) {
	psp, server := faulty(t, 2500, Moving)
	before := psp.Len()
	seen := map[string]bool{}
	for _, id := range ids(walk(t, server, Transactions, 100)) {
		seen[id] = true
	}
	missed := 0
	for number := range before {
		if !seen[movementID(number)] {
			missed++
		}
	}
	if missed == 0 {
		t.Error("one walk sees everything")
	}
	psp.Settle()
	if got, want := DigestOf(byID(t, walk(t, server, Transactions, 100))), DigestOf(psp.Records(Transactions)); got != want {
		t.Errorf("after settling a walk reads %v of %v", got, want)
	}
}

func TestFutureRowsAreDated2099(t *testing.T) {
	psp, server := faulty(t, 2500, Future)
	future := 0
	for _, at := range stamps(walk(t, server, Transactions, 1000)) {
		if at.After(psp.Clock()) {
			future++
			if at.Year() != 2099 {
				t.Errorf("a row is dated %s", at)
			}
		}
	}
	if future < 5 || future > futureMax {
		t.Errorf("%d rows are dated in the future", future)
	}
	for _, resource := range []string{Accounts, Beneficiaries} {
		all := walk(t, server, resource, 100)
		if _, at, _ := wire.Peek(all[len(all)-1]); at.Year() != 2099 {
			t.Errorf("the newest of the %s is of %s", resource, at)
		}
	}
}

func TestPoisonedRecordsAreThoseThatNoReaderUnderstands(t *testing.T) {
	psp, server := faulty(t, 2500, Poison)
	kinds := map[string]bool{}
	var unread [][]byte
	read := func(resource string) (count int) {
		for _, raw := range walk(t, server, resource, 100) {
			var err error
			list := slices.Concat([]byte("["), raw, []byte("]"))
			switch resource {
			case Accounts:
				err = must(wire.DecodeAccounts(list))[0].Err
			case Beneficiaries:
				err = must(wire.DecodeBeneficiaries(list))[0].Err
			default:
				err = must(wire.DecodeTransactions(list))[0].Err
			}
			if err != nil {
				unread = append(unread, raw)
			} else {
				count++
			}
		}
		return count
	}
	for _, resource := range []string{Accounts, Beneficiaries, Transactions} {
		if readable, want := read(resource), DigestOf(psp.Records(resource)).Count; readable != want {
			t.Errorf("%d of the %s can be read, the PSP says %d", readable, resource, want)
		}
	}
	poisoned := psp.Poisoned()
	for _, p := range poisoned {
		kinds[p.Why] = true
		if !slices.ContainsFunc(unread, func(raw []byte) bool { return bytes.Equal(raw, p.Raw) }) {
			t.Errorf("%s %s was not served as %s", p.Resource, p.ID, p.Raw)
		}
		if shown, _, _ := wire.Peek(p.Raw); shown != p.ShownID {
			t.Errorf("%s shows the id %q, not %q", p.Raw, shown, p.ShownID)
		}
	}
	if len(poisoned) != len(unread) || len(kinds) < len(transactionPoisons) {
		t.Errorf("%d records are poisoned in %d ways, %d can't be read", len(poisoned), len(kinds), len(unread))
	}
}

func TestMendedRecordsCanBeReadAndMoveWhereAsked(t *testing.T) {
	for _, touch := range []bool{false, true} {
		psp, server := faulty(t, 1000, Poison)
		var last Poisoned
		for _, p := range psp.Poisoned() {
			last = p
		}
		number, _ := numberOf(last.ID, "mv_", psp.Len())
		before := psp.movements[number].changed
		if mended := psp.Mend(touch); mended < 10 || len(psp.Poisoned()) != 0 {
			t.Errorf("mended %d records, %d are left", mended, len(psp.Poisoned()))
		}
		if moved := psp.movements[number].changed > before; moved != touch {
			t.Errorf("touch %t, moved %t", touch, moved)
		}
		if got, want := DigestOf(byID(t, walk(t, server, Transactions, 100))), DigestOf(psp.Records(Transactions)); got != want {
			t.Errorf("mended, the service serves %v of %v", got, want)
		}
	}
}

func TestFlawedRecordsCanBeReadAllTheSame(t *testing.T) {
	psp, server := faulty(t, 1000, Flawed)
	flawed := 0
	for number := 1; ; number++ {
		got := fetch(t, server, "/transactions", query(Transactions, number, 100, time.Time{}).Values())
		records, err := wire.DecodeTransactions(got.body)
		if err != nil {
			t.Fatal(err)
		}
		if len(records) == 0 {
			break
		}
		for _, record := range records {
			if record.Err != nil {
				t.Errorf("%s: %v", record.Raw, record.Err)
			}
			if len(record.Flaws) > 0 {
				flawed++
			}
		}
	}
	if flawed < 20 {
		t.Errorf("%d records have flaws", flawed)
	}
	if got, want := DigestOf(byID(t, walk(t, server, Transactions, 1000))), DigestOf(psp.Records(Transactions)); got != want {
		t.Errorf("the service serves %v of %v", got, want)
	}
}

func TestShortPagesGoOnWhereTheyEnd(t *testing.T) {
	_, server := faulty(t, 300, ShortPages)
	first, second := get100(t, server, 1), get100(t, server, 2)
	all := page(t, start(t, newPSP(t, func(o *Options) { o.Transactions = 300 }), 0), Transactions, query(Transactions, 1, 1000, time.Time{}))
	if !slices.Equal(ids(first), ids(all[:50])) || !slices.Equal(ids(second), ids(all[50:100])) {
		t.Errorf("pages of %d and %d rows do not follow each other", len(first), len(second))
	}
}

func TestGappedPagesGoOnWhereALongerOneWouldHaveEnded(t *testing.T) {
	_, server := faulty(t, 300, GappedPages)
	all := walk(t, server, Transactions, 50)
	first, second := get100(t, server, 1), get100(t, server, 2)
	if !slices.Equal(ids(first), ids(all[:50])) || !slices.Equal(ids(second), ids(all[100:150])) {
		t.Errorf("pages have %d and %d rows", len(first), len(second))
	}
}

func TestAnIgnoredPageSizeIsTheServicesOwn(t *testing.T) {
	_, server := faulty(t, 300, PageSizeIgnored)
	all := walk(t, server, Transactions, 100)
	for _, size := range []int{7, 100, 1000} {
		second := page(t, server, Transactions, query(Transactions, 2, size, time.Time{}))
		if !slices.Equal(ids(second), ids(all[ownPageSize:2*ownPageSize])) {
			t.Errorf("asked for %d rows, got %d", size, len(second))
		}
	}
}

func TestAnIgnoredPageIsTheFirst(t *testing.T) {
	_, server := faulty(t, 300, PageIgnored)
	if first, third := get100(t, server, 1), get100(t, server, 3); !slices.Equal(ids(first), ids(third)) {
		t.Error("the third page differs from the first")
	}
}

func TestARepeatedPageIsRightTheSecondTime(t *testing.T) {
	_, server := faulty(t, 2500, RepeatedPages)
	repeated := 0
	var right [][]string
	for number := 1; number <= 25; number++ {
		once, twice := ids(get100(t, server, number)), ids(get100(t, server, number))
		if !slices.Equal(once, twice) {
			repeated++
			if !slices.Equal(once, right[len(right)-1]) {
				t.Errorf("page %d is neither itself nor the one before", number)
			}
		}
		right = append(right, twice)
	}
	if repeated < 2 || repeated > 20 {
		t.Errorf("%d of 25 pages were repeated", repeated)
	}
}

func TestPastTheEndComesTheLastPageAgain(t *testing.T) {
	for _, more := range []Fault{LastPageAgain, ShortPages, GappedPages, PageSizeIgnored, Descending} {
		psp, server := faulty(t, 330, LastPageAgain, more)
		var last []string
		for number := 1; ; number++ {
			rows := ids(get100(t, server, number))
			if slices.Equal(rows, last) {
				break
			}
			if last = rows; number > 20 {
				t.Fatalf("%s: there is no end", more)
			}
		}
		far := ids(get100(t, server, 1000))
		if len(far) == 0 || !slices.Equal(far, last) {
			t.Errorf("%s: of %d rows page 1000 has %d", more, psp.Len(), len(far))
		}
	}
}

func TestDescendingListsBeginWithTheNewest(t *testing.T) {
	_, server := faulty(t, 300, Descending)
	at := stamps(walk(t, server, Transactions, 100))
	slices.Reverse(at)
	if len(at) < 300 || !slices.IsSortedFunc(at, time.Time.Compare) {
		t.Errorf("%d rows are not in order", len(at))
	}
}

func TestUnstableTiesTurnAroundFromWalkToWalkAndTwoWalksSeeAll(t *testing.T) {
	psp, server := faulty(t, 2500, Ties, UnstableTies)
	first, second := walk(t, server, Transactions, 100), walk(t, server, Transactions, 100)
	if slices.Equal(ids(first), ids(second)) {
		t.Error("two walks are alike")
	}
	if got := DigestOf(byID(t, first)); got.Count == psp.Len() {
		t.Error("one walk sees everything")
	}
	if got, want := DigestOf(byID(t, append(first, second...))), DigestOf(psp.Records(Transactions)); got != want {
		t.Errorf("two walks see %v of %v", got, want)
	}
	if !slices.IsSortedFunc(stamps(second), time.Time.Compare) {
		t.Error("more than ties are out of order")
	}
}

func TestAnExclusiveFilterLeavesOutTheWholeSecond(t *testing.T) {
	psp, server := faulty(t, 300, ExclusiveFilter)
	all := stamps(walk(t, server, Transactions, 1000))
	from := all[100]
	rows := stamps(page(t, server, Transactions, query(Transactions, 1, 100, from)))
	want := slices.IndexFunc(all, func(at time.Time) bool { return !at.Before(from.Truncate(time.Second).Add(time.Second)) })
	if !rows[0].Equal(all[want]) || rows[0].Sub(from) <= 0 {
		t.Errorf("of %d, from %s comes %s", psp.Len(), from, rows[0])
	}
}

func TestAnIgnoredFilterReturnsTheFirstRow(t *testing.T) {
	psp, server := faulty(t, 300, FilterIgnored)
	rows := page(t, server, Transactions, query(Transactions, 1, 100, psp.Clock().Add(time.Hour)))
	if !slices.Equal(ids(rows), ids(get100(t, server, 1))) {
		t.Errorf("%d rows come", len(rows))
	}
}

// outcomes asks for many pages and sorts the answers by what they are.
func outcomes(t *testing.T, faults ...Fault) (server *Server, byStatus map[int][]fetched) {
	t.Helper()
	_, server = faulty(t, 2500, faults...)
	byStatus = map[int][]fetched{}
	for number := range 120 {
		q := query(Transactions, 1+number/2%20, 100, time.Unix(int64(number/40), 0)).Values()
		got := fetch(t, server, "/transactions", q)
		if got.status != http.StatusOK {
			if again := fetch(t, server, "/transactions", q); again.status != http.StatusOK {
				t.Errorf("the same page fails twice: %d, %d", got.status, again.status)
			}
		}
		byStatus[got.status] = append(byStatus[got.status], got)
	}
	return server, byStatus
}

func TestABusyServiceSaysWhenToComeAgain(t *testing.T) {
	_, got := outcomes(t, RateLimit)
	seconds, dates := 0, 0
	for _, answer := range got[http.StatusTooManyRequests] {
		if _, err := strconv.Atoi(answer.header.Get("Retry-After")); err == nil {
			seconds++
		}
		if at, err := http.ParseTime(answer.header.Get("Retry-After")); err == nil && time.Until(at) < 2*time.Second {
			dates++
		}
		if _, ok := wire.DecodeError(answer.body); !ok {
			t.Errorf("the error says nothing: %s", answer.body)
		}
	}
	if failed := len(got[http.StatusTooManyRequests]); seconds == 0 || dates == 0 || seconds+dates != failed || failed > 30 {
		t.Errorf("of %d refusals %d have seconds and %d a date", failed, seconds, dates)
	}
}

func TestErrorsComeInManyForms(t *testing.T) {
	_, got := outcomes(t, ServerErrors)
	for _, status := range []int{http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable} {
		if len(got[status]) == 0 {
			t.Errorf("no answer is %d", status)
		}
	}
	if html := got[http.StatusBadGateway][0]; !strings.Contains(string(html.body), "<html>") {
		t.Errorf("no page of a proxy: %s", html.body)
	}
}

func TestCutAnswersEndInTheMiddle(t *testing.T) {
	_, got := outcomes(t, Cut)
	dropped, whole, half := 0, 0, 0
	for _, answer := range got[http.StatusOK] {
		switch {
		case answer.err != nil:
			dropped++
		case json.Valid(answer.body):
			whole++
		default:
			half++
		}
	}
	if dropped < 2 || half < 1 || whole < 90 {
		t.Errorf("%d dropped, %d half, %d whole", dropped, half, whole)
	}
}

func TestSlowAnswersArriveWhole(t *testing.T) {
	_, server := faulty(t, 300, Slow)
	slowest := time.Duration(0)
	for range 30 {
		begun := time.Now()
		if got := fetch(t, server, "/transactions", nil); got.err != nil || !json.Valid(got.body) {
			t.Errorf("%v", got.err)
		}
		slowest = max(slowest, time.Since(begun))
	}
	if slowest < defaultSlowFor {
		t.Errorf("the slowest answer took %s", slowest)
	}
}

func TestRedirectsLeadToAnotherHostThatHasNoKeyYet(t *testing.T) {
	server, got := outcomes(t, Redirects)
	redirects := got[http.StatusTemporaryRedirect]
	if len(redirects) == 0 {
		t.Fatal("nothing is redirected")
	}
	location := redirects[0].header.Get("Location")
	if strings.HasPrefix(location, server.Endpoint) || server.Trap.Requests() != 0 {
		t.Errorf("the redirect leads to %s", location)
	}
	request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, location, nil)
	request.Header.Set("Authorization", "Bearer "+server.APIKey)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if server.Trap.Requests() != 1 || !slices.Equal(server.Trap.Keys(), []string{"Bearer " + server.APIKey}) {
		t.Errorf("the trap has not noted its visitor: %d, %v", server.Trap.Requests(), server.Trap.Keys())
	}
}

func TestCompressedAnswersAreTheSame(t *testing.T) {
	psp, server := faulty(t, 300, Gzip)
	request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, server.Endpoint+"/accounts", nil)
	request.Header.Set("Authorization", "Bearer "+server.APIKey)
	request.Header.Set("Accept-Encoding", "gzip")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.Header.Get("Content-Encoding") != "gzip" {
		t.Error("the answer is not compressed")
	}
	if len(walk(t, server, Accounts, 5)) != len(psp.Accounts()) {
		t.Error("a client of package http does not read it")
	}
}

func TestWrongKeysAreRefusedWhateverElseIsWrong(t *testing.T) {
	_, server := faulty(t, 100, Mix(1).List()...)
	server.APIKey = "wrong"
	for range 20 {
		if got := fetch(t, server, "/transactions", nil); got.status != http.StatusUnauthorized {
			t.Fatalf("a wrong key gets %d", got.status)
		}
	}
}

func TestFaultsAreReadAsTheyAreWritten(t *testing.T) {
	every := Faults(1<<faultCount - 1)
	if got, err := ParseFaults(every.String(), 0); err != nil || got != every || len(got.List()) != int(faultCount) {
		t.Errorf("%s: %v", got, err)
	}
	if got, err := ParseFaults("all", 3); err != nil || got != Mix(3) {
		t.Errorf("all is %s: %v", got, err)
	}
	if got, err := ParseFaults("", 3); err != nil || got != 0 {
		t.Errorf("nothing is %s: %v", got, err)
	}
	if _, err := ParseFaults("ties,tiez", 0); err == nil || !strings.Contains(err.Error(), `"tiez"`) || !strings.Contains(err.Error(), "date-only") {
		t.Errorf("an unknown word is answered by %v", err)
	}
	for i, info := range FaultTable() {
		if info.Fault != Fault(i) || info.Name == "" || !strings.HasSuffix(info.Sentence, ".") {
			t.Errorf("the table is out of order at %d: %+v", i, info)
		}
	}
}

func TestFiftyMixesHaveEveryReadableFaultAndNoOther(t *testing.T) {
	var all Faults
	for seed := range uint64(50) {
		mix := Mix(seed + 1)
		all |= mix
		if mix != Mix(seed+1) || !mix.Readable() {
			t.Errorf("seed %d: %s", seed+1, mix)
		}
	}
	for _, info := range FaultTable() {
		if all.Has(info.Fault) != info.Readable {
			t.Errorf("%s: readable %t, in a mix %t", info.Name, info.Readable, all.Has(info.Fault))
		}
	}
}

func TestAPSPThatCanNotBeIsRefused(t *testing.T) {
	for _, options := range []Options{{Accounts: -1}, {Transactions: -1}, {Interval: -1}, {AmountDigits: 101}} {
		if _, err := New(options); err == nil {
			t.Errorf("%+v is accepted", options)
		}
	}
	if psp, err := New(Options{}); err != nil || psp.Len() != 0 {
		t.Errorf("an empty PSP is refused: %v", errors.Join(err))
	}
}

func TestFrozenStampsHideAChangeFromWhoeverAsksForWhatIsNew(t *testing.T) {
	psp := newPSP(t, func(o *Options) { o.Transactions, o.Faults = 500, FaultsOf(FrozenStamps) })
	frozen := 0
	before := map[string]wire.Transaction{}
	for range 300 {
		psp.Step(5)
		for _, m := range psp.Transactions() {
			if was := before[m.ID]; was.Status != m.Status && was.UpdatedAt.Equal(m.UpdatedAt) {
				frozen++
			}
			before[m.ID] = m
		}
	}
	if frozen < 10 {
		t.Errorf("%d changes did not move their stamp", frozen)
	}
	checkSums(t, psp)
}
