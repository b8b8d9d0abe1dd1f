package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
)

// How transactions over whole tables begin. They take as long as they take, but
// whoever holds one and falls silent is cut off.
const (
	beginTables = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0; ` +
		`SET LOCAL idle_in_transaction_session_timeout = '10min'; ` + planSettings
	beginLoad = `BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '20s'; ` +
		`SET LOCAL idle_in_transaction_session_timeout = '10min'; ` + planSettings
)

// ReadTables runs f once, on one unchanging view of all tables. Others write
// meanwhile; what they remove is kept on the disk until the view ends.
func (db *DB) ReadTables(ctx context.Context, f func(store.TableView) error) error {
	return explain(db.name, db.readOnce(ctx, beginTables, func(v view) error { return f(tables{v.tx}) }))
}

// LoadTables runs f once, in one transaction that fills an empty database, and
// commits when f returns nil; else the database is as empty as before. One that
// has rows already is refused, and so is one in which somebody else writes.
func (db *DB) LoadTables(ctx context.Context, f func(store.TableTx) error) error {
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return explain(db.name, err)
	}
	defer conn.Release()
	transaction, err := conn.BeginTx(ctx, pgx.TxOptions{BeginQuery: beginLoad})
	if err != nil {
		return explain(db.name, err)
	}
	defer func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelMax)
		defer cancel()
		_ = transaction.Rollback(ending) // does nothing after the commit
	}()
	t := tables{transaction}
	if err := t.lock(ctx, db.name); err != nil {
		return explain(db.name, err)
	}
	if err := f(t); err != nil {
		return explain(db.name, err)
	}
	if err := t.settle(ctx); err != nil {
		return explain(db.name, err)
	}
	return explain(db.name, transaction.Commit(ctx))
}

// tables reads and fills whole tables within a transaction.
type tables struct{ tx pgx.Tx }

// lock keeps everybody else from writing, and makes sure that nobody has.
func (t tables) lock(ctx context.Context, database string) error {
	var names []string
	for _, table := range store.Tables {
		names = append(names, table.Name)
	}
	_, err := t.tx.Exec(ctx, `LOCK TABLE `+strings.Join(names, ", ")+` IN EXCLUSIVE MODE NOWAIT`)
	var said *pgconn.PgError
	if errors.As(err, &said) && said.Code == codeLockTimeout {
		return hub.Errorf(hub.CodeConflict, "another process writes in %s, or fills it already; stop it first, or name another database", database)
	}
	if err != nil {
		return fmt.Errorf("lock the tables: %w", err)
	}
	for _, table := range store.Tables {
		rows := table.Name
		if table.Name == store.CounterTable {
			rows += " WHERE value > 0"
		}
		var some bool
		if err := t.tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM `+rows+`)`).Scan(&some); err != nil {
			return err
		}
		if some {
			return hub.Errorf(hub.CodeConflict, "%s is not empty: it has rows in %s; name an empty database", database, table.Name)
		}
	}
	return nil
}

// settle lets new keys go on after those that were loaded, and tells the planner
// what is there. Sequences keep their value when the transaction does not come
// to its end, which leaves a gap in keys and nothing else.
func (t tables) settle(ctx context.Context) error {
	for _, table := range store.Tables {
		key := table.Columns[0]
		if key.Kind != store.Integer {
			continue
		}
		if table.Name != store.ConnectorCounter && table.Name != store.RejectionCounter {
			_, err := t.tx.Exec(ctx, fmt.Sprintf(`SELECT setval(s, greatest(m, 1), m > 0) FROM (
				SELECT pg_get_serial_sequence('%[1]s', '%[2]s') AS s, (SELECT coalesce(max(%[2]s), 0) FROM %[1]s) AS m
				) q WHERE s IS NOT NULL`, table.Name, key.Name))
			if err != nil {
				return fmt.Errorf("set the keys of table %s: %w", table.Name, err)
			}
		}
		if _, err := t.tx.Exec(ctx, `ANALYZE `+table.Name); err != nil {
			return fmt.Errorf("analyse table %s: %w", table.Name, err)
		}
	}
	return nil
}

// counters are the rows of the table of counters, wherever PostgreSQL counts.
// The names of the sequences are PostgreSQL's own, by table and key.
const counters = `(SELECT name, value FROM sequence
	UNION ALL SELECT '` + store.ConnectorCounter + `', last_value - CASE WHEN is_called THEN 0 ELSE 1 END FROM connector_connector_key_seq
	UNION ALL SELECT '` + store.RejectionCounter + `', last_value - CASE WHEN is_called THEN 0 ELSE 1 END FROM rejection_rejection_key_seq) q`

func from(t *store.Table) string {
	if t.Name == store.CounterTable {
		return counters
	}
	return t.Name
}

// CountRows implements [store.TableView].
func (t tables) CountRows(ctx context.Context, table *store.Table) (count int64, err error) {
	err = t.tx.QueryRow(ctx, `SELECT count(*) FROM `+from(table)).Scan(&count)
	return count, err
}

