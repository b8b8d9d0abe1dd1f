package sqlite

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
)

// listLength is how many values one statement takes where it takes a list. The
// text of a statement is the same for every list, so it is prepared once; a
// shorter list is filled up with NULL, which equals nothing. Fifty was as fast
// as a thousand when it was measured.
const listLength = 50

// inList is the right side of an IN with listLength values.
var inList = "(" + strings.TrimSuffix(strings.Repeat("?,", listLength), ",") + ")"

// placeList are the rows of a VALUES with listLength texts and their places.
var placeList = func() string {
	var b strings.Builder
	for i := range listLength {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("(" + strconv.Itoa(i) + ",?)")
	}
	return b.String()
}()

// eachList calls f with one piece of the values after another, as listLength
// arguments followed by more, and with the place of the piece's first value.
func eachList[T any](values []T, f func(from int, args []any) error, more ...any) error {
	args := make([]any, listLength+len(more))
	copy(args[listLength:], more)
	for from := 0; from < len(values); from += listLength {
		for i := range listLength {
			args[i] = nil
			if from+i < len(values) {
				args[i] = values[from+i]
			}
		}
		if err := f(from, args); err != nil {
			return err
		}
	}
	return nil
}

// A list is how a list is read by keyset that belongs to one thing.
type list struct {
	// query selects from the list's tables, up to and without ORDER BY. It has a
	// WHERE.
	query string
	// createdAt and key are the columns that order the list.
	createdAt, key string
	// filter says which columns a filter may use.
	filter columns
}

// page returns the statement that reads one page, with its arguments after
// those of the list's own query: rows in the direction of q, from its place on.
func (l list) page(q hub.ListQuery, args ...any) (string, []any, error) {
	var text strings.Builder
	text.WriteString(l.query)
	if !q.At.IsZero() {
		beyond := " < (?, ?)"
		if q.Backward {
			beyond = " > (?, ?)"
		}
		text.WriteString(" AND (" + l.createdAt + ", " + l.key + ")" + beyond)
		args = append(args, store.FormatInstant(q.At.CreatedAt), q.At.Key)
	}
	if q.Filter != nil {
		condition, more, err := l.filter.compile(q.Filter)
		if err != nil {
			return "", nil, err
		}
		text.WriteString(" AND " + condition)
		args = append(args, more...)
	}
	text.WriteString(l.order(q))
	return text.String(), append(args, int64(q.Limit)), nil
}

func (l list) order(q hub.ListQuery) string {
	way := " DESC"
	if q.Backward {
		way = " ASC"
	}
	return " ORDER BY " + l.createdAt + way + ", " + l.key + way + " LIMIT ?"
}

// A sharedList is the list of what all connectors have. It is read as one walk
// along the index of the whole list, or along one that a filter points to: a
// connector's own, that of a rare state, or that of references. So a page costs
// the same however many connectors there are, and however deep it lies.
type sharedList struct {
	// columns is what is selected, table the list's table with its alias, joins
	// what else a row needs.
	columns, table, joins string
	// createdAt and key order the list; connector is the column with the
	// createdAt and key order the list; connector is the connector's key.
	createdAt, key, connector string
	// filter says which columns a filter may use.
	filter columns
}

// readPage calls each with every row of a page, in the direction of q.
func (v view) readPage(ctx context.Context, l *sharedList, q hub.ListQuery, each func(row) error) error {
	condition, conditionArgs := "1", []any(nil)
	if q.Filter != nil {
		var err error
		if condition, conditionArgs, err = l.filter.compile(q.Filter); err != nil {
			return err
		}
	}
	query, args, none, err := v.narrow(ctx, l, q.Filter)
	if err != nil || none {
		return err
	}
	query += " AND " + condition
	args = append(args, conditionArgs...)
	beyond, way := " < ?", " DESC"
	if q.Backward {
		beyond, way = " > ?", " ASC"
	}
	order := " ORDER BY " + l.createdAt + way + ", " + l.key + way + " LIMIT ?"
	read := 0
	count := func(r row) error {
		read++
		return each(r)
	}
	if !q.At.IsZero() {
		// First those of the very same instant, then those beyond it. As one
		// condition on the pair it would walk through all that share the instant,
		// and of rows dated to the day there may be a hundred thousand.
		at := store.FormatInstant(q.At.CreatedAt)
		same := query + " AND " + l.createdAt + " = ? AND " + l.key + beyond + order
		if err := v.query(ctx, same, count, slices.Concat(args, []any{at, q.At.Key, int64(q.Limit)})...); err != nil {
			return err
		}
		query += " AND " + l.createdAt + beyond
		args = append(args, at)
	}
	if read == q.Limit {
		return nil
	}
	return v.query(ctx, query+order, count, append(args, int64(q.Limit-read))...)
}

// narrow begins the statement of a page, up to and with its first conditions,
// by what the filter asks of every row. none means that it asks for a connector
// that is not there.
func (v view) narrow(ctx context.Context, l *sharedList, filter hub.Filter) (query string, args []any, none bool, err error) {
	on := "c.connector_key = " + l.connector
	if hub.AsksForReference(filter) {
		// Each connector is asked for its one row. CROSS JOIN keeps the order.
		query = l.columns + " FROM connector c CROSS JOIN " + l.table + " ON " + on
	} else {
		query = l.columns + " FROM " + l.table + " CROSS JOIN connector c ON " + on
	}
	query += l.joins + " WHERE c.deleted_at IS NULL"
	if id, found := hub.ConnectorOf(filter); found {
		row, found, err := v.ConnectorRow(ctx, id)
		if err != nil || !found {
			return "", nil, true, err
		}
		query += " AND " + l.connector + " = ?"
		args = append(args, row.Key)
	}
	return query, args, false, nil
}
