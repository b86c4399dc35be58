//go:build !unix

package evaluator

import "os/exec"

func shell(command string) *exec.Cmd { return exec.Command("cmd", "/c", command) }

func program(path string, args ...string) *exec.Cmd { return exec.Command(path, args...) }

func killGroup(cmd *exec.Cmd) { cmd.Process.Kill() }
