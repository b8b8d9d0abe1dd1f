package keyring_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/keyring"
)

// settings are those of a database that is only a map.
type settings map[string][]byte

func (s settings) Setting(_ context.Context, name string) ([]byte, error) { return s[name], nil }

func (s settings) PutSetting(_ context.Context, name string, was, value []byte) (bool, error) {
	if !bytes.Equal(s[name], was) {
		return false, nil
	}
	s[name] = value
	return true, nil
}

func create(t *testing.T) (string, *keyring.Keyring) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "weir.key")
	ring, err := keyring.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, ring
}

func cipherOf(t *testing.T, ring *keyring.Keyring, s settings) *keyring.Cipher {
	t.Helper()
	c, err := ring.Cipher(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestASecretComesBackAfterARestart(t *testing.T) {
	path, ring := create(t)
	database := settings{}
	sealed, err := cipherOf(t, ring, database).Seal([]byte("sk_live_1"), []byte("connector/1"))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte("sk_live_1")) {
		t.Error("the secret stands in the sealed bytes")
	}
	again, err := keyring.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	text, err := cipherOf(t, again, database).Open(sealed, []byte("connector/1"))
	if err != nil || string(text) != "sk_live_1" {
		t.Errorf("Open = %q, %v", text, err)
	}
}

func TestOpenMakesAKeyFileForANewDatabaseAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weir.key")
	database := settings{}
	c, created, err := keyring.Open(t.Context(), path, database)
	if err != nil || !created {
		t.Fatalf("first start: created %v, %v", created, err)
	}
	sealed, err := c.Seal([]byte("secret"), nil)
	if err != nil {
		t.Fatal(err)
	}
	c, created, err = keyring.Open(t.Context(), path, database)
	if err != nil || created {
		t.Fatalf("second start: created %v, %v", created, err)
	}
	if text, err := c.Open(sealed, nil); err != nil || string(text) != "secret" {
		t.Errorf("Open = %q, %v", text, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, _, err = keyring.Open(t.Context(), path, database); err == nil || !strings.HasPrefix(err.Error(), "there is no key file ") {
		t.Errorf("start without the key file: %v", err)
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("a new key file took the place of the missing one")
	}
}

func TestASecretIsBoundToItsPlace(t *testing.T) {
	_, ring := create(t)
	c := cipherOf(t, ring, settings{})
	sealed, err := c.Seal([]byte("secret"), []byte("connector/1"))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := c.Open(sealed, []byte("connector/2")); err == nil {
		t.Errorf("another connector's row opened it: %q", text)
	}
	sealed[len(sealed)-1] ^= 1
	if text, err := c.Open(sealed, []byte("connector/1")); err == nil {
		t.Errorf("damaged bytes opened: %q", text)
	}
}

func TestTwoDatabasesDoNotOpenEachOthersSecrets(t *testing.T) {
	_, ring := create(t)
	one, other := cipherOf(t, ring, settings{}), cipherOf(t, ring, settings{})
	sealed, err := one.Seal([]byte("secret"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := other.Open(sealed, nil); err == nil {
		t.Errorf("the other database's data key opened it: %q", text)
	}
}

func TestAWrongKeyFileIsASentenceAndChangesNothing(t *testing.T) {
	_, ring := create(t)
	database := settings{}
	cipherOf(t, ring, database)
	before := bytes.Clone(database["data_key"])

	path, other := create(t)
	_, err := other.Cipher(t.Context(), database)
	want := "the key file " + path + " does not fit the database: its secrets are encrypted under another key; name the key file that was used before"
	if err == nil || err.Error() != want || hub.CodeOf(err) != hub.CodeInvalid {
		t.Errorf("got %v\nwant %s", err, want)
	}
	if !bytes.Equal(before, database["data_key"]) {
		t.Error("the data key was overwritten")
	}
}

func TestANewKeyTakesOverAndTheOldOneCanGo(t *testing.T) {
	path, ring := create(t)
	database := settings{}
	sealed, err := cipherOf(t, ring, database).Seal([]byte("secret"), nil)
	if err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	newLine := keyring.FormatKey(bytes.Repeat([]byte{7}, 32)) + "\n"

	write(t, path, newLine+string(old))
	ring, err = keyring.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	cipherOf(t, ring, database)

	write(t, path, newLine)
	ring, err = keyring.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := cipherOf(t, ring, database).Open(sealed, nil); err != nil || string(text) != "secret" {
		t.Errorf("Open = %q, %v", text, err)
	}
	write(t, path, string(old))
	if ring, err = keyring.Load(path); err != nil {
		t.Fatal(err)
	}
	if _, err := ring.Cipher(t.Context(), database); err == nil {
		t.Error("the key that was replaced still opens the database")
	}
}

func TestCreateNeverOverwrites(t *testing.T) {
	path, _ := create(t)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keyring.Create(path); err == nil || !strings.Contains(err.Error(), "a key file is never overwritten") {
		t.Errorf("Create again: %v", err)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("the file has changed")
	}
	if info, _ := os.Stat(path); runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %04o", info.Mode().Perm())
	}
}

func TestABadKeyFileIsASentenceThatDoesNotRepeatIt(t *testing.T) {
	dir := t.TempDir()
	good := keyring.FormatKey(bytes.Repeat([]byte{1}, 32))
	tests := []struct {
		name, text string
		mode       os.FileMode
		want       string
	}{
		{"empty", "", 0o600, "it holds no key; name the right file"},
		{"only comments", "# nothing\n\n", 0o600, "it holds no key"},
		{"something else", "hunter2\n", 0o600, "line 1 holds no key"},
		{"a key too short", "# keys\nweir-key-1:aGVsbG8\n", 0o600, "line 2 holds no key"},
		{"a broken second key", good + "\nweir-key-1:hunter2", 0o600, "line 2 holds no key"},
		{"a large file", strings.Repeat("x", 70_000), 0o600, "it has more than 65536 bytes"},
		{"readable by others", good, 0o644, "can be read or changed by others (mode 0644); run: chmod 600 "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(dir, test.name)
			write(t, path, test.text)
			if err := os.Chmod(path, test.mode); err != nil {
				t.Fatal(err)
			}
			_, err := keyring.Load(path)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	if _, err := keyring.Load(filepath.Join(dir, "missing")); err == nil || !strings.HasPrefix(err.Error(), "there is no key file ") {
		t.Errorf("missing: %v", err)
	}
	if _, err := keyring.Load(dir); err == nil || !strings.HasSuffix(err.Error(), " is not a file; name the key file") {
		t.Errorf("folder: %v", err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// late are settings in which another process puts its value just before ours.
type late struct {
	settings
	put func()
}

func (l *late) PutSetting(ctx context.Context, name string, was, value []byte) (bool, error) {
	if l.put != nil {
		put := l.put
		l.put = nil
		put()
	}
	return l.settings.PutSetting(ctx, name, was, value)
}

func TestProcessesThatStartAtOnceComeToOneDataKey(t *testing.T) {
	_, ring := create(t)
	shared := settings{}
	var other *keyring.Cipher
	ours, err := ring.Cipher(t.Context(), &late{settings: shared, put: func() {
		var err error
		if other, err = ring.Cipher(t.Context(), shared); err != nil {
			t.Fatal(err)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := other.Seal([]byte("a key"), []byte("row 1"))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := ours.Open(sealed, []byte("row 1")); err != nil || string(text) != "a key" {
		t.Errorf("what one sealed the other opens as %q, %v", text, err)
	}
}
