package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestAKeyThatWasMadeBeforehandOpensANewDatabase(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "made.key")
	if o := runWeir(t, "keygen", file); o.status != 0 || !strings.Contains(o.stdout, "Keep a copy") {
		t.Fatalf("keygen: %+v", o)
	}
	runWeir(t, "keygen", file).wantRefusal(t, "never overwritten")
	c := startCore(t, t.TempDir(), "--encryption-key-file", file)
	if strings.Contains(c.log(), "made an encryption key") {
		t.Errorf("it made another\n%s", c.log())
	}
	one, other := runWeir(t, "keygen", "-"), runWeir(t, "keygen", "-")
	if one.status != 0 || !strings.Contains(one.stdout, "\nweir-key-1:") || one.stdout == other.stdout {
		t.Errorf("keygen - wrote %q, then %q", one.stdout, other.stdout)
	}
}
