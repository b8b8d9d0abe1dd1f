package tidy

import (
	"fmt"
	"slices"
	"strings"
)

// CheckImports compares what each package imports with the table.
//
// The ranks bind the files that ship. Test files may import any rank, because
// a test drives real parts: the connector's tests read from the simulator, and
// the drivers' tests run storetest. What an entry lists under Never binds them too.
func CheckImports(m *Module, table []Entry) []string {
	var findings []string
	for _, pkg := range m.Packages {
		entry, ok := Lookup(table, pkg.Dir)
		if !ok {
			findings = append(findings, fmt.Sprintf(
				"%s has no place in the layout: give it a rank and a purpose in internal/tidy/table.go", pkg.Dir))
			continue
		}
		for _, file := range pkg.Files {
			for _, importPath := range file.Imports() {
				if broken := brokenRule(m, table, pkg.Dir, entry, file.Test, importPath); broken != "" {
					findings = append(findings, fmt.Sprintf("%s imports %s: %s", file.Path, importPath, broken))
				}
			}
		}
	}
	return findings
}

// brokenRule names the rule that an import breaks, or returns "".
func brokenRule(m *Module, table []Entry, dir string, entry Entry, test bool, importPath string) string {
	target, inside := m.within(importPath)
	if inside && slices.Contains(entry.Never, target) {
		return fmt.Sprintf("%s never imports %s, in tests neither", dir, target)
	}
	if test || inside && target == dir {
		return ""
	}
	if entry.Closed && !entry.allows(importPath, target) {
		return fmt.Sprintf("%s is closed, it may import the standard library and nothing but %v", dir, entry.Allowed)
	}
	if !inside {
		return ""
	}
	targetEntry, ok := Lookup(table, target)
	switch {
	case !ok:
		return fmt.Sprintf("%s has no place in the layout", target)
	case targetEntry.Rank == entry.Rank:
		return fmt.Sprintf("both have rank %s, and packages of one rank never import each other", entry.Rank)
	case targetEntry.Rank > entry.Rank:
		return fmt.Sprintf("%s has rank %s and may import lower ranks only, %s has rank %s",
			dir, entry.Rank, target, targetEntry.Rank)
	}
	return ""
}

// allows says whether a closed package may import the path. target is the
// folder where the path lies in this module, "" outside.
func (e Entry) allows(importPath, target string) bool {
	if target == "" && isStandard(importPath) {
		return true
	}
	for _, allowed := range e.Allowed {
		if target == allowed || importPath == allowed || strings.HasPrefix(importPath, allowed+"/") {
			return true
		}
	}
	return false
}

// isStandard goes by Go's own convention: the first element of a path outside
// the standard library has a dot.
func isStandard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}
