package statements

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/weirhq/weir/sdk"
)

// Source is a folder and its book together: a source of rows for a mirror.
type Source struct {
	Book   *Book
	Folder *Folder
	// Report is told what became of each file, and Trouble what could not be
	// done in the folder and is tried again by the next pull. nil tells nobody.
	// Both are called by the goroutine that pulls.
	Report  func(Outcome)
	Trouble func(error)

	mu sync.Mutex
}

// Bounds of one pull. A pull answers soon even when years of files lie in the
// folder: the mirror asks again.
const (
	pullRowsMax  = 1000
	pullFilesMax = 10
)

// NewSource watches a folder with the book in a file, which must lie outside
// of the folder or have a hidden name.
func NewSource(ctx context.Context, dir, bookFile string, options BookOptions) (*Source, error) {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("the folder %s: %w", dir, notAFolder(err))
	}
	book, err := OpenBook(ctx, bookFile, options)
	if err != nil {
		return nil, err
	}
	return &Source{Book: book, Folder: &Folder{Dir: dir, Take: book.Take}}, nil
}

func notAFolder(err error) error {
	if err == nil {
		return fs.ErrInvalid
	}
	return err
}

// Close closes the book.
func (s *Source) Close() error { return s.Book.Close() }

// Pull looks at the folder, takes what has settled, and returns the rows that
// changed after a position; it is an [sdk.Pull] for a mirror. "" is the
// beginning, from which every row comes again in its present state: the book
// keeps them, whether or not the files are still there.
//
// A movement carries no stamp of its own version: the mirror's order of
// arrival is the book's, and the book has settled which telling counts.
//
// A file is taken in one transaction, at some 6,000 entries a second; a pull
// may take minutes where files have a million, so give the mirror's source a
// timeout to match. A trouble in the folder is an error only when there is
// nothing to return: it must not keep back the rows that are there.
func (s *Source) Pull(ctx context.Context, position string) (sdk.Batch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	after := int64(0)
	if position != "" {
		var err error
		if after, err = strconv.ParseInt(position, 10, 64); err != nil || after < 0 {
			return sdk.Batch{}, fmt.Errorf("position %.40q is not one of this source", position)
		}
	}
	outcomes, trouble := s.Folder.Scan(ctx, pullFilesMax)
	for _, outcome := range outcomes {
		if s.Report != nil {
			s.Report(outcome)
		}
	}
	if trouble != nil && s.Trouble != nil {
		s.Trouble(trouble)
	}
	rows, behind, err := s.Book.Rows(ctx, after, pullRowsMax)
	if err != nil {
		return sdk.Batch{}, err
	}
	if len(rows) == 0 && trouble != nil {
		return sdk.Batch{}, trouble
	}
	batch := sdk.Batch{Next: strconv.FormatInt(behind, 10), More: len(rows) == pullRowsMax || len(outcomes) == pullFilesMax}
	for _, row := range rows {
		switch {
		case row.Account != nil:
			batch.Accounts = append(batch.Accounts, *row.Account)
		case row.Balances != nil:
			batch.Balances = append(batch.Balances, *row.Balances)
		case row.Beneficiary != nil:
			batch.Beneficiaries = append(batch.Beneficiaries, *row.Beneficiary)
		case row.Transaction != nil:
			row.Transaction.UpdatedAt = time.Time{}
			batch.Transactions = append(batch.Transactions, *row.Transaction)
		}
	}
	return batch, nil
}
