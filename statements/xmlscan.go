package statements

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"
)

// Bounds of what one XML file may ask of its reader.
const (
	// xmlTokenBytesMax bounds one tag, text or comment. Remittance texts have
	// 140 characters; a bank that packs a PDF into an element is the exception
	// that this still lets pass.
	xmlTokenBytesMax = 4 << 20
	// xmlDepthMax is far deeper than any message, which has some 20 levels.
	xmlDepthMax = 64
	// xmlAttributesMax is far more than any message has on an element.
	xmlAttributesMax = 64
	xmlBufferBytes   = 64 << 10
)

// xmlToken is what the scanner came across.
type xmlToken int

const (
	xmlEnd   xmlToken = iota // the end of the document
	xmlOpen                  // a start tag: name, prefix and attributes are set
	xmlClose                 // an end tag
	xmlText                  // character data: text is set
)

// xmlScanner reads XML in one pass and constant memory. It reads what bank
// files are made of, and refuses the rest by name: document type definitions,
// and with them every entity but the five of XML itself, are never read. It was
// written because it bounds each token, knows the line that it is on, and leaves
// time for the rest: a whole message is read in half the time that encoding/xml
// needs for its raw tokens alone. A fuzz test holds the two against each other.
type xmlScanner struct {
	r          io.Reader
	buf        []byte
	pos, limit int
	drained    bool
	line       int
	// tokenLine is the line on which the last token began.
	tokenLine    int
	prefix, name []byte
	attributes   []xmlAttribute
	text         []byte
	decoded      []byte
	// open holds the full names of the elements that are open, one after the
	// other; starts is where each begins.
	open      []byte
	starts    []int
	selfClose bool
	rooted    bool
}

type xmlAttribute struct{ prefix, name, value []byte }

func newXMLScanner(r io.Reader) *xmlScanner {
	return &xmlScanner{r: r, buf: make([]byte, xmlBufferBytes), line: 1}
}

// fill reads more behind what is there; false at the end of the input.
func (s *xmlScanner) fill() (bool, error) {
	if s.drained {
		return false, nil
	}
	if s.pos > 0 {
		s.limit = copy(s.buf, s.buf[s.pos:s.limit])
		s.pos = 0
	}
	if s.limit == len(s.buf) {
		if len(s.buf) >= xmlTokenBytesMax {
			return false, flawf("a tag or text is longer than %d bytes; the file is no statement or is damaged", xmlTokenBytesMax)
		}
		s.buf = append(s.buf, make([]byte, len(s.buf))...)
	}
	const idleMax = 100
	for range idleMax {
		n, err := s.r.Read(s.buf[s.limit:])
		s.limit += n
		if errors.Is(err, io.EOF) {
			s.drained = true
			return n > 0, nil
		}
		if err != nil || n > 0 {
			return n > 0, err
		}
	}
	return false, io.ErrNoProgress
}

// find returns the offset from pos of the first occurrence of mark at or after
// from, and reads as far as it must. It is -1 when the input ends before.
func (s *xmlScanner) find(mark string, from int) (int, error) {
	for {
		window := s.buf[s.pos:s.limit]
		if from < len(window) {
			var i int
			if len(mark) == 1 {
				i = bytes.IndexByte(window[from:], mark[0])
			} else {
				i = bytes.Index(window[from:], []byte(mark))
			}
			if i >= 0 {
				return from + i, nil
			}
			from = max(from, len(window)-len(mark)+1)
		}
		more, err := s.fill()
		if err != nil || !more {
			return -1, err
		}
	}
}

// take consumes n bytes and returns them; they live until the next call.
func (s *xmlScanner) take(n int) []byte {
	taken := s.buf[s.pos : s.pos+n]
	s.pos += n
	s.line += bytes.Count(taken, []byte{'\n'})
	return taken
}

// next returns the next token. What it leaves in the scanner is good until it
// is called again.
func (s *xmlScanner) next() (xmlToken, error) {
	if s.selfClose {
		s.selfClose = false
		return xmlClose, s.pop(nil)
	}
	for {
		s.tokenLine = s.line
		if s.pos == s.limit {
			more, err := s.fill()
			if err != nil {
				return xmlEnd, err
			}
			if !more {
				return xmlEnd, s.finish()
			}
		}
		if s.buf[s.pos] != '<' {
			token, err := s.characters()
			if err != nil || token == xmlText {
				return token, err
			}
			continue
		}
		token, err := s.markup()
		if err != nil || token != xmlEnd {
			return token, err
		}
	}
}

// finish judges the end of the input.
func (s *xmlScanner) finish() error {
	if n := len(s.starts); n > 0 {
		return flawf("the file ends inside <%s>; it was cut off, have it sent again", s.open[s.starts[n-1]:])
	}
	if !s.rooted {
		return flawf("the file has no XML element; it is not a statement")
	}
	return nil
}

