package sdk

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/weirhq/weir/wire"
)

// wordsRememberedMax bounds how many unknown words a table logs: a provider
// that sends free text as a status would fill the memory and the log.
const wordsRememberedMax = 100

// StatusTable translates a provider's words for how far a movement has come.
// Make one with [NewStatusTable]; it may be used from many goroutines.
type StatusTable[W ~string] struct {
	table map[W]wire.TransactionStatus
	log   *slog.Logger

	mu      sync.Mutex
	unknown map[W]bool
}

// NewStatusTable makes a table of the provider's words, which count exactly as
// they are written. The logger, nil for [slog.Default], hears of each word that
// the table lacks, once.
func NewStatusTable[W ~string](logger *slog.Logger, table map[W]wire.TransactionStatus) *StatusTable[W] {
	if logger == nil {
		logger = slog.Default()
	}
	return &StatusTable[W]{table: table, log: logger, unknown: map[W]bool{}}
}

// Status translates a word. One that the table lacks is [wire.StatusOther],
// never a guess, and least of all a success.
func (t *StatusTable[W]) Status(word W) wire.TransactionStatus {
	if status, mapped := t.table[word]; mapped && status.Known() {
		return status
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.unknown[word] && len(t.unknown) < wordsRememberedMax {
		t.unknown[word] = true
		t.log.Warn("the provider sent a status that the table lacks; it is served as OTHER", "status", string(word))
	}
	return wire.StatusOther
}

// Check returns an error that names the words that the table lacks, or maps to
// something that is no status of the contract. It is for a test, with every
// status that the provider's documents or client library list:
//
//	if err := statuses.Check(psp.AllStatuses...); err != nil {
//		t.Error(err)
//	}
func (t *StatusTable[W]) Check(words ...W) error {
	var lacking []string
	for _, word := range words {
		if status, mapped := t.table[word]; !mapped {
			lacking = append(lacking, fmt.Sprintf("%q is not mapped", string(word)))
		} else if !status.Known() {
			lacking = append(lacking, fmt.Sprintf("%q is mapped to %q, which the contract does not know", string(word), string(status)))
		}
	}
	if lacking == nil {
		return nil
	}
	slices.Sort(lacking)
	return fmt.Errorf("the status table is not complete: %s", strings.Join(slices.Compact(lacking), "; "))
}
