package search

import (
	"context"
	"encoding/json"

	"github.com/isocost/isocost/search/evidence"
	"github.com/isocost/isocost/search/space"
)

// Streams of seeds. Samples of different streams of one architecture are
// independent; a certificate rests on StreamSearch alone.
const (
	StreamSearch = evidence.StreamSearch // selection
	StreamFresh  = "fresh"               // gains reported after the search (no winner's curse)
	StreamFinal  = "final"               // final utilities of the audited set, by another evaluator
	StreamLow    = evidence.StreamLow    // low fidelities
)

// Request asks for one noisy utility of one architecture.
type Request struct {
	Arch     space.Arch
	Key      string  // Arch.Key
	Stream   string  // which family of seeds
	Index    int     // which sample of this architecture and stream, from 0
	Seed     uint64  // derived from run seed, stream, index and (unless paired) architecture; below 2^53
	Fidelity float64 // in (0, 1]; 1 is the full proxy
}

// Answer is one utility sample; larger is better.
type Answer struct {
	Utility float64
	// Parts are the components a composite utility was made of.
	Parts map[string]float64
	// Seconds is the cost of the sample when the evaluator states one. Like the
	// utility it must be the same when asked again: selection weighs it.
	Seconds float64
}

// Evaluator turns a request into a utility. Equal requests must get equal
// answers: a run that was killed asks again what it had not written down.
// It is called from several goroutines. Errors:
//   - *Failure: this sample cannot be had (crash, garbage, timeout, after all
//     retries); the run records it and goes on;
//   - anything else, and ctx's error, ends the run.
type Evaluator interface {
	Evaluate(ctx context.Context, r Request) (Answer, error)
	// Identity names the evaluator and what its answers depend on.
	Identity() Identity
}

// Identity is an evaluator's name in journals and certificates.
type Identity struct {
	Spec   string `json:"spec"`   // as given on the command line, e.g. table:nas.jsonl
	SHA256 string `json:"sha256"` // of the file, the program text or the built-in version
}

// Failure is an evaluation that did not produce a utility.
type Failure struct{ Reason string }

func (f *Failure) Error() string { return f.Reason }

// Pooled is an Evaluator whose seeds are finite: an architecture has so many
// samples, drawn without replacement, and the claim is about their mean.
type Pooled interface {
	PoolSize(a space.Arch) int
}

// Calibrated is an Evaluator that fixes its scale before the search, on the
// anchor and its neighbours. The state is journalled and restored on resume.
type Calibrated interface {
	Calibrate(ctx context.Context, archs []space.Arch, seed uint64) (json.RawMessage, error)
	Restore(state json.RawMessage) error
}
