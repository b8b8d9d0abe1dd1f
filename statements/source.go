package statements

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"sync"
)

// Source is a folder and its book together: a source of rows for a mirror.
type Source struct {
	Book   *Book
	Folder *Folder

	mu sync.Mutex
	// Report receives what became of each file; nil for nobody. It is called
	// by the goroutine that pulls.
	Report func(Outcome)
}

// Bounds of one pull. A pull answers soon even when years of files lie in the
// folder: the mirror asks again.
const (
	pullRowsMax  = 1000
	pullFilesMax = 50
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

// Pull returns rows that changed after a position and the position behind
// them. "" is the beginning. more says that there are further rows or files
// now. Pulling from one position again gives what has changed since, at least
// once more, never less; rows are whole and replace each other by kind and id.
//
// Before it reads, it looks at the folder. When something could not be done
// there, the rows are returned with the error: both are true.
func (s *Source) Pull(ctx context.Context, position string) (rows []Row, next string, more bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	after := int64(0)
	if position != "" {
		if after, err = strconv.ParseInt(position, 10, 64); err != nil || after < 0 {
			return nil, position, false, fmt.Errorf("position %.40q is not one of this source", position)
		}
	}
	outcomes, folderErr := s.Folder.Scan(ctx, pullFilesMax)
	if s.Report != nil {
		for _, outcome := range outcomes {
			s.Report(outcome)
		}
	}
	rows, behind, err := s.Book.Rows(ctx, after, pullRowsMax)
	if err != nil {
		return nil, position, false, err
	}
	if len(rows) > 0 || position != "" {
		position = strconv.FormatInt(behind, 10)
	}
	return rows, position, len(rows) == pullRowsMax || len(outcomes) == pullFilesMax, folderErr
}
