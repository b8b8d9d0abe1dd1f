package simulator

import (
	"fmt"
	"slices"
	"strings"
)

// Fault is one way in which a PSP or its integration service goes wrong.
type Fault int

// The faults of the PSP's data.
const (
	Ties Fault = iota
	DateOnly
	Late
	Moving
	Future
	FrozenStamps
	// The faults of single records.
	Poison
	Flawed
	// The faults of paging, sorting and filtering.
	ShortPages
	GappedPages
	PageSizeIgnored
	PageIgnored
	RepeatedPages
	LastPageAgain
	Descending
	UnstableTies
	ExclusiveFilter
	FilterIgnored
	// The faults of the transport.
	RateLimit
	ServerErrors
	Cut
	Slow
	Redirects
	Gzip
	faultCount
)

// FaultInfo is what there is to say about a fault.
type FaultInfo struct {
	Fault Fault
	// Name is the word for flags.
	Name string
	// Sentence says what the fault does.
	Sentence string
	// Readable says that everything the PSP has can still be read, by a reader
	// that is careful enough. Poisoned records count as read when they are put aside.
	Readable bool
}

// faultTable is in the order of the constants.
var faultTable = [faultCount]FaultInfo{
	{Ties, "ties", "Up to several hundred records share one instant, more than fit on a page.", true},
	{DateOnly, "date-only", "Every stamp is a midnight, because the PSP knows only the day.", true},
	{Late, "late", "Some records and changes become visible long after their stamp, behind newer ones.", true},
	{Moving, "moving", "Old transactions change between two page requests, so that all offsets behind them shift.", true},
	{Future, "future", "Some records are dated 2099.", true},
	{FrozenStamps, "frozen-stamps", "Some changes do not move the stamp, so only a reader who looks at a record again sees them.", false},
	{Poison, "poison", "Some records can't be read: bad amounts, ids, dates, currencies or metadata, or no object at all.", true},
	{Flawed, "flawed", "Some records repeat a key, hold text that is not UTF-8, or have fields and words that the contract does not know.", true},
	{ShortPages, "short-pages", "Pages hold at most 50 rows whatever was asked for, and the next page goes on where they end.", true},
	{GappedPages, "gapped-pages", "Pages hold at most 50 rows whatever was asked for, and the next page goes on where a page of the size asked for would have ended.", true},
	{PageSizeIgnored, "page-size-ignored", "Pages have 130 rows whatever size was asked for.", true},
	{PageIgnored, "page-ignored", "Every page is the first page, so a group of ties larger than a page can't be read to its end.", false},
	{RepeatedPages, "repeated-pages", "A page is sometimes the page before it once more; asked for again, it is right.", true},
	{LastPageAgain, "last-page-again", "Past the end comes the last page again, instead of an empty one.", true},
	{Descending, "descending", "Lists are sorted newest first.", true},
	{UnstableTies, "unstable-ties", "Records that share an instant come in another order when the list is walked again.", true},
	{ExclusiveFilter, "exclusive-filter", "The filter returns what is later than the instant, to the second, not what is at it.", true},
	{FilterIgnored, "filter-ignored", "The filter is ignored: every answer begins with the first row.", true},
	{RateLimit, "rate-limit", "Some requests are answered by 429 with a Retry-After, in seconds or as a date.", true},
	{ServerErrors, "errors", "Some requests are answered by 500, 502 or 503, some of those with an HTML page.", true},
	{Cut, "cut", "Some answers break off in the middle.", true},
	{Slow, "slow", "Some answers arrive a few bytes at a time.", true},
	{Redirects, "redirects", "Some requests are sent to another host, which would like to know the key and has records of its own.", true},
	{Gzip, "gzip", "Answers are compressed where the reader allows it.", true},
}

// FaultTable lists every fault, for help texts and documents.
func FaultTable() []FaultInfo { return slices.Clone(faultTable[:]) }

// String is the fault's name.
func (f Fault) String() string { return faultTable[f].Name }

// Faults is a set of faults. The zero value is none.
type Faults uint64

// FaultsOf makes a set.
func FaultsOf(faults ...Fault) Faults {
	var set Faults
	for _, f := range faults {
		set |= 1 << f
	}
	return set
}

// Has reports whether f is in the set.
func (s Faults) Has(f Fault) bool { return s&(1<<f) != 0 }

// List is the set in the order of the table.
func (s Faults) List() []Fault {
	var list []Fault
	for f := range faultCount {
		if s.Has(f) {
			list = append(list, f)
		}
	}
	return list
}

// Readable reports whether a careful reader can read everything in spite of them.
func (s Faults) Readable() bool {
	return !slices.ContainsFunc(s.List(), func(f Fault) bool { return !faultTable[f].Readable })
}

// String is the set as ParseFaults reads it.
func (s Faults) String() string {
	names := make([]string, 0, faultCount)
	for _, f := range s.List() {
		names = append(names, f.String())
	}
	return strings.Join(names, ",")
}

// ParseFaults reads names separated by commas. The word "all" stands for the
// mix of the seed, because not everything can go wrong at once: a list can't be
// short and long. An error names the word and the words that there are.
func ParseFaults(text string, seed uint64) (Faults, error) {
	var set Faults
	for word := range strings.SplitSeq(text, ",") {
		word = strings.ToLower(strings.TrimSpace(word))
		switch at := slices.IndexFunc(faultTable[:], func(i FaultInfo) bool { return i.Name == word }); {
		case word == "":
		case word == "all":
			set |= Mix(seed)
		case at < 0:
			return 0, fmt.Errorf("there is no fault %q; there are: all, %s", word, strings.Join(faultNames(), ", "))
		default:
			set |= 1 << at
		}
	}
	return set, nil
}

func faultNames() []string {
	names := make([]string, 0, faultCount)
	for i := range faultTable {
		names = append(names, faultTable[i].Name)
	}
	return names
}

// rivals are faults of which a service has one at most: how long a page is, what
// the filter does, and which order it lies about. The last are rivals because
// each is readable by walking again, and a walk can only be repeated for one reason.
var rivals = [][]Fault{
	{ShortPages, GappedPages, PageSizeIgnored},
	{ExclusiveFilter, FilterIgnored},
	{UnstableTies, RepeatedPages},
}

// Mix draws from the seed a set of faults that go together and leave
// everything readable. Each fault has an even chance, among its rivals a fair one.
func Mix(seed uint64) Faults {
	r := newRand(seed, "mix")
	var set Faults
	for f := range faultCount {
		if r.IntN(2) == 0 && faultTable[f].Readable {
			set |= 1 << f
		}
	}
	for _, group := range rivals {
		keep := group[r.IntN(len(group))]
		for _, f := range group {
			if f != keep {
				set &^= 1 << f
			}
		}
	}
	if set.Has(UnstableTies) && !set.Has(DateOnly) {
		set |= 1 << Ties
	}
	return set
}
