package statements

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// The upper halves of the one-byte encodings that banks use, from the tables
// of the Unicode Consortium. A replacement character stands where a byte means
// nothing.
const (
	latin2Upper = "\u0080\u0081\u0082\u0083\u0084\u0085\u0086\u0087\u0088\u0089\u008a\u008b\u008c\u008d\u008e\u008f\u0090\u0091\u0092\u0093\u0094\u0095\u0096\u0097\u0098\u0099\u009a\u009b\u009c\u009d\u009e\u009f\u00a0Ą˘Ł¤ĽŚ§¨ŠŞŤŹ\u00adŽŻ°ą˛ł´ľśˇ¸šşťź˝žż" +
		"ŔÁÂĂÄĹĆÇČÉĘËĚÍÎĎĐŃŇÓÔŐÖ×ŘŮÚŰÜÝŢßŕáâăäĺćçčéęëěíîďđńňóôőö÷řůúűüýţ˙"
	latin9Upper = "\u0080\u0081\u0082\u0083\u0084\u0085\u0086\u0087\u0088\u0089\u008a\u008b\u008c\u008d\u008e\u008f\u0090\u0091\u0092\u0093\u0094\u0095\u0096\u0097\u0098\u0099\u009a\u009b\u009c\u009d\u009e\u009f\u00a0¡¢£€¥Š§š©ª«¬\u00ad®¯°±²³Žµ¶·ž¹º»ŒœŸ¿" +
		"ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖ×ØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõö÷øùúûüýþÿ"
	windows1250Upper = "€�‚�„…†‡�‰Š‹ŚŤŽŹ�‘’“”•–—�™š›śťžź\u00a0ˇ˘Ł¤Ą¦§¨©Ş«¬\u00ad®Ż°±˛ł´µ¶·¸ąş»Ľ˝ľż" +
		"ŔÁÂĂÄĹĆÇČÉĘËĚÍÎĎĐŃŇÓÔŐÖ×ŘŮÚŰÜÝŢßŕáâăäĺćçčéęëěíîďđńňóôőö÷řůúűüýţ˙"
	windows1252Upper = "€�‚ƒ„…†‡ˆ‰Š‹Œ�Ž��‘’“”•–—˜™š›œ�žŸ\u00a0¡¢£¤¥¦§¨©ª«¬\u00ad®¯°±²³´µ¶·¸¹º»¼½¾¿" +
		"ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖ×ØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõö÷øùúûüýþÿ"
)

// oneByte returns the characters of the bytes 0x80 to 0xff in an encoding; ok
// is false when the encoding is not a known one of one byte.
func oneByte(label string) (upper []rune, ok bool) {
	switch label {
	case "iso-8859-1", "latin1", "latin-1", "iso8859-1", "iso_8859-1":
		for c := range 0x80 {
			upper = append(upper, rune(0x80+c))
		}
		return upper, true
	case "iso-8859-2", "latin2", "latin-2":
		return []rune(latin2Upper), true
	case "iso-8859-15", "latin9", "latin-9":
		return []rune(latin9Upper), true
	case "windows-1250", "cp1250":
		return []rune(windows1250Upper), true
	case "windows-1252", "cp1252":
		return []rune(windows1252Upper), true
	}
	return nil, false
}

// transcode makes UTF-8 of an encoding by its usual label. UTF-8 and ASCII
// pass as they are; who reads them checks them.
func transcode(r io.Reader, label string) (io.Reader, error) {
	label = strings.ToLower(strings.TrimSpace(label))
	switch label {
	case "", "utf-8", "utf8", "us-ascii", "ascii":
		return r, nil
	case "utf-16", "utf-16le":
		return &utf16Reader{r: bufio.NewReader(r), high: 1}, nil
	case "utf-16be":
		return &utf16Reader{r: bufio.NewReader(r)}, nil
	}
	upper, ok := oneByte(label)
	if !ok {
		return nil, flawf("encoding %.40q is not known; have the bank send UTF-8, or ISO-8859-1, -2, -15, Windows-1250 or -1252", label)
	}
	return &oneByteReader{r: r, upper: upper}, nil
}

// oneByteReader turns an encoding of one byte a character into UTF-8.
type oneByteReader struct {
	r     io.Reader
	upper []rune
	raw   [4096]byte
	ready []byte
	out   []byte
}

func (o *oneByteReader) Read(p []byte) (int, error) {
	if len(o.ready) == 0 {
		n, err := o.r.Read(o.raw[:])
		if n == 0 {
			return 0, err
		}
		o.out = o.out[:0]
		for _, c := range o.raw[:n] {
			if c < utf8.RuneSelf {
				o.out = append(o.out, c)
			} else {
				o.out = utf8.AppendRune(o.out, o.upper[c-0x80])
			}
		}
		o.ready = o.out
	}
	n := copy(p, o.ready)
	o.ready = o.ready[n:]
	return n, nil
}

// utf16Reader turns UTF-16 into UTF-8. high is the place of the upper byte.
type utf16Reader struct {
	r       *bufio.Reader
	high    int
	pending rune
	ready   []byte
}

func (u *utf16Reader) Read(p []byte) (int, error) {
	for len(u.ready) == 0 {
		var pair [2]byte
		if _, err := io.ReadFull(u.r, pair[:]); err != nil {
			if errors.Is(err, io.ErrUnexpectedEOF) {
				return 0, flawf("the file ends inside a character of UTF-16; it was cut off, have it sent again")
			}
			return 0, err
		}
		unit := rune(pair[u.high])<<8 | rune(pair[1-u.high])
		const byteOrderMark = 0xFEFF
		switch {
		case u.pending != 0:
			u.ready = utf8.AppendRune(nil, utf16.DecodeRune(u.pending, unit))
			u.pending = 0
		case utf16.IsSurrogate(unit):
			u.pending = unit
		case unit != byteOrderMark:
			u.ready = utf8.AppendRune(nil, unit)
		}
	}
	n := copy(p, u.ready)
	u.ready = u.ready[n:]
	return n, nil
}

// xmlInput finds the encoding of an XML file by its first bytes, as appendix F
// of the XML recommendation describes, and returns the file in UTF-8.
func xmlInput(r *bufio.Reader) (io.Reader, error) {
	const declarationMax = 200
	head, err := r.Peek(declarationMax)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		_, err := r.Discard(3)
		return r, err
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("<\x00")):
		return transcode(r, "utf-16le")
	case bytes.HasPrefix(head, []byte("\xfe\xff")), bytes.HasPrefix(head, []byte("\x00<")):
		return transcode(r, "utf-16be")
	}
	return transcode(r, declaredEncoding(string(head)))
}

// declaredEncoding reads the encoding out of an XML declaration.
func declaredEncoding(head string) string {
	if !strings.HasPrefix(head, "<?xml") {
		return ""
	}
	head, _, _ = strings.Cut(head, "?>")
	_, rest, ok := strings.Cut(head, "encoding")
	if !ok {
		return ""
	}
	rest = strings.TrimLeft(rest, " \t\r\n=")
	if rest == "" || rest[0] != '"' && rest[0] != '\'' {
		return ""
	}
	label, _, _ := strings.Cut(rest[1:], rest[:1])
	if strings.EqualFold(label, "utf-16") {
		return "" // the declaration could be read byte by byte, so it is not
	}
	return label
}
