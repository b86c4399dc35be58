package child

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/isocost/isocost/record"
)

// Launcher starts measuring children.
type Launcher interface {
	Launch(ctx context.Context) (Process, error)
}

// Process is a running child: requests are written to it, reports read from it.
type Process interface {
	io.Reader
	io.Writer
	// Kill ends the child at once.
	Kill()
	// Wait waits for the end and says how it came, as a validity code
	// ("crashed:SIGSEGV", "crashed:exit0"), with the last words on stderr.
	Wait() (code record.Validity, lastWords string)
}

// Command launches the child as a process of its own: Path with Args, the
// request pipe at file descriptor 3 and the report pipe at 4.
type Command struct {
	Path string
	Args []string
	Env  []string // nil: the parent's
	// Start, when set, starts the command instead of cmd.Start: on a thread whose
	// affinity the child and every native thread in it inherit.
	Start func(cmd *exec.Cmd) error
	// Check, when set, looks at the child once its models are open and their threads
	// exist: whether they run where Start put them. Its error ends the campaign.
	Check func(pid int) error
}

// looked is implemented by processes that can be looked at from outside.
type looked interface{ look() error }

// RequestFD and ReportFD are the child's ends of the pipes.
const (
	RequestFD = 3
	ReportFD  = 4
)

// Launch starts the child.
func (c Command) Launch(ctx context.Context) (Process, error) {
	reqR, reqW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	repR, repW, err := os.Pipe()
	if err != nil {
		reqR.Close()
		reqW.Close()
		return nil, err
	}
	cmd := exec.CommandContext(ctx, c.Path, c.Args...)
	cmd.Env = c.Env
	cmd.ExtraFiles = []*os.File{reqR, repW}
	p := &process{cmd: cmd, w: reqW, r: repR, words: &lastWords{}, check: c.Check}
	cmd.Stderr = p.words
	cmd.Stdout = p.words // libraries print; reports have their own pipe
	// A grandchild may hold the streams open; its words are not worth waiting for.
	cmd.WaitDelay = time.Second
	if c.Start != nil {
		err = c.Start(cmd)
	} else {
		err = cmd.Start()
	}
	reqR.Close()
	repW.Close()
	if err != nil {
		reqW.Close()
		repR.Close()
		return nil, fmt.Errorf("start the measuring child: %w", err)
	}
	return p, nil
}

type process struct {
	cmd   *exec.Cmd
	w, r  *os.File
	words *lastWords
	once  sync.Once
	code  record.Validity
	check func(pid int) error
}

func (p *process) look() error {
	if p.check == nil {
		return nil
	}
	return p.check(p.cmd.Process.Pid)
}

func (p *process) Read(b []byte) (int, error)  { return p.r.Read(b) }
func (p *process) Write(b []byte) (int, error) { return p.w.Write(b) }
func (p *process) Kill()                       { p.cmd.Process.Kill() }

func (p *process) Wait() (record.Validity, string) {
	p.once.Do(func() {
		p.w.Close()
		err := p.cmd.Wait()
		p.r.Close()
		p.code = exitCode(p.cmd.ProcessState, err, p.words.String())
	})
	return p.code, p.words.String()
}

// goSignal says how Go's runtime reports a signal that native code raised: it
// prints the name and exits with 2, so that the wait status does not tell.
var goSignal = regexp.MustCompile(`(?m)^(?:\[signal |)(SIG[A-Z]+)(?:: |\])`)

// exitCode describes how a process ended.
func exitCode(state *os.ProcessState, err error, words string) record.Validity {
	if name := signalName(state); name != "" {
		return record.Crashed(name)
	}
	if state != nil && state.ExitCode() == 2 {
		if m := goSignal.FindStringSubmatch(words); m != nil {
			return record.Crashed(m[1])
		}
	}
	var exit *exec.ExitError
	if err == nil || errors.As(err, &exit) || state != nil {
		return record.Crashed(fmt.Sprint("exit", state.ExitCode()))
	}
	return record.Crashed("lost")
}

// lastWords keeps the first and the last 4 KiB written to it: a Go crash says
// what happened first and then dumps its goroutines, a library's assertion is the
// last line.
type lastWords struct {
	mu         sync.Mutex
	head, tail []byte
	cut        bool
}

const wordsBytes = 4 << 10

func (t *lastWords) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := min(len(b), wordsBytes-len(t.head))
	t.head = append(t.head, b[:n]...)
	t.tail = append(t.tail, b[n:]...)
	if len(t.tail) > 2*wordsBytes {
		t.tail = bytes.Clone(t.tail[len(t.tail)-wordsBytes:])
		t.cut = true
	}
	return len(b), nil
}

func (t *lastWords) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	between := ""
	if t.cut {
		between = "\n…\n"
	}
	return strings.TrimSpace(string(t.head) + between + string(t.tail))
}

// InProcess runs the child as a goroutine: for tests and simulations that need
// thousands of campaigns. A backend fault that would end the process must panic
// with a Death.
type InProcess struct{ Child Child }

// Death ends an in-process child; its value is the validity code to report.
type Death record.Validity

// Launch starts the goroutine.
func (l InProcess) Launch(ctx context.Context) (Process, error) {
	reqR, reqW := io.Pipe()
	repR, repW := io.Pipe()
	p := &inProcess{r: repR, w: reqW, reqR: reqR, repW: repW, done: make(chan struct{})}
	child := l.Child
	child.OwnProcess = false
	go func() {
		defer close(p.done)
		defer func() {
			if d, ok := recover().(Death); ok {
				p.code = record.Validity(d)
			}
			reqR.Close()
			repW.Close()
		}()
		p.code = record.Crashed("exit0")
		if err := child.Serve(ctx, reqR, repW); err != nil {
			p.code = record.Crashed("exit1")
			p.words = err.Error()
		}
	}()
	return p, nil
}

type inProcess struct {
	r     *io.PipeReader
	w     *io.PipeWriter
	reqR  *io.PipeReader
	repW  *io.PipeWriter
	done  chan struct{}
	code  record.Validity
	words string
}

func (p *inProcess) Read(b []byte) (int, error)  { return p.r.Read(b) }
func (p *inProcess) Write(b []byte) (int, error) { return p.w.Write(b) }

// Kill cuts the pipes: the goroutine ends at its next report.
func (p *inProcess) Kill() {
	p.w.Close()
	p.r.Close()
}

func (p *inProcess) Wait() (record.Validity, string) {
	p.Kill()
	<-p.done
	return p.code, p.words
}
