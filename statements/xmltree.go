package statements

import (
	"bytes"
	"io"
	"strings"
)

// element is a node of an xmlTree, by its number. 0 is no element, and asking
// it for anything gives nothing.
type element int32

// xmlTree holds a small part of a document, such as one entry, so that it can
// be asked for what it says in any order. Its memory is used again for the next.
type xmlTree struct {
	nodes []xmlNode
	text  []byte
	names map[string]string
}

type xmlNode struct {
	name                         string
	textStart, textEnd           int32
	currencyStart, currencyEnd   int32
	firstChild, lastChild, after element
	line                         int
}

func newXMLTree() *xmlTree {
	return &xmlTree{nodes: make([]xmlNode, 1, 256), names: map[string]string{}}
}

// mark is how much of the tree is in use; reset goes back to it.
type treeMark struct{ nodes, text int }

func (t *xmlTree) mark() treeMark { return treeMark{len(t.nodes), len(t.text)} }

func (t *xmlTree) reset(m treeMark) { t.nodes, t.text = t.nodes[:m.nodes], t.text[:m.text] }

// intern returns the name as a string. There are few, and most come again.
func (t *xmlTree) intern(name []byte) string {
	if s, ok := t.names[string(name)]; ok {
		return s
	}
	const namesMax = 4096
	s := string(name)
	if len(t.names) < namesMax {
		t.names[s] = s
	}
	return s
}

// add appends an element below parent, which may be 0.
func (t *xmlTree) add(parent element, s *xmlScanner) element {
	n := element(len(t.nodes)) //nolint:gosec // the nodes of one entry are bounded far below 2³¹
	node := xmlNode{name: t.intern(s.name), line: s.tokenLine}
	for _, a := range s.attributes {
		if string(a.name) == "Ccy" && len(a.prefix) == 0 {
			node.currencyStart = int32(len(t.text)) //nolint:gosec // the text of one entry is bounded far below 2 GB
			t.text = append(t.text, a.value...)
			node.currencyEnd = int32(len(t.text)) //nolint:gosec // as above
		}
	}
	t.nodes = append(t.nodes, node)
	if parent == 0 {
		return n
	}
	p := &t.nodes[parent]
	if p.firstChild == 0 {
		p.firstChild = n
	} else {
		t.nodes[p.lastChild].after = n
	}
	p.lastChild = n
	return n
}

// addText keeps the text of an element that has no child elements.
func (t *xmlTree) addText(n element, text []byte) {
	node := &t.nodes[n]
	if node.textEnd > 0 && int(node.textEnd) == len(t.text) {
		t.text = append(t.text, text...)
	} else {
		node.textStart = int32(len(t.text)) //nolint:gosec // as above
		t.text = append(t.text, text...)
	}
	node.textEnd = int32(len(t.text)) //nolint:gosec // as above
}

// child is the first child of n with that name.
func (t *xmlTree) child(n element, name string) element {
	if n == 0 {
		return 0
	}
	for c := t.nodes[n].firstChild; c != 0; c = t.nodes[c].after {
		if t.nodes[c].name == name {
			return c
		}
	}
	return 0
}

// next is the next sibling of n with the same name.
func (t *xmlTree) next(n element) element {
	name := t.nodes[n].name
	for c := t.nodes[n].after; c != 0; c = t.nodes[c].after {
		if t.nodes[c].name == name {
			return c
		}
	}
	return 0
}

// at follows a path of names below n.
func (t *xmlTree) at(n element, path ...string) element {
	for _, name := range path {
		n = t.child(n, name)
	}
	return n
}

// value is the text of the element at a path below n, without the blanks
// around it.
func (t *xmlTree) value(n element, path ...string) string {
	n = t.at(n, path...)
	if n == 0 {
		return ""
	}
	return string(t.bytes(n))
}

func (t *xmlTree) bytes(n element) []byte {
	node := &t.nodes[n]
	return bytes.TrimSpace(t.text[node.textStart:node.textEnd])
}

// values joins the texts of every child of n with that name.
func (t *xmlTree) values(n element, name string) string {
	var all []string
	for c := t.child(n, name); c != 0; c = t.next(c) {
		if text := oneLine(t.value(c)); text != "" {
			all = append(all, text)
		}
	}
	return strings.Join(all, " ")
}

func (t *xmlTree) currency(n element) string {
	node := &t.nodes[n]
	return string(bytes.TrimSpace(t.text[node.currencyStart:node.currencyEnd]))
}

// oneLine makes single blanks of all white space.
func oneLine(s string) string {
	if strings.IndexByte(s, '\n') < 0 && !strings.Contains(s, "  ") && strings.IndexByte(s, '\t') < 0 && strings.IndexByte(s, '\r') < 0 {
		return strings.TrimSpace(s)
	}
	return strings.Join(strings.Fields(s), " ")
}

// scope resolves prefixes to namespaces.
type scope struct {
	bindings []binding
}

type binding struct {
	prefix, uri string
	depth       int
}

// enter takes the declarations of the element that the scanner has just opened
// and returns the element's namespace.
func (sc *scope) enter(s *xmlScanner) (string, error) {
	for _, a := range s.attributes {
		if len(a.prefix) == 0 && string(a.name) == "xmlns" {
			sc.bindings = append(sc.bindings, binding{"", string(a.value), len(s.starts)})
		} else if string(a.prefix) == "xmlns" {
			sc.bindings = append(sc.bindings, binding{string(a.name), string(a.value), len(s.starts)})
		}
	}
	for i := len(sc.bindings) - 1; i >= 0; i-- {
		if sc.bindings[i].prefix == string(s.prefix) {
			return sc.bindings[i].uri, nil
		}
	}
	if len(s.prefix) > 0 && string(s.prefix) != "xml" {
		return "", flawf("the namespace prefix %.40q is not declared; the file is damaged", s.prefix)
	}
	return "", nil
}

// leave forgets what was declared on elements that are closed now.
func (sc *scope) leave(s *xmlScanner) {
	for n := len(sc.bindings); n > 0 && sc.bindings[n-1].depth > len(s.starts); n-- {
		sc.bindings = sc.bindings[:n-1]
	}
}

// xmlReader is a scanner that knows namespaces and skips what is foreign.
type xmlReader struct {
	*xmlScanner
	scope scope
}

func newXMLReader(r io.Reader) *xmlReader { return &xmlReader{xmlScanner: newXMLScanner(r)} }

// token is the next token, with the namespace of an element that it opens.
func (r *xmlReader) token() (token xmlToken, namespace string, err error) {
	token, err = r.next()
	if err != nil {
		return token, "", err
	}
	switch token {
	case xmlOpen:
		namespace, err = r.scope.enter(r.xmlScanner)
	case xmlClose:
		r.scope.leave(r.xmlScanner)
	case xmlEnd, xmlText:
	}
	return token, namespace, err
}

// skipElement reads to the end of the element that was opened last.
func (r *xmlReader) skipElement() error {
	for depth := len(r.starts); len(r.starts) >= depth; {
		if _, _, err := r.token(); err != nil {
			return err
		}
	}
	return nil
}
