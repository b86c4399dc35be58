package target

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/isocost/isocost/internal/hint"
)

// Conn is one link to a device. Its methods may be called by several goroutines.
type Conn interface {
	// Exec runs a program with its arguments, untouched by any shell, and returns
	// when it has ended. A program that ended with another code than 0 is an
	// *ExitError; an error that wraps ErrLost means that the link broke and nothing
	// is known of the program.
	Exec(ctx context.Context, argv []string, stdin io.Reader, stdout, stderr io.Writer) error
	// Push copies a local file to the device with mode 0700, whole or not at all.
	// Missing folders are created. A full disk wraps ErrNoSpace.
	Push(ctx context.Context, local, remote string) error
	Close() error
}

// Dialer makes links to one device; a link that is lost is replaced by a new one.
type Dialer interface {
	Dial(ctx context.Context) (Conn, error)
	// Base is the folder for isocost's files on the device.
	Base() string
	String() string
}

// ErrLost is wrapped when the link to the device broke.
var ErrLost = errors.New("the link to the device is lost")

// ErrNoSpace is wrapped when the device's disk is full.
var ErrNoSpace = errors.New("no space left on the device")

// ErrRefused is wrapped when dialling again cannot help: a wrong key, an unknown
// host, a phone that has not allowed this computer.
var ErrRefused = errors.New("the device refuses the connection")

// ExitError is the end of a program that failed on the device.
type ExitError struct {
	Program string
	Code    int    // 128 + signal where a signal ended it
	Stderr  string // what it said last
}

func (e *ExitError) Error() string {
	s := fmt.Sprintf("%s on the device ended with code %d", e.Program, e.Code)
	if e.Stderr != "" {
		s += ": " + e.Stderr
	}
	return s
}

// tail keeps the last bytes written, for error messages.
type tail struct {
	next io.Writer // may be nil
	buf  []byte
}

const tailBytes = 4096

func (t *tail) Write(p []byte) (int, error) {
	t.buf = append(t.buf, p...)
	if n := len(t.buf) - tailBytes; n > 0 {
		t.buf = t.buf[n:]
	}
	if t.next != nil {
		return t.next.Write(p)
	}
	return len(p), nil
}

func (t *tail) String() string { return strings.TrimSpace(string(t.buf)) }

// commandLine makes the words of argv a shell command that runs exactly them.
func commandLine(argv []string) (string, error) {
	if len(argv) == 0 {
		return "", errors.New("run on the device: no program")
	}
	words := make([]string, len(argv))
	for i, a := range argv {
		if strings.IndexByte(a, 0) >= 0 {
			return "", fmt.Errorf("run on the device: argument %q holds a NUL byte", a)
		}
		words[i] = hint.Word(a)
	}
	// A first word with "=" would be an assignment to the shell.
	if strings.Contains(argv[0], "=") {
		words[0] = "'" + strings.ReplaceAll(argv[0], "'", `'\''`) + "'"
	}
	return strings.Join(words, " "), nil
}

// noSpace turns the words of a full disk into ErrNoSpace.
func noSpace(err error, said, remote string) error {
	lower := strings.ToLower(said)
	if strings.Contains(lower, "no space left") || strings.Contains(lower, "disk quota exceeded") || strings.Contains(lower, "enospc") {
		return hint.Wrap(fmt.Errorf("push %s: %w", remote, ErrNoSpace),
			"free some space there, or choose another folder with --target-dir")
	}
	return err
}

// bounded keeps what a device answers, up to a limit: a device that is not what it
// says must not fill the host's memory.
type bounded struct {
	bytes.Buffer
	limit int
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.limit {
		return 0, errTooLong
	}
	return b.Buffer.Write(p)
}

var errTooLong = errors.New("the device's answer has no end")

// How much a device may answer, and how long it may take, where its answer is read
// whole: a state is a line; the list of a bundle's files and what agent bench prints
// are at most a few megabytes.
const (
	maxStateBytes  = 64 << 10
	maxListBytes   = 16 << 20
	maxOutputBytes = 64 << 20
	controlTimeout = time.Minute
)

// answer runs a short program on the device and returns what it printed. One that
// prints too much or takes too long is an error.
func answer(ctx context.Context, c Conn, limit int, argv ...string) ([]byte, error) {
	within, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	out := &bounded{limit: limit}
	watched := &failing{Writer: out, cancel: cancel}
	err := c.Exec(within, argv, nil, watched, nil)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case watched.err != nil:
		return nil, hint.Wrap(fmt.Errorf("%w: %s: %w", ErrRefused, argv[0], watched.err), "is this the device you mean? its agent does not behave as isocost's")
	case errors.Is(err, context.DeadlineExceeded):
		return nil, hint.Wrap(fmt.Errorf("%w: %s gives no answer within %v", ErrLost, argv[0], controlTimeout), "does the device hang? look at it, or restart it")
	case err != nil:
		return nil, err
	}
	return out.Bytes(), nil
}

// failing ends the program when its output cannot be taken: a link's own copying
// may otherwise wait for a program that never ends.
type failing struct {
	io.Writer
	cancel func()
	err    error
}

func (f *failing) Write(p []byte) (int, error) {
	n, err := f.Writer.Write(p)
	if err != nil && f.err == nil {
		f.err = err
		f.cancel()
	}
	return n, err
}

// pushMark is in the names of files that are on their way.
const pushMark = ".push-"

// pushName returns the name under which a file arrives before it is renamed. Two
// hosts may push to one device at once: each has its own.
func pushName(remote string) string { return remote + pushMark + pushToken }

var pushToken = strconv.FormatUint(rand.Uint64(), 36)
