//go:build unix

package sqlite

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// lockFile takes the lock beside the database. The operating system lets go of
// it when the process ends, however it ends, so no lock is ever left behind;
// the empty file is.
func lockFile(path string) (*fileLock, error) {
	file, err := os.OpenFile(path+lockSuffix, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, refused("can't create the lock of the database %s: %w; give this user the right to write the folder", path, err)
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return &fileLock{file}, nil
	}
	_ = file.Close()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, inUse(path)
	}
	return nil, refused("can't lock the database %s: %w; the file system must support locks", path, err)
}
