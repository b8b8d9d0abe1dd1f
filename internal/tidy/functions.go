package tidy

import (
	"fmt"
	"go/ast"
	"maps"
	"slices"
)

// FunctionLinesMax is the longest that a function may be, from the line of its
// name to its closing brace. Seventy lines fit a screen; what does not fit can
// not be seen at once, and so not be checked at once.
const FunctionLinesMax = 70

// LongFunctions are the functions that may be longer, each with its length. The
// list only shrinks: a function that grew, shrank or went away is a finding
// until the list says so. The key is the file, a space, and the name, with its
// receiver's type in front.
var LongFunctions = map[string]int{}

// CheckFunctions finds functions of more than FunctionLinesMax lines, and
// exceptions that are no longer true. Generated files are left out.
func CheckFunctions(m *Module, exceptions map[string]int) []string {
	var findings []string
	unused := maps.Clone(exceptions)
	for _, pkg := range m.Packages {
		for _, file := range pkg.Files {
			if file.Generated {
				continue
			}
			for _, declaration := range file.Syntax.Decls {
				function, ok := declaration.(*ast.FuncDecl)
				if !ok {
					continue
				}
				key := file.Path + " " + functionName(function)
				if finding := lengthFinding(key, functionLines(file, function), exceptions); finding != "" {
					findings = append(findings, finding)
				}
				delete(unused, key)
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(unused)) {
		findings = append(findings, fmt.Sprintf("%s is gone: take its exception out of internal/tidy/functions.go", key))
	}
	return findings
}

// lengthFinding judges one function of so many lines.
func lengthFinding(key string, lines int, exceptions map[string]int) string {
	allowed, excepted := exceptions[key]
	switch {
	case !excepted && lines > FunctionLinesMax:
		return fmt.Sprintf("%s has %d lines, the most is %d: let the parent keep the decisions and move the leaves out",
			key, lines, FunctionLinesMax)
	case excepted && lines <= FunctionLinesMax:
		return fmt.Sprintf("%s has %d lines and needs no exception: take it out of internal/tidy/functions.go", key, lines)
	case excepted && lines > allowed:
		return fmt.Sprintf("%s grew from %d to %d lines: exceptions only shrink", key, allowed, lines)
	case excepted && lines < allowed:
		return fmt.Sprintf("%s shrank from %d to %d lines: lower its exception in internal/tidy/functions.go", key, allowed, lines)
	}
	return ""
}

func functionLines(file File, function *ast.FuncDecl) int {
	first := file.Positions.Position(function.Pos()).Line
	last := file.Positions.Position(function.End()).Line
	return last - first + 1
}

// functionName is Name, or Type.Name for a method.
func functionName(function *ast.FuncDecl) string {
	if function.Recv == nil || len(function.Recv.List) == 0 {
		return function.Name.Name
	}
	return receiverName(function.Recv.List[0].Type) + "." + function.Name.Name
}

func receiverName(expr ast.Expr) string {
	switch expr := expr.(type) {
	case *ast.StarExpr:
		return receiverName(expr.X)
	case *ast.IndexExpr:
		return receiverName(expr.X)
	case *ast.IndexListExpr:
		return receiverName(expr.X)
	case *ast.Ident:
		return expr.Name
	}
	return "?"
}
