package tidy

import (
	"fmt"
	"strings"
)

// CheckPackageComments finds packages that do not say what they are for. Each
// has one comment, in one file, that begins "Package name"; that of a program
// may begin as it likes.
func CheckPackageComments(m *Module) []string {
	var findings []string
	for _, pkg := range m.Packages {
		var documented []File
		for _, file := range documentingFiles(pkg) {
			if file.Syntax.Doc != nil {
				documented = append(documented, file)
			}
		}
		switch len(documented) {
		case 0:
			findings = append(findings, fmt.Sprintf(
				"%s has no package comment: say what it is for, what it is not for, and where to start", pkg.Dir))
		case 1:
			if finding := misnamed(documented[0]); finding != "" {
				findings = append(findings, finding)
			}
		default:
			findings = append(findings, fmt.Sprintf(
				"%s has a package comment in %s and in %s: keep one", pkg.Dir, documented[0].Path, documented[1].Path))
		}
	}
	return findings
}

// documentingFiles are the files in which the package comment may stand: the
// ones that ship, or the tests where there is nothing else.
func documentingFiles(pkg Package) []File {
	var shipped []File
	for _, file := range pkg.Files {
		if !file.Test {
			shipped = append(shipped, file)
		}
	}
	if len(shipped) == 0 {
		return pkg.Files
	}
	return shipped
}

func misnamed(file File) string {
	name := file.Syntax.Name.Name
	if name == "main" || strings.HasPrefix(file.Syntax.Doc.Text(), "Package "+name+" ") {
		return ""
	}
	return fmt.Sprintf("%s: the package comment begins %q, as go doc expects", file.Path, "Package "+name+" …")
}
