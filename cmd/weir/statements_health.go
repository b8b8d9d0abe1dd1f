package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weirhq/weir/sdk"
	"github.com/weirhq/weir/sdk/mirror"
	"github.com/weirhq/weir/statements"
)

const (
	// shownMax is how many rejected files, findings and gaps /healthz shows of
	// each; it counts all of them.
	shownMax = 100
	// reasonBytesMax bounds what is read of a reason: it is a sentence.
	reasonBytesMax = 4 << 10
)

// serveMirror pulls the source and serves the handler until ctx ends, or until
// the service can't go on.
func serveMirror(ctx context.Context, listener net.Listener, handler http.Handler, m *mirror.Mirror, source mirror.Source) error {
	running, stop := context.WithCancel(ctx)
	pulled := make(chan error, 1)
	go func() {
		defer stop()
		pulled <- m.Run(running, source)
	}()
	err := sdk.Serve(running, listener, handler)
	stop()
	return errors.Join(err, <-pulled)
}

// A desk is where the news of a folder arrives: each file is logged once, and
// counted for /healthz.
type desk struct {
	source *statements.Source
	mirror *mirror.Mirror
	log    *slog.Logger

	mu    sync.Mutex
	taken takenFiles
	// trouble is what could not be done in the folder, since when, and whether
	// the look that is under way has met it.
	trouble      string
	troubleSince time.Time
	met          bool
}

// takenFiles counts what was taken since the service was started.
type takenFiles struct {
	Files int `json:"files"`
	// Again counts files with a content that was taken before.
	Again      int        `json:"again"`
	Statements int        `json:"statements"`
	Entries    int        `json:"entries"`
	Last       string     `json:"last,omitempty"`
	LastAt     *time.Time `json:"last_at,omitempty"`
}

// newDesk makes a desk that hears of everything in the source's folder.
func newDesk(source *statements.Source, m *mirror.Mirror, logger *slog.Logger) *desk {
	d := &desk{source: source, mirror: m, log: logger}
	source.Report, source.Trouble = d.file, d.failed
	return d
}

// pull is the source's, and notes when trouble is over.
func (d *desk) pull(ctx context.Context, position string) (sdk.Batch, error) {
	batch, err := d.source.Pull(ctx, position)
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.met && d.trouble != "" {
		d.log.InfoContext(ctx, "nothing in the folder fails any more")
		d.trouble = ""
	}
	d.met = false
	return batch, err
}

// file hears of each file once.
func (d *desk) file(outcome statements.Outcome) {
	if outcome.Rejected != nil {
		d.log.Warn("rejected a file", "file", outcome.Name, "reason", outcome.Rejected.Error())
		return
	}
	taken := outcome.Taken
	d.mu.Lock()
	defer d.mu.Unlock()
	if taken.Again {
		d.taken.Again++
		d.log.Info("a file says the same as one that was taken before", "file", outcome.Name)
		return
	}
	now := time.Now().UTC().Truncate(time.Second)
	d.taken.Files++
	d.taken.Statements += taken.Statements
	d.taken.Entries += taken.Movements
	d.taken.Last, d.taken.LastAt = outcome.Name, &now
	d.log.Info("took a file", "file", outcome.Name, "statements", taken.Statements, "entries", taken.Movements, "bytes", taken.Bytes)
	for _, finding := range taken.Findings {
		d.log.Warn("look at this statement", "file", finding.File, "line", finding.Line, "account", finding.Account, "finding", finding.Text)
	}
}

// failed hears of what could not be done in a look at the folder.
func (d *desk) failed(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.trouble == "" {
		d.troubleSince = time.Now().UTC().Truncate(time.Second)
	}
	if d.trouble != err.Error() {
		d.log.Error("something in the folder fails and is tried again", "error", err.Error())
	}
	d.trouble, d.met = err.Error(), true
}

