package archive_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/weirhq/weir/internal/archive"
	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
	"github.com/weirhq/weir/internal/store/sqlite"
)

// untouched says that a database holds nothing yet.
func untouched(t *testing.T, db archive.Source) {
	t.Helper()
	if _, summary := export(t, db); summary.Rows != 3 { // the counters
		t.Errorf("something of a refused archive is there: %+v", summary)
	}
}

// refuses imports a text and wants a sentence about it.
func refuses(t *testing.T, db *sqlite.DB, text, want string) {
	t.Helper()
	_, err := load(t, text, db)
	switch {
	case err == nil:
		t.Fatalf("it was taken; want: …%s…", want)
	case !strings.Contains(err.Error(), want):
		t.Errorf("%v\nwant: …%s…", err, want)
	case hub.CodeOf(err) != hub.CodeInvalid:
		t.Errorf("%v has the code %s", err, hub.CodeOf(err))
	}
	untouched(t, db)
}

// edit changes the lines of an archive and leaves its checksums as they are.
func edit(text string, change func(lines []string) []string) string {
	return strings.Join(change(strings.SplitAfter(text, "\n")), "")
}

// find is the place of the first line that begins so.
func find(lines []string, begin string) int {
	return slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, begin) })
}

func TestWhatIsNoArchiveIsRefused(t *testing.T) {
	db := openSQLite(t)
	for name, text := range map[string]string{
		"an empty file": "", "a text": "hello\n", "JSON": "{}\n", "another JSON": `{"weir_archive":7}` + "\n",
		"a line without an end": `{"weir_archive":{"format":1}}`, "what is compressed badly": "\x1f\x8bnothing",
		"binary": strings.Repeat("\x00\xff", 1<<20),
	} {
		t.Run(name, func(t *testing.T) { refuses(t, db, text, "no archive of Weir's") })
	}
}

func TestAnArchiveOfANewerWeirIsRefused(t *testing.T) {
	db := openSQLite(t)
	text, _ := export(t, db)
	for name, change := range map[string][3]string{
		"format": {`"format":1`, `"format":2`, `newer Weir, "a test": its format is 2`},
		"table":  {`"name":"balance"`, `"name":"beam"`, "it has a table beam"},
		"column": {`"columns":["name"`, `"columns":["colour"`, "table setting has a column colour"},
	} {
		t.Run(name, func(t *testing.T) { refuses(t, db, strings.Replace(text, change[0], change[1], 1), change[2]) })
	}
}

