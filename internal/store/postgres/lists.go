package postgres

import (
	"context"
	"strconv"
	"strings"

	"github.com/weirhq/weir/internal/hub"
)

// A statement is a text with the arguments that its places $1, $2 … stand for.
type statement struct {
	strings.Builder
	args []any
}

// add adds text in which each ? is the place of the next argument.
func (s *statement) add(text string, args ...any) {
	for _, arg := range args {
		before, after, _ := strings.Cut(text, "?")
		s.args = append(s.args, arg)
		s.WriteString(before)
		s.WriteString("$" + strconv.Itoa(len(s.args)))
		text = after
	}
	s.WriteString(text)
}

// A list is how one of the store's lists is read by keyset: as one walk along an
// index, from the place of the query on.
type list struct {
	// query selects from the list's tables, up to and without ORDER BY. It has a
	// WHERE.
	query string
	// createdAt and key are the columns that order the list.
	createdAt, key string
	// connector is the column with the connector's key, where one list holds the
	// rows of all connectors.
	connector string
	// filter says which columns a filter may use.
	filter columns
}

// page makes the statement that reads one page: rows in the direction of q, from
// its place on. more are further conditions, with their arguments.
func (l list) page(q hub.ListQuery, more string, args ...any) (*statement, error) {
	s := &statement{}
	s.add(l.query)
	s.add(more, args...)
	if !q.At.IsZero() {
		beyond := " < "
		if q.Backward {
			beyond = " > "
		}
		s.add(" AND ("+l.createdAt+", "+l.key+")"+beyond+"(?, ?)", instant(q.At.CreatedAt), q.At.Key)
	}
	if q.Filter != nil {
		s.add(" AND ")
		if err := l.filter.compile(s, q.Filter); err != nil {
			return nil, err
		}
	}
	way := " DESC"
	if q.Backward {
		way = " ASC"
	}
	s.add(" ORDER BY "+l.createdAt+way+", "+l.key+way+" LIMIT ?", int64(q.Limit))
	return s, nil
}

// narrow says of a filter that asks for one connector which one that is, as a
// condition on the rows of the list: so the walk is along that connector's own
// index, and not along everybody's in search of its rows. none means that there
// is no such connector, and so nothing in the list.
func (v view) narrow(ctx context.Context, l list, filter hub.Filter) (more string, args []any, none bool, err error) {
	if filter == nil {
		return "", nil, false, nil
	}
	if err := l.filter.compile(&statement{}, filter); err != nil {
		return "", nil, false, err
	}
	id, found := connectorOf(filter)
	if !found {
		return "", nil, false, nil
	}
	row, found, err := v.ConnectorRow(ctx, id)
	if err != nil || !found {
		return "", nil, !found, err
	}
	return " AND " + l.connector + " = ?", []any{row.Key}, false, nil
}

// connectorOf returns the connector that every row of a filter belongs to.
func connectorOf(filter hub.Filter) (hub.ConnectorID, bool) {
	switch f := filter.(type) {
	case hub.OfConnector:
		return f.ID, true
	case hub.IsAccount:
		return f.ID.Connector, true
	case hub.IsPayment:
		return f.ID.Connector, true
	case hub.And:
		for _, part := range f {
			if id, found := connectorOf(part); found {
				return id, true
			}
		}
	}
	return hub.ConnectorID{}, false
}
