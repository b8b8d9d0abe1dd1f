package sdk

import (
	"fmt"
	"time"
)

// DateRule says which instant a provider's date without a time of day stands for.
type DateRule int

// The rules. The zero value refuses dates, so that somebody has to decide.
const (
	DateRefused DateRule = iota
	// DateStart is the first instant of the day.
	DateStart
	// DateNoon is noon, which falls on the same date in most of the world.
	DateNoon
	// DateEnd is the last microsecond of the day.
	DateEnd
)

// Times reads a provider's times as instants. The zero value reads RFC 3339 with
// an offset, such as 2026-01-31T12:30:00+01:00, and refuses everything that
// leaves open which instant is meant.
type Times struct {
	// Layouts are the forms to try, in this order, as package time writes them.
	// None means RFC 3339, with or without a fraction of a second.
	Layouts []string
	// Zone is where a time without an offset, or a date, is meant. nil: nobody
	// knows, and such a text is refused. In the hour that comes twice when summer
	// time ends, Zone decides as [time.Date] does.
	Zone *time.Location
	// Dates says what a date without a time of day stands for.
	Dates DateRule
}

// Parse reads the text as an instant in UTC. Its error names the text and what
// is missing.
func (p Times) Parse(text string) (time.Time, error) {
	layouts := p.Layouts
	if len(layouts) == 0 {
		layouts = []string{time.RFC3339}
		if p.Dates != DateRefused {
			layouts = append(layouts, time.DateOnly)
		}
		if p.Zone != nil {
			layouts = append(layouts, "2006-01-02T15:04:05", time.DateTime)
		}
	}
	for _, layout := range layouts {
		if at, err := time.ParseInLocation(layout, text, p.zone()); err == nil {
			return p.settle(at, layout, text)
		}
	}
	return time.Time{}, fmt.Errorf("time %.40q has none of the forms %q", text, layouts)
}

// settle makes an instant of what a layout has found in the text.
func (p Times) settle(at time.Time, layout, text string) (time.Time, error) {
	dateOnly := !hasClock(layout)
	switch {
	case dateOnly && p.Dates == DateRefused:
		return time.Time{}, fmt.Errorf("time %.40q is a date; say in Times.Dates which instant of the day it stands for", text)
	case inventedZone(at):
		return time.Time{}, fmt.Errorf("time %.40q names a zone that can't be told from its letters; set Times.Zone to where it is", text)
	case p.Zone == nil && zoneIsOpen(layout, text):
		return time.Time{}, fmt.Errorf("time %.40q has no offset; say in Times.Zone where it is meant", text)
	}
	if dateOnly {
		year, month, day := at.Date()
		switch p.Dates {
		case DateNoon:
			at = time.Date(year, month, day, 12, 0, 0, 0, at.Location())
		case DateEnd:
			at = time.Date(year, month, day+1, 0, 0, 0, 0, at.Location()).Add(-time.Microsecond)
		case DateRefused, DateStart:
		}
	}
	return at.UTC(), nil
}

func (p Times) zone() *time.Location {
	if p.Zone == nil {
		return time.UTC
	}
	return p.Zone
}

// hasClock reports whether a layout has a time of day: whether it writes two
// hours of one day differently.
func hasClock(layout string) bool {
	morning := time.Date(2006, 1, 2, 3, 0, 0, 0, time.UTC)
	return morning.Format(layout) != morning.Add(9*time.Hour+30*time.Minute).Format(layout)
}

// zoneIsOpen reports whether the text means another instant in another zone.
func zoneIsOpen(layout, text string) bool {
	here, errHere := time.ParseInLocation(layout, text, time.UTC)
	there, errThere := time.ParseInLocation(layout, text, time.FixedZone("", 3600))
	return errHere != nil || errThere != nil || !here.Equal(there)
}

// inventedZone reports whether package time knew only the letters of a zone,
// such as CET, and made up an offset of zero for it.
func inventedZone(at time.Time) bool {
	name, offset := at.Zone()
	return offset == 0 && name != "" && at.Location().String() == name && name != "UTC" && name != "GMT"
}
