package target

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The fake adb behaves like the real one (platform-tools 35) as far as it is
// used: -s SERIAL before the command; get-state and features; shell -T [-n] joins
// its arguments with spaces and gives them to the device's sh; exit codes and a
// stderr of its own (shell v2); push writes through, and its messages and exit
// codes are adb's. Its world is a folder with files:
//
//	state      "device", "offline", "unauthorized" or "gone"
//	unplugged  while it exists nothing works, and what runs is cut off
//	full       pushes fail as on a full disk
//	log        one line for each invocation
const fakeADBEnv = "ISOCOST_TEST_FAKE_ADB"

func fakeADB(world string, args []string) int {
	say := func(format string, a ...any) int { fmt.Fprintf(os.Stderr, format+"\n", a...); return 1 }
	has := func(name string) bool { _, err := os.Stat(filepath.Join(world, name)); return err == nil }
	if log, err := os.OpenFile(filepath.Join(world, "log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
		fmt.Fprintf(log, "%q\n", args)
		log.Close()
	}
	serial, args := args[1], args[2:]
	state, _ := os.ReadFile(filepath.Join(world, "state"))
	switch s := string(state); {
	case has("unplugged"), s == "gone", serial != "0A1B2C":
		return say("adb: device '%s' not found", serial)
	case s == "offline":
		return say("adb: device offline")
	case s == "unauthorized":
		return say("adb: device unauthorized.\nThis adb server's $ADB_VENDOR_KEYS is not set\nTry 'adb kill-server' if that seems wrong.")
	}
	// the cable
	go func() {
		for !has("unplugged") {
			time.Sleep(5 * time.Millisecond)
		}
		syscall.Kill(-os.Getpid(), syscall.SIGHUP) // adbd hangs up
		os.Exit(1)                                 // without a word, as the real one
	}()
	switch args[0] {
	case "get-state":
		fmt.Println("device")
	case "features":
		fmt.Println("shell_v2\ncmd\nstat_v2\nls_v2")
	case "shell":
		args = args[1:]
		stdin := io.Reader(os.Stdin)
		for len(args) > 0 && strings.HasPrefix(args[0], "-") {
			if args[0] == "-n" {
				stdin = nil
			}
			args = args[1:]
		}
		cmd := exec.Command("sh", "-c", strings.Join(args, " "))
		cmd.Env = append(os.Environ(), fakeADBEnv+"=")
		cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, os.Stdout, os.Stderr
		err := cmd.Run()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return exit.ExitCode()
		}
	case "push":
		local, remote := args[1], args[2]
		data, err := os.ReadFile(local)
		if err != nil {
			return say("adb: error: cannot stat '%s': No such file or directory", local)
		}
		if has("full") {
			os.WriteFile(remote, data[:len(data)/2], 0o644)
			return say("adb: error: failed to copy '%s' to '%s': remote couldn't write file: No space left on device", local, remote)
		}
		// in pieces, so that a cable can be pulled in the middle
		f, err := os.OpenFile(remote, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
		if err != nil {
			return say("adb: error: failed to copy '%s' to '%s': remote %v", local, remote, errors.Unwrap(err))
		}
		for len(data) > 0 {
			n := min(len(data), 1<<20)
			f.Write(data[:n])
			data = data[n:]
		}
		f.Close()
		fmt.Printf("%s: 1 file pushed, 0 skipped.\n", local)
	default:
		return say("adb: unknown command %s", args[0])
	}
	return 0
}

// adbWorld starts an adb of one device and returns its dialer and its folder.
func adbWorld(t *testing.T, base string) (*ADBDialer, string) {
	t.Helper()
	world := t.TempDir()
	put(t, filepath.Join(world, "state"), "device")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// A program of its own process group, so that its cable is its own.
	script := fmt.Sprintf("#!/bin/sh\n%s=%s exec setsid -w %s \"$@\"\n", fakeADBEnv, quote(world), quote(self))
	adb := filepath.Join(world, "adb")
	put(t, adb, script)
	if err := os.Chmod(adb, 0o755); err != nil {
		t.Fatal(err)
	}
	spec, err := ParseSpec("adb:0A1B2C")
	if err != nil {
		t.Fatal(err)
	}
	return &ADBDialer{Spec: spec, Dir: base, ADB: adb}, world
}

func put(t testing.TB, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestADBSaysWhatIsWrong(t *testing.T) {
	d, world := adbWorld(t, t.TempDir())
	for state, want := range map[string]struct {
		is   error
		text string
	}{
		"offline":      {ErrLost, "offline"},
		"unauthorized": {ErrRefused, "does not know this computer"},
		"gone":         {ErrLost, "not found"},
	} {
		put(t, filepath.Join(world, "state"), state)
		if _, err := d.Dial(t.Context()); !errors.Is(err, want.is) || !strings.Contains(err.Error(), want.text) {
			t.Errorf("%s: %v", state, err)
		}
	}
	d.ADB = filepath.Join(world, "no-such-adb")
	if _, err := d.Dial(t.Context()); err == nil {
		t.Error("no adb, no error")
	}
	d.ADB = "no-such-adb-in-path"
	if _, err := d.Dial(t.Context()); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "not installed") {
		t.Errorf("no adb: %v", err)
	}
}

// A device that goes away answers with exit code 1, and so do programs: only a
// program that was seen to end is an ExitError.
func TestADBTellsALostLinkFromAFailure(t *testing.T) {
	d, world := adbWorld(t, t.TempDir())
	c, err := d.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var exit *ExitError
	if err := c.Exec(t.Context(), []string{"sh", "-c", "exit 1"}, nil, nil, nil); !errors.As(err, &exit) || exit.Code != 1 {
		t.Errorf("a program that failed: %v", err)
	}
	time.AfterFunc(200*time.Millisecond, func() { put(t, filepath.Join(world, "unplugged"), "") })
	if err := c.Exec(t.Context(), []string{"sleep", "30"}, nil, nil, nil); !errors.Is(err, ErrLost) {
		t.Errorf("a cable pulled out: %v", err)
	}
	var out bytes.Buffer
	if err := c.Exec(t.Context(), []string{"echo", "x"}, nil, &out, nil); !errors.Is(err, ErrLost) || out.Len() > 0 {
		t.Errorf("no device: %v, %q", err, out.String())
	}
}

func TestADBFullDisk(t *testing.T) {
	base := t.TempDir()
	d, world := adbWorld(t, base)
	c, _ := d.Dial(t.Context())
	put(t, filepath.Join(world, "full"), "")
	src := filepath.Join(t.TempDir(), "f")
	put(t, src, "0123456789")
	if err := c.Push(t.Context(), src, filepath.Join(base, "sub", "f")); !errors.Is(err, ErrNoSpace) {
		t.Errorf("%v, want ErrNoSpace", err)
	}
	if left, _ := os.ReadDir(filepath.Join(base, "sub")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
