package target

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/isocost/isocost/internal/hint"
)

// ADBDialer reaches an Android device through the adb program.
type ADBDialer struct {
	Spec Spec
	Dir  string // folder on the device
	ADB  string // the adb program; "adb" is looked up in PATH
	// Patience says how long a device that is still connecting or unanswered is waited
	// for; 0 means 15 seconds.
	Patience time.Duration
}

// androidBase says where a shell user may write and execute.
const androidBase = "/data/local/tmp/isocost"

// NewADBDialer uses the adb in PATH.
func NewADBDialer(spec Spec, dir string) *ADBDialer {
	return &ADBDialer{Spec: spec, Dir: dir, ADB: "adb"}
}

func (d *ADBDialer) String() string { return d.Spec.String() }

// Base is the folder on the device.
func (d *ADBDialer) Base() string {
	if d.Dir == "" {
		return androidBase
	}
	return d.Dir
}

// A device that is still connecting, or whose owner has yet to answer its dialog,
// is asked again this often, for as long as dialling may take.
const (
	adbPoll        = 500 * time.Millisecond
	adbDialTimeout = 20 * time.Second
)

// Dial waits until the device is ready and lets us in. It also checks for the
// shell protocol that keeps stderr apart (shell v2, Android 7.0).
func (d *ADBDialer) Dial(ctx context.Context) (Conn, error) {
	c := &adbConn{d}
	ctx, cancel := context.WithTimeout(ctx, adbDialTimeout)
	defer cancel()
	// A server that has just been started does not know its devices yet, and says
	// so to whoever started it (older ones on stdout).
	var out, said bytes.Buffer
	if err := c.adb(ctx, nil, &out, &said, "start-server"); err != nil {
		return nil, err
	}
	fresh := strings.Contains(out.String()+said.String(), "daemon")
	for begun := time.Now(); ; {
		state, err := c.state(ctx)
		if err == nil && state == "device" {
			break
		}
		var passing *passingState
		switch {
		case err == nil:
			return nil, hint.Wrap(fmt.Errorf("%w: %s is in state %q", ErrLost, d, state), "start Android on it: adb -s %s reboot", hint.Word(d.Spec.Serial))
		case errors.As(err, &passing) && time.Since(begun) < d.patience():
		case fresh && errors.Is(err, errNoDevice) && time.Since(begun) < 3*time.Second:
		default:
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(adbPoll):
		}
	}
	out.Reset()
	if err := c.adb(ctx, nil, &out, nil, "features"); err != nil {
		return nil, err
	}
	if !slices.Contains(strings.Fields(out.String()), "shell_v2") {
		return nil, hint.Wrap(fmt.Errorf("%w: the adb daemon of %s has no shell protocol that keeps errors apart (shell_v2)", ErrRefused, d),
			"Android 7.0 or later has it, unless its maker took it out; an SSH server on the phone is another way in (--target ssh:USER@HOST)")
	}
	return c, nil
}

// patience says how long a passing state is waited for.
func (d *ADBDialer) patience() time.Duration {
	if d.Patience > 0 {
		return d.Patience
	}
	return adbDialTimeout - 5*time.Second
}

// state returns what adb calls the device: "device" where it is ready, else
// "recovery", "sideload", "rescue" and the like.
func (c *adbConn) state(ctx context.Context) (string, error) {
	var out bytes.Buffer
	if err := c.adb(ctx, nil, &out, nil, "get-state"); err != nil {
		return "", err
	}
	// Older clients announce on stdout that they start the server.
	return lastLine(out.String()), nil
}

type adbConn struct{ d *ADBDialer }

func (c *adbConn) Close() error { return nil }

// adb runs the adb program itself; an error says what it said.
func (c *adbConn) adb(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer, args ...string) error {
	said := &tail{next: stderr}
	cmd := exec.CommandContext(ctx, c.d.ADB, append([]string{"-s", c.d.Spec.Serial}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, said
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil:
		return nil
	case errors.Is(err, exec.ErrNotFound):
		return hint.Wrap(fmt.Errorf("%w: the program adb is not installed", ErrRefused), "install Android's platform-tools and put adb into PATH")
	}
	return c.explain(err, said.String())
}

// passingState is the error of a device that may be ready in a moment.
type passingState struct{ error }

func (p *passingState) Unwrap() error { return p.error }

// errNoDevice is wrapped when adb knows no device of that serial.
var errNoDevice = errors.New("adb does not see it")

// explain reads adb's own messages (packages/modules/adb: transport.cpp,
// TransportManager and check_header; client/usb_libusb.cpp; sysdeps/errno.cpp).
func (c *adbConn) explain(err error, said string) error {
	said = withoutServer(said)
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(said, w) })
	}
	switch {
	case has("still authorizing", "device authorizing"):
		return &passingState{hint.Wrap(fmt.Errorf("%w: %s waits for its owner to allow this computer", ErrLost, c.d), "unlock the phone and answer its dialog")}
	case has("still connecting", "device connecting", "device offline", "detached"):
		return &passingState{hint.Wrap(fmt.Errorf("%w: %s: %s", ErrLost, c.d, said), "if it stays so, unplug the phone and plug it in again")}
	case has("unauthorized"):
		return hint.Wrap(fmt.Errorf("%w: %s does not know this computer", ErrRefused, c.d), "unlock the phone and allow USB debugging, then try again")
	case has("no permissions", "insufficient permissions"):
		return hint.Wrap(fmt.Errorf("%w: no permission to use the USB device of %s", ErrRefused, c.d), "install the udev rules of the distribution's android-sdk-platform-tools, or join the group plugdev")
	case has("No space left", "ENOSPC"):
		return fmt.Errorf("%w: %s", ErrNoSpace, said)
	case has("not found", "no devices"):
		return hint.Wrap(fmt.Errorf("%w: %s: %w", ErrLost, c.d, errNoDevice), "adb devices lists what is connected; after adb tcpip or adb usb, which end all that was started through adb, the same command goes on")
	}
	if said == "" {
		return fmt.Errorf("%w: %s: adb: %w", ErrLost, c.d, err)
	}
	return hint.Wrap(fmt.Errorf("%w: %s: %s", ErrLost, c.d, said), "adb devices lists what is connected; after adb tcpip or adb usb, which end all that was started through adb, the same command goes on")
}

