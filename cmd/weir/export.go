package main

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/internal/archive"
)

// standardStream is the name that stands for standard input or output.
const standardStream = "-"

type exportOptions struct {
	store     string
	file      string
	overwrite bool
}

func exportCommand() *cobra.Command {
	var o exportOptions
	c := &cobra.Command{
		Use:   "export FILE",
		Short: "Write everything in a database to a file",
		Long: `Write everything in a database to a file, from which "weir import" fills another
database, of the same kind or of the other: connectors, streams with their
cursors, accounts, balances, payments with every version and its bytes, events
with their numbers, rejections.

The file is text, a JSON object on each line, with checksums; it is compressed
when its name ends in .gz. "-" writes to standard output. API keys of services stay
encrypted in it: keep the file with the encryption key too, without which they
are lost. Everything else can be read by whoever reads the file.

A hub may use the database meanwhile; what is written is one state of it all.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.file = args[0]
			return o.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	flags := c.Flags()
	flags.StringVar(&o.store, "store", "weir.db", storeFlag)
	flags.BoolVar(&o.overwrite, "overwrite", false, "replace FILE if there is one")
	return c
}

func (o *exportOptions) run(ctx context.Context, out, messages io.Writer) (err error) {
	if o.file == standardStream {
		return o.export(ctx, out, messages, messages)
	}
	if err := o.checkFile(); err != nil {
		return err
	}
	// A file with the right name is a whole archive: until it is one, it has another.
	file, err := os.CreateTemp(filepath.Dir(o.file), "."+filepath.Base(o.file)+".*")
	if err != nil {
		return fmt.Errorf("make the file %s: %w; choose a folder that exists and can be written", o.file, err)
	}
	kept := false
	defer func() {
		if !kept {
			err = errors.Join(err, ignoreClosed(file.Close()), os.Remove(file.Name()))
		}
	}()
	if err := o.exportTo(ctx, file, out, messages); err != nil {
		return err
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("write %s: %w", o.file, err)
	}
	if err := o.checkFile(); err != nil { // it took a while
		return err
	}
	if err := os.Rename(file.Name(), o.file); err != nil {
		return err
	}
	kept = true
	return nil
}

// checkFile refuses to replace what nobody asked to replace.
func (o *exportOptions) checkFile() error {
	info, err := os.Lstat(o.file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look at %s: %w", o.file, err)
	case info.IsDir():
		return fmt.Errorf("%s is a folder; name a file in it, such as %s", o.file, filepath.Join(o.file, "weir.ndjson.gz"))
	case !info.Mode().IsRegular():
		return fmt.Errorf(`%s is not a file; write to standard output with "-" and send that there`, o.file)
	case !o.overwrite:
		return fmt.Errorf("there is a file %s already; name another, or replace it with --overwrite", o.file)
	}
	return nil
}

// exportTo writes the archive to a file and says how large that is.
func (o *exportOptions) exportTo(ctx context.Context, file *os.File, out, messages io.Writer) error {
	if !strings.HasSuffix(o.file, ".gz") {
		return o.export(ctx, file, out, messages)
	}
	packed, err := gzip.NewWriterLevel(file, gzip.BestSpeed)
	if err != nil {
		return err
	}
	if err := o.export(ctx, packed, out, messages); err != nil {
		return err
	}
	if err := packed.Close(); err != nil {
		return fmt.Errorf("write %s: %w", o.file, err)
	}
	if info, err := file.Stat(); err == nil {
		fmt.Fprintf(out, "compressed  to %s\n", size(info.Size()))
	}
	return nil
}

// export writes the archive and a summary.
func (o *exportOptions) export(ctx context.Context, to, out, messages io.Writer) error {
	from, err := openForExport(ctx, o.store)
	if err != nil {
		return err
	}
	defer from.Close() //nolint:errcheck // it was only read
	began := time.Now()
	show := newMeter(messages, "exported")
	summary, err := archive.Export(ctx, to, from, archive.ExportOptions{
		Program: "weir " + version, Database: from.kind, At: began, Progress: show.report,
	})
	show.end()
	if err != nil {
		return fmt.Errorf("export %s: %w", from.name, err)
	}
	showSummary(out, "exported", from.name, summary, time.Since(began))
	return nil
}

// showSummary prints what was carried.
func showSummary(out io.Writer, done, name string, summary archive.Summary, took time.Duration) {
	var rows [][]cell
	for _, t := range summary.Tables {
		rows = append(rows, []cell{{text: t.Name}, {text: grouped(t.Rows), right: true}})
	}
	fmt.Fprint(out, terminal{}.table(rows))
	fmt.Fprintf(out, "\n%s    %s rows of %s in %s, %s a second, %s\n", done, grouped(summary.Rows), name, short(took),
		grouped(int64(float64(summary.Rows)/max(took.Seconds(), 1e-3))), size(summary.Bytes))
	fmt.Fprintf(out, "content     %s\n", summary.Content)
}

// ignoreClosed is an error of closing, but for that of closing twice.
func ignoreClosed(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}

// size writes a number of bytes for people.
func size(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.0f MB", float64(n)/1e6)
	default:
		return fmt.Sprintf("%.0f kB", float64(n)/1e3)
	}
}

// A meter shows how far the rows are, how fast they go, and how long it takes.
type meter struct {
	*progress
	done  string
	began time.Time
	last  time.Time
}

const (
	// meterEvery is the pause between two looks at a meter.
	meterEvery = 100 * time.Millisecond
	// meterSilence is for how long nobody wonders what is going on.
	meterSilence = time.Second
	// meterWidth is how many characters the bar has.
	meterWidth = 24
)

func newMeter(out io.Writer, done string) *meter {
	return &meter{progress: newProgress(out), done: done, began: time.Now()}
}

// next begins anew with another thing that is done, unless it has begun.
func (m *meter) next(done string) {
	if m.done != done {
		m.end()
		m.done, m.began, m.last = done, time.Now(), time.Time{}
	}
}

// report is an [archive.Progress].
func (m *meter) report(done, total int64) {
	now := time.Now()
	if total == 0 || now.Sub(m.last) < meterEvery || now.Sub(m.began) < meterSilence {
		return
	}
	m.last = now
	part := min(float64(done)/float64(total), 1)
	bar := ""
	if m.terminal {
		full := int(part * meterWidth)
		bar = strings.Repeat("█", full) + strings.Repeat("░", meterWidth-full) + " "
	}
	elapsed := now.Sub(m.began)
	left := time.Duration(float64(elapsed) * (1 - part) / max(part, 1e-6))
	m.line(fmt.Sprintf("%s%3.0f %%  %s %s of %s rows, %s a second, %s left", bar, 100*part, m.done, grouped(done), grouped(total),
		grouped(int64(float64(done)/max(elapsed.Seconds(), 1e-3))), short(left.Round(time.Second))))
}
