package evaluator

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/isocost/isocost/internal/filehash"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/search"
)

// ExecOptions say how an outside program is run.
type ExecOptions struct {
	Command string        // a shell command line
	Workers int           // requests at a time
	Timeout time.Duration // of one request; 0 for none
	Retries int           // further attempts after a failed one
	Stderr  io.Writer     // where the program's own talk goes; nil to drop it
	Log     io.Writer     // keeps what it prints between its answers; nil to drop it
	// Note is told of every failed attempt; it may be called concurrently.
	Note func(string)
}

// Exec asks an outside program by JSON lines on its standard input and output
// (docs/formats/exec.md):
//
//	{"id":"7","arch":"mb_k3_e6:2:int8|…","layers":[{"choice":"mb_k3_e6","width":2,"precision":"int8"},…],"seed":123,"fidelity":1}
//	{"id":"7","utility":0.9312}
//	{"id":"7","error":"out of memory"}
//
// A program that begins with a hello may take several requests at a time and answer them
// in any order; of any other there is one process per worker, which is asked one thing at
// a time. Lines that are not JSON objects are the program's talk: the first is noted, all
// go to the log. The same arch, seed and fidelity must give the same utility. A process that
// dies, answers garbage or takes longer than the timeout is killed with all its
// children and started anew; the request is tried again. After the retries the
// sample counts as failed and the search goes on.
type Exec struct {
	o        ExecOptions
	identity search.Identity
	fleet    *fleet
	mu       sync.Mutex
	next     int
	talked   bool // it has been noted that the program prints what is not an answer
	ever     bool // some request has been answered
	hello    execHello
}

// NewExec prepares the workers; processes start when first needed. Its identity
// is the command line and the content of the files it names.
func NewExec(ctx context.Context, o ExecOptions) (*Exec, error) {
	if strings.TrimSpace(o.Command) == "" {
		return nil, hint.Wrap(errors.New("evaluator exec: no command"), "give one, as in exec:'python3 train.py'")
	}
	e := &Exec{o: o, fleet: newFleet(o.Workers, func() *exec.Cmd { return shell(o.Command) })}
	e.fleet.timeout, e.fleet.stderr, e.fleet.greeted = o.Timeout, o.Stderr, e.greeted
	e.fleet.talk = e.talk
	h := sha256.New()
	fmt.Fprintf(h, "isocost/exec/v1\n%s\n", o.Command)
	for _, word := range strings.Fields(o.Command) {
		word = strings.Trim(word, `'"`)
		if info, err := os.Stat(word); err == nil && info.Mode().IsRegular() {
			sum, err := filehash.SHA256(ctx, word) // a whole data set, perhaps: never in memory
			if err != nil {
				return nil, fmt.Errorf("evaluator exec: %w", err)
			}
			fmt.Fprintf(h, "%s\n", sum)
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
	tried := 0
	for attempt := 0; attempt <= e.o.Retries; attempt++ {
		a, err := e.once(ctx, q.ID, line)
		if err == nil {
			return a, nil
		}
		if ctx.Err() != nil {
			return search.Answer{}, ctx.Err()
		}
		if errors.Is(err, errDiverged) { // with the same seed it would again
			e.answered()
			return search.Answer{}, &search.Failure{Reason: err.Error()}
		}
		last, tried = err, attempt+1
		if e.o.Note != nil {
			e.o.Note(fmt.Sprintf("attempt %d of %s: %v", attempt+1, r.Key, err))
		}
		if errors.Is(err, errFinal) {
			break
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.ever {
		// Nothing has ever worked: that is the program, not the architecture.
		return search.Answer{}, hint.Wrap(fmt.Errorf("evaluator exec: %w", last), "isosearch check --evaluator tries a command by itself; by hand, give it one request line: %.300s", line)
	}
	return search.Answer{}, &search.Failure{Reason: fmt.Sprintf("%d attempts: %v", tried, last)}
}

// once has a process answer a request.
func (e *Exec) once(ctx context.Context, id string, line []byte) (a search.Answer, err error) {
	err = e.fleet.exchange(ctx, id, line, func(reply []byte) error {
		a, err = decodeAnswer(reply, id)
		return err
	})
	if err == nil {
		e.answered()
	}
	return a, err
}

// answered notes that the program can answer.
func (e *Exec) answered() {
	e.mu.Lock()
	e.ever = true
	e.mu.Unlock()
}

// greeted takes note of a hello, and the first time says where it takes more requests at
// a time than there are workers.
func (e *Exec) greeted(h execHello) {
	e.mu.Lock()
	first := e.hello.Format == ""
	e.hello = h
	e.mu.Unlock()
	if n := max(e.o.Workers, 1); first && h.Concurrency > n && e.o.Note != nil {
		e.o.Note(fmt.Sprintf("the evaluator takes %d requests at a time and is given %d: --workers %d gives it as many, and --batch has as many to give", h.Concurrency, n, h.Concurrency))
	}
}

// Close ends all processes.
func (e *Exec) Close() error { return e.fleet.Close() }

// Protocol says what the program was heard to speak.
func (e *Exec) Protocol() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.hello.Format != "":
		return fmt.Sprintf("%s, %d at a time", e.hello.Format, e.hello.Concurrency)
	case e.ever:
		return "isocost/exec/v1 (no hello), one at a time"
	}
	return "not known: nothing was answered"
}
