package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"gopkg.in/yaml.v3"
)

// applySettings fills in the flags that the command line does not name: from the
// variable WEIR_NAME_OF_FLAG, else from the key name-of-flag of the file that
// --config names.
func applySettings(c *cobra.Command, _ []string) error {
	flags := c.Flags()
	if config := flags.Lookup("config"); !config.Changed {
		if path, ok := os.LookupEnv(variable("config")); ok {
			if err := config.Value.Set(path); err != nil {
				return err
			}
		}
	}
	path, err := flags.GetString("config")
	if err != nil {
		return err
	}
	file, err := readSettings(path, c.Root())
	if err != nil {
		return err
	}
	var errs []error
	flags.VisitAll(func(flag *pflag.Flag) {
		if flag.Changed || flag.Name == "config" || flag.Name == "help" {
			return
		}
		value, source := os.Getenv(variable(flag.Name)), variable(flag.Name)
		if value == "" {
			value, source = file[flag.Name], flag.Name+" in "+path
		}
		if value == "" {
			return
		}
		if err := flags.Set(flag.Name, value); err != nil {
			errs = append(errs, fmt.Errorf("%s: %q is not a setting for --%s: %w", source, value, flag.Name, err))
		}
	})
	return errors.Join(errs...)
}

// variable is the environment variable of a flag.
func variable(flag string) string {
	return "WEIR_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// readSettings reads a YAML file of settings. A key that no command has as a
// flag is an error: it would be a setting that does nothing.
func readSettings(path string, root *cobra.Command) (map[string]string, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("read the settings: %w", err)
	}
	settings := map[string]string{}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&settings); err != nil {
		return nil, fmt.Errorf("read the settings in %s: they must be a list of lines \"name: value\": %w", path, err)
	}
	known := flagNames(root)
	for name := range settings {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("read the settings in %s: there is no setting %q; the settings are the flags of the commands, without the dashes", path, name)
		}
	}
	return settings, nil
}

func flagNames(c *cobra.Command) []string {
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	for _, sub := range c.Commands() {
		names = append(names, flagNames(sub)...)
	}
	return names
}
