//go:build unix

package cli

import (
	"os"

	"golang.org/x/sys/unix"
)

// terminalWidth is the number of columns of f, or fallback when it cannot tell.
func terminalWidth(f *os.File, fallback int) int {
	ws, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil || ws.Col == 0 {
		return fallback
	}
	return int(ws.Col)
}
