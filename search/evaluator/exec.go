package evaluator

import (
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
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/isocost/isocost/internal/filehash"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/strictjson"
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
	pool     *pool
	mu       sync.Mutex
	next     int
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
	e := &Exec{o: o, pool: newPool(o.Workers, func() *exec.Cmd { return shell(o.Command) })}
	e.pool.timeout, e.pool.stderr = o.Timeout, o.Stderr
	h := sha256.New()
	fmt.Fprintf(h, "isocost/exec/v1\n%s\n", o.Command)
	for _, word := range strings.Fields(o.Command) {
		word = strings.Trim(word, `'"`)
		if info, err := os.Stat(word); err == nil && info.Mode().IsRegular() {
			sum, err := filehash.SHA256(word) // a whole data set, perhaps: never in memory
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
	for attempt := 0; attempt <= e.o.Retries; attempt++ {
		a, err := e.once(ctx, q.ID, line)
		if err == nil {
			return a, nil
		}
		if ctx.Err() != nil {
			return search.Answer{}, ctx.Err()
		}
		if errors.Is(err, errDiverged) { // with the same seed it would again
			e.mu.Lock()
			e.ever = true
			e.mu.Unlock()
			return search.Answer{}, &search.Failure{Reason: err.Error()}
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

// errDiverged is a training that came to no number: an answer, not a fault of the
// program.
var errDiverged = errors.New("diverged")

// mostUtility bounds a utility. Beyond it the squares of a few thousand differences leave
// the range of float64 (1.8e308), and with them every bound of the search; no score of a
// network comes near.
const mostUtility = 1e150

// notANumber is a utility that JSON has no word for, as programs write it.
var notANumber = regexp.MustCompile(`"utility"\s*:\s*(NaN|-?Infinity|null)`)

// once has one process answer one request.
func (e *Exec) once(ctx context.Context, id string, line []byte) (a search.Answer, err error) {
	err = e.pool.exchange(ctx, line, func(reply []byte) error {
		var ans execAnswer
		diverged := notANumber.Match(reply)
		if diverged {
			reply = notANumber.ReplaceAll(reply, []byte(`"utility":0`))
		}
		if err := strictjson.Decode(reply, &ans); err != nil {
			return fmt.Errorf("the answer %.80q: %w; its fields are id, utility, parts, seconds and error", reply, err)
		}
		switch {
		case ans.ID != id:
			return fmt.Errorf("the answer has id %.40q, the request %q", ans.ID, id)
		case ans.Error != "":
			return &refusal{errors.New(ans.Error)}
		case diverged:
			return &refusal{fmt.Errorf("%w: the utility is not a number", errDiverged)}
		case ans.Utility == nil:
			return fmt.Errorf("the answer %.80q has neither utility nor error", reply)
		case math.IsNaN(*ans.Utility) || math.IsInf(*ans.Utility, 0) || !(ans.Seconds >= 0):
			return fmt.Errorf("the answer %.80q holds numbers out of range", reply)
		case math.Abs(*ans.Utility) > mostUtility:
			return &refusal{fmt.Errorf("%w: the utility %g is beyond ±%g", errDiverged, *ans.Utility, mostUtility)}
		}
		a = search.Answer{Utility: *ans.Utility, Parts: ans.Parts, Seconds: ans.Seconds}
		return nil
	})
	if err == nil {
		e.mu.Lock()
		e.ever = true
		e.mu.Unlock()
	}
	return a, err
}

// Close ends all processes.
func (e *Exec) Close() error { return e.pool.Close() }
