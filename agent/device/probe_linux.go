package device

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// probeThread keeps the goroutine on its thread and returns a function that
// counts the thread's involuntary context switches.
func probeThread() (unlock func(), preempted func() int64) {
	runtime.LockOSThread()
	return runtime.UnlockOSThread, func() int64 {
		var ru unix.Rusage
		if unix.Getrusage(unix.RUSAGE_THREAD, &ru) != nil {
			return 0
		}
		return int64(ru.Nivcsw)
	}
}
