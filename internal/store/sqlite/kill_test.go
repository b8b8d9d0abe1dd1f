package sqlite

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/hub"
	"github.com/weirhq/weir/internal/store"
	"github.com/weirhq/weir/internal/store/storetest"
)

// killedConnector is the connector that the killed process writes for.
var killedConnector = hub.ConnectorID{Provider: hub.Provider, Reference: "11111111-2222-4333-8444-555555555555"}

const (
	killedFile  = "weir.db"
	killedBatch = 50
)

// TestKilledProcess is no test: it is the process that TestAKilledProcessLosesAndRepeatsNothing
// kills. It stores batches, and says so after each, until it is killed.
func TestKilledProcess(t *testing.T) {
	if os.Getenv("WEIR_TEST_KILLED") == "" {
		t.Skip("only runs to be killed")
	}
	db := reopen(t, killedFile) // in the folder that it was started in
	s := store.New(db, storetest.PlainCipher{})
	stream := hub.StreamID{Connector: killedConnector, Resource: hub.Transactions}
	for {
		state, err := s.Stream(t.Context(), stream)
		if err != nil {
			t.Fatal(err)
		}
		// The watermark says how far it is, as it does for a reader of a list.
		from := int(state.Cursor.Version) * killedBatch
		if _, err := s.Apply(t.Context(), batchOf(stream, state.Cursor, from, killedBatch)); err != nil {
			t.Fatal(err)
		}
		fmt.Printf("stored %d\n", from+killedBatch)
	}
}

func TestAKilledProcessLosesAndRepeatsNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	path := filepath.Join(t.TempDir(), killedFile)
	db := reopen(t, path)
	if err := store.New(db, storetest.PlainCipher{}).InstallConnector(t.Context(), hub.Connector{ID: killedConnector, Name: "acme"}); err != nil {
		t.Fatal(err)
	}
	closeDB(t, db)
	stored := int64(0)
	for range 8 {
		reported := killAfter(t, path, 1+random.IntN(20), time.Duration(random.IntN(8000))*time.Microsecond)
		stored = checkAfterKill(t, path, max(reported, stored))
	}
}

// killAfter starts the process, lets it report some batches, waits a little, and
// kills it. It returns what was reported last.
func killAfter(t *testing.T, path string, batches int, wait time.Duration) int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	process := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestKilledProcess$")
	process.Dir, process.Env = filepath.Dir(path), append(os.Environ(), "WEIR_TEST_KILLED=yes")
	out, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	var reported int64
	lines := bufio.NewScanner(out)
	for range batches {
		if !lines.Scan() {
			break
		}
		if _, err := fmt.Sscanf(lines.Text(), "stored %d", &reported); err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
	}
	time.Sleep(wait)
	_ = process.Process.Kill()
	for lines.Scan() {
		_, _ = fmt.Sscanf(lines.Text(), "stored %d", &reported) // the last line may be cut
	}
	_ = process.Wait() // it was killed
	return reported
}

// checkAfterKill opens what a killed process has left, and returns how much is
// there: all that was reported, and everything once.
func checkAfterKill(t *testing.T, path string, reported int64) int64 {
	t.Helper()
	db := reopen(t, path)
	defer closeDB(t, db)
	checkIntegrity(t, db)
	s := store.New(db, storetest.PlainCipher{})
	state, err := s.Stream(t.Context(), hub.StreamID{Connector: killedConnector, Resource: hub.Transactions})
	if err != nil {
		t.Fatal(err)
	}
	if state.Versions < reported || state.Versions != state.Cursor.Version*killedBatch {
		t.Errorf("%d versions at cursor version %d, %d were reported", state.Versions, state.Cursor.Version, reported)
	}
	records := int64(0)
	if err := s.Records(t.Context(), state.ID, func(id string, _ []byte) error {
		if want := transaction(int(records)).Reference; id != want {
			return fmt.Errorf("record %s where %s should be", id, want)
		}
		records++
		return nil
	}); err != nil {
		t.Error(err)
	}
	events, err := s.EventCount(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	last, err := s.LastSequence(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if records != state.Versions || events != state.Versions || last != state.Versions {
		t.Errorf("%d versions, %d records, %d events, the last with number %d", state.Versions, records, events, last)
	}
	return state.Versions
}
