package main

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestEveryCommandSaysWhatItIsFor(t *testing.T) {
	var all strings.Builder
	eachCommand(newCommand(), func(c *cobra.Command) {
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: %q is not a short line without a full stop", c.CommandPath(), c.Short)
		}
		args := strings.Fields(c.CommandPath() + " --help")[1:]
		all.WriteString("$ weir " + strings.Join(args, " ") + "\n" + helpOf(t, args) + "\n")
	})
	golden(t, "help.txt", all.String())
}

func helpOf(t *testing.T, args []string) string {
	t.Helper()
	root := newCommand()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetArgs(args)
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		if strings.TrimRight(line, " \n") != strings.TrimSuffix(line, "\n") {
			t.Errorf("%v: the line %q ends with blanks", args, line)
		}
	}
	return out.String()
}

func TestTheShellCompletesCommandsAndStreams(t *testing.T) {
	for _, test := range []struct{ typed, want string }{
		{"stat", "status"},
		{"re", "rejections"},
		{"pause acme tr", "transactions"},
		{"rewind acme b", "balances"},
	} {
		root := newCommand()
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetErr(io.Discard)
		root.SetArgs(append([]string{cobra.ShellCompRequestCmd}, strings.Split(test.typed, " ")...))
		if err := root.Execute(); err != nil || !strings.Contains(out.String(), test.want) {
			t.Errorf("%q is completed to %q, %v; want %s", test.typed, out.String(), err, test.want)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if text := helpOf(t, []string{"completion", shell}); !strings.Contains(text, "weir") {
			t.Errorf("there is no completion for %s", shell)
		}
	}
}
