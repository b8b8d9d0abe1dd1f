package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river/rivertype"
)

// database is what the engine asks of the database beside River's client. Every
// operation is one statement on River's tables, in the form that they have at
// the version of River that is required.
type database interface {
	// prepare runs before the client starts.
	prepare(ctx context.Context) error
	// strangers reports whether a job waits in a queue that is none of these.
	strangers(ctx context.Context, queues []string) (bool, error)
	// giveBack makes lost jobs free for the next worker, as if they had never been
	// tried, and names their queues.
	giveBack(ctx context.Context, l loss) (queues []string, err error)
	// depth counts the jobs that have not ended, and says when the one was due
	// that waits longest. One that is free and not due yet counts as scheduled.
	depth(ctx context.Context) (counted map[rivertype.JobState]int64, oldest time.Time, err error)
}
