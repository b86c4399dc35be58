package campaign

import (
	"cmp"
	"context"
	"slices"

	"github.com/isocost/isocost/agent/child"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// The second pass over a group's models, after its rounds: what must not disturb
// a timed region. Each model's outcome is journaled, so that a resumed campaign
// does not repeat it.

// checkGroup does what the protocol asks for besides latency.
func (r *run) checkGroup(ctx context.Context, g int) error {
	var counting *child.Talk // the child that counts memory
	defer func() {
		if counting != nil {
			counting.Close()
		}
	}()
	var energies map[string]modelEnergy
	if slices.Contains(r.Protocol.Metrics, "energy") {
		var err error
		if energies, err = r.energyRounds(ctx, g); err != nil {
			return err
		}
	}
	for _, id := range r.j.groups[g].Models {
		if r.j.checks[id] != nil || r.j.faults[id] != nil || r.j.opens[id] == nil {
			continue
		}
		c := record.Check{Model: id}
		asked := false
		if r.Protocol.Check.Numeric {
			did, err := r.checkNumeric(ctx, &c)
			if err != nil {
				return err
			}
			asked = asked || did
		}
		if r.j.faults[id] == nil {
			for _, m := range r.Protocol.Metrics {
				var err error
				switch {
				case m == "energy" && r.isTerm(id):
					if c.Energy = energies[id].energy; c.Energy == nil && r.j.faults[id] == nil {
						c.Absent = join(c.Absent, "energy: "+cmp.Or(energies[id].absent, "it was not measured"))
					}
				case m == "memory" && (r.wholeModel(id) || r.framed(id)):
					err = r.checkMemory(ctx, &c, &counting)
				default:
					continue
				}
				if err != nil {
					return err
				}
				asked = true
			}
		}
		if !asked || r.j.faults[id] != nil {
			continue
		}
		if err := r.j.write(record.Line{Check: &c}); err != nil {
			return err
		}
		r.show("checking", g)
	}
	return nil
}

// isTerm reports whether some case's value contains this model's: its energy is
// needed then. A model that is only a case's isolated column is not.
func (r *run) isTerm(id string) bool {
	return slices.ContainsFunc(r.Plan.Cases, func(k benchmarks.Case) bool {
		return slices.ContainsFunc(k.Terms, func(t benchmarks.Term) bool { return t.Model == id && t.Coef != 0 })
	})
}

// comparedWith is the precision in which a model's outputs are computed again on the
// cpu provider: fp32 for a model of another precision, its own ("") for one that ran
// on another provider. A model of modules, of which it has the files of one precision, is
// compared with itself. ok is false when that is the model that was measured.
func (r *run) comparedWith(m benchmarks.Model) (as lut.Precision, ok bool) {
	if len(m.Modules) > 0 || lowest(m.Chain) == lut.FP32 {
		return "", r.Backend.Provider != "cpu"
	}
	return lut.FP32, true
}

// lowest is the coarsest precision of a chain, fp32 for a model file.
func lowest(c benchmarks.Chain) lut.Precision {
	p := lut.FP32
	for _, op := range c {
		if slices.Index(lut.Precisions, op.Precision) > slices.Index(lut.Precisions, p) {
			p = op.Precision
		}
	}
	return p
}

func (r *run) checkNumeric(ctx context.Context, c *record.Check) (asked bool, err error) {
	m := r.models[c.Model]
	as, ok := r.comparedWith(m)
	if !ok {
		return false, nil
	}
	tolerance, known := r.Protocol.Check.Tolerance[string(lowest(m.Chain))]
	if !known {
		return false, nil
	}
	if err := r.j.write(record.Line{Start: &record.Start{What: record.Checking, Models: []string{c.Model}, Boot: r.Boot}}); err != nil {
		return false, err
	}
	var failed *child.Failure
	_, err = r.talk.Ask(ctx, child.Request{Check: &child.Check{Model: m, Reference: as, Tolerance: tolerance}}, r.openPatience(), func(rep child.Report) error {
		c.Numeric = rep.Numeric
		if rep.Failed != nil {
			failed = rep.Failed
		}
		return nil
	})
	if err != nil {
		return true, r.survive(ctx, err)
	}
	switch {
	case failed == nil:
	case failed.Validity == record.NumericMismatch && r.caution(m) != "":
		c.Absent = "numeric: " + failed.Detail + "; of the model on cpu: " + r.caution(m)
	case failed.Validity == record.NumericMismatch:
		return true, r.strike(failed)
	default: // the model could be measured; only the comparison could not be made
		c.Absent = "numeric: " + failed.Detail
	}
	return true, nil
}

// caution holds what the campaign knows against a model's results.
func (r *run) caution(m benchmarks.Model) string {
	if r.Caution == nil || m.File == "" {
		return ""
	}
	return r.Caution(m)
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}
