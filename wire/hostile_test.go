package wire

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A page of the largest size that is read must not keep the reader busy, however
// it is made. The bound is far above what any of these takes, and far below
// what one step too many for each pair of keys or levels would.
func TestNoPageKeepsTheReaderBusy(t *testing.T) {
	const size, patience = 4 << 20, 20 * time.Second
	fill := func(piece string) string { return strings.Repeat(piece, size/len(piece)) }
	var distinct, metadata strings.Builder
	for i := range size / 16 {
		fmt.Fprintf(&distinct, `"k%d":0,`, i)
		fmt.Fprintf(&metadata, `"k%d":"",`, i)
	}
	nested := strings.Repeat("[", 9_990) + strings.Repeat("]", 9_990)
	for name, page := range map[string]string{
		"one key again and again":        `[{` + fill(`"id":"x",`) + `"id":"x"}]`,
		"an unknown key again":           `[{` + fill(`"x":1,`) + `"x":1}]`,
		"many keys":                      `[{` + distinct.String() + `"z":0}]`,
		"much metadata":                  `[{"metadata":{` + metadata.String() + `"z":""}}]`,
		"metadata that is none":          `[{"metadata":{` + fill(`"a":[],`) + `"a":[]}}]`,
		"metadata twice":                 `[{"metadata":{` + fill(`"a":"",`) + `"a":""}}]`,
		"deep records":                   `[` + strings.Repeat(nested+",", size/len(nested)) + nested + `]`,
		"deep fields":                    `[` + strings.Repeat(`{"id":`+nested+`},`, size/len(nested)) + `{}]`,
		"bad text in deep fields":        `[` + strings.Repeat(`{"x":`+strings.Repeat("[", 9_000)+"\"\xff\""+strings.Repeat("]", 9_000)+`},`, size/18_000) + `{}]`,
		"one long text":                  `[{"id":"` + fill("x") + `"}]`,
		"one long text of escapes":       `[{"id":"` + fill(`\u0000`) + `"}]`,
		"one long amount":                `[{"amount":"` + fill("9") + `"}]`,
		"as many records as are allowed": `[` + strings.Repeat("{},", MaxPageRecords-1) + `{}]`,
		"spaces":                         fill(" ") + "[]" + fill("\n"),
	} {
		start := time.Now()
		_, err := DecodeTransactions([]byte(page))
		took := time.Since(start)
		t.Logf("%-32s %8d µs %v", name, took.Microseconds(), err)
		if took > patience {
			t.Errorf("%s: %s", name, took)
		}
	}
}
