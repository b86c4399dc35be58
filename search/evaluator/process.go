package evaluator

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// maxAnswer bounds an answer line; a runaway program does not fill the memory.
const maxAnswer = 1 << 20

// process is one running worker.
type process struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan []byte // answers; closed at the end of the output
	stop  chan struct{}
	gone  chan struct{} // closed when the process is reaped
	once  sync.Once
	tail  *tail
	said  string // the last line of its output that was no answer
}

// start runs a program whose own talk goes to stderr, nil to drop it.
func start(cmd *exec.Cmd, stderr io.Writer) (*process, error) {
	p := &process{cmd: cmd, lines: make(chan []byte), stop: make(chan struct{}), gone: make(chan struct{}), tail: &tail{to: stderr}}
	p.cmd.Stderr = p.tail
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	// A pipe of our own: that of exec.Cmd ends the reading with the process, or, where a
	// child that left the process group keeps it open, not at all.
	out, theirs, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.in, p.cmd.Stdout, p.cmd.WaitDelay = in, theirs, lingering
	err = p.cmd.Start()
	theirs.Close()
	if err != nil {
		out.Close()
		return nil, fmt.Errorf("start %s: %w", p.cmd.Path, err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		sc := bufio.NewScanner(out)
		sc.Buffer(make([]byte, 1<<12), maxAnswer)
		for sc.Scan() {
			select {
			case p.lines <- bytes.Clone(sc.Bytes()):
			case <-p.stop:
			}
		}
		close(p.lines)
		io.Copy(io.Discard, out) // a line too long: let the program end or be killed
	}()
	go func() {
		p.cmd.Wait()
		close(p.gone)
		select {
		case <-read:
		case <-time.After(lingering):
		}
		out.Close()
	}()
	return p, nil
}

// lingering is the time output may still come after a process has ended: from a child of
// it that keeps the output open, for ever.
const lingering = 500 * time.Millisecond

// exchange writes a request and reads its answer.
func (p *process) exchange(ctx context.Context, line []byte) ([]byte, error) {
	wrote := make(chan error, 1)
	go func() {
		_, err := p.in.Write(append(line[:len(line):len(line)], '\n'))
		wrote <- err
	}()
	select {
	case err := <-wrote:
		if err != nil {
			return nil, p.died()
		}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return p.read(ctx)
}

// read waits for the next line of the process.
func (p *process) read(ctx context.Context) ([]byte, error) {
	select {
	case reply, ok := <-p.lines:
		if !ok {
			return nil, p.died()
		}
		return reply, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// died describes the end of a process.
func (p *process) died() error {
	p.kill()
	text := "the program ended"
	if p.cmd.ProcessState != nil {
		text += ": " + p.cmd.ProcessState.String()
	}
	last := p.tail.last()
	if last == "" {
		last = brief(p.said)
	}
	if last != "" {
		text += "; its last words: " + last
	}
	return errors.New(text)
}

// kill ends the process and all its children and waits for it.
func (p *process) kill() {
	p.once.Do(func() {
		close(p.stop)
		p.in.Close()
		select {
		case <-p.gone: // it ended by itself: its exit status is the interesting one
			return
		case <-time.After(50 * time.Millisecond):
		}
		killGroup(p.cmd)
	})
	<-p.gone
}

// tail passes a program's talk on and keeps its last line.
type tail struct {
	mu  sync.Mutex
	to  io.Writer
	buf []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	if len(t.buf) > 4096 {
		t.buf = t.buf[len(t.buf)-4096:]
	}
	if t.to != nil {
		return t.to.Write(b)
	}
	return len(b), nil
}

func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(string(t.buf)), "\n")
	return brief(lines[len(lines)-1])
}

// brief is the beginning of a line.
func brief(s string) string {
	if len(s) > 200 {
		s = s[:200] + "…"
	}
	return s
}
