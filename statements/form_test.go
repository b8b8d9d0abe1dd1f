package statements

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// No amount ever passes through a binary fraction, so the package has no use
// for the types that hold them.
func TestNoFileOfThePackageUsesBinaryFractions(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for number, line := range strings.Split(string(content), "\n") {
			if strings.Contains(strings.ToLower(line), "float") {
				t.Errorf("%s:%d: %s", file, number+1, line)
			}
		}
	}
}
