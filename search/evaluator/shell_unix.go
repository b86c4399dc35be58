//go:build unix

package evaluator

import (
	"os/exec"
	"syscall"
)

// shell runs a command line in a process group of its own, so that all of it can
// be ended, and Ctrl-C at the terminal reaches the search alone.
func shell(command string) *exec.Cmd {
	return program("/bin/sh", "-c", command)
}

// program runs a program likewise.
func program(path string, args ...string) *exec.Cmd {
	cmd := exec.Command(path, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

func killGroup(cmd *exec.Cmd) { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
