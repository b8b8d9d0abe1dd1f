package sdk

import (
	"strings"
	"testing"
	"time"
)

// place is a zone with summer time.
func place(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Skip(err)
	}
	return zone
}

func TestTimesAreInstantsInUTC(t *testing.T) {
	berlin := place(t, "Europe/Berlin")
	for _, c := range []struct {
		times      Times
		text, want string
	}{
		{Times{}, "2026-01-31T12:30:00.123456+01:00", "2026-01-31T11:30:00.123456Z"},
		{Times{}, "2026-01-31T12:30:00Z", "2026-01-31T12:30:00Z"},
		{Times{Zone: berlin}, "2026-07-31T12:30:00", "2026-07-31T10:30:00Z"},
		{Times{Zone: berlin}, "2026-01-31 12:30:00", "2026-01-31T11:30:00Z"},
		{Times{Zone: berlin}, "2026-01-31T12:30:00Z", "2026-01-31T12:30:00Z"},
		{Times{Zone: berlin, Dates: DateStart}, "2026-07-31", "2026-07-30T22:00:00Z"},
		{Times{Zone: berlin, Dates: DateNoon}, "2026-03-29", "2026-03-29T10:00:00Z"},
		{Times{Zone: berlin, Dates: DateEnd}, "2026-03-29", "2026-03-29T21:59:59.999999Z"},
		{Times{Layouts: []string{"02.01.2006"}, Zone: time.UTC, Dates: DateStart}, "31.01.2026", "2026-01-31T00:00:00Z"},
		{Times{Layouts: []string{"02.01.2006", time.RFC1123Z}, Dates: DateStart}, "Sat, 31 Jan 2026 12:30:00 +0100", "2026-01-31T11:30:00Z"},
		{Times{Layouts: []string{time.RFC1123}, Zone: berlin}, "Sat, 31 Jan 2026 12:30:00 CET", "2026-01-31T11:30:00Z"},
		{Times{Layouts: []string{time.RFC1123}}, "Sat, 31 Jan 2026 12:30:00 GMT", "2026-01-31T12:30:00Z"},
	} {
		at, err := c.times.Parse(c.text)
		if got := at.Format(time.RFC3339Nano); got != c.want || err != nil {
			t.Errorf("%s: %s %v, want %s", c.text, got, err, c.want)
		}
	}
}

func TestTimesThatLeaveTheInstantOpenAreRefused(t *testing.T) {
	for _, c := range []struct {
		times     Times
		text, why string
	}{
		{Times{}, "2026-01-31T12:30:00", "none of the forms"},
		{Times{}, "2026-01-31", "none of the forms"},
		{Times{}, "", "none of the forms"},
		{Times{}, "2026-02-30T00:00:00Z", "none of the forms"},
		{Times{Dates: DateStart}, "2026-01-31", "has no offset"},
		{Times{Zone: time.UTC, Layouts: []string{time.DateOnly}}, "2026-01-31", "is a date"},
		{Times{Layouts: []string{time.DateTime}}, "2026-01-31 12:30:00", "has no offset"},
		{Times{Layouts: []string{time.RFC1123}}, "Sat, 31 Jan 2026 12:30:00 CET", "names a zone"},
	} {
		at, err := c.times.Parse(c.text)
		if err == nil || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%q: %s, %v, want an error with %q", c.text, at, err, c.why)
		}
	}
}
