//go:build unix

package main

import (
	"runtime"
	"syscall"
	"time"
)

func usage() resources {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return resources{}
	}
	peak := int64(u.Maxrss) //nolint:unconvert // 32 bits on some systems
	if runtime.GOOS != "darwin" {
		peak *= 1024 // all but one count in kilobytes
	}
	return resources{cpu: time.Duration(u.Utime.Nano() + u.Stime.Nano()), peakRSS: peak}
}
