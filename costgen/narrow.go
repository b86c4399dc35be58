package costgen

import (
	"cmp"
	"errors"
	"math"
	"slices"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/costgen/devicemodel"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
)

// What measuring one kernel takes, for choosing among kernels: two models that are opened and
// visited so many times, and what runs beside the kernel. As benchmarks.Estimate has it.
const (
	narrowOpen   = 0.03 // seconds
	narrowRounds = 30
	narrowVisit  = 1.2e-3
	narrowFrame  = 1e-3 // seconds that a cold frame runs beside the kernel
	narrowRuns   = 3    // per visit, one of them untimed
	narrowError  = 0.03 // relative standard error to expect of a kernel, besides a part of the frame
	narrowFloor  = 3e-4 // of the frame
)

// Narrowing is a kernel that PlanNarrowing chose.
type Narrowing struct {
	Op      lut.Op
	Seconds float64 // of device time, estimated
	Gain    float64 // fall of the networks' relative standard deviations, summed, per second
}

// PlanNarrowing plans what predictions lack, as PlanMissing does, and then the kernels of the
// networks whose measuring would narrow their intervals most per second of device time, until the
// seconds are spent. It fails for a table without a model of the device.
func (d *Predictor) PlanNarrowing(networks []*Prediction, seconds float64, seed uint64) (p *benchmarks.Plan, chosen []Narrowing, cannot []Missing, keyless int, err error) {
	if d.m == nil {
		return nil, nil, nil, 0, hint.Wrap(errors.New("the table has no model of the device, which says what would narrow a prediction"),
			"costgen compile --model fits one; without --minutes the plan holds what is missing")
	}
	var lacking []Missing
	for _, n := range networks {
		lacking = append(lacking, n.Missing...)
	}
	plan, cannot, keyless := planMissing(d.t, lacking, seed)
	var terms [][]devicemodel.Term
	var candidates []devicemodel.Candidate
	seen := map[string]bool{}
	for _, n := range networks {
		ops := make([]lut.Op, len(n.Kernels))
		for i := range n.Kernels {
			ops[i] = n.Kernels[i].Key
		}
		list := devicemodel.Terms(ops)
		terms = append(terms, list)
		e := d.m.Price(list)
		for i, t := range list {
			key, part := t.Op.String(), e.Parts[i]
			if seen[key] || part.Status == devicemodel.Measured || part.Status == devicemodel.Missing || benchmarks.Check(t.Op) != nil {
				continue
			}
			seen[key] = true
			us := part.Value / t.Count
			run := 1e-6*us + narrowFrame
			candidates = append(candidates, devicemodel.Candidate{
				Terms:   []devicemodel.Term{{Op: t.Op, Count: 1}},
				StdErr:  math.Hypot(narrowError*us, 1e6*narrowFloor*narrowFrame),
				Seconds: 2 * (narrowOpen + narrowRounds*(narrowVisit+narrowRuns*run)),
			})
		}
	}
	gains := d.m.Gains(candidates, terms)
	var out []Narrowing
	for i, c := range candidates {
		out = append(out, Narrowing{c.Terms[0].Op, c.Seconds, gains[i]})
	}
	slices.SortFunc(out, func(a, b Narrowing) int {
		return cmp.Or(cmp.Compare(b.Gain, a.Gain), cmp.Compare(a.Op.String(), b.Op.String()))
	})
	chosen = out[:0]
	for _, n := range out {
		if !(n.Gain > 0) || n.Seconds > seconds {
			continue
		}
		if plan.Cell(n.Op) == nil {
			seconds -= n.Seconds
			chosen = append(chosen, n)
		}
	}
	return plan.Plan(), chosen, cannot, keyless, nil
}
