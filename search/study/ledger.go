package study

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/isocost/isocost/internal/filelock"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/strictjson"
	"github.com/isocost/isocost/search"
)

// entry is one line of evaluations.jsonl: what an evaluator answered. A sample's
// seed is derived from the run's seed, stream and index, so methods that ask for
// the same sample share it.
type entry struct {
	Arch    string   `json:"arch"`
	Seed    uint64   `json:"seed"`
	Utility *float64 `json:"utility,omitempty"`
	Failed  string   `json:"failed,omitempty"`
}

type sampleID struct {
	arch string
	seed uint64
}

// ledger keeps every outcome, so that a killed study repeats no evaluation that
// it has written down.
type ledger struct {
	f     *os.File // nil: nothing is kept
	lock  io.Closer
	known map[sampleID]search.Outcome
}

// openLedger reads what there is; a torn last line is cut off. Until it is closed
// no other study can open it.
func openLedger(path string) (_ *ledger, err error) {
	l := &ledger{known: map[sampleID]search.Outcome{}}
	if l.lock, err = filelock.Lock(path); err != nil {
		return nil, hint.Wrap(err, "another study is writing there; wait for it, or give another -o")
	}
	defer func() {
		if err != nil {
			l.lock.Close()
		}
	}()
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	whole := bytes.LastIndexByte(data, '\n') + 1
	if err := l.read(path, data[:whole]); err != nil {
		return nil, err
	}
	if l.f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644); err != nil {
		return nil, err
	}
	if err = l.f.Truncate(int64(whole)); err == nil {
		_, err = l.f.Seek(0, io.SeekEnd)
	}
	if err != nil {
		l.f.Close()
		return nil, err
	}
	return l, nil
}

func (l *ledger) read(name string, data []byte) error {
	for line := 1; len(data) > 0; line++ {
		text, rest, _ := bytes.Cut(data, []byte("\n"))
		data = rest
		var e entry
		err := strictjson.Decode(text, &e)
		if err == nil && (e.Arch == "" || (e.Utility == nil) == (e.Failed == "")) {
			err = errors.New("an evaluation has arch, seed and either utility or failed")
		}
		if err != nil {
			return hint.Wrap(fmt.Errorf("%s:%d: %w", name, line, err), "remove the line: what it held is evaluated again")
		}
		o := search.Outcome{Failed: e.Failed}
		if e.Utility != nil {
			o.Utility = *e.Utility
		}
		l.known[sampleID{e.Arch, e.Seed}] = o
	}
	return nil
}

func (l *ledger) find(q search.Request) (search.Outcome, bool) {
	o, ok := l.known[sampleID{q.Key, q.Seed}]
	return o, ok
}

// add writes an outcome down, in one write: of what a kill tears only the last
// line is lost.
func (l *ledger) add(q search.Request, o search.Outcome) error {
	e := entry{Arch: q.Key, Seed: q.Seed, Failed: o.Failed}
	if e.Failed == "" {
		e.Utility = &o.Utility
	}
	line, err := strictjson.Line(e)
	if err != nil { // a utility that is not finite
		return fmt.Errorf("utility of %s: %w", q.Key, err)
	}
	l.known[sampleID{q.Key, q.Seed}] = o
	_, err = l.f.Write(append(line, '\n'))
	return err
}

func (l *ledger) close() error {
	if l.f == nil {
		return nil
	}
	return errors.Join(l.f.Sync(), l.f.Close(), l.lock.Close())
}
