package pgtest

import (
	"fmt"
	"io"
	"os/exec"
	"time"
)

// A process is a running server with a shell that guards it. The shell reads a
// line from its input, which this process holds: a line stops the server with
// the signal that it names, and the end of the input, which comes when this
// process dies however it dies, stops it and removes its files. So no server
// outlives its tests, not even killed ones, and nobody has to remember it.
type process struct {
	input io.WriteCloser
	ended chan struct{}
}

// guard is the shell's script: $1 is the folder to remove, $2 the log, and the
// rest the command.
const guard = `
dir=$1; log=$2; shift 2
exec 3<&0
"$@" </dev/null 3<&- >>"$log" 2>&1 &
server=$!
(
	read -r signal <&3 || { signal=QUIT; : >"$dir/abandoned"; }
	kill -"$signal" $server
) 2>/dev/null &
reader=$!
wait $server
kill $reader 2>/dev/null
if [ -e "$dir/abandoned" ]; then cd / && rm -rf "$dir"; fi
`

func startGuarded(dir, log, program string, arguments []string) (*process, error) {
	// The shell must outlive every context of a test.
	command := exec.Command("/bin/sh", append([]string{"-c", guard, "guard", dir, log, program}, arguments...)...) //nolint:noctx,gosec // see above; the command is ours
	command.Dir, command.SysProcAttr = dir, unprivileged()
	input, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	p := &process{input: input, ended: make(chan struct{})}
	go func() {
		_ = command.Wait() // how a server ends is told by its log
		close(p.ended)
	}()
	return p, nil
}

// stop sends the server a signal and waits for its end.
func (p *process) stop(signal string) error {
	_, _ = fmt.Fprintln(p.input, signal) // fails where it has ended by itself
	select {
	case <-p.ended:
		return nil
	case <-time.After(patience):
		return fmt.Errorf("the server did not end within %s of %s", patience, signal)
	}
}
