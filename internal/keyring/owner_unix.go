//go:build unix

package keyring

import (
	"io/fs"
	"os"
	"syscall"
)

// isLent reports whether root gave us the file, and we are not root.
func isLent(info fs.FileInfo) bool {
	owner, ok := info.Sys().(*syscall.Stat_t)
	return ok && owner.Uid == 0 && os.Geteuid() != 0
}