// EachRow implements [store.TableView]. The server sends the rows as fast as
// they are taken, so that neither side holds them all.
func (t tables) EachRow(ctx context.Context, table *store.Table, each func([]any) error) error {
	selected := make([]string, len(table.Columns))
	for i := range table.Columns {
		selected[i] = selection(&table.Columns[i])
	}
	rows, err := t.tx.Query(ctx, `SELECT `+strings.Join(selected, ", ")+` FROM `+from(table)+` ORDER BY `+order(table))
	if err != nil {
		return fmt.Errorf("read table %s: %w", table.Name, err)
	}
	defer rows.Close()
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return fmt.Errorf("read table %s: %w", table.Name, err)
		}
		for i := range table.Columns {
			if values[i], err = stored(&table.Columns[i], values[i]); err != nil {
				return hub.Errorf(hub.CodeInternal, "the row %v of table %s: column %s %w", values[0], table.Name, table.Columns[i].Name, err)
			}
		}
		if err := each(values); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read table %s: %w", table.Name, err)
	}
	return nil
}

// order is the key, compared by its bytes where it is text.
func order(t *store.Table) string {
	if t.Columns[0].Kind == store.Text {
		return t.Columns[0].Name + ` COLLATE "C"`
	}
	return t.Columns[0].Name
}

// selection makes a column one of the few types that pgx hands over as Go's own.
func selection(c *store.Column) string {
	switch c.Kind {
	case store.Integer:
		return c.Name + "::bigint"
	case store.Digits, store.Document, store.Text, store.Instant:
		return c.Name + "::text"
	default:
		return c.Name
	}
}

// stored is a value as the column's kind says that it is.
func stored(c *store.Column, value any) (any, error) {
	switch value := value.(type) {
	case nil:
		if c.Null {
			return nil, nil
		}
	case string:
		switch c.Kind {
		case store.Text:
			return decode(value), nil
		case store.Document:
			return recode(c, value, decode)
		case store.Instant, store.Digits:
			return value, nil
		}
	case float64:
		if c.Kind == store.Number && !math.IsInf(value, 0) && !math.IsNaN(value) {
			return value, nil
		}
	case int64, bool, []byte:
		return value, nil
	}
	return nil, fmt.Errorf("has a value that it can't have: %T", value)
}

// InsertRows implements [store.TableTx].
func (t tables) InsertRows(ctx context.Context, table *store.Table, rows [][]any) error {
	if table.Name == store.CounterTable {
		return t.setCounters(ctx, rows)
	}
	names := make([]string, len(table.Columns))
	for i := range table.Columns {
		names[i] = table.Columns[i].Name
	}
	// Before the COPY begins: an error inside of it comes back in the server's words.
	values := make([][]any, len(rows))
	for i, row := range rows {
		values[i] = make([]any, len(names))
		for j := range table.Columns {
			var err error
			if values[i][j], err = loaded(&table.Columns[j], row[j]); err != nil {
				return hub.Errorf(hub.CodeInvalid, "the row %q of table %s: column %s %w", fmt.Sprint(row[0]), table.Name, names[j], err)
			}
		}
	}
	_, err := t.tx.CopyFrom(ctx, pgx.Identifier{table.Name}, names, pgx.CopyFromRows(values))
	if err != nil {
		return fmt.Errorf("fill table %s: %w", table.Name, err)
	}
	return nil
}

// loaded is a value as pgx takes it.
func loaded(c *store.Column, value any) (any, error) {
	switch value := value.(type) {
	case string:
		switch c.Kind {
		case store.Digits:
			digits, ok := new(big.Int).SetString(value, 10)
			if !ok {
				return nil, fmt.Errorf("holds no amount: %q", value)
			}
			return pgtype.Numeric{Int: digits, Valid: true}, nil
		case store.Document:
			return recode(c, value, encode)
		default:
			if !utf8.ValidString(value) {
				return nil, errors.New("holds bytes that are no text, which PostgreSQL can't keep; import the archive into SQLite")
			}
			return encode(value), nil
		}
	default:
		return value, nil
	}
}

// recode changes the texts of metadata, which may hold what PostgreSQL's text
// can't and which jsonb takes apart; other documents are kept as the text that
// they are. JSON shows U+0000 and U+0001 as \u000 and a digit.
func recode(c *store.Column, document string, code func(string) string) (string, error) {
	if c.Name != "metadata" || !strings.Contains(document, `\u000`) {
		return document, nil
	}
	var values map[string]string
	if err := json.Unmarshal([]byte(document), &values); err != nil {
		return "", fmt.Errorf("holds no metadata: %w", err)
	}
	coded := make(map[string]string, len(values))
	for name, value := range values {
		coded[code(name)] = code(value)
	}
	text, err := json.Marshal(coded)
	return string(text), err
}

func (t tables) setCounters(ctx context.Context, rows [][]any) error {
	for _, row := range rows {
		var err error
		switch name, _ := row[0].(string); name {
		case store.ConnectorCounter, store.RejectionCounter:
			_, err = t.tx.Exec(ctx, `SELECT setval(pg_get_serial_sequence($1, $1 || '_key'), greatest($2::bigint, 1), $2::bigint > 0)`, name, row[1])
		default:
			_, err = t.tx.Exec(ctx, `INSERT INTO sequence (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, row[1])
		}
		if err != nil {
			return fmt.Errorf("set the counter %v: %w", row[0], err)
		}
	}
	return nil
}
