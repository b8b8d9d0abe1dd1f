package sqlite

import "os"

// lockSuffix names the lock file. It is not the database itself: closing any
// handle on that would drop the locks that SQLite holds on it.
const lockSuffix = ".lock"

// A fileLock keeps other processes away for as long as it is held.
type fileLock struct{ file *os.File }

func (l *fileLock) release() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

func inUse(path string) error {
	return refused("the database %s is in use by another process; stop that one first, or name another file", path)
}