// folderHealth is what /healthz shows to those who have a key.
type folderHealth struct {
	Folder       string                `json:"folder"`
	Taken        takenFiles            `json:"taken_since_start"`
	Rejected     shown[rejectedFile]   `json:"rejected"`
	Findings     shown[findingOfAFile] `json:"findings"`
	Gaps         shown[gapOfAnAccount] `json:"gaps"`
	Trouble      string                `json:"trouble,omitempty"`
	TroubleSince *time.Time            `json:"trouble_since,omitempty"`
	Mirror       any                   `json:"mirror"`
}

// shown is a list with its newest part.
type shown[T any] struct {
	Count  int `json:"count"`
	Newest []T `json:"newest"`
}

// put adds to the list; what was put last is the newest.
func (s *shown[T]) put(item T) {
	s.Count++
	s.Newest = slices.Insert(s.Newest, 0, item)
	if len(s.Newest) > shownMax {
		s.Newest = s.Newest[:shownMax]
	}
}

type rejectedFile struct {
	File   string    `json:"file"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

type findingOfAFile struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Account string `json:"account"`
	Day     string `json:"day,omitempty"`
	Finding string `json:"finding"`
}

type gapOfAnAccount struct {
	Account string `json:"account"`
	After   string `json:"after"`
	Before  string `json:"before"`
	Why     string `json:"why"`
}

// health tells how the folder and the mirror fare. A finding alone does not
// degrade it: nobody can take back what a bank once wrote.
func (d *desk) health(ctx context.Context) sdk.Health {
	health := d.mirror.Health(ctx)
	details := folderHealth{Folder: d.source.Folder.Dir, Mirror: health.Details}
	d.mu.Lock()
	details.Taken, details.Trouble = d.taken, d.trouble
	if since := d.troubleSince; d.trouble != "" {
		details.TroubleSince = &since
	}
	d.mu.Unlock()
	if err := d.look(ctx, &details); err != nil && details.Trouble == "" {
		details.Trouble = err.Error()
	}
	health.Degraded = health.Degraded || details.Rejected.Count > 0 || details.Gaps.Count > 0 || details.Trouble != ""
	health.Details = details
	return health
}

// look reads the book and the folder of rejected files.
func (d *desk) look(ctx context.Context, details *folderHealth) error {
	findings, err := d.source.Book.Findings(ctx)
	for _, f := range findings {
		details.Findings.put(findingOfAFile{File: f.File, Line: f.Line, Account: f.Account, Day: f.Day, Finding: f.Text})
	}
	gaps, gapsErr := d.source.Book.Gaps(ctx)
	for _, g := range gaps {
		details.Gaps.put(gapOfAnAccount{Account: g.Account, After: g.After, Before: g.Before, Why: g.Why})
	}
	rejected, rejectedErr := rejectedFiles(filepath.Join(d.source.Folder.Dir, statements.RejectedDir))
	for _, file := range rejected {
		details.Rejected.put(file)
	}
	return errors.Join(err, gapsErr, rejectedErr)
}

// rejectedFiles lists the files that were rejected and lie there still, the
// oldest first. Taking them away, with their reasons, settles them.
func rejectedFiles(dir string) ([]rejectedFile, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // nothing was rejected yet
	}
	if err != nil {
		return nil, err
	}
	var files []rejectedFile
	for _, entry := range entries {
		name, isReason := strings.CutSuffix(entry.Name(), ".reason")
		info, err := entry.Info()
		if !isReason || err != nil || !info.Mode().IsRegular() {
			continue
		}
		files = append(files, rejectedFile{File: name, At: info.ModTime().UTC().Truncate(time.Second)})
	}
	slices.SortStableFunc(files, func(a, b rejectedFile) int { return a.At.Compare(b.At) })
	for i := max(0, len(files)-shownMax); i < len(files); i++ {
		files[i].Reason = readReason(filepath.Join(dir, files[i].File+".reason"))
	}
	return files, nil
}

// readReason reads the sentence beside a rejected file.
func readReason(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close() //nolint:errcheck // it was only read
	text, _ := io.ReadAll(io.LimitReader(file, reasonBytesMax))
	return strings.TrimSpace(string(text))
}
