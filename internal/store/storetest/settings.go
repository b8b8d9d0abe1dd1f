package storetest

import (
	"testing"

	"github.com/weirhq/weir/internal/keyring"
)

// Settings tests what a driver keeps beside the store, on a fresh database: a
// setting is replaced only when it is what it was said to be.
func Settings(t *testing.T, db keyring.Settings) {
	t.Helper()
	put := func(was, value string, want bool) {
		t.Helper()
		before := []byte(was)
		if was == "" {
			before = nil
		}
		got, err := db.PutSetting(t.Context(), "name", before, []byte(value))
		if err != nil || got != want {
			t.Errorf("PutSetting(%q, %q) = %v, %v", was, value, got, err)
		}
	}
	if value, err := db.Setting(t.Context(), "name"); value != nil || err != nil {
		t.Errorf("a setting that was never put: %q, %v", value, err)
	}
	put("x", "one", false)
	put("", "one", true)
	put("", "two", false)
	put("x", "two", false)
	put("one", "two", true)
	if value, err := db.Setting(t.Context(), "name"); string(value) != "two" || err != nil {
		t.Errorf("the setting: %q, %v", value, err)
	}
}
