package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"gopkg.in/yaml.v3"
)

// A setting is a flag, or else the variable WEIR_NAME_OF_FLAG, or else the line
// name-of-flag of the file that --config names. One name has one meaning, so
// that a variable which was set for one command surprises no other.

// ownSettings are the flags that mean something else, or something narrower,
// than the same flag of another command; the command is part of the name of
// their setting. So is it where a variable that somebody set for other reasons
// would do harm. Were "connect --api-key-file" the setting of "serve
// --api-key-file", the core's own keys would be sent to somebody else's service.
var ownSettings = map[string][]string{
	"weir demo":           {"store"},
	"weir simulate":       {"listen"},
	"weir bench ingest":   {"store", "dir", "transactions", "json", "html"},
	"weir bench api":      {"store", "dir", "json", "html", "payments", "connectors", "clients", "depth", "for"},
	"weir bench balances": {"store", "dir", "json", "html", "accounts", "concurrency"},
	"weir bench idle":     {"store", "dir", "json", "html", "connectors", "period", "for"},
	"weir bench workers":  {"store", "dir", "json", "html", "connectors", "transactions"},
	"weir connect":        {"api-key-file", "polling-period"},
	"weir configure":      {"api-key-file", "polling-period", "endpoint", "name"},
	"weir disconnect":     {"yes"},
	"weir statements":     {"dir", "data", "listen", "api-key-file", "mapping", "zone", "settle"},
	"weir init":           {"mode", "module", "weir"},
	"weir export":         {"overwrite"},
	"weir import":         {"verify"},
	"weir verify": {
		"api-key-file", "json", "junit", "html", "only", "skip", "write", "yes", "source", "beneficiary", "destination",
		"asset", "amount", "wait", "baseline", "profile", "strict", "timeout", "rate", "requests",
	},
}

// notSettings are flags that are given in the command line only.
var notSettings = []string{"config", "help", "version"}

// settingOf is the name of the setting of a command's flag, empty for none.
func settingOf(c *cobra.Command, flag string) string {
	switch {
	case slices.Contains(notSettings, flag):
		return ""
	case slices.Contains(ownSettings[c.CommandPath()], flag):
		path := strings.TrimPrefix(c.CommandPath(), c.Root().Name()+" ")
		return strings.ReplaceAll(path, " ", "-") + "-" + flag
	default:
		return flag
	}
}

// variable is the environment variable of a setting.
func variable(setting string) string {
	return "WEIR_" + strings.ToUpper(strings.ReplaceAll(setting, "-", "_"))
}

// applySettings fills in the flags that the command line does not name. A
// variable that is empty counts as one that is not set.
func applySettings(c *cobra.Command, _ []string) error {
	flags := c.Flags()
	config := flags.Lookup("config")
	if config == nil {
		return nil
	}
	path := config.Value.String()
	if !config.Changed {
		path = os.Getenv(variable("config"))
	}
	file, err := readSettings(path, c.Root())
	if err != nil {
		return err
	}
	var errs []error
	flags.VisitAll(func(flag *pflag.Flag) {
		setting := settingOf(c, flag.Name)
		if setting == "" || flag.Changed {
			return
		}
		value, source := os.Getenv(variable(setting)), variable(setting)
		if line, ok := file[setting]; value == "" && ok {
			value, source = line.value, fmt.Sprintf("line %d of %s", line.number, path)
		}
		if value == "" {
			return
		}
		if err := flags.Set(flag.Name, value); err != nil {
			errs = append(errs, fmt.Errorf("%s: %q is no value for %s: it must be %s", source, value, setting, kindOf(flag)))
		}
	})
	return errors.Join(errs...)
}

// kindOf says what a flag takes.
func kindOf(flag *pflag.Flag) string {
	switch flag.Value.Type() {
	case "duration":
		return "a duration such as 500ms, 30s or 5m"
	case "bool":
		return "true or false"
	case "int", "int64":
		return "a whole number"
	case "uint", "uint64":
		return "a whole number from 0"
	default:
		return "a " + flag.Value.Type()
	}
}

// settingLine is one line of the file.
type settingLine struct {
	value  string
	number int
}

// readSettings reads a YAML file of settings. A line that no command knows is
// an error: it would be a setting that does nothing.
func readSettings(path string, root *cobra.Command) (map[string]settingLine, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("can't read the settings: %w; name the file with --config or %s", err, variable("config"))
	}
	settings, err := parseSettings(text)
	if err != nil {
		return nil, fmt.Errorf("can't read the settings in %s: %w", path, err)
	}
	known := settingsOf(root)
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("there is no setting %q, which line %d of %s sets; docs/cli.md lists those there are",
				name, settings[name].number, path)
		}
	}
	return settings, nil
}

// parseSettings reads lines "name: value". It takes no more of YAML than that:
// a value that is a list or has parts of its own is an error, and so is a name
// that stands there twice.
func parseSettings(text []byte) (map[string]settingLine, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document yaml.Node
	err := decoder.Decode(&document)
	if errors.Is(err, io.EOF) {
		return nil, nil // nothing but comments
	}
	if err != nil {
		return nil, fmt.Errorf("it is not YAML: %w", err)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("it holds several documents; leave one")
	}
	lines := document.Content[0]
	if lines.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("line %d is not of the form \"name: value\"", lines.Line)
	}
	settings := make(map[string]settingLine)
	for i := 0; i < len(lines.Content); i += 2 {
		key, value := lines.Content[i], lines.Content[i+1]
		earlier, twice := settings[key.Value]
		switch {
		case key.Kind != yaml.ScalarNode:
			return nil, fmt.Errorf("line %d is not of the form \"name: value\"", key.Line)
		case twice:
			return nil, fmt.Errorf("%s stands in line %d and again in line %d; leave one", key.Value, earlier.number, key.Line)
		case value.Kind != yaml.ScalarNode:
			return nil, fmt.Errorf("%s in line %d has more than one value; settings are not nested, each is a line \"name: value\"", key.Value, key.Line)
		case value.Tag == "!!null":
			return nil, fmt.Errorf("%s in line %d has no value; give it one or leave the line out", key.Value, key.Line)
		}
		settings[key.Value] = settingLine{value.Value, key.Line}
	}
	return settings, nil
}

// settingsOf lists the settings of a command and of those below it.
func settingsOf(c *cobra.Command) []string {
	var names []string
	c.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
		if name := settingOf(c, f.Name); name != "" && !f.Hidden {
			names = append(names, name)
		}
	})
	for _, sub := range c.Commands() {
		if sub.Name() == "completion" {
			continue // the library's own
		}
		names = append(names, settingsOf(sub)...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// advise adds what to do where the library for commands leaves it out.
func advise(err error) error {
	if err != nil && strings.HasPrefix(err.Error(), "unknown command") && !strings.Contains(err.Error(), "Did you mean") {
		return fmt.Errorf(`%w; "weir --help" lists the commands`, err)
	}
	return err
}