func TestACutArchiveIsRefusedWhereverItWasCut(t *testing.T) {
	text, _ := export(t, filled(t, 3))
	random := random(t)
	db := openSQLite(t)
	head := strings.IndexByte(text, '\n') + 1
	cuts := []int{head, len(text) - 1, strings.LastIndexByte(text[:len(text)-1], '\n') + 1}
	for range 20 {
		cuts = append(cuts, head+random.IntN(len(text)-head))
	}
	for _, cut := range cuts {
		refuses(t, db, text[:cut], "it was cut short")
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	refuses(t, db, packed.String()[:packed.Len()-5], "it was cut short")
	refuses(t, db, packed.String()[:packed.Len()/2], "it was cut short")
}

func TestAChangedByteIsNoticedWhereverItIs(t *testing.T) {
	text, _ := export(t, filled(t, 3))
	random := random(t)
	db := openSQLite(t)
	head := strings.IndexByte(text, '\n') + 1
	for range 200 {
		at := head + random.IntN(len(text)-head)
		changed := []byte(text)
		changed[at] ^= 1 << random.IntN(8)
		if _, err := load(t, string(changed), db); err == nil {
			t.Fatalf("byte %d changed from %q to %q, and nobody noticed", at, text[at], changed[at])
		}
	}
	untouched(t, db)
}

func TestRowsThatAreNotAsTheyWereAreRefused(t *testing.T) {
	text, _ := export(t, filled(t, 3))
	db := openSQLite(t)
	const payment = `{"payment":{`
	for name, test := range map[string]struct {
		want   string
		change func(lines []string, at int) []string
	}{
		"a row that is missing":   {"the checksum of table payment does not fit", func(l []string, at int) []string { return slices.Delete(l, at, at+1) }},
		"a row that stands twice": {"stands there twice, or not in its place", func(l []string, at int) []string { return slices.Insert(l, at, l[at]) }},
		"rows in another order":   {"stands there twice, or not in its place", func(l []string, at int) []string { l[at], l[at+1] = l[at+1], l[at]; return l }},
		"a row of another table":  {"it is neither a row of table payment nor its end", func(l []string, at int) []string { return slices.Insert(l, at, l[find(l, `{"account":{`)]) }},
		"a row after the end": {"neither a row", func(l []string, _ int) []string {
			return slices.Insert(l, find(l, `{"end":{"table":"payment"`)+1, l[find(l, payment)])
		}},
		"an amount that is changed": {"checksum of table payment", func(l []string, at int) []string {
			l[at] = strings.Replace(l[at], `"amount":"`, `"amount":"1`, 1)
			return l
		}},
		"a column that is missing": {"column connector_key is missing", func(l []string, at int) []string {
			l[at] = strings.Replace(l[at], `"connector_key":1,`, "", 1)
			return l
		}},
		"a column that is unknown": {`column "colour" is unknown, or not in its place`, func(l []string, at int) []string {
			l[at] = strings.Replace(l[at], `"connector_key"`, `"colour"`, 1)
			return l
		}},
		"a number that is none": {"column connector_key", func(l []string, at int) []string {
			l[at] = strings.Replace(l[at], `"connector_key":1`, `"connector_key":1.5`, 1)
			return l
		}},
		"something after a row":   {"something follows the row", func(l []string, at int) []string { l[at] = strings.TrimSuffix(l[at], "}\n") + ",\"a\":1}\n"; return l }},
		"a line of nothing":       {"neither a row of table payment nor its end", func(l []string, at int) []string { return slices.Insert(l, at, "\n") }},
		"something after the end": {"something follows the archive's last line", func(l []string, _ int) []string { return append(l, "{}\n") }},
	} {
		t.Run(name, func(t *testing.T) {
			refuses(t, db, edit(text, func(l []string) []string { return test.change(l, find(l, payment)) }), test.want)
		})
	}
}

// resum makes the checksums fit again, as somebody would who changes an archive
// on purpose.
func resum(text string) string {
	all, content, table := sha256.New(), sha256.New(), sha256.New()
	rows, tableRows := 0, 0
	return edit(text, func(lines []string) []string {
		for i, line := range lines {
			switch {
			case strings.HasPrefix(line, `{"end":`):
				var l struct{ End struct{ Table string } }
				_ = json.Unmarshal([]byte(line), &l)
				lines[i] = fmt.Sprintf("{\"end\":{\"table\":%q,\"rows\":%d,\"sha256\":%q}}\n", l.End.Table, tableRows, hex.EncodeToString(table.Sum(nil)))
				content.Write([]byte(lines[i]))
				table.Reset()
				tableRows = 0
			case strings.HasPrefix(line, `{"total":`):
				lines[i] = fmt.Sprintf("{\"total\":{\"rows\":%d,\"content\":%q,\"sha256\":%q}}\n", rows, hex.EncodeToString(content.Sum(nil)), hex.EncodeToString(all.Sum(nil)))
			case i > 0 && line != "":
				table.Write([]byte(line))
				rows++
				tableRows++
			}
			all.Write([]byte(lines[i]))
		}
		return lines
	})
}

// The checksums tell what was changed by chance. A row that the database can't
// hold, or holds in another form, is noticed although they fit.
func TestRowsThatTheDatabaseDoesNotKeepAsTheyAreAreNoticedToo(t *testing.T) {
	text, _ := export(t, filled(t, 3))
	if _, err := load(t, resum(text), openSQLite(t)); err != nil {
		t.Fatalf("the test's own sums do not fit: %v", err)
	}
	db := openSQLite(t)
	twice := edit(text, func(l []string) []string {
		at := find(l, `{"payment":{`)
		next := slices.Clone(l)
		next[at+1] = strings.Replace(l[at], `"payment_key":1,`, `"payment_key":2,`, 1)
		return next
	})
	_, err := load(t, resum(twice), db)
	if err == nil || !strings.Contains(err.Error(), "the row 2 of table payment") || !strings.Contains(err.Error(), "UNIQUE") {
		t.Errorf("one payment with two keys: %v", err)
	}
	untouched(t, db)
	spaced := resum(strings.Replace(text, `{"connector":{"connector_key":1,`, `{"connector":{"connector_key": 1,`, 1))
	if _, err := load(t, spaced, db); err == nil || !strings.Contains(err.Error(), "is not what the archive held") {
		t.Errorf("a row that is not written as we write it: %v", err)
	}
	untouched(t, db)
}

func TestADatabaseThatIsNotEmptyIsLeftAlone(t *testing.T) {
	db := filled(t, 3)
	text, before := export(t, db)
	if _, err := load(t, text, db); hub.CodeOf(err) != hub.CodeConflict || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("it said %v", err)
	}
	if _, after := export(t, db); after.Content != before.Content {
		t.Error("the database has changed")
	}
}

