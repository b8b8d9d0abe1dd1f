package statements

import "time"

// Moment is a date, or a date and time, as a file gives it. Files often leave
// the zone or the time of day open; a Moment keeps what is known.
type Moment struct {
	// fields holds the written date and time as if they were in UTC, or the
	// instant itself when precise.
	fields time.Time
	kind   momentKind
}

type momentKind int

const (
	absent momentKind = iota
	dateOnly
	local   // a time without a zone
	instant // a time with its offset
)

// Bounds of what is a date in a statement: outside, a digit is wrong.
const yearMin, yearMax = 1950, 2200

// DateOf is a date without a time of day. It is not ok when there is no such
// day, for example 30 February.
func DateOf(year int, month time.Month, day int) (m Moment, ok bool) {
	t := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	if t.Year() != year || t.Month() != month || t.Day() != day || year < yearMin || year > yearMax {
		return Moment{}, false
	}
	return Moment{t, dateOnly}, true
}

// IsZero reports whether the file gave no moment.
func (m Moment) IsZero() bool { return m.kind == absent }

// IsDate reports whether the time of day is not known.
func (m Moment) IsDate() bool { return m.kind == dateOnly }

// Day is the date as the file wrote it, YYYY-MM-DD; empty for the zero Moment.
func (m Moment) Day() string {
	if m.kind == absent {
		return ""
	}
	return m.fields.Format(time.DateOnly)
}

// In is the instant: a date is the beginning of its day in zone, a time
// without an offset is read in zone, a time with one is what it is.
func (m Moment) In(zone *time.Location) time.Time {
	switch m.kind {
	case absent:
		return time.Time{}
	case instant:
		return m.fields.UTC()
	}
	f := m.fields
	return time.Date(f.Year(), f.Month(), f.Day(), f.Hour(), f.Minute(), f.Second(), f.Nanosecond(), zone).UTC()
}

// String is the moment as a file would write it.
func (m Moment) String() string {
	switch m.kind {
	case absent:
		return ""
	case dateOnly:
		return m.Day()
	case local:
		return m.fields.Format("2006-01-02T15:04:05.999999999")
	}
	return m.fields.Format(time.RFC3339Nano)
}

// before compares by the written date.
func (m Moment) before(other Moment) bool { return m.Day() < other.Day() }

// parseISO reads an xs:date or xs:dateTime. Some banks put a zone behind a
// date; the date stands.
func parseISO(text string) (Moment, error) {
	if len(text) >= len(time.DateOnly) && text[4] == '-' && text[7] == '-' && isDigits(text[:4]) && isDigits(text[5:7]) && isDigits(text[8:10]) {
		date, ok := DateOf(number(text[:4]), time.Month(number(text[5:7])), number(text[8:10]))
		if !ok {
			return Moment{}, flawf("there is no day %.10q", text)
		}
		if rest := text[10:]; rest == "" || rest[0] != 'T' {
			if rest == "" || rest[0] == 'Z' || rest[0] == '+' || rest[0] == '-' {
				return date, nil
			}
			return Moment{}, flawf("%.40q is no date", text)
		}
		if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
			return Moment{t, instant}, nil
		}
		if t, err := time.Parse("2006-01-02T15:04:05.999999999", text); err == nil {
			return Moment{t, local}, nil
		}
		if t, err := time.Parse("2006-01-02T15:04", text); err == nil {
			return Moment{t, local}, nil
		}
		if len(text) >= 19 && text[10:19] == "T24:00:00" {
			return Moment{date.fields.AddDate(0, 0, 1), dateOnly}, nil
		}
	}
	return Moment{}, flawf("%.40q is no date or time of ISO 8601, such as 2026-01-31 or 2026-01-31T12:30:00+01:00", text)
}

// number reads digits that were checked before.
func number(digits string) int {
	n := 0
	for i := range len(digits) {
		n = n*10 + int(digits[i]-'0')
	}
	return n
}
