package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

// A progress shows how far something is: in one line that changes on a terminal,
// in a line every few seconds elsewhere.
type progress struct {
	out      io.Writer
	terminal bool
	shown    time.Time
	open     bool
}

// progressEvery is the pause between two lines where there is no terminal.
const progressEvery = 2 * time.Second

func newProgress(out io.Writer) *progress {
	p := &progress{out: out}
	if file, ok := out.(*os.File); ok {
		info, err := file.Stat()
		p.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return p
}

// line shows text in the place of the line before it.
func (p *progress) line(text string) {
	if p.terminal {
		fmt.Fprintf(p.out, "\r\033[K%s", text)
		p.open = true
		return
	}
	if time.Since(p.shown) >= progressEvery {
		fmt.Fprintln(p.out, text)
		p.shown = time.Now()
	}
}

// end leaves the last line standing.
func (p *progress) end() {
	if p.open {
		fmt.Fprintln(p.out)
		p.open = false
	}
}
