package archive_test

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/internal/archive"
	"github.com/weirhq/weir/internal/store/sqlite"
)

// export returns the archive of a database.
func export(t *testing.T, db archive.Source) (text string, summary archive.Summary) {
	t.Helper()
	var out bytes.Buffer
	summary, err := archive.Export(t.Context(), &out, db, archive.ExportOptions{Program: "a test", Database: "test", At: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), summary
}

// load imports an archive.
func load(t *testing.T, text string, into archive.Target) (archive.Summary, error) {
	t.Helper()
	r, err := archive.Open(strings.NewReader(text))
	if err != nil {
		return archive.Summary{}, err
	}
	return r.Import(t.Context(), into, archive.ImportOptions{Verify: true})
}

// body is what two archives of the same content have in common: all but when
// they were written, and the sum over that.
func body(t *testing.T, text string) []string {
	t.Helper()
	lines := strings.SplitAfter(text, "\n")
	if len(lines) < 3 || lines[len(lines)-1] != "" {
		t.Fatalf("an archive of %d lines", len(lines))
	}
	return lines[1 : len(lines)-2]
}

func same(t *testing.T, what, got, want string) {
	t.Helper()
	if difference := cmp.Diff(body(t, want), body(t, got)); difference != "" {
		t.Errorf("%s differs (-want +got):\n%s", what, difference)
	}
}

func TestWhatIsImportedIsExportedAgainToTheByte(t *testing.T) {
	first, exported := export(t, filled(t, 30))
	into := openSQLite(t)
	imported, err := load(t, first, into)
	if err != nil {
		t.Fatal(err)
	}
	if imported.Content != exported.Content || imported.Rows != exported.Rows || imported.Bytes != int64(len(first)) {
		t.Errorf("exported %+v, imported %+v", exported, imported)
	}
	second, again := export(t, into)
	same(t, "the second archive", second, first)
	if again.Content != exported.Content {
		t.Errorf("one content has the names %s and %s", exported.Content, again.Content)
	}
	for _, table := range exported.Tables {
		if table.Rows == 0 {
			t.Errorf("nothing was exported of %s, so nothing was tested", table.Name)
		}
	}
}

func TestACompressedArchiveIsReadAsOneThatIsNot(t *testing.T) {
	text, exported := export(t, filled(t, 4))
	var compressed bytes.Buffer
	w := gzip.NewWriter(&compressed)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	imported, err := load(t, compressed.String(), openSQLite(t))
	if err != nil || imported.Content != exported.Content {
		t.Errorf("imported %+v, %v; exported %+v", imported, err, exported)
	}
}

func TestAnEmptyDatabaseCanBeCarriedToo(t *testing.T) {
	text, exported := export(t, openSQLite(t))
	imported, err := load(t, text, openSQLite(t))
	if err != nil || imported.Rows != exported.Rows {
		t.Errorf("imported %+v, %v; exported %+v", imported, err, exported)
	}
}

var _ interface {
	archive.Source
	archive.Target
} = (*sqlite.DB)(nil)
