package main

import "time"

// Resources are what the process has used so far.
type resources struct {
	cpu time.Duration
	// peakRSS is in bytes.
	peakRSS int64
}