// withoutServer drops what adb says about its server ("* daemon started
// successfully", "adb server version (40) doesn't match this client (41); killing...").
func withoutServer(said string) string {
	lines := slices.DeleteFunc(strings.Split(said, "\n"), func(l string) bool {
		return strings.HasPrefix(l, "* daemon") || strings.HasPrefix(l, "adb server version")
	})
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

// The shell's trailer tells the end of the program from the end of the link:
// adb exits with 1 for a lost device, and so do programs.
const adbTrailer = "isocost-ended:"

var adbTrailerRE = regexp.MustCompile(`(?s)^(.*)` + adbTrailer + `(\d+)\s*$`)

func (c *adbConn) Exec(ctx context.Context, argv []string, stdin io.Reader, stdout, stderr io.Writer) error {
	line, err := commandLine(argv)
	if err != nil {
		return err
	}
	return c.shell(ctx, argv[0], line, stdin, stdout, stderr)
}

func (c *adbConn) shell(ctx context.Context, name, line string, stdin io.Reader, stdout, stderr io.Writer) error {
	// The trailer goes to stderr, where no data is; stderr is held back by the
	// length of a trailer, so that it never shows.
	said := &tail{next: stderr}
	hold := &holdBack{next: said}
	// -T: no terminal, so that bytes pass unchanged. adb joins its arguments with
	// spaces and hands them to the device's sh: one argument, quoted by us.
	script := line + `; echo ` + adbTrailer + `$? >&2`
	args := []string{"shell", "-T", script}
	if stdin == nil {
		args = []string{"shell", "-T", "-n", script}
	}
	err := c.adb(ctx, stdin, stdout, hold, args...)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	m := adbTrailerRE.FindSubmatch(hold.rest())
	if m == nil {
		hold.flush()
		if err == nil {
			err = fmt.Errorf("%w: %s: the shell ended without a word", ErrLost, c.d)
		}
		return err
	}
	said.Write(m[1])
	code, convErr := strconv.Atoi(string(m[2]))
	switch {
	case convErr != nil:
		return fmt.Errorf("%s: %w", c.d, convErr)
	case code == 0:
		return nil
	}
	return &ExitError{name, code, said.String()}
}

// holdBack passes everything on but the last bytes.
type holdBack struct {
	next io.Writer
	buf  []byte
}

const holdBytes = len(adbTrailer) + 16

func (h *holdBack) Write(p []byte) (int, error) {
	h.buf = append(h.buf, p...)
	if n := len(h.buf) - holdBytes; n > 0 {
		if _, err := h.next.Write(h.buf[:n]); err != nil {
			return 0, err
		}
		h.buf = h.buf[n:]
	}
	return len(p), nil
}

func (h *holdBack) rest() []byte { return h.buf }
func (h *holdBack) flush()       { h.next.Write(h.buf) }

func (c *adbConn) Push(ctx context.Context, local, remote string) error {
	abs, err := filepath.Abs(local) // a name like -l must not be an option
	if err != nil {
		return err
	}
	if strings.ContainsAny(remote, "\x00\n") || !path.IsAbs(remote) {
		return fmt.Errorf("push %q: on Android the path must be absolute", remote)
	}
	tmp := pushName(remote)
	if err := c.shell(ctx, "mkdir", "umask 077 && mkdir -p "+pathWord(path.Dir(remote)), nil, nil, nil); err != nil {
		return noSpace(fmt.Errorf("push %s: %w", remote, err), err.Error(), remote)
	}
	if err := c.adb(ctx, nil, nil, nil, "push", abs, tmp); err != nil {
		c.shell(ctx, "rm", "rm -f "+pathWord(tmp), nil, nil, nil)
		return noSpace(fmt.Errorf("push %s: %w", remote, err), err.Error(), remote)
	}
	return c.shell(ctx, "mv", "chmod 0700 "+pathWord(tmp)+" && mv -f "+pathWord(tmp)+" "+pathWord(remote), nil, nil, nil)
}
