package keyring

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"

	"github.com/weirhq/weir/internal/hub"
)

// dataKeySetting is the name under which a database keeps its data key, and the
// binding of its encryption.
const dataKeySetting = "data_key"

// Settings are the named values of a database.
type Settings interface {
	// Setting returns a value, nil when there is none.
	Setting(ctx context.Context, name string) ([]byte, error)
	// PutSetting replaces a value if it is still what it was, nil meaning that
	// there was none, and reports whether it did.
	PutSetting(ctx context.Context, name string, was, value []byte) (bool, error)
}

// A Cipher encrypts the secrets of one database with its data key.
type Cipher struct{ key *subtle.AESGCM }

// Open returns the cipher of a database under the key file at path. Where
// neither the file nor a data key is there yet, it makes both, and reports that
// it created the file. A database that has a data key needs the file that it
// was made under: a missing one is an error, and no other takes its place.
func Open(ctx context.Context, path string, settings Settings) (c *Cipher, created bool, err error) {
	sealed, err := settings.Setting(ctx, dataKeySetting)
	if err != nil {
		return nil, false, err
	}
	ring, err := Load(path)
	if _, missing := os.Lstat(path); errors.Is(missing, fs.ErrNotExist) && sealed == nil {
		ring, err = Create(path)
		created = true
	}
	if err != nil {
		return nil, false, err
	}
	c, err = ring.Cipher(ctx, settings)
	return c, created, err
}

// Cipher returns the cipher of a database, which gets its data key the first
// time. A data key that is not encrypted under the key file's first key is
// encrypted again under it, so the older key is no longer needed. A key file
// that does not fit the database is an error, and nothing is changed. Processes
// that start at once on a new database come to the same data key.
func (k *Keyring) Cipher(ctx context.Context, settings Settings) (*Cipher, error) {
	c, err := k.cipher(ctx, settings)
	if errors.Is(err, errOvertaken) {
		c, err = k.cipher(ctx, settings) // what the other has put is there now
	}
	return c, err
}

// errOvertaken says that another process has put the data key in the meantime.
var errOvertaken = hub.Errorf(hub.CodeInternal, "another process has given the database its data key in the meantime; start again")

func (k *Keyring) cipher(ctx context.Context, settings Settings) (*Cipher, error) {
	sealed, err := settings.Setting(ctx, dataKeySetting)
	if err != nil {
		return nil, err
	}
	if sealed == nil {
		return k.begin(ctx, settings)
	}
	for i, key := range k.keys {
		dataKey, err := key.Decrypt(sealed, []byte(dataKeySetting))
		if err != nil {
			continue // another key's, or damaged; which of the two can't be told
		}
		if i > 0 {
			if err := k.put(ctx, settings, sealed, dataKey); err != nil {
				return nil, err
			}
		}
		return newCipher(dataKey)
	}
	return nil, refused("the key file %s does not fit the database: its secrets are encrypted under another key; "+
		"name the key file that was used before", k.path)
}

// begin gives a new database its data key.
func (k *Keyring) begin(ctx context.Context, settings Settings) (*Cipher, error) {
	dataKey := make([]byte, keyBytes)
	_, _ = rand.Read(dataKey) // never fails, by its contract
	if err := k.put(ctx, settings, nil, dataKey); err != nil {
		return nil, err
	}
	return newCipher(dataKey)
}

// put stores the data key encrypted under the primary key.
func (k *Keyring) put(ctx context.Context, settings Settings, was, dataKey []byte) error {
	sealed, err := k.keys[0].Encrypt(dataKey, []byte(dataKeySetting))
	if err != nil {
		return hub.Errorf(hub.CodeInternal, "encrypt the data key: %w", err)
	}
	stored, err := settings.PutSetting(ctx, dataKeySetting, was, sealed)
	if err == nil && !stored {
		err = errOvertaken
	}
	return err
}

func newCipher(dataKey []byte) (*Cipher, error) {
	key, err := subtle.NewAESGCM(dataKey)
	if err != nil {
		return nil, hub.Errorf(hub.CodeInternal, "use the data key: %w", err)
	}
	return &Cipher{key}, nil
}

// Seal encrypts text. Two calls never give the same bytes. binding names the
// place that the secret belongs to; only Open with the same one decrypts it.
func (c *Cipher) Seal(text, binding []byte) ([]byte, error) { return c.key.Encrypt(text, binding) }

// Open decrypts what Seal returned for the same binding. Anything else is an
// error that tells nothing about the secret.
func (c *Cipher) Open(sealed, binding []byte) ([]byte, error) { return c.key.Decrypt(sealed, binding) }
