package target

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/tier"
)

// The fake adb behaves like the real one (platform-tools 35) as far as it is used:
// -s SERIAL before the command; start-server, get-state and features; shell -T [-n]
// joins its arguments with spaces and gives them to the device's sh, which runs as
// the user shell (uid 2000, where the test may change users), in /, with adbd's
// environment and nothing of ours; exit codes and a stderr of its own (shell v2);
// when the cable is pulled only that sh is hung up, what it started lives on; push
// writes as that user, and its messages and exit codes are adb's. Its world is a
// folder with files:
//
//	state      what it says of the device; "N state" says so N times, then "device"
//	serial     the serial it goes by
//	tmp        its folder for what is temporary, where there is no /data/local/tmp
//	features   its features, where not those of Android 7 and later
//	fresh      while it exists the server is not running yet; start-server removes it
//	unplugged  while it exists nothing works, and what runs is cut off
//	full       pushes fail as on a full disk
//	log        one line for each invocation
const fakeADBEnv = "ISOCOST_TEST_FAKE_ADB"

// shellUser is AID_SHELL of Android's android_filesystem_config.h.
const shellUser = 2000

// adbdEnviron is the environment that adbd gives a shell (Pixel 6, Android 14),
// with this machine's PATH. HOME is /, which the user may not write.
var adbdEnviron = []string{"HOME=/", "USER=shell", "LOGNAME=shell", "SHELL=/bin/sh", "HOSTNAME=oriole", "TERM=dumb", "TMPDIR=/data/local/tmp",
	"ANDROID_ROOT=/system", "ANDROID_DATA=/data", "EXTERNAL_STORAGE=/sdcard", "PATH=/usr/local/bin:/usr/bin:/bin"}

