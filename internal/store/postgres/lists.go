package postgres

import (
	"context"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
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

// connectorOfRow joins the connector, as c, to each row of the table with the
// alias that is being walked, and drops rows whose connector is being removed.
// LATERAL keeps the order: else the planner begins with the connectors, and puts
// all of a connector's rows in order for each page.
func connectorOfRow(alias string) string {
	return `CROSS JOIN LATERAL (SELECT provider, reference FROM connector
		WHERE connector_key = ` + alias + `.connector_key AND COALESCE(deleted_at, '') = '' OFFSET 0) c`
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
		s.add(" AND ("+l.createdAt+", "+l.key+")"+beyond+"(?, ?)", store.FormatInstant(q.At.CreatedAt), q.At.Key)
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

// narrow adds to a filter what leads to an index. One that asks for a connector
// gets that connector's key, so that the walk is along its own index and not
// along everybody's in search of its rows. One that asks for a reference of any
// connector is asked of each in turn, since the index begins with the connector.
// none means that there is no such connector, and so nothing in the list.
func (v view) narrow(ctx context.Context, l list, filter hub.Filter) (more string, args []any, none bool, err error) {
	if filter == nil {
		return "", nil, false, nil
	}
	if err := l.filter.compile(&statement{}, filter); err != nil {
		return "", nil, false, err
	}
	if _, err := v.exec(ctx, planFilters); err != nil {
		return "", nil, false, err
	}
	if id, found := hub.ConnectorOf(filter); found {
		row, found, err := v.ConnectorRow(ctx, id)
		if err != nil || !found {
			return "", nil, !found, err
		}
		return " AND " + l.connector + " + 0 = ?", []any{row.Key}, false, nil
	}
	if hub.AsksForReference(filter) {
		return " AND " + l.connector + " = ANY (ARRAY(SELECT connector_key FROM connector))", nil, false, nil
	}
	return "", nil, false, nil
}

// planned returns the arguments of a statement that reads a page. One with a
// filter is planned for its own values, which tell whether a walk along the list
// soon meets enough rows; and its text, of which there are endlessly many, is not
// kept. The others are planned once.
func (s *statement) planned(q hub.ListQuery) []any {
	if q.Filter == nil {
		return s.args
	}
	return append([]any{pgx.QueryExecModeExec}, s.args...)
}
