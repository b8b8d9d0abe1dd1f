package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/weirhq/weir/internal/hub"
)

// night is when somebody was woken by a stream.
var night = time.Date(2026, 5, 1, 3, 12, 7, 0, time.UTC)

func ago(d time.Duration) *time.Time {
	at := night.Add(-d)
	return &at
}

func idleStream(connector string, resource hub.Resource, versions int64) streamInfo {
	return streamInfo{
		ConnectorID: "id-" + connector, ConnectorName: connector, Resource: resource, State: hub.StreamIdle, CaughtUp: true,
		Summary:   "All that the service has shown is stored; the next poll is due in 18 seconds.",
		NextDueAt: ago(-18 * time.Second), LastPollAt: ago(12 * time.Second), LastSuccessAt: ago(12 * time.Second),
		LagSeconds: 12, Versions: versions, Requests: versions,
	}
}

func failingStream(connector string, resource hub.Resource, since time.Duration, code hub.Code, message string) streamInfo {
	s := idleStream(connector, resource, 12345)
	s.State, s.FailingSince, s.ConsecutiveFailures = hub.StreamFailing, ago(since), 27
	s.LagSeconds, s.NextDueAt = int64((since + time.Minute).Seconds()), ago(-4*time.Minute-10*time.Second)
	s.LastError = &streamError{Code: code, Message: message}
	s.Summary = "It fails."
	return s
}

// aBadNight has everything in it that may be wrong with streams.
func aBadNight() []streamInfo {
	unreachable := "the service at https://globex.example.com could not be reached: connection refused. Check that it runs and that the endpoint is right"
	incomplete := idleStream("initech", hub.Transactions, 250)
	incomplete.State = hub.StreamIncomplete
	incomplete.Summary = "Rows may be missing. The service ignores page. The next poll is due now."
	incomplete.Findings = []findingInfo{{"the service ignores page", true}, {"the service serves at most 50 rows a page", false}}
	quarantine := idleStream("acme", hub.Transactions, 1234567)
	quarantine.OpenRejections, quarantine.LateRows = 1200, 3
	paused := idleStream("acme", hub.Accounts, 12)
	paused.State, paused.PausedAt, paused.Summary = hub.StreamPaused, ago(50*time.Hour), "Paused for 2 days; nothing is read until it is resumed."
	late := idleStream("hooli", hub.Balances, 8)
	late.State, late.NextDueAt = hub.StreamLate, ago(27*time.Minute)
	late.Summary = "A poll has been due for 27 minutes and nobody has run it; look whether weir serve is running."
	alsoFailing := failingStream("globex", hub.Transactions, 2*time.Hour+4*time.Minute, hub.CodeUnreachable, unreachable)
	alsoFailing.OpenRejections = 1
	alsoFailing.LastError.Message = "read transactions: page 3: " + unreachable
	fresh := idleStream("umbrella", hub.Beneficiaries, 0)
	fresh.State, fresh.CaughtUp, fresh.LastPollAt, fresh.LastSuccessAt, fresh.LagSeconds = hub.StreamReading, false, nil, nil, 0
	return []streamInfo{
		idleStream("acme", hub.Balances, 40), quarantine, paused,
		failingStream("globex", hub.Accounts, 2*time.Hour+3*time.Minute, hub.CodeUnreachable, unreachable),
		alsoFailing, late, incomplete,
		failingStream("O'Hara & Söhne, Zweigniederlassung Frankfurt am Main", hub.Transactions, 40*time.Second, hub.CodeKeyRefused,
			"the service refused the API key (status 401); it says: \"expired\x1b[31m\". Set the connector's key to one that the service knows"),
		fresh,
	}
}

func TestTheWorstStreamStandsOnTopWithWhatToDo(t *testing.T) {
	golden(t, "status.txt", terminal{}.overview(aBadNight(), night, 0))
}

func TestColoursAreForTerminalsOnly(t *testing.T) {
	if text := (terminal{}).overview(aBadNight(), night, 0); strings.Contains(text, "\x1b") {
		t.Error("what goes into a file holds codes of a terminal")
	}
	painted := terminal{is: true, colours: true, columns: 110}.overview(aBadNight(), night, 0)
	for _, want := range []string{"\x1b[1;31mfailing\x1b[0m", "\x1b[32midle\x1b[0m", "\x1b[33mpaused\x1b[0m"} {
		if !strings.Contains(painted, want) {
			t.Errorf("%q is not painted", want)
		}
	}
	for _, variable := range []string{"NO_COLOR", "TERM"} {
		t.Run(variable, func(t *testing.T) {
			t.Setenv(variable, map[string]string{"NO_COLOR": "1", "TERM": "dumb"}[variable])
			if terminalOf(&bytes.Buffer{}).colours || wantsColours() {
				t.Error("it does not switch the colours off")
			}
		})
	}
}

