package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/spf13/cobra"
)

// templates hold the files of a new service: those of every service, and those
// of each mode. They are Go and Markdown as somebody would write them, with
// [[…]] where a name stands.
//
//go:embed templates
var templates embed.FS

const (
	// weirModule is the module that a new service builds on.
	weirModule = "github.com/weirhq/weir"

	modeMirror      = "mirror"
	modePassthrough = "passthrough"
)

type initOptions struct {
	mode, module, weir string
}

func initCommand() *cobra.Command {
	var options initOptions
	c := &cobra.Command{
		Use:   "init NAME",
		Short: "Write a new integration service that runs at once",
		Long: `Write a new integration service in Go into the folder NAME: a module of its own that
compiles, passes its tests and serves a provider in memory, for you to replace with
your own, with a README, a Dockerfile and a unit for systemd.

--mode mirror reads the provider in the background and serves from a file. It suits
any provider, and is right when in doubt. --mode passthrough asks the provider at
each request, for those that can list by time of change, filter by it and page
without losing rows.

Weir is not published as a module yet, so the service reads it from a checkout: the
one that this program was built from, or else the one that --weir names. The folder
must be new or empty. It needs Go.`,
		Args: arguments("NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			return runInit(c.Context(), c.OutOrStdout(), args[0], options)
		},
	}
	flags := c.Flags()
	flags.StringVar(&options.mode, "mode", modeMirror, "mirror or passthrough")
	flags.StringVar(&options.module, "module", "", "path of the new module (default: NAME)")
	flags.StringVar(&options.weir, "weir", "", "folder of a checkout of Weir (default: the one that this program was built from)")
	return c
}

// newService is what the templates know.
type newService struct {
	Name, Module string
	// Weir is the checkout, as go.mod writes it.
	Weir   string
	Mirror bool
}

// serviceName is what a program, a unit and an image may be called.
var serviceName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,62}$`)

func runInit(ctx context.Context, out io.Writer, dir string, options initOptions) error {
	service := newService{Name: filepath.Base(filepath.Clean(dir)), Module: options.module, Mirror: options.mode == modeMirror}
	if options.mode != modeMirror && options.mode != modePassthrough {
		return fmt.Errorf("--mode %q is neither %s nor %s", options.mode, modeMirror, modePassthrough)
	}
	if !serviceName.MatchString(service.Name) {
		return fmt.Errorf("%q can't name a program: use small letters, digits and hyphens, and begin with a letter", service.Name)
	}
	if service.Module == "" {
		service.Module = service.Name
	}
	checkout, err := findCheckout(options.weir)
	if err != nil {
		return err
	}
	service.Weir = quotePath(checkout)
	files, err := service.files(options.mode)
	if err != nil {
		return err
	}
	if err := makeEmpty(dir); err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil { //nolint:gosec // source code, for all to read
			return fmt.Errorf("write the service: %w", err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "api.key"), []byte(rand.Text()+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the service's key: %w", err)
	}
	if err := settleModule(ctx, dir, checkout); err != nil {
		return err
	}
	return service.farewell(out, dir)
}

// files renders the templates of the mode.
func (s newService) files(mode string) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, folder := range []string{"common", mode} {
		names, err := fs.Glob(templates, "templates/"+folder+"/*.tmpl")
		if err != nil {
			return nil, err
		}
		for _, path := range names {
			source, err := templates.ReadFile(path)
			if err != nil {
				return nil, err
			}
			parsed, err := template.New(path).Delims("[[", "]]").Parse(string(source))
			if err != nil {
				return nil, err
			}
			var text bytes.Buffer
			if err := parsed.Execute(&text, s); err != nil {
				return nil, err
			}
			files[s.fileName(path)] = text.Bytes()
		}
	}
	return files, nil
}

// fileName is where the text of a template goes.
func (s newService) fileName(path string) string {
	name := strings.TrimSuffix(filepath.Base(path), ".tmpl")
	switch name {
	case "gitignore", "dockerignore":
		return "." + name // an embedded folder has no hidden files
	case "service":
		return s.Name + ".service"
	}
	return name
}

// makeEmpty makes the folder, or makes sure that it is empty.
func makeEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("look into the new folder: %w; choose another name", err)
	case len(entries) > 0:
		return fmt.Errorf("the folder %s is not empty; choose another name, nothing is overwritten", dir)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // source code, for all to read
		return fmt.Errorf("make the folder: %w", err)
	}
	return nil
}

// findCheckout finds a checkout of Weir: the one that is named, or the one that
// this program was built from, or one that the program or the working folder
// lies in.
func findCheckout(named string) (string, error) {
	if named != "" {
		dir, err := filepath.Abs(named)
		if err != nil {
			return "", err
		}
		if !isCheckout(dir) {
			return "", fmt.Errorf("--weir: %s is no checkout of Weir: it has no go.mod of %s", named, weirModule)
		}
		return dir, nil
	}
	_, source, _, _ := runtime.Caller(0)
	executable, _ := os.Executable() // empty when it is not known
	working, _ := os.Getwd()
	for _, dir := range []string{filepath.Dir(source), filepath.Dir(executable), working} {
		for filepath.IsAbs(dir) {
			if isCheckout(dir) {
				return dir, nil
			}
			parent := filepath.Dir(dir)
			if parent == dir {
				break
			}
			dir = parent
		}
	}
	return "", errors.New("no checkout of Weir was found, which the service would be built on; name one with --weir DIR")
}

// isCheckout reports whether the folder is the root of Weir's own module.
func isCheckout(dir string) bool {
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	return err == nil && strings.HasPrefix(string(text), "module "+weirModule+"\n")
}

// quotePath writes a path as go.mod wants it.
func quotePath(path string) string {
	if strings.ContainsAny(path, " \t\"'`(),[]{}") || strings.Contains(path, "//") {
		return strconv.Quote(path)
	}
	return path
}

