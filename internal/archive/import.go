package archive

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
)

const (
	// lineBytesMax bounds a line. A record has at most the 32 MiB of the answer
	// that it came in, and as JSON text at most six times as much.
	lineBytesMax = 256 << 20
	// headerBytesMax bounds the first line, which may be of a file of any kind.
	headerBytesMax = 1 << 20
	// A batch of rows is handed to the database at once.
	batchRows  = 1000
	batchBytes = 4 << 20
)

// A Reader is an archive whose first line has been read and understood.
type Reader struct {
	in      *bufio.Reader
	header  header
	layouts []*layout
	sums    *sums
	// lines counts those that were read.
	lines int64
	// long holds a line that does not fit into the buffer.
	long []byte
	rows *rowReader
}

// Open reads the first line of an archive, which may be compressed by gzip. Its
// errors are sentences: when this is no archive, or one of a newer Weir.
func Open(from io.Reader) (*Reader, error) {
	in := bufio.NewReaderSize(from, bufferBytes)
	if magic, err := in.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		unpacked, err := gzip.NewReader(in)
		if err != nil {
			return nil, refused("this is no archive of Weir's: it begins like a compressed file and is none: %w", err)
		}
		in = bufio.NewReaderSize(unpacked, bufferBytes)
	}
	r := &Reader{in: in, sums: newSums(), rows: newRowReader()}
	text, err := r.next(headerBytesMax)
	if err != nil && !errors.Is(err, errCut) && !errors.Is(err, errLong) {
		return nil, err
	}
	var first line
	if err != nil || !bytes.HasPrefix(text, []byte(`{"weir_archive":`)) || json.Unmarshal(text, &first) != nil || first.Header == nil {
		return nil, refused("this is no archive of Weir's; name a file that weir export has written")
	}
	r.header = *first.Header
	r.sums.other(text)
	if err := r.understand(); err != nil {
		return nil, err
	}
	return r, nil
}

// understand makes sure that every table and column of the archive is known.
func (r *Reader) understand() error {
	if r.header.Format > format {
		return r.newer(fmt.Sprintf("its format is %d, this program reads up to %d", r.header.Format, format))
	}
	after := -1
	for i := range r.header.Tables {
		announced := &r.header.Tables[i]
		at := slices.IndexFunc(store.Tables, func(t *store.Table) bool { return t.Name == announced.Name })
		if at < 0 {
			return r.newer("it has a table " + announced.Name)
		}
		if at <= after {
			return refused("the tables of the archive are not in their order: %s comes too late; export again", announced.Name)
		}
		after = at
		l, err := r.layout(store.Tables[at], announced.Columns)
		if err != nil {
			return err
		}
		r.layouts = append(r.layouts, l)
	}
	return nil
}

func (r *Reader) layout(t *store.Table, names []string) (*layout, error) {
	var places []int
	for _, name := range names {
		place := t.Column(name)
		if place < 0 {
			return nil, r.newer("table " + t.Name + " has a column " + name)
		}
		if slices.Contains(places, place) {
			return nil, refused("the archive has column %s of table %s twice; export again", name, t.Name)
		}
		places = append(places, place)
	}
	for i := range t.Columns {
		if !t.Columns[i].Null && !slices.Contains(places, i) {
			return nil, refused("the archive lacks column %s of table %s; export again", t.Columns[i].Name, t.Name)
		}
	}
	return newLayout(t, places), nil
}

func (r *Reader) newer(why string) error {
	return refused("the archive was written by a newer Weir, %q: %s; import it with that version or a later one", r.header.Program, why)
}

// ImportOptions are how an archive is imported.
type ImportOptions struct {
	// Verify reads everything back out of the database, before it is committed,
	// and compares the checksums.
	Verify   bool
	Progress Progress
	// Verifying is told of the progress of that.
	Verifying Progress
}

// Import fills an empty database with what the rest of the archive holds, in
// one transaction: until the last line is read and every checksum holds, nothing
// is there. It may be called once.
func (r *Reader) Import(ctx context.Context, into Target, options ImportOptions) (Summary, error) {
	var summary Summary
	err := into.LoadTables(ctx, func(t store.TableTx) (err error) {
		if summary, err = r.load(ctx, t, options.Progress); err != nil || !options.Verify {
			return err
		}
		return r.verify(ctx, t, summary, options.Verifying)
	})
	return summary, err
}

func (r *Reader) load(ctx context.Context, t store.TableTx, progress Progress) (summary Summary, err error) {
	var all int64
	for i := range r.header.Tables {
		all += r.header.Tables[i].Rows
	}
	for i, l := range r.layouts {
		rows, err := r.table(ctx, t, l, func() {
			if progress != nil {
				progress(r.sums.rows, all)
			}
		})
		if err != nil {
			return summary, err
		}
		if announced := r.header.Tables[i].Rows; rows != announced {
			return summary, r.damaged("table %s has %d rows, and the first line announces %d", l.table.Name, rows, announced)
		}
		summary.Tables = append(summary.Tables, TableSummary{Name: l.table.Name, Rows: rows})
	}
	if err := r.finish(); err != nil {
		return summary, err
	}
	summary.Rows, summary.Bytes, summary.Content = r.sums.rows, r.sums.bytes, sum(r.sums.content)
	return summary, nil
}

