package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	guidePath = "../../docs/integration-service.md"
	// guideBlockTimeout bounds one block of commands: the slowest compiles a service.
	guideBlockTimeout = 3 * time.Minute
)

// A block is a fenced block of the guide. Those that begin with "sh run" are
// typed as they stand, those with "sh run background" stay running, and those
// with "text contains" are lines that the block before must have shown.
type block struct {
	kind string
	text string
	line int
}

const (
	blockRun        = "sh run"
	blockBackground = "sh run background"
	blockContains   = "text contains"
)

// blocksOf finds the fenced blocks of a text.
func blocksOf(text string) []block {
	var blocks []block
	open := false
	number := 0
	for line := range strings.Lines(text) {
		number++
		kind, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && !open:
			blocks = append(blocks, block{kind: strings.TrimSpace(kind), line: number})
			open = true
		case isFence:
			open = false
		case open:
			blocks[len(blocks)-1].text += line
		}
	}
	return blocks
}

func TestEveryCommandOfTheGuideWorks(t *testing.T) {
	text, err := os.ReadFile(guidePath)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	ports := newPorts(t)
	env := append(goEnvironment(), "PATH="+filepath.Dir(program(t))+string(os.PathListSeparator)+os.Getenv("PATH"),
		"WEIR_LISTEN=127.0.0.1:"+ports["8080"], "WEIR_SERVER=http://127.0.0.1:"+ports["8080"])
	shown := ""
	commands := 0
	for _, b := range blocksOf(string(text)) {
		for written, free := range ports {
			b.text = strings.ReplaceAll(b.text, ":"+written, ":"+free)
		}
		switch b.kind {
		case blockRun:
			shown = b.run(t, dir, env)
			commands++
		case blockBackground:
			startProgram(t, dir, env, "bash", "-euo", "pipefail", "-c", b.text)
			commands++
		case blockContains:
			for want := range strings.Lines(b.text) {
				if !strings.Contains(shown, strings.TrimSpace(want)) {
					t.Errorf("line %d: the commands before did not show %q\n%s", b.line, strings.TrimSpace(want), shown)
				}
			}
		}
	}
	if commands < 10 {
		t.Errorf("only %d blocks of commands were found and run", commands)
	}
}

// newPorts finds a free port for each that the guide names. All are held until
// the last is found, so no two are the same.
func newPorts(t *testing.T) map[string]string {
	t.Helper()
	ports := map[string]string{}
	var held []net.Listener
	for _, written := range []string{"8080", "8090", "8091"} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, listener)
		_, ports[written], _ = net.SplitHostPort(listener.Addr().String())
	}
	for _, listener := range held {
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return ports
}

// run types a block into a shell that stops at the first command that fails.
func (b block) run(t *testing.T, dir string, env []string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", b.text)
	cmd.Dir, cmd.Env = dir, env
	late := time.AfterFunc(guideBlockTimeout, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	said, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("line %d: %v\n%s\n%s", b.line, err, b.text, said)
	}
	return string(said)
}

// A command that looks like one to type, and isn't run, would be a promise
// without a test.
func TestNoCommandOfTheGuideIsLeftOut(t *testing.T) {
	text, err := os.ReadFile(guidePath)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blocksOf(string(text)) {
		if !slices.Contains([]string{blockRun, blockBackground, blockContains, "go", ""}, b.kind) {
			t.Errorf("line %d: a block is marked %q", b.line, b.kind)
		}
		if regexp.MustCompile(`(?m)^(weir|go|curl|cd) `).MatchString(b.text) && b.kind != blockRun && b.kind != blockBackground {
			t.Errorf("line %d: this block has commands and isn't run", b.line)
		}
	}
}