// characters reads text up to the next tag. Outside of the root there may only
// be blanks, which are skipped.
func (s *xmlScanner) characters() (xmlToken, error) {
	n, err := s.find("<", 0)
	if err != nil {
		return xmlEnd, err
	}
	if n < 0 {
		n = s.limit - s.pos
	}
	raw := s.take(n)
	if len(s.starts) == 0 {
		if len(bytes.TrimSpace(raw)) > 0 {
			return xmlEnd, flawf("there is text outside of the XML document: %.20q", bytes.TrimSpace(raw))
		}
		return xmlEnd, nil
	}
	if blank(raw) {
		s.text = raw
		return xmlText, nil
	}
	s.text, err = s.unescape(raw)
	return xmlText, err
}

// blank says whether there is nothing but white space.
func blank(text []byte) bool {
	for _, c := range text {
		if c > ' ' || c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return false
		}
	}
	return true
}

// markup reads what begins with "<". It returns xmlEnd for what says nothing:
// comments, processing instructions and empty CDATA.
func (s *xmlScanner) markup() (xmlToken, error) {
	const longestMark = len("<![CDATA[")
	for s.limit-s.pos < longestMark {
		if more, err := s.fill(); err != nil {
			return xmlEnd, err
		} else if !more {
			break
		}
	}
	head := s.buf[s.pos:min(s.limit, s.pos+longestMark)]
	switch {
	case bytes.HasPrefix(head, []byte("<!--")):
		_, err := s.skip("-->", len("<!--"), "comment")
		return xmlEnd, err
	case bytes.HasPrefix(head, []byte("<![CDATA[")):
		raw, err := s.skip("]]>", len("<![CDATA["), "CDATA section")
		if err != nil || len(s.starts) == 0 || len(raw) == 0 {
			if err == nil && len(s.starts) == 0 {
				err = flawf("there is text outside of the XML document")
			}
			return xmlEnd, err
		}
		s.text = raw
		return xmlText, checkCharacters(raw)
	case bytes.HasPrefix(head, []byte("<?")):
		_, err := s.skip("?>", len("<?"), "processing instruction")
		return xmlEnd, err
	case bytes.HasPrefix(head, []byte("<!")):
		return xmlEnd, flawf("the file has a document type definition; statements have none, and entities are never resolved")
	}
	n, err := s.tagLength()
	if err != nil {
		return xmlEnd, err
	}
	tag := s.take(n)
	if len(tag) > 2 && tag[1] == '/' {
		return xmlClose, s.pop(bytes.TrimRight(tag[2:n-1], " \t\r\n"))
	}
	return xmlOpen, s.push(tag[1 : n-1])
}

// skip reads to the end of a construct and returns what stands between.
func (s *xmlScanner) skip(mark string, head int, what string) ([]byte, error) {
	n, err := s.find(mark, head)
	if err != nil {
		return nil, err
	}
	if n < 0 {
		return nil, flawf("the file ends inside a %s; it was cut off, have it sent again", what)
	}
	return s.take(n + len(mark))[head:n], nil
}

// tagLength finds the end of the tag at pos; ">" may stand in attribute values.
func (s *xmlScanner) tagLength() (int, error) {
	from := 1
	var quote byte
	for {
		n, err := s.find(">", from)
		if err != nil {
			return 0, err
		}
		if n < 0 {
			return 0, flawf("the file ends inside a tag; it was cut off, have it sent again")
		}
		quote = quoteAfter(quote, s.buf[s.pos+from:s.pos+n])
		if quote == 0 {
			return n + 1, nil
		}
		from = n + 1
	}
}

// quoteAfter is the quotation mark that is open behind a part of a tag, or 0,
// when quote was open before it.
func quoteAfter(quote byte, part []byte) byte {
	if quote == 0 && bytes.IndexByte(part, '"') < 0 && bytes.IndexByte(part, '\'') < 0 {
		return 0
	}
	for _, c := range part {
		switch {
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case c == quote:
			quote = 0
		}
	}
	return quote
}

// push opens an element; tag is what stands between the angle brackets.
func (s *xmlScanner) push(tag []byte) error {
	if n := len(tag); n > 0 && tag[n-1] == '/' {
		s.selfClose = true
		tag = tag[:n-1]
	}
	i := 0
	for i < len(tag) && tag[i] > ' ' {
		i++
	}
	full := tag[:i]
	if err := checkName(full); err != nil {
		return err
	}
	if len(s.starts) == 0 && s.rooted {
		return flawf("a second element <%.40s> follows the document; the file holds more than one document", full)
	}
	if len(s.starts) == xmlDepthMax {
		return flawf("elements are nested more than %d deep; the file is no statement", xmlDepthMax)
	}
	s.rooted = true
	s.starts = append(s.starts, len(s.open))
	s.open = append(s.open, full...)
	s.prefix, s.name = splitName(full)
	s.attributes = s.attributes[:0]
	if i == len(tag) {
		return nil
	}
	return s.readAttributes(tag[i:])
}

// pop closes the innermost element; name is nil when it closed itself.
func (s *xmlScanner) pop(name []byte) error {
	n := len(s.starts)
	if n == 0 {
		return flawf("</%.40s> closes nothing; the file is damaged", name)
	}
	start := s.starts[n-1]
	if name != nil && !bytes.Equal(name, s.open[start:]) {
		return flawf("</%.40s> closes <%.40s>; the file is damaged", name, s.open[start:])
	}
	s.open, s.starts = s.open[:start], s.starts[:n-1]
	return nil
}

