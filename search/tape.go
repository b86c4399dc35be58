package search

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"

	"github.com/isocost/isocost/internal/strictjson"
)

// tape holds what a journal remembers: outcomes by request, the evaluator's scale,
// measurements, and the decisions a replay must repeat.
type tape struct {
	used      bool                // there was a journal
	outcomes  map[sampleID]*Entry // of the journal
	taken     int                 // outcomes the search has consumed
	decisions [][]byte
	played    int // decisions repeated so far
	state     json.RawMessage
	measures  map[measureID]Measurement
	sum       hash.Hash            // over what the search consumed, in its order
	proxies   map[string]proxyMean // by architecture, what the search sampled of it
	err       error                // the first problem found where none can be returned
	consumed  map[sampleID]bool
	pending   []Request // the batch that could not be answered in a replay
	end       string    // note of the last end entry
}

// sampleID identifies a sample. (arch, stream, index) is counted once at most.
type sampleID struct {
	arch, stream string
	index        int
}

// measureID is an architecture on a table's device.
type measureID struct {
	arch  string
	table int
}

func newTape(j *Journal) *tape {
	t := &tape{outcomes: map[sampleID]*Entry{}, measures: map[measureID]Measurement{}, sum: sha256.New(), consumed: map[sampleID]bool{}, proxies: map[string]proxyMean{}}
	if j == nil {
		return t
	}
	t.used = true
	for i := range j.Entries {
		e := &j.Entries[i]
		switch e.Kind {
		case EntryEval, EntryFail:
			id := sampleID{e.Arch, e.Stream, *e.Index}
			if _, ok := t.outcomes[id]; ok && t.err == nil {
				t.err = fmt.Errorf("journal: sample %d of %s (%s) is there twice", id.index, id.arch, id.stream)
			}
			t.outcomes[id] = e
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
	e, ok := t.outcomes[sampleID{q.Key, q.Stream, q.Index}]
	if !ok {
		return Outcome{}, false, nil
	}
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
	t.consumed[sampleID{q.Key, q.Stream, q.Index}] = true
	if m := t.proxies[q.Key]; q.Stream == StreamSearch && o.Failed == "" {
		t.proxies[q.Key] = proxyMean{m.sum + o.Utility, m.n + 1}
	}
	e := evalEntry(q, o)
	b, err := lineOf(&e)
	if err != nil && t.err == nil {
		t.err = err
	}
	t.sum.Write(b)
	t.sum.Write([]byte{'\n'})
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
