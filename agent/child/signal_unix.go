//go:build unix

package child

import (
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// signalName names the signal that ended a process, "" if none did.
func signalName(state *os.ProcessState) string {
	if state == nil {
		return ""
	}
	ws, ok := state.Sys().(syscall.WaitStatus)
	if !ok || !ws.Signaled() {
		return ""
	}
	if name := unix.SignalName(ws.Signal()); name != "" {
		return name
	}
	return "signal" + strconv.Itoa(int(ws.Signal()))
}
