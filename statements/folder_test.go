package statements

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// watched is a source over a folder with a clock of its own.
type watched struct {
	*Source
	t    *testing.T
	dir  string
	now  time.Time
	seen []Outcome
}

func watch(t *testing.T) *watched {
	t.Helper()
	w := &watched{t: t, dir: t.TempDir(), now: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)}
	source, err := NewSource(t.Context(), w.dir, filepath.Join(w.dir, ".book.db"), BookOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { source.Close() })
	w.Source = source
	source.Folder.Now = func() time.Time { return w.now }
	source.Report = func(o Outcome) { w.seen = append(w.seen, o) }
	return w
}

func (w *watched) write(name, content string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// pull pulls everything after a position, once the files have settled.
func (w *watched) pull(position string) (transactions int, next string) {
	w.t.Helper()
	for {
		batch, err := w.Pull(context.WithoutCancel(w.t.Context()), position)
		if err != nil {
			w.t.Fatal(err)
		}
		transactions += len(batch.Transactions)
		position = batch.Next
		if !batch.More {
			return transactions, position
		}
	}
}

func (w *watched) settle() { w.now = w.now.Add(DefaultSettle) }

func (w *watched) exists(name string) bool {
	_, err := os.Lstat(filepath.Join(w.dir, name))
	return err == nil
}

func TestAFileIsTakenOnceItHasSettled(t *testing.T) {
	w := watch(t)
	whole := testdata(t, "mt940-envelope.sta")
	w.write("a.sta", whole[:200])
	n, position := w.pull("")
	if n != 0 {
		t.Fatal("a file was taken at first sight")
	}
	w.settle()
	w.write("a.sta", whole) // it grew
	if n, _ := w.pull(position); n != 0 || len(w.seen) != 0 {
		t.Fatalf("a file that grows was taken or rejected: %+v", w.seen)
	}
	w.settle()
	n, position = w.pull(position)
	if n != 3 || !w.exists("a.sta") {
		t.Fatalf("%d transactions, want 3", n)
	}
	w.write("copy of a.sta", whole)
	w.pull(position)
	w.settle()
	if n, _ := w.pull(position); n != 0 {
		t.Errorf("%d transactions of a copy, want none", n)
	}
	if last := w.seen[len(w.seen)-1]; !last.Taken.Again {
		t.Errorf("outcome %+v, want that it came again", last)
	}
	if n, _ := w.pull(""); n != 3 {
		t.Errorf("%d transactions from the beginning, want 3", n)
	}
}

func TestABadFileGoesToRejectedWithItsReason(t *testing.T) {
	w := watch(t)
	bad := camtText(camt053, entryText("1.005", ""))
	for range 2 {
		w.write("bad.xml", bad)
		w.pull("")
		w.settle()
		w.pull("")
	}
	for _, name := range []string{"bad.xml", "bad.xml.2"} {
		reason, err := os.ReadFile(filepath.Join(w.dir, RejectedDir, name+".reason"))
		if err != nil || !strings.Contains(string(reason), "bad.xml:4: Stmt[1]/Ntry[1]/Amt") {
			t.Errorf("reason %q, %v", reason, err)
		}
		if content, err := os.ReadFile(filepath.Join(w.dir, RejectedDir, name)); err != nil || string(content) != bad {
			t.Errorf("the rejected file is not what came: %v", err)
		}
	}
	if w.exists("bad.xml") || len(w.seen) != 2 || w.seen[0].Rejected == nil {
		t.Errorf("outcomes %+v", w.seen)
	}
}

func TestLinksDirectoriesAndTemporaryNamesAreLeftAlone(t *testing.T) {
	w := watch(t)
	outside := filepath.Join(t.TempDir(), "secret.sta")
	if err := os.WriteFile(outside, []byte(testdata(t, "mt940-envelope.sta")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(w.dir, "link.sta")); err != nil {
		t.Skip("links can't be made here:", err)
	}
	if err := os.Mkdir(filepath.Join(w.dir, "archive.sta"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{".hidden.sta", "a.sta.part", "b.tmp", "~$c.csv", "d.sta~", "e.reason"} {
		w.write(name, "not finished")
	}
	w.pull("")
	w.settle()
	if n, _ := w.pull(""); n != 0 || len(w.seen) != 0 || w.exists(RejectedDir) {
		t.Errorf("%d transactions, outcomes %+v", n, w.seen)
	}
}

func TestAnotherProcessGoesOnWhereTheFirstStopped(t *testing.T) {
	w := watch(t)
	w.write("a.sta", testdata(t, "mt940-envelope.sta"))
	w.pull("")
	w.settle()
	_, position := w.pull("")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	next, err := NewSource(t.Context(), w.dir, filepath.Join(w.dir, ".book.db"), BookOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	next.Folder.Now = func() time.Time { return w.now }
	w.Source = next
	w.write("b.sta", testdata(t, "mt942-german.sta"))
	w.pull(position)
	w.settle()
	if n, _ := w.pull(position); n != 2 {
		t.Errorf("%d transactions after the restart, want the two new ones", n)
	}
}

func TestAPositionOfAnotherSourceIsRefused(t *testing.T) {
	w := watch(t)
	if _, err := w.Pull(t.Context(), "x"); err == nil {
		t.Error("no error")
	}
}

func TestTroubleWithOneFileKeepsNoRowsBack(t *testing.T) {
	w := watch(t)
	w.write("a.sta", testdata(t, "mt940-envelope.sta"))
	w.write("b.sta", testdata(t, "mt942-german.sta"))
	takeFile := w.Folder.Take
	w.Folder.Take = func(ctx context.Context, in Input) (Taken, error) {
		if in.Name == "a.sta" {
			return Taken{}, os.ErrPermission
		}
		return takeFile(ctx, in)
	}
	var troubles []error
	w.Trouble = func(err error) { troubles = append(troubles, err) }
	w.pull("")
	w.settle()
	n, position := w.pull("")
	if n != 2 || len(troubles) != 1 || !w.exists("a.sta") {
		t.Fatalf("%d transactions, troubles %v", n, troubles)
	}
	if _, err := w.Pull(t.Context(), position); err == nil {
		t.Error("with nothing else to tell, the trouble is the answer")
	}
	w.Folder.Take = takeFile
	if n, _ := w.pull(position); n != 3 {
		t.Errorf("%d transactions after the trouble, want 3", n)
	}
}
