package statements

import (
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// collected is a statement with its entries, all in memory.
type collected struct {
	*Statement
	entries []*Entry
}

// collector is a Receiver that keeps everything.
type collector struct {
	t          *testing.T
	statements []*collected
	open       map[*Statement]*collected
}

func (c *collector) Begin(s *Statement) error {
	if c.open == nil {
		c.open = map[*Statement]*collected{}
	}
	c.open[s] = &collected{Statement: s}
	c.statements = append(c.statements, c.open[s])
	return nil
}

func (c *collector) Entry(s *Statement, e *Entry) error {
	if c.open[s] == nil {
		return errors.New("an entry outside of its statement")
	}
	c.open[s].entries = append(c.open[s].entries, e)
	return nil
}

func (c *collector) End(s *Statement) error {
	if c.open[s] == nil {
		return errors.New("the end of a statement that is not open")
	}
	delete(c.open, s)
	return nil
}

// readAll reads a file that must be good.
func readAll(t *testing.T, file string, mappings ...*Mapping) []*collected {
	t.Helper()
	all, err := tryRead(t, file, mappings...)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func tryRead(t *testing.T, file string, mappings ...*Mapping) ([]*collected, error) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c := &collector{t: t}
	err = Read(filepath.Base(file), f, Options{Mappings: mappings}, c)
	if err == nil && len(c.open) > 0 {
		t.Errorf("%d statements have no end", len(c.open))
	}
	return c.statements, err
}

// readText reads a file that is given as text.
func readText(t *testing.T, text string) ([]*collected, error) {
	t.Helper()
	c := &collector{t: t}
	err := Read("test", strings.NewReader(text), Options{}, c)
	return c.statements, err
}

// sample finds a file of real statements beside the repository. Where it is not
// there, the test is skipped; the project's own files test the same rules.
func sample(t *testing.T, name string) string {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	root := filepath.Dir(filepath.Dir(here))
	for range 3 {
		root = filepath.Dir(root)
		file := filepath.Join(root, "shared", "samples", filepath.FromSlash(name))
		if _, err := os.Stat(file); err == nil {
			return file
		}
	}
	t.Skipf("the collection of real statement files is not on this machine: no shared/samples/%s above the repository", name)
	return ""
}

// wantEntry compares the parts of an entry that move money.
func wantEntry(t *testing.T, e *Entry, signedMinor int64, currency string, status Status, booking, value string) {
	t.Helper()
	if got := e.Signed(); got.Cmp(big.NewInt(signedMinor)) != 0 || e.Currency != currency {
		t.Errorf("%s: amount %s %s, want %d %s", e.Element, got, e.Currency, signedMinor, currency)
	}
	if e.Status != status {
		t.Errorf("%s: status %d, want %d", e.Element, e.Status, status)
	}
	if e.Booking.Day() != booking || e.Value.Day() != value {
		t.Errorf("%s: booked %q, value %q, want %q, %q", e.Element, e.Booking.Day(), e.Value.Day(), booking, value)
	}
}

// wantBalance compares one balance.
func wantBalance(t *testing.T, s *Statement, kind BalanceType, minor int64, currency, day string) {
	t.Helper()
	for _, b := range s.Balances {
		if b.Type == kind {
			if b.Minor.Cmp(big.NewInt(minor)) != 0 || b.Currency != currency || b.At.Day() != day {
				t.Errorf("%s: %s %s at %s, want %d %s at %s", kind, b.Minor, b.Currency, b.At, minor, currency, day)
			}
			return
		}
	}
	t.Errorf("no balance %s", kind)
}

// wantVerdict compares the proof.
func wantVerdict(t *testing.T, s *Statement, want Verdict, difference int64) {
	t.Helper()
	p := s.Proof(nil)
	if p.Verdict != want {
		t.Errorf("verdict %d (%s), want %d", p.Verdict, p.Why, want)
	}
	if want == Differs && (p.Difference == nil || p.Difference.Cmp(big.NewInt(difference)) != 0) {
		t.Errorf("difference %s, want %d", p.Difference, difference)
	}
}

// want compares two strings by name.
func want(t *testing.T, what, got, expected string) {
	t.Helper()
	if got != expected {
		t.Errorf("%s: %q, want %q", what, got, expected)
	}
}

// wantFileError checks that a file is refused with a reason that names a place.
func wantFileError(t *testing.T, err error, line int, parts ...string) {
	t.Helper()
	var fileError *FileError
	if !errors.As(err, &fileError) {
		t.Fatalf("error %v, want a FileError", err)
	}
	if fileError.Line != line {
		t.Errorf("line %d, want %d: %v", fileError.Line, line, err)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
}

// testdata is the content of one of the project's own files.
func testdata(tb testing.TB, name string) string {
	tb.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	return string(content)
}

// checkSums reads text, good or bad, and holds the proof against a sum of its own.
func checkSums(t *testing.T, text string, options Options) {
	t.Helper()
	c := &collector{t: t}
	if err := Read("fuzz", strings.NewReader(text), options, c); err != nil {
		return
	}
	for _, s := range c.statements {
		sum := new(big.Int)
		for _, e := range s.entries {
			if e.Minor.Sign() < 0 {
				t.Errorf("%s: an amount below zero", e.Element)
			}
			if (e.Status == Booked || s.Kind == MT942) && e.Currency == s.Account.Currency {
				sum.Add(sum, e.Signed())
			}
			if len(e.Details) == 0 {
				continue
			}
			parts := new(big.Int)
			for i := range e.Details {
				parts.Add(parts, e.Details[i].Signed())
			}
			if parts.Cmp(e.Signed()) != 0 {
				t.Errorf("%s: details of %s for an entry of %s", e.Element, parts, e.Signed())
			}
		}
		if p := s.Proof(options.Places); p.Sum.Cmp(sum) != 0 {
			t.Errorf("the proof adds %s, the entries are %s", p.Sum, sum)
		}
	}
}