func TestAnImportThatIsInterruptedCanBeginAgain(t *testing.T) {
	text, exported := export(t, filled(t, 3))
	db := openSQLite(t)
	broken := errors.New("the network went away")
	r, err := archive.Open(io.MultiReader(strings.NewReader(text[:len(text)/2]), iotest.ErrReader(broken)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Import(t.Context(), db, archive.ImportOptions{}); !errors.Is(err, broken) {
		t.Errorf("it said %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if r, err = archive.Open(strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Import(ctx, db, archive.ImportOptions{Progress: func(int64, int64) { cancel() }}); !errors.Is(err, context.Canceled) {
		t.Errorf("it said %v", err)
	}
	untouched(t, db)
	if imported, err := load(t, text, db); err != nil || imported.Content != exported.Content {
		t.Errorf("the next attempt: %+v, %v", imported, err)
	}
}

// fullDisk takes some bytes and no more.
type fullDisk struct{ room int }

var errFull = errors.New("no space left on device")

func (d *fullDisk) Write(b []byte) (int, error) {
	if d.room -= len(b); d.room < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func TestAnArchiveThatFindsNoRoomIsAnError(t *testing.T) {
	db := filled(t, 3)
	text, _ := export(t, db)
	for _, room := range []int{0, len(text) / 2, len(text) - 200} {
		if _, err := archive.Export(t.Context(), &fullDisk{room}, db, archive.ExportOptions{}); !errors.Is(err, errFull) {
			t.Errorf("with room for %d bytes: %v", room, err)
		}
	}
}

// A later program knows more columns. What lacks them is read all the same.
func TestAnArchiveOfAnOlderWeirThatLacksAColumnIsRead(t *testing.T) {
	text, _ := export(t, openSQLite(t))
	older := resum(strings.Replace(text, `"concurrency","look"]`, `"concurrency"]`, 1))
	if older == text {
		t.Fatal("the column is not the last of its table any more")
	}
	if _, err := load(t, older, openSQLite(t)); err != nil {
		t.Error(err)
	}
	lacks := resum(strings.Replace(text, `"requests_per_second",`, "", 1))
	refuses(t, openSQLite(t), lacks, "lacks column requests_per_second of table connector")
}

func TestTheTablesOfAnArchiveStandInTheOrderInWhichTheyAreFilled(t *testing.T) {
	text, _ := export(t, openSQLite(t))
	payment, adjustment, event := strings.Index(text, `{"name":"payment"`), strings.Index(text, `{"name":"adjustment"`), strings.Index(text, `{"name":"event"`)
	swapped := text[:payment] + text[adjustment:event] + text[payment:adjustment] + text[event:]
	refuses(t, openSQLite(t), swapped, "are not in their order: payment comes too late")
	for i, table := range store.Tables {
		if strings.Index(text, `"end":{"table":"`+table.Name) < strings.Index(text, `"end":{"table":"`+store.Tables[max(i-1, 0)].Name) {
			t.Errorf("%s is not in its place", table.Name)
		}
	}
}
