package archive

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/weirhq/weir/internal/store"
)

// bufferBytes is what is read and written at once.
const bufferBytes = 1 << 18

// ExportOptions are what the first line tells about the archive.
type ExportOptions struct {
	// Program is who writes it, Database the kind of database it comes from.
	Program, Database string
	// At is when.
	At       time.Time
	Progress Progress
}

// Export writes everything that a database holds on one unchanging view of it,
// in bounded memory. What it writes is an archive only when it returns no error.
func Export(ctx context.Context, to io.Writer, from Source, options ExportOptions) (Summary, error) {
	e := &exporter{out: bufio.NewWriterSize(to, bufferBytes), sums: newSums(), options: options}
	err := from.ReadTables(ctx, func(v store.TableView) error { return e.run(ctx, v) })
	if err == nil {
		err = e.out.Flush()
	}
	return e.summary, err
}

type exporter struct {
	out     *bufio.Writer
	sums    *sums
	options ExportOptions
	total   int64
	summary Summary
}

func (e *exporter) run(ctx context.Context, v store.TableView) error {
	head := header{Format: format, Program: e.options.Program, Database: e.options.Database, At: e.options.At.UTC()}
	for _, t := range store.Tables {
		rows, err := v.CountRows(ctx, t)
		if err != nil {
			return err
		}
		e.total += rows
		announced := headerTable{Name: t.Name, Rows: rows}
		for i := range t.Columns {
			announced.Columns = append(announced.Columns, t.Columns[i].Name)
		}
		head.Tables = append(head.Tables, announced)
	}
	if err := e.line(line{Header: &head}, e.sums.other); err != nil {
		return err
	}
	for i, t := range store.Tables {
		if err := e.table(ctx, v, t, head.Tables[i].Rows); err != nil {
			return err
		}
	}
	content := sum(e.sums.content)
	err := e.line(line{Total: &total{Rows: e.sums.rows, Content: content, SHA256: sum(e.sums.all)}}, e.sums.other)
	e.summary.Rows, e.summary.Bytes, e.summary.Content = e.sums.rows, e.sums.bytes, content
	return err
}

func (e *exporter) table(ctx context.Context, v store.TableView, t *store.Table, announced int64) error {
	before := e.sums.rows
	err := eachLine(ctx, v, wholeLayout(t), func(text []byte) error {
		e.sums.row(text)
		if e.options.Progress != nil && e.sums.rows%rowsStep == 0 {
			e.options.Progress(e.sums.rows, e.total)
		}
		_, err := e.out.Write(text)
		return err
	})
	if err != nil {
		return err
	}
	rows := e.sums.rows - before
	if rows != announced {
		return fmt.Errorf("table %s had %d rows and then %d: the database does not keep still while it is read", t.Name, announced, rows)
	}
	e.summary.Tables = append(e.summary.Tables, TableSummary{Name: t.Name, Rows: rows})
	return e.line(line{End: &end{Table: t.Name, Rows: rows, SHA256: sum(e.sums.table)}}, e.sums.end)
}

// line writes a line that is not a row, and counts it.
func (e *exporter) line(l line, count func([]byte)) error {
	text, err := json.Marshal(l)
	if err != nil {
		return err
	}
	text = append(text, '\n')
	count(text)
	_, err = e.out.Write(text)
	return err
}

// wholeLayout is that of an archive with all columns of a table.
func wholeLayout(t *store.Table) *layout {
	columns := make([]int, len(t.Columns))
	for i := range columns {
		columns[i] = i
	}
	return newLayout(t, columns)
}

// eachLine calls each with the lines of a table's rows. A line is good until
// each returns.
func eachLine(ctx context.Context, v store.TableView, l *layout, each func(text []byte) error) error {
	var text []byte
	return v.EachRow(ctx, l.table, func(row []any) (err error) {
		if text, err = l.appendRow(text[:0], row); err != nil {
			return err
		}
		text = append(text, '\n')
		return each(text)
	})
}
