package keyring

import (
	"io/fs"
	"testing"
)

func TestAFileThatRootHandsOutMayBeReadByItsGroup(t *testing.T) {
	for _, test := range []struct {
		mode       fs.FileMode
		lent, open bool
	}{
		{0o400, false, false},
		{0o600, false, false},
		{0o440, false, true},
		{0o604, false, true},
		{0o400, true, false},
		{0o440, true, false},
		{0o640, true, false},
		{0o460, true, true},
		{0o444, true, true},
		{0o441, true, true},
	} {
		if got := isOpen(test.mode, test.lent); got != test.open {
			t.Errorf("mode %04o, lent %t: open is %t", test.mode, test.lent, got)
		}
	}
}
