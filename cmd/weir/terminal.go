package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A terminal is what is known about where a command writes. The zero value is a
// file or a pipe: no colours, no width.
type terminal struct {
	// is says that a person looks at it who can be drawn a picture; colours, that
	// they want them.
	is, colours bool
	// columns and rows are 0 where they are not known.
	columns, rows int
}

func terminalOf(out io.Writer) terminal {
	file, ok := out.(*os.File)
	if !ok {
		return terminal{}
	}
	columns, rows, ok := windowSize(file)
	if !ok {
		return terminal{}
	}
	moves := os.Getenv("TERM") != "dumb" // else its cursor stays where it is
	return terminal{is: moves, colours: wantsColours(), columns: columns, rows: rows}
}

// wantsColours reports what the environment says about colours; see
// https://no-color.org: any value but the empty one switches them off.
func wantsColours() bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// A colour is the code that switches it on.
type colour string

const (
	plain  colour = ""
	bold   colour = "1"
	faint  colour = "2"
	red    colour = "1;31"
	yellow colour = "33"
	green  colour = "32"
)

func (t terminal) paint(c colour, text string) string {
	if !t.colours || c == plain || text == "" {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

// cut shortens a line to the terminal's width.
func (t terminal) cut(line string) string {
	if t.columns == 0 {
		return line
	}
	return abbreviate(line, t.columns)
}

// A cell is one place of a table.
type cell struct {
	text   string
	colour colour
	// right aligns numbers by their last digit.
	right bool
}

// columnGap stands between two columns.
const columnGap = "  "

// columnWidth is how wide a column of rows is.
func columnWidth(rows [][]cell, column int) int {
	width := 0
	for _, row := range rows {
		width = max(width, utf8.RuneCountInString(row[column].text))
	}
	return width
}

// widthOf is how wide rows are as a table. All have the same columns.
func widthOf(rows [][]cell) int {
	width := -len(columnGap)
	for i := range rows[0] {
		width += columnWidth(rows, i) + len(columnGap)
	}
	return width
}

// table writes rows with their columns aligned, whatever their lengths.
func (t terminal) table(rows [][]cell) string {
	widths := make([]int, len(rows[0]))
	for i := range widths {
		widths[i] = columnWidth(rows, i)
	}
	var text strings.Builder
	for _, row := range rows {
		for i, c := range row {
			if i > 0 {
				text.WriteString(columnGap)
			}
			fill := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.text))
			switch {
			case c.right:
				text.WriteString(fill + t.paint(c.colour, c.text))
			case i == len(row)-1:
				text.WriteString(t.paint(c.colour, c.text))
			default:
				text.WriteString(t.paint(c.colour, c.text) + fill)
			}
		}
		text.WriteByte('\n')
	}
	return text.String()
}

// abbreviate shortens a text to a number of characters.
func abbreviate(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	runes := []rune(text)
	return string(runes[:max(most-1, 0)]) + "…"
}

// printable makes a text safe to show: what a service has sent may hold codes
// that would move the cursor or change the colours of a terminal.
func printable(text string) string {
	safe := func(c rune) bool { return c == ' ' || unicode.IsPrint(c) && c != utf8.RuneError }
	if strings.IndexFunc(text, func(c rune) bool { return !safe(c) }) < 0 {
		return text
	}
	var out strings.Builder
	for i, c := range text {
		switch {
		case c == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError)):
			fmt.Fprintf(&out, `\x%02x`, text[i])
		case safe(c):
			out.WriteRune(c)
		case c < utf8.RuneSelf:
			fmt.Fprintf(&out, `\x%02x`, c)
		default:
			fmt.Fprintf(&out, `\u%04x`, c)
		}
	}
	return out.String()
}

// wrap breaks a text into lines of at most so many characters, each behind an
// indent. A word that is longer stays whole.
func wrap(text, indent string, most int) string {
	var out strings.Builder
	length := 0
	for word := range strings.FieldsSeq(text) {
		size := utf8.RuneCountInString(word)
		switch {
		case length == 0:
			out.WriteString(indent)
			length = utf8.RuneCountInString(indent)
		case length+1+size > most:
			out.WriteString("\n" + indent)
			length = utf8.RuneCountInString(indent)
		default:
			out.WriteByte(' ')
			length++
		}
		out.WriteString(word)
		length += size
	}
	out.WriteByte('\n')
	return out.String()
}

// grouped writes a number with its thousands apart.
func grouped(n int64) string {
	digits := fmt.Sprint(n)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}
