package search

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"iter"

	"github.com/isocost/isocost/internal/strictjson"
)

// tape holds what a journal remembers: outcomes by request, the evaluator's scale,
// measurements, and the decisions a replay must repeat.
type tape struct {
	used      bool // there was a journal
	samples   map[streamID]*samples
	taken     int // outcomes the search has consumed
	decisions [][]byte
	played    int // decisions repeated so far
	state     json.RawMessage
	measures  map[measureID]Measurement
	line      []byte    // scratch
	sum       hash.Hash // over what the search consumed, in its order
	err       error     // the first problem found where none can be returned
	pending   []Request // the batch that could not be answered in a replay
	end       string    // note of the last end entry
}

// sampleID identifies a sample. (arch, stream, index) is counted once at most.
type sampleID struct {
	arch, stream string
	index        int
}

// streamID is an architecture in a stream.
type streamID struct{ arch, stream string }

// samples are those of one architecture in one stream.
type samples struct {
	of   []sample        // of the journal by index, an empty one where it has none
	far  map[int]*sample // of the journal, whose indices are no counts
	mean proxyMean       // of what was consumed
}

// sample is an outcome of the journal.
type sample struct {
	entry    *Entry
	consumed bool
}

// at is the journal's outcome of an index, nil where there is none.
func (s *samples) at(index int) *sample {
	if uint(index) < uint(len(s.of)) && s.of[index].entry != nil {
		return &s.of[index]
	}
	return s.far[index]
}

// put keeps an outcome of the journal. Indices are counted from 0; others, which only a damaged
// journal has, must not make a large array.
func (s *samples) put(index int, e *Entry) {
	if index < 0 || index > 2*len(s.of)+64 {
		if s.far == nil {
			s.far = map[int]*sample{}
		}
		s.far[index] = &sample{entry: e}
		return
	}
	for len(s.of) <= index {
		s.of = append(s.of, sample{})
	}
	s.of[index].entry = e
}

// unconsumed are the journal's outcomes that the search did not ask for.
func (s *samples) unconsumed() iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		for i := range s.of {
			if x := &s.of[i]; x.entry != nil && !x.consumed && !yield(x.entry) {
				return
			}
		}
		for _, x := range s.far {
			if !x.consumed && !yield(x.entry) {
				return
			}
		}
	}
}

// in returns the samples of an architecture in a stream.
func (t *tape) in(arch, stream string) *samples {
	id := streamID{arch, stream}
	s := t.samples[id]
	if s == nil {
		s = &samples{}
		t.samples[id] = s
	}
	return s
}

// proxy is what the search sampled of an architecture.
func (t *tape) proxy(arch string) proxyMean {
	if s := t.samples[streamID{arch, StreamSearch}]; s != nil {
		return s.mean
	}
	return proxyMean{}
}

// measureID is an architecture on a table's device.
type measureID struct {
	arch  string
	table int
}

func newTape(j *Journal) *tape {
	t := &tape{samples: map[streamID]*samples{}, measures: map[measureID]Measurement{}, sum: sha256.New()}
	if j == nil {
		return t
	}
	t.used = true
	for i := range j.Entries {
		e := &j.Entries[i]
		switch e.Kind {
		case EntryEval, EntryFail:
			s := t.in(e.Arch, e.Stream)
			if s.at(*e.Index) != nil && t.err == nil {
				t.err = fmt.Errorf("journal: sample %d of %s (%s) is there twice", *e.Index, e.Arch, e.Stream)
			}
			s.put(*e.Index, e)
		case EntryCalibrate:
			t.state = e.State
		case EntryMeasure:
			id := measureID{e.Arch, e.Table}
			if _, ok := t.measures[id]; ok && t.err == nil {
				t.err = fmt.Errorf("journal: %s is measured twice for table %d", e.Arch, e.Table)
			}
			t.measures[id] = *e.Measured
		case EntryStart, EntrySigma, EntryApart, EntryLayer, EntryMove, EntryRetire, EntryRefuse:
			b, err := strictjson.Line(e)
			if err != nil && t.err == nil {
				t.err = err
			}
			t.decisions = append(t.decisions, b)
		case EntryEnd:
			t.end = e.Note
		}
	}
	return t
}

// find returns the remembered outcome of a request, false when there is none.
func (t *tape) find(q Request) (Outcome, bool, error) {
	if t.err != nil {
		return Outcome{}, false, t.err
	}
	s := t.in(q.Key, q.Stream).at(q.Index)
	if s == nil {
		return Outcome{}, false, nil
	}
	e := s.entry
	if *e.Seed != q.Seed || (e.Fidelity == nil) != (q.Fidelity == 1) || e.Fidelity != nil && *e.Fidelity != q.Fidelity {
		return Outcome{}, false, fmt.Errorf("journal: sample %d of %s was taken with seed %d, the search asks for seed %d", q.Index, q.Key, *e.Seed, q.Seed)
	}
	if e.Kind == EntryFail {
		return Outcome{Failed: e.Note}, true, nil
	}
	o := Outcome{Answer: Answer{Utility: *e.Utility, Parts: e.Parts}}
	if e.Seconds != nil {
		o.Seconds = *e.Seconds
	}
	return o, true, nil
}

// take counts an outcome as consumed.
func (t *tape) take(q Request, o Outcome) {
	t.taken++
	s := t.in(q.Key, q.Stream)
	if at := s.at(q.Index); at != nil {
		at.consumed = true
	}
	if o.Failed == "" {
		s.mean.sum += o.Utility
		s.mean.n++
	}
	e := evalEntry(q, o)
	var err error
	if t.line, err = lineOf(t.line[:0], &e); err != nil && t.err == nil {
		t.err = err
	}
	t.line = append(t.line, '\n')
	t.sum.Write(t.line)
}

// decision takes note of a step. A step the journal already has is known; one
// that differs from it is an error: the search did not repeat itself.
func (t *tape) decision(e Entry) (known bool, err error) {
	if t.played >= len(t.decisions) {
		return false, nil
	}
	b, err := strictjson.Line(e)
	if err != nil {
		return false, err
	}
	if !bytes.Equal(b, t.decisions[t.played]) {
		return true, fmt.Errorf("journal: step %d was %s and is now %s", t.played+1, t.decisions[t.played], b)
	}
	t.played++
	return true, nil
}

// ledger is the SHA-256 of all consumed outcomes in the order of consumption.
func (t *tape) ledger() string { return hex.EncodeToString(t.sum.Sum(nil)) }

// Measured is one architecture with its measured cost on a table's device.
type Measured struct {
	Arch string `json:"arch"`
	Measurement
	table int
}

// measured returns the measurements there are of an architecture, by table.
func (t *tape) measured(key string, tables int) []Measured {
	var out []Measured
	for i := range tables {
		if m, ok := t.measures[measureID{key, i}]; ok {
			out = append(out, Measured{key, m, i})
		}
	}
	return out
}

// measuredPath returns what was measured of a search's path, in its order.
func (t *tape) measuredPath(path []Visited, tables int) []Measured {
	var out []Measured
	for _, v := range path {
		out = append(out, t.measured(v.Key, tables)...)
	}
	return out
}
