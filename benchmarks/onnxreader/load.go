package onnxreader

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/benchmarks/ortmemory"
	"github.com/isocost/isocost/benchmarks/ortmodel"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/internal/onnx/graph"
)

// maxFileBytes bounds what is read: protobuf ends at 2 GiB, and external data is not
// read whole.
const maxFileBytes = 4 << 30

// Options say what a file leaves open.
type Options struct {
	// Dims gives symbolic dimensions their values, by name. A batch (the first
	// dimension of an input) without a value is 1.
	Dims map[string]int
	// Batch is the batch that the keys are wanted for, such as a table's; 0 where any will
	// do. Only inputs that may be rows as well as a batch depend on it: see network.Batch.
	Batch int
	// Name of the network; by default the file's.
	Name string
	// Root is the folder external data lies in; nil when there is none. Only small
	// constants are read from it.
	Root fs.FS
	// Target is the machine that the runtime runs on; the zero value has AVX-512.
	Target ortmodel.Target
	// Trace, where set, is told what each stage made of the model.
	Trace network.Tracer
	// Lowered says that the runtime wrote the model, optimised; many such are known by
	// their operators.
	Lowered bool
}

// ReadFile reads a model from disk.
func ReadFile(path string, opt Options) (*network.Network, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, hint.Wrap(err, "name an ONNX model")
	case info.IsDir():
		return nil, hint.Wrap(fmt.Errorf("%s is a folder", path), "name an ONNX model")
	case info.Size() > maxFileBytes:
		return nil, fmt.Errorf("%s: %d bytes are more than an ONNX model can have", path, info.Size())
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if opt.Root == nil {
		opt.Root = onnx.Folder(path)
	}
	if opt.Name == "" {
		opt.Name = strings.TrimSuffix(filepath.Base(path), ".onnx")
	}
	n, err := Read(data, opt)
	if err != nil {
		return nil, hintKeep(fmt.Errorf("%s: %w", path, err), err)
	}
	return n, nil
}

// hintKeep gives outer the hint of inner, which wrapping hides from nobody but
// keeps in one place.
func hintKeep(outer, inner error) error {
	if h := hint.Of(inner); h != "" && hint.Of(outer) == "" {
		return hint.Wrap(outer, "%s", h)
	}
	return outer
}

// Read reads a model from its bytes. Errors: a file that is not an ONNX model, is
// truncated, inconsistent or beyond the bounds; a symbolic dimension without a
// value (hint: which). Nodes it cannot price are not errors: see Network.Unpriced.
func Read(data []byte, opt Options) (*network.Network, error) {
	m, err := onnx.Decode(data)
	if err != nil {
		return nil, err
	}
	return ReadModel(m, opt)
}

// ReadModel reads a decoded model.
func ReadModel(m *onnx.Model, opt Options) (*network.Network, error) {
	tell := opt.Trace
	if tell == nil {
		tell = func(string, fmt.Stringer) {}
	}
	g, err := graph.Load(m, graph.Options{Dims: opt.Dims, Root: opt.Root})
	if err != nil {
		return nil, err
	}
	tell("loaded", g)
	if err := g.Infer(ortmodel.Contrib); err != nil {
		return nil, err
	}
	tell("inferred", g)
	tell("folded", g.Folded())
	lowered := opt.Lowered || ortmodel.Optimised(g)
	fused := ortmodel.Fuse(g, opt.Target, lowered)
	tell("fused", fused)
	laid := fused.LayOut(opt.Batch)
	tell("laid out", laid)
	net, made := laid.Price()
	net.Name = opt.Name
	var plan ortmemory.Plan
	if lowered {
		plan = ortmemory.Optimised(g, opt.Target)
		plan.WeighParts(net, made)
	}
	if plan == nil {
		plan = ortmemory.Exported(fused)
		plan.Weigh(net, made)
	}
	tell("planned", plan)
	tell("priced", net)
	return net, nil
}
