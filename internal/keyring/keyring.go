// Package keyring keeps secrets unreadable at rest. A key file, which stays
// outside of the database, holds the keys of an operator; each database has a
// data key of its own, which is stored in it encrypted under the key file, and
// which encrypts the secrets. So the key file never meets the data, a copy of
// the database alone gives nothing away, and changing the key file's key means
// encrypting one data key again instead of every secret.
//
// It does not guard the key file, beyond refusing one that others can read, and
// it can't bring back secrets whose key file is lost.
//
// Start with [Open], which does all that a start of the program needs.
package keyring

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"

	"github.com/weirhq/weir/internal/hub"
)

const (
	// keyBytes is the size of an AES-256 key.
	keyBytes = 32
	// keyPrefix begins the line of a key, so that a file of something else is
	// told from a key file, and a later kind of key from this one.
	keyPrefix = "weir-key-1:"
	// fileBytesMax bounds what is read of a file that may be no key file at all.
	fileBytesMax = 64 << 10
)

// header is what a person who opens the file should know.
const header = `# Weir's encryption keys. The first encrypts, every one decrypts. To change the
# key, put a new line above the others, restart Weir, and remove the old line.
# Keep this file secret, and keep a copy: without it what it encrypted is lost.
`

// A Keyring holds the keys of a key file, the primary one first.
type Keyring struct {
	path string
	keys []*subtle.AESGCM
}

// Create writes a key file with one new key, readable by its owner alone. It
// never overwrites: a file that is there already is an error.
func Create(path string) (*Keyring, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, refused("there is a file %s already; a key file is never overwritten", path)
	}
	if err != nil {
		return nil, refused("can't create the key file %s: %w; choose a folder that exists and can be written", path, err)
	}
	_, err = file.WriteString(Draw())
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, refused("can't write the key file %s: %w", path, errors.Join(err, os.Remove(path)))
	}
	return Load(path)
}

// Draw returns the text of a key file with one new key.
func Draw() string {
	key := make([]byte, keyBytes)
	_, _ = rand.Read(key) // never fails, by its contract
	return header + FormatKey(key) + "\n"
}

// FormatKey returns the line that stands for a key of 32 bytes in a key file.
func FormatKey(key []byte) string {
	return keyPrefix + base64.RawURLEncoding.EncodeToString(key)
}

// Load reads a key file. Its errors are sentences: when the file is missing,
// can't be read, can be read by others, or is no key file.
func Load(path string) (*Keyring, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, refused("there is no key file %s; name the file that belongs to the database, or restore it from its copy", path)
	case err != nil:
		return nil, refused("can't look at the key file %s: %w", path, err)
	case !info.Mode().IsRegular():
		return nil, refused("%s is not a file; name the key file", path)
	case runtime.GOOS != "windows" && isOpen(info.Mode().Perm(), isLent(info)):
		return nil, refused("the key file %s can be read or changed by others (mode %04o); run: chmod 600 %s", path, info.Mode().Perm(), path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, refused("can't read the key file %s: %w; give this user the right to", path, err)
	}
	defer func() { _ = file.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(file, fileBytesMax+1))
	if err != nil {
		return nil, refused("can't read the key file %s: %w", path, err)
	}
	keys, err := parseKeys(text)
	if err != nil {
		return nil, refused("%s is not a key file of Weir's: %w; name the right file", path, err)
	}
	return &Keyring{path: path, keys: keys}, nil
}

// isOpen reports whether others than its owner can read or change a file. One
// that is lent, which belongs to root while we don't, may be read by its group:
// so Kubernetes and systemd hand out secrets, and PostgreSQL takes its own key.
func isOpen(mode fs.FileMode, lent bool) bool {
	if lent {
		return mode&0o037 != 0
	}
	return mode&0o077 != 0
}

// parseKeys never repeats what it reads in an error: it could be a secret.
func parseKeys(text []byte) ([]*subtle.AESGCM, error) {
	if len(text) > fileBytesMax {
		return nil, fmt.Errorf("it has more than %d bytes", fileBytesMax)
	}
	var keys []*subtle.AESGCM
	number := 0
	for line := range bytes.Lines(text) {
		number++
		content := strings.TrimSpace(string(line))
		if content == "" || strings.HasPrefix(content, "#") {
			continue
		}
		encoded, found := strings.CutPrefix(content, keyPrefix)
		key, err := base64.RawURLEncoding.DecodeString(encoded)
		if !found || err != nil || len(key) != keyBytes {
			return nil, fmt.Errorf("line %d holds no key", number)
		}
		primitive, err := subtle.NewAESGCM(key)
		if err != nil {
			return nil, fmt.Errorf("line %d holds no key that can be used", number)
		}
		keys = append(keys, primitive)
	}
	if len(keys) == 0 {
		return nil, errors.New("it holds no key")
	}
	return keys, nil
}

func refused(format string, args ...any) error {
	return hub.Errorf(hub.CodeInvalid, format, args...)
}
