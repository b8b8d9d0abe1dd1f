package api

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/weirhq/weir/internal/hub"
)

// summarize says what is going on with a stream and what happens next.
func summarize(stream *hub.Stream, now time.Time) string {
	var sentences []string
	say := func(format string, args ...any) {
		sentences = append(sentences, fmt.Sprintf(format, args...))
	}
	switch stream.State(now) {
	case hub.StreamPaused:
		say("Paused for %s; nothing is read until it is resumed.", roughly(now.Sub(stream.PausedAt)))
	case hub.StreamFailing:
		say("%s Failing for %s, %s in a row; the next try %s.",
			asSentence(lastMessage(stream)), roughly(now.Sub(stream.FailingSince)),
			count(int64(stream.ConsecutiveFailures), "time"), isDue(stream, now))
	case hub.StreamLate:
		say("A poll has been due for %s and nobody has run it; look whether weir serve is running.",
			roughly(now.Sub(stream.NextDueAt)))
	case hub.StreamIncomplete:
		say("The next poll %s.", isDue(stream, now))
	case hub.StreamReading:
		say("%s The next poll %s.", progress(stream, now), isDue(stream, now))
	case hub.StreamIdle:
		say("All that the service has shown is stored; the next poll %s.", isDue(stream, now))
	}
	if gap := stream.Gap(); gap != nil {
		sentences = append([]string{"Rows may be missing. " + asSentence(gap.Text)}, sentences...)
	}
	if n := stream.OpenRejections; n > 0 {
		say("%s in quarantine: see its rejections.", count(n, "record"))
	}
	return strings.Join(sentences, " ")
}

func lastMessage(stream *hub.Stream) string {
	if stream.LastError == nil {
		return "The last poll failed."
	}
	return stream.LastError.Message
}

func progress(stream *hub.Stream, now time.Time) string {
	switch mark := stream.Cursor.Watermark; {
	case stream.LastPollAt.IsZero() && stream.Requests == 0:
		return "Not read yet."
	case mark.IsZero():
		return "Reading; the end of the list is not reached yet."
	default:
		return fmt.Sprintf("Reading; stored up to %s, %s behind.",
			mark.UTC().Format("2006-01-02 15:04:05 MST"), roughly(now.Sub(mark)))
	}
}

// isDue says when the next poll is due. One that has been due for long may also
// be under way.
func isDue(stream *hub.Stream, now time.Time) string {
	switch wait := stream.NextDueAt.Sub(now); {
	case stream.NextDueAt.IsZero() || wait <= 0 && wait > -time.Minute:
		return "is due now"
	case wait <= 0:
		return "has been due for " + roughly(-wait) + " and is under way or waits for its turn"
	default:
		return "is due in " + roughly(wait)
	}
}

// asSentence gives a text a capital letter and a full stop.
func asSentence(text string) string {
	if text == "" {
		return ""
	}
	first, size := utf8.DecodeRuneInString(text)
	text = string(unicode.ToUpper(first)) + text[size:]
	if strings.HasSuffix(text, ".") || strings.HasSuffix(text, "!") || strings.HasSuffix(text, "?") {
		return text
	}
	return text + "."
}

func count(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// roughly says a duration in its largest unit, as a person would.
func roughly(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Second:
		return "less than a second"
	case d < time.Minute:
		return count(int64(d/time.Second), "second")
	case d < time.Hour:
		return count(int64(d/time.Minute), "minute")
	case d < 2*day:
		return count(int64(d/time.Hour), "hour")
	default:
		return count(int64(d/day), "day")
	}
}
