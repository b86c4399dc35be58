package child

import (
	"bytes"
	"os"
	"strconv"
)

// residentBytes reads VmRSS and VmHWM of this process (proc_pid_status(5)), in
// bytes; 0 when the file cannot be read.
func residentBytes() (rss, hwm int64) {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, 0
	}
	field := func(name string) int64 {
		_, rest, ok := bytes.Cut(data, []byte(name+":"))
		if !ok {
			return 0
		}
		f := bytes.Fields(rest)
		if len(f) == 0 {
			return 0
		}
		kib, _ := strconv.ParseInt(string(f[0]), 10, 64)
		return kib << 10
	}
	return field("VmRSS"), field("VmHWM")
}
