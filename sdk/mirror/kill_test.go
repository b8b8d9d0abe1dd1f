package mirror

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/weirhq/weir/sdk"
)

// killedEnv makes the test binary a mirror that pulls until it is killed.
const killedEnv = "WEIR_MIRROR_PULLS_AT"

func TestMain(m *testing.M) {
	if path := os.Getenv(killedEnv); path != "" {
		pullForEver(path)
	}
	os.Exit(m.Run())
}

// numbers gives one row for each number, and changes it once.
func numbers(_ context.Context, position string) (sdk.Batch, error) {
	n, _ := strconv.Atoi(position)
	row := movement(strconv.Itoa(n/2), nil)
	row.Scheme = strconv.Itoa(n % 2)
	batch := sdk.Batch{Next: strconv.Itoa(n + 1), More: true}
	batch.Transactions = append(batch.Transactions, row)
	return batch, nil
}

func pullForEver(path string) {
	m, err := Open(context.Background(), path, Options{})
	if err != nil {
		panic(err)
	}
	for {
		if _, err := m.Pull(context.Background(), Source{Name: "numbers", Pull: numbers}); err != nil {
			panic(err)
		}
		if _, err := os.Stdout.WriteString("pulled\n"); err != nil {
			panic(err)
		}
	}
}

func TestAMirrorThatIsKilledGoesOnWhereItsRowsEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mirror.db")
	var last time.Time
	for round := range 5 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), killedEnv+"="+path)
		output, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(output)
		for range 20 {
			if !lines.Scan() {
				t.Fatal("the mirror came to an end by itself")
			}
		}
		time.Sleep(time.Duration(round) * time.Millisecond)
		_ = child.Process.Kill()
		_ = child.Wait()

		m := open(t, path, time.Now)
		position, err := positionOf(t.Context(), m.file.Read, "numbers")
		if err != nil {
			t.Fatal(err)
		}
		pulls, _ := strconv.Atoi(position)
		rows := listed(t, m)
		if pulls < 20*(round+1) || len(rows) != (pulls+1)/2 {
			t.Errorf("after %d pulls there are %d rows", pulls, len(rows))
		}
		newest := rows[len(rows)-1]
		if newest.ID != strconv.Itoa((pulls-1)/2) || newest.Scheme != strconv.Itoa((pulls-1)%2) || !newest.UpdatedAt.After(last) {
			t.Errorf("the newest of %d pulls is %+v", pulls, newest)
		}
		last = newest.UpdatedAt
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
