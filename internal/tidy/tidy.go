// Package tidy checks the form of this module's own code: who may import whom,
// which other modules it may lean on, how long a function may grow, and what
// must not stand in a file.
//
// It is for the people who change the code. Nothing of it reaches the binary:
// the checks run as the tests of this package, so that `go test ./...` is
// enough to learn that a change broke a rule. Each finding is a sentence that
// names the place, the rule and the way out.
//
// It is not a linter for Go in general; golangci-lint does that (.golangci.yml).
// A rule belongs here when it is about this module: its layout, its promises,
// its list of dependencies.
//
// Start at table.go, which holds the layout.
package tidy

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"sort"
	"strconv"
	"strings"
)

// Module is the module's Go source as the checks read it. Folders with a
// go.mod of their own are other modules and are not part of it.
type Module struct {
	// Path is the module path that go.mod declares.
	Path string
	// Packages are sorted by folder.
	Packages []Package
}

// Package is one folder of Go files.
type Package struct {
	// Dir is the folder below the module's root, with slashes; the root is ".".
	Dir string
	// Files are sorted by name.
	Files []File
}

// File is one parsed Go file.
type File struct {
	// Path is below the module's root, with slashes.
	Path string
	// Test says that the name ends in _test.go.
	Test bool
	// Generated says that the file carries Go's mark for generated code.
	Generated bool
	// Syntax is the whole file with its comments.
	Syntax *ast.File
	// Positions turns the positions in Syntax into lines.
	Positions *token.FileSet
}

// Load parses every Go file of the module that root holds. Files behind build
// tags are read like all others. It reads no file outside root.
func Load(root fs.FS) (*Module, error) {
	modulePath, err := declaredPath(root)
	if err != nil {
		return nil, err
	}
	byDir := map[string]*Package{}
	err = walk(root, func(name string) error {
		if path.Ext(name) != ".go" || inTestdata(name) {
			return nil
		}
		file, err := parseFile(root, name)
		if err != nil {
			return err
		}
		dir := path.Dir(name)
		if byDir[dir] == nil {
			byDir[dir] = &Package{Dir: dir}
		}
		byDir[dir].Files = append(byDir[dir].Files, file)
		return nil
	})
	if err != nil {
		return nil, err
	}
	module := &Module{Path: modulePath}
	for _, pkg := range byDir {
		module.Packages = append(module.Packages, *pkg)
	}
	sort.Slice(module.Packages, func(i, j int) bool {
		return module.Packages[i].Dir < module.Packages[j].Dir
	})
	return module, nil
}

// Imports are the paths that the file imports, in the order in which they stand.
func (f File) Imports() []string {
	paths := make([]string, 0, len(f.Syntax.Imports))
	for _, spec := range f.Syntax.Imports {
		// The parser accepts nothing but a string literal here.
		importPath, _ := strconv.Unquote(spec.Path.Value)
		paths = append(paths, importPath)
	}
	return paths
}

// within returns the folder of an import path of this module, and false for
// any other import path.
func (m *Module) within(importPath string) (dir string, inside bool) {
	if importPath == m.Path {
		return ".", true
	}
	below, inside := strings.CutPrefix(importPath, m.Path+"/")
	if !inside {
		return "", false
	}
	return below, true
}

// walk calls visit with every file of the module, in lexical order. It leaves
// out hidden folders but those that hold the checks that run on a server,
// folders of JavaScript packages, and other modules.
func walk(root fs.FS, visit func(name string) error) error {
	return fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !entry.IsDir() {
			if entry.Type().IsRegular() {
				return visit(name)
			}
			return nil
		}
		if name == "." {
			return nil
		}
		base := path.Base(name)
		hidden := strings.HasPrefix(base, ".") && base != ".ci" && base != ".github"
		if hidden || strings.HasPrefix(base, "_") || base == "node_modules" || base == "vendor" {
			return fs.SkipDir
		}
		if _, err := fs.Stat(root, path.Join(name, "go.mod")); err == nil {
			return fs.SkipDir
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}

func parseFile(root fs.FS, name string) (File, error) {
	source, err := fs.ReadFile(root, name)
	if err != nil {
		return File{}, err
	}
	positions := token.NewFileSet()
	syntax, err := parser.ParseFile(positions, name, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return File{}, fmt.Errorf("parse: %w", err)
	}
	return File{
		Path:      name,
		Test:      strings.HasSuffix(name, "_test.go"),
		Generated: ast.IsGenerated(syntax),
		Syntax:    syntax,
		Positions: positions,
	}, nil
}

// declaredPath reads the module path from go.mod.
func declaredPath(root fs.FS) (string, error) {
	source, err := fs.ReadFile(root, "go.mod")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(source)) {
		if modulePath, ok := strings.CutPrefix(strings.TrimSpace(line), "module "); ok {
			return strings.TrimSpace(modulePath), nil
		}
	}
	return "", errors.New("go.mod: no module line")
}

func inTestdata(name string) bool {
	return strings.HasPrefix(name, "testdata/") || strings.Contains(name, "/testdata/")
}
