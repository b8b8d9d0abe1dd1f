package tidy

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the import table into ARCHITECTURE.md")

// moduleRoot is the module's root, seen from this package's folder.
const moduleRoot = "../.."

func TestEveryImportGoesToALowerRank(t *testing.T) {
	t.Parallel()
	report(t, CheckImports(load(t), Table))
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	t.Parallel()
	report(t, CheckPackageComments(load(t)))
}

func TestEveryFunctionFitsAScreen(t *testing.T) {
	t.Parallel()
	report(t, CheckFunctions(load(t), LongFunctions))
}

func TestEveryDependencyHasAReason(t *testing.T) {
	t.Parallel()
	report(t, CheckDependencies(load(t), manifest(t, "go.mod"), Dependencies))
}

func TestEveryToolHasAReason(t *testing.T) {
	t.Parallel()
	report(t, CheckTools(manifest(t, "tools/go.mod"), Tools))
}

func TestNoFileMarksUnfinishedWorkOrNamesAMachine(t *testing.T) {
	t.Parallel()
	findings, err := CheckText(os.DirFS(moduleRoot))
	if err != nil {
		t.Fatal(err)
	}
	report(t, findings)
}

// The whole graph is asked of the go command, because a package of another
// module may bring in testing as well as one of ours.
func TestNothingForTestsReachesTheProgram(t *testing.T) {
	t.Parallel()
	module := load(t)
	for _, pkg := range module.Packages {
		if pkg.Files[0].Syntax.Name.Name != "main" {
			continue
		}
		graph := ParseGraph(string(goCommand(t,
			"list", "-deps", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, "./"+pkg.Dir)))
		report(t, CheckReach(graph, module.Path+"/"+pkg.Dir, TestOnly))
	}
}

func TestArchitectureShowsTheTable(t *testing.T) {
	t.Parallel()
	file := filepath.Join(moduleRoot, "ARCHITECTURE.md")
	current, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want, err := WithTable(string(current), Table)
	if err != nil {
		t.Fatal(err)
	}
	if want == string(current) {
		return
	}
	if !*update {
		t.Fatal("ARCHITECTURE.md does not show the table as it is: run go test ./internal/tidy -update and read the difference")
	}
	if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T) *Module {
	t.Helper()
	return loadFrom(t, os.DirFS(moduleRoot))
}

func loadFrom(t *testing.T, root fs.FS) *Module {
	t.Helper()
	module, err := Load(root)
	if err != nil {
		t.Fatal(err)
	}
	return module
}

func manifest(t *testing.T, file string) Manifest {
	t.Helper()
	manifest, err := ParseManifest(goCommand(t, "mod", "edit", "-json", file))
	if err != nil {
		t.Fatal(err)
	}
	return manifest
}

// goCommand runs the go command in the module's root and returns what it prints.
func goCommand(t *testing.T, args ...string) []byte {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", args...)
	command.Dir = moduleRoot
	var complaint strings.Builder
	command.Stderr = &complaint
	output, err := command.Output()
	if err != nil {
		t.Fatal(fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, complaint.String()))
	}
	return output
}

// report fails the test once for each finding.
func report(t *testing.T, findings []string) {
	t.Helper()
	for _, finding := range findings {
		t.Error(finding)
	}
}
