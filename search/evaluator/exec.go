package evaluator

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/space"
)

// ExecOptions say how an outside program is run.
type ExecOptions struct {
	Command string        // a shell command line
	Workers int           // processes at a time
	Timeout time.Duration // of one request; 0 for none
	Retries int           // further attempts after a failed one
	Stderr  io.Writer     // where the program's own talk goes; nil to drop it
	// Note is told of every failed attempt; it may be called concurrently.
	Note func(string)
}

// Exec asks an outside program. Each worker is one process of it that reads one
// request a line on standard input and answers each by one line on standard
// output:
//
//	{"id":"7","arch":"mb_k3_e6:2:int8|…","layers":[{"choice":"mb_k3_e6","width":2,"precision":"int8"},…],"seed":123,"fidelity":1}
//	{"id":"7","utility":0.9312}
//	{"id":"7","error":"out of memory"}
//
// The same arch, seed and fidelity must give the same utility. A process that
// dies, answers garbage or takes longer than the timeout is killed with all its
// children and started anew; the request is tried again. After the retries the
// sample counts as failed and the search goes on.
type Exec struct {
	o        ExecOptions
	identity search.Identity
	idle     chan *process // holds o.Workers entries; nil: not started
	mu       sync.Mutex
	next     int
	all      map[*process]bool
	ever     bool // some request has been answered
}

// execRequest and execAnswer are the lines of the protocol.
type execRequest struct {
	ID       string        `json:"id"`
	Arch     string        `json:"arch"`
	Layers   []space.Layer `json:"layers"`
	Seed     uint64        `json:"seed"`
	Fidelity float64       `json:"fidelity"`
}

type execAnswer struct {
	ID      string             `json:"id"`
	Utility *float64           `json:"utility"`
	Parts   map[string]float64 `json:"parts"`
	Seconds float64            `json:"seconds"`
	Error   string             `json:"error"`
}

// NewExec prepares the workers; processes start when first needed. Its identity
// is the command line and the content of the files it names.
func NewExec(o ExecOptions) (*Exec, error) {
	if strings.TrimSpace(o.Command) == "" {
		return nil, hint.Wrap(errors.New("evaluator exec: no command"), "give one, as in exec:'python3 train.py'")
	}
	o.Workers = max(o.Workers, 1)
	e := &Exec{o: o, idle: make(chan *process, o.Workers), all: map[*process]bool{}}
	for range o.Workers {
		e.idle <- nil
	}
	h := sha256.New()
	fmt.Fprintf(h, "isocost/exec/v1\n%s\n", o.Command)
	for _, word := range strings.Fields(o.Command) {
		word = strings.Trim(word, `'"`)
		if info, err := os.Stat(word); err == nil && info.Mode().IsRegular() {
			data, err := os.ReadFile(word)
			if err != nil {
				return nil, fmt.Errorf("evaluator exec: %w", err)
			}
			fmt.Fprintf(h, "%x\n", sha256.Sum256(data))
		}
	}
	e.identity = search.Identity{Spec: "exec:" + o.Command, SHA256: hex.EncodeToString(h.Sum(nil))}
	return e, nil
}

// Identity implements search.Evaluator.
func (e *Exec) Identity() search.Identity { return e.identity }

// Evaluate implements search.Evaluator.
func (e *Exec) Evaluate(ctx context.Context, r search.Request) (search.Answer, error) {
	e.mu.Lock()
	e.next++
	q := execRequest{strconv.Itoa(e.next), r.Key, r.Arch.Layers, r.Seed, r.Fidelity}
	e.mu.Unlock()
	line, err := json.Marshal(q)
	if err != nil {
		return search.Answer{}, err
	}
	var last error
	for attempt := 0; attempt <= e.o.Retries; attempt++ {
		a, err := e.once(ctx, q.ID, line)
		if err == nil {
			return a, nil
		}
		if ctx.Err() != nil {
			return search.Answer{}, ctx.Err()
		}
		last = err
		if e.o.Note != nil {
			e.o.Note(fmt.Sprintf("attempt %d of %s: %v", attempt+1, r.Key, err))
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.ever {
		// Nothing has ever worked: that is the program, not the architecture.
		return search.Answer{}, hint.Wrap(fmt.Errorf("evaluator exec: %w", last), "try the command by hand with one request line: %.300s", line)
	}
	return search.Answer{}, &search.Failure{Reason: fmt.Sprintf("%d attempts: %v", e.o.Retries+1, last)}
}

// once has one process answer one request. On any failure the process is killed.
func (e *Exec) once(ctx context.Context, id string, line []byte) (a search.Answer, err error) {
	var p *process
	select {
	case p = <-e.idle:
	case <-ctx.Done():
		return a, ctx.Err()
	}
	defer func() {
		if err != nil && p != nil && !errors.As(err, new(*refusal)) {
			e.drop(p)
			p = nil
		}
		e.idle <- p
	}()
	if p == nil {
		if p, err = e.start(); err != nil {
			return a, err
		}
	}
	if e.o.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, e.o.Timeout)
		defer cancel()
	}
	reply, err := p.exchange(ctx, line)
	if errors.Is(err, context.DeadlineExceeded) {
		return a, fmt.Errorf("no answer within %v", e.o.Timeout)
	}
	if err != nil {
		return a, err
	}
	var ans execAnswer
	if err := json.Unmarshal(reply, &ans); err != nil {
		return a, fmt.Errorf("the answer %.80q is no JSON object: %v", reply, err)
	}
	switch {
	case ans.ID != id:
		return a, fmt.Errorf("the answer has id %.40q, the request %q", ans.ID, id)
	case ans.Error != "":
		return a, &refusal{ans.Error}
	case ans.Utility == nil:
		return a, fmt.Errorf("the answer %.80q has neither utility nor error", reply)
	case math.IsNaN(*ans.Utility) || math.IsInf(*ans.Utility, 0) || !(ans.Seconds >= 0):
		return a, fmt.Errorf("the answer %.80q holds numbers out of range", reply)
	}
	e.mu.Lock()
	e.ever = true
	e.mu.Unlock()
	return search.Answer{Utility: *ans.Utility, Parts: ans.Parts, Seconds: ans.Seconds}, nil
}

// refusal is an error the program itself reported: the process is well.
type refusal struct{ text string }

func (r *refusal) Error() string { return r.text }

// Close ends all processes.
func (e *Exec) Close() error {
	e.mu.Lock()
	var all []*process
	for p := range e.all {
		all = append(all, p)
	}
	e.mu.Unlock()
	for _, p := range all {
		e.drop(p)
	}
	return nil
}

func (e *Exec) drop(p *process) {
	e.mu.Lock()
	delete(e.all, p)
	e.mu.Unlock()
	p.kill()
}

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
}

func (e *Exec) start() (*process, error) {
	p := &process{lines: make(chan []byte), stop: make(chan struct{}), gone: make(chan struct{}), tail: &tail{to: e.o.Stderr}}
	p.cmd = shell(e.o.Command)
	p.cmd.Stderr = p.tail
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.in = in
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %q: %w", e.o.Command, err)
	}
	e.mu.Lock()
	e.all[p] = true
	e.mu.Unlock()
	go func() {
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
		p.cmd.Wait()
		close(p.gone)
	}()
	return p, nil
}

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
	if last := p.tail.last(); last != "" {
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
	s := lines[len(lines)-1]
	if len(s) > 200 {
		s = s[:200] + "…"
	}
	return s
}
