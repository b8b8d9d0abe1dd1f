package mirror

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/weirhq/weir/sdk"
)

// settledAfter is how long a file must not have been touched before it is read:
// whoever writes it may not have finished.
const settledAfter = 5 * time.Second

// Folder is a folder into which a provider's files are put. Each file is read
// once, by its content: a copy under another name is not read again. It is read
// whole or not at all, and one that can't be read is reported, left where it is,
// and tried again when its content changes. The files are not moved or changed.
type Folder struct {
	// Name is the name of its source.
	Name string
	// Dir is the folder. Hidden files and folders in it are left alone.
	Dir string
	// Read makes rows of a file. Next, More and Scan are ignored.
	Read func(ctx context.Context, name string, content io.Reader) (sdk.Batch, error)
	// Every is how often to look; 0 means a minute.
	Every time.Duration
}

// Folder returns the source that reads the folder, one file at a time in the
// order of their names.
func (m *Mirror) Folder(folder Folder) Source {
	seen := map[string]os.FileInfo{} // what was looked into, to spare a checksum
	return Source{Name: folder.Name, Every: folder.Every, read: func(ctx context.Context, _ string) (pulled, error) {
		entries, err := os.ReadDir(folder.Dir)
		if err != nil {
			return pulled{}, err
		}
		for _, entry := range entries {
			info, err := entry.Info()
			if err != nil || !info.Mode().IsRegular() || entry.Name()[0] == '.' || m.now().Sub(info.ModTime()) < settledAfter {
				continue
			}
			if known := seen[entry.Name()]; known != nil && known.Size() == info.Size() && known.ModTime().Equal(info.ModTime()) {
				continue
			}
			batch, fresh, err := m.readFile(ctx, folder, entry.Name())
			if err != nil {
				return pulled{}, err
			}
			if fresh {
				return batch, nil
			}
			seen[entry.Name()] = info
		}
		return pulled{}, nil
	}}
}

// readFile reads one file, unless its content was read before.
func (m *Mirror) readFile(ctx context.Context, folder Folder, name string) (batch pulled, fresh bool, err error) {
	file, err := os.Open(filepath.Join(folder.Dir, name))
	if err != nil {
		return pulled{}, false, err
	}
	defer func() { _ = file.Close() }() // it was only read
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return pulled{}, false, fmt.Errorf("read %s: %w", name, err)
	}
	digest := hex.EncodeToString(sum.Sum(nil))
	var reason string
	err = m.file.Read.QueryRowContext(ctx, `SELECT reason FROM file WHERE source = ? AND digest = ?`, folder.Name, digest).Scan(&reason)
	if !errors.Is(err, sql.ErrNoRows) {
		return pulled{}, false, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return pulled{}, false, fmt.Errorf("read %s: %w", name, err)
	}
	again := sha256.New()
	rows, err := folder.Read(ctx, name, io.TeeReader(file, again))
	if err != nil {
		m.log.WarnContext(ctx, "a file could not be read", "source", folder.Name, "file", name, "error", err.Error())
		rows, reason = sdk.Batch{}, err.Error()
	} else if _, err := io.Copy(again, file); err != nil || hex.EncodeToString(again.Sum(nil)) != digest {
		return pulled{}, false, fmt.Errorf("read %s: it changed while it was read", name)
	}
	rows.Next, rows.More, rows.Scan, rows.ScanComplete = "", true, 0, false
	return pulled{Batch: rows, settle: func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO file (source, digest, name, at, reason) VALUES (?, ?, ?, ?, ?)`,
			folder.Name, digest, name, m.now().UnixMicro(), reason)
		return err
	}}, true, nil
}
