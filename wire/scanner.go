package wire

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// strict is how every record is read first.
var strict []jsontext.Options

// scanner reads one record at a time. Its readers never fail: they note why
// the record can't be used (the first reason stands) or what is odd about it,
// and go on, so that the id and the stamps of a bad record are still found.
type scanner struct {
	dec jsontext.Decoder
	src bytes.Buffer
	// text is the record once more, as a string: the strings of a record are
	// parts of it, which costs one allocation in place of ten, and a string that
	// outlives the page keeps no other record alive.
	text string
	// path is put before a field's name in a sentence, for nested records.
	path string
	// field is the name of the field that is being read.
	field string
	// err and flaws are the record's.
	err   error
	flaws []string
	// broken is what the strict mode objects to; the record is read once more.
	broken error
}

// begin makes s ready for raw, which holds one JSON value.
func (s *scanner) begin(raw []byte, mode []jsontext.Options) {
	s.src = *bytes.NewBuffer(raw)
	s.dec.Reset(&s.src, mode...)
	s.path, s.field = "", ""
	s.err, s.flaws, s.broken = nil, nil, nil
}

// reject notes why the record can't be used.
func (s *scanner) reject(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf(s.path+format, args...)
	}
}

// flawsMax bounds the flaws that are noted of one record: past a few, more of
// them tell nothing, and a record could be made of nothing else.
const flawsMax = 8

// flaw notes what is not as the contract says, though it can be read.
func (s *scanner) flaw(format string, args ...any) {
	if len(s.flaws) == flawsMax {
		return
	}
	s.flaws = append(s.flaws, s.path+fmt.Sprintf(format, args...))
}

// value reads the next value. It is empty when the record breaks off here,
// which only the strict mode does: the page was checked before.
func (s *scanner) value() jsontext.Value {
	value, err := s.dec.ReadValue()
	if err != nil {
		s.broken = err
		return nil
	}
	return value
}

// unquote gives the text of value, a JSON string that was read just now. clean
// is false when bytes that are not UTF-8 were replaced.
func (s *scanner) unquote(value jsontext.Value) (text string, clean bool) {
	if bytes.IndexByte(value, '\\') < 0 && utf8.Valid(value) {
		end := int(s.dec.InputOffset())
		return s.text[end-len(value)+1 : end-1], true
	}
	unquoted, err := jsontext.AppendUnquote(nil, value)
	return string(unquoted), err == nil
}

// str reads a string as it is. null is the empty string.
func (s *scanner) str() (text string, clean bool) {
	value := s.value()
	switch value.Kind() {
	case '"':
		return s.unquote(value)
	case 'n', 0:
		return "", true
	}
	s.reject("%s must be a string, not %s", s.field, describe(value))
	return "", true
}

// id reads an identifier. One with replaced bytes could be another record's,
// so it is refused.
func (s *scanner) id() string {
	text, clean := s.str()
	if !clean {
		s.reject("%s must be valid UTF-8: %.40q", s.field, text)
		return ""
	}
	return text
}

// words reads text that people read. What no database could store is replaced;
// the raw bytes still have it.
func (s *scanner) words() string {
	text, clean := s.str()
	return s.mend(text, clean)
}

func (s *scanner) mend(text string, clean bool) string {
	if !clean {
		s.flaw("%s is not valid UTF-8: bytes were replaced", s.field)
	}
	if strings.IndexByte(text, 0) >= 0 {
		s.flaw("%s holds a NUL byte: it was replaced", s.field)
		text = strings.ReplaceAll(text, "\x00", "\uFFFD")
	}
	return text
}

// instant reads an RFC 3339 time with its offset. null is the zero time.
func (s *scanner) instant() time.Time {
	value := s.value()
	if value.Kind() == 'n' || len(value) == 0 {
		return time.Time{}
	}
	if value.Kind() == '"' {
		var t time.Time
		if err := t.UnmarshalText(value[1 : len(value)-1]); err == nil {
			return t.UTC()
		}
		if text, _ := s.unquote(value); t.UnmarshalText([]byte(text)) == nil {
			return t.UTC()
		}
	}
	s.reject("%s must be a date and time with an offset, such as 2026-01-31T12:30:00Z: %.40s", s.field, string(value))
	return time.Time{}
}

