package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// hubStart is how long a payments core may take until it serves.
	hubStart = 30 * time.Second
	// hubStop is beyond what a core takes to stop by itself.
	hubStop = 20 * time.Second
	// hubLogMax is how many of its last words are kept for the case that it fails.
	hubLogMax = 20
	// clockTick is the unit of times in /proc: a hundredth of a second on every
	// Linux that Go runs on.
	clockTick = 10 * time.Millisecond
)

// A benchHub is a "weir serve" of this same program in a process of its own, so
// that what it uses is measured apart from the services and clients around it.
type benchHub struct {
	*client
	cmd *exec.Cmd
	// serving gets the address of the API, ended the outcome of the process.
	serving chan string
	ended   chan error

	mu  sync.Mutex
	log []string
}

// startBenchHub starts a core and returns once it serves. Who calls it calls
// stop. args are flags of "weir serve" beside those that every core gets.
func startBenchHub(ctx context.Context, args ...string) (*benchHub, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program, to start a payments core with it: %w", err)
	}
	h := &benchHub{client: newClient(""), serving: make(chan string, 1), ended: make(chan error, 1)}
	args = append([]string{"serve", "--listen", "127.0.0.1:0", "--log-format", "json", "--log-level", "info"}, args...)
	h.cmd = exec.CommandContext(ctx, program, args...) //nolint:gosec // it is this program itself
	h.cmd.Cancel = func() error { return h.cmd.Process.Signal(os.Interrupt) }
	h.cmd.WaitDelay = hubStop
	// Settings that stand around for other cores are not meant for this one.
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "WEIR_") {
			h.cmd.Env = append(h.cmd.Env, variable)
		}
	}
	stderr, err := h.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := h.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a payments core: %w", err)
	}
	go func() {
		h.listen(stderr)
		h.ended <- h.cmd.Wait()
	}()
	select {
	case h.base = <-h.serving:
		return h, nil
	case err := <-h.ended:
		return nil, fmt.Errorf("the payments core ended instead of serving: %w\n%s", err, h.lastWords())
	case <-time.After(hubStart):
		return nil, errors.Join(fmt.Errorf("the payments core does not serve after %s\n%s", hubStart, h.lastWords()), h.stop())
	}
}

// listen reads the log of the core to its end.
func (h *benchHub) listen(stderr io.Reader) {
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var entry struct {
			Message string `json:"msg"`
			API     string `json:"api"`
		}
		if json.Unmarshal(lines.Bytes(), &entry) == nil && entry.Message == "serving" {
			h.serving <- entry.API
			continue
		}
		h.mu.Lock()
		h.log = append(h.log, lines.Text())
		h.log = h.log[max(0, len(h.log)-hubLogMax):]
		h.mu.Unlock()
	}
}

func (h *benchHub) lastWords() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.log, "\n")
}

// stop ends the core and waits for it.
func (h *benchHub) stop() error {
	if err := h.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop the payments core: %w", err)
	}
	select {
	case err := <-h.ended:
		h.ended <- err
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() != 0 {
			return fmt.Errorf("the payments core ended with %w\n%s", err, h.lastWords())
		}
		return nil
	case <-time.After(hubStop):
		return errors.Join(fmt.Errorf("the payments core did not stop within %s", hubStop), h.cmd.Process.Kill())
	}
}

// usage is what the core has used so far; zero where the system does not say it
// of another process.
func (h *benchHub) usage() resources { return usageOf(h.cmd.Process.Pid) }

// usageOf reads what a process has used from /proc, and nothing where there is
// no such folder.
func usageOf(process int) resources {
	r := resources{cpu: time.Duration(ticksOf(statOf(process), false)) * clockTick}
	folder := "/proc/" + strconv.Itoa(process)
	status, err := os.ReadFile(folder + "/status")
	if err != nil {
		return r
	}
	for line := range strings.Lines(string(status)) {
		name, text, _ := strings.Cut(line, ":")
		kilobytes, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(text), " kB"), 10, 64)
		switch name {
		case "VmHWM":
			r.peakRSS = kilobytes * 1024
		case "VmRSS":
			r.rss = kilobytes * 1024
		}
	}
	return r
}

// statOf returns the fields of /proc/…/stat from the third on; none where there
// is no such process. The name before them, in brackets, may hold anything.
func statOf(process int) []string {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(process) + "/stat")
	if err != nil {
		return nil
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return strings.Fields(rest)
}

// ticksOf adds up the processor time in those fields, and on demand that of
// children that have ended.
func ticksOf(fields []string, children bool) (ticks int64) {
	const first, last = 11, 15 // utime, stime; cutime, cstime
	if len(fields) < last {
		return 0
	}
	count := 2
	if children {
		count = last - first
	}
	for _, field := range fields[first : first+count] {
		n, _ := strconv.ParseInt(field, 10, 64)
		ticks += n
	}
	return ticks
}
