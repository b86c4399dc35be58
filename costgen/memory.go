package costgen

import (
	"errors"

	"github.com/isocost/isocost/benchmarks/ortmemory"
	"github.com/isocost/isocost/benchmarks/ortmodel"
	"github.com/isocost/isocost/lut"
)

// Alive is a kernel of a network and the bytes of activations alive while it runs.
type Alive struct {
	Name  string
	Op    lut.Op
	Bytes int64
}

// plannedPeak is the peak of a network by the runtime's plan: of its operators where
// they make a chain, else of the runtime's own graph as its record has it. ok is false
// where the runtime plans otherwise or nobody counted; the largest operator stands then.
func plannedPeak(t *lut.Table, n network) (bytes float64, ok bool) {
	f := t.File()
	if f.Metric != lut.Memory || !ortmemory.Plans(f.Runtime) || !n.counted {
		return 0, false
	}
	batch, _ := f.Protocol.Batch()
	if b, err := ortmemory.ChainPeak(n.ops, batch, ortmodel.On(f.Device, f.Runtime), nil); err == nil {
		return float64(b), true
	}
	return n.planned, n.planned > 0
}

// PredictMemory is the peak activation memory of a network by a memory table. Peaks
// do not add up, and a table of operators does not know what a branch around them
// keeps alive: the peak is that of the network's own schedule, in bytes, from whoever
// read its graph. The table turns it into what the device's allocator takes, by the
// networks that calibrated it. It fails when the peak is not known.
func PredictMemory(t *lut.Table, name string, peak int64, kernels []Alive) (*Prediction, error) {
	if peak <= 0 {
		return nil, errors.New("what the model keeps alive is not known: not all of its shapes are, or it is not an ONNX model")
	}
	p := &Prediction{Model: name, Unit: t.File().Unit, Known: float64(peak), Missing: []Missing{}, Kernels: make([]PricedKernel, 0, len(kernels))}
	for _, k := range kernels {
		b := float64(k.Bytes)
		p.Kernels = append(p.Kernels, PricedKernel{Name: k.Name, Key: k.Op, Cost: b, Lo: b, Hi: b})
	}
	c := t.Total(p.Known, 0, 0, len(kernels))
	p.Total, p.Lo, p.Hi, p.Extrapolated = &c.Value, &c.Lo, &c.Hi, c.Extrapolated
	return p, nil
}
