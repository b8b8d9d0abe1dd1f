package sqlite

import (
	"strconv"
	"strings"

	"github.com/weirhq/weir/internal/hub"
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

// A list is how one of the store's lists is read by keyset.
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
		args = append(args, instant(q.At.CreatedAt), q.At.Key)
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

// A joinedList is the list of what all connectors have. Every index begins with
// the connector, so that one with few rows is not searched for among those of
// the others; therefore each connector contributes its own page, by keys, and
// the page of all is the best of those. That is cheap as long as the connectors
// in one SQLite file are counted in tens.
type joinedList struct {
	// keys lists the keys of one connector, c in the statement around it.
	keys list
	// rows lists the rows with those keys. Its query ends with IN.
	rows list
	// rest follows the keys in the query of rows, with its WHERE.
	rest string
}

func (l joinedList) page(q hub.ListQuery) (string, []any, error) {
	keys, args, err := l.keys.page(q)
	return l.rows.query + " (" + keys + ") " + l.rest + l.rows.order(q), append(args, int64(q.Limit)), err
}
