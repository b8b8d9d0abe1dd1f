package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/weirhq/weir/internal/hub"
)

const (
	// watchEvery is the pause between two looks.
	watchEvery = time.Second
	// nameColumnsMin and nameColumnsMax bound a connector's name in the table; what
	// stands below it has it whole. Names may have 500 characters.
	nameColumnsMin = 10
	nameColumnsMax = 40
	// textColumns is where sentences are broken.
	textColumns = 100
)

// errAttention ends weir status with status 2: it could ask, and not all is well.
var errAttention = fmt.Errorf("something needs attention: %w", errSaid)

// exitStatus is what a command that ended with err exits with.
func exitStatus(err error) int {
	if errors.Is(err, errAttention) {
		return 2
	}
	return 1
}

func statusCommand() *cobra.Command {
	var server serverFlags
	var watch, asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Show every stream at a glance, the worst first",
		Long: `Show every stream of a running payments core at a glance, the worst first: how it
stands, how far it is behind, when it is read next, how many versions of records
are stored, how many records are in quarantine, and how many came late. Below the
table: what is wrong in plain words, since when, and what to do.

It exits with 0 when all is well, with 1 when the core could not be asked, and
with 2 when something needs attention: a stream fails, is late, can't be read
completely, or has records in quarantine. A stream that is paused needs none.

With --watch it looks every second until Ctrl-C and then exits with 0. On a
terminal the picture is drawn anew, elsewhere each change is a line.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := server.open()
			if err != nil {
				return err
			}
			switch out := c.OutOrStdout(); {
			case watch && asJSON:
				return errors.New("--watch draws for people and --json writes for programs; choose one of them")
			case watch:
				return watchStatus(c.Context(), api, out)
			case asJSON:
				return jsonStatus(c.Context(), api, out)
			default:
				return showStatus(c.Context(), api, out)
			}
		},
	}
	server.add(c.Flags())
	c.Flags().BoolVar(&watch, "watch", false, "look every second until Ctrl-C")
	c.Flags().BoolVar(&asJSON, "json", false, "write what the API says about the streams, as JSON")
	return c
}

func showStatus(ctx context.Context, api *client, out io.Writer) error {
	streams, err := api.streams(ctx, "")
	if err != nil {
		return err
	}
	if _, err := io.WriteString(out, terminalOf(out).overview(streams, api.now(), 0)); err != nil {
		return err
	}
	return attention(streams)
}

func jsonStatus(ctx context.Context, api *client, out io.Writer) error {
	var list envelope[json.RawMessage]
	if err := api.get(ctx, "/v3/streams", &list); err != nil {
		return err
	}
	var streams []streamInfo
	if err := json.Unmarshal(list.Data, &streams); err != nil {
		return err
	}
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(list.Data); err != nil {
		return err
	}
	return attention(streams)
}

// attention returns errAttention when a stream needs it.
func attention(streams []streamInfo) error {
	if slices.ContainsFunc(streams, func(s streamInfo) bool { return s.needsAttention() }) {
		return errAttention
	}
	return nil
}

// watchStatus looks again and again. A core that does not answer is shown as
// such and asked again: it may be starting.
func watchStatus(ctx context.Context, api *client, out io.Writer) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	changes := make(map[string]string)
	for {
		streams, err := api.streams(ctx, "")
		if ctx.Err() != nil {
			return nil
		}
		if t := terminalOf(out); t.is {
			t.redraw(out, t.picture(streams, api, err))
		} else {
			writeChanges(out, changes, streams, api.now(), err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (t terminal) picture(streams []streamInfo, api *client, err error) string {
	heading := t.paint(faint, api.base+" · "+time.Now().Format(time.TimeOnly)+" · Ctrl-C ends") + "\n"
	if err != nil {
		return heading + "\n" + t.paint(red, wrap(printable(err.Error()), "", min(cmp.Or(t.columns, textColumns), textColumns)))
	}
	rows := 0
	if t.rows > 0 {
		rows = max(t.rows-2, 1) // less the heading, and the line that the cursor is in
	}
	return heading + t.overview(streams, api.now(), rows)
}

// redraw draws over what was drawn before, without clearing it first, which would
// flicker.
func (terminal) redraw(out io.Writer, text string) {
	text = strings.ReplaceAll(text, "\n", "\x1b[K\n")
	fmt.Fprint(out, "\x1b[H"+text+"\x1b[J")
}

// writeChanges writes a line for each stream that is not as it was.
func writeChanges(out io.Writer, known map[string]string, streams []streamInfo, now time.Time, err error) {
	write := func(key, line string) {
		if known[key] != line {
			known[key] = line
			fmt.Fprintln(out, now.UTC().Format(time.RFC3339)+" "+line)
		}
	}
	if err != nil {
		write("", printable(err.Error()))
		return
	}
	delete(known, "")
	byUrgency(streams, now)
	for i := range streams {
		s := &streams[i]
		line := fmt.Sprintf("%s %s: %s, %s stored, %s in quarantine",
			s.connector(), s.Resource, s.State, grouped(s.Versions), grouped(s.OpenRejections))
		if s.State == hub.StreamFailing && s.LastError != nil {
			line += ": " + printable(s.LastError.Message)
		}
		write(s.ConnectorID+"/"+string(s.Resource), line)
	}
}

// connector is the name of the stream's connector, which is empty while it is
// being removed.
func (s *streamInfo) connector() string {
	return printable(cmp.Or(s.ConnectorName, "(being removed)"))
}

func (s *streamInfo) needsAttention() bool { return s.urgency() <= urgencyQuarantine }

// The urgencies of a stream, the most urgent first.
const (
	urgencyFailing = iota
	urgencyLate
	urgencyIncomplete
	urgencyQuarantine
	urgencyPaused
	urgencyReading
	urgencyIdle
)

func (s *streamInfo) urgency() int {
	switch {
	case s.State == hub.StreamFailing:
		return urgencyFailing
	case s.State == hub.StreamLate:
		return urgencyLate
	case s.State == hub.StreamIncomplete:
		return urgencyIncomplete
	case s.OpenRejections > 0:
		return urgencyQuarantine
	case s.State == hub.StreamPaused:
		return urgencyPaused
	case s.State == hub.StreamReading:
		return urgencyReading
	default:
		return urgencyIdle
	}
}

// byUrgency puts the worst first, and what has lasted longest before the rest.
func byUrgency(streams []streamInfo, now time.Time) {
	slices.SortStableFunc(streams, func(a, b streamInfo) int {
		return cmp.Or(
			cmp.Compare(a.urgency(), b.urgency()),
			cmp.Compare(b.lasting(now), a.lasting(now)),
			strings.Compare(a.ConnectorName, b.ConnectorName),
			strings.Compare(a.ConnectorID, b.ConnectorID),
		)
	})
}

// lasting is how long a stream has been failing, late or paused, to the second.
func (s *streamInfo) lasting(now time.Time) time.Duration {
	var since *time.Time
	switch s.State {
	case hub.StreamFailing:
		since = s.FailingSince
	case hub.StreamLate:
		since = s.NextDueAt
	case hub.StreamPaused:
		since = s.PausedAt
	case hub.StreamIncomplete, hub.StreamReading, hub.StreamIdle:
	}
	if since == nil || since.After(now) {
		return 0
	}
	return now.Sub(*since).Truncate(time.Second)
}

// overview is the whole picture. Where it has only so many rows, above zero, it
// leaves out streams that are well rather than what is wrong.
func (t terminal) overview(streams []streamInfo, now time.Time, rows int) string {
	if len(streams) == 0 {
		return "There is no connector yet. Install one with:\n  weir connect NAME ENDPOINT --api-key-file FILE\n"
	}
	streams = slices.Clone(streams)
	byUrgency(streams, now)
	head, details := t.headline(streams)+"\n\n", t.details(streams, now)
	lines := strings.SplitAfter(strings.TrimSuffix(t.streamTable(streams, now), "\n"), "\n")
	well := countOf(streams, func(s *streamInfo) bool { return s.urgency() > urgencyPaused })
	room := rows - strings.Count(head+details, "\n") - 1
	if keep := max(room, len(lines)-well, 1); rows > 0 && keep < len(lines) {
		lines = append(lines[:keep], t.paint(faint, fmt.Sprintf("… and %d more that are well", len(lines)-keep)))
	}
	picture := head + strings.TrimSuffix(strings.Join(lines, ""), "\n") + "\n" + details
	if all := strings.SplitAfter(picture, "\n"); rows > 0 && len(all)-1 > rows {
		picture = strings.Join(all[:rows-1], "") + t.paint(faint, "… and more; make the window taller") + "\n"
	}
	return picture
}

func countOf(streams []streamInfo, is func(*streamInfo) bool) int {
	n := 0
	for i := range streams {
		if is(&streams[i]) {
			n++
		}
	}
	return n
}

func (t terminal) headline(streams []streamInfo) string {
	connectors := make(map[string]bool)
	for i := range streams {
		connectors[streams[i].ConnectorID] = true
	}
	bad := countOf(streams, (*streamInfo).needsAttention)
	paused := countOf(streams, func(s *streamInfo) bool { return s.State == hub.StreamPaused })
	text := fmt.Sprintf("%s of %s: ", plural(len(streams), "stream"), plural(len(connectors), "connector"))
	switch {
	case bad > 0:
		text += t.paint(red, needs(bad)+" attention")
	case paused == 0:
		text += t.paint(green, "all are well")
	default:
		text += t.paint(green, "none needs attention")
	}
	if paused > 0 {
		text += ", " + t.paint(yellow, fmt.Sprintf("%d paused", paused))
	}
	return text
}

func needs(n int) string {
	if n == 1 {
		return "1 needs"
	}
	return grouped(int64(n)) + " need"
}

func plural[N int | int64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return grouped(int64(n)) + " " + noun + "s"
}

// streamTable has one line for each stream. Where the terminal is too narrow the
// names are shortened, and then the columns left out that matter least at night.
func (t terminal) streamTable(streams []streamInfo, now time.Time) string {
	var heading []cell
	for i, text := range []string{"CONNECTOR", "STREAM", "STATE", "FOR", "BEHIND", "NEXT POLL", "STORED", "QUARANTINE", "LATE"} {
		heading = append(heading, cell{text: text, colour: faint, right: i > 2})
	}
	rows := [][]cell{heading}
	for i := range streams {
		rows = append(rows, streamRow(&streams[i], now))
	}
	const late, behind = 8, 4
	for _, column := range []int{late, behind} {
		if t.columns > 0 && widthOf(rows)-columnWidth(rows, 0)+nameColumnsMin > t.columns {
			for i := range rows {
				rows[i] = slices.Delete(rows[i], column, column+1)
			}
		}
	}
	most := nameColumnsMax
	if t.columns > 0 {
		most = min(max(t.columns-widthOf(rows)+columnWidth(rows, 0), nameColumnsMin), nameColumnsMax)
	}
	for i := range rows {
		rows[i][0].text = abbreviate(rows[i][0].text, most)
	}
	return t.table(rows)
}

func streamRow(s *streamInfo, now time.Time) []cell {
	quarantine := cell{text: numberOrDash(s.OpenRejections), right: true}
	if s.OpenRejections > 0 {
		quarantine.colour = yellow
	}
	return []cell{
		{text: s.connector()},
		{text: string(s.Resource)},
		{text: string(s.State), colour: s.colour()},
		{text: orDash(s.lasting(now)), right: true},
		{text: s.behind(), right: true},
		{text: s.nextPoll(now), right: true},
		{text: grouped(s.Versions), right: true},
		quarantine,
		{text: numberOrDash(s.LateRows), right: true},
	}
}

func (s *streamInfo) colour() colour {
	switch s.State {
	case hub.StreamFailing, hub.StreamLate:
		return red
	case hub.StreamIncomplete, hub.StreamPaused:
		return yellow
	case hub.StreamIdle:
		return green
	case hub.StreamReading:
		return plain
	default:
		return plain
	}
}

func orDash(d time.Duration) string {
	if d <= 0 {
		return "-"
	}
	return span(d)
}

func numberOrDash(n int64) string {
	if n == 0 {
		return "-"
	}
	return grouped(n)
}

// behind is how far the stored data may be behind the service.
func (s *streamInfo) behind() string {
	if s.LastPollAt == nil && s.LagSeconds == 0 {
		return "-"
	}
	return span(time.Duration(s.LagSeconds) * time.Second)
}

func (s *streamInfo) nextPoll(now time.Time) string {
	if s.State == hub.StreamPaused || s.NextDueAt == nil {
		return "-"
	}
	switch wait := s.NextDueAt.Sub(now); {
	case wait <= -time.Minute:
		return "due " + span(-wait) + " ago"
	case wait < time.Second:
		return "now"
	default:
		return "in " + span(wait)
	}
}

// span writes a duration in its two largest units.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	two := func(large, small time.Duration, a, b string) string {
		if rest := d % large / small; rest > 0 {
			return fmt.Sprintf("%d%s %d%s", d/large, a, rest, b)
		}
		return fmt.Sprintf("%d%s", d/large, a)
	}
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return two(time.Minute, time.Second, "m", "s")
	case d < day:
		return two(time.Hour, time.Minute, "h", "m")
	default:
		return two(day, time.Hour, "d", "h")
	}
}

// A concern is what an operator should know about some streams of one connector,
// and the commands that help.
type concern struct {
	connector string
	resources []string
	urgency   int
	// code is that of the error where the streams fail.
	code  hub.Code
	text  []string
	steps []step
}

type step struct{ command, effect string }

// concernsOf returns what is wrong, paused or was noticed, the worst first.
// Streams that fail for the same reason share one: it is one service.
func concernsOf(streams []streamInfo, now time.Time) []concern {
	var all []concern
	failing := make(map[string]int)
	for i := range streams {
		s := &streams[i]
		c := concernOf(s, now)
		if s.State == hub.StreamFailing && s.LastError != nil {
			key := s.ConnectorID + "\x00" + s.LastError.reason()
			if at, known := failing[key]; known {
				all[at].join(&c)
				continue
			}
			failing[key] = len(all)
		}
		if len(c.text) > 0 {
			all = append(all, c)
		}
	}
	for _, at := range failing {
		c := &all[at]
		c.steps = append(failingSteps(c), c.steps...)
	}
	return all
}

// reason is the message without what was being read, where that makes no
// difference: a service that is away is away for every stream.
func (e *streamError) reason() string {
	switch e.Code {
	case hub.CodeUnreachable, hub.CodeTimeout, hub.CodeKeyRefused, hub.CodeRateLimited, hub.CodeRedirected, hub.CodeServiceFailed:
		if _, reason, found := strings.Cut(e.Message, ": the service"); found {
			return "the service" + reason
		}
	default:
	}
	return e.Message
}

// join adds what is special about another stream that fails for the same reason.
func (c *concern) join(other *concern) {
	c.resources = append(c.resources, other.resources...)
	c.text = append(c.text, other.text[2:]...) // after the reason and since when
	c.steps = append(c.steps, other.steps...)
}

func concernOf(s *streamInfo, now time.Time) concern {
	c := concern{connector: s.connector(), resources: []string{string(s.Resource)}, urgency: s.urgency()}
	name := shellWord(c.connector) + " " + string(s.Resource)
	// The API's own summary tells the first finding that leaves rows out.
	told := false
	switch {
	case s.State == hub.StreamFailing && s.LastError != nil:
		c.code = s.LastError.Code
		c.text = append(c.text, asSentence(s.LastError.reason()), fmt.Sprintf("Failing for %s; tried %s; the next try is %s.",
			span(s.lasting(now)), times(s.ConsecutiveFailures), s.nextPoll(now)))
	case s.State == hub.StreamPaused:
		c.text = append(c.text, s.Summary)
		c.steps = append(c.steps, step{"weir resume " + name, "has it read again"})
	case s.State == hub.StreamLate:
		c.text = append(c.text, s.Summary)
		c.steps = append(c.steps, step{"weir poll " + name, "asks for a poll now; when none comes, the log of weir serve says why"})
	case s.State == hub.StreamIncomplete:
		c.text, told = append(c.text, s.Summary), true
	case s.OpenRejections > 0:
		c.text = append(c.text, plural(s.OpenRejections, "record")+" in quarantine, which could not be read; all others go on.")
	}
	for _, f := range s.Findings {
		if f.Incomplete && told {
			told = false
			continue
		}
		c.text = append(c.text, "Noticed: "+asSentence(f.Text))
	}
	if s.OpenRejections > 0 {
		c.steps = append(c.steps, step{"weir rejections " + name, "lists what could not be read, and why"})
	}
	return c
}

// failingSteps are what helps streams that fail for one reason.
func failingSteps(c *concern) []step {
	name := shellWord(c.connector)
	poll := "weir poll " + name
	if len(c.resources) == 1 {
		poll += " " + c.resources[0]
	}
	again := step{poll, "tries at once"}
	if c.code == hub.CodeKeyRefused {
		return []step{{"weir configure " + name + " --api-key-file FILE", "gives it another key"}, again}
	}
	return []step{again}
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// details writes the concerns below the table.
func (t terminal) details(streams []streamInfo, now time.Time) string {
	most := min(cmp.Or(t.columns, textColumns), textColumns)
	var out strings.Builder
	for _, c := range concernsOf(streams, now) {
		heading := bold
		if c.urgency == urgencyFailing || c.urgency == urgencyLate {
			heading = red
		}
		out.WriteString("\n" + t.paint(heading, c.connector+": "+strings.Join(c.resources, ", ")) + "\n")
		for _, text := range c.text {
			out.WriteString(wrap(printable(text), "  ", most))
		}
		for _, s := range c.steps {
			fmt.Fprintf(&out, "  → %s   %s\n", s.command, t.paint(faint, s.effect))
		}
	}
	return out.String()
}

// asSentence gives a text a full stop and a capital letter.
func asSentence(text string) string {
	if text = strings.TrimSpace(text); text == "" {
		return ""
	}
	if !strings.HasSuffix(text, ".") && !strings.HasSuffix(text, "!") && !strings.HasSuffix(text, "?") {
		text += "."
	}
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}

// shellWord writes a name so that it can be pasted into a shell.
func shellWord(name string) string {
	harmless := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_.:/@+", c)
	}
	if name != "" && !strings.HasPrefix(name, "-") && strings.IndexFunc(name, func(c rune) bool { return !harmless(c) }) < 0 {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}
