//go:build unix

package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
)

// processor is the processor time of this process in seconds, of all its threads: what its
// garbage collector does beside it counts.
func processor() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// spent is the processor time of f in seconds.
func spent(f func() error) (float64, error) {
	runtime.GC() // what was made before is not f's to clear away
	t := processor()
	err := f()
	return processor() - t, err
}

// each is the processor time of one f in seconds, of so many that together take 20 ms or more,
// and how many bytes one allocates.
func each(f func(i int) error) (answer, error) {
	for n := 1; ; n *= 4 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		s, err := spent(func() error {
			for i := range n {
				if err := f(i); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		runtime.ReadMemStats(&after)
		if s >= 0.02 {
			return answer{"s": s / float64(n), "allocations": int(float64(after.Mallocs-before.Mallocs) / float64(n))}, nil
		}
	}
}

// resident is the memory this process holds now, in bytes.
func resident() int {
	runtime.GC()
	debug.FreeOSMemory()
	return status("VmRSS:")
}

// peak is the most memory this process held since the last forget, in bytes.
func peak() int { return status("VmHWM:") }

// forget begins a new peak where the system can.
func forget() { _ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }

func status(field string) int {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if v, ok := strings.CutPrefix(line, field); ok {
			kib, _ := strconv.Atoi(strings.Fields(v)[0])
			return kib * 1024
		}
	}
	return 0
}
