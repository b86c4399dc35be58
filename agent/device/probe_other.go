//go:build !linux

package device

import "runtime"

func probeThread() (unlock func(), preempted func() int64) {
	runtime.LockOSThread()
	return runtime.UnlockOSThread, func() int64 { return 0 }
}
