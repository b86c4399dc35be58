package evaluator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"sync"
	"time"
)

// fleet keeps the processes of an outside program. A process is given one request at a
// time until its hello says that it takes more; then it is given as many, and its answers
// are told apart by their ids. A process that fails in any way is killed with all its
// children, which fails what it was at, and a new one is started when next needed.
type fleet struct {
	command func() *exec.Cmd
	timeout time.Duration // of one request; 0 for none
	stderr  io.Writer     // where the processes' own talk goes; nil to drop it
	// patience is the time a process may be silent before another is started. One
	// that takes many requests at a time may have a cluster or a supernet to open first,
	// and is enough; one that says nothing takes one. A program once known to write no
	// hello is not waited for.
	patience time.Duration
	talk     func(line []byte) bool // takes a line that is not an answer and says that it is none; nil where all are
	greeted  func(execHello)        // told of every hello; may be called concurrently

	room chan struct{} // holds one token per request under way, at most one per worker

	mu      sync.Mutex
	crew    []*member
	plain   bool          // the program is known to write no hello
	changed chan struct{} // closed and replaced when a request may have a place
	closed  bool
}

// firstWord is the default patience: what a large framework takes to be imported on a
// busy machine.
const firstWord = 20 * time.Second

func newFleet(workers int, command func() *exec.Cmd) *fleet {
	return &fleet{command: command, patience: firstWord, room: make(chan struct{}, max(workers, 1)), changed: make(chan struct{})}
}

// member is one process of a fleet.
type member struct {
	p     *process
	began time.Time
	out   chan []byte // lines to write; never full: see exchange

	// Of the fleet's mutex:
	hello   execHello // Concurrency 1 before there is one
	spoke   bool
	open    map[string]chan result // requests under way, by id
	dropped map[string]bool        // ids that nobody waits for any more
	gone    bool
}

type result struct {
	line []byte
	err  error
}

// exchange has a process answer request id; check judges the answer. An error of check
// kills the process unless it is a *refusal: the program itself said no.
func (f *fleet) exchange(ctx context.Context, id string, line []byte, check func(reply []byte) error) error {
	select {
	case f.room <- struct{}{}:
		defer func() { <-f.room }()
	case <-ctx.Done():
		return ctx.Err()
	}
	m, answer, err := f.place(ctx, id)
	if err != nil {
		return err
	}
	m.out <- append(line[:len(line):len(line)], '\n')
	var late <-chan time.Time
	if f.timeout > 0 {
		t := time.NewTimer(f.timeout)
		defer t.Stop()
		late = t.C
	}
	select {
	case r := <-answer:
		if r.err != nil {
			return r.err
		}
		err := check(r.line)
		if err != nil && !errors.As(err, new(*refusal)) {
			f.end(m, fmt.Errorf("the process was ended after another of its answers: %w", err))
		}
		return err
	case <-late:
		f.abandon(m, id, true)
		return fmt.Errorf("no answer within %v", f.timeout)
	case <-ctx.Done():
		f.abandon(m, id, false)
		return ctx.Err()
	}
}

// place finds a process with room for request id, or starts one.
func (f *fleet) place(ctx context.Context, id string) (*member, chan result, error) {
	for {
		f.mu.Lock()
		if f.closed {
			f.mu.Unlock()
			return nil, nil, errors.New("the evaluator is closed")
		}
		var free *member
		var wait time.Duration
		for _, m := range f.crew {
			if len(m.open) < m.hello.Concurrency && (free == nil || len(m.open) < len(free.open)) {
				free = m
			}
			if !f.plain && !m.spoke {
				wait = max(wait, time.Until(m.began.Add(f.patience)))
			}
		}
		if free == nil && wait <= 0 {
			p, err := start(f.command(), f.stderr)
			if err != nil {
				f.mu.Unlock()
				return nil, nil, err
			}
			free = &member{p: p, began: time.Now(), hello: execHello{Concurrency: 1}, open: map[string]chan result{},
				dropped: map[string]bool{}, out: make(chan []byte, 2*maxConcurrency)}
			f.crew = append(f.crew, free)
			go f.write(free)
			go f.read(free)
		}
		if free != nil {
			answer := make(chan result, 1)
			free.open[id] = answer
			f.mu.Unlock()
			return free, answer, nil
		}
		changed := f.changed
		f.mu.Unlock()
		timer := time.NewTimer(wait)
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
	}
}

// tell wakes the requests that wait for a place. The caller holds the mutex.
func (f *fleet) tell() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// write writes a process's lines one after another.
func (f *fleet) write(m *member) {
	for {
		select {
		case line := <-m.out:
			if _, err := m.p.in.Write(line); err != nil {
				return // its output ends as well: read says how
			}
		case <-m.p.gone:
			return
		}
	}
}

// read hands a process's lines to those who wait for them, until its output ends.
func (f *fleet) read(m *member) {
	for line := range m.p.lines {
		if f.talk != nil && f.talk(line) {
			m.p.said = string(line)
			continue
		}
		if err := f.line(m, line); err != nil {
			f.end(m, err)
			return
		}
	}
	f.end(m, m.p.died())
}

// line takes one line of a process.
func (f *fleet) line(m *member, line []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	first := !m.spoke
	m.spoke = true
	defer f.tell()
	if first && isHello(line) {
		h, err := decodeHello(line)
		if err != nil {
			return err
		}
		m.hello = h
		if f.greeted != nil {
			f.greeted(h)
		}
		return nil
	}
	if m.hello.Format == "" { // one request at a time: whatever it says is the answer
		f.plain = true
		for id, answer := range m.open {
			answer <- result{line: line}
			delete(m.open, id)
			return nil
		}
		return fmt.Errorf("the line %.80q answers nothing that was asked", line)
	}
	id, err := answerID(line)
	if err != nil {
		return err
	}
	answer, asked := m.open[id]
	switch {
	case asked:
		answer <- result{line: line}
		delete(m.open, id)
	case m.dropped[id]:
		delete(m.dropped, id)
	default:
		return fmt.Errorf("the answer has id %.40q, which nobody asked for", id)
	}
	return nil
}

// abandon gives a request up. A process that takes several is told, unless the whole
// search ends; any other is killed, since nothing else stops it.
func (f *fleet) abandon(m *member, id string, say bool) {
	f.mu.Lock()
	several := m.hello.Concurrency > 1
	if several {
		delete(m.open, id)
		m.dropped[id] = true
		f.tell()
	}
	f.mu.Unlock()
	switch {
	case !several:
		f.end(m, errors.New("the process was ended"))
	case say:
		line, _ := json.Marshal(execCancel{id}) // a string: it cannot fail
		select {
		case m.out <- append(line, '\n'):
		default: // it reads nothing: it will find out
		}
	}
}

// end takes a process out, kills it and fails what it was at.
func (f *fleet) end(m *member, err error) {
	f.mu.Lock()
	open := m.open
	m.open = map[string]chan result{}
	if !m.gone {
		m.gone = true
		f.crew = slices.DeleteFunc(f.crew, func(o *member) bool { return o == m })
	}
	for _, answer := range open {
		answer <- result{err: err}
	}
	f.tell()
	f.mu.Unlock()
	m.p.kill()
}

// Close ends all processes.
func (f *fleet) Close() error {
	f.mu.Lock()
	f.closed = true
	crew := slices.Clone(f.crew)
	f.mu.Unlock()
	for _, m := range crew {
		f.end(m, errors.New("the search ended"))
	}
	return nil
}
