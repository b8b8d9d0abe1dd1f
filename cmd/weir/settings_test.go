package main

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A sampler is a command with a flag of each kind.
type sampler struct {
	store    string
	watch    bool
	period   time.Duration
	accounts int
}

// execute runs the command with settings from all three places.
func (s *sampler) execute(args ...string) error {
	root := newCommand()
	c := &cobra.Command{Use: "sample", RunE: func(*cobra.Command, []string) error { return nil }}
	c.Flags().StringVar(&s.store, "store", "default.db", "")
	c.Flags().BoolVar(&s.watch, "watch", false, "")
	c.Flags().DurationVar(&s.period, "polling-period", time.Second, "")
	c.Flags().IntVar(&s.accounts, "accounts", 1, "")
	root.AddCommand(c)
	root.SetArgs(append([]string{"sample"}, args...))
	return root.Execute()
}

func TestAFlagGoesBeforeAVariableAndAVariableBeforeTheFile(t *testing.T) {
	file := writeFile(t, "weir.yaml", "# all of it\nstore: file.db\npolling-period: 3s\nwatch: true\naccounts: 3\n")
	t.Setenv("WEIR_STORE", "variable.db")
	t.Setenv("WEIR_POLLING_PERIOD", "2s")
	var s sampler
	if err := s.execute("--config", file, "--store", "flag.db"); err != nil {
		t.Fatal(err)
	}
	if want := (sampler{"flag.db", true, 2 * time.Second, 3}); s != want {
		t.Errorf("got %+v, want %+v", s, want)
	}
}

func TestTheFileOfSettingsMayBeNamedByAVariable(t *testing.T) {
	t.Setenv("WEIR_CONFIG", writeFile(t, "weir.yaml", "store: file.db\n"))
	var s sampler
	if err := s.execute(); err != nil || s.store != "file.db" {
		t.Errorf("store is %q, %v", s.store, err)
	}
}

func TestAnEmptyVariableIsOneThatIsNotSet(t *testing.T) {
	t.Setenv("WEIR_STORE", "")
	t.Setenv("WEIR_ACCOUNTS", "")
	var s sampler
	if err := s.execute(); err != nil || s.store != "default.db" || s.accounts != 1 {
		t.Errorf("got %+v, %v", s, err)
	}
}

func TestABadValueNamesItsSource(t *testing.T) {
	tests := []struct{ name, variable, value, file, want string }{
		{"a period without a unit in a variable", "WEIR_POLLING_PERIOD", "30", "", `WEIR_POLLING_PERIOD: "30" is no value for polling-period: it must be a duration`},
		{"a switch in a variable", "WEIR_WATCH", "perhaps", "", `WEIR_WATCH: "perhaps" is no value for watch: it must be true or false`},
		{"a number in a variable", "WEIR_ACCOUNTS", "many", "", `WEIR_ACCOUNTS: "many" is no value for accounts: it must be a whole number`},
		{"a period in the file", "", "", "store: x\npolling-period: abc\n", `line 2 of FILE: "abc" is no value for polling-period: it must be a duration`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			args := []string{}
			if test.file != "" {
				args = append(args, "--config", writeFile(t, "weir.yaml", test.file))
			} else {
				t.Setenv(test.variable, test.value)
			}
			err := new(sampler).execute(args...)
			if err == nil {
				t.Fatal("it was taken")
			}
			text := err.Error()
			if len(args) > 0 {
				text = strings.ReplaceAll(text, args[1], "FILE")
			}
			if !strings.HasPrefix(text, test.want) {
				t.Errorf("it said %q, want %q", text, test.want)
			}
		})
	}
}

func TestAFileOfSettingsIsLinesOfNameAndValue(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"an unknown name", "store: x\npolling-perod: 3s\n", `there is no setting "polling-perod", which line 2 of FILE sets`},
		{"a flag that is no setting", "help: true\n", `there is no setting "help", which line 1`},
		{"a nested value", "serve:\n  store: x\n", "serve in line 1 has more than one value; settings are not nested"},
		{"a list", "store: [a, b]\n", "store in line 1 has more than one value"},
		{"a name without a value", "watch: true\nstore:\n", "store in line 2 has no value"},
		{"a name that stands there twice", "store: a\nwatch: true\nstore: b\n", "store stands in line 1 and again in line 3"},
		{"a list of lines", "- store\n", `line 1 is not of the form "name: value"`},
		{"a text", "just words\n", `line 1 is not of the form "name: value"`},
		{"two documents", "store: a\n---\ndb: b\n", "it holds several documents"},
		{"what is not YAML", "store: \"x\n", "it is not YAML"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			file := writeFile(t, "weir.yaml", test.text)
			err := new(sampler).execute("--config", file)
			if err == nil {
				t.Fatal("it was taken")
			}
			if text := strings.ReplaceAll(err.Error(), file, "FILE"); !strings.Contains(text, test.want) {
				t.Errorf("it said %q, want something about %q", text, test.want)
			}
		})
	}
	for _, text := range []string{"", "# nothing yet\n", "{}\n"} {
		if err := new(sampler).execute("--config", writeFile(t, "weir.yaml", text)); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	if err := new(sampler).execute("--config", "missing.yaml"); err == nil || !strings.Contains(err.Error(), "missing.yaml") {
		t.Errorf("a missing file: %v", err)
	}
}

// The core's own keys stand in a variable wherever it runs. A connect on the
// same machine must not take them for the key of a service and send them there.
func TestTheKeysOfTheCoreAreNeverTakenForTheKeyOfAService(t *testing.T) {
	t.Setenv("WEIR_API_KEY_FILE", writeFile(t, "core.keys", "the-keys-of-the-core"))
	root := newCommand()
	root.SetArgs([]string{"connect", "acme", "http://127.0.0.1:1"})
	if err := root.Execute(); err == nil || !strings.Contains(err.Error(), "--api-key-file") {
		t.Errorf("it said %v, want that a key is missing", err)
	}
}

// sharedSettings are the settings of several commands, to which each of them
// means the same. What is to be another thing goes into ownSettings.
var sharedSettings = []string{
	"accounts", "api-key-file", "beneficiaries", "faults", "force", "interval", "listen", "log-format", "log-level", "polling-period",
	"seed", "server", "server-key-file", "store", "timeout", "transactions",
}

func TestOneSettingHasOneMeaning(t *testing.T) {
	owners := map[string][]string{}
	eachCommand(newCommand(), func(c *cobra.Command) {
		c.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
			if setting := settingOf(c, f.Name); setting != "" {
				owners[setting] = append(owners[setting], c.CommandPath())
			}
		})
	})
	for setting, commands := range owners {
		if len(commands) > 1 && !slices.Contains(sharedSettings, setting) {
			t.Errorf("%s is a setting of %s. Mean they the same by it? If not, see ownSettings", setting, strings.Join(commands, " and "))
		}
	}
}

func TestTheGuideListsEverySetting(t *testing.T) {
	text, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, setting := range settingsOf(newCommand()) {
		if !strings.Contains(string(text), "`"+variable(setting)+"`") {
			t.Errorf("docs/cli.md does not say what %s is", variable(setting))
		}
	}
}

func eachCommand(c *cobra.Command, do func(*cobra.Command)) {
	if c.Name() == "completion" || c.Name() == "help" {
		return // the library's own
	}
	do(c)
	for _, sub := range c.Commands() {
		eachCommand(sub, do)
	}
}
