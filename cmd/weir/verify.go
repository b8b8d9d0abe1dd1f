package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/weirhq/weir/verify"
)

const (
	// verifyRate is fast for a verifier and slow for a service.
	verifyRate = 50
	// verifyRequestsMax ends what has no end: ten million rows in pages of 1,000.
	verifyRequestsMax = 20_000
)

// verifyFlags are what weir verify was told.
type verifyFlags struct {
	keyFile, junit, html, baseline, profile string
	only, skip                              []string
	json, write, yes, strict                bool
	sandbox                                 verify.Write
	timeout                                 time.Duration
	rate                                    float64
	requests                                int
}

func verifyCommand() *cobra.Command {
	var f verifyFlags
	c := &cobra.Command{
		Use:   "verify URL",
		Short: "Tell of any integration service what a hub would lose",
		Long: `Ask an integration service, written in any language, whether it keeps the promises
of the generic connector contract: keys, paging, order, filters, ties, time, ids,
money, references, balances, errors and, with leave, payouts and transfers. What
fails is named with the rows, a command that shows it again and the remedy, and
the verdict says how many rows a hub would lose.

Nothing is written unless --write is given. With it about six payouts and six
transfers of the smallest amount are made in a sandbox; you are asked first.

The key is the first line of --api-key-file, or the variable WEIR_KEY.

It exits with 0 when every must holds, with 1 when one fails, and with 2 when the
service could not be judged. With --strict, a warning fails as well.`,
		Example: `  weir verify https://psp.example.com/weir --api-key-file key
  weir verify http://127.0.0.1:8081 --only C,D --html report.html
  weir verify http://127.0.0.1:8081 --skip "E6=the bank knows only days" --baseline run.json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			err := f.run(c, args)
			if err == nil || errors.Is(err, errSaid) {
				return err
			}
			fmt.Fprintln(c.ErrOrStderr(), "weir: "+err.Error())
			return errAttention
		},
	}
	f.add(c.Flags())
	return c
}

func (f *verifyFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.keyFile, "api-key-file", "", "file whose first line is the key that opens the service")
	flags.BoolVar(&f.json, "json", false, "write the report as JSON")
	flags.StringVar(&f.junit, "junit", "", "write a JUnit report to this file")
	flags.StringVar(&f.html, "html", "", "write a report as one HTML page to this file")
	flags.StringSliceVar(&f.only, "only", nil, "make only these checks or areas, such as C4,D")
	flags.StringArrayVar(&f.skip, "skip", nil, "leave a check out, with the reason: ID=REASON")
	flags.BoolVar(&f.write, "write", false, "let the checks of payouts and transfers move money in a sandbox")
	flags.BoolVar(&f.yes, "yes", false, "do not ask before money is moved")
	flags.StringVar(&f.sandbox.Source, "source", "", "sandbox account that pays; the first that holds money")
	flags.StringVar(&f.sandbox.Beneficiary, "beneficiary", "", "beneficiary that payouts go to; the first")
	flags.StringVar(&f.sandbox.Destination, "destination", "", "account that transfers go to; the next that holds the asset")
	flags.StringVar(&f.sandbox.Asset, "asset", "", "asset to move, such as EUR/2; what the account holds most of")
	flags.StringVar(&f.sandbox.Amount, "amount", "1", "amount of each order, in the asset's smallest unit")
	flags.DurationVar(&f.sandbox.Wait, "wait", 2*time.Minute, "how long a movement may take to appear and to be final")
	flags.StringVar(&f.baseline, "baseline", "", "compare with the earlier run in this file, and keep this one there")
	flags.StringVar(&f.profile, "profile", string(verify.Weir), "hub to judge for: weir or reference")
	flags.BoolVar(&f.strict, "strict", false, "fail on warnings as well")
	flags.DurationVar(&f.timeout, "timeout", 5*time.Minute, "how long the whole run may take")
	flags.Float64Var(&f.rate, "rate", verifyRate, "requests a second at most; 0 is no bound")
	flags.IntVar(&f.requests, "requests", verifyRequestsMax, "requests at most; 0 is no bound")
}

// run judges the service and says what it found. Its error says why it could not
// run, or wraps errSaid.
func (f *verifyFlags) run(c *cobra.Command, args []string) error {
	options, err := f.options(args)
	if err != nil {
		return err
	}
	if f.write {
		if err := f.askLeave(c, &options); err != nil {
			return err
		}
	}
	shown := newProgress(c.ErrOrStderr())
	options.Progress = func(p verify.Progress) {
		shown.line(fmt.Sprintf("%d of %d checks, %s requests, %s rows: %s", p.Done, p.Total, grouped(int64(p.Requests)), grouped(int64(p.Rows)), p.Doing))
	}
	report, err := verify.Run(c.Context(), options)
	shown.end()
	if err != nil {
		return err
	}
	if err := f.render(c.OutOrStdout(), report); err != nil {
		return err
	}
	switch {
	case !report.Judged:
		return errAttention
	case !report.Passed, f.strict && len(report.Of(verify.Warned)) > 0:
		return errSaid
	}
	return nil
}

func (f *verifyFlags) options(args []string) (verify.Options, error) {
	o := verify.Options{
		Profile: verify.Profile(f.profile), Only: f.only, Skip: map[string]string{},
		Timeout: f.timeout, Rate: f.rate, RequestsMax: f.requests,
	}
	if len(args) == 0 {
		return o, errors.New("name the URL of the service, such as http://127.0.0.1:8081")
	}
	var err error
	if o.Endpoint, err = parseURL(args[0]); err != nil {
		return o, fmt.Errorf("the URL %w", err)
	}
	if o.Key = os.Getenv("WEIR_KEY"); f.keyFile != "" {
		if o.Key, err = readKey(f.keyFile); err != nil {
			return o, fmt.Errorf("--api-key-file: %w", err)
		}
	}
	if o.Key == "" {
		return o, errors.New("name the file that holds the service's key with --api-key-file, or set WEIR_KEY")
	}
	for _, text := range f.skip {
		id, reason, given := strings.Cut(text, "=")
		if !given {
			return o, fmt.Errorf("--skip %s: write ID=REASON; a check that is left out needs a reason", printable(text))
		}
		o.Skip[id] = reason
	}
	if f.baseline != "" {
		o.TakeSnapshot = true
		if o.Baseline, err = readBaseline(f.baseline); err != nil {
			return o, err
		}
	}
	return o, nil
}

// readBaseline reads an earlier run, or nothing where there is none yet.
func readBaseline(path string) (*verify.Snapshot, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("--baseline: %w", err)
	}
	snapshot := new(verify.Snapshot)
	if err := json.Unmarshal(text, snapshot); err != nil || snapshot.Lists == nil {
		return nil, fmt.Errorf("--baseline: %s holds no earlier run; name another file, or remove it to begin again", path)
	}
	return snapshot, nil
}

// askLeave names what will be moved and asks whether it may be.
func (f *verifyFlags) askLeave(c *cobra.Command, o *verify.Options) error {
	o.Write = &f.sandbox
	w, err := verify.Suggest(c.Context(), *o)
	if err != nil {
		return err
	}
	o.Write = &w
	out := c.ErrOrStderr()
	fmt.Fprintf(out, "This moves money at %s, about six times each:\n", o.Endpoint)
	if w.Beneficiary != "" {
		fmt.Fprintf(out, "  payouts of %s %s from %s to %s\n", w.Amount, w.Asset, printable(w.Source), printable(w.Beneficiary))
	}
	if w.Destination != "" {
		fmt.Fprintf(out, "  transfers of %s %s from %s to %s\n", w.Amount, w.Asset, printable(w.Source), printable(w.Destination))
	}
	if f.yes {
		return nil
	}
	fmt.Fprint(out, "Is this a sandbox, and may it be done? Type yes: ")
	answer, err := bufio.NewReader(c.InOrStdin()).ReadString('\n')
	if strings.TrimSpace(strings.ToLower(answer)) != "yes" || err != nil && !errors.Is(err, io.EOF) {
		return errors.New("nothing was done; say --yes where nobody can be asked")
	}
	return nil
}

// render writes the report in every form that was asked for.
func (f *verifyFlags) render(out io.Writer, report *verify.Report) error {
	for path, render := range map[string]func(io.Writer) error{
		f.junit: func(w io.Writer) error { return report.JUnit(w, f.strict) },
		f.html:  report.HTML,
	} {
		if path == "" {
			continue
		}
		if err := saveFile(path, render); err != nil {
			return err
		}
	}
	if f.baseline != "" && report.Judged {
		err := saveFile(f.baseline, func(w io.Writer) error { return json.NewEncoder(w).Encode(report.Snapshot) })
		if err != nil {
			return err
		}
	}
	if f.json {
		return report.JSON(out)
	}
	t := terminalOf(out)
	colours := map[verify.Status]colour{
		verify.Failed: red, verify.Warned: yellow, verify.Passed: green, verify.Skipped: faint, verify.Unjudged: yellow,
	}
	var text strings.Builder
	if err := report.Text(&text, func(s verify.Status, text string) string { return t.paint(colours[s], text) }); err != nil {
		return err
	}
	_, err := io.WriteString(out, text.String())
	return err
}

// saveFile writes a file whole or not at all: a report that is half there would
// be read as a short one.
func saveFile(path string, render func(io.Writer) error) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".weir-verify-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(file.Name()) //nolint:errcheck // it is gone once it has its name
	err = errors.Join(render(file), file.Chmod(0o644), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
