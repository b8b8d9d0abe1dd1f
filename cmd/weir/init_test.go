package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What every new service shows, read off its psp.go by eye.
var (
	newServiceMovements = map[string]string{
		"DE57700100800123456789": "1200.00 -12.50", // and -80.00, which was declined, and -0.05, which is pending
		"JP-0042":                "50000",
	}
	newServiceBalances = map[string]string{"DE57700100800123456789": "EUR/2 1187.45", "JP-0042": "JPY/0 50000"}
)

func TestANewServicePassesItsTestsAndTheCoreReadsIt(t *testing.T) {
	program(t) // this test runs the program, which short runs leave out
	for _, mode := range []string{modeMirror, modePassthrough} {
		t.Run(mode, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "demo-psp")
			made := runWeir(t, "init", dir, "--mode", mode, "--module", "example.com/demo-psp")
			if made.status != 0 {
				t.Fatalf("init: %s%s", made.stdout, made.stderr)
			}
			runGo(t, dir, "vet", "./...")
			runGo(t, dir, "test", "./...")
			if unformatted := runTool(t, dir, "gofmt", "-l", "."); unformatted != "" {
				t.Errorf("gofmt would change %s", unformatted)
			}
			runGo(t, dir, "build", "-o", "demo-psp", ".")
			service := startProgram(t, dir, goEnvironment(), "./demo-psp", "--listen", "127.0.0.1:0")
			wantNewServiceInTheCore(t, dir, service.url)
			if status := service.stop(t); status != 0 {
				t.Errorf("it ended with status %d\n%s", status, service.log())
			}
		})
	}
}

// wantNewServiceInTheCore connects a core to the service and compares what its API shows.
func wantNewServiceInTheCore(t *testing.T, dir, url string) {
	t.Helper()
	core := startCore(t, t.TempDir(), "--polling-period-min", "1s")
	if connected := core.weir("connect", "demo", url, "--api-key-file", filepath.Join(dir, "api.key")); connected.status != 0 {
		t.Fatalf("connect: %s%s", connected.stdout, connected.stderr)
	}
	var payments []apiPayment
	eventually(t, readTimeout, "the core has read every movement", func() bool {
		payments = readAll[apiPayment](t, core, "/v3/payments")
		return len(payments) == 5
	})
	statuses := map[string]string{}
	var settled []apiPayment
	for _, p := range payments {
		statuses[p.Reference] = p.Status
		if p.Status == "SUCCEEDED" {
			settled = append(settled, p)
		}
	}
	wantSame(t, "the status", statuses, map[string]string{
		"M-1": "SUCCEEDED", "M-2": "SUCCEEDED", "M-3": "SUCCEEDED", "M-4": "FAILED", "M-5": "PENDING",
	})
	accounts, balances := readAccounts(t, core)
	wantSame(t, "the movements", movementsOf(t, settled, accounts), sorted(newServiceMovements))
	wantSame(t, "the balance", balances, newServiceBalances)
}

func TestANewServiceNeedsNoNetwork(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo-psp")
	made := command{args: []string{"init", dir}, env: []string{"GOPROXY=off"}}.run(t)
	if made.status != 0 {
		t.Fatalf("init: %s%s", made.stdout, made.stderr)
	}
	cmd := exec.CommandContext(t.Context(), "go", "vet", "./...")
	cmd.Dir, cmd.Env = dir, environment("GOPROXY=off", "GOFLAGS=", "GOWORK=off")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("it does not compile as it stands: %v\n%s", err, said)
	}
}

func TestInitRefusesWhatItCantDoInASentence(t *testing.T) {
	full := t.TempDir()
	put(t, full, "keep.txt", "mine")
	tests := []struct {
		name, want string
		args       []string
	}{
		{"the folder is not empty", "is not empty", []string{newFolder(t, full)}},
		{"the name is a file", "choose another name", []string{filepath.Join(full, "keep")}},
		{"the name is no program's", "can't name a program", []string{filepath.Join(full, "Über uns")}},
		{"the mode is unknown", "neither mirror nor passthrough", []string{filepath.Join(full, "a"), "--mode", "proxy"}},
		{"the checkout is none", "is no checkout of Weir", []string{filepath.Join(full, "a"), "--weir", full}},
		{"no name is given", "NAME", nil},
	}
	put(t, full, "keep", "mine")
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			root := newCommand()
			root.SetArgs(append([]string{"init"}, test.args...))
			err := root.ExecuteContext(t.Context())
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("it said %v, want one line about %q", err, test.want)
			}
		})
	}
	if text, err := os.ReadFile(filepath.Join(full, "keep.txt")); err != nil || string(text) != "mine" {
		t.Errorf("keep.txt is %q, %v", text, err)
	}
	if _, err := os.Stat(filepath.Join(full, "a")); err == nil {
		t.Error("a refused init left a folder behind")
	}
}

// newFolder makes a folder with a good name that is not empty.
func newFolder(t *testing.T, in string) string {
	t.Helper()
	dir := filepath.Join(in, "full")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "keep.txt", "mine")
	return dir
}

func TestAPathIsQuotedForGoModWhereItMustBe(t *testing.T) {
	for path, want := range map[string]string{
		"/src/weir":        "/src/weir",
		"/my code/weir":    `"/my code/weir"`,
		`C:\src\weir`:      `C:\src\weir`,
		"/src/weir (copy)": `"/src/weir (copy)"`,
	} {
		if got := quotePath(path); got != want {
			t.Errorf("%s is written as %s, want %s", path, got, want)
		}
	}
}

// goEnvironment lets go run in a folder elsewhere: in no workspace, and without
// the flags of the run that tests Weir itself.
func goEnvironment() []string {
	return environment("GOFLAGS=-mod=mod -buildvcs=false", "GOWORK=off")
}

// runGo runs go in a folder.
func runGo(t *testing.T, dir string, args ...string) string {
	t.Helper()
	return runTool(t, dir, "go", args...)
}

func runTool(t *testing.T, dir, tool string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), tool, args...)
	cmd.Dir, cmd.Env = dir, goEnvironment()
	text, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", tool, strings.Join(args, " "), err, text)
	}
	return string(text)
}

// A background is a program that runs beside the test.
type background struct {
	transcript
	cmd    *exec.Cmd
	url    string
	exited chan struct{}
}

var listeningAt = regexp.MustCompile(`http://127\.0\.0\.1:[1-9][0-9]*`)

// startProgram starts a program in a folder, and waits until it says where it serves.
func startProgram(t *testing.T, dir string, env []string, name string, args ...string) *background {
	t.Helper()
	b := &background{cmd: exec.Command(name, args...), exited: make(chan struct{})}
	b.cmd.Dir, b.cmd.Env, b.cmd.Stdout, b.cmd.Stderr = dir, env, b, b
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that what it starts ends with it
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = b.cmd.Wait()
		close(b.exited)
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-b.cmd.Process.Pid, syscall.SIGKILL)
		<-b.exited
	})
	eventually(t, readTimeout, "it serves", func() bool {
		select {
		case <-b.exited:
			t.Fatalf("it ended instead of serving\n%s", b.log())
		default:
		}
		b.url = listeningAt.FindString(b.log())
		return b.url != ""
	})
	return b
}

// stop ends the program as Ctrl-C in a terminal does, and returns its status.
func (b *background) stop(t *testing.T) int {
	t.Helper()
	if err := syscall.Kill(-b.cmd.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	select {
	case <-b.exited:
		return b.cmd.ProcessState.ExitCode()
	case <-time.After(commandTimeout):
		t.Fatalf("it does not stop\n%s", b.log())
		return -1
	}
}
