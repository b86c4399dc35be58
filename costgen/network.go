package costgen

import (
	"fmt"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/gpudelegate"
	nets "github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
)

// PredictOptions allow what is not a plain look-up.
type PredictOptions struct {
	// Extrapolate guesses keys outside the measured range, and marks them.
	Extrapolate bool
	// ScaleBatch prices a network of several times the table's batch as so many inferences,
	// and marks it.
	ScaleBatch bool
}

// PredictNetwork prices a network of a file as a Predictor of the table does.
func PredictNetwork(t *lut.Table, file string, net *nets.Network, opt PredictOptions) (*Prediction, error) {
	p, err := NewPredictor(t)
	if err != nil {
		return nil, err
	}
	return p.Network(file, net, opt)
}

// Network prices a network of a file, whose name the prediction carries: by Predict, or by
// PredictMemory where the table is of memory. A network of another batch than the table's
// costs is an error (hint: what can be done); its peak of memory is its own whatever batch
// the table is of.
func (d *Predictor) Network(file string, net *nets.Network, opt PredictOptions) (*Prediction, error) {
	if d.t.File().Metric == lut.Memory {
		alive := make([]Alive, len(net.Kernels))
		for i, k := range net.Kernels {
			alive[i] = Alive{Name: k.Name, Op: k.Op, Bytes: k.LiveBytes}
		}
		return PredictMemory(d.t, file, net.PeakBytes, alive)
	}
	times, err := inferences(d.t, net.Batch, opt.ScaleBatch)
	if err != nil {
		return nil, err
	}
	run := net.Kernels
	if gpudelegate.Linked(d.t.File().Runtime) {
		run = gpudelegate.Link(run)
	}
	kernels := make([]Kernel, len(run))
	for i, k := range run {
		kernels[i] = Kernel{Name: k.Name, Op: k.Op}
	}
	var unpriced []Unpriced
	for _, u := range net.Unpriced {
		unpriced = append(unpriced, Unpriced{Name: u.Name, Reason: u.Op + ": " + u.Reason})
	}
	p, err := d.Predict(file, kernels, unpriced, opt.Extrapolate)
	if err == nil && times > 1 {
		p.repeat(times)
	}
	return p, err
}

// inferences returns how many of the table's inferences a network of a batch takes: 1 of the table's own,
// and of one that is not known (0).
func inferences(t *lut.Table, batch int, scale bool) (int, error) {
	of, known := t.File().Protocol.Batch()
	if batch == 0 || batch == of {
		return 1, nil
	}
	if scale && batch%of == 0 {
		return batch / of, nil
	}
	says := fmt.Sprintf("the table was measured at batch %d", of)
	if !known {
		says = "the table does not say its batch, and others publish theirs at batch 1"
	}
	cure := fmt.Sprintf("measure a table at that batch (batch: %d in bench's --protocol)", batch)
	if !scale && batch%of == 0 {
		cure += fmt.Sprintf("; --scale-batch prices it as %d inferences instead", batch/of)
	}
	return 0, hint.Wrap(fmt.Errorf("the model takes %d items at once: %s", batch, says), "%s", cure)
}

// repeat makes the prediction one of n inferences one after another.
func (p *Prediction) repeat(n int) {
	f := float64(n)
	p.Known *= f
	for _, v := range []*float64{p.Total, p.Lo, p.Hi} {
		if v != nil {
			*v *= f
		}
	}
	for i := range p.Kernels {
		k := &p.Kernels[i]
		k.Cost, k.Lo, k.Hi = k.Cost*f, k.Lo*f, k.Hi*f
	}
	p.Inferences, p.Extrapolated = n, true
}

// PlanMissing plans the cells of what predictions lack, as agent plan --model would, once
// each. cannot says of each missing kernel with a key that the catalogue cannot build why;
// keyless counts those that no key describes. The plan has no cells when nothing can be
// planned.
func PlanMissing(t *lut.Table, lacking []Missing, seed uint64) (plan *benchmarks.Plan, cannot []Missing, keyless int) {
	planner, cannot, keyless := planMissing(t, lacking, seed)
	return planner.Plan(), cannot, keyless
}

func planMissing(t *lut.Table, lacking []Missing, seed uint64) (planner *benchmarks.Planner, cannot []Missing, keyless int) {
	planner = &benchmarks.Planner{Seed: seed, Source: "missing from table " + t.Hash(), Cold: true, Caches: t.File().Device.Caches}
	planner.Batch, _ = t.File().Protocol.Batch()
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
	return planner, cannot, keyless
}
