package devicemodel

import (
	"fmt"
	"math"

	"github.com/isocost/isocost/lut"
)

// Term is a kernel and how often it runs.
type Term struct {
	Op    lut.Op
	Count float64
}

// Observation is a measured sum of kernels: Σ count·cost = Value ± StdErr, in the table's unit.
type Observation struct {
	Terms  []Term
	Value  float64 // may be negative where single kernels drown in noise
	StdErr float64 // positive
	// Context is the relative error of the sum for reasons that no kernel carries,
	// relative to it: 0 of a kernel alone, some percent of a whole network.
	Context float64
	// Silent observations teach nothing: they are only priced when their family is left out.
	Silent bool
	// Family names the family of networks that a whole network belongs to; observations
	// of families calibrate the intervals. "" of everything else.
	Family string
}

// One is the observation of a single kernel.
func One(op lut.Op, value, stdErr float64) Observation {
	return Observation{Terms: []Term{{op, 1}}, Value: value, StdErr: stdErr}
}

// Terms counts the kernels of a network, first come first.
func Terms(ops []lut.Op) []Term {
	var terms []Term
	at := map[string]int{}
	for _, op := range ops {
		key := op.String()
		if i, ok := at[key]; ok {
			terms[i].Count++
			continue
		}
		at[key] = len(terms)
		terms = append(terms, Term{op, 1})
	}
	return terms
}

func (o *Observation) validate() error {
	switch {
	case len(o.Terms) == 0:
		return fmt.Errorf("observation %v has no kernels", o.Value)
	case math.IsNaN(o.Value) || math.IsInf(o.Value, 0):
		return fmt.Errorf("observation of %s is %v", o.Terms[0].Op, o.Value)
	case !(o.Context >= 0) || o.Context > 1:
		return fmt.Errorf("observation of %s has the context %v, want a fraction", o.Terms[0].Op, o.Context)
	case !(o.StdErr > 0) || math.IsInf(o.StdErr, 0):
		return fmt.Errorf("observation of %s has the standard error %v, want a positive number", o.Terms[0].Op, o.StdErr)
	}
	for _, t := range o.Terms {
		if !(t.Count > 0) || math.IsInf(t.Count, 0) {
			return fmt.Errorf("observation holds %v of %s", t.Count, t.Op)
		}
	}
	return nil
}

// Status holds what the price of a kernel rests on.
type Status string

// The statuses, best first.
const (
	Measured     Status = "measured"     // observed by itself
	Interpolated Status = "interpolated" // among observed kernels of its kind
	Extrapolated Status = "extrapolated" // beyond them: in size, or of an attribute never seen
	Missing      Status = "missing"      // its kind or precision was never observed: no price
)

// Estimate is the price of a network.
type Estimate struct {
	Value  float64 // absent parts not counted: see Missing
	Lo, Hi float64 // 95 % interval of the sum, jointly over its kernels
	StdErr float64 // of the value's logarithm by the posterior alone, before any widening
	// Missing says how many terms have no price. The network has no total then.
	Missing int
	Parts   []Part // one per term, in their order
}

// Part is a term's share of an estimate.
type Part struct {
	Status Status
	Value  float64 // count·cost
	// Share is the part of the sum's variance that comes from this term: its covariance with
	// the sum over the sum's variance. Shares add up to 1.
	Share float64
}

// Candidate is something that could be measured: a kernel or a sum of kernels.
type Candidate struct {
	Terms   []Term
	StdErr  float64 // expected, in the table's unit
	Seconds float64 // of device time
}
