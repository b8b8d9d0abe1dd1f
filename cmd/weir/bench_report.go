package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/weirhq/weir/internal/bench"
)

// benchOutput is where the report of a measurement goes beside the terminal.
type benchOutput struct{ json, html string }

func (o *benchOutput) add(flags *pflag.FlagSet) {
	flags.StringVar(&o.json, "json", "", "write the report to this file as JSON")
	flags.StringVar(&o.html, "html", "", "write the report to this file as one HTML page with plots")
}

// newReport begins a report. It notes the load of the machine before the
// measurement adds its own.
func newReport(name, command string) *bench.Report {
	return &bench.Report{Name: name, Command: command, At: time.Now().UTC().Truncate(time.Second), Machine: thisMachine()}
}

// write writes the report to the terminal and to the files that were asked for.
func (o *benchOutput) write(out io.Writer, report *bench.Report) error {
	if err := report.WriteText(out); err != nil {
		return err
	}
	return errors.Join(writeReport(o.json, report.WriteJSON), writeReport(o.html, report.WriteHTML))
}

func writeReport(path string, write func(io.Writer) error) error {
	if path == "" {
		return nil
	}
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write the report: %w; name a file in a folder that exists", err)
	}
	return errors.Join(write(file), file.Close())
}

// thisMachine says where the measurement runs.
func thisMachine() bench.Machine {
	m := bench.Machine{Cores: runtime.NumCPU(), System: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version(), Version: version}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				m.Commit = setting.Value[:min(len(setting.Value), 12)]
			}
		}
	}
	// Linux tells the rest in files; elsewhere it stays unsaid.
	memory := lineOf("/proc/meminfo", "MemTotal:")
	if kilobytes, err := strconv.ParseInt(strings.TrimSuffix(memory, " kB"), 10, 64); err == nil {
		m.MemoryBytes = kilobytes * 1024
	}
	m.Processor = strings.TrimSpace(strings.TrimPrefix(lineOf("/proc/cpuinfo", "model name"), ":"))
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load, _, _ = strings.Cut(string(load), " ")
	}
	return m
}

// lineOf returns what follows a word at the beginning of a line of a file.
func lineOf(path, word string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, word); found {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}
