package postgres

import "context"

// Setting returns a setting of the database, nil when it was never put.
func (db *DB) Setting(ctx context.Context, name string) ([]byte, error) {
	var value []byte
	err := db.read(ctx, beginRead, func(v view) error {
		value = nil
		return v.query(ctx, `SELECT value FROM setting WHERE name = $1`, func(scan func(...any) error) error {
			return scan(&value)
		}, name)
	})
	return value, err
}

// PutSetting replaces a setting if it is still what it was, nil meaning that
// there was none, and reports whether it did. Of two processes that put one at
// the same time one does.
func (db *DB) PutSetting(ctx context.Context, name string, was, value []byte) (bool, error) {
	var changed int64
	err := db.write(ctx, func(t *tx) (err error) {
		if was == nil {
			changed, err = t.exec(ctx, `INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING`, name, value)
		} else {
			changed, err = t.exec(ctx, `UPDATE setting SET value = $1 WHERE name = $2 AND value = $3`, value, name, was)
		}
		return err
	})
	return changed > 0, err
}
