package bench

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"strconv"
	"strings"
)

//go:embed report.html
var pageText string

// WriteHTML writes the report as one page that loads nothing from elsewhere:
// what was measured in a table, and every plot as SVG, for light and for dark.
func (r *Report) WriteHTML(w io.Writer) error {
	page, err := template.New("report").Funcs(template.FuncMap{"figure": figure}).Parse(pageText)
	if err != nil {
		return err
	}
	return page.Execute(w, pageOf(r))
}

// A page is a report as the page shows it: only texts and places.
type page struct {
	*Report
	Heads    []string
	Lines    []pageLine
	Ceilings []string
	Verdict  string
	Passed   bool
	Judged   bool
	Bars     []bar
	Pictures []picture
}

type pageLine struct {
	Name    string
	Cells   []string
	Targets []Target
}

// A bar shows a row's rate, and beside it its ceiling where it has one.
type bar struct {
	Name, Rate, Ceiling string
	// Width and CeilingWidth are in percent of the widest of the unit.
	Width, CeilingWidth float64
}

func pageOf(r *Report) page {
	p := page{Report: r, Ceilings: r.ceilings()}
	used := r.used()
	for _, c := range used {
		p.Heads = append(p.Heads, c.name)
	}
	targets := 0
	for i := range r.Rows {
		row := &r.Rows[i]
		line := pageLine{Name: row.Name, Targets: row.Targets}
		for _, c := range used {
			line.Cells = append(line.Cells, c.text(row))
		}
		p.Lines = append(p.Lines, line)
		targets += len(row.Targets)
	}
	missed := len(r.Missed())
	p.Judged, p.Passed = targets > 0, missed == 0
	switch {
	case !p.Judged:
		p.Verdict = "Measured at a size or in a way for which no target is set."
	case p.Passed:
		p.Verdict = fmt.Sprintf("All %d targets are met.", targets)
	case missed == 1:
		p.Verdict = fmt.Sprintf("1 of %d targets is missed.", targets)
	default:
		p.Verdict = fmt.Sprintf("%d of %d targets are missed.", missed, targets)
	}
	p.Bars = barsOf(r.Rows)
	for i := range r.Plots {
		p.Pictures = append(p.Pictures, pictureOf(&r.Plots[i]))
	}
	return p
}

func barsOf(rows []Row) []bar {
	widest := map[string]float64{}
	for i := range rows {
		widest[rows[i].Unit] = max(widest[rows[i].Unit], rows[i].PerSecond, rows[i].Ceiling)
	}
	var bars []bar
	for i := range rows {
		row := &rows[i]
		if row.PerSecond == 0 {
			continue
		}
		of := widest[row.Unit]
		b := bar{Name: row.Name, Rate: figure(row.PerSecond) + " " + row.Unit + " a second", Width: 100 * row.PerSecond / of}
		if row.Ceiling > 0 {
			b.Ceiling, b.CeilingWidth = figure(row.Ceiling), 100*row.Ceiling/of
		}
		bars = append(bars, b)
	}
	return bars
}

// The size of a picture, in its own units, with room for what is written at the axes.
const (
	pictureWidth  = 760
	pictureHeight = 280
	marginLeft    = 64
	marginRight   = 16
	marginTop     = 12
	marginBottom  = 36
	// ticksAbout is how many lines a person reads an axis by.
	ticksAbout = 5
	// colours is how many the page's style has for lines.
	colours = 6
)

// A picture is a plot with every point in its place.
type picture struct {
	*Plot
	Width, Height, Left, Right, Top, Bottom float64
	Across, Up                              []tick
	Curves                                  []curve
}

type tick struct {
	At   float64
	Text string
}

type curve struct {
	Name   string
	Colour int
	Points string
}

func pictureOf(p *Plot) picture {
	pic := picture{
		Plot: p, Width: pictureWidth, Height: pictureHeight,
		Left: marginLeft, Right: pictureWidth - marginRight, Top: marginTop, Bottom: pictureHeight - marginBottom,
	}
	var xMax, yMax float64
	for _, s := range p.Series {
		for _, at := range s.Points {
			xMax, yMax = max(xMax, at.X), max(yMax, at.Y)
		}
	}
	xStep, yStep := tickStep(xMax), tickStep(yMax)
	yMax = max(math.Ceil(yMax/yStep)*yStep, yStep)
	xMax = max(xMax, xStep)
	across := func(x float64) float64 { return pic.Left + (pic.Right-pic.Left)*x/xMax }
	up := func(y float64) float64 { return pic.Bottom - (pic.Bottom-pic.Top)*y/yMax }
	for x := 0.0; x <= xMax*1.0001; x += xStep {
		pic.Across = append(pic.Across, tick{across(x), tickText(x)})
	}
	for y := 0.0; y <= yMax*1.0001; y += yStep {
		pic.Up = append(pic.Up, tick{up(y), tickText(y)})
	}
	for i, s := range p.Series {
		var points strings.Builder
		for _, at := range s.Points {
			fmt.Fprintf(&points, "%.1f,%.1f ", across(at.X), up(at.Y))
		}
		pic.Curves = append(pic.Curves, curve{s.Name, i % colours, strings.TrimSpace(points.String())})
	}
	return pic
}

// tickStep is the distance of lines on an axis to most: 1, 2 or 5 of a power of ten.
func tickStep(most float64) float64 {
	if most <= 0 {
		return 1
	}
	rough := most / ticksAbout
	power := math.Pow(10, math.Floor(math.Log10(rough)))
	for _, step := range []float64{1, 2, 5} {
		if step*power >= rough {
			return step * power
		}
	}
	return 10 * power
}

func tickText(x float64) string {
	if x >= 1000 {
		return thousands(x)
	}
	return strconv.FormatFloat(x, 'g', 4, 64)
}
