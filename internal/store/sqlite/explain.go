package sqlite

import (
	"errors"

	"github.com/weirhq/weir/internal/hub"
)

// explain turns what SQLite says about the file as a whole into a sentence.
// Errors that are sentences already pass as they are.
func explain(path string, err error) error {
	var sentence *hub.Error
	if err == nil || errors.As(err, &sentence) {
		return err
	}
	var coded interface{ Code() int }
	if !errors.As(err, &coded) {
		return err
	}
	switch coded.Code() & 0xff {
	case codeNotADatabase:
		return refused("%s is not a SQLite database; name another file, or move this one away: %w", path, err)
	case codeCorrupt:
		return hub.Errorf(hub.CodeInternal, "the database %s is damaged; restore it from a backup: %w", path, err)
	case codeFull:
		return hub.Errorf(hub.CodeInternal, "there is no room left for the database %s; free some on its disk: %w", path, err)
	case codeReadOnly:
		return refused("the database %s can't be written; give this user the right to write it and its folder: %w", path, err)
	case codeCannotOpen:
		return refused("the database %s can't be opened; SQLite also needs to write beside it, in its folder: %w", path, err)
	case codeBusy:
		return hub.Errorf(hub.CodeInternal, "the database %s was busy for %s; another program may hold it: %w", path, busyTimeout, err)
	default:
		return err
	}
}

// SQLite's primary result codes.
const (
	codeBusy         = 5
	codeReadOnly     = 8
	codeCorrupt      = 11
	codeFull         = 13
	codeCannotOpen   = 14
	codeNotADatabase = 26
)
