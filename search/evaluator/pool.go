package evaluator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"time"
)

// pool keeps worker processes that answer one line by one line. A process that
// fails in any way is killed with all its children and started anew when next
// needed.
type pool struct {
	command func() *exec.Cmd
	timeout time.Duration // of one exchange; 0 for none
	stderr  io.Writer     // where the processes' own talk goes; nil to drop it
	// greet checks the first line a process writes; nil when it writes none.
	greet func(line []byte) error

	idle chan *process // one entry per worker; nil: not started
	mu   sync.Mutex
	all  map[*process]bool
}

func newPool(workers int, command func() *exec.Cmd) *pool {
	p := &pool{command: command, idle: make(chan *process, max(workers, 1)), all: map[*process]bool{}}
	for range max(workers, 1) {
		p.idle <- nil
	}
	return p
}

// exchange has a process answer a line; check judges the answer. An error of
// check kills the process unless it is a *refusal: the program itself said no.
func (w *pool) exchange(ctx context.Context, line []byte, check func(reply []byte) error) (err error) {
	var p *process
	select {
	case p = <-w.idle:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() {
		if err != nil && p != nil && !errors.As(err, new(*refusal)) {
			w.drop(p)
			p = nil
		}
		w.idle <- p
	}()
	outer := ctx
	if w.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, w.timeout)
		defer cancel()
	}
	late := func(err error) error {
		if outer.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("no answer within %v", w.timeout)
		}
		return err
	}
	if p == nil {
		if p, err = w.start(); err != nil {
			return err
		}
		if w.greet != nil {
			hello, err := p.read(ctx)
			if err == nil {
				err = w.greet(hello)
			}
			if err != nil {
				return late(err)
			}
		}
	}
	reply, err := p.exchange(ctx, line)
	if err != nil {
		return late(err)
	}
	return check(reply)
}

// refusal is an error the program itself reported: the process is well.
type refusal struct{ err error }

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

// Close ends all processes.
func (w *pool) Close() error {
	w.mu.Lock()
	var all []*process
	for p := range w.all {
		all = append(all, p)
	}
	w.mu.Unlock()
	for _, p := range all {
		w.drop(p)
	}
	return nil
}

func (w *pool) start() (*process, error) {
	p, err := start(w.command(), w.stderr)
	if err == nil {
		w.mu.Lock()
		w.all[p] = true
		w.mu.Unlock()
	}
	return p, err
}

func (w *pool) drop(p *process) {
	w.mu.Lock()
	delete(w.all, p)
	w.mu.Unlock()
	p.kill()
}
