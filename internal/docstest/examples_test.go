package docstest

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

var flagLine = regexp.MustCompile(`(?m)^ +(-., )?--`)

var output = regexp.MustCompile(` -o (\S+)`)

// Every example of -h works as written (measuring in few rounds), in a folder that holds the files it names.
func TestExamplesWork(t *testing.T) {
	for _, p := range programs {
		for _, name := range subcommands(t, p) {
			for _, line := range examples(t, p, name) {
				t.Run(p+" "+name, func(t *testing.T) {
					dir := exampleFiles(t)
					if m := output.FindStringSubmatch(line); m != nil { // made by the example itself
						if err := os.RemoveAll(filepath.Join(dir, m[1])); err != nil {
							t.Fatal(err)
						}
					}
					if code, out := shell(t, dir, inFewRounds(line)); code != 0 && code != 3 {
						t.Errorf("%s\nexit code %d\n%s", line, code, out)
					}
				})
			}
		}
	}
}

// Nobody reads a list of twenty flags: long ones stand under headings, and a
// command's first list is short.
func TestLongFlagListsAreGrouped(t *testing.T) {
	const most = 12
	for _, p := range programs {
		for _, name := range subcommands(t, p) {
			out, err := exec.Command(filepath.Join(bin(t), p), name, "-h").Output()
			if err != nil {
				t.Fatalf("%s %s -h: %v", p, name, err)
			}
			for i, list := range strings.Split(string(out), "\n\n") {
				if n := len(flagLine.FindAllString(list, -1)); n > most {
					t.Errorf("%s %s -h: paragraph %d lists %d flags, want at most %d under a heading", p, name, i, n, most)
				}
			}
		}
	}
}

// subcommands lists a program's visible subcommands.
func subcommands(t *testing.T, program string) (names []string) {
	t.Helper()
	out, err := exec.Command(filepath.Join(bin(t), program), "-h").Output()
	if err != nil {
		t.Fatalf("%s -h: %v", program, err)
	}
	_, list, _ := strings.Cut(string(out), "Commands:\n")
	list, _, _ = strings.Cut(list, "\n\n")
	for line := range strings.Lines(list) {
		names = append(names, strings.Fields(line)[0])
	}
	if len(names) < 2 {
		t.Fatalf("%s -h lists no commands:\n%s", program, out)
	}
	return names
}

// examples are the command lines under "Example:" in a subcommand's help.
func examples(t *testing.T, program, name string) (lines []string) {
	t.Helper()
	out, err := exec.Command(filepath.Join(bin(t), program), name, "-h").Output()
	if err != nil {
		t.Fatalf("%s %s -h: %v", program, name, err)
	}
	_, text, ok := strings.Cut(string(out), "\nExample:\n")
	if !ok {
		t.Fatalf("%s %s -h has no example", program, name)
	}
	text, _, _ = strings.Cut(text, "\n\n")
	for line := range strings.Lines(text) {
		lines = append(lines, strings.TrimSpace(line))
	}
	return lines
}

// shell runs a command line with the three programs on the path and returns its
// exit code and everything it printed.
func shell(t *testing.T, dir, line string) (int, []byte) {
	t.Helper()
	// How long a busy machine needs nobody knows; before go test gives up, the line's
	// output so far is to be seen.
	ctx := t.Context()
	if end, ok := t.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, end.Add(-10*time.Second))
		defer cancel()
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", line)
	cmd.Dir = dir
	native, err := filepath.Abs(filepath.Join(root, ".native"))
	if err != nil {
		t.Fatal(err)
	}
	// The programs look for .native/ from the working directory upwards.
	if err := os.Symlink(native, filepath.Join(dir, ".native")); err != nil && !os.IsExist(err) {
		t.Fatal(err)
	}
	cmd.Env = append(os.Environ(), "PATH="+bin(t)+string(os.PathListSeparator)+os.Getenv("PATH"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	// A timeout ends the whole tree, not only the shell.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err = cmd.Run()
	if err != nil && cmd.ProcessState == nil {
		t.Fatalf("%s: %v", line, err)
	}
	return cmd.ProcessState.ExitCode(), out.Bytes()
}
