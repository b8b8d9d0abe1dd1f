package main

import (
	"bytes"
	"context"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/weirhq/weir/internal/bench"
	"github.com/weirhq/weir/simulator"
)

var pictures = flag.String("pictures", "", "folder for pictures of the pages as a browser shows them")

// browserTimeout bounds one browser with all that it looks at.
const browserTimeout = 3 * time.Minute

// A sight is how somebody looks at a page.
type sight struct {
	name          string
	width, height int64
	dark          bool
}

// The narrowest telephone that is common, and a window on a desk.
var sights = []sight{
	{"wide-light", 1280, 900, false},
	{"phone-light", 390, 844, false},
	{"wide-dark", 1280, 900, true},
	{"phone-dark", 390, 844, true},
}

// browserPath finds an installed browser. Without one the test is skipped; a run
// that should have tested this can't look green.
func browserPath(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("runs a browser, which -short leaves out")
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("there is no chromium to look at pages with")
	}
	t.Skip("there is no chromium to look at pages with; install it to see them tested")
	return ""
}

// browser starts a browser that likes light or dark pages, and ends it with the test.
func browser(t *testing.T, dark bool) context.Context {
	t.Helper()
	scheme := "preferredColorScheme=1"
	if dark {
		scheme = "preferredColorScheme=0"
	}
	ctx, cancel := context.WithTimeout(context.Background(), browserTimeout)
	t.Cleanup(cancel)
	ctx, end := chromedp.NewContext(ctx, chromedp.WithAllocatorOptions(
		chromedp.ExecPath(browserPath(t)), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("blink-settings", scheme),
	))
	t.Cleanup(end)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// An impression is what a browser says of a page.
type impression struct {
	Dark     bool     `json:"dark"`
	Scrolls  bool     `json:"scrolls"`
	Beyond   []string `json:"beyond"`
	Faint    []string `json:"faint"`
	Loaded   []string `json:"loaded"`
	Verdict  float64  `json:"verdict"`
	Headings int      `json:"headings"`
}

// look is asked of every page: what stands beyond the edge, which text is too
// faint to read (WCAG AA: 4.5 to 1), what was loaded, and where the
// first sentence of the verdict ends.
const look = `(() => {
  const edge = document.documentElement.clientWidth;
  const name = e => e.tagName + (e.className && e.className.baseVal === undefined ? '.' + e.className : '') + ' ' + e.textContent.trim().slice(0, 40);
  const scrolled = e => { for (; e; e = e.parentElement) { if (['auto', 'scroll'].includes(getComputedStyle(e).overflowX)) return true; } return false; };
  const beyond = [...document.body.querySelectorAll('*')].filter(e => e.getBoundingClientRect().right > edge + 1 && !scrolled(e)).map(name);
  const parse = c => { const n = c.match(/[\d.]+/g).map(Number); return { r: n[0], g: n[1], b: n[2], a: n.length > 3 ? n[3] : 1 }; };
  const light = c => { const f = v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; return .2126 * f(c.r) + .7152 * f(c.g) + .0722 * f(c.b); };
  const ground = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.a === 1) return c; } return parse(matchMedia('(prefers-color-scheme: dark)').matches && getComputedStyle(document.documentElement).colorScheme.includes('dark') ? 'rgb(18,18,18)' : 'rgb(255,255,255)'); };
  const faint = [...document.body.querySelectorAll(':not(title)')].filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())).map(e => {
    const style = getComputedStyle(e), a = light(parse(e instanceof SVGElement ? style.fill : style.color)), b = light(ground(e));
    return { e, ratio: (Math.max(a, b) + .05) / (Math.min(a, b) + .05) };
  }).filter(x => x.ratio < 4.5).map(x => x.ratio.toFixed(1) + ' ' + name(x.e));
  return {
    dark: light(ground(document.body)) < .2, scrolls: document.documentElement.scrollWidth > edge, beyond, faint,
    loaded: performance.getEntriesByType('resource').map(r => r.name), verdict: (document.querySelector('.verdict strong') || document.querySelector('.verdict')).getBoundingClientRect().bottom,
    headings: document.querySelectorAll('h1').length,
  };
})()`

// browsers are one that likes light pages and one that likes dark ones.
func browsers(t *testing.T) map[bool]context.Context {
	t.Helper()
	return map[bool]context.Context{false: browser(t, false), true: browser(t, true)}
}

// visit opens a page in every sight and says what a person would complain about.
func visit(t *testing.T, browsers map[bool]context.Context, name string, page []byte) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		// Whatever a page tries to load or run is refused, and the console says so.
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(page)
	}))
	t.Cleanup(server.Close)
	for _, s := range sights {
		t.Run(s.name, func(t *testing.T) {
			ctx, cancel := chromedp.NewContext(browsers[s.dark])
			defer cancel()
			saying, stop := context.WithCancel(ctx)
			messages := chromedp.Console(saying)
			if err := chromedp.Do(ctx, chromedp.EmulateViewport(s.width, s.height), chromedp.Navigate(server.URL+"/report.html")); err != nil {
				t.Fatal(err)
			}
			seen, err := chromedp.Run(ctx, chromedp.Evaluate[impression](look))
			if err != nil {
				t.Fatal(err)
			}
			s.judge(t, seen)
			s.picture(ctx, t, name)
			// What was said is in the queue by now; after it comes the end.
			time.AfterFunc(100*time.Millisecond, stop)
			for message, err := range messages {
				if err != nil {
					break
				}
				t.Errorf("the console says: %s", message)
			}
		})
	}
}

