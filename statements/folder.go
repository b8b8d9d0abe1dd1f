package statements

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"sort"
	"strconv"
	"strings"
	"time"
)

// RejectedDir is the folder, inside the watched one, for files that can't be
// taken. Beside each stands NAME.reason with the place and the reason.
const RejectedDir = "rejected"

// DefaultSettle is how long a file must not have changed before it is taken.
// Who uploads slower than that should upload under a hidden or temporary name
// and rename, which is better anyway.
const DefaultSettle = 5 * time.Second

// Folder watches a directory. It looks when [Folder.Scan] is called, and keeps
// in memory only what it saw, so that another process can go on with the same
// directory: what was taken is known by content, not by name.
//
// Files stay where they are once they were taken. Links are not followed,
// directories not entered, hidden and temporary names left alone.
type Folder struct {
	// Dir is the directory.
	Dir string
	// Settle is how long size and time of a file must be still; 0 means
	// [DefaultSettle].
	Settle time.Duration
	// Now is the clock; nil means [time.Now].
	Now func() time.Time
	// Take takes one file. A [FileError] sends the file to rejected; any other
	// error leaves it for the next look.
	Take func(context.Context, Input) (Taken, error)

	seen map[string]sighting
}

// sighting is what a file looked like, and since when.
type sighting struct {
	size     int64
	modified time.Time
	since    time.Time
	// done says that the file, looking like this, was taken or can't be moved.
	done bool
}

// Outcome is what became of one file in a look at the folder.
type Outcome struct {
	Name string
	// Taken is what it held, when it was taken.
	Taken Taken
	// Rejected is why it was not; nil when it was.
	Rejected *FileError
}

// Scan looks at the folder once and takes at most filesMax files that have settled,
// in the order of their names, which is that of their dates at most banks. A
// file is taken in a later look than the one that first saw it. What could not
// be done is in the error, and is tried again by the next look; the outcomes
// stand all the same.
func (f *Folder) Scan(ctx context.Context, filesMax int) (outcomes []Outcome, err error) {
	root, err := os.OpenRoot(f.Dir)
	if err != nil {
		return nil, fmt.Errorf("open the folder: %w", err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	names, err := f.settled(root)
	if err != nil {
		return nil, fmt.Errorf("look into %s: %w", f.Dir, err)
	}
	var problems []error
	for _, name := range names {
		if len(outcomes) == filesMax {
			break
		}
		if err := ctx.Err(); err != nil {
			return outcomes, err
		}
		outcome, err := f.take(ctx, root, name)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		outcomes = append(outcomes, outcome)
	}
	return outcomes, errors.Join(problems...)
}

// settled updates what was seen and returns the names whose files are ready.
func (f *Folder) settled(root *os.Root) ([]string, error) {
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, err
	}
	now := time.Now
	if f.Now != nil {
		now = f.Now
	}
	settle := f.Settle
	if settle == 0 {
		settle = DefaultSettle
	}
	seen := make(map[string]sighting, len(entries))
	var ready []string
	for _, entry := range entries {
		if !entry.Type().IsRegular() || isTemporary(entry.Name()) {
			continue
		}
		info, err := root.Lstat(entry.Name())
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		before, known := f.seen[entry.Name()]
		if !known || before.size != info.Size() || !before.modified.Equal(info.ModTime()) {
			before = sighting{size: info.Size(), modified: info.ModTime(), since: now()}
		}
		seen[entry.Name()] = before
		if !before.done && now().Sub(before.since) >= settle {
			ready = append(ready, entry.Name())
		}
	}
	f.seen = seen
	sort.Strings(ready)
	return ready, nil
}

// isTemporary knows the names that programs give to files they have not
// finished, and to those that they keep beside.
func isTemporary(name string) bool {
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "~$") || strings.HasPrefix(name, "#") || strings.HasSuffix(name, "~") {
		return true
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".download", ".swp", ".writing", ".reason":
		return true
	}
	return false
}

// take takes one file, or sends it to rejected.
func (f *Folder) take(ctx context.Context, root *os.Root, name string) (Outcome, error) {
	look := f.seen[name]
	taken, err := f.Take(ctx, Input{Name: name, Open: func() (io.ReadCloser, error) {
		file, err := root.Open(name)
		if err != nil {
			return nil, err
		}
		if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() || info.Size() != look.size || !info.ModTime().Equal(look.modified) {
			return nil, errors.Join(ErrChanged, err, file.Close())
		}
		return file, nil
	}})
	var bad *FileError
	switch {
	case errors.As(err, &bad):
		if err := f.reject(root, name, bad); err != nil {
			// A folder that can't be written to is no reason to read the file
			// again every time.
			look.done = true
			f.seen[name] = look
			return Outcome{Name: name, Rejected: bad}, fmt.Errorf("reject %s (%w): %w", name, bad, err)
		}
		delete(f.seen, name)
		return Outcome{Name: name, Rejected: bad}, nil
	case errors.Is(err, ErrChanged), errors.Is(err, fs.ErrNotExist):
		delete(f.seen, name) // it has to settle again
		return Outcome{}, fmt.Errorf("take %s: %w", name, err)
	case err != nil:
		return Outcome{}, fmt.Errorf("take %s: %w", name, err)
	}
	look.done = true
	f.seen[name] = look
	return Outcome{Name: name, Taken: taken}, nil
}

// reject moves a file away. The reason is written first: a file in rejected
// never stands there without one. A name that is taken gets a number.
func (f *Folder) reject(root *os.Root, name string, why *FileError) error {
	if err := root.Mkdir(RejectedDir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	target := path.Join(RejectedDir, name)
	const attemptsMax = 10_000
	for n := 2; ; n++ {
		reason, err := root.OpenFile(target+".reason", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, fs.ErrExist) && n < attemptsMax {
			target = path.Join(RejectedDir, name+"."+strconv.Itoa(n))
			continue
		}
		if err != nil {
			return err
		}
		_, writeErr := reason.WriteString(why.Error() + "\n")
		if err := errors.Join(writeErr, reason.Sync(), reason.Close()); err != nil {
			return err
		}
		break
	}
	if err := root.Rename(name, target); err != nil {
		return errors.Join(err, root.Remove(target+".reason"))
	}
	return nil
}
