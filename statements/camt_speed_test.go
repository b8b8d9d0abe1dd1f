package statements

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
)

// largeCamt is a camt.053 message of many entries that is made while it is
// read. Its entries come to zero: a credit and a debit of each amount.
type largeCamt struct {
	pairs, made int
	pending     []byte
	state       int
}

const (
	largeHead = `<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08">
  <BkToCstmrStmt>
    <GrpHdr><MsgId>LARGE</MsgId><CreDtTm>2026-03-02T18:05:00+01:00</CreDtTm></GrpHdr>
    <Stmt>
      <Id>LARGE-1</Id>
      <Acct><Id><IBAN>NL05LOCK0300065264</IBAN></Id><Ccy>EUR</Ccy></Acct>
      <Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">100.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-03-02</Dt></Dt></Bal>
      <Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">100.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-03-02</Dt></Dt></Bal>
`
	largeEntry = `      <Ntry>
        <Amt Ccy="EUR">%d.%02d</Amt>
        <CdtDbtInd>%s</CdtDbtInd>
        <Sts><Cd>BOOK</Cd></Sts>
        <BookgDt><Dt>2026-03-02</Dt></BookgDt>
        <ValDt><Dt>2026-03-02</Dt></ValDt>
        <AcctSvcrRef>L-%09d</AcctSvcrRef>
        <BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>ESCT</SubFmlyCd></Fmly></Domn></BkTxCd>
        <NtryDtls>
          <TxDtls>
            <Refs><EndToEndId>E2E-%09d</EndToEndId><TxId>TX-%09d</TxId></Refs>
            <Amt Ccy="EUR">1.00</Amt>
            <CdtDbtInd>CRDT</CdtDbtInd>
            <RltdPties>
              <Dbtr><Pty><Nm>Anna Aar</Nm><PstlAdr><Ctry>DE</Ctry><AdrLine>Am Wehr 1</AdrLine></PstlAdr></Pty></Dbtr>
              <DbtrAcct><Id><IBAN>DE57700100800123456789</IBAN></Id></DbtrAcct>
            </RltdPties>
            <RltdAgts><DbtrAgt><FinInstnId><BICFI>LOCKNL2A</BICFI></FinInstnId></DbtrAgt></RltdAgts>
            <RmtInf><Ustrd>Invoice %d of the second of March, paid in full &amp; on time</Ustrd></RmtInf>
          </TxDtls>
        </NtryDtls>
      </Ntry>
`
	largeTail = "    </Stmt>\n  </BkToCstmrStmt>\n</Document>\n"
)

func (l *largeCamt) Read(p []byte) (int, error) {
	for len(l.pending) == 0 {
		switch {
		case l.state == 0:
			l.pending, l.state = append(l.pending[:0], largeHead...), 1
		case l.made < 2*l.pairs:
			direction := []string{"CRDT", "DBIT"}[l.made%2]
			n := l.made / 2
			l.pending = fmt.Appendf(l.pending[:0], largeEntry, n, n%100, direction, l.made, l.made, l.made, l.made)
			l.made++
		case l.state == 1:
			l.pending, l.state = append(l.pending[:0], largeTail...), 2
		default:
			return 0, io.EOF
		}
	}
	n := copy(p, l.pending)
	l.pending = l.pending[n:]
	return n, nil
}

// counter is a Receiver that keeps nothing but the number of entries.
type counter struct {
	entries int
	proof   Proof
	peak    uint64
}

func (c *counter) Begin(*Statement) error { return nil }

func (c *counter) Entry(*Statement, *Entry) error {
	c.entries++
	const every = 10_000
	if c.entries%every == 0 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		c.peak = max(c.peak, m.HeapAlloc)
	}
	return nil
}

func (c *counter) End(s *Statement) error {
	c.proof = s.Proof(nil)
	return nil
}

func TestALargeFileIsReadInFlatMemory(t *testing.T) {
	const pairs = 23_500 // some 50 MB
	const heapMax = 16 << 20
	var size countingReader
	size.r = &largeCamt{pairs: pairs}
	var c counter
	if err := Read("large.xml", &size, Options{}, &c); err != nil {
		t.Fatal(err)
	}
	if c.entries != 2*pairs || c.proof.Verdict != AddsUp {
		t.Errorf("%d entries, %+v", c.entries, c.proof)
	}
	if size.n < 50_000_000 || c.peak > heapMax {
		t.Errorf("%d bytes were read with %d bytes in use, want at most %d", size.n, c.peak, heapMax)
	}
}

