package mirror

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/sdk"
	"github.com/weirhq/weir/wire"
)

// clock is a clock that stands where it is put.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// fresh opens an empty mirror whose clock stands, and moves on where the mirror
// waits.
func fresh(t *testing.T) (*Mirror, *clock) {
	t.Helper()
	c := &clock{time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	m := open(t, filepath.Join(t.TempDir(), "mirror.db"), c.now)
	m.sleep = func(_ context.Context, d time.Duration) { c.at = c.at.Add(d) }
	t.Cleanup(func() { _ = m.Close() })
	return m, c
}

func movement(id string, change func(*wire.Transaction)) wire.Transaction {
	row := wire.Transaction{
		ID: id, CreatedAt: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), Currency: "EUR/2",
		Type: wire.TypePayin, Status: wire.StatusSucceeded, Amount: "100",
	}
	if change != nil {
		change(&row)
	}
	return row
}

// give stores rows as a source would that has them.
func give(t *testing.T, m *Mirror, batch sdk.Batch) Progress {
	t.Helper()
	progress, err := m.Pull(t.Context(), Source{Name: "test", Pull: func(_ context.Context, position string) (sdk.Batch, error) {
		batch.Next = position + "."
		return batch, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return progress
}

func everything() wire.ListQuery { return wire.ListQuery{Page: 1, PageSize: 1000} }

func listed(t *testing.T, m *Mirror) []wire.Transaction {
	t.Helper()
	rows, err := m.Transactions(t.Context(), everything())
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestEveryChangeGetsAStampOfItsOwnThatIsNeverAheadOfTheClock(t *testing.T) {
	m, c := fresh(t)
	var last time.Time
	for round := range 3 {
		batch := sdk.Batch{}
		for i := range 50 {
			batch.Transactions = append(batch.Transactions, movement(strconv.Itoa(i), func(row *wire.Transaction) { row.Scheme = strconv.Itoa(round) }))
		}
		give(t, m, batch)
		rows := listed(t, m)
		if len(rows) != 50 {
			t.Fatal(len(rows))
		}
		for _, row := range rows {
			if !row.UpdatedAt.After(last) || row.UpdatedAt.After(c.at) || row.Scheme != strconv.Itoa(round) {
				t.Fatalf("%s after %s at %s", row.UpdatedAt, last, c.at)
			}
			last = row.UpdatedAt
		}
	}
	c.at = c.at.Add(-time.Hour)
	give(t, m, sdk.Batch{Transactions: []wire.Transaction{movement("late", nil)}})
	rows := listed(t, m)
	if got := rows[len(rows)-1]; got.ID != "late" || got.UpdatedAt.Sub(last) != time.Microsecond {
		t.Errorf("%+v after the clock was set back, want a microsecond after %s", got, last)
	}
	if !m.Health(t.Context()).Degraded {
		t.Error("nobody hears of the clock")
	}
}

func TestARowThatIsReadAgainIsNoChange(t *testing.T) {
	m, _ := fresh(t)
	row := movement("a", func(row *wire.Transaction) { row.Metadata = map[string]string{"x": "1", "y": "2"} })
	if p := give(t, m, sdk.Batch{Transactions: []wire.Transaction{row, row}}); p.New != 1 || p.Changed != 0 {
		t.Errorf("%+v", p)
	}
	before := listed(t, m)
	if p := give(t, m, sdk.Batch{Transactions: []wire.Transaction{row}}); p.New+p.Changed != 0 {
		t.Errorf("%+v", p)
	}
	if after := listed(t, m); after[0].UpdatedAt != before[0].UpdatedAt {
		t.Error(before, after)
	}
}

func TestTheFirstCreatedAtStandsAndWhatElseTheProviderSaysIsKept(t *testing.T) {
	m, c := fresh(t)
	said := c.at.Add(-time.Hour)
	give(t, m, sdk.Batch{Transactions: []wire.Transaction{movement("a", func(row *wire.Transaction) { row.UpdatedAt = said }), movement("b", func(row *wire.Transaction) { row.CreatedAt = time.Time{} })}})
	first := listed(t, m)
	if first[1].Metadata[MetadataUpdatedAt] != "2026-11-22T11:00:00Z" || first[0].CreatedAt.IsZero() {
		t.Errorf("%+v", first)
	}
	give(t, m, sdk.Batch{Transactions: []wire.Transaction{movement("a", func(row *wire.Transaction) {
		row.UpdatedAt = said.Add(time.Second)
		row.CreatedAt = row.CreatedAt.Add(time.Hour)
	})}})
	rows := listed(t, m)
	if got := rows[1]; got.ID != "a" || !got.CreatedAt.Equal(first[1].CreatedAt) || got.Metadata[MetadataCreatedAt] != "2026-11-01T01:00:00Z" {
		t.Errorf("%+v", got)
	}
	p := give(t, m, sdk.Batch{Transactions: []wire.Transaction{movement("a", func(row *wire.Transaction) { row.UpdatedAt = said; row.Amount = "1" })}})
	if rows := listed(t, m); p.Stale != 1 || rows[1].Amount != "100" {
		t.Errorf("an older version stands: %+v %+v", p, rows)
	}
}

func TestAccountsKeepTheirDateWhereTheOrderAllowsIt(t *testing.T) {
	m, c := fresh(t)
	day := func(d int) time.Time { return time.Date(2026, 11, d, 0, 0, 0, 0, time.UTC) }
	give(t, m, sdk.Batch{Accounts: []wire.Account{{ID: "b", CreatedAt: day(2)}, {ID: "a", CreatedAt: day(1)}, {ID: "tie", CreatedAt: day(2)}}})
	give(t, m, sdk.Batch{Accounts: []wire.Account{{ID: "late", CreatedAt: day(1)}, {ID: "future", CreatedAt: c.at.Add(time.Hour)}, {ID: "unknown"}}})
	give(t, m, sdk.Batch{Accounts: []wire.Account{{ID: "a", CreatedAt: day(1), AccountName: "Renamed"}}})
	rows, err := m.Accounts(t.Context(), everything())
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for i, row := range rows {
		ids = append(ids, row.ID)
		if row.CreatedAt.After(c.at) || i > 0 && !row.CreatedAt.After(rows[i-1].CreatedAt) {
			t.Errorf("%s at %s", row.ID, row.CreatedAt)
		}
	}
	if want := []string{"a", "b", "tie", "unknown", "late", "future"}; !slices.Equal(ids, want) && len(ids) != len(want) {
		t.Error(ids)
	}
	if rows[0].AccountName != "Renamed" || !rows[0].CreatedAt.Equal(day(1)) || rows[0].Metadata != nil {
		t.Errorf("%+v", rows[0])
	}
	if tie := rows[2]; tie.Metadata[MetadataCreatedAt] != "2026-11-02T00:00:00Z" || tie.CreatedAt.Sub(day(2)) != time.Microsecond {
		t.Errorf("%+v", tie)
	}
}

func TestBalancesMoveTheirInstantWithEachChangeAndNameWhatIsGone(t *testing.T) {
	m, c := fresh(t)
	said := c.at.Add(-time.Minute)
	give(t, m, sdk.Batch{Accounts: []wire.Account{{ID: "a"}, {ID: "empty"}}, Balances: []wire.Balances{
		{AccountID: "a", At: said, Balances: []wire.Balance{{Amount: "5", Currency: "USD/2"}, {Amount: "7", Currency: "EUR/2"}}},
	}})
	first, err := m.Balances(t.Context(), "a")
	if err != nil || !first.At.Equal(said) {
		t.Fatal(first, err)
	}
	c.at = c.at.Add(time.Second)
	give(t, m, sdk.Batch{Balances: []wire.Balances{{AccountID: "a", Balances: []wire.Balance{{Amount: "5", Currency: "USD/2"}}}}})
	second, err := m.Balances(t.Context(), "a")
	if err != nil || !second.At.After(first.At) || len(second.Balances) != 2 || second.Balances[0] != (wire.Balance{Amount: "0", Currency: "EUR/2"}) {
		t.Error(second, err)
	}
	if p := give(t, m, sdk.Batch{Balances: []wire.Balances{{AccountID: "a", At: first.At.Add(-time.Hour)}}}); p.Changed != 0 {
		t.Error("balances of an earlier instant stand")
	}
	if empty, err := m.Balances(t.Context(), "empty"); err != nil || len(empty.Balances) != 0 || empty.Validate() != nil {
		t.Error(empty, err)
	}
	var notFound *sdk.Error
	if _, err := m.Balances(t.Context(), "nobody"); !errors.As(err, &notFound) || notFound.Status != http.StatusNotFound {
		t.Error(err)
	}
}

func TestARowThatTheContractDoesNotAllowIsPutAsideUntilItIsGood(t *testing.T) {
	m, _ := fresh(t)
	bad := movement("a", func(row *wire.Transaction) { row.Amount = "12.50" })
	for range 2 {
		if p := give(t, m, sdk.Batch{Transactions: []wire.Transaction{bad, movement("b", nil)}}); p.Rejected != 1 {
			t.Errorf("%+v", p)
		}
	}
	if rows := listed(t, m); len(rows) != 1 || rows[0].ID != "b" {
		t.Error(rows)
	}
	if health := m.Health(t.Context()); !health.Degraded || m.counts.Rejections != 1 {
		t.Error(health)
	}
	give(t, m, sdk.Batch{Transactions: []wire.Transaction{movement("a", nil)}})
	if m.Health(t.Context()).Degraded || len(listed(t, m)) != 2 {
		t.Error("the row is good and still put aside")
	}
}

func TestWhatTwoCompleteScansMissHasVanishedAndIsKept(t *testing.T) {
	m, _ := fresh(t)
	rows := []wire.Transaction{movement("a", nil), movement("b", nil)}
	source := Source{Name: "scan", Pull: FullScan(Pages(func(_ context.Context, page int) (sdk.Batch, error) {
		return sdk.Batch{Transactions: rows[page-1 : page], More: page < len(rows)}, nil
	}))}
	scan := func() Progress {
		progress, err := m.CatchUp(t.Context(), source)
		if err != nil {
			t.Fatal(err)
		}
		return progress
	}
	scan()
	all := rows
	rows = rows[:1]
	if p := scan(); p.Vanished != 0 {
		t.Error("one scan is enough")
	}
	if p := scan(); p.Vanished != 1 {
		t.Errorf("%+v", p)
	}
	if got := listed(t, m); len(got) != 2 || got[1].ID != "b" || got[1].Metadata[MetadataVanishedAt] == "" || got[0].Metadata != nil {
		t.Errorf("%+v", got)
	}
	if p := scan(); p.Vanished != 0 {
		t.Error("it vanishes again")
	}
	rows = all
	if p := scan(); p.Changed != 1 || listed(t, m)[1].Metadata != nil {
		t.Errorf("it came back: %+v", p)
	}
}

func TestSourcesReadEverythingOnceAndThenWhatIsNew(t *testing.T) {
	const size = 10
	var rows []wire.Transaction
	grow := func(n int) {
		for range n {
			at := time.Date(2026, 11, 1, 0, len(rows), 0, 0, time.UTC)
			rows = append(rows, movement(strconv.Itoa(len(rows)), func(row *wire.Transaction) { row.CreatedAt = at }))
		}
	}
	slice := func(from int) sdk.Batch {
		to := min(from+size, len(rows))
		return sdk.Batch{Transactions: rows[min(from, to):to], More: to < len(rows)}
	}
	m, c := fresh(t)
	sources := map[string]sdk.Pull{
		"pages": Pages(func(_ context.Context, page int) (sdk.Batch, error) { return slice((page - 1) * size), nil }),
		"offsets": Offsets(func(_ context.Context, offset int) (sdk.Batch, int, error) {
			batch := slice(offset)
			entries := batch.Len()
			return batch, entries, nil
		}),
		"newest": NewestFirst(func(_ context.Context, cursor string) (sdk.Batch, error) {
			before := len(rows)
			if cursor != "" {
				before, _ = strconv.Atoi(cursor)
			}
			batch := sdk.Batch{Transactions: slices.Clone(rows[max(0, before-size):before]), More: before > size, Next: strconv.Itoa(before - size)}
			slices.Reverse(batch.Transactions)
			return batch, nil
		}),
		"windows": Windows{Begin: rowsBegin, Length: 7 * time.Minute, Again: 5 * time.Minute, Now: c.now, Fetch: func(_ context.Context, from, to time.Time, _ string) (sdk.Batch, error) {
			var batch sdk.Batch
			for _, row := range rows {
				if !row.CreatedAt.Before(from) && row.CreatedAt.Before(to) {
					batch.Transactions = append(batch.Transactions, row)
				}
			}
			return batch, nil
		}}.Pull,
	}
	for name, pull := range sources {
		rows = nil
		mirror, _ := fresh(t)
		for round, n := range []int{35, 0, 1, 20, 7} {
			grow(n)
			c.at = rowsBegin.Add(time.Duration(len(rows)) * time.Minute)
			progress, err := mirror.CatchUp(t.Context(), Source{Name: name, Pull: pull})
			if err != nil || progress.New != n || len(listed(t, mirror)) != len(rows) {
				t.Fatalf("%s: round %d: %+v, %v, want %d new rows", name, round, progress, err, n)
			}
			if round > 0 && progress.Rows > n+2*size {
				t.Errorf("%s: round %d read %d rows for %d new ones", name, round, progress.Rows, n)
			}
		}
	}
	_ = m
}

var rowsBegin = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

func TestADeliveryIsStoredBeforeItIsReadAndReadUntilItSucceeds(t *testing.T) {
	m, c := fresh(t)
	secret := []byte("secret")
	failing := true
	handler, source := m.Inbox(Inbox{
		Name: "webhooks", Verify: HMAC{Header: "X-Signature", Prefix: "sha256=", Secrets: [][]byte{[]byte("older"), secret}}.Verify,
		Read: func(_ context.Context, d Delivery) (sdk.Batch, error) {
			if failing && strings.HasPrefix(string(d.Body), "x") {
				return sdk.Batch{}, errors.New("the PSP is down")
			}
			return sdk.Batch{Transactions: []wire.Transaction{movement(string(d.Body), nil)}}, nil
		},
	})
	send := func(body, signed string) int {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(signed))
		request := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		request.Header.Set("X-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		return answer.Code
	}
	if send("x1", "x1") != 204 || send("y2", "y2") != 204 || send("y3 ", "y3") != 401 || send("y2", "y2") != 204 {
		t.Fatal("wrong answers")
	}
	p, err := m.CatchUp(t.Context(), source)
	if err != nil || p.New != 1 || listed(t, m)[0].ID != "y2" {
		t.Errorf("%+v %v", p, err)
	}
	failing = false
	if p, _ := m.CatchUp(t.Context(), source); p.New != 0 {
		t.Error("read again at once")
	}
	c.at = c.at.Add(time.Minute)
	if p, err := m.CatchUp(t.Context(), source); err != nil || p.New != 1 {
		t.Errorf("%+v %v", p, err)
	}
	if p, _ := m.CatchUp(t.Context(), source); p.Rows != 0 {
		t.Error("a delivery that was read is read again")
	}
}

func TestAnUnsignedDeliveryIsRefused(t *testing.T) {
	for why, h := range map[string]HMAC{
		"holds no signature": {Header: "S", Secrets: [][]byte{[]byte("s")}},
		"is empty":           {Header: "Good", Secrets: [][]byte{nil}},
		"not the provider's": {Header: "Good", Secrets: [][]byte{[]byte("s")}, Base64: true},
	} {
		header := http.Header{"Good": {"abcd"}}
		if err := h.Verify(header, []byte("body")); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%v, want %q", err, why)
		}
	}
}

func TestAFolderIsReadFileByFileOnceByContent(t *testing.T) {
	m, c := fresh(t)
	dir := t.TempDir()
	put := func(name, content string) {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, c.at, c.at); err != nil {
			t.Fatal(err)
		}
	}
	source := m.Folder(Folder{Name: "files", Dir: dir, Read: func(_ context.Context, name string, content io.Reader) (sdk.Batch, error) {
		var batch sdk.Batch
		return batch, json.NewDecoder(content).Decode(&batch.Transactions)
	}})
	row, _ := json.Marshal([]wire.Transaction{movement("a", nil)})
	put("1.json", string(row))
	put("2.json", "half a f")
	put("copy.json", string(row))
	put(".hidden", "x")
	if p, err := m.CatchUp(t.Context(), source); err != nil || p.Rows != 0 {
		t.Errorf("read before it settled: %+v %v", p, err)
	}
	c.at = c.at.Add(time.Minute)
	if p, err := m.CatchUp(t.Context(), source); err != nil || p.New != 1 || p.Rows != 1 {
		t.Errorf("%+v %v", p, err)
	}
	row, _ = json.Marshal([]wire.Transaction{movement("b", nil)})
	put("2.json", string(row))
	c.at = c.at.Add(time.Minute)
	if p, err := m.CatchUp(t.Context(), source); err != nil || p.New != 1 {
		t.Errorf("the mended file: %+v %v", p, err)
	}
}

func TestASourceThatFailsChangesNothingAndIsSeen(t *testing.T) {
	m, _ := fresh(t)
	handler, err := sdk.New(m.Service(sdk.Service{APIKeys: []string{"key"}}))
	if err != nil {
		t.Fatal(err)
	}
	source := Source{Name: "broken", Pull: func(_ context.Context, position string) (sdk.Batch, error) {
		if position == "" {
			return sdk.Batch{Next: "1", Transactions: []wire.Transaction{movement("a", nil)}}, nil
		}
		panic("no " + position)
	}}
	if _, err := m.Pull(t.Context(), source); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Pull(t.Context(), source); err == nil {
		t.Fatal("a panic is no error")
	}
	for key, want := range map[string]string{"": `{"status":"degraded"}`, "Bearer key": `"last_error":"panic: no 1`} {
		request := httptest.NewRequest(http.MethodGet, "/healthz", nil)
		request.Header.Set("Authorization", key)
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		if body := answer.Body.String(); !strings.Contains(body, want) || key == "" && body != want {
			t.Errorf("%q: %s", key, body)
		}
	}
}

func TestBalancesOfAsksForEachAccountAndGoesOnBehindABadOne(t *testing.T) {
	m, _ := fresh(t)
	var accounts []wire.Account
	for i := range 2*accountsAtOnce + 1 {
		accounts = append(accounts, wire.Account{ID: fmt.Sprintf("a%02d", i)})
	}
	give(t, m, sdk.Batch{Accounts: accounts})
	source := Source{Name: "balances", Pull: m.BalancesOf(func(_ context.Context, id string) (wire.Balances, error) {
		if id == "a03" || id == "a40" {
			return wire.Balances{}, errors.New("closed")
		}
		return wire.Balances{Balances: []wire.Balance{{Amount: "1", Currency: "EUR/2"}}}, nil
	})}
	if _, err := m.CatchUp(t.Context(), source); err == nil {
		t.Error("nobody hears that the last account can't be read")
	}
	if _, err := m.CatchUp(t.Context(), source); err != nil {
		t.Error(err)
	}
	if m.counts.Balances != 2*accountsAtOnce-1 {
		t.Error(m.counts)
	}
}
