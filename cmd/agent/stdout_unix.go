//go:build unix

package main

import (
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/isocost/isocost/internal/cli"
)

// dataStream returns where a command that loads native libraries writes its data:
// some of them print on file descriptor 1 (LiteRT: "INFO: …"), which from then on
// leads to stderr. A stream that is not the process's own stays as it is.
func dataStream(stdout io.Writer) (io.Writer, error) {
	out, ok := stdout.(*cli.Printed)
	if !ok || out.To != os.Stdout {
		return stdout, nil
	}
	fd, err := unix.FcntlInt(1, unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, os.NewSyscallError("dup stdout", err)
	}
	if err := unix.Dup2(2, 1); err != nil {
		return nil, os.NewSyscallError("lead stdout to stderr", err)
	}
	out.To = os.NewFile(uintptr(fd), "stdout")
	return out, nil
}
