package store

import "time"

// instantForm is how instants are written: in UTC and of one length, so that
// their order as texts is their order in time.
const instantForm = "2006-01-02T15:04:05.000000000Z"

// FormatInstant writes an instant as every database of ours has it: in UTC, with
// nine digits of the second, so that nothing is rounded and texts sort as time
// does. The years are those from 0 to 9999, as the contract has it.
func FormatInstant(t time.Time) string {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	var b [len(instantForm)]byte
	copy(b[:], instantForm)
	digits(b[0:4], year)
	digits(b[5:7], int(month))
	digits(b[8:10], day)
	digits(b[11:13], hour)
	digits(b[14:16], minute)
	digits(b[17:19], second)
	digits(b[20:29], t.Nanosecond())
	return string(b[:])
}

func digits(b []byte, n int) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
}

// ParseInstant reads what [FormatInstant] writes. Anything else, as what stands
// for NULL, comes out as the zero instant.
func ParseInstant(s string) time.Time {
	if len(s) != len(instantForm) {
		return time.Time{}
	}
	return time.Date(number(s[0:4]), time.Month(number(s[5:7])), number(s[8:10]),
		number(s[11:13]), number(s[14:16]), number(s[17:19]), number(s[20:29]), time.UTC)
}

func number(s string) int {
	n := 0
	for i := range len(s) {
		n = n*10 + int(s[i]-'0')
	}
	return n
}
