package api

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/weirhq/weir/internal/hub"
)

// The sizes of a page, as at the reference: 15 where none is asked for, and 100
// where more is. The published document speaks of 1000; the servers give 100.
const (
	pageSizeDefault = 15
	pageSizeMax     = 100
)

// listRequest is what a list was asked for, by parameters or by a cursor.
type listRequest struct {
	hub.ListQuery
	// list names the list, with the identifiers of its path, so that a cursor of
	// one list is refused by another.
	list string
	// filter is the condition as it came, params the other parameters: both
	// travel in the cursor, since all but the cursor is ignored beside it.
	filter json.RawMessage
	params url.Values
}

// A listing says what a list can be asked for.
type listing struct {
	// name names the list in the cursor and in messages: "accounts".
	name string
	// scope holds what the path says, for lists below another thing.
	scope string
	// fields are what it can be filtered by; nil when a filter is passed over.
	fields *fieldSet
	// params are the names of further parameters.
	params []string
}

// readList reads which page of a list is wanted. With a cursor everything else
// is ignored, the filter included: the cursor holds it.
func readList(w http.ResponseWriter, r *http.Request, of listing) (listRequest, error) {
	req := listRequest{list: of.name + of.scope, params: url.Values{}}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		// A parameter that can't be read would otherwise be passed over, filter and all.
		return req, invalid("the query of the URL can't be read; escape its values")
	}
	if text := query.Get("cursor"); text != "" {
		return readCursor(text, of)
	}
	for _, name := range of.params {
		if query.Has(name) {
			req.params.Set(name, query.Get(name))
		}
	}
	if req.Limit, err = parsePageSize(query.Get("pageSize")); err != nil {
		return req, err
	}
	if of.fields == nil {
		return req, nil
	}
	if req.filter, err = readFilter(w, r, query.Get("query")); err != nil {
		return req, err
	}
	req.Filter, err = parseFilter(req.filter, of.fields)
	return req, err
}

func parsePageSize(text string) (int, error) {
	if text == "" {
		return pageSizeDefault, nil
	}
	size, err := strconv.ParseUint(text, 10, 64)
	switch {
	case err != nil:
		return 0, invalid("invalid 'pageSize' query param: it must be a whole number from 1 to %d", pageSizeMax)
	case size == 0:
		return pageSizeDefault, nil
	}
	return int(min(size, pageSizeMax)), nil
}

// cursorVersion is the form of the cursors that this version writes and reads.
const cursorVersion = 1

// cursor is what an opaque cursor holds: the list, the page size and the row
// to go on from, with all that the list was asked for. It is not signed: it
// holds nothing that the client could not ask for openly.
type cursor struct {
	Version  int             `json:"v"`
	List     string          `json:"l"`
	PageSize int             `json:"n"`
	At       time.Time       `json:"t,omitzero"`
	Key      int64           `json:"k,omitempty"`
	Backward bool            `json:"b,omitempty"`
	Filter   json.RawMessage `json:"f,omitempty"`
	Params   url.Values      `json:"p,omitempty"`
}

func (c *cursor) encode() string {
	text, _ := json.Marshal(c) // a cursor holds nothing that can't be encoded
	return base64.RawURLEncoding.EncodeToString(text)
}

// errCursor says no more than that, since a cursor is opaque: it is used as it
// was given, or it is wrong.
var errCursor = invalid("invalid 'cursor' query param: use a cursor as an earlier page of the same list gave it")

func readCursor(text string, of listing) (listRequest, error) {
	var c cursor
	decoded, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || json.Unmarshal(decoded, &c) != nil {
		return listRequest{}, errCursor
	}
	list := of.name + of.scope
	if c.Version != cursorVersion || c.List != list || c.PageSize < 1 || c.PageSize > pageSizeMax {
		return listRequest{}, errCursor
	}
	req := listRequest{
		ListQuery: hub.ListQuery{
			Limit: c.PageSize, At: hub.Position{CreatedAt: c.At, Key: c.Key}, Backward: c.Backward,
		},
		list: list, filter: c.Filter, params: c.Params,
	}
	if of.fields != nil {
		if req.Filter, err = parseFilter(c.Filter, of.fields); err != nil {
			return listRequest{}, errCursor
		}
	}
	return req, nil
}

// cursorAt returns the cursor that goes on from a row.
func (req *listRequest) cursorAt(at hub.Position, backward bool) string {
	c := cursor{
		Version: cursorVersion, List: req.list, PageSize: req.Limit,
		At: at.CreatedAt, Key: at.Key, Backward: backward, Filter: req.filter, Params: req.params,
	}
	return c.encode()
}

// pageForm is the head of a page in the API's form; the rows follow it. PageSize
// is the size asked for; HasMore speaks of older rows, whichever way the page
// was reached.
type pageForm struct {
	pageSize       int
	hasMore        bool
	previous, next string
}

// appendJSON appends the head up to the bracket that opens the rows. Cursors are
// of an alphabet that needs no escapes.
func (p *pageForm) appendJSON(b []byte) []byte {
	b = strconv.AppendInt(append(b, `{"cursor":{"pageSize":`...), int64(p.pageSize), 10)
	b = strconv.AppendBool(append(b, `,"hasMore":`...), p.hasMore)
	if p.previous != "" {
		b = append(append(append(b, `,"previous":"`...), p.previous...), '"')
	}
	if p.next != "" {
		b = append(append(append(b, `,"next":"`...), p.next...), '"')
	}
	return append(b, `,"data":[`...)
}

// writePage answers with a page, each item in the form that form gives it.
func writePage[T, F any](w http.ResponseWriter, req listRequest, page hub.Page[T], form func(*T) F) error {
	head := headOf(req, page)
	text := answers.take()
	defer func() { answers.give(text) }()
	text = head.appendJSON(text)
	for i := range page.Items {
		if i > 0 {
			text = append(text, ',')
		}
		var err error
		if text, err = appendForm(text, form(&page.Items[i])); err != nil {
			return err
		}
	}
	text = append(text, "]}}\n"...)
	writeText(w, http.StatusOK, text)
	return nil
}

// headOf says where the pages beside this one begin.
func headOf[T any](req listRequest, page hub.Page[T]) pageForm {
	head := pageForm{pageSize: req.Limit}
	newer, older := !req.At.IsZero(), page.HasMore
	if req.Backward {
		newer, older = page.HasMore, true
	}
	// A page may be empty though its neighbour had rows when it named this one:
	// what was deleted since leaves no row to go on from but the one asked for.
	first, last := page.First, page.Last
	if len(page.Items) == 0 {
		first, last = req.At, req.At
		if req.Backward {
			last = hub.Position{}
		}
	}
	if newer {
		head.previous = req.cursorAt(first, true)
	}
	if older {
		head.hasMore = true
		head.next = req.cursorAt(last, false)
	}
	return head
}