// amount reads an amount, exactly as it is written. A JSON number is refused:
// half of the world's readers would have rounded it.
func (s *scanner) amount() Amount {
	value := s.value()
	switch value.Kind() {
	case '"':
		text, _ := s.unquote(value)
		if text != "" {
			s.check(Amount(text).check())
		}
		return Amount(text)
	case 'n', 0:
		return ""
	}
	s.reject("%w, as a string: %.40s", ErrAmount, string(value))
	return ""
}

// kind reads a transaction's type; one that is absent or unknown is OTHER.
func (s *scanner) kind() TransactionType {
	text, _ := s.str()
	if t := TransactionType(text); t.Known() {
		return t
	}
	if text != "" {
		s.flaw("unknown %s %.40q: read as %s", s.field, text, TypeOther)
	}
	return TypeOther
}

// status reads a status; one that is absent or unknown is OTHER, never a success.
func (s *scanner) status() TransactionStatus {
	text, _ := s.str()
	if st := TransactionStatus(text); st.Known() {
		return st
	}
	if text != "" {
		s.flaw("unknown %s %.40q: read as %s", s.field, text, StatusOther)
	}
	return StatusOther
}

// metadata reads a map of strings. null is no map.
func (s *scanner) metadata() map[string]string {
	if kind := s.dec.PeekKind(); kind != '{' {
		if value := s.value(); kind != 'n' && s.broken == nil {
			s.reject("%s must be an object of strings, not %s", s.field, describe(value))
		}
		return nil
	}
	_, _ = s.dec.ReadToken()
	metadata := make(map[string]string)
	for s.dec.PeekKind() == '"' && s.broken == nil {
		key, clean := s.str()
		key = s.mend(key, clean)
		text, clean, ok := s.metadataValue(key)
		if !ok {
			continue
		}
		if _, twice := metadata[key]; twice {
			s.flaw("%s has the key %.40q twice: the last one counts", s.field, key)
		}
		metadata[key] = s.mend(text, clean)
	}
	_, _ = s.dec.ReadToken()
	return metadata
}

func (s *scanner) metadataValue(key string) (text string, clean, ok bool) {
	value := s.value()
	switch value.Kind() {
	case '"':
		text, clean = s.unquote(value)
		return text, clean, true
	case 'n':
		s.flaw("%s value of %.40q is null: read as empty", s.field, key)
		return "", true, true
	case 0:
		return "", true, false
	}
	s.reject("%s value of %.40q must be a string, not %s", s.field, key, describe(value))
	return "", true, false
}

// balances reads the entries of an account's balances.
func (s *scanner) balances() []Balance {
	var entries []Balance
	s.elements(func(i int) {
		s.path = fmt.Sprintf("balances[%d]: ", i)
		var entry Balance
		balanceFields.scan(s, &entry)
		s.check(checkAmount(entry.Amount))
		s.check(checkAsset(entry.Currency))
		entries = append(entries, entry)
	})
	s.path = ""
	return entries
}

// texts reads a list of strings.
func (s *scanner) texts() []string {
	var texts []string
	s.elements(func(int) { texts = append(texts, s.words()) })
	return texts
}

// elements calls read before each element of the list that comes next. null is
// no list.
func (s *scanner) elements(read func(i int)) {
	if kind := s.dec.PeekKind(); kind != '[' {
		if value := s.value(); kind != 'n' && s.broken == nil {
			s.reject("%s must be a list, not %s", s.field, describe(value))
		}
		return
	}
	_, _ = s.dec.ReadToken()
	for i := 0; s.dec.PeekKind() != ']' && s.broken == nil; i++ {
		read(i)
	}
	_, _ = s.dec.ReadToken()
}

// count reads a whole number.
func (s *scanner) count() int {
	value := s.value()
	n, err := strconv.Atoi(string(value))
	if err != nil && value.Kind() != 'n' && s.broken == nil {
		s.reject("%s must be a whole number, not %s", s.field, describe(value))
	}
	return n
}

// check is reject for an error that is a sentence already.
func (s *scanner) check(err error) {
	if err != nil {
		s.reject("%w", err)
	}
}

// objection says what the strict mode did not like about a record.
func objection(err error) string {
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) && errors.Is(err, jsontext.ErrDuplicateName) {
		return fmt.Sprintf("the key %.40q is given twice", syntax.JSONPointer.LastToken())
	}
	return "text is not valid UTF-8"
}
