package main

import "time"

// Resources are what the process has used so far.
type resources struct {
	cpu time.Duration
	// rss and peakRSS are in bytes: what is in memory now, known of other
	// processes only, and the most that ever was.
	rss, peakRSS int64
}