type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// The two benchmarks read the same bytes. The second is the ceiling of any
// reader that is built on encoding/xml.
func BenchmarkReadCamt053(b *testing.B) {
	text := largeText(b)
	b.ReportAllocs()
	for b.Loop() {
		var c counter
		if err := Read("large.xml", bytes.NewReader(text), Options{}, &c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodingXMLRawTokens(b *testing.B) {
	text := largeText(b)
	b.ReportAllocs()
	for b.Loop() {
		decoder := xml.NewDecoder(bytes.NewReader(text))
		for {
			if _, err := decoder.RawToken(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
	}
}

func largeText(b *testing.B) []byte {
	b.Helper()
	text, err := io.ReadAll(&largeCamt{pairs: 2000})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	return text
}

// FuzzXMLScanner holds the scanner against encoding/xml: what both accept, both
// read alike; and the scanner never panics.
func FuzzXMLScanner(f *testing.F) {
	f.Add(`<a b="c">d<!-- e --><f/>&lt;&#x41;<![CDATA[<g>]]></a>`)
	f.Add(`<?xml version="1.0"?><n:a xmlns:n="u"><n:b c='"&gt;'></n:b></n:a>`)
	f.Add(camtText(camt053, entryText("1.00", "")))
	f.Fuzz(func(t *testing.T, text string) {
		ours, ourErr := scanAll(text)
		theirs, theirErr := decodeAll(text)
		if ourErr == nil && theirErr == nil && ours != theirs {
			t.Errorf("ours   %q\ntheirs %q", ours, theirs)
		}
	})
}

// scanAll writes a document's elements and texts in one line.
func scanAll(text string) (string, error) {
	s := newXMLScanner(iotestSmallReader{strings.NewReader(text)})
	var out strings.Builder
	for {
		token, err := s.next()
		if err != nil {
			return "", err
		}
		switch token {
		case xmlEnd:
			return out.String(), nil
		case xmlOpen:
			fmt.Fprintf(&out, "<%s %s", s.prefix, s.name)
			for _, a := range s.attributes {
				fmt.Fprintf(&out, " %s %s=%q", a.prefix, a.name, newlines(string(a.value)))
			}
			out.WriteString(">")
		case xmlClose:
			out.WriteString("</>")
		case xmlText:
			out.WriteString(newlines(string(s.text)))
		}
	}
}

// iotestSmallReader gives a few bytes at a time, so that every token is split.
type iotestSmallReader struct{ r io.Reader }

func (s iotestSmallReader) Read(p []byte) (int, error) { return s.r.Read(p[:min(len(p), 3)]) }

// newlines are made alike: encoding/xml turns \r\n into \n, and what reads
// statements trims both.
func newlines(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
}

func decodeAll(text string) (string, error) {
	decoder := xml.NewDecoder(strings.NewReader(text))
	var out strings.Builder
	depth := 0
	for {
		token, err := decoder.RawToken()
		if errors.Is(err, io.EOF) {
			return out.String(), nil
		}
		if err != nil {
			return "", err
		}
		switch token := token.(type) {
		case xml.StartElement:
			depth++
			fmt.Fprintf(&out, "<%s %s", token.Name.Space, token.Name.Local)
			for _, a := range token.Attr {
				fmt.Fprintf(&out, " %s %s=%q", a.Name.Space, a.Name.Local, newlines(a.Value))
			}
			out.WriteString(">")
		case xml.EndElement:
			depth--
			out.WriteString("</>")
		case xml.CharData:
			if depth > 0 {
				out.WriteString(newlines(string(token)))
			}
		}
	}
}

// FuzzCamt feeds damaged messages: the reader never panics, and what it hands
// out comes exactly to the sum that it proves with.
func FuzzCamt(f *testing.F) {
	f.Add(camtText(camt053, entryText("1.00", "")+entryText("2.50", "<ValDt><Dt>2026-01-31</Dt></ValDt>")))
	for _, file := range []string{"camt052.v1.xml", "camt053.v8.xml", "camt054.v6.xml"} {
		f.Add(testdata(f, file))
	}
	f.Fuzz(func(t *testing.T, text string) { checkSums(t, text, Options{}) })
}
