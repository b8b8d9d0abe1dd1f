package hub

import (
	"bytes"
	"encoding/json"
	"reflect"
	"time"
)

// Verdict says what a shown version of a record is to the versions stored.
type Verdict int

// The verdicts.
const (
	// Known is stored already and is dropped.
	Known Verdict = iota
	// New is the record's newest version.
	New
	// Older is a version that was not stored before, with an updatedAt before the
	// newest: it is kept and does not overwrite.
	Older
	// Conflicting is New, although the newest stored version carries the same
	// updatedAt: the service changed the record without moving its stamp.
	Conflicting
)

// Admit decides whether shown is worth keeping, given the stored versions of the
// same record in the order of storing, and gives it the Version that sets its
// identifier apart. A version is new when it differs from the newest in anything
// that was shown, so a status may return to an earlier value; one that is older
// than the newest is kept once. The versions' Raw must be filled in.
func Admit(stored []PaymentAdjustment, shown *PaymentAdjustment) Verdict {
	shown.Version = 1
	var newest *PaymentAdjustment
	for i := range stored {
		s := &stored[i]
		if newest == nil || !s.UpdatedAt.Before(newest.UpdatedAt) {
			newest = s
		}
		if s.Status == shown.Status && s.CreatedAt.Equal(shown.CreatedAt) {
			shown.Version++
		}
	}
	switch {
	case newest == nil:
		return New
	case shown.UpdatedAt.Before(newest.UpdatedAt):
		for i := range stored {
			if SameContent(stored[i].Raw, shown.Raw) {
				return Known
			}
		}
		return Older
	case SameContent(newest.Raw, shown.Raw):
		return Known
	case shown.UpdatedAt.Equal(newest.UpdatedAt):
		return Conflicting
	default:
		return New
	}
}

// SameContent reports whether two records, as they came, show the same: the
// order of keys, white space, the offset in which an instant is written and the
// leading zeros of an amount are how a thing is said, not what is said.
func SameContent(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, errA := readContent(a)
	y, errB := readContent(b)
	return errA == nil && errB == nil && reflect.DeepEqual(x, y)
}

func readContent(raw []byte) (map[string]any, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var fields map[string]any
	if err := dec.Decode(&fields); err != nil {
		return nil, err
	}
	for key, value := range fields {
		text, ok := value.(string)
		if !ok {
			continue
		}
		switch key {
		case "createdAt", "updatedAt", "at":
			if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
				fields[key] = t.UTC().Format(time.RFC3339Nano)
			}
		case "amount":
			if n, err := ParseAmount(text); err == nil {
				fields[key] = n.String()
			}
		}
	}
	return fields, nil
}