// settleTimeout bounds each way of settling a module. On a network that swallows
// what is sent, the first would wait for minutes.
const settleTimeout = time.Minute

// settleModule lets go write down what the service needs. It begins with the
// sums of the checkout. go mod tidy asks also for what only the tests of others
// need, which may not be on a machine without a network; listing the packages
// asks for nothing but them, and leaves more sums than needed.
func settleModule(ctx context.Context, dir, checkout string) error {
	sums, err := os.ReadFile(filepath.Join(checkout, "go.sum"))
	if err != nil {
		return fmt.Errorf("read the sums of the checkout: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o644); err != nil { //nolint:gosec // source code, for all to read
		return fmt.Errorf("write the service: %w", err)
	}
	if _, err := goIn(ctx, dir, "mod", "tidy"); err == nil {
		return nil
	}
	if said, err := goIn(ctx, dir, "list", "-mod=mod", "-test", "-deps", "./..."); err != nil {
		return fmt.Errorf(`the service is written, but its module could not be settled: %w; run "go mod tidy" in %s%s`, err, dir, lastLine(said))
	}
	return nil
}

// goIn runs go in a folder and returns what it said.
func goIn(ctx context.Context, dir string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // our own words
	cmd.Dir = dir
	return cmd.CombinedOutput()
}

// lastLine is the last thing that a program said, as the end of a sentence.
func lastLine(said []byte) string {
	lines := strings.Split(strings.TrimSpace(string(said)), "\n")
	if last := strings.TrimSpace(lines[len(lines)-1]); last != "" {
		return ". It said: " + last
	}
	return ""
}

// farewell says what to do with the service.
func (s newService) farewell(out io.Writer, dir string) error {
	functions := "pullAccounts and pullMovements"
	if !s.Mirror {
		functions = "accounts and transactions"
	}
	_, err := fmt.Fprintf(out, `%[1]s is written. To see it run:
  cd %[2]s
  go test ./...
  go run .
Then, in another terminal:
  weir serve
  weir connect %[1]s http://127.0.0.1:8090 --api-key-file %[3]s
To make it yours, replace psp.go with your provider, and adapt %[4]s in source.go.
`, s.Name, shellWord(dir), shellWord(filepath.Join(dir, "api.key")), functions)
	return err
}
