package costgen

import (
	"github.com/isocost/isocost/benchmarks"
	nets "github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/lut"
)

// PredictNetwork prices a network of a file, whose name the prediction carries: by Predict,
// or by PredictMemory where the table is of memory.
func PredictNetwork(t *lut.Table, file string, net *nets.Network, extrapolate bool) (*Prediction, error) {
	if t.File().Metric == lut.Memory {
		alive := make([]Alive, len(net.Kernels))
		for i, k := range net.Kernels {
			alive[i] = Alive{Name: k.Name, Op: k.Op, Bytes: k.LiveBytes}
		}
		return PredictMemory(t, file, net.PeakBytes, alive)
	}
	kernels := make([]Kernel, len(net.Kernels))
	for i, k := range net.Kernels {
		kernels[i] = Kernel{Name: k.Name, Op: k.Op}
	}
	var unpriced []Unpriced
	for _, u := range net.Unpriced {
		unpriced = append(unpriced, Unpriced{Name: u.Name, Reason: u.Op + ": " + u.Reason})
	}
	return Predict(t, file, kernels, unpriced, extrapolate)
}

// PlanMissing plans the cells of what predictions lack, as agent plan --model would, once
// each. cannot says of each missing kernel with a key that the catalogue cannot build why;
// keyless counts those that no key describes. The plan has no cells when nothing can be
// planned.
func PlanMissing(t *lut.Table, lacking []Missing, seed uint64) (plan *benchmarks.Plan, cannot []Missing, keyless int) {
	planner := benchmarks.Planner{Seed: seed, Source: "missing from table " + t.Hash(), Cold: true}
	planned := map[string]bool{}
	for _, m := range lacking {
		if m.Key == nil {
			keyless++
			continue
		}
		key := m.Key.String()
		if planned[key] {
			continue
		}
		if err := planner.Cell(*m.Key); err != nil {
			cannot = append(cannot, Missing{m.Name, m.Key, err.Error()})
			continue
		}
		planned[key] = true
	}
	return planner.Plan(), cannot, keyless
}
