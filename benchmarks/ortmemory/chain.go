package ortmemory

import (
	"errors"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/benchmarks/ortmodel"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/internal/onnx/graph"
	"github.com/isocost/isocost/lut"
)

// Plans says whether the memory of networks on a runtime follows the plan that this
// package makes: ONNX Runtime's CPU provider.
func Plans(r lut.Runtime) bool { return r.Backend == "ort" && r.Provider == "cpu" }

// ChainPeak is the peak activation memory of a chain of operators in bytes at a batch, as ONNX Runtime's CPU provider runs the model that the catalogue makes of it: what it
// takes beyond weights, inputs and outputs. Peaks do not add up, and a buffer that waits
// to be used again counts while neither of its operators runs, so that no figure an
// operator has tells it. It fails for operators that do not make a chain, and for modules
// that modules does not hold.
func ChainPeak(ops []lut.Op, batch int, on ortmodel.Target, modules *benchmarks.Library) (int64, error) {
	g, err := benchmarks.Build(benchmarks.Chain(ops), benchmarks.BuildOptions{Batch: batch, Shapes: true, Modules: modules})
	if err != nil {
		return 0, err
	}
	m, err := onnxwriter.Shapes(g)
	if err != nil {
		return 0, err
	}
	return Peak(m, on)
}

// Peak is the same of a decoded model as exported. Its weights may lack their elements.
// It fails like graph.Load, and where a shape that the plan needs is not known.
func Peak(m *onnx.Model, on ortmodel.Target) (int64, error) {
	g, err := graph.Load(m, graph.Options{})
	if err != nil {
		return 0, err
	}
	if err := g.Infer(ortmodel.Contrib); err != nil {
		return 0, err
	}
	peak := Exported(ortmodel.Fuse(g, on, false)).Peak()
	if peak == 0 {
		return 0, errors.New("the shapes of the model are not all known")
	}
	return peak, nil
}
