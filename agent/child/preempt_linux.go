package child

import "golang.org/x/sys/unix"

// Switches counts involuntary context switches: of the calling thread for
// single-threaded runs, of the whole process when the runtime has workers of its
// own (getrusage(2): ru_nivcsw, RUSAGE_THREAD since Linux 2.6.26).
func involuntarySwitches(threads int) int64 {
	who := unix.RUSAGE_THREAD
	if threads > 1 {
		who = unix.RUSAGE_SELF
	}
	var ru unix.Rusage
	if unix.Getrusage(who, &ru) != nil {
		return 0
	}
	return int64(ru.Nivcsw)
}