func fakeADB(world string, args []string) int {
	say := func(format string, a ...any) int { fmt.Fprintf(os.Stderr, format+"\n", a...); return 1 }
	has := func(name string) bool { _, err := os.Stat(filepath.Join(world, name)); return err == nil }
	text := func(name string) string {
		b, _ := os.ReadFile(filepath.Join(world, name))
		return strings.TrimSpace(string(b))
	}
	if log, err := os.OpenFile(filepath.Join(world, "log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
		fmt.Fprintf(log, "%q\n", args)
		log.Close()
	}
	serial, args := args[1], args[2:]
	if args[0] == "start-server" {
		if has("fresh") {
			os.Remove(filepath.Join(world, "fresh"))
			fmt.Fprintln(os.Stderr, "* daemon not running; starting now at tcp:5037\n* daemon started successfully")
		}
		return 0
	}
	state := text("state")
	if n, rest, ok := strings.Cut(state, " "); ok {
		if left, err := strconv.Atoi(n); err == nil {
			state = rest
			if left--; left > 0 {
				os.WriteFile(filepath.Join(world, "state"), fmt.Appendf(nil, "%d %s", left, rest), 0o600)
			} else {
				os.WriteFile(filepath.Join(world, "state"), []byte("device"), 0o600)
			}
		}
	}
	switch {
	case has("unplugged"), state == "gone", serial != text("serial"):
		return say("error: device '%s' not found", serial)
	case state == "offline":
		return say("error: device offline")
	case state == "authorizing", state == "connecting":
		return say("error: device still %s", state)
	case state == "unauthorized":
		return say("error: device unauthorized.\nThis adb server's $ADB_VENDOR_KEYS is not set\nTry 'adb kill-server' if that seems wrong.\nOtherwise check for a confirmation dialog on your device.")
	case state == "no permissions":
		return say("error: insufficient permissions for device: missing udev rules? user is in the plugdev group\nSee [http://developer.android.com/tools/device.html] for more information")
	}
	// the cable
	var shell atomic.Pointer[os.Process]
	go func() {
		for !has("unplugged") {
			time.Sleep(5 * time.Millisecond)
		}
		if p := shell.Load(); p != nil {
			p.Signal(syscall.SIGHUP) // adbd hangs up its sh alone (shell_service.cpp)
		}
		os.Exit(1) // without a word, as the real one
	}()
	device := func(script string, args ...string) *exec.Cmd {
		cmd := exec.Command("sh", append([]string{"-c", script}, args...)...)
		cmd.Env, cmd.Dir = adbdEnviron, "/"
		if has("tmp") {
			cmd.Env = append(slices.Clone(adbdEnviron), "TMPDIR="+text("tmp"))
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if os.Geteuid() == 0 {
			cmd.SysProcAttr.Credential = &syscall.Credential{Uid: shellUser, Gid: shellUser}
		}
		return cmd
	}
	switch args[0] {
	case "get-state":
		fmt.Println(state)
	case "features":
		if has("features") {
			fmt.Println(text("features"))
		} else {
			fmt.Println("shell_v2\ncmd\nstat_v2\nls_v2")
		}
	case "shell":
		args = args[1:]
		stdin := io.Reader(os.Stdin)
		for len(args) > 0 && strings.HasPrefix(args[0], "-") {
			if args[0] == "-n" {
				stdin = nil
			}
			args = args[1:]
		}
		cmd := device(strings.Join(args, " "))
		cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, os.Stdout, os.Stderr
		if err := cmd.Start(); err != nil {
			return say("error: %v", err)
		}
		shell.Store(cmd.Process)
		var exit *exec.ExitError
		if err := cmd.Wait(); errors.As(err, &exit) {
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
		cmd := device(`cat > "$1"`, "push", remote)
		cmd.Stdin, cmd.Stderr = bytes.NewReader(data), io.Discard
		if err := cmd.Run(); err != nil {
			return say("adb: error: failed to copy '%s' to '%s': remote couldn't create file: Permission denied", local, remote)
		}
		fmt.Printf("%s: 1 file pushed, 0 skipped.\n", local)
	default:
		return say("adb: unknown command %s", args[0])
	}
	return 0
}

// phoneFolder returns a folder that the phone's user may write, as /data/local/tmp.
func phoneFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "isocost-phone-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

// adbWorld starts an adb of one device and returns its dialer and its folder.
func adbWorld(t *testing.T, base string) (*ADBDialer, string) {
	t.Helper()
	world := t.TempDir()
	put(t, filepath.Join(world, "state"), "device")
	put(t, filepath.Join(world, "serial"), "0A1B2C")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("#!/bin/sh\n%s=%s exec %s \"$@\"\n", fakeADBEnv, hint.Word(world), hint.Word(self))
	adb := filepath.Join(world, "adb")
	put(t, adb, script)
	if err := os.Chmod(adb, 0o755); err != nil {
		t.Fatal(err)
	}
	spec, err := ParseSpec("adb:0A1B2C")
	if err != nil {
		t.Fatal(err)
	}
	return &ADBDialer{Spec: spec, Dir: base, ADB: adb, Patience: time.Second}, world
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
	d, world := adbWorld(t, phoneFolder(t))
	for state, want := range map[string]struct {
		is         error
		text, hint string
	}{
		"offline":        {ErrLost, "offline", "plug it in again"},
		"connecting":     {ErrLost, "still connecting", "plug it in again"},
		"authorizing":    {ErrLost, "waits for its owner", "answer its dialog"},
		"unauthorized":   {ErrRefused, "does not know this computer", "allow USB debugging"},
		"no permissions": {ErrRefused, "no permission to use the USB device", "udev rules"},
		"recovery":       {ErrLost, `state "recovery"`, "reboot"},
		"sideload":       {ErrLost, `state "sideload"`, "reboot"},
		"gone":           {ErrLost, "does not see it", "adb devices"},
	} {
		put(t, filepath.Join(world, "state"), state)
		_, err := d.Dial(t.Context())
		if !errors.Is(err, want.is) || !strings.Contains(err.Error(), want.text) || !strings.Contains(hint.Of(err), want.hint) {
			t.Errorf("%s: %v (hint: %s)", state, err, hint.Of(err))
		}
	}
	put(t, filepath.Join(world, "state"), "device")
	for _, features := range []string{"cmd stat_v2", "shell_v1_only_shell_v20"} {
		put(t, filepath.Join(world, "features"), features)
		if _, err := d.Dial(t.Context()); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "shell_v2") {
			t.Errorf("features %q: %v", features, err)
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

// A device that is still connecting, or whose owner is about to answer, is waited
// for; so is one that a server just started has yet to find.
func TestADBWaitsForADeviceThatComes(t *testing.T) {
	tier.Slow(t, "waits for a device")
	d, world := adbWorld(t, phoneFolder(t))
	d.Patience = 10 * time.Second
	for _, state := range []string{"2 connecting", "2 authorizing", "1 offline"} {
		put(t, filepath.Join(world, "state"), state)
		if _, err := d.Dial(t.Context()); err != nil {
			t.Errorf("%s: %v", state, err)
		}
	}
	put(t, filepath.Join(world, "fresh"), "")
	put(t, filepath.Join(world, "state"), "1 gone")
	if _, err := d.Dial(t.Context()); err != nil {
		t.Errorf("a server that has just been started: %v", err)
	}
}

// Phones on the network go by names with blanks and brackets.
func TestADBWirelessSerial(t *testing.T) {
	const serial = "adb-0A1B2C3D-x7YzQw (2)._adb-tls-connect._tcp"
	spec, err := ParseSpec("adb:" + serial)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := ParseSpec(spec.String()); err != nil || again != spec {
		t.Errorf("%q is read back as %+v, %v", spec, again, err)
	}
	d, world := adbWorld(t, phoneFolder(t))
	d.Spec = spec
	put(t, filepath.Join(world, "serial"), serial)
	c, err := d.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := c.Exec(t.Context(), []string{"echo", "here"}, nil, &out, nil); err != nil || out.String() != "here\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}

// A folder from which nothing may be executed and an agent of another architecture
// are told apart, and the latter before anything is pushed.
func TestDeployToTheWrongPlace(t *testing.T) {
	for said, want := range map[string]string{
		"/system/bin/sh: ./agent: can't execute: Permission denied": "noexec",
		"sh: 1: ./agent: Permission denied":                         "noexec",
		"/system/bin/sh: ./agent: not executable: 64-bit ELF file":  "architecture",
		"sh: 1: ./agent: Exec format error":                         "architecture",
	} {
		if h := notRunHint(&ExitError{"agent", 126, said}); !strings.Contains(h, want) {
			t.Errorf("%s: %s", said, h)
		}
	}
	dir := t.TempDir()
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Skip("no /proc: ", err)
	}
	self = self[:4096]
	binary.LittleEndian.PutUint16(self[18:], uint16(elf.EM_RISCV)) // e_machine
	self[40], self[41], self[42], self[43] = 0, 0, 0, 0            // no sections
	binary.LittleEndian.PutUint32(self[44:], 0)
	binary.LittleEndian.PutUint16(self[60:], 0)
	binary.LittleEndian.PutUint16(self[62:], 0)
	put(t, filepath.Join(dir, agentName), string(self))
	base := phoneFolder(t)
	d, world := adbWorld(t, base)
	c, err := d.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = Deploy(t.Context(), c, base, dir, nil)
	if err == nil || !strings.Contains(err.Error(), "built for riscv64") {
		t.Errorf("an agent of another architecture: %v", err)
	}
	if log, _ := os.ReadFile(filepath.Join(world, "log")); strings.Contains(string(log), `"push"`) {
		t.Error("it was pushed before it was refused")
	}
}

// A device that goes away answers with exit code 1, and so do programs: only a
// program that was seen to end is an ExitError.
func TestADBTellsALostLinkFromAFailure(t *testing.T) {
	d, world := adbWorld(t, phoneFolder(t))
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
	base := phoneFolder(t)
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
