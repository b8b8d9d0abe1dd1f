//go:build unix

package pgtest

import (
	"errors"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// unprivileged makes a command run as somebody whom PostgreSQL accepts: it
// refuses to run as root. Others start it as themselves. It has a process group
// of its own, so that whoever interrupts the tests does not also end the shell
// that cleans up behind them.
func unprivileged() *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Setpgid: true}
	uid, gid, err := somebody()
	if err == nil && os.Geteuid() == 0 {
		attributes.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)} //nolint:gosec // numbers of users fit
	}
	return attributes
}

// giveAway gives a file to that somebody.
func giveAway(name string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	uid, gid, err := somebody()
	if err != nil {
		return err
	}
	return os.Chown(name, uid, gid)
}

// somebody is a user without rights that every Unix has.
func somebody() (uid, gid int, err error) {
	for _, name := range []string{"postgres", "nobody"} {
		found, lookup := user.Lookup(name)
		if lookup != nil {
			err = lookup
			continue
		}
		uid, errUID := strconv.Atoi(found.Uid)
		gid, errGID := strconv.Atoi(found.Gid)
		return uid, gid, errors.Join(errUID, errGID)
	}
	return 0, 0, err
}