// table reads the rows of a table to its end.
func (r *Reader) table(ctx context.Context, t store.TableTx, l *layout, progress func()) (int64, error) {
	var batch [][]any
	var size int
	before := r.sums.rows
	order := keyOrder{}
	for {
		text, err := r.next(lineBytesMax)
		if err != nil {
			return 0, r.explain(err, l.table.Name)
		}
		if !bytes.HasPrefix(text, []byte(l.open)) {
			if err := t.InsertRows(ctx, l.table, batch); err != nil {
				return 0, err
			}
			progress()
			rows := r.sums.rows - before
			return rows, r.end(text, l.table.Name, rows)
		}
		row, err := r.rows.read(l, text[:len(text)-1])
		if err != nil {
			return 0, r.damaged("%w", err)
		}
		if !order.next(row[0]) {
			return 0, r.damaged("the row %v of table %s stands there twice, or not in its place", row[0], l.table.Name)
		}
		r.sums.row(text)
		batch, size = append(batch, row), size+len(text)
		if len(batch) == batchRows || size >= batchBytes {
			if err := t.InsertRows(ctx, l.table, batch); err != nil {
				return 0, err
			}
			progress()
			batch, size = batch[:0], 0
		}
	}
}

// end compares the line that closes a table with what was read of it.
func (r *Reader) end(text []byte, table string, rows int64) error {
	var l line
	if err := json.Unmarshal(text, &l); err != nil || l.End == nil || l.End.Table != table {
		return r.damaged("it is neither a row of table %s nor its end", table)
	}
	if l.End.Rows != rows || l.End.SHA256 != sum(r.sums.table) {
		return r.damaged("the checksum of table %s does not fit the %d rows before it", table, rows)
	}
	r.sums.end(text)
	return nil
}

// finish reads the last line, after which nothing may come.
func (r *Reader) finish() error {
	text, err := r.next(headerBytesMax)
	if err != nil {
		return r.explain(err, "")
	}
	var l line
	if err := json.Unmarshal(text, &l); err != nil || l.Total == nil {
		return r.damaged("it is not the last line of an archive")
	}
	if l.Total.Rows != r.sums.rows || l.Total.Content != sum(r.sums.content) || l.Total.SHA256 != sum(r.sums.all) {
		return r.damaged("the checksum of the whole does not fit the lines before it")
	}
	r.sums.other(text)
	switch _, err := r.in.ReadByte(); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return r.explain(err, "")
	default:
		return r.damaged("something follows the archive's last line")
	}
}

// verify reads everything back and compares.
func (r *Reader) verify(ctx context.Context, v store.TableView, summary Summary, progress Progress) error {
	again := newSums()
	for _, l := range r.layouts {
		before := again.rows
		err := eachLine(ctx, v, l, func(text []byte) error {
			again.row(text)
			if progress != nil && again.rows%rowsStep == 0 {
				progress(again.rows, summary.Rows)
			}
			return nil
		})
		if err != nil {
			return err
		}
		text, err := json.Marshal(line{End: &end{Table: l.table.Name, Rows: again.rows - before, SHA256: sum(again.table)}})
		if err != nil {
			return err
		}
		again.end(append(text, '\n'))
	}
	if sum(again.content) != summary.Content {
		return hub.Errorf(hub.CodeInternal, "what the database holds is not what the archive held; nothing was kept, please report this")
	}
	return nil
}

// keyOrder watches that keys grow.
type keyOrder struct{ last any }

func (o *keyOrder) next(key any) bool {
	grows := true
	switch key := key.(type) {
	case int64:
		last, some := o.last.(int64)
		grows = !some || key > last
	case string:
		last, some := o.last.(string)
		grows = !some || key > last
	}
	o.last = key
	return grows
}

// Why a line can't be had.
var (
	errCut  = errors.New("the archive ends here")
	errLong = errors.New("a line is too long")
)

// next returns the next line with its end. It is good until the next call.
func (r *Reader) next(most int) ([]byte, error) {
	r.long = r.long[:0]
	for {
		text, err := r.in.ReadSlice('\n')
		switch {
		case err == nil && len(r.long) == 0:
			r.lines++
			return text, nil
		case err == nil || errors.Is(err, bufio.ErrBufferFull):
			r.long = append(r.long, text...)
			if len(r.long) > most {
				return nil, errLong
			}
			if err == nil {
				r.lines++
				return r.long, nil
			}
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			return nil, errCut
		default:
			return nil, err
		}
	}
}

// explain is why the line after those that were read can't be had.
func (r *Reader) explain(err error, table string) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return refused("the compressed archive ends within its last bytes: it was cut short; copy it again, or export again. Nothing was imported")
	case errors.Is(err, errCut) && table != "":
		return refused("the archive ends after line %d, inside of table %s: it was cut short; copy it again, or export again. Nothing was imported", r.lines, table)
	case errors.Is(err, errCut):
		return refused("the archive ends after line %d, before its last line: it was cut short; copy it again, or export again. Nothing was imported", r.lines)
	case errors.Is(err, gzip.ErrChecksum) || errors.Is(err, gzip.ErrHeader) || isCorrupt(err):
		return refused("the compressed archive is damaged after line %d: %w; copy it again, or export again. Nothing was imported", r.lines, err)
	case errors.Is(err, errLong):
		return refused("line %d of the archive is longer than %d bytes: it was changed or damaged; copy it again, or export again. Nothing was imported", r.lines+1, lineBytesMax)
	default:
		return fmt.Errorf("read the archive after line %d: %w", r.lines, err)
	}
}

func isCorrupt(err error) bool {
	var corrupt flate.CorruptInputError
	return errors.As(err, &corrupt)
}

// damaged says what is wrong with the line that was read last.
func (r *Reader) damaged(what string, args ...any) error {
	return refused("line %d of the archive was changed or damaged: %w. Copy it again, or export again. Nothing was imported", r.lines, fmt.Errorf(what, args...))
}

func refused(form string, args ...any) error {
	return hub.Errorf(hub.CodeInvalid, form, args...)
}
