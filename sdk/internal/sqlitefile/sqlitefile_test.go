package sqlitefile

import (
	"path/filepath"
	"strings"
	"testing"
)

var notes = Kind{ID: 77, Name: "notebook", Steps: []string{`CREATE TABLE note (text TEXT NOT NULL)`}}

func TestAFileKeepsWhatWasWrittenAndGrowsItsTables(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notes.db")
	f, err := Open(t.Context(), path, notes)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write.ExecContext(t.Context(), `INSERT INTO note VALUES ('kept')`); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read.ExecContext(t.Context(), `DELETE FROM note`); err == nil {
		t.Error("a reader wrote")
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	grown := notes
	grown.Steps = append(grown.Steps[:1:1], `ALTER TABLE note ADD COLUMN colour TEXT NOT NULL DEFAULT 'blue'`)
	f, err = Open(t.Context(), path, grown)
	if err != nil {
		t.Fatal(err)
	}
	var text, colour string
	if err := f.Read.QueryRowContext(t.Context(), `SELECT text, colour FROM note`).Scan(&text, &colour); err != nil || text+colour != "keptblue" {
		t.Error(text, colour, err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), path, notes)
	refused(t, err, "a newer program wrote it")
}

func TestAFileIsRefusedInWords(t *testing.T) {
	dir := t.TempDir()
	_, err := Open(t.Context(), dir, notes)
	refused(t, err, "is a folder")
	_, err = Open(t.Context(), filepath.Join(dir, "missing", "notes.db"), notes)
	refused(t, err, "choose a folder that exists")

	path := filepath.Join(dir, "notes.db")
	f, err := Open(t.Context(), path, notes)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), path, notes)
	refused(t, err, "in use by another process")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	other := notes
	other.ID, other.Name = 78, "cookbook"
	_, err = Open(t.Context(), path, other)
	refused(t, err, "it is no cookbook")
}

func refused(t *testing.T, err error, why string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), why) {
		t.Errorf("%v, want an error with %q", err, why)
	}
}
