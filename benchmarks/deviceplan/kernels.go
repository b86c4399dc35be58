package deviceplan

import (
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/lut"
)

// Kernels plans the first of these kernels for which there is time, each as a marginal cost, but none of Unseen's
// networks; those that cannot be measured and those beyond r's bounds are left out. It returns how many of them it has
// looked at: what is left is for another plan.
func Kernels(r Request, ops []lut.Op) (plan *benchmarks.Plan, looked int, err error) {
	never := r.never()
	p := &picker{planner: &benchmarks.Planner{Seed: r.Seed, Cold: true, Source: "kernels"}, schedule: r.Schedule}
	for _, op := range ops {
		if p.spent >= r.Seconds {
			break
		}
		looked++
		if never[op.String()] {
			continue
		}
		if c, ok := cell(op, r.Schedule); ok {
			if err := p.add(&c); err != nil {
				return nil, looked, err
			}
		}
	}
	return p.planner.Plan(), looked, nil
}
