package sqlite

import (
	"context"
	"database/sql/driver"
)

// Setting returns a setting of the database, nil when it was never put.
func (db *DB) Setting(ctx context.Context, name string) ([]byte, error) {
	var value []byte
	err := db.read(ctx, func(v view) error {
		return v.query(ctx, `SELECT value FROM setting WHERE name = ?`, func(r row) error {
			value = r.bytes(0)
			return nil
		}, name)
	})
	return value, err
}

// PutSetting replaces a setting if it is still what it was, nil meaning that
// there was none, and reports whether it did.
func (db *DB) PutSetting(ctx context.Context, name string, was, value []byte) (bool, error) {
	var changed int64
	err := db.write(ctx, func(t *tx) error {
		var result driver.Result
		var err error
		if was == nil {
			result, err = t.exec(ctx, `INSERT INTO setting (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING`, name, value)
		} else {
			result, err = t.exec(ctx, `UPDATE setting SET value = ? WHERE name = ? AND value = ?`, value, name, was)
		}
		if err != nil {
			return err
		}
		changed, err = result.RowsAffected()
		return err
	})
	return changed > 0, err
}
