package statements

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"strconv"
)

// Options is what a reader can't know from the file.
type Options struct {
	// Places has the decimals of currencies that ISO 4217 does not know, or
	// that the bank counts otherwise.
	Places Places
	// Mappings explain the CSV files. The first that fits a file's header is used.
	Mappings []*Mapping
}

// Format is the family of a file.
type Format int

// The formats.
const (
	UnknownFormat Format = iota
	XMLFormat
	SWIFTFormat
	CSVFormat
)

// Read reads a whole file and hands out what it says. The format is found by
// content, never by name; name is for errors. It returns a [FileError] when the
// file can't be taken; entries may have been handed out by then, so a receiver
// that keeps them must be able to let them go.
func Read(name string, r io.Reader, options Options, to Receiver) error {
	buffered := bufio.NewReaderSize(r, headBytes)
	format, err := detect(name, buffered, options.Mappings)
	if err != nil {
		return err
	}
	switch format {
	case XMLFormat:
		return readCamt(name, buffered, options, to)
	case SWIFTFormat:
		return readSWIFT(name, buffered, options, to)
	case CSVFormat:
		return readCSV(name, buffered, options, to)
	case UnknownFormat:
	}
	return &FileError{
		File: name, Line: 1, Problem: "the file is neither camt XML, nor MT940 or MT942, nor CSV that a mapping file describes",
		Advice: "it begins " + quoteHead(buffered),
	}
}

// headBytes is how much of a file is looked at to find its format.
const headBytes = 16 << 10

// detect finds the format by content.
func detect(name string, r *bufio.Reader, mappings []*Mapping) (Format, error) {
	head, err := r.Peek(headBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return UnknownFormat, err
	}
	text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	for _, packed := range []struct{ magic, what string }{
		{"PK\x03\x04", "a zip archive"},
		{"\x1f\x8b", "a gzip archive"},
		{"7z\xbc\xaf", "a 7z archive"},
		{"%PDF", "a PDF"},
		{"\xd0\xcf\x11\xe0", "an old Office document"},
	} {
		if bytes.HasPrefix(head, []byte(packed.magic)) {
			return UnknownFormat, &FileError{
				File: name, Problem: "the file is " + packed.what + ", not a statement", Advice: "put the statement itself into the folder",
			}
		}
	}
	switch {
	case len(text) == 0:
		return UnknownFormat, &FileError{File: name, Problem: "the file is empty", Advice: "have it sent again"}
	case text[0] == '<', bytes.HasPrefix(head, []byte("\xff\xfe<\x00")), bytes.HasPrefix(head, []byte("\xfe\xff\x00<")),
		bytes.HasPrefix(head, []byte("<\x00")), bytes.HasPrefix(head, []byte("\x00<")):
		return XMLFormat, nil
	case looksLikeSWIFT(text):
		return SWIFTFormat, nil
	case len(mappings) > 0:
		return CSVFormat, nil
	}
	return UnknownFormat, nil
}

// looksLikeSWIFT finds a line that begins with a field tag of a statement
// among the first.
func looksLikeSWIFT(head []byte) bool {
	const linesMax = 60
	lines := 0
	for line := range bytes.Lines(head) {
		line = bytes.TrimRight(line, "\r\n")
		if i := bytes.Index(line, []byte("{4:")); i >= 0 && line[0] == '{' {
			return true
		}
		tag, _, ok := cutTag(line)
		if ok && slices.Contains([]string{"20", "25", "25P", "28", "28C", "60F", "60M", "61"}, tag) {
			return true
		}
		if lines++; lines == linesMax {
			break
		}
	}
	return false
}

// quoteHead shows how a file begins.
func quoteHead(r *bufio.Reader) string {
	const shown = 40
	head, _ := r.Peek(shown)
	line, _, _ := bytes.Cut(head, []byte("\n"))
	return strconv.Quote(string(line))
}
