package statements

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// FileError says why a file can't be taken: where, what, and what to do.
type FileError struct {
	// File is its name, Line counts from 1; 0 when the whole file is meant.
	File string
	Line int
	// Element is the path of the XML element, the MT field or the CSV column.
	Element string
	// Problem is what is wrong, Advice what to do about it.
	Problem, Advice string
}

// Error is "bank.xml:12: Stmt/Ntry/Amt: problem; advice".
func (e *FileError) Error() string {
	var out strings.Builder
	out.WriteString(e.File)
	if e.Line > 0 {
		out.WriteString(":" + strconv.Itoa(e.Line))
	}
	out.WriteString(": ")
	if e.Element != "" {
		out.WriteString(e.Element + ": ")
	}
	out.WriteString(e.Problem)
	if e.Advice != "" {
		out.WriteString("; " + e.Advice)
	}
	return out.String()
}

// flaw is a problem whose place is not known yet.
type flaw struct{ problem, advice string }

func (f *flaw) Error() string { return f.problem }

// flawf makes a flaw; what to do follows the first "; " of the text.
func flawf(format string, args ...any) error {
	problem, advice, _ := strings.Cut(fmt.Sprintf(format, args...), "; ")
	return &flaw{problem, advice}
}

// at gives an error its place. An error that has one keeps it, and one that is
// no flaw of the file, such as a failing disk, stays what it is.
func at(err error, file string, line int, element string) error {
	var f *flaw
	if !errors.As(err, &f) {
		return err
	}
	return &FileError{File: file, Line: line, Element: element, Problem: f.problem, Advice: f.advice}
}