func (s *xmlScanner) readAttributes(rest []byte) error {
	for {
		trimmed := bytes.TrimLeft(rest, " \t\r\n")
		if len(trimmed) == 0 {
			return nil
		}
		if len(trimmed) == len(rest) {
			return flawf("attributes must be parted by blanks: %.40q", rest)
		}
		equals := bytes.IndexByte(trimmed, '=')
		if equals < 0 {
			return flawf("attribute %.40q has no value", trimmed)
		}
		full := bytes.TrimRight(trimmed[:equals], " \t\r\n")
		if err := checkName(full); err != nil {
			return err
		}
		value := bytes.TrimLeft(trimmed[equals+1:], " \t\r\n")
		if len(value) == 0 || value[0] != '"' && value[0] != '\'' {
			return flawf("the value of attribute %.40q must be in quotation marks", full)
		}
		end := bytes.IndexByte(value[1:], value[0])
		if end < 0 {
			return flawf("the value of attribute %.40q has no end", full)
		}
		if len(s.attributes) == xmlAttributesMax {
			return flawf("an element has more than %d attributes; the file is no statement", xmlAttributesMax)
		}
		raw := value[1 : end+1]
		if bytes.IndexByte(raw, '<') >= 0 {
			return flawf("the value of attribute %.40q holds a <; the file is damaged", full)
		}
		if bytes.IndexByte(raw, '&') >= 0 {
			text, err := s.unescape(raw)
			if err != nil {
				return err
			}
			raw = bytes.Clone(text)
		} else if err := checkCharacters(raw); err != nil {
			return err
		}
		prefix, name := splitName(full)
		for _, other := range s.attributes {
			if bytes.Equal(other.name, name) && bytes.Equal(other.prefix, prefix) {
				return flawf("attribute %.40q is given twice", full)
			}
		}
		s.attributes = append(s.attributes, xmlAttribute{prefix, name, raw})
		rest = value[end+2:]
	}
}

// unescape replaces the five entities of XML and character references.
func (s *xmlScanner) unescape(raw []byte) ([]byte, error) {
	i := bytes.IndexByte(raw, '&')
	if i < 0 {
		return raw, checkCharacters(raw)
	}
	out := s.decoded[:0]
	for i >= 0 {
		out = append(out, raw[:i]...)
		raw = raw[i:]
		const referenceMax = 12
		end := bytes.IndexByte(raw[:min(len(raw), referenceMax)], ';')
		if end < 0 {
			return nil, flawf("%.12q is no reference; an ampersand is written &amp;", raw)
		}
		r, ok := reference(string(raw[1:end]))
		if !ok {
			return nil, flawf("entity %.12q is not one of XML's own; others are never resolved", raw[:end+1])
		}
		out = utf8.AppendRune(out, r)
		raw = raw[end+1:]
		i = bytes.IndexByte(raw, '&')
	}
	out = append(out, raw...)
	s.decoded = out
	return s.decoded, checkCharacters(s.decoded)
}

// reference is the character that a reference between & and ; stands for.
func reference(name string) (rune, bool) {
	switch name {
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "amp":
		return '&', true
	case "quot":
		return '"', true
	case "apos":
		return '\'', true
	}
	if len(name) < 2 || name[0] != '#' {
		return 0, false
	}
	digits, base := name[1:], 10
	if digits[0] == 'x' {
		digits, base = digits[1:], 16
	}
	n, err := strconv.ParseUint(digits, base, 32)
	if err != nil || n > utf8.MaxRune || !utf8.ValidRune(rune(n)) {
		return 0, false
	}
	return rune(n), true
}

// checkCharacters refuses what XML does not allow in text: most control
// characters, and bytes that are not UTF-8.
func checkCharacters(text []byte) error {
	ascii := true
	for _, c := range text {
		if c >= utf8.RuneSelf {
			ascii = false
		} else if c < ' ' && c != '\n' && c != '\r' && c != '\t' {
			return flawf("text holds the control character %#x; the file is damaged", c)
		}
	}
	if !ascii && !utf8.Valid(text) {
		return flawf("text is not UTF-8 as the file declares; have the bank declare its encoding: %.40q", text)
	}
	return nil
}

// checkName accepts what names of elements and attributes are made of. Beyond
// ASCII it is generous: such names are skipped anyway.
func checkName(name []byte) error {
	const nameMax = 256
	ok := len(name) > 0 && len(name) <= nameMax
	for i, c := range name {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_', c >= utf8.RuneSelf:
		case i > 0 && (isDigit(c) || c == '-' || c == '.'):
		case c == ':' && i > 0 && i < len(name)-1:
		default:
			ok = false
		}
	}
	if !ok || !utf8.Valid(name) {
		return flawf("%.40q is no name of an XML element or attribute; the file is damaged", name)
	}
	return nil
}

func splitName(full []byte) (prefix, name []byte) {
	if i := bytes.IndexByte(full, ':'); i >= 0 {
		return full[:i], full[i+1:]
	}
	return nil, full
}
