package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// largeStatement is an MT940 statement of one day with so many entries of one
// cent more each, on top of an opening balance in cents.
func largeStatement(number int, day time.Time, opening, entries int) (text string, closing int) {
	var out strings.Builder
	date := day.Format("060102")
	amount := func(cents int) string { return fmt.Sprintf("%d,%02d", cents/100, cents%100) }
	fmt.Fprintf(&out, ":20:LARGE%d\n:25:DE02120300000000202051\n:28C:%d/1\n:60F:C%sEUR%s\n", number, number, date, amount(opening))
	for i := range entries {
		fmt.Fprintf(&out, ":61:%s%sC%sNTRFREF%d-%d\n:86:166?00GUTSCHRIFT?20INVOICE %d?32PAYER %d\n", date, day.Format("0102"), amount(101+i), number, i, i, i%7)
		opening += 101 + i
	}
	fmt.Fprintf(&out, ":62F:C%sEUR%s\n-\n", date, amount(opening))
	return out.String(), opening
}

func TestTheServiceOfStatementsKeepsEveryPromiseOfTheContract(t *testing.T) {
	program(t) // this test runs the program, which short runs leave out
	const files = "../../statements/testdata/"
	dir, key := t.TempDir(), writeFile(t, "key", "key-of-the-core\n")
	large, closing := largeStatement(1, time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC), 100_000, 260)
	put(t, dir, "large.sta", large)
	add := func(pattern string) {
		names, err := filepath.Glob(files + pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(names), err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			put(t, dir, filepath.Base(name), string(text))
		}
	}
	add("mt94*.sta")
	add("camt052*.xml")
	service := startCommand(t, "statements", "--dir", dir, "--settle", "200ms", "--listen", "127.0.0.1:0", "--api-key-file", key,
		"--mapping", files+"lockbank.yaml", "--mapping", files+"wehrbank.yaml")
	taken := func(files int) {
		eventually(t, readTimeout, fmt.Sprintf("the service has taken %d files", files), func() bool {
			return service.health(t, "key-of-the-core").Details.Taken.Files >= files && service.caughtUp(t, "key-of-the-core")
		})
	}
	taken(5)
	kept := filepath.Join(t.TempDir(), "run.json")
	judge := func(want string) {
		t.Helper()
		o := command{args: []string{"verify", service.url, "--api-key-file", key, "--rate", "0", "--strict", "--baseline", kept}}.run(t)
		if o.status != 0 || !strings.Contains(o.stdout, want) || !strings.Contains(o.stdout, "would lose none of") {
			t.Errorf("%+v", o)
		}
	}
	judge("This service passes")
	more, _ := largeStatement(2, time.Date(2026, 1, 6, 0, 0, 0, 0, time.UTC), closing, 60)
	put(t, dir, "more.sta", more)
	add("camt05[34]*.xml")
	add("*.csv")
	taken(11)
	judge("ok   F2")
}
