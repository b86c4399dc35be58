//go:build unix

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"syscall"
	"time"
)

// partial is the exit code of a program that finished with something left out.
const partial = 3

// program runs a command and says what it took, its start included. It is run from here and not
// from Python, because a process's peak counts what its parent held when it was started.
func program(args []string) (answer, error) {
	if len(args) == 0 {
		return nil, errors.New("no command")
	}
	var talk bytes.Buffer
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = io.Discard, &talk
	began := time.Now()
	err := cmd.Run()
	wall := time.Since(began).Seconds()
	if cmd.ProcessState == nil || err != nil && cmd.ProcessState.ExitCode() != partial {
		return nil, fmt.Errorf("%q: %w: %.500s", args, err, talk.Bytes())
	}
	used := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return answer{"s": (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), "wall_s": wall, "bytes": used.Maxrss * 1024}, nil
}