func (s sight) judge(t *testing.T, seen impression) {
	t.Helper()
	if seen.Dark != s.dark {
		t.Errorf("somebody who likes dark pages: %v; the page is dark: %v", s.dark, seen.Dark)
	}
	if seen.Scrolls || len(seen.Beyond) > 0 {
		t.Errorf("the page is wider than %d: %q", s.width, seen.Beyond)
	}
	if len(seen.Faint) > 0 {
		t.Errorf("too faint to read, of 4.5: %q", seen.Faint)
	}
	if len(seen.Loaded) > 0 {
		t.Errorf("it loads %q", seen.Loaded)
	}
	if seen.Verdict <= 0 || seen.Verdict > float64(s.height) {
		t.Errorf("the verdict ends at %.0f of %d: one has to scroll to it", seen.Verdict, s.height)
	}
	if seen.Headings != 1 {
		t.Errorf("the page has %d titles", seen.Headings)
	}
}

// picture keeps the page as it is seen, where somebody wants to look.
func (s sight) picture(ctx context.Context, t *testing.T, name string) {
	t.Helper()
	if *pictures == "" {
		return
	}
	whole, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	printed, err := chromedp.Run(ctx, chromedp.PrintToPDF())
	if err != nil {
		t.Fatal(err)
	}
	for suffix, content := range map[string][]byte{".png": whole, ".pdf": printed} {
		if err := os.WriteFile(filepath.Join(*pictures, name+"-"+s.name+suffix), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheVerifiersPageIsReadableEverywhere(t *testing.T) {
	t.Parallel()
	shown := browsers(t)
	for name, faults := range map[string]string{"verify-passed": "", "verify-failed": "page-ignored,descending,poison"} {
		t.Run(name, func(t *testing.T) {
			set, err := simulator.ParseFaults(faults, 3)
			if err != nil {
				t.Fatal(err)
			}
			page := filepath.Join(t.TempDir(), "report.html")
			o := verifies(t, startSimulator(t, set).Endpoint, "--html", page)
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatalf("%v: %+v", err, o)
			}
			if failed := strings.Contains(string(text), `class="verdict failed"`); failed != (faults != "") {
				t.Errorf("with the faults %q the page says that it failed: %v", faults, failed)
			}
			visit(t, shown, name, text)
		})
	}
}

// benchReport has of everything that a page of figures can show, and as much.
func benchReport() *bench.Report {
	r := &bench.Report{
		Name: "api", Title: "How fast the API reads payments, at a million of them", At: time.Now(),
		Command: "weir bench api --payments 1000000 --connectors 8 --clients 8 --store postgres://weir@db.internal.example.com:5432/weir --html report.html",
		Machine: bench.Machine{Cores: 2, Processor: "A processor with a long name @ 2.80GHz", MemoryBytes: 8e9, System: "linux/amd64", Go: "go1.26", Version: "develop"},
		Notes:   []string{"The clients run in the same process.", "Each row is measured for ten seconds, one after the other."},
	}
	plot := bench.Plot{Title: "Pages a second", X: "seconds", Y: "pages a second"}
	for i, name := range []string{"page of 100", "page 9,000", "by id", "filter by reference", "filter by status", "filter by metadata"} {
		row := bench.Row{
			Name: name, Items: 120_000, Unit: "pages", Seconds: 10, PerSecond: float64(1200 * (i + 1)),
			P50Milliseconds: 5.61, P90Milliseconds: 9.87, P99Milliseconds: 14.2, MaxMilliseconds: 23.4, CPUMicroseconds: 412.5,
			CorePercent: 180, PeakRSSBytes: 120e6, Ceiling: float64(1500 * (i + 1)), CeilingName: "the same query without HTTP", Ratio: 0.8,
		}
		row.Targets = []bench.Target{{Text: "at least 1,000 pages a second, with 99 of 100 within 15 ms", Met: i != 3}}
		r.Rows = append(r.Rows, row)
		series := bench.Series{Name: name}
		for x := range 40 {
			series.Points = append(series.Points, bench.Point{X: float64(x) / 4, Y: row.PerSecond * (1 + float64(x%7)/40)})
		}
		plot.Series = append(plot.Series, series)
	}
	r.Plots = []bench.Plot{plot}
	return r
}

func TestThePageOfABenchIsReadableEverywhere(t *testing.T) {
	t.Parallel()
	shown := browsers(t)
	var page bytes.Buffer
	if err := benchReport().WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	visit(t, shown, "bench", page.Bytes())
}
