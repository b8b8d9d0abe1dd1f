package tidy

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
)

// The two words are put together here so that this file does not hold them.
var unfinished = regexp.MustCompile(`\b(` + "TO" + "DO|FIX" + "ME" + `)\b`)

// machinePath matches an absolute path into the working folders of one
// machine. A path inside a longer one or inside a URL does not begin there.
var machinePath = regexp.MustCompile(`(^|[^A-Za-z0-9_.~/:-])/(` + "work|ro" + `ot)/`)

// CheckText reads every text file of the module. Work that is left goes into
// the issue tracker, where someone will look for it, so the marks for it do not
// stand in code; and a path of somebody's machine means nothing on another.
// Testdata may hold any word, and prose may name the marks.
func CheckText(root fs.FS) ([]string, error) {
	var findings []string
	err := walk(root, func(name string) error {
		content, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		if isBinary(content) {
			return nil
		}
		prose := path.Ext(name) == ".md" || inTestdata(name)
		number := 0
		for line := range strings.Lines(string(content)) {
			number++
			if !prose && unfinished.MatchString(line) {
				findings = append(findings, fmt.Sprintf(
					"%s:%d marks unfinished work: finish it, or open an issue", name, number))
			}
			if machinePath.MatchString(line) {
				findings = append(findings, fmt.Sprintf(
					"%s:%d names a path that exists on one machine only", name, number))
			}
		}
		return nil
	})
	return findings, err
}

// isBinary goes by a NUL among the first bytes, as git does.
func isBinary(content []byte) bool {
	const headBytes = 8000
	return bytes.IndexByte(content[:min(len(content), headBytes)], 0) >= 0
}