func TestColumnsAreAlignedWhateverTheNames(t *testing.T) {
	for _, columns := range []int{0, 80, 100, 140} {
		lines := strings.Split(strings.TrimSuffix(terminal{columns: columns}.streamTable(aBadNight(), night), "\n"), "\n")
		for _, line := range lines {
			width := utf8.RuneCountInString(line)
			if width != utf8.RuneCountInString(lines[0]) {
				t.Errorf("not as wide as the heading:\n%s\n%s", lines[0], line)
			}
			if columns > 0 && width > columns {
				t.Errorf("%d columns do not fit into %d: %s", width, columns, line)
			}
		}
	}
}

func TestALowWindowLeavesOutWhatIsWell(t *testing.T) {
	streams := aBadNight()[5:6]
	for range 40 {
		streams = append(streams, idleStream("acme", hub.Balances, 40))
	}
	picture := terminal{}.overview(streams, night, 20)
	if lines := strings.Count(picture, "\n"); lines > 20 {
		t.Errorf("%d lines for 20 rows:\n%s", lines, picture)
	}
	for _, want := range []string{"hooli", "… and 29 more that are well", "weir poll hooli balances"} {
		if !strings.Contains(picture, want) {
			t.Errorf("it lacks %q:\n%s", want, picture)
		}
	}
	if lines := strings.Count((terminal{}).overview(aBadNight(), night, 10), "\n"); lines > 10 {
		t.Errorf("%d lines for 10 rows", lines)
	}
}

func TestStatusTellsByItsExitStatusWhetherSomebodyIsNeeded(t *testing.T) {
	night := aBadNight()
	tests := []struct {
		name    string
		streams []streamInfo
		want    bool
	}{
		{"none", nil, false},
		{"idle", night[0:1], false},
		{"in quarantine", night[0:2], true},
		{"paused", night[2:3], false},
		{"failing", night[3:4], true},
		{"late", night[5:6], true},
		{"incomplete", night[6:7], true},
		{"reading", night[8:9], false},
	}
	for _, test := range tests {
		err := attention(test.streams)
		if got := errors.Is(err, errAttention); got != test.want {
			t.Errorf("%s: somebody is needed: %t, want %t", test.name, got, test.want)
		}
		if err != nil && exitStatus(err) != 2 {
			t.Errorf("%s: exit status %d, want 2", test.name, exitStatus(err))
		}
	}
	if status := exitStatus(errors.New("no answer")); status != 1 {
		t.Errorf("exit status %d where the core could not be asked, want 1", status)
	}
}

func TestWatchingIntoAFileWritesEachChangeOnce(t *testing.T) {
	var out bytes.Buffer
	known := map[string]string{}
	streams := aBadNight()[:2]
	writeChanges(&out, known, streams, night, nil)
	writeChanges(&out, known, streams, night.Add(time.Second), nil)
	writeChanges(&out, known, nil, night.Add(2*time.Second), errors.New("no payments core answers"))
	writeChanges(&out, known, nil, night.Add(3*time.Second), errors.New("no payments core answers"))
	streams[0].Versions++
	writeChanges(&out, known, streams, night.Add(4*time.Second), nil)
	want := `2026-05-01T03:12:07Z acme transactions: idle, 1,234,567 stored, 1,200 in quarantine
2026-05-01T03:12:07Z acme balances: idle, 40 stored, 0 in quarantine
2026-05-01T03:12:09Z no payments core answers
2026-05-01T03:12:11Z acme transactions: idle, 1,234,568 stored, 1,200 in quarantine
`
	if out.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", &out, want)
	}
}

func TestWhatAServiceSentCanNotSteerTheTerminal(t *testing.T) {
	for text, want := range map[string]string{
		"plain, größer, 漢字":     "plain, größer, 漢字",
		"\x1b[2J":               `\x1b[2J`,
		"a\nb\tc\x00":           `a\x0ab\x09c\x00`,
		"\xff\xfe":              `\xff\xfe`,
		"right to left \u202e!": `right to left \u202e!`,
		"\u009b31m":             `\u009b31m`,
	} {
		if got := printable(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
}

func TestANameCanBePastedIntoAShell(t *testing.T) {
	for name, want := range map[string]string{
		"acme": "acme", "a b": "'a b'", "O'Hara": `'O'\''Hara'`, "-x": "'-x'", "$(id)": "'$(id)'", "": "''", "~": "'~'",
	} {
		if got := shellWord(name); got != want {
			t.Errorf("%q is written %s, want %s", name, got, want)
		}
	}
}

func TestASpanHasTwoUnitsAtTheMost(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 59 * time.Second: "59s", time.Minute: "1m", 125 * time.Second: "2m 5s",
		2*time.Hour + 3*time.Minute + 4*time.Second: "2h 3m", 48 * time.Hour: "2d", 51*time.Hour + time.Minute: "2d 3h",
	} {
		if got := span(d); got != want {
			t.Errorf("%s is written %q, want %q", d, got, want)
		}
	}
}
